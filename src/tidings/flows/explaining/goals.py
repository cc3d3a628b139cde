"""Whether the goal was reached after a start: events of the customer within the window, whatever the arm."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.campaign import Goal
from tidings.flows.explaining.facts import PASSED, Fact, Inquiry
from tidings.flows.journeys.due import after_instant
from tidings.segments.doing import event_tests, named
from tidings.segments.scope import Scope
from tidings.store.tables import people

_events = people.events


def goal_fact(ask: Inquiry, goal: Goal | None, anchor: int) -> Fact:
    """Say whether the goal was reached within its window after an instant."""
    if goal is None:
        return Fact("goal", "none is written")
    closes = after_instant(anchor, goal.within, ask.zone)
    scope = Scope.of(ask.definitions, ask.now)
    times, first = ask.connection.execute(
        sa.select(sa.func.count(), sa.func.min(_events.c.occurred_at)).where(
            _events.c.customer_id == ask.person.id,
            named(goal.did),
            *event_tests(ask.definitions.events.get(goal.did), goal.with_, scope),
            _events.c.occurred_at >= anchor,
            _events.c.occurred_at < min(closes, to_micros(ask.now)),
        )
    ).one()
    until = f"within {goal.within} (until {ask.when(closes)})"
    if times:
        again = f", {times} times" if times > 1 else ""
        return Fact(
            "goal",
            f"reached: {goal.did} on {ask.when(first)}{again}, {until}",
            PASSED,
            first,
            {"times": times},
        )
    waits = from_micros(closes) > ask.now
    return Fact("goal", f"{goal.did} {until}: {'not yet' if waits else 'not reached'}", data={"times": 0})
