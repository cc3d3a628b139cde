"""The window of a goal: [anchor, anchor + within), the same length for every arm.

Minutes and hours are exact. Days and longer are calendar days on the workspace clock: `within: 14 days` ends at the
same wall time 14 days later, so a window across a change to summer time is an hour shorter, as the customer lives it.
The window before, [anchor − within, anchor), is counted the same way backwards; it gives the value known before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.values import Duration, Unit
from tidings.segments.days import shift_day

_EXACT = {Unit.MINUTE: timedelta(minutes=1), Unit.HOUR: timedelta(hours=1)}


def moved(instant: datetime, length: Duration, zone: ZoneInfo, *, back: bool = False) -> datetime:
    """Return the instant `length` later (or earlier) on the clock of `zone`, in UTC; 31 January + 1 month is the last of February."""
    if length.unit in _EXACT:
        return instant + (-length.amount if back else length.amount) * _EXACT[length.unit]
    wall = instant.astimezone(zone)
    day = shift_day(wall.date(), length, -1 if back else 1)
    return datetime.combine(day, wall.time(), tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of all enrolments of a run, as expressions over their anchor and as outer bounds in microseconds."""

    opens: sa.ColumnElement[int]
    closes: sa.ColumnElement[int]
    first_open: int
    last_anchor: int
    first_close: int
    last_close: int


def windows(
    anchor: sa.ColumnElement[int], anchors: Iterable[int], length: Duration, zone: ZoneInfo
) -> Windows:
    """Return the windows for the anchors that occur (microseconds, at least one, any order)."""
    spans = []
    for micros in sorted(set(anchors)):
        at = from_micros(micros)
        spans.append(
            (
                micros,
                micros - to_micros(moved(at, length, zone, back=True)),
                to_micros(moved(at, length, zone)) - micros,
            )
        )
    return Windows(
        opens=anchor - by_anchor(anchor, [(micros, before) for micros, before, _ in spans]),
        closes=anchor + by_anchor(anchor, [(micros, after) for micros, _, after in spans]),
        first_open=min(micros - before for micros, before, _ in spans),
        last_anchor=spans[-1][0],
        first_close=min(micros + after for micros, _, after in spans),
        last_close=max(micros + after for micros, _, after in spans),
    )


def by_anchor(anchor: sa.ColumnElement[int], lengths: list[tuple[int, int]]) -> sa.ColumnElement[int]:
    """Return the length as an expression: one branch for each stretch of anchors that have the same.

    `lengths` are pairs of an anchor and what is its length, in microseconds, by ascending anchor.
    """
    stretches = [(list(group)[-1][0], length) for length, group in groupby(lengths, key=lambda pair: pair[1])]
    last = sa.literal(stretches[-1][1], sa.BigInteger)
    if len(stretches) == 1:
        return last
    return sa.case(
        *[(anchor <= until, sa.literal(length, sa.BigInteger)) for until, length in stretches[:-1]],
        else_=last,
    )
