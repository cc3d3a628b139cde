"""How far a table has been looked through by id, although rows may become visible late.

SQLite has one writer at a time, so ids are in the order of commits. PostgreSQL gives an id first and shows the row at the commit:
a lower id may appear after a higher one. So the ids that are missing below the highest one seen are remembered as gaps and
looked at again until no transaction can be left that holds one: every transaction of the moment at which the gap was
noticed has ended (by its number, and by when it began, since it may have taken ids before it had a number), and a minute has
passed. Looking twice is harmless: what an id starts is unique.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from tidings.store.database import Store

SETTLED_SECONDS = 60
# More gaps than these are joined with their neighbours: what lies between is looked at again too.
MOST_GAPS = 100

_RUNNING = """
SELECT min(xact_start) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
"""
_SNAPSHOT = """
SELECT CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text)::bigint,
       CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text)::bigint,
       CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Ids `first` to `last` that were not to be seen. Settled when all transactions below `xmax`, or begun by `at`, have ended.

    `at` is by the database's clock, in microseconds.
    """

    first: int
    last: int
    xmax: int
    at: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything through the id `top` has been looked at, but for the gaps."""

    top: int
    gaps: tuple[Gap, ...] = ()

    @property
    def low(self) -> int:
        """The id through which nothing can come any more."""
        return self.gaps[0].first - 1 if self.gaps else self.top

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"top": self.top, "gaps": [[gap.first, gap.last, gap.xmax, gap.at] for gap in self.gaps]}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Reach:
        """Return what `as_json` gave."""
        return cls(stored["top"], tuple(Gap(*gap) for gap in stored.get("gaps", ())))


@dataclass(frozen=True, slots=True)
class Running:
    """When the oldest transaction began that others have open, in microseconds by the database's clock; None without one."""

    since: int | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What there is to look at: ids of `ranges` (first and last, both included), and the reach once that is done."""

    ranges: tuple[tuple[int, int], ...]
    then: Reach

    def among(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """Return the condition that an id is to be looked at."""
        return sa.or_(sa.false(), *(column.between(first, last) for first, last in self.ranges))


def running(store: Store) -> Running:
    """Say what others have open now. Ask before the snapshot is taken that `ahead` reads."""
    if store.dialect == "sqlite":
        return Running(None)
    with store.read() as connection:
        began = connection.exec_driver_sql(_RUNNING).scalar()
    return Running(None if began is None else int(began.timestamp() * 1_000_000))


def ahead(connection: sa.Connection, table: sa.Table, reach: Reach, others: Running) -> Ahead:
    """Return what of a table is to be looked at, as one snapshot sees it."""
    top = connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
    if connection.dialect.name == "sqlite":
        return Ahead(((reach.top + 1, top),) if top > reach.top else (), Reach(max(top, reach.top)))
    if top <= reach.top and not reach.gaps:
        return Ahead((), reach)
    xmin, xmax, at = connection.exec_driver_sql(_SNAPSHOT).one()
    ranges = [(gap.first, gap.last) for gap in reach.gaps]
    open_ = [gap for gap in reach.gaps if not _settled(gap, xmin, at, others)]
    kept = _still_missing(connection, table, open_)
    if top > reach.top:
        ranges.append((reach.top + 1, top))
        kept += [Gap(*gap, xmax, at) for gap in _missing(connection, table, reach.top, top)]
    return Ahead(tuple(ranges), Reach(max(top, reach.top), tuple(_joined(kept))))


def _settled(gap: Gap, xmin: int, at: int, others: Running) -> bool:
    """Tell whether no transaction can be left that holds an id of the gap."""
    if gap.xmax > xmin or at - gap.at < SETTLED_SECONDS * 1_000_000:
        return False
    return others.since is None or others.since > gap.at


def _missing(connection: sa.Connection, table: sa.Table, after: int, top: int) -> list[tuple[int, int]]:
    """Return the stretches of ids after `after` up to `top` that no row has."""
    ids = table.c.id
    before = sa.func.lag(ids, 1, after).over(order_by=ids)
    seen = sa.select(ids.label("id"), before.label("before")).where(ids > after, ids <= top).subquery("seen")
    rows = connection.execute(
        sa.select(seen.c.before + 1, seen.c.id - 1).where(seen.c.id > seen.c.before + 1).order_by(seen.c.id)
    )
    return [(first, last) for first, last in rows]


def _still_missing(connection: sa.Connection, table: sa.Table, gaps: Sequence[Gap]) -> list[Gap]:
    """Return what is left of gaps after the rows that have come since."""
    if not gaps:
        return []
    ids = table.c.id
    came = list(
        connection.execute(
            sa.select(ids).where(sa.or_(*(ids.between(gap.first, gap.last) for gap in gaps))).order_by(ids)
        ).scalars()
    )
    left: list[Gap] = []
    place = 0
    for gap in gaps:
        first = gap.first
        while place < len(came) and came[place] <= gap.last:
            if came[place] > first:
                left.append(replace(gap, first=first, last=came[place] - 1))
            first = came[place] + 1
            place += 1
        if first <= gap.last:
            left.append(replace(gap, first=first))
    return left


def _joined(gaps: list[Gap]) -> list[Gap]:
    """Return the gaps in order, the nearest joined where there are too many."""
    gaps = sorted(gaps, key=lambda gap: gap.first)
    if len(gaps) <= MOST_GAPS:
        return gaps
    between = sorted((following.first - gap.last for gap, following in pairwise(gaps)), reverse=True)
    # Only the widest stretches between two gaps keep them apart.
    apart = between[MOST_GAPS - 1]
    found = [gaps[0]]
    for gap in gaps[1:]:
        last = found[-1]
        if gap.first - last.last > apart:
            found.append(gap)
        else:
            found[-1] = Gap(last.first, gap.last, max(last.xmax, gap.xmax), max(last.at, gap.at))
    return found
