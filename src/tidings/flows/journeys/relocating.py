"""After an edit of a live flow: people who wait at a step that was taken out go on elsewhere, changed delays hold for those who wait.

Chunk by chunk; what is left to do stands in the store, so that a stop in the middle is made good by the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.readers.step_order import END
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.first_step import step_due
from tidings.flows.journeys.moving import alone
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import journeys

NAME = "moves"
# A worker that read the version before may still lead somebody to a step that is gone: looked for so long.
STRAGGLERS = 10 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Moves:
    """What an edit has left to do. `moved`: where those at a removed step go; `order`: the steps before the edit.

    `retimed`: steps whose delay changed, to be computed anew for those who wait. `until` (microseconds): how long to look
    for stragglers.
    """

    moved: dict[str, str]
    order: tuple[str, ...]
    retimed: tuple[str, ...]
    until: int

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "moved": self.moved,
            "order": list(self.order),
            "retimed": list(self.retimed),
            "until": self.until,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Moves:
        """Return what `as_json` gave."""
        return cls(stored["moved"], tuple(stored["order"]), tuple(stored["retimed"]), stored["until"])

    def target(self, step: str, flow: Flow) -> str:
        """Return where those at a removed step go: as `moved` says, else the next of the steps before that is still there."""
        if step in self.moved:
            return self.moved[step]
        later = self.order[self.order.index(step) + 1 :] if step in self.order else ()
        return next((name for name in later if flow.step(name)), END)


def settle(store: Store, flow: Flow, definitions: Definitions, run_id: int, *, now: datetime) -> int:
    """Do what the latest edit of a flow has left to do, and return how many were moved; cheap when there is nothing."""
    marks, walking = journeys.trigger_marks, journeys.journeys
    which = (marks.c.run_id == run_id, marks.c.name == NAME)
    names = [step.name for step in flow.steps]
    with store.read() as connection:
        stored = connection.execute(sa.select(marks.c.detail).where(*which)).scalar()
        if stored is None:
            return 0
        gone = list(
            connection.execute(
                sa.select(walking.c.step)
                .where(walking.c.run_id == run_id, walking.c.state == "walking", walking.c.step.not_in(names))
                .distinct()
                .order_by(walking.c.step)
            ).scalars()
        )
    moves, moved = Moves.from_json(stored), 0
    for name in moves.retimed:
        step = flow.step(name)
        if step is not None:
            _retime(store, flow, definitions, run_id, step)
        moves = replace(moves, retimed=tuple(one for one in moves.retimed if one != name))
        with store.durable("flow") as connection:
            connection.execute(sa.update(marks).where(*which).values(detail=moves.as_json()))
    for name in gone:
        moved += _move(store, flow, definitions, run_id, name, moves.target(name, flow), now)
    if to_micros(now) >= moves.until:
        with store.durable("flow") as connection:
            connection.execute(sa.delete(marks).where(*which))
    return moved


def write_moves(connection: sa.Connection, run_id: int, moves: Moves) -> None:
    """Store what an edit leaves to do; what the edit before left undone is part of it."""
    marks = journeys.trigger_marks
    which = (marks.c.run_id == run_id, marks.c.name == NAME)
    before = connection.execute(sa.select(marks.c.detail).where(*which)).scalar()
    if before is not None:
        old = Moves.from_json(before)
        moves = replace(
            moves,
            moved={**old.moved, **moves.moved},
            retimed=tuple(dict.fromkeys([*old.retimed, *moves.retimed])),
        )
        connection.execute(sa.delete(marks).where(*which))
    connection.execute(marks.insert().values(run_id=run_id, name=NAME, low=0, detail=moves.as_json()))


def _move(
    store: Store, flow: Flow, definitions: Definitions, run_id: int, gone: str, target: str, now: datetime
) -> int:
    """Move everybody from a removed step to the target, or behind it where they have been there already."""
    moved = 0
    for step in _from(flow, target):
        been = sa.exists(
            sa.select(sa.literal_column("1"))
            .select_from(journeys.journey_steps)
            .where(
                journeys.journey_steps.c.enrolment_id == journeys.journeys.c.enrolment_id,
                journeys.journey_steps.c.step == step.name,
            )
            .correlate(journeys.journeys)
        )
        moved += _write(store, flow, definitions, run_id, gone, step, now, ~been)
    return moved + _write(store, flow, definitions, run_id, gone, None, now, sa.true())


def _from(flow: Flow, target: str) -> Sequence[Step]:
    """Return the target and what follows it in the file; nothing for the end."""
    names = [step.name for step in flow.steps]
    if target not in names:
        return ()
    first = names.index(target)
    return [flow.steps[first], *(step for step in flow.steps[first + 1 :] if not step.instead_of)]


def _write(
    store: Store,
    flow: Flow,
    definitions: Definitions,
    run_id: int,
    gone: str,
    step: Step | None,
    now: datetime,
    which: sa.ColumnElement[bool],
) -> int:
    """Move those at a removed step, for whom `which` holds, to a step or (None) out of the flow."""
    walking, steps = journeys.journeys, journeys.journey_steps
    there = (walking.c.run_id == run_id, walking.c.state == "walking", walking.c.step == gone)
    with store.read() as connection:
        ids = list(connection.execute(sa.select(walking.c.enrolment_id).where(*there, which)).scalars())
    moment, moved = to_micros(now), 0
    to = step.name if step is not None else END
    for part in store.paced("flow").chunks(ids):
        with store.durable("flow") as connection:
            # Who has gone on meanwhile, or was moved by another worker, is not here any more.
            alone(connection, run_id)
            chosen = _held(connection, *there, walking.c.enrolment_id.in_(part))
            if not chosen:
                continue
            if step is None:
                values: dict[str, Any] = {"state": "ended", "outcome": "moved", "ended_at": moment}
            else:
                due = _due(connection, flow, definitions, step, chosen)
                values = {"step": step.name, "due_at": due}
            connection.execute(sa.update(walking).where(walking.c.enrolment_id.in_(chosen)).values(**values))
            told = {"what": "moved", "at": moment, "detail": f"to {to}"}
            # A wait that goes on stands there already, from when it began.
            connection.execute(
                sa.update(steps).where(steps.c.enrolment_id.in_(chosen), steps.c.step == gone).values(**told)
            )
            connection.execute(
                insert_ignoring(connection, steps),
                [{"enrolment_id": one, "step": gone, **told} for one in chosen],
            )
            moved += len(chosen)
    return moved


def _retime(store: Store, flow: Flow, definitions: Definitions, run_id: int, step: Step) -> None:
    """Compute anew when a step is asked of those who wait before it: the delay counts from the step they reached last.

    Who waits *in* it, since the `wait_for` began, is there already: their instant is the end of the wait.
    """
    walking = journeys.journeys
    begun = sa.exists(
        sa.select(sa.literal_column("1"))
        .select_from(journeys.journey_steps)
        .where(
            journeys.journey_steps.c.enrolment_id == walking.c.enrolment_id,
            journeys.journey_steps.c.step == step.name,
        )
        .correlate(walking)
    )
    there = (walking.c.run_id == run_id, walking.c.state == "walking", walking.c.step == step.name, ~begun)
    with store.read() as connection:
        ids = list(connection.execute(sa.select(walking.c.enrolment_id).where(*there)).scalars())
    for part in store.paced("flow").chunks(ids):
        with store.durable("flow") as connection:
            alone(connection, run_id)
            chosen = _held(connection, *there, walking.c.enrolment_id.in_(part))
            if chosen:
                due = _due(connection, flow, definitions, step, chosen)
                connection.execute(
                    sa.update(walking).where(walking.c.enrolment_id.in_(chosen)).values(due_at=due)
                )


def _held(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> list[int]:
    """Return the journeys for which it holds, kept from others until the transaction ends."""
    walking = journeys.journeys
    chosen = sa.select(walking.c.enrolment_id).where(*which).order_by(walking.c.enrolment_id)
    if connection.dialect.name == "postgresql":
        chosen = chosen.with_for_update()
    return list(connection.execute(chosen).scalars())


def _due(
    connection: sa.Connection, flow: Flow, definitions: Definitions, step: Step, ids: Sequence[int]
) -> sa.ColumnElement[int]:
    walking = journeys.journeys
    lowest, highest = connection.execute(
        sa.select(sa.func.min(walking.c.reached_at), sa.func.max(walking.c.reached_at)).where(
            walking.c.enrolment_id.in_(ids)
        )
    ).one()
    return step_due(
        step,
        flow,
        definitions,
        walking.c.reached_at,
        walking.c.customer_id,
        walking.c.event_id,
        lowest,
        highest,
    )
