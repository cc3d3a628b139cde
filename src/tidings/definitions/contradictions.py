"""Tests on one value that can never hold together, such as at least 5 and less than 3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from tidings.definitions.values import Between, Compared, Is, Known, Not, OneOf, Order, Scalar, Test, Unknown

# A kind of value first: only limits of the same kind compare.
_Key = tuple[int, Any]


@dataclass(slots=True)
class _Range:
    """What is left of one value: its limits, the values that it may have, and those that it may not."""

    low: tuple[_Key, bool] | None = None
    high: tuple[_Key, bool] | None = None
    only: set[Scalar] | None = None
    never: set[Scalar] = field(default_factory=set)
    known: bool = False
    unknown: bool = False


def fits_nothing(tests: Iterable[tuple[str, Test]]) -> bool:
    """Tell whether these tests, by the name of what they test, can never all hold.

    Only what is plain is found: limits that cross, values that exclude each other, known and unknown. Relative dates and
    parts of texts are taken to fit. Amounts in different currencies are never compared, so they do not count.
    """
    ranges: dict[tuple[str, str], _Range] = {}
    presence: dict[str, _Range] = {}
    for name, test in tests:
        currency = test.currency or "" if isinstance(test, (Compared, Between)) else ""
        _narrow(ranges.setdefault((name, currency), _Range()), test)
        overall = presence.setdefault(name, _Range())
        absent = isinstance(test, Unknown) or (isinstance(test, Not) and isinstance(test.test, Known))
        overall.unknown |= absent
        overall.known |= test == Not(Unknown()) or not (absent or isinstance(test, Not))
    return any(one.known and one.unknown for one in presence.values()) or any(map(_empty, ranges.values()))


def _narrow(range_: _Range, test: Test) -> None:
    match test:
        case Compared(order, value):
            if order in (Order.AT_LEAST, Order.MORE_THAN):
                _raise_low(range_, value, strict=order is Order.MORE_THAN)
            else:
                _lower_high(range_, value, strict=order is Order.LESS_THAN)
        case Between(low, high):
            _raise_low(range_, low, strict=False)
            _lower_high(range_, high, strict=False)
        case Is(value):
            range_.only = {value} if range_.only is None else range_.only & {value}
        case OneOf(values):
            range_.only = set(values) if range_.only is None else range_.only & set(values)
        case Not(Is(value)):
            range_.never.add(value)
        case Not(OneOf(values)):
            range_.never |= set(values)
        case _:
            pass


def _key(value: object, *, end: bool = False) -> _Key:
    """Return a limit in a form that compares with others of its kind; `end`: of a day, its last moment."""
    if isinstance(value, datetime):
        return (1, value)
    if isinstance(value, date):
        return (1, datetime.combine(value, time.max if end else time.min))
    return (0, value) if isinstance(value, (Decimal, int)) else (2, str(value))


def _raise_low(range_: _Range, value: object, *, strict: bool) -> None:
    limit = (_key(value, end=strict), strict)
    range_.low = limit if range_.low is None else max(range_.low, limit)


def _lower_high(range_: _Range, value: object, *, strict: bool) -> None:
    limit = (_key(value, end=not strict), not strict)
    range_.high = limit if range_.high is None else min(range_.high, limit)


def _empty(range_: _Range) -> bool:
    if range_.low is not None and range_.high is not None:
        low, above = range_.low
        high, included = range_.high
        if low[0] == high[0] and (low > high or (low == high and (above or not included))):
            return True
    if range_.only is None:
        return False
    left = range_.only - range_.never
    return not any(_inside(range_, value) for value in left)


def _inside(range_: _Range, value: object) -> bool:
    key = _key(value)
    if range_.low is not None and key[0] == range_.low[0][0]:
        low, above = range_.low
        if key < low or (key == low and above):
            return False
    if range_.high is not None and key[0] == range_.high[0][0]:
        high, included = range_.high
        if key > high or (key == high and not included):
            return False
    return True
