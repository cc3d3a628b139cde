"""The curve of a plan: how many messages leave in which hour to which zone, and whom the clock treats specially."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidings.campaigns.hours import Schedule, zone_words
from tidings.campaigns.plan import HourCount

_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Curve:
    """What the hours of a plan come to. `first` and `last` are the earliest and latest anchor, None where nobody has one."""

    hours: tuple[HourCount, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()
    moved: int = 0
    late: int = 0
    first: int | None = None
    last: int | None = None


def curve_of(counts: Sequence[Any], schedule: Schedule, now: int) -> Curve:
    """Return the curve of what `count_members` counted, as of `now` in microseconds."""
    if not schedule.by_zone:
        return Curve()
    hours: dict[tuple[int, str], int] = defaultdict(int)
    unknown: dict[str, int] = defaultdict(int)
    moved = late = 0
    anchors: list[int] = []
    for row in counts:
        if row.code is not None or row.channel is None:
            continue
        due = schedule.due(row.zones or "", row.channel, now)
        anchors.append(due.anchor)
        if row.arm != "treated":
            continue
        hours[due.at // _HOUR * _HOUR, zone_words(row.zones or "")] += row.people
        if not due.known:
            unknown[row.channel] += row.people
        if due.at > due.anchor:
            moved += row.people
        if due.late:
            late += row.people
    return Curve(
        hours=tuple(HourCount(at, zone, count) for (at, zone), count in sorted(hours.items())),
        unknown=tuple(sorted(unknown.items())),
        moved=moved,
        late=late,
        first=min(anchors, default=None),
        last=max(anchors, default=None),
    )
