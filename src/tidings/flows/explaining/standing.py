"""How a live flow stands: people at each step now, what became of each step, messages, refusals, goals, by arm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, iso
from tidings.definitions.aloud.parts import Parts
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.readers.step_order import END
from tidings.definitions.workspace import Definitions
from tidings.delivery.recorded import recorded
from tidings.errors import StoreError, UsageError
from tidings.flows.journeys.live import LiveFlow, find_live
from tidings.flows.journeys.moving import ways_from
from tidings.flows.journeys.verdicts import may_pass
from tidings.store.database import Store
from tidings.store.tables import sending
from tidings.store.tables.journeys import journey_steps, journeys

_enrolments, _messages = sending.enrolments, sending.messages
By = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Way:
    """One way on from a step: why it is taken (empty: always) and to which step, or `end`."""

    why: str
    to: str


@dataclass(frozen=True, slots=True)
class StepStands:
    """One step. `does` and `due` are words, `only` the conditions of `when`; counts are of journeys, messages of messages.

    `became` has for each word of a journey's history (reached, passed, answered, unanswered, left, moved) how many by arm.
    """

    name: str
    verb: str
    does: str
    due: str
    only: tuple[str, ...]
    instead_of: str
    ways: tuple[Way, ...]
    waiting: By
    became: Mapping[str, By]
    messages: By
    refusals: By

    def count(self, *what: str) -> int:
        """Return how many journeys of all arms have one of these in their history."""
        return sum(many for one in what for many in self.became.get(one, {}).values())

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "step": self.name,
            "verb": self.verb,
            "does": self.does,
            "due": self.due,
            "only": list(self.only),
            "instead_of": self.instead_of or None,
            "ways": [{"why": one.why, "to": one.to} for one in self.ways],
            "waiting": dict(self.waiting),
            "became": {what: dict(arms) for what, arms in self.became.items()},
            "messages": dict(self.messages),
            "refusals": dict(self.refusals),
        }


@dataclass(frozen=True, slots=True)
class FlowStands:
    """A flow and how it stands. `state` is `not live` where it never went live; `edited`: the file says otherwise by now.

    `entered` by arm; `outcomes` of journeys (`walking` among them); `converted` reached the goal, by arm, of `counted`
    customers, None where no goal is written. `again` and `held_out` are words. `elsewhere` are steps of earlier versions where people still wait.
    """

    id: str
    title: str
    starts: str
    leaves: tuple[str, ...]
    goal: str
    state: str
    reason: str
    version: int
    live_since: datetime | None
    edited: bool
    entered: By
    outcomes: By
    counted: By
    converted: By | None
    steps: tuple[StepStands, ...]
    elsewhere: By
    again: str = ""
    held_out: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "flow": self.id,
            "title": self.title,
            "starts": self.starts,
            "leave_when": list(self.leaves),
            "goal": self.goal or None,
            "again": self.again,
            "holdout": self.held_out,
            "state": self.state,
            "reason": self.reason or None,
            "version": self.version,
            "live_since": iso(self.live_since) if self.live_since else None,
            "edited": self.edited,
            "entered": dict(self.entered),
            "journeys": dict(self.outcomes),
            "counted": dict(self.counted),
            "converted": None if self.converted is None else dict(self.converted),
            "steps": [one.as_json() for one in self.steps],
            "waiting_elsewhere": dict(self.elsewhere),
        }


def flow_stands(store: Store, definitions: Definitions, flow: Flow, *, now: datetime) -> FlowStands:
    """Return how a flow stands: by its live version, or as the file has it where it never went live."""
    live = find_live(store, flow.id)
    used, drawn, edited = _drawn(store, definitions, flow, live)
    parts = Parts.of(used)
    waiting: dict[str, dict[str, int]] = {}
    became: dict[str, dict[str, dict[str, int]]] = {}
    messages: dict[str, dict[str, int]] = {}
    refusals: dict[str, dict[str, int]] = {}
    entered: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    counted: By = {}
    converted: By | None = None
    if live is not None:
        with store.read() as connection:
            entered, outcomes = _journeys(connection, live.run_id)
            waiting = _waiting(connection, live.run_id)
            became = _became(connection, live.run_id)
            messages, refusals = _sent(connection, live.run_id)
        if drawn.goal is not None and any(entered.values()):
            counted, converted = _converted(store, used, drawn, now)
    known = {step.name for step in drawn.steps}
    return FlowStands(
        id=drawn.id,
        title=drawn.title,
        starts=parts.starts(drawn),
        leaves=tuple(parts.leaves(drawn, one) for one in drawn.leave_when),
        goal=parts.goal(drawn.goal) if drawn.goal else "",
        state=_state(live),
        reason=(live.pause_reason or "") if live and live.state == "paused" else "",
        version=live.version if live else 0,
        live_since=from_micros(live.created_at) if live else None,
        edited=edited,
        entered=entered,
        outcomes=outcomes,
        counted=counted,
        converted=converted,
        steps=tuple(
            _step(parts, drawn, step, waiting.get(step.name, {}), became.get(step.name, {}), messages.get(step.name, {}), refusals.get(step.name, {}))
            for step in drawn.steps
        ),
        again=parts.walked(drawn),
        held_out=parts.held_out(drawn),
        elsewhere={name: sum(arms.values()) for name, arms in waiting.items() if name not in known},
    )  # fmt: skip


def ways_on(flow: Flow, step: Step) -> tuple[Way, ...]:
    """Return the ways on from a step, those to the same place put together."""
    ways, found = ways_from(flow, step), []
    if step.verb == END:
        return (Way("", END),)
    if step.split:
        found += [Way(str(share), name) for name, share in step.split]
    elif step.wait_for is not None:
        found += [Way("answered", ways.reached), Way(f"not within {step.wait_for.up_to}", ways.unanswered)]
    else:
        found.append(Way("", ways.reached))
    if may_pass(step):
        found.append(Way("passed over", ways.passed))
    joined: dict[str, list[str]] = defaultdict(list)
    for one in found:
        joined[one.to].append(one.why)
    if len(joined) == 1:
        return (Way("", found[0].to),)
    return tuple(Way(" or ".join(filter(None, why)) or "reached", to) for to, why in joined.items())


def _state(live: LiveFlow | None) -> str:
    return "not live" if live is None else {"sending": "live"}.get(live.state, live.state)


def _drawn(
    store: Store, definitions: Definitions, flow: Flow, live: LiveFlow | None
) -> tuple[Definitions, Flow, bool]:
    """Return what people walk by: the recorded version, or the file where none can be had."""
    if live is None:
        return definitions, flow, False
    edited = definition_hash(definitions, flow.id) != live.definition_hash
    try:
        used = recorded(store, live.run_id).definitions
    except (StoreError, UsageError):
        return definitions, flow, edited
    return used, used.flows[flow.id], edited


def _journeys(connection: sa.Connection, run_id: int) -> tuple[dict[str, int], dict[str, int]]:
    rows = connection.execute(
        sa.select(_enrolments.c.arm, journeys.c.state, journeys.c.outcome, sa.func.count().label("many"))
        .select_from(journeys.join(_enrolments, _enrolments.c.id == journeys.c.enrolment_id))
        .where(journeys.c.run_id == run_id)
        .group_by(_enrolments.c.arm, journeys.c.state, journeys.c.outcome)
    )
    entered: dict[str, int] = defaultdict(int)
    outcomes: dict[str, int] = defaultdict(int)
    for row in rows:
        entered[row.arm] += row.many
        outcomes["walking" if row.state == "walking" else row.outcome or "ended"] += row.many
    return dict(entered), dict(outcomes)


def _waiting(connection: sa.Connection, run_id: int) -> dict[str, dict[str, int]]:
    rows = connection.execute(
        sa.select(journeys.c.step, _enrolments.c.arm, sa.func.count().label("many"))
        .select_from(journeys.join(_enrolments, _enrolments.c.id == journeys.c.enrolment_id))
        .where(journeys.c.run_id == run_id, journeys.c.state == "walking")
        .group_by(journeys.c.step, _enrolments.c.arm)
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row.step][row.arm] = row.many
    return dict(found)


def _became(connection: sa.Connection, run_id: int) -> dict[str, dict[str, dict[str, int]]]:
    rows = connection.execute(
        sa.select(journey_steps.c.step, journey_steps.c.what, _enrolments.c.arm, sa.func.count().label("many"))
        .select_from(journey_steps.join(_enrolments, _enrolments.c.id == journey_steps.c.enrolment_id))
        .where(_enrolments.c.run_id == run_id)
        .group_by(journey_steps.c.step, journey_steps.c.what, _enrolments.c.arm)
    )  # fmt: skip
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row.step][row.what][row.arm] = row.many
    return {step: dict(whats) for step, whats in found.items()}


def _sent(
    connection: sa.Connection, run_id: int
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    rows = connection.execute(
        sa.select(_messages.c.step, _messages.c.state, _messages.c.refusal_code, sa.func.count().label("many"))
        .where(_messages.c.run_id == run_id)
        .group_by(_messages.c.step, _messages.c.state, _messages.c.refusal_code)
        .order_by(_messages.c.step, sa.desc("many"), _messages.c.state)
    )  # fmt: skip
    states: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    codes: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        states[row.step][row.state] += row.many
        if row.state == "refused":
            codes[row.step][row.refusal_code or "unknown"] = row.many
    return {step: dict(counts) for step, counts in states.items()}, dict(codes)


def _converted(store: Store, definitions: Definitions, flow: Flow, now: datetime) -> tuple[By, By | None]:
    """Return who is counted and who of them reached the goal, by arm, as the report has it."""
    from tidings.measurement.report import make_report

    report = make_report(store, definitions, flow.id, as_of=now)
    counted = {arm.name: arm.customers for arm in report.arms}
    reached = {row.arm: row.converted for row in report.funnel if row.converted is not None}
    return counted, reached or None


def _step(
    parts: Parts,
    flow: Flow,
    step: Step,
    waiting: By,
    became: Mapping[str, By],
    messages: By,
    refusals: By,
) -> StepStands:
    return StepStands(
        name=step.name,
        verb=step.verb,
        does=parts.does(step) + (parts.same(flow, step.wait_for.event) if step.wait_for else ""),
        due=parts.due(step),
        only=tuple(parts.condition(one) for one in step.when),
        instead_of=step.instead_of,
        ways=ways_on(flow, step),
        waiting=waiting,
        became=became,
        messages=messages,
        refusals=refusals,
    )
