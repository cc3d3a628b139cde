"""What a value becomes when the type of its attribute changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tidings.clock import from_micros, to_micros
from tidings.definitions.money import exponent

_YES = frozenset({"yes", "true", "1"})
_NO = frozenset({"no", "false", "0"})
Kind = tuple[str, str | None]
"""A type of attribute and its currency."""


def convert(values: Sequence[Any], old: Kind, new: Kind) -> Any | None:
    """Return the values of one customer in the new type, or None when nothing means the same there.

    A list becomes another type only when it has one value. A date is never made a point in time or back,
    for that needs a zone, and money never changes its currency.
    """
    if new[0] == "list":
        texts = [_text(value, old) for value in values]
        return None if None in texts else texts
    if len(values) != 1:
        return None
    if old[0] == "list":
        return _from_text(values[0], new)
    return _single(values[0], old, new)


def _single(value: Any, old: Kind, new: Kind) -> Any | None:
    if new[0] == "text":
        return _text(value, old)
    if old[0] == "text":
        return _from_text(value, new)
    if (old[0], new[0]) == ("number", "money"):
        return _minor(Decimal(str(value)), new[1])
    if (old[0], new[0]) == ("money", "number"):
        return float(Decimal(value).scaleb(-exponent(old[1] or "")))
    if (old[0], new[0]) == ("flag", "number"):
        return 1.0 if value else 0.0
    if (old[0], new[0]) == ("number", "flag") and value in (0, 1):
        return bool(value)
    return None


def _text(value: Any, kind: Kind) -> str | None:
    match kind[0]:
        case "number":
            return f"{Decimal(str(value)).normalize():f}"
        case "money":
            return f"{Decimal(value).scaleb(-exponent(kind[1] or '')):f}"
        case "date":
            return str(value.isoformat())
        case "instant":
            return from_micros(value).isoformat()
        case "flag":
            return "yes" if value else "no"
        case _:
            return str(value)


def _from_text(text: str, new: Kind) -> Any | None:
    text = text.strip()
    try:
        match new[0]:
            case "text":
                return text
            case "number":
                number = Decimal(text)
                return float(number) if number.is_finite() else None
            case "money":
                return _minor(Decimal(text), new[1])
            case "date":
                return date.fromisoformat(text)
            case "instant":
                return to_micros(datetime.fromisoformat(text))
            case "flag":
                word = text.lower()
                return True if word in _YES else False if word in _NO else None
            case _:
                return None
    except (ValueError, InvalidOperation):
        return None


def _minor(amount: Decimal, currency: str | None) -> int | None:
    minor = amount.scaleb(exponent(currency or ""))
    return int(minor) if minor.is_finite() and minor == minor.to_integral_value() else None
