"""How many segments a text takes, and where it is cut: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation).

One segment carries 140 octets: 160 septets of the GSM alphabet, or 70 units of UTF-16. A longer text gives 6 octets of each
segment to the header that joins them: 153 septets or 67 units are left. One sign outside the GSM alphabet puts the
whole text into UTF-16.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tidings.gsm import BASIC, ESCAPE, EXTENSION
from tidings.templates.sms.clusters import free_of_clusters, may_part


class Encoding(StrEnum):
    """How a text travels."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Segmented:
    """A text as its segments: `units` are septets (GSM7) or units of UTF-16."""

    encoding: Encoding
    parts: tuple[str, ...]
    units: int

    @property
    def offending(self) -> tuple[str, ...]:
        """Return the signs outside the GSM alphabet, which force UCS2, each once."""
        return tuple(dict.fromkeys(_OUTSIDE.findall("".join(self.parts))))

    @property
    def count(self) -> int:
        """Return how many segments are paid for."""
        return len(self.parts)


SINGLE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
JOINED = {Encoding.GSM7: 153, Encoding.UCS2: 67}

_SIGNS = BASIC.replace(chr(ESCAPE), "")
_TWICE = "".join(EXTENSION)
_BASIC = re.compile(f"[{re.escape(_SIGNS)}]*")
_GSM = re.compile(f"[{re.escape(_SIGNS + _TWICE)}]*")
_EXTENDED = re.compile(f"[{re.escape(_TWICE)}]")
_OUTSIDE = re.compile(f"[^{re.escape(_SIGNS + _TWICE)}]")


def fits_gsm(text: str) -> bool:
    """Tell whether every sign of a text is in the GSM alphabet or its extension table."""
    return _GSM.fullmatch(text) is not None


def segment(text: str) -> Segmented:
    """Return a text as the segments it is sent in; the empty text is one empty segment.

    No part tears a surrogate pair, an escape pair, or what is seen as one sign, unless that alone is longer than a segment.
    """
    if _BASIC.fullmatch(text):
        units = len(text)
        if units <= 160:
            return Segmented(Encoding.GSM7, (text,), units)
        if "\r" not in text:
            return Segmented(Encoding.GSM7, _sliced(text, 153), units)
    if _GSM.fullmatch(text):
        units = len(text) + len(_EXTENDED.findall(text))
        parts = (text,) if units <= 160 else _packed(text, 153, lambda sign: 2 if sign in EXTENSION else 1)
        return Segmented(Encoding.GSM7, parts, units)
    free = free_of_clusters(text)
    units = len(text) if free else len(text.encode("utf-16-le", "surrogatepass")) // 2
    if units <= 70:
        parts = (text,)
    elif free:
        parts = _sliced(text, 67)
    else:
        parts = _packed(text, 67, lambda sign: 2 if sign > "\uffff" else 1)
    return Segmented(Encoding.UCS2, parts, units)


def _sliced(text: str, most: int) -> tuple[str, ...]:
    return tuple([text[start : start + most] for start in range(0, len(text), most)])


def _packed(text: str, most: int, width: Callable[[str], int]) -> tuple[str, ...]:
    """Fill one part after another, each up to the last place where the text may be cut."""
    parts: list[str] = []
    start, units, cut, at_cut = 0, 0, 0, 0
    for index, sign in enumerate(text):
        wide = width(sign)
        if index > start and may_part(text, index):
            cut, at_cut = index, units
        if units + wide > most:
            # What is seen as one sign and fills a whole segment must be torn somewhere.
            end, kept = (cut, at_cut) if cut > start else (index, units)
            parts.append(text[start:end])
            start, units = end, units - kept
        units += wide
    return (*parts, text[start:])
