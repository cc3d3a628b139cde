"""Stored membership: who is in a segment since when, who left when, and how old that knowledge is.

A refresh computes the members into a temporary table without the write lock, then applies only the moves in chunks.
Stopped half way, the next refresh finds what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.alive import alive
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions
from tidings.segments.compile import compile_segment
from tidings.segments.references import fingerprint, ordered
from tidings.segments.scope import Scope
from tidings.segments.scoring import usable_scores
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.explain import Conflict
from tidings.store.locking import COPIED_ROWS
from tidings.store.prepared import Prepared
from tidings.store.tables import people
from tidings.store.tables.base import Key
from tidings.store.workbench import Workbench

_temporary = sa.MetaData()
_wanted = sa.Table(
    "segment_wanted",
    _temporary,
    sa.Column("customer_id", Key, primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
_moves = sa.Table(
    "segment_moves",
    _temporary,
    sa.Column("position", Key, primary_key=True, autoincrement=False),
    sa.Column("customer_id", Key, nullable=False),
    # The open interval that ends; NULL for those who enter.
    sa.Column("interval_id", Key),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class SegmentRun:
    """What one refresh found: members as of an instant (microseconds since 1970), and who entered and left."""

    segment: str
    definition_hash: str
    as_of: int
    members: int
    entered: int
    left: int


def refresh(
    store: Store, definitions: Definitions, names: Iterable[str], *, now: datetime
) -> list[SegmentRun]:
    """Bring stored membership of the segments, and of all they refer to, up to date as of `now`.

    Segments come after those they refer to. Listed ones keep their members and give no run. A second refresh at
    the same instant finds nothing to do and records nothing. Raises RefusedByPolicy, and changes nothing, where one of them is
    ranked by a score that was never applied or is too old.
    """
    scope = Scope.of(definitions, now)
    runs = []
    segments = [one for one in ordered(definitions, names) if one.members == "rules"]
    if not segments:
        return []
    with store.read() as connection:
        usable_scores(connection, definitions, (one.id for one in segments), now=now)
    with store.workbench("segments", trusted=True) as bench:
        for table in (_wanted, _moves):
            with bench.computing() as connection:
                table.create(connection)
        for segment in segments:
            run = _compute(bench, segment, scope, fingerprint(definitions, segment))
            _apply(store, bench, run)
            runs.append(run)
    return runs


def stored_members(segment: str) -> sa.Select[tuple[int]]:
    """Return the ids of the customers who are stored members of a segment now and were not erased."""
    members, customers = people.segment_members, people.customers
    return (
        sa.select(members.c.customer_id)
        .join(customers, customers.c.id == members.c.customer_id)
        .where(members.c.segment == segment, members.c.valid_to.is_(None), alive())
        .correlate(None)
    )


def latest_runs(connection: sa.Connection) -> dict[str, SegmentRun]:
    """Return the latest refresh of every segment that ever had one, by segment."""
    runs = people.segment_runs
    newest = sa.select(sa.func.max(runs.c.id)).group_by(runs.c.segment)
    return {
        row.segment: SegmentRun(
            row.segment, row.definition_hash, row.as_of, row.members, row.entered, row.left
        )
        for row in connection.execute(sa.select(runs).where(runs.c.id.in_(newest)))
    }


def _compute(bench: Workbench, segment: Segment, scope: Scope, definition_hash: str) -> SegmentRun:
    """Fill the temporary tables with the members of now and the moves that lead there; blocks no writer."""
    members = people.segment_members
    with bench.computing() as connection:
        connection.execute(_wanted.delete())
        connection.execute(_moves.delete())
        connection.execute(_wanted.insert().from_select(["customer_id"], compile_segment(segment, scope)))
        stays: sa.Select[Any] = (
            sa.select(sa.literal_column("1"))
            .where(
                members.c.segment == segment.id,
                members.c.customer_id == _wanted.c.customer_id,
                members.c.valid_to.is_(None),
            )
            .correlate(_wanted)
        )
        still_wanted = sa.select(_wanted.c.customer_id).where(_wanted.c.customer_id == members.c.customer_id)
        moving = sa.union_all(
            sa.select(_wanted.c.customer_id, sa.cast(sa.null(), Key).label("interval_id")).where(
                ~sa.exists(stays)
            ),
            sa.select(members.c.customer_id, members.c.id).where(
                members.c.segment == segment.id,
                members.c.valid_to.is_(None),
                ~sa.exists(still_wanted.correlate(members)),
            ),
        ).subquery("moving")
        # Those who leave come first, so that a chunk is of one kind but for the one in the middle.
        position = sa.func.row_number().over(order_by=(moving.c.interval_id.is_(None), moving.c.customer_id))
        connection.execute(
            _moves.insert().from_select(
                ["position", "customer_id", "interval_id"],
                sa.select(position, moving.c.customer_id, moving.c.interval_id),
            )
        )
        # Nobody else gathers statistics of a temporary table; without them chunks are joined row by row.
        connection.exec_driver_sql(
            "ANALYZE segment_moves"
            if connection.dialect.name == "postgresql"
            else "ANALYZE temp.segment_moves"
        )
        moves, left = connection.execute(
            sa.select(sa.func.count(), sa.func.count(_moves.c.interval_id)).select_from(_moves)
        ).one()
        size = connection.execute(sa.select(sa.func.count()).select_from(_wanted)).scalar_one()
    return SegmentRun(
        segment=segment.id,
        definition_hash=definition_hash,
        as_of=to_micros(scope.now),
        members=size,
        entered=moves - left,
        left=left,
    )


def _changes(bench: Workbench, run: SegmentRun) -> tuple[Prepared, Prepared, Prepared]:
    """Return the statements that end intervals, begin them, and begin those that have not begun meanwhile; of a span of moves."""
    members, key = people.segment_members, sa.BigInteger
    span = _moves.c.position.between(sa.bindparam("first", 0, type_=key), sa.bindparam("last", 0, type_=key))
    leaving = sa.select(_moves.c.interval_id).where(span, _moves.c.interval_id.is_not(None))
    leave = (
        members.update()
        .where(members.c.id.in_(leaving), members.c.valid_to.is_(None))
        # A clock set back must not end an interval before it began.
        .values(valid_to=sa.case((members.c.valid_from > run.as_of, members.c.valid_from), else_=run.as_of))
    )
    entering = sa.select(
        sa.literal(run.segment, sa.Text()), _moves.c.customer_id, sa.literal(run.as_of, sa.BigInteger())
    ).where(span, _moves.c.interval_id.is_(None))
    names = ["segment", "customer_id", "valid_from"]
    with bench.computing() as connection:
        careful = Prepared(connection, insert_ignoring(connection, members).from_select(names, entering))
        enter = careful
        if connection.dialect.name == "postgresql":
            # To be ready for an interval that is there already costs there half as much again as a row does.
            enter = Prepared(connection, members.insert().from_select(names, entering))
        return Prepared(connection, leave), enter, careful


def _apply(store: Store, bench: Workbench, run: SegmentRun) -> None:
    """Write the moves a chunk at a time and then the run, so that a run is never recorded before its moves."""
    runs = people.segment_runs
    leave, enter, careful = _changes(bench, run)
    for first, last in store.paced("segments").spans(
        1, run.left + run.entered, COPIED_ROWS, most=COPIED_ROWS
    ):
        try:
            with bench.durable() as connection:
                if first <= run.left:
                    leave.run(connection, first=first, last=last)
                if last > run.left:
                    enter.run(connection, first=first, last=last)
        except Conflict:
            # Another refresh was faster; the open interval is unique.
            enter = careful
            with bench.durable() as connection:
                if first <= run.left:
                    leave.run(connection, first=first, last=last)
                enter.run(connection, first=first, last=last)
    with bench.durable() as connection:
        newest = connection.execute(
            sa.select(runs).where(runs.c.segment == run.segment).order_by(runs.c.id.desc()).limit(1)
        ).first()
        known = newest is not None and (newest.as_of, newest.definition_hash, newest.members) == (
            run.as_of,
            run.definition_hash,
            run.members,
        )
        if known and not run.entered and not run.left:
            return
        connection.execute(
            runs.insert().values(
                segment=run.segment,
                definition_hash=run.definition_hash,
                as_of=run.as_of,
                members=run.members,
                entered=run.entered,
                left=run.left,
                finished_at=to_micros(store.clock.now()),
            )
        )
