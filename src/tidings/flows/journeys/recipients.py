"""An hour on the clocks of many recipients in one statement: zones whose clocks go alike share a branch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.local_time import zone_named
from tidings.clock import from_micros
from tidings.flows.journeys.due import DAY, Instants, turns, wall_instant


def recipient_instant(
    wall: Instants,
    zones: sa.ColumnElement[str],
    known: Iterable[str],
    workspace: ZoneInfo,
    lowest: int,
    highest: int,
) -> Instants:
    """Return the instant at which a recipient's clock shows `wall`: with several zones the last, with none the workspace's.

    `zones` is a column of zone names by spaces, `known` has its values. Exact for instants from `lowest` through `highest`.
    """
    alike: dict[frozenset[tuple[int, str]], list[str]] = {}
    for names in known:
        if names:
            clocks = frozenset(_clock(name, lowest, highest) for name in names.split())
            alike.setdefault(clocks, []).append(names)
    whens = []
    for clocks, members in alike.items():
        instants = [
            wall_instant(wall, zone_named(name), lowest, highest)
            if name
            else wall - sa.literal(offset, sa.BigInteger)
            for offset, name in sorted(clocks)
        ]
        whens.append((zones.in_(members), reduce(_later, instants)))
    here = wall_instant(wall, workspace, lowest, highest)
    return sa.case(*whens, else_=here) if whens else here


def _clock(name: str, lowest: int, highest: int) -> tuple[int, str]:
    """Return a zone's offset in microseconds, and its name if the offset changes within the stretch."""
    zone = zone_named(name)
    offset = from_micros(lowest - 2 * DAY).astimezone(zone).utcoffset()
    assert offset is not None
    changes = turns(zone, lowest - 2 * DAY, highest + 2 * DAY)
    return offset // timedelta(microseconds=1), name if changes else ""


def _later(one: Instants, other: Instants) -> Instants:
    return sa.case((one > other, one), else_=other)
