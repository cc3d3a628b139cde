"""One test on one value as an SQL condition.

A comparison with an unknown value is unknown to SQL as well, which selects nobody; `Not` is the complement and
holds for unknown, so what it returns is always true or false.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions import values as v
from tidings.definitions.money import exponent
from tidings.errors import Position
from tidings.segments.days import (
    after_micros,
    anniversary_days,
    first_micros,
    shift_day,
    shift_instant,
)
from tidings.segments.properties import position
from tidings.segments.scope import Scope, refused

Clause = sa.ColumnElement[bool]
_BIGGEST = 2**63 - 1
_OPERATORS: dict[v.Order, Callable[[Any, Any], Any]] = {
    v.Order.AT_LEAST: lambda left, right: left >= right,
    v.Order.AT_MOST: lambda left, right: left <= right,
    v.Order.MORE_THAN: lambda left, right: left > right,
    v.Order.LESS_THAN: lambda left, right: left < right,
}


@dataclass(frozen=True, slots=True)
class Value:
    """An expression with what it means: `type` is text, number, money, date, instant or flag.

    Money is minor units of `currency`, or of whatever `currency_sql` says in the row. `iso` marks dates kept as
    text, `fractional` an average of money, which need not be whole. `name` and `at` are for messages.
    """

    sql: sa.ColumnElement[Any]
    type: str
    name: str
    currency: str | None = None
    currency_sql: sa.ColumnElement[Any] | None = None
    iso: bool = False
    fractional: bool = False
    at: Position | None = None


def complement(clause: Clause) -> Clause:
    """Return a clause that holds wherever the given one does not, unknown included."""
    if isinstance(clause, sa.Exists):
        # Never NULL, and PostgreSQL makes an anti-join of a plain NOT EXISTS only.
        return sa.not_(clause)
    return clause.is_not(sa.true())


def none_of(clauses: list[Clause]) -> Clause:
    """Return a clause that holds where none of them does; of none, everywhere."""
    return every([complement(one) for one in clauses])


def either(clauses: list[Clause]) -> Clause:
    """Return a clause that holds where any does; of none, nowhere."""
    return sa.or_(*clauses) if clauses else sa.false()


def every(clauses: list[Clause]) -> Clause:
    """Return a clause that holds where all do; of none, everywhere."""
    return sa.and_(*clauses) if clauses else sa.true()


def holds(value: Value, test: v.Test, scope: Scope) -> Clause:
    """Return the condition that a value passes a test at the moment of the scope."""
    match test:
        case v.Not(inner):
            return complement(holds(value, inner, scope))
        case v.Known():
            return value.sql.is_not(None)
        case v.Unknown():
            return value.sql.is_(None)
        case v.Is(wanted):
            return _equal(value, (wanted,), scope)
        case v.OneOf(wanted):
            return _equal(value, wanted, scope)
        case v.AllOf(wanted):
            return every([_equal(value, (one,), scope) for one in wanted])
        case v.TextMatch(place, text):
            return _text_match(value, place, text)
        case v.Compared(order, limit, currency):
            return _compared(value, order, limit, currency, scope)
        case v.Between(low, high, currency):
            return sa.and_(
                _compared(value, v.Order.AT_LEAST, low, currency, scope),
                _compared(value, v.Order.AT_MOST, high, currency, scope),
            )
        case v.RelativeDate(relation, duration):
            return _relative(value, relation, duration, scope)
        case v.Anniversary(days):
            return _anniversary(value, days, scope)


def _wrong(value: Value, wanted: object) -> NoReturn:
    raise refused(f'"{value.name}" is of type {value.type} and cannot be compared with {wanted!r}', value.at)


def _equal(value: Value, wanted: tuple[v.Scalar, ...], scope: Scope) -> Clause:
    """Return the condition that a value is one of those."""
    if value.type == "text":
        texts = [one if isinstance(one, str) else _wrong(value, one) for one in wanted]
        # PostgreSQL cannot store a NUL in a text, so nothing equals one.
        return _among(value.sql, [one for one in texts if "\x00" not in one])
    if value.type == "flag":
        flags = [one if isinstance(one, bool) else _wrong(value, one) for one in wanted]
        return either([value.sql.is_(sa.true() if one else sa.false()) for one in flags])
    if value.type == "number":
        return _among(value.sql, [_number(value, one) for one in wanted], sa.Double())
    if value.type == "money":
        currency, in_currency = _currency(value, None, scope)
        amounts = [_minor(value, one, currency) for one in wanted]
        if value.fractional:
            return _among(value.sql, [float(one) for one in amounts], sa.Double())
        whole = [int(one) for one in amounts if one == one.to_integral_value() and abs(one) <= _BIGGEST]
        return sa.and_(*in_currency, _among(value.sql, whole, sa.BigInteger()))
    return either(
        [
            sa.and_(
                _compared(value, v.Order.AT_LEAST, one, None, scope),
                _compared(value, v.Order.AT_MOST, one, None, scope),
            )
            if isinstance(one, date)
            else _wrong(value, one)
            for one in wanted
        ]
    )


def _among(sql: sa.ColumnElement[Any], wanted: list[Any], type_: Any = None) -> Clause:
    if not wanted:
        return sa.false()
    if len(wanted) == 1:
        return sql == sa.literal(wanted[0], type_ or sa.Text())
    return sql.in_([sa.literal(one, type_) for one in wanted] if type_ else wanted)


def _number(value: Value, wanted: object) -> float:
    """Return a written number as the double it is stored as."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | Decimal):
        _wrong(value, wanted)
    assert isinstance(wanted, int | Decimal)
    return float(Decimal(wanted))


def _minor(value: Value, wanted: object, currency: str) -> Decimal:
    """Return a written amount in minor units, exactly: half a cent stays half a cent."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | Decimal):
        _wrong(value, wanted)
    assert isinstance(wanted, int | Decimal)
    return Decimal(wanted).scaleb(exponent(currency))


def _currency(value: Value, written: str | None, scope: Scope) -> tuple[str, list[Clause]]:
    """Return the currency of a comparison and, for amounts of events, the condition that the row is in it."""
    currency = written or value.currency or scope.currency
    if currency is None:
        raise refused(f'no currency is known for "{value.name}"', value.at, "write one, such as 500 EUR")
    if value.currency_sql is not None:
        return currency, [value.currency_sql == currency]
    if value.currency and currency != value.currency:
        raise refused(
            f'"{value.name}" is kept in {value.currency} and cannot be compared with an amount in {currency}',
            value.at,
            f"write the amount in {value.currency}",
        )
    return currency, []


def _compared(value: Value, order: v.Order, limit: Any, written: str | None, scope: Scope) -> Clause:
    """Return the condition that a value stands so to a limit."""
    if value.type == "number":
        clause: Clause = _OPERATORS[order](value.sql, sa.literal(_number(value, limit), sa.Double()))
        return clause
    if value.type == "money":
        currency, in_currency = _currency(value, written, scope)
        return sa.and_(*in_currency, _compared_money(value, order, _minor(value, limit, currency)))
    if value.type not in ("date", "instant") or not isinstance(limit, date):
        _wrong(value, limit)
    if value.type == "date":
        day = limit.date() if isinstance(limit, datetime) else limit
        clause = _OPERATORS[order](value.sql, _day(value, day))
        return clause
    if isinstance(limit, datetime):
        exact = to_micros(limit if limit.tzinfo else limit.replace(tzinfo=scope.zone))
        clause = _OPERATORS[order](value.sql, sa.literal(exact, sa.BigInteger()))
        return clause
    # A day without hour is meant whole: "at most" runs through its end, "more than" begins after it.
    if order in (v.Order.AT_LEAST, v.Order.LESS_THAN):
        border = first_micros(limit, scope.zone)
        return value.sql >= border if order is v.Order.AT_LEAST else value.sql < border
    border = after_micros(limit, scope.zone)
    return value.sql < border if order is v.Order.AT_MOST else value.sql >= border


def _compared_money(value: Value, order: v.Order, minor: Decimal) -> Clause:
    """Return the condition on minor units, whole as they are stored and no more than 64 bits can hold."""
    clause: Clause
    upward = order in (v.Order.AT_LEAST, v.Order.MORE_THAN)
    if value.fractional:
        clause = _OPERATORS[order](value.sql, sa.literal(float(minor), sa.Double()))
    elif abs(minor) > _BIGGEST:
        clause = value.sql.is_not(None) if upward is (minor < 0) else sa.false()
    elif minor == minor.to_integral_value():
        clause = _OPERATORS[order](value.sql, sa.literal(int(minor), sa.BigInteger()))
    else:
        # Between two whole amounts: everything above is above the lower one, everything below is at most that.
        below = sa.literal(math.floor(minor), sa.BigInteger())
        clause = value.sql > below if upward else value.sql <= below
    return clause


def _day(value: Value, day: date) -> sa.ColumnElement[Any]:
    return sa.literal(day.isoformat(), sa.Text()) if value.iso else sa.literal(day, sa.Date())


def _text_match(value: Value, place: v.TextPlace, text: str) -> Clause:
    """Return the condition that a text starts with, ends with or contains another, case as written."""
    if value.type != "text":
        _wrong(value, text)
    if "\x00" in text:
        return sa.false()
    if not text:
        return value.sql.is_not(None)
    if place is v.TextPlace.CONTAINS:
        return position(value.sql, text) > 0
    size = len(text)
    start = 1 if place is v.TextPlace.STARTS else sa.func.length(value.sql) - size + 1
    # A text shorter than the one looked for yields something shorter, which is never equal.
    return sa.func.substr(value.sql, start, size) == text


def _relative(value: Value, relation: v.DateRelation, duration: v.Duration, scope: Scope) -> Clause:
    """Return the condition on a date (whole days) or an instant (borders of local days; now cuts today in two)."""
    if value.type not in ("date", "instant"):
        _wrong(value, f"{relation} {duration}")
    past = relation in (v.DateRelation.IN_THE_LAST, v.DateRelation.MORE_THAN_AGO)
    direction = -1 if past else 1
    sql, now = value.sql, to_micros(scope.now)
    if duration.unit.exact:
        exact = shift_instant(scope.now, duration, direction)
        reach = _local_day(exact, scope)
        first = after = exact
    else:
        reach = shift_day(scope.today, duration, direction)
        first, after = first_micros(reach, scope.zone), after_micros(reach, scope.zone)
    if value.type == "date":
        today, border = _day(value, scope.today), _day(value, reach)
        match relation:
            case v.DateRelation.IN_THE_LAST:
                return sa.and_(sql >= border, sql <= today)
            case v.DateRelation.IN_THE_NEXT:
                return sa.and_(sql >= today, sql <= border)
            case v.DateRelation.MORE_THAN_AGO:
                return sql < border
            case v.DateRelation.MORE_THAN_FROM_NOW:
                return sql > border
    match relation:
        case v.DateRelation.IN_THE_LAST:
            return sql.between(first, now)
        case v.DateRelation.IN_THE_NEXT:
            return sa.and_(sql >= now, sql <= after if duration.unit.exact else sql < after)
        case v.DateRelation.MORE_THAN_AGO:
            return sql < first
        case v.DateRelation.MORE_THAN_FROM_NOW:
            return sql > after if duration.unit.exact else sql >= after


def _local_day(micros: int, scope: Scope) -> date:
    """Return the local day of microseconds since 1970, clipped to what a calendar can say."""
    try:
        return from_micros(micros).astimezone(scope.zone).date()
    except OverflowError:
        return date.max if micros > 0 else date.min


def _anniversary(value: Value, days: int, scope: Scope) -> Clause:
    """Return the condition that day and month of a date fall from today through so many days later."""
    found = anniversary_days(scope.today, days)
    if value.type == "date" and value.iso:
        return sa.func.substr(value.sql, 6, 5).in_([f"{one // 100:02}-{one % 100:02}" for one in found])
    if value.type == "date":
        return (sa.extract("month", value.sql) * 100 + sa.extract("day", value.sql)).in_(found)
    if value.type != "instant":
        _wrong(value, "an anniversary")
    return either(
        [
            sa.and_(value.sql >= first_micros(first, scope.zone), value.sql < after_micros(last, scope.zone))
            for first, last in _runs(found)
        ]
    )


def _runs(month_days: list[int]) -> list[tuple[date, date]]:
    """Return the first and last day of every run of such days from 1900 through 2100.

    The local day of an instant depends on the zone's history, so instants are compared with borders of real days.
    """
    runs: list[tuple[date, date]] = []
    day = date(1900, 1, 1)
    wanted = set(month_days)
    while day.year <= 2100:
        if day.month * 100 + day.day in wanted:
            if runs and runs[-1][1] + timedelta(days=1) == day:
                runs[-1] = (runs[-1][0], day)
            else:
                runs.append((day, day))
        day += timedelta(days=1)
    return runs
