"""Typographic signs and what stands for them on a typewriter.

One curly apostrophe puts a text of 160 signs into UTF-16 and so into three segments. Where such signs alone are in the way they are
written plainly; where anything else is outside the GSM alphabet as well, nothing is gained and the text stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidings.gsm import BASIC, ESCAPE, EXTENSION
from tidings.templates.sms.segments import fits_gsm

# Signs of typography only: no letter, no currency, nothing whose meaning could change.
PLAIN: dict[str, str] = {
    **dict.fromkeys("‘’‚‛′´`ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‹", "<"),
    **dict.fromkeys("›", ">"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("•‣·", "*"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\t", " "),
    "…": "...",
    "⁄": "/",
}  # fmt: skip
_TABLE = str.maketrans(PLAIN)
_GSM = BASIC.replace(chr(ESCAPE), "") + "".join(EXTENSION)
_SAVED = re.compile(f"[{re.escape(_GSM + ''.join(PLAIN))}]*")
_ANY = re.compile(f"[{re.escape(''.join(PLAIN))}]")


@dataclass(frozen=True, slots=True)
class Plain:
    """A text and the signs in it that were written plainly, each once (none: it is as it was)."""

    text: str
    replaced: tuple[str, ...] = ()


def plainly(text: str) -> Plain:
    """Return a text with plain quotes, dashes, dots and blanks where that brings the whole of it into the GSM alphabet."""
    if fits_gsm(text) or not _SAVED.fullmatch(text):
        return Plain(text)
    return Plain(text.translate(_TABLE), tuple(dict.fromkeys(_ANY.findall(text))))
