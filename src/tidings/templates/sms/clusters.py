"""Where a text may be cut so that no sign is torn: never within what a reader sees as one sign.

After the grapheme clusters of Unicode Standard Annex 29, on the careful side: a cut that the annex allows may be refused
here (before a sign that this Python does not know yet), one that it forbids is never made.
"""

from __future__ import annotations

import re
from unicodedata import category, combining

_ZWJ = "\u200d"
# Texts of these signs alone may be cut anywhere: Latin, Greek, Cyrillic, kana, Han, Hangul syllables and their marks.
_FREE = re.compile(
    "[\n !-~\xa0-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2100-\u2bff"
    "\u3001-\u3029\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff9d]*"
)
# Parts of Hangul syllables that stand after others, and those that wait for one (UAX 29, GB6 to GB8).
_JAMO_AFTER = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")
_JAMO_BEFORE = re.compile("[\u1100-\u115f\ua960-\ua97c]")
# Signs of the class Extend or SpacingMark that are no marks by category: ZWNJ, Thai and Lao AM, half-width voice marks.
_OTHER_EXTEND = frozenset("\u200c\u0e33\u0eb3\uff9e\uff9f")
# Signs of the class Prepend: they belong to the next one (GB9b).
_PREPEND = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3\U000113d1"
    "\U0001193f\U00011941\U00011a3a\U00011a84-\U00011a89\U00011d46\U00011f02]"
)


def free_of_clusters(text: str) -> bool:
    """Tell whether a text holds only signs that stand by themselves, one unit of UTF-16 each: it may be cut anywhere."""
    return _FREE.fullmatch(text) is not None


def may_part(text: str, index: int) -> bool:
    """Tell whether a text may be cut before its sign at `index` (from 1)."""
    before, after = text[index - 1], text[index]
    if before == "\r" and after == "\n":
        return False
    if before == _ZWJ or _extends(after):
        return False
    if _JAMO_AFTER.match(after) or _JAMO_BEFORE.match(before) or _PREPEND.match(before):
        return False
    if _is_flag_half(after) and _is_flag_half(before):
        return _halves_before(text, index) % 2 == 0
    return not _in_conjunct(text, index)


def _extends(sign: str) -> bool:
    """Tell whether a sign belongs to the one before it; a sign unknown to this Python is taken for one that does."""
    if sign < "\u0300":
        return False
    return (
        category(sign) in ("Mn", "Me", "Mc", "Cn")
        or sign == _ZWJ
        or sign in _OTHER_EXTEND
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\U000e0020" <= sign <= "\U000e007f"
    )


def _is_flag_half(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _halves_before(text: str, index: int) -> int:
    count = 0
    while count < index and _is_flag_half(text[index - 1 - count]):
        count += 1
    return count


def _in_conjunct(text: str, index: int) -> bool:
    """Tell whether a virama among the marks before `index` binds the next consonant (GB9c)."""
    place = index - 1
    while place >= 0 and (combining(text[place]) or _extends(text[place])):
        # Canonical combining class 9 is that of viramas.
        if combining(text[place]) == 9:
            return True
        place -= 1
    return False
