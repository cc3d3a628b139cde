"""Journeys go on: everybody who is due at a step of a flow is asked and moved, a chunk in one transaction.

A chunk is computed into a temporary table, without the write lock. The transaction takes off it whoever was moved meanwhile,
writes what the step does, and moves the rest from exactly where they were found. So workers beside each other, and a walk
that begins again after a kill, do nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import count
from typing import Any

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys import verdicts as said
from tidings.flows.journeys.deciding import Sending, Walk, ask, earliest, next_due, sending_of, stage
from tidings.flows.journeys.due import DAY
from tidings.flows.journeys.glancing import Glance, glance, remember
from tidings.flows.journeys.late_commits import ahead, running
from tidings.flows.journeys.messages import hours, look_up_hours, refused_now, write_to_parties, writing
from tidings.flows.journeys.moving import Ways, alone, move, ways_from
from tidings.flows.journeys.verbs import act, draw, recording
from tidings.flows.journeys.waiting import Looked, beginning, candidates, settle, table_of
from tidings.store.database import Store
from tidings.store.prepared import Prepared
from tidings.store.tables import answers, money, people, sending
from tidings.store.tables.journeys import flow_versions, journeys
from tidings.store.workbench import Workbench

PURPOSE = "walk"
# Journeys of one transaction; fewer where a hold of the write lock took long.
CHUNK = 4_000
_LONG_MS, _SHORT_MS, _FEWEST = 150.0, 75.0, 50
# Chunks in a row of which others had moved everybody, before this walk leaves a step to them.
_OUTRUN = 5


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk did, in journeys: `moved` on from a step (or into a wait), `ended`, and of them `left`.

    `sent` messages were planned, `refused` ones written for those whom no channel reaches, `tasks` set for the staff.
    """

    moved: int = 0
    ended: int = 0
    left: int = 0
    sent: int = 0
    refused: int = 0
    tasks: int = 0

    def __add__(self, other: Walked) -> Walked:
        return Walked(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def walk_due(
    store: Store,
    definitions: Definitions,
    flow: Flow,
    run_id: int,
    version: int,
    *,
    now: datetime,
    stop: threading.Event | None = None,
) -> Walked:
    """Move everybody who is due in a flow at `now`, step after step until nobody is, and return what was done.

    `definitions` and `flow` are those of the run's `version`; a run that is not sending, or has another version, is left
    alone. Ends early between two chunks when `stop` is set. May be killed anywhere and begun again.
    """
    walk = Walk(flow, definitions, run_id, version, now)
    seen = glance(store, walk)
    if seen is None or not (seen.due or seen.news):
        return Walked()
    return _Walking(store, walk, stop or threading.Event()).run(seen)


@dataclass(slots=True)
class _Plan:
    """What all chunks of a step have in common, with the statements that are the same for all of them."""

    step: Step
    ways: Ways
    sending: Sending | None
    made: dict[object, Prepared] = field(default_factory=dict)

    def prepared(
        self, connection: sa.Connection, key: object, make: Callable[[], sa.Select[Any] | sa.UpdateBase]
    ) -> Prepared:
        """Return the statement of that key, made once."""
        if key not in self.made:
            self.made[key] = Prepared(connection, make())
        return self.made[key]


class _Walking:
    """One walk: what it did so far, and how big its chunks are."""

    def __init__(self, store: Store, walk: Walk, stop: threading.Event) -> None:
        self._store = store
        self._walk = walk
        self._stop = stop
        self._size = CHUNK
        self._done = Walked()
        # The run was paused, cancelled or edited, or this walk was told to stop.
        self._over = False
        self._maybe: set[str] = set()
        # What `_others` said before the chunk was asked.
        self._seen: int | None = None

    def run(self, seen: Glance) -> Walked:
        """Look at waits first, then go through the steps in the order of the file: flows only lead onwards."""
        self._maybe = set(seen.due)
        with self._store.workbench(PURPOSE, trusted=True) as bench:
            with bench.computing() as connection:
                _set_up(connection)
            if seen.news:
                self._waits(bench, seen.looked)
            for step in self._walk.flow.steps:
                if step.name in self._maybe:
                    self._step(bench, step)
        return self._done

    def _waits(self, bench: Workbench, looked: Looked | None) -> None:
        """Move on whoever got what they wait for, and remember how far was looked."""
        others = running(self._store)
        if looked is None:
            with bench.computing() as connection:
                then = beginning(connection, others)
        else:
            with bench.computing() as connection:
                found_in = {
                    table.name: ahead(connection, table, reach, others)
                    for table, reach in (
                        (people.events, looked.events),
                        (answers.responses, looked.responses),
                        (money.redemptions, looked.redemptions),
                    )
                }
            for step in self._walk.flow.steps:
                if step.wait_for is None:
                    continue
                ranges = found_in[table_of(step.wait_for).name].ranges
                with bench.computing() as connection:
                    found = [one for part in candidates(connection, self._walk, step, ranges) for one in part]
                for first in range(0, len(found), CHUNK):
                    self._step(bench, step, found[first : first + CHUNK])
            then = Looked(*(one.then for one in found_in.values()))
        if not self._over and then != looked:
            with bench.durable() as connection:
                remember(connection, self._walk, then)

    def _step(self, bench: Workbench, step: Step, among: Collection[int] | None = None) -> None:
        """Ask everybody who is due at a step, or those of `among` once, until none is left."""
        plan = _Plan(step, ways_from(self._walk.flow, step), sending_of(self._walk, step))
        outrun = 0
        for _ in self._store.paced(PURPOSE).chunks(count(), 1):
            if self._over or self._stop.is_set():
                self._over = True
                break
            with bench.computing() as connection:
                self._seen = _others(connection)
                _clear(connection)
                asked = self._ask(connection, plan, among)
                if asked == 0:
                    break
                self._prepare(connection, plan)
            moved = self._apply(bench, plan)
            outrun = 0 if moved else outrun + 1
            if among is not None or outrun == _OUTRUN:
                break

    def _ask(self, connection: sa.Connection, plan: _Plan, among: Collection[int] | None) -> int:
        """Ask a chunk into the temporary table, and return how many there are."""
        size, walk, step = self._size, self._walk, plan.step
        if among is None:
            return plan.prepared(connection, size, lambda: ask(walk, step, size)).run(connection).rowcount
        those = one_of(journeys.c.enrolment_id, self._store.dialect)
        # Without the option PostgreSQL's driver does not say how many rows were inserted.
        asked = connection.execute(
            ask(walk, step, CHUNK, those),
            listed(self._store.dialect, among),
            execution_options={"preserve_rowcount": True},
        )
        return asked.rowcount

    def _prepare(self, connection: sa.Connection, plan: _Plan) -> None:
        """Find out what else the staged journeys need, without the write lock."""
        if plan.step.wait_for is not None:
            settle(connection, self._walk, plan.step)
        if plan.ways.split:
            draw(connection, self._walk, plan.step)
        if plan.sending is not None and plan.sending.windows and not plan.step.to:
            look_up_hours(connection, self._walk, plan.sending)

    def _apply(self, bench: Workbench, plan: _Plan) -> int:
        """Write what a step does and move the staged journeys on, in one transaction; return how many."""
        before = self._held()
        with bench.durable() as connection:
            run = _run(connection, self._walk)
            if run is None:
                self._over = True
                return 0
            if self._seen is None or self._seen != _others(connection):
                plan.prepared(connection, "moved", lambda: _moved(self._walk, plan.step)).run(connection)
            counted: Any = plan.prepared(connection, "count", lambda: _count(plan)).run(connection).one()
            lowest, moved, left, ended, refused = counted
            if lowest is None:
                return 0
            done = Walked(moved=int(moved), left=int(left), ended=int(ended))
            self._store.note_time(connection, self._walk.now)
            done += self._do(connection, plan, run, int(refused))
            self._move(connection, plan, lowest)
        self._done += done
        self._maybe.update(plan.ways.targets)
        self._pace(self._held() - before)
        return done.moved

    def _do(self, connection: sa.Connection, plan: _Plan, policy: str, refused: int) -> Walked:
        """Write the history, and do what the step does."""
        walk, step, needed, dialect = self._walk, plan.step, plan.sending, self._store.dialect
        plan.prepared(connection, "record", lambda: recording(dialect, walk, step)).run(connection)
        done = Walked(tasks=act(connection, walk, step))
        if step.to:
            sent, refused = write_to_parties(connection, walk, step, policy)
            return done + Walked(sent=sent, refused=refused)
        if needed is None:
            return done
        ledger = plan.prepared(
            connection, ("ledger", policy), lambda: writing(dialect, walk, step, needed, policy)
        )
        return done + Walked(sent=ledger.run(connection).rowcount - refused, refused=refused)

    def _move(self, connection: sa.Connection, plan: _Plan, lowest: int) -> None:
        walk = self._walk
        # Whole months, so that chunks share a statement whatever instants they have.
        month = lowest // (30 * DAY)

        def made() -> sa.Update:
            due = next_due(walk, month * 30 * DAY)
            return move(walk.flow, plan.step, plan.ways, due, been=walk.version > 1)

        plan.prepared(connection, ("move", month), made).run(connection)

    def _held(self) -> float:
        return sum(use.total_ms for use in self._store.lock_report() if use.purpose == PURPOSE)

    def _pace(self, held: float) -> None:
        if self._store.dialect == "postgresql":
            return
        if held > _LONG_MS:
            self._size = max(self._size // 2, _FEWEST)
        elif held < _SHORT_MS:
            self._size = min(self._size * 2, CHUNK)


def _set_up(connection: sa.Connection) -> None:
    """Make the temporary tables; on PostgreSQL also say what a chunk is like, for the rest of the session.

    A chunk is a few thousand rows, each looked up by its id. PostgreSQL knows nothing of the temporary table: it would
    read whole tables for every chunk, and compile each statement anew to machine code, which takes longer than to run it.
    """
    if connection.dialect.name == "postgresql":
        for setting in ("jit", "enable_hashjoin", "enable_mergejoin"):
            connection.exec_driver_sql(f"SET {setting} = off")
    stage.create(connection)
    hours.create(connection)


def _others(connection: sa.Connection) -> int | None:
    """Return a number that changes when another connection writes to a SQLite file; None on PostgreSQL.

    While it stays the same nobody was moved by others, so that the chunk need not be compared row by row.
    """
    if connection.dialect.name == "postgresql":
        return None
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def _clear(connection: sa.Connection) -> None:
    # Nobody else cleans up after rows deleted from a temporary table of PostgreSQL.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("TRUNCATE flow_walk")
    else:
        connection.exec_driver_sql("DELETE FROM flow_walk")


def _run(connection: sa.Connection, walk: Walk) -> str | None:
    """Return the policy by which the run goes, or None when it must not go on; keeps both so until the transaction ends."""
    runs = sending.runs
    standing = (
        sa.select(
            runs.c.state, runs.c.version, sa.func.coalesce(flow_versions.c.policy_hash, runs.c.policy_hash)
        )
        .select_from(
            runs.outerjoin(
                flow_versions,
                sa.and_(flow_versions.c.run_id == runs.c.id, flow_versions.c.version == runs.c.version),
            )
        )
        .where(runs.c.id == walk.run_id)
    )
    # One worker at a time writes for a flow; an edit or a pause waits for the chunk.
    alone(connection, walk.run_id)
    if connection.dialect.name == "postgresql":
        standing = standing.with_for_update(read=True, of=runs)
    row = connection.execute(standing).first()
    return None if row is None or row[0] != "sending" or row[1] != walk.version else str(row[2])


def _moved(walk: Walk, step: Step) -> sa.Delete:
    """Return the statement that takes whoever was moved since they were asked off the temporary table."""
    here: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        journeys.c.enrolment_id == stage.c.enrolment_id,
        journeys.c.run_id == walk.run_id,
        journeys.c.step == step.name,
        journeys.c.state == "walking",
        journeys.c.due_at == stage.c.due_at,
    )
    return sa.delete(stage).where(~sa.exists(here.correlate(stage)))


def _count(plan: _Plan) -> sa.Select[Any]:
    """Return the query of the earliest instant among the staged journeys, and how many go on, leave, end and are refused."""
    step, verdict = plan.step, stage.c.verdict
    left = said.left(verdict)
    ended = plan.ways.ends(step)
    if said.may_stay(step):
        ended = sa.and_(verdict.not_in([said.LATER, said.WAITING]), ended)
    no: sa.ColumnElement[bool] = sa.literal_column("0") != sa.literal_column("0")
    later = verdict == said.LATER if said.may_stay(step) else no
    refused = refused_now(plan.sending) if plan.sending is not None and not step.to else no

    def number(test: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.case((test, 1)))

    moved = sa.func.count() - number(later)
    columns: list[Any] = [earliest(), moved, number(left), number(ended), number(refused)]
    return sa.select(*columns).select_from(stage)
