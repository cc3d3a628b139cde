"""Business time, injected: the only module that asks the machine what time it is.

An instant is an aware `datetime` in UTC inside Python and an integer of microseconds since
1970-01-01T00:00:00Z in the store, the same on both databases.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the business time and waits; tests and simulations bring their own."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for measuring and pacing."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for real."""
        time.sleep(seconds)


class FixedClock:
    """A clock that stands still until it is moved; waiting moves it."""

    def __init__(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError("an instant needs a zone")
        self._now = instant.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Return the instant at which the clock stands."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was moved forward by."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move the clock instead of waiting."""
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Move the clock; a negative step sets it back as an operator would, without touching monotonic time."""
        self._now += by
        self._elapsed += max(by.total_seconds(), 0.0)


def to_micros(instant: datetime) -> int:
    """Return an aware instant as microseconds since the epoch."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return microseconds since the epoch as an aware UTC datetime."""
    return _EPOCH + micros * _MICROSECOND


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a calendar day in a zone, in UTC (a day may start at 01:00 where DST starts)."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    # Where midnight does not exist, the wall time of the round trip is still on the day asked for.
    while start.astimezone(zone).date() < day:
        start += timedelta(minutes=15)
    return start


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day that an instant falls on in a zone."""
    return instant.astimezone(zone).date()


def iso(instant: datetime) -> str:
    """Return an instant as ISO 8601 text in UTC to the second, ending in Z."""
    return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
