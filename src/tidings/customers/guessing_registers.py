"""Whether a file is a register of numbers that want no advertising: numbers, and nothing that tells whose they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

# What such registers call their one column, beside the words for telephones and faxes; simplified as `guessing.plain` does.
_WORDS = frozenset(
    "number phoneno phonenumber telephonenumber msisdn nummer telefonnummer rufnummer номер номертелефона "
    "號碼 号码 電話號碼 电话号码 donotcall dnc".split()
)
_NUMBER = re.compile(r"\+?[\d ()./-]{6,20}")
# So many of the values are numbers, at least.
_SHARE = 0.95


def register_column(
    names: Mapping[str, str],
    values: Mapping[str, Sequence[str]],
    phones: Collection[str],
    others: Collection[str],
) -> str:
    """Return the column of numbers of a register, "" where the file is none.

    `names` are the columns by their plain names, `values` what stands in each; `phones` the plain words for telephones and
    faxes, `others` those for whatever else is told of customers. A register has one column of numbers, and may have
    others (the day on which a number was listed), but none that says who somebody is.
    """
    if any(word in others for word in names):
        return ""
    found = [
        name for word, name in names.items() if (word in phones or word in _WORDS) and _numbers(values[name])
    ]
    if not found and len(names) == 1:
        found = [name for name in names.values() if _numbers(values[name])]
    if len(found) != 1 or any("@" in text for texts in values.values() for text in texts):
        return ""
    return found[0]


def _numbers(texts: Sequence[str]) -> bool:
    return bool(texts) and sum(1 for text in texts if _NUMBER.fullmatch(text)) >= _SHARE * len(texts)
