"""Whether the goal was reached after a start: events of the customer within the window, whatever the arm."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.rules import KNOWN_EVENTS
from tidings.flows.explaining.facts import PASSED, Fact, Inquiry
from tidings.flows.explaining.happenings import happenings
from tidings.flows.journeys.due import after_instant
from tidings.segments.doing import event_tests
from tidings.segments.scope import Scope


def goal_fact(ask: Inquiry, goal: Goal | None, anchor: int) -> Fact:
    """Say whether the goal was reached within its window after an instant."""
    if goal is None:
        return Fact("goal", "none is written")
    closes = after_instant(anchor, goal.within, ask.zone)
    scope = Scope.of(ask.definitions, ask.now)
    event = ask.definitions.events.get(goal.did) or KNOWN_EVENTS.get(goal.did)
    done = happenings(goal.did, ask.person.id).where(*event_tests(event, goal.with_, scope)).subquery()
    times, first = ask.connection.execute(
        sa.select(sa.func.count(), sa.func.min(done.c.occurred_at)).where(
            done.c.occurred_at >= anchor, done.c.occurred_at < min(closes, to_micros(ask.now))
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
