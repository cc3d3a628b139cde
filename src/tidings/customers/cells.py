"""One cell of a file to one value: compiled once a column, called once a row.

A reader takes the text of a cell, stripped and not empty, and returns its value, or raises CellError in words.
Money is minor units, an instant microseconds since 1970, a date a `date`, a number a float, a list a tuple of texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tidings.clock import to_micros
from tidings.customers.identity import normalise_email
from tidings.customers.phones import normalise_phone
from tidings.definitions.kinds.importing import Column
from tidings.definitions.kinds.rules import Attribute
from tidings.definitions.money import exponent, to_minor
from tidings.errors import TidingsError

Reader = Callable[[str], Any]

LONGEST_TEXT = 4000
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?\Z", re.ASCII)
_LARGEST = Decimal(10) ** 15
_YES = frozenset({"1", "yes", "y", "true", "t", "on"})
_NO = frozenset({"0", "no", "n", "false", "f", "off"})
_TOKENS = re.compile(r"YYYY|MM|DD|HH|mm|ss|SS")


class CellError(ValueError):
    """A cell that cannot be read: `kind` groups the same mistake of many rows, the text says it for this one.

    `column` is filled in where it is known which column was read.
    """

    def __init__(self, kind: str, message: str, column: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.column = column


def email_reader() -> Reader:
    """Return what reads an e-mail address."""
    return _named("not an e-mail address", normalise_email)


def phone_reader(country: str | None) -> Reader:
    """Return what reads a telephone or fax number into E.164."""
    return _named("not a telephone number", lambda text: normalise_phone(text, country))


def text_reader(longest: int = LONGEST_TEXT) -> Reader:
    """Return what takes text as it stands."""

    def read(text: str) -> str:
        if len(text) > longest:
            raise CellError("too long", f"{len(text):,} signs; at most {longest:,} are kept")
        return text

    return read


def typed_reader(
    kind: str, column: Column, *, currency: str | None = None, zone: str | None = None
) -> Reader:
    """Return what reads a value of a type of the vocabulary: text, number, money, date, instant, flag or list.

    `currency` is that of money unless the column says its own, `zone` that of instants written without one.
    """
    if kind == "number":
        return _numbers(column)
    if kind == "money":
        return _money(column, column.money or currency or "")
    if kind == "date":
        return _dates(column)
    if kind == "instant":
        return instant_reader(column, zone or "UTC")
    if kind == "flag":
        return _flag
    return _lists(column) if kind == "list" else text_reader()


def attribute_reader(attribute: Attribute, column: Column, zone: str) -> Reader:
    """Return what reads an attribute, with its bounds and its closed list of values."""
    if attribute.type == "money" and column.money and column.money != attribute.currency:
        raise TidingsError(
            f'the mapping reads "{column.name}" in {column.money}, but {attribute.name} is kept in {attribute.currency}',
            what_to_do=f"Convert it in the export, or declare another attribute for {column.money}.",
        )
    read = typed_reader(attribute.type, column, currency=attribute.currency, zone=zone)
    if attribute.values:
        read = _closed(read, frozenset(attribute.values), attribute)
    if attribute.lowest is not None or attribute.highest is not None:
        read = _bounded(read, attribute, column)
    return read


def mapped(column: Column, read: Reader) -> Reader:
    """Return a reader that first replaces what stands in the file by what is meant (`values:`)."""
    if not column.values and not column.starts:
        return read
    meant = meaning(column)
    return lambda text: read(meant(text) or text)


def meaning(column: Column) -> Callable[[str], str | None]:
    """Return what tells the meaning of a text under `values:`, None for one that is not there.

    A text that stands there as a whole comes first, then the longest of those that it starts with.
    """
    meant = dict(column.values)
    starts = sorted(column.starts, key=lambda pair: -len(pair[0]))
    if not starts:
        return meant.get

    # Names of campaigns repeat from row to row.
    @lru_cache(maxsize=8192)
    def find(text: str) -> str | None:
        found = meant.get(text)
        if found is not None:
            return found
        return next((value for start, value in starts if text.startswith(start)), None)

    return find


def exact_reader(column: Column) -> Reader:
    """Return what reads a number exactly, as a Decimal; taxes that it holds stay in it."""
    times, read = column.times or 1, _as_written(column)
    return read if times == 1 else lambda text: read(text) * times


def net_reader(column: Column) -> Callable[[str], Decimal]:
    """Return what reads an amount of money exactly and takes the tax off that it holds (`vat:`), unrounded."""
    gross, vat = exact_reader(column), column.vat
    return gross if vat is None else lambda text: vat.net(gross(text))


def _as_written(column: Column) -> Callable[[str], Decimal]:
    """Return what reads a number in the form that the mapping says (`numbers:`), else with a point."""
    form = column.numbers
    if form is None:
        return decimal_of

    def read(text: str) -> Decimal:
        value = form.read(text)
        if value is None:
            raise CellError("not a number", f'"{_short(text)}" is not a number written {form}')
        return _bounded_number(value, text)

    return read


def decimal_of(text: str) -> Decimal:
    """Return a plainly written number exactly; raises CellError for anything else or over 10^15."""
    if _NUMBER.match(text) is None:
        bare = re.sub(r"[^\d.,-]", "", text)
        plain = re.sub(r",(?=\d{3}(?:\D|$))", "", bare)
        hint = "; write 12.50 with a point" if re.fullmatch(r"[\d\s.,]+", text) else ""
        if bare != text and _NUMBER.match(plain):
            # NT$1,000: the money belongs into the mapping, `{column: …, money: TWD}`.
            hint = f"; write {plain}, without currency and thousands"
        raise CellError("not a number", f'"{_short(text)}" is not a number{hint}')
    return _bounded_number(Decimal(text), text)


def _bounded_number(value: Decimal, text: str) -> Decimal:
    if abs(value) > _LARGEST:
        raise CellError("number too large", f'"{_short(text)}" is too large')
    return value


def instant_reader(column: Column, zone: str) -> Reader:
    """Return what reads an instant into microseconds since 1970; `zone` is for those written without one."""
    clock = ZoneInfo(column.zone or zone)
    shape = _shape(column.format) if column.format else None

    # Exports repeat the same minute in row after row.
    @lru_cache(maxsize=8192)
    def read(text: str) -> int:
        try:
            value = _by_shape(shape, text) if shape else datetime.fromisoformat(text)
            return to_micros((value if value.tzinfo else value.replace(tzinfo=clock)).astimezone(UTC))
        except (ValueError, OverflowError) as error:
            asked = column.format or "YYYY-MM-DD HH:MM"
            raise CellError("not a time", f'"{_short(text)}" is not a time written {asked}') from error

    return read


def _numbers(column: Column) -> Reader:
    times = column.times
    if column.numbers is not None:
        exact = exact_reader(column)
        return lambda text: float(exact(text))
    if times is None or times == 1:

        def plain(text: str) -> float:
            # Short plain numbers are the rule; the careful way is for the rest.
            if text.isdecimal() and text.isascii() and len(text) < 16:
                return float(text)
            return float(decimal_of(text))

        return plain
    return lambda text: float(decimal_of(text) * times)


def _money(column: Column, currency: str) -> Reader:
    times, cents = column.times or 1, exponent(currency) == 2
    if column.numbers is not None or column.vat is not None:
        net = net_reader(column)
        return lambda text: to_minor(net(text), currency)

    def read(text: str) -> int:
        # 12.50 is the rule; the careful way is for the rest.
        if cents and times == 1 and text[-3:-2] == "." and len(text) < 16:
            digits = text[:-3] + text[-2:]
            if digits.isdecimal() and digits.isascii():
                return int(digits)
        return to_minor(decimal_of(text) * times, currency)

    return read


def _dates(column: Column) -> Reader:
    shape = _shape(column.format) if column.format and column.format != "YYYY-MM-DD" else None

    @lru_cache(maxsize=8192)
    def read(text: str) -> date:
        try:
            return _by_shape(shape, text).date() if shape else date.fromisoformat(text[:10])
        except ValueError as error:
            asked = column.format or "YYYY-MM-DD"
            raise CellError("not a date", f'"{_short(text)}" is not a date written {asked}') from error

    return read


def _flag(text: str) -> bool:
    small = text.lower()
    if small in _YES:
        return True
    if small in _NO:
        return False
    raise CellError("neither yes nor no", f'"{_short(text)}" is neither yes nor no')


def _lists(column: Column) -> Reader:
    separator = column.separator or ","
    item = text_reader(500)

    # Combinations repeat from customer to customer.
    @lru_cache(maxsize=8192)
    def read(text: str) -> tuple[str, ...]:
        return tuple(sorted({item(part.strip()) for part in text.split(separator) if part.strip()}))

    return read


def _closed(read: Reader, allowed: frozenset[str], attribute: Attribute) -> Reader:
    @lru_cache(maxsize=1024)
    def checked(text: str) -> Any:
        value = read(text)
        for one in (value,) if isinstance(value, str) else value:
            if one not in allowed:
                known = ", ".join(attribute.values)
                raise CellError("not one of its values", f'"{_short(one)}" is not one of: {known}')
        return value

    return checked


def _bounded(read: Reader, attribute: Attribute, column: Column) -> Reader:
    low, high = attribute.lowest, attribute.highest
    amount = net_reader(column)

    def checked(text: str) -> Any:
        value = read(text)
        exact = amount(text) if attribute.type == "money" else Decimal(value)
        if (low is not None and exact < low) or (high is not None and exact > high):
            sides = f"{'' if low is None else low} to {'' if high is None else high}".strip()
            raise CellError("out of bounds", f'"{_short(text)}" is outside {sides}')
        return value

    return checked


def _named(kind: str, read: Callable[[str], str]) -> Reader:
    def named(text: str) -> str:
        try:
            return read(text)
        except ValueError as error:
            raise CellError(kind, str(error)) from error

    return named


def _shape(written: str) -> re.Pattern[str]:
    """Return the pattern of a format such as DD.MM.YYYY HH:MM; the MM after HH are minutes."""
    pattern, end, seen = "", 0, set()
    for token in _TOKENS.finditer(written):
        name = {
            "YYYY": "year",
            "DD": "day",
            "HH": "hour",
            "mm": "minute",
            "ss": "second",
            "SS": "second",
        }.get(token[0], "minute" if "hour" in seen and "month" in seen else "month")
        if name in seen:
            raise TidingsError(f'the format "{written}" names the {name} twice')
        seen.add(name)
        digits = r"\d{4}" if name == "year" else r"\d{1,2}"
        pattern += re.escape(written[end : token.start()]) + f"(?P<{name}>{digits})"
        end = token.end()
    if not {"year", "month", "day"} <= seen:
        raise TidingsError(f'the format "{written}" needs YYYY, MM and DD')
    return re.compile(pattern + re.escape(written[end:]), re.ASCII)


def _by_shape(shape: re.Pattern[str], text: str) -> datetime:
    found = shape.fullmatch(text)
    if found is None:
        raise ValueError("another shape")
    part = {name: int(digits) for name, digits in found.groupdict().items()}
    hour, minute, second = part.get("hour", 0), part.get("minute", 0), part.get("second", 0)
    return datetime(part["year"], part["month"], part["day"], hour, minute, second)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
