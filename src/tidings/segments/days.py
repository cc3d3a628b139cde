"""Lengths of time on the workspace clock: calendar days, clipped months, borders of a day as instants.

Past what a calendar can say (year 1 to 9999) the answer is the first or the last moment of it, so
that `last 99999 years` means ever.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tidings.clock import local_midnight, to_micros
from tidings.definitions.values import Duration, Unit

EARLIEST = to_micros(datetime.min.replace(tzinfo=UTC))
LATEST = to_micros(datetime.max.replace(tzinfo=UTC))
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}
_SECONDS = {Unit.MINUTE: 60, Unit.HOUR: 3600}


def shift_day(day: date, duration: Duration, direction: int) -> date:
    """Return the day so many days, weeks, months or years later (direction 1) or earlier (-1).

    Months keep the day of the month, clipped to the last one: 31 March − 1 month = 28 or 29 February.
    """
    end = date.max if direction > 0 else date.min
    if duration.unit in _DAYS:
        try:
            return day + timedelta(days=direction * duration.amount * _DAYS[duration.unit])
        except OverflowError:
            return end
    months = day.year * 12 + day.month - 1 + direction * duration.amount * _MONTHS[duration.unit]
    year, month = months // 12, months % 12 + 1
    if not date.min.year <= year <= date.max.year:
        return end
    following = date(year + month // 12, month % 12 + 1, 1) if (year, month) != (9999, 12) else date.max
    last = (following - timedelta(days=1)).day if following != date.max else 31
    return date(year, month, min(day.day, last))


def shift_instant(instant: datetime, duration: Duration, direction: int) -> int:
    """Return the instant so many exact minutes or hours later (1) or earlier (-1), in microseconds since 1970."""
    moved = to_micros(instant) + direction * duration.amount * _SECONDS[duration.unit] * 1_000_000
    return min(max(moved, EARLIEST), LATEST)


def first_micros(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a local day, in microseconds since 1970."""
    try:
        return to_micros(local_midnight(day, zone))
    except OverflowError:
        return EARLIEST if day.year < 5000 else LATEST


def after_micros(day: date, zone: ZoneInfo) -> int:
    """Return the first instant after a local day, in microseconds since 1970."""
    return LATEST if day == date.max else first_micros(day + timedelta(days=1), zone)


def anniversary_days(today: date, days: int) -> list[int]:
    """Return month × 100 + day of every date whose anniversary falls from today through `days` days later.

    29 February falls on 28 February in years that have no 29th.
    """
    found: set[int] = set()
    for ahead in range(min(days, 366) + 1):
        day = date.fromordinal(min(today.toordinal() + ahead, date.max.toordinal()))
        found.add(day.month * 100 + day.day)
        if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3:
            found.add(229)
    return sorted(found)
