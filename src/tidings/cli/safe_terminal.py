"""What customers, files and other machines wrote never steers the terminal of who looks at it.

A name may hold the signs by which a program renames a window, writes to the clipboard or paints over the lines before it. On a
terminal every such sign is shown as a question mark; colours stay, and so do the bars of progress on stderr. What goes into a
file or a pipe is written as it is.
"""

from __future__ import annotations

import re
from typing import TextIO

_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
_BAR = re.compile(r"\x1b\[[0-9;?]*[A-KSThl]")
# C0 and C1 but for the end of a line and the tab, and what turns the direction of other text.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CONCEALED = "8"


def shown(text: str, *, bars: bool = False) -> str:
    """Return a text as a terminal may get it; `bars` leaves what moves the cursor."""

    def one(found: re.Match[str]) -> str:
        place, sign = found.start(), found[0]
        if sign == "\x1b":
            colour = _COLOUR.match(text, place)
            if colour and _CONCEALED not in colour[1].split(";"):
                return sign
            if bars and _BAR.match(text, place):
                return sign
        if sign == "\r" and (bars or text[place + 1 : place + 2] == "\n"):
            return sign
        return "?"

    return _STEERING.sub(one, text)


def guard(stream: TextIO | None, *, bars: bool = False) -> None:
    """Let a stream that is a terminal write nothing that steers it; any other stream, and none at all, stays as it is."""
    if stream is None or not stream.isatty():
        return
    write = stream.write

    def guarded(text: str) -> int:
        write(shown(text, bars=bars))
        return len(text)

    stream.write = guarded  # type: ignore[method-assign]
