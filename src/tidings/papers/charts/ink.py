"""The colours, letters and widths that all charts share.

The colours are told apart by people who see no red or no green (Okabe and Ito, "Color Universal Design", 2008), and by
their lightness when printed in grey. No chart relies on a colour alone: everything is named where it stands.
"""

from __future__ import annotations

from unicodedata import combining, east_asian_width

WIDTH = 680.0
INK, DIM, FAINT, GRID, PAPER = "#1b2733", "#5b6673", "#9aa4ae", "#e3e7eb", "#ffffff"
BLUE, ORANGE, GREEN, RED, SKY, SAND = "#0072b2", "#e08a00", "#00855f", "#c44e00", "#8cc4e8", "#d9dee3"
# The first that a machine has is taken; the fonts that the PDF embeds are among them.
FONTS = (
    "'Noto Sans', 'Segoe UI', 'Helvetica Neue', 'Noto Sans TC', 'Noto Sans SC', 'PingFang TC', "
    "'PingFang SC', 'Microsoft JhengHei', 'Microsoft YaHei', sans-serif"
)
# What stands for "no figure".
NONE = "–"
_NARROW, _WIDE = frozenset("iljtfrI.,:;|!'()[] -·"), frozenset("mwMW%@—…")


def width_of(text: str, size: float) -> float:
    """Return about how wide a text is, rather too wide than too narrow: fonts differ from reader to reader."""
    return size * sum(_em(sign) for sign in text)


def _em(sign: str) -> float:
    if combining(sign):
        return 0.0
    if east_asian_width(sign) in "WF":
        return 1.0
    if sign in _NARROW:
        return 0.33
    if sign in _WIDE:
        return 0.92
    return 0.68 if sign.isupper() else 0.575


def wrapped(text: str, room: float, size: float, lines: int = 3) -> list[str]:
    """Return a text in at most so many lines of a width; what does not fit ends in an ellipsis.

    Chinese breaks between any two signs, other words at spaces, and one that is too long anywhere.
    """
    found, line = [], ""
    for piece in _pieces(" ".join(text.split())):
        joined = line + piece
        if width_of(joined.rstrip(), size) <= room or not line.strip():
            line = joined
        else:
            found.append(line.strip())
            line = piece.lstrip()
        while width_of(line.rstrip(), size) > room and len(line) > 1:
            head = _fitting(line, room, size)
            found.append(head.strip())
            line = line[len(head) :]
    if line.strip():
        found.append(line.strip())
    if len(found) > lines:
        last = found[lines - 1]
        while last and width_of(last + "…", size) > room:
            last = last[:-1]
        found = [*found[: lines - 1], last.rstrip() + "…"]
    return found


def one_line(text: str, room: float, size: float) -> str:
    """Return a text cut to one line of a width."""
    return next(iter(wrapped(text, room, size, 1)), "")


def _pieces(text: str) -> list[str]:
    """Return the parts between which a line may break."""
    found: list[str] = []
    for sign in text:
        wide = east_asian_width(sign) in "WF"
        alone = wide or not found or found[-1].endswith((" ", "_", "/"))
        if alone or east_asian_width(found[-1][-1]) in "WF":
            found.append(sign)
        else:
            found[-1] += sign
    return found


def _fitting(line: str, room: float, size: float) -> str:
    end = len(line)
    while end > 1 and width_of(line[:end], size) > room:
        end -= 1
    return line[:end]
