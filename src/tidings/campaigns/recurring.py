"""The days on which a recurring campaign is due, and the instant of each.

Each occurrence is keyed by the local date of its rhythm's own day: where clocks are set back or forward it is still one, and one
that is moved off a holiday keeps its key.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tidings.campaigns.holidays import NO_HOLIDAYS, Holidays
from tidings.campaigns.local_time import at_hour
from tidings.definitions.kinds.timing import Recurrence, Rhythm

# A holiday moves an occurrence by so many days at most.
_MOVED = 60


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a campaign is due.

    `key` is the date of the rhythm's own day, `day` that on which it goes out, `at` the instant there. `left_out` says why
    it is not sent, in words; empty when it is.
    """

    key: str
    at: datetime
    day: date
    left_out: str = ""

    @property
    def moved(self) -> bool:
        """Tell whether it goes out on another day than its own."""
        return self.day.isoformat() != self.key


def occurrences(
    recurrence: Recurrence,
    zone: ZoneInfo,
    after: datetime,
    until: datetime,
    holidays: Holidays = NO_HOLIDAYS,
) -> list[Occurrence]:
    """Return the occurrences after one instant and through another, by the clock of a zone, in order.

    `from` counts from its first minute (or from its hour), `until` through its day (or through its hour). Those that
    holidays leave out are among them, with the reason. One that would be moved to the day of a later one, or past
    it, is left out: nobody gets two at once.
    """
    first = after.astimezone(zone).date() - timedelta(days=_MOVED)
    last = until.astimezone(zone).date() + timedelta(days=1)
    # The one after the last decides whether the last may be moved.
    own = [*rhythm_days(recurrence.every, first, last)]
    following = next(
        rhythm_days(recurrence.every, last + timedelta(days=1), last + timedelta(days=400)), None
    )
    found = []
    for day, later in zip(own, [*own[1:], following], strict=True):
        if not _within_days(recurrence, day):
            continue
        one = _placed(recurrence, day, later, zone, holidays)
        if after < one.at <= until:
            found.append(one)
    return sorted(found, key=lambda one: (one.at, one.key))


def _placed(
    recurrence: Recurrence, day: date, later: date | None, zone: ZoneInfo, holidays: Holidays
) -> Occurrence:
    hour, key = recurrence.every.at, day.isoformat()
    if recurrence.on_holidays == "send" or not holidays.is_holiday(day):
        return Occurrence(key, at_hour(day, hour, zone), day)
    if recurrence.on_holidays == "skip":
        return Occurrence(key, at_hour(day, hour, zone), day, f"{key} is a holiday")
    moved = holidays.next_workday(day)
    if later is not None and moved >= later and _within_days(recurrence, later):
        return Occurrence(
            key,
            at_hour(day, hour, zone),
            day,
            f"{key} is a holiday and the next workday is not before the next one is due",
        )
    return Occurrence(key, at_hour(moved, hour, zone), moved)


def _within_days(recurrence: Recurrence, day: date) -> bool:
    """Tell whether the rhythm's own day and hour lie from the first through the last one written."""
    first, last = recurrence.first, recurrence.last
    at = datetime.combine(day, recurrence.every.at)
    if isinstance(first, datetime):
        if at < first.replace(tzinfo=None):
            return False
    elif first is not None and day < first:
        return False
    if isinstance(last, datetime):
        return at <= last.replace(tzinfo=None)
    return last is None or day <= last


def rhythm_days(rhythm: Rhythm, first: date, last: date) -> Iterator[date]:
    """Yield the days of a rhythm from one day through another, in order."""
    if rhythm.unit == "month":
        year, month = first.year, first.month
        while (year, month) <= (last.year, last.month):
            day = _of_month(rhythm, year, month)
            if first <= day <= last:
                yield day
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return
    for ahead in range((last - first).days + 1):
        day = first + timedelta(days=ahead)
        if rhythm.unit == "day" or day.weekday() in rhythm.weekdays:
            yield day


def _of_month(rhythm: Rhythm, year: int, month: int) -> date:
    length = monthrange(year, month)[1]
    if rhythm.nth is None:
        wanted = rhythm.day or 1
        return date(year, month, length if wanted < 0 else min(wanted, length))
    weekday = rhythm.weekdays[0]
    if rhythm.nth < 0:
        end = date(year, month, length)
        return end - timedelta(days=(end.weekday() - weekday) % 7)
    start = date(year, month, 1)
    return start + timedelta(days=(weekday - start.weekday()) % 7 + 7 * (rhythm.nth - 1))


def shortened(recurrence: Recurrence) -> str:
    """Return the sentence that says where a day of the month means the last one; empty when it never does."""
    day = recurrence.every.day
    if recurrence.every.unit != "month" or day is None or day < 29:
        return ""
    return f"a month without a {day}{'st' if day == 31 else 'th'} has it on its last day"
