"""Where a journey goes from a step, and the one statement that moves a chunk of journeys there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.readers.step_order import END, following_step, instead_of
from tidings.flows.journeys import verdicts as said
from tidings.flows.journeys.deciding import stage
from tidings.flows.journeys.due import Instants
from tidings.store.tables.journeys import journeys

T = TypeVar("T")
Clause = sa.ColumnElement[bool]
Due = Callable[[Step, Instants], Instants]
"""When a step is asked of those who reached the one before at an instant, in SQL."""


# The number of PostgreSQL's advisory locks for moving journeys; the other half is the run.
_LOCK = 0x77616C6B


def alone(connection: sa.Connection, run_id: int) -> None:
    """Let nobody else move journeys of a run until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, run_id % 2**31))


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a step leads, by what became of it; each the name of a step, or `end`.

    `split` has the upper edge of each way in buckets.
    """

    reached: str
    passed: str
    unanswered: str
    split: tuple[tuple[int, str], ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Return every step that somebody may come to from here, each once."""
        return tuple(name for name in dict.fromkeys(self._all) if name != END)

    @property
    def may_finish(self) -> bool:
        """Tell whether a journey may end here though nobody leaves."""
        return END in self._all

    @property
    def _all(self) -> tuple[str, ...]:
        return (self.reached, self.passed, self.unanswered, *(name for _, name in self.split))

    def came(self, step: Step) -> tuple[list[tuple[Clause, str]], str]:
        """Return the ways with the condition under which a staged journey takes them, and the way of all others."""
        verdict = stage.c.verdict
        found: list[tuple[Clause, str]] = []
        if said.may_pass(step):
            found.append((said.passed_over(verdict), self.passed))
        if step.wait_for is not None:
            found.append((verdict == said.UNANSWERED, self.unanswered))
        found += [(stage.c.bucket < edge, name) for edge, name in self.split[:-1]]
        return found, self.split[-1][1] if self.split else self.reached

    def ends(self, step: Step) -> Clause:
        """Return the condition that a staged journey, unless it stays, ends here."""
        if not self.may_finish:
            return said.left(stage.c.verdict)
        found, last = self.came(step)
        by_way = _by_way([(where, _truth(name == END)) for where, name in found], _truth(last == END))
        return sa.or_(said.left(stage.c.verdict), by_way.is_(sa.true()))


def ways_from(flow: Flow, step: Step) -> Ways:
    """Return where a step leads."""
    number = flow.steps.index(step)
    following = following_step(flow, number)
    edges: list[tuple[int, str]] = []
    for name, share in step.split:
        edges.append(((edges[-1][0] if edges else 0) + share.basis_points, name))
    return Ways(
        reached=END if step.verb == "end" else step.then or following,
        passed=instead_of(flow, step.name) or following,
        unanswered=(step.wait_for.if_not if step.wait_for else "") or following,
        split=tuple(edges),
    )


def move(flow: Flow, step: Step, ways: Ways, due: Due, *, been: bool = True) -> sa.Update:
    """Return the statement that moves every staged journey on: to its next step, to its end, or to a later instant.

    The caller has made sure, in the same transaction, that all of them still wait where they were found. `been`: some may
    have been at the step before. What cannot be is not asked: every question costs, of each row and in each column.
    """
    verdict = stage.c.verdict
    passed, left = said.passed_over(verdict), said.left(verdict)
    came, last = ways.came(step)
    ended = ways.ends(step)
    stays = verdict.in_([said.LATER, said.WAITING])
    may_stay, may_pass = said.may_stay(step), said.may_pass(step)
    # `after` counts from the step reached last; one that was passed over is not reached.
    unreached = ([passed] if may_pass else []) + ([verdict == said.BEEN] if been else [])
    base = _by_way([(sa.or_(*unreached), stage.c.base)] if unreached else [], stage.c.at)

    def next_due(name: str) -> Instants:
        if name == END:
            return stage.c.due_at
        target = flow.step(name)
        assert target is not None
        return due(target, base)

    following = _by_way(
        [(where, sa.literal(name, sa.Text)) for where, name in came], sa.literal(last, sa.Text)
    )
    instant = _by_way([(where, next_due(name)) for where, name in came], next_due(last))
    if may_pass:
        # Nobody comes to a step before the moment at which the one before was passed over.
        instant = sa.case((sa.and_(passed, instant < stage.c.at), stage.c.at), else_=instant)
    stopped = sa.and_(~stays, ended) if may_stay else ended
    step_now = sa.literal(step.name, sa.Text)
    waits: list[tuple[Clause, Instants]] = []
    if may_stay:
        waits = [(verdict == said.LATER, stage.c.base), (verdict == said.WAITING, stage.c.at)]
    outcomes: list[tuple[Clause, str]] = [
        (left, "left"),
        *([(stopped, "finished")] if ways.may_finish else []),
    ]
    values: dict[str, sa.ColumnElement[object]] = {
        "step": sa.case(*([(stays, step_now)] if may_stay else []), (ended, step_now), else_=following),
        "due_at": sa.case(
            *([(stays, stage.c.later)] if may_stay else []), (ended, stage.c.due_at), else_=instant
        ),
        "reached_at": sa.case(*waits, (left, stage.c.base), else_=base),
        "state": sa.case((stopped, "ended"), else_="walking"),
        "outcome": sa.case(*outcomes, else_=sa.null()),
        "ended_at": sa.case((stopped, stage.c.at), else_=sa.null()),
    }
    if step.quiet:
        values["event_id"] = stage.c.event_id
    # The sum keeps SQLite from looking through all journeys for those staged.
    return sa.update(journeys).where(journeys.c.enrolment_id == stage.c.enrolment_id + 0).values(values)


def _truth(value: bool) -> Clause:
    return sa.true() if value else sa.false()


def _by_way(came: list[tuple[Clause, sa.ColumnElement[T]]], last: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
    return sa.case(*came, else_=last) if came else last
