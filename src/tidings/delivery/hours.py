"""The hours of the recipients in a claim: who may be written to now, until when, and when the others may.

Recipients are asked by area (a zone, or a country with the start of the phone number), of which a claim has a handful.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from tidings.campaigns.windows import Window, allowed, clock_zones, next_allowed
from tidings.clock import from_micros, to_micros
from tidings.customers.zones import candidates, zones_of

# What was claimed goes within so long or is looked at again; then a window that closes is looked for this far.
_AHEAD = timedelta(minutes=15)
_PRECISION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Hour:
    """What one area allows, in microseconds.

    `closes` is set where messages may leave now, else `opens`; neither where the zone is not `known`, or nothing ever opens.
    """

    closes: int | None = None
    opens: int | None = None
    known: bool = True


def hours_of(
    connection: sa.Connection, areas: Iterable[str], window: Window, kind: str, zone: str, now: int
) -> Mapping[str, Hour]:
    """Return the hour of each area at `now`. Areas that the store has not looked up are looked up here."""
    instant = from_micros(now)
    stored = zones_of(connection, areas)
    known = {area: zones or candidates(area, instant.year) for area, zones in stored.items()}
    hours: dict[tuple[str, ...], Hour] = {}
    found = {}
    for area, zones in known.items():
        if zones not in hours:
            hours[zones] = _hour(window, clock_zones(zones, kind, zone), instant)
        found[area] = hours[zones]
    return found


def _hour(window: Window, zones: tuple[str, ...], now: datetime) -> Hour:
    if not zones and window.needs_zone:
        return Hour(known=False)
    if allowed(window, zones, now):
        return Hour(closes=to_micros(_closes(window, zones, now)))
    opens = next_allowed(window, zones, now)
    return Hour(opens=None if opens is None else to_micros(opens))


def _closes(window: Window, zones: tuple[str, ...], now: datetime) -> datetime:
    """Return until when messages may leave, to the second; at most so far ahead as anybody looks."""
    open_, closed = now, now + _AHEAD
    if allowed(window, zones, closed):
        return closed
    while closed - open_ > _PRECISION:
        middle = open_ + (closed - open_) / 2
        if allowed(window, zones, middle):
            open_ = middle
        else:
            closed = middle
    return open_
