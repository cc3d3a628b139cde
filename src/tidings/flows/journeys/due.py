"""When a step is due, as an SQL expression: calendar days keep the hour of the clock, on both databases alike.

Between two changes of the clocks the offset from UTC is constant. So a length of calendar time is a sum that is the same for
all instants of a stretch, and a few CASE branches say which stretch an instant is in, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.local_time import at_hour, instant_of
from tidings.clock import from_micros, local_day, to_micros
from tidings.definitions.kinds.flow import DayOffset
from tidings.definitions.values import Duration, Unit
from tidings.segments.days import shift_day, shift_instant

Instants = sa.ColumnElement[int]
DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_YEARS = (1901, 2199)


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the clocks: its instant, and the offset from UTC before and after it, all in microseconds."""

    at: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Piece:
    """From the instant `first` on (to the next piece): `add` to an instant, or every instant of it becomes `fixed`."""

    first: int
    add: int
    fixed: int | None = None


def after_instant(instant: int, length: Duration, zone: ZoneInfo, direction: int = 1) -> int:
    """Return the instant a length of time later (or, with direction -1, earlier): days and longer keep the local hour.

    An hour that does not exist on that day is the first minute that does; one that exists twice is the first of them.
    """
    moment = from_micros(instant)
    if length.unit.exact:
        return shift_instant(moment, length, direction)
    local = moment.astimezone(zone)
    day = shift_day(local.date(), length, direction)
    return to_micros(instant_of(datetime.combine(day, local.time()), zone))


def day_instant(day: date, offset: DayOffset, zone: ZoneInfo) -> int:
    """Return the instant that stands so many days from a date, at its hour in a zone."""
    return to_micros(at_hour(day + timedelta(days=offset.days), offset.at, zone))


def after_expression(
    instants: Instants, length: Duration, zone: ZoneInfo, lowest: int, highest: int, direction: int = 1
) -> Instants:
    """Return `after_instant` of a column in SQL; all its instants must lie from `lowest` through `highest`."""
    if length.unit.exact:
        moved = after_instant(lowest, length, zone, direction) - lowest
        return instants + _big(moved)
    pieces = pieces_of(length, zone, lowest, highest, direction)
    results = [_big(one.fixed) if one.fixed is not None else instants + _big(one.add) for one in pieces]
    if len(pieces) == 1:
        return results[0]
    whens = [
        (instants < _big(after.first), result) for after, result in zip(pieces[1:], results, strict=False)
    ]
    return sa.case(*whens, else_=results[-1])


def wall_instant(wall: Instants, zone: ZoneInfo, lowest: int, highest: int) -> Instants:
    """Return the instant at which a clock in the zone shows a wall time (microseconds as if it were UTC), in SQL.

    Exact for instants from `lowest` through `highest`; beyond them the clocks are taken not to change.
    """
    whens: list[tuple[Any, Instants]] = []
    last = _offset(lowest - 2 * DAY, zone)
    for turn in turns(zone, lowest - 2 * DAY, highest + 2 * DAY):
        whens.append((wall < _big(turn.at + turn.before), wall - _big(turn.before)))
        if turn.after > turn.before:
            # An hour that the clocks leap over.
            whens.append((wall < _big(turn.at + turn.after), _big(turn.at)))
        last = turn.after
    return sa.case(*whens, else_=wall - _big(last)) if whens else wall - _big(last)


def instant_wall(instants: Instants, zone: ZoneInfo, lowest: int, highest: int) -> Instants:
    """Return what a clock in the zone shows at an instant, in SQL; bounds as of `wall_instant`."""
    found = turns(zone, lowest, highest)
    last = found[-1].after if found else _offset(lowest, zone)
    whens = [(instants < _big(turn.at), instants + _big(turn.before)) for turn in found]
    return sa.case(*whens, else_=instants + _big(last)) if whens else instants + _big(last)


def day_number(text: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """Return the days from 1970-01-01 to a date written `2027-03-02`, in SQL; NULL for NULL.

    Plain arithmetic, because PostgreSQL would end the statement at a date that is not in the calendar.
    """
    year, month, day = (
        sa.cast(sa.func.substr(text, first, size), sa.BigInteger) for first, size in ((1, 4), (6, 2), (9, 2))
    )
    # March is the first month of a year that ends with the leap day.
    early = (_big(14) - month) // _big(12)
    years, months = year + _big(4800) - early, month + _big(12) * early - _big(3)
    leaps = years // _big(4) - years // _big(100) + years // _big(400)
    return day + (_big(153) * months + _big(2)) // _big(5) + _big(365) * years + leaps - _big(2_472_633)


def day_of_number(number: int) -> date:
    """Return the date so many days after 1970-01-01."""
    return _EPOCH + timedelta(days=number)


def number_of_day(day: date) -> int:
    """Return the days from 1970-01-01 to a date."""
    return (day - _EPOCH).days


def pieces_of(
    length: Duration, zone: ZoneInfo, lowest: int, highest: int, direction: int = 1
) -> tuple[Piece, ...]:
    """Return how instants from `lowest` through `highest` are moved by a length of calendar time, stretch by stretch."""
    borders = {turn.at for turn in turns(zone, lowest, highest)}
    moved = [after_instant(one, length, zone, direction) for one in (lowest, highest)]
    reached = turns(zone, min(moved) - 35 * DAY, max(moved) + 35 * DAY)
    offsets = {_offset(lowest, zone)} | {
        offset for turn in turns(zone, lowest, highest) for offset in (turn.before, turn.after)
    }
    walls = {wall for turn in reached for wall in (turn.at + turn.before, turn.at + turn.after)}
    for source in _sources(walls, length, zone, lowest, highest, direction):
        borders |= {source - offset for offset in offsets}
    if length.unit in (Unit.MONTH, Unit.YEAR):
        for day in _days(zone, lowest, highest):
            borders |= {number_of_day(day) * DAY - offset for offset in offsets}
    firsts = sorted({lowest, *(one for one in borders if lowest < one <= highest)})
    found: list[Piece] = []
    for first, following in zip(firsts, [*firsts[1:], highest + 1], strict=True):
        begins = after_instant(first, length, zone, direction)
        ends = after_instant(following - 1, length, zone, direction)
        piece = Piece(first, begins - first)
        if ends - (following - 1) != piece.add:
            piece = Piece(first, 0, fixed=begins)
        if not found or (found[-1].add, found[-1].fixed) != (piece.add, piece.fixed):
            found.append(piece)
    return tuple(found)


def turns(zone: ZoneInfo, lowest: int, highest: int) -> list[Turn]:
    """Return the changes of the clocks after `lowest` through `highest`."""
    years = range(
        min(max(from_micros(lowest).year - 1, _YEARS[0]), _YEARS[1]),
        max(min(from_micros(highest).year + 1, _YEARS[1]), _YEARS[0]) + 1,
    )
    return [turn for year in years for turn in _of_year(str(zone), year) if lowest < turn.at <= highest]


@lru_cache(maxsize=4096)
def _of_year(name: str, year: int) -> tuple[Turn, ...]:
    zone = ZoneInfo(name)
    first = to_micros(datetime(year, 1, 1, tzinfo=UTC))
    last = to_micros(datetime(year + 1, 1, 1, tzinfo=UTC))
    found = []
    # Nowhere do clocks change twice within half a day.
    low, before = first, _offset(first, zone)
    while low < last:
        high = min(low + DAY // 2, last)
        after = _offset(high, zone)
        if after != before:
            found.append(Turn(_change(low, high, zone), before, after))
        low, before = high, after
    return tuple(found)


def _change(low: int, high: int, zone: ZoneInfo) -> int:
    """Return the first instant after `low` with the offset of `high`."""
    before = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _offset(instant: int, zone: ZoneInfo) -> int:
    offset = from_micros(instant).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


def _days(zone: ZoneInfo, lowest: int, highest: int) -> Iterable[date]:
    day, last = local_day(from_micros(lowest), zone), local_day(from_micros(highest), zone)
    while day <= last:
        yield day
        day += timedelta(days=1)


def _sources(
    walls: set[int], length: Duration, zone: ZoneInfo, lowest: int, highest: int, direction: int
) -> set[int]:
    """Return the wall times that a length of time leads from to one of `walls`."""
    if length.unit not in (Unit.MONTH, Unit.YEAR):
        days = number_of_day(shift_day(_EPOCH, length, direction))
        return {wall - days * DAY for wall in walls}
    wanted: dict[int, list[int]] = {}
    for wall in walls:
        wanted.setdefault(wall // DAY, []).append(wall % DAY)
    return {
        number_of_day(day) * DAY + hour
        for day in _days(zone, lowest, highest)
        for hour in wanted.get(number_of_day(shift_day(day, length, direction)), ())
    }


def _big(value: int) -> sa.ColumnElement[int]:
    return sa.literal(value, sa.BigInteger)
