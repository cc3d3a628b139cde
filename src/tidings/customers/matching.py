"""Tests on the cells of one row (`skip`, `returns`, `consent: when`), compiled once.

The file knows only text: a number is compared as a number, a date as a date, yes and no as a flag. A comparison never
holds for a cell that is empty or cannot be read as such; `Not` is the complement and so includes those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tidings.customers.cells import CellError, decimal_of
from tidings.definitions.kinds.importing import RowTest
from tidings.definitions.values import (
    AllOf,
    Between,
    Compared,
    Is,
    Known,
    Not,
    OneOf,
    Order,
    TextMatch,
    TextPlace,
    Unknown,
)
from tidings.definitions.values import Test as ValueTest
from tidings.errors import TidingsError

CellTest = Callable[[str], bool]
RowsTest = Callable[[Sequence[str]], bool]

_HOLDS: dict[Order, Callable[[Any, Any], bool]] = {
    Order.AT_LEAST: lambda left, right: left >= right,
    Order.AT_MOST: lambda left, right: left <= right,
    Order.MORE_THAN: lambda left, right: left > right,
    Order.LESS_THAN: lambda left, right: left < right,
}


def any_row_test(tests: Sequence[RowTest], places: dict[str, int]) -> RowsTest | None:
    """Return what tells whether a row fits any of the lines (within a line everything must hold); None if none."""
    lines = [all_of(line.tests, places) for line in tests]
    if not lines:
        return None
    if len(lines) == 1:
        return lines[0]
    return lambda cells: any(line(cells) for line in lines)


def all_of(tests: Sequence[tuple[str, ValueTest]], places: dict[str, int]) -> RowsTest:
    """Return what tells whether every test holds on its column of a row; `places` maps column names to positions."""
    compiled = [(places[name], cell_test(test)) for name, test in tests]
    if len(compiled) == 1:
        place, test = compiled[0]
        return lambda cells: test(cells[place])
    return lambda cells: all(test(cells[place]) for place, test in compiled)


def cell_test(test: ValueTest) -> CellTest:
    """Return what tells whether a value test holds for the text of a cell."""
    if isinstance(test, Not):
        inner = cell_test(test.test)
        return lambda text: not inner(text)
    if isinstance(test, Known):
        return lambda text: bool(text.strip())
    if isinstance(test, Unknown):
        return lambda text: not text.strip()
    if isinstance(test, Is):
        return _equal((test.value,))
    if isinstance(test, OneOf | AllOf):
        return _equal(test.values)
    if isinstance(test, Compared):
        read, bound, holds = _reader(test.value), test.value, _HOLDS[test.order]
        return _on(read, lambda value: holds(value, bound))
    if isinstance(test, Between):
        low, high = test.low, test.high
        return _on(_reader(low), lambda value: low <= value <= high)
    if isinstance(test, TextMatch):
        part = test.text
        if test.place is TextPlace.STARTS:
            return lambda text: text.strip().startswith(part)
        if test.place is TextPlace.ENDS:
            return lambda text: text.strip().endswith(part)
        return lambda text: part in text
    raise TidingsError(
        "a row of a file cannot be tested against today",
        what_to_do="Compare with a written date, or leave it to a segment.",
    )


def _equal(values: Sequence[Any]) -> CellTest:
    texts = frozenset(value for value in values if isinstance(value, str))
    flags = frozenset(value for value in values if isinstance(value, bool))
    days = frozenset(value.isoformat() for value in values if isinstance(value, date))
    numbers = frozenset(
        Decimal(value) for value in values if isinstance(value, int | Decimal) and not isinstance(value, bool)
    )

    if not (flags or numbers):
        known = texts | days
        return lambda text: text.strip() in known

    def equal(text: str) -> bool:
        text = text.strip()
        if text in texts or text in days:
            return True
        if numbers and (value := _number(text)) is not None and value in numbers:
            return True
        return bool(flags) and _flag(text) in flags

    return equal


def _on(read: Callable[[str], Any], holds: Callable[[Any], bool]) -> CellTest:
    def test(text: str) -> bool:
        value = read(text.strip())
        return value is not None and holds(value)

    return test


def _reader(bound: Any) -> Callable[[str], Any]:
    if isinstance(bound, datetime):
        return _instant
    return _day if isinstance(bound, date) else _number


def _number(text: str) -> Decimal | None:
    try:
        return decimal_of(text) if text else None
    except CellError:
        return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _flag(text: str) -> bool | None:
    small = text.lower()
    return True if small in {"yes", "true", "1"} else False if small in {"no", "false", "0"} else None
