"""Wall times and instants: what a clock on somebody's wall shows, and when that is.

Where the clocks are set forward, a wall time may not exist: it stands for the first minute that does. Where they are set back,
it exists twice: it stands for the first of the two. So each wall time is exactly one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """Return a time zone by its name; raises ZoneInfoNotFoundError where this machine knows none such."""
    return ZoneInfo(name)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant (in UTC) at which clocks in a zone show `wall`, a datetime without zone."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    return _after_gap(wall, zone)


def both_instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return every instant at which clocks in a zone show `wall`: one, or two where they are set back.

    A wall time that does not exist gives the first instant after it.
    """
    first = instant_of(wall, zone)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    exists = second.astimezone(zone).replace(tzinfo=None) == wall
    return (first, second) if exists and second > first else (first,)


def _after_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant whose wall time is past one that does not exist: the moment the clocks are set forward."""
    # In a gap, fold=1 reads the offset after it and fold=0 the one before; the change lies between the two instants.
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    seconds = int((high - low).total_seconds())
    first, last = 0, seconds
    while last - first > 1:
        middle = (first + last) // 2
        at = datetime.fromtimestamp(low.timestamp() + middle, UTC)
        if at.astimezone(zone).utcoffset() == before:
            first = middle
        else:
            last = middle
    return datetime.fromtimestamp(int(low.timestamp()) + last, UTC)


def due_instant(wall: datetime, zones: Iterable[str]) -> datetime | None:
    """Return when somebody's clock shows `wall` who is in one of the zones, or None without any.

    With several zones it is the last of their instants: then it is not earlier than `wall` wherever they are.
    """
    found = [instant_of(wall, zone_named(name)) for name in zones]
    return max(found) if found else None


def due_instants(wall: datetime, areas: Mapping[str, tuple[str, ...]]) -> dict[str, datetime | None]:
    """Return for each key of `areas` (zones by key) when its clock shows `wall`; None where no zone is known."""
    made: dict[tuple[str, ...], datetime | None] = {}
    for zones in areas.values():
        if zones not in made:
            made[zones] = due_instant(wall, zones)
    return {key: made[zones] for key, zones in areas.items()}


def at_hour(day: date, hour: time, zone: ZoneInfo) -> datetime:
    """Return the instant at which clocks in a zone show an hour on a day."""
    return instant_of(datetime.combine(day, hour), zone)
