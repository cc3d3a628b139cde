"""The time that is looked at: whole days on the workspace clock, and the two instants at which customers are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidings.clock import from_micros, iso, local_day, to_micros
from tidings.definitions.asked_days import day_of
from tidings.errors import UsageError
from tidings.segments.days import first_micros

_DAYS = 90


@dataclass(frozen=True, slots=True)
class Span:
    """From the first minute of `first` through the last of `last`, as far as it is past: nothing after `now` counts.

    `named` is how people call it, "" where it has no name of its own.
    """

    first: date
    last: date
    zone: ZoneInfo
    now: datetime
    named: str = ""

    @property
    def opens(self) -> int:
        """Its first instant, in microseconds since 1970."""
        return first_micros(self.first, self.zone)

    @property
    def closes(self) -> int:
        """The first instant after it, or after now where it is not over yet."""
        return min(first_micros(self.last + timedelta(days=1), self.zone), to_micros(self.now) + 1)

    @property
    def before(self) -> datetime:
        """The last instant before it: where customers stood at its start."""
        return from_micros(self.opens - 1)

    @property
    def end(self) -> datetime:
        """Its last instant: where customers stand at its end."""
        return from_micros(self.closes - 1)

    @property
    def over(self) -> bool:
        """Tell whether its last day is past."""
        return self.last < local_day(self.now, self.zone)

    @property
    def earlier(self) -> Span:
        """The time of as many days just before it; before a whole quarter, the quarter before."""
        if self.named and (quarter := _quarter(self.first - timedelta(days=1))).last < self.first:
            return Span(quarter.first, quarter.last, self.zone, self.now, quarter.name)
        length = self.last - self.first
        return Span(
            self.first - length - timedelta(days=1), self.first - timedelta(days=1), self.zone, self.now
        )

    def __str__(self) -> str:
        days = f"{self.first} through {self.last}"
        return f"{self.named} ({days})" if self.named else days

    def as_json(self) -> dict[str, Any]:
        """Return its days, and its instants as ISO text."""
        return {
            "first_day": self.first.isoformat(),
            "last_day": self.last.isoformat(),
            "from": iso(from_micros(self.opens)),
            "to": iso(from_micros(self.closes)),
            "over": self.over,
        }


@dataclass(frozen=True, slots=True)
class _Quarter:
    first: date
    last: date

    @property
    def name(self) -> str:
        return f"quarter {self.first.month // 3 + 1} of {self.first.year}"


def _quarter(day: date) -> _Quarter:
    """Return the quarter of the calendar that a day is in."""
    month = 3 * ((day.month - 1) // 3) + 1
    first = date(day.year, month, 1)
    after = date(day.year + month // 10, (month + 2) % 12 + 1, 1)
    return _Quarter(first, after - timedelta(days=1))


def span_of(first: str | None, last: str | None, *, zone: ZoneInfo, now: datetime) -> Span:
    """Return the days from `first` through `last`: the last whole quarter if neither is given.

    With `first` alone through today, with `last` alone the 90 days that end with it. Raises UsageError for what is no day,
    days in the wrong order and a time that has not begun.
    """
    today = local_day(now, zone)
    if first is None and last is None:
        quarter = _quarter(_quarter(today).first - timedelta(days=1))
        return Span(quarter.first, quarter.last, zone, now, quarter.name)
    end = day_of(last, "--to") or today
    begin = day_of(first, "--from") or end - timedelta(days=_DAYS - 1)
    if begin > today:
        raise UsageError(
            f"{begin} is not here yet: today is {today}", what_to_do="give an earlier day as --from"
        )
    if begin > end:
        raise UsageError(f"{begin} comes after {end}", what_to_do="give the earlier day as --from")
    quarter = _quarter(begin)
    whole = (quarter.first, quarter.last) == (begin, end)
    return Span(begin, end, zone, now, quarter.name if whole else "")
