"""Why a customer walked a flow as they did, or not at all: the start, the arm, and each step with the rule that decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.snapshot import control_share
from tidings.campaigns.steps import as_campaign, whole_flow
from tidings.clock import to_micros
from tidings.definitions.aloud.parts import Parts
from tidings.definitions.kinds.flow import Flow, Start
from tidings.definitions.values import Duration
from tidings.flows.explaining.arms import control_fact, flow_arm
from tidings.flows.explaining.audience import condition_facts, segment_facts, value_of
from tidings.flows.explaining.facts import AGAINST, PASSED, Chapter, Fact, Inquiry
from tidings.flows.explaining.goals import goal_fact
from tidings.flows.explaining.happenings import happenings
from tidings.flows.explaining.messages import is_party, leg_facts, messages_about, messages_of
from tidings.flows.explaining.words import arm_words, by_channel, state_words
from tidings.flows.journeys.due import after_instant
from tidings.store.tables import people, sending
from tidings.store.tables.journeys import journey_steps, journeys, tasks

_enrolments = sending.enrolments
# What became of a step, in words.
STEPS = {
    "reached": "reached",
    "passed": "passed over",
    "answered": "answered",
    "unanswered": "not answered in time",
    "left": "left the flow",
    "moved": "was taken out of the flow",
}
Told = tuple[str, list[Chapter]]


def flow_chapters(ask: Inquiry, flow: Flow | None, run: Any) -> Told:
    """Return the headline and the chapters of a flow; `run` is the row of its run, None where it never went live."""
    about = [Chapter.of("The flow", _about(ask, flow, run))]
    rows = _entries(ask, run)
    if not rows:
        if run is None:
            return "Got nothing: the flow is not live.", [*about, *_not_entered(ask, flow, None)]
        return "Got nothing: never entered the flow.", [*about, *_not_entered(ask, flow, run)]
    found: list[Chapter] = []
    for row in rows:
        found.append(Chapter.of(_title(ask, row, len(rows)), _entry(ask, flow, row, run)))
    return _headline(ask, rows[-1]), [*about, *found]


def _about(ask: Inquiry, flow: Flow | None, run: Any) -> list[Fact]:
    found = []
    if flow is not None:
        parts = Parts.of(ask.definitions)
        found.append(Fact("starts", f"{parts.starts(flow)}; {parts.walked(flow)}"))
        for one in flow.leave_when:
            found.append(Fact("leaves", f"who has this leaves it: {parts.leaves(flow, one)}"))
    if run is not None:
        why = f" ({run.pause_reason})" if run.state == "paused" and run.pause_reason else ""
        live = {"sending": "live", "paused": "paused", "cancelled": "cancelled"}.get(run.state, run.state)
        text = f"{live}{why}; went live on {ask.when(run.created_at)}, version {run.version}"
        found.append(Fact("run", text, at=run.created_at, data={"run": run.id, "version": run.version, "state": run.state}))  # fmt: skip
    return found


def _entries(ask: Inquiry, run: Any) -> list[Any]:
    if run is None:
        return []
    return list(
        ask.connection.execute(
            sa.select(
                _enrolments.c.id, _enrolments.c.entry, _enrolments.c.arm, _enrolments.c.anchor_at,
                journeys.c.state, journeys.c.step, journeys.c.due_at, journeys.c.outcome, journeys.c.ended_at,
                journeys.c.subject, journeys.c.start_ref, journeys.c.event_id,
            )
            .select_from(_enrolments.outerjoin(journeys, journeys.c.enrolment_id == _enrolments.c.id))
            .where(_enrolments.c.run_id == run.id, _enrolments.c.customer_id == ask.person.id)
            .order_by(_enrolments.c.anchor_at, _enrolments.c.entry)
        )
    )  # fmt: skip


def _entry(ask: Inquiry, flow: Flow | None, row: Any, run: Any) -> list[Fact]:
    found = [Fact("started", _started(ask, row), PASSED, row.anchor_at, {"start": row.start_ref})]
    if flow is not None:
        found += flow_arm(ask, flow, row.arm, run)
    messages = messages_of(ask, [row.id])
    about = messages_about(ask, row.id)
    if is_party(row.arm):
        for one in messages:
            found += _legs(ask, flow, one.step, [one], run)
        return found
    for step in _steps(ask, flow, row.id):
        text = STEPS.get(step.what, step.what)
        why = f": {step.detail}" if step.detail else ""
        # A wait that goes on stands as reached.
        found.append(
            Fact("step", f"{step.step}: {text}{why}", AGAINST if step.what == "left" else "", step.at, {"step": step.step, "what": step.what, "rule": step.detail})
        )  # fmt: skip
        if step.what == "reached":
            found += _done(ask, flow, row, step)
        found += _legs(ask, flow, step.step, [one for one in messages if one.step == step.step], run, step.at)
        for one in about:
            if one.step == step.step:
                by = by_channel(ask.definitions, one.channel)
                found.append(Fact("party", f"written to {one.key} {by} about the customer: {state_words(one.state)}", at=one.accepted_at))  # fmt: skip
    if row.state == "walking":
        text = f"waits before {row.step} until {ask.when(row.due_at)}"
        if row.due_at <= to_micros(ask.now) and run.state == "sending":
            text = f"is due at {row.step} since {ask.when(row.due_at)}: the next round moves it"
        found.append(Fact("waiting", text, at=row.due_at, data={"step": row.step}))
    elif row.state == "ended":
        found.append(Fact("ended", f"{row.outcome or 'ended'} on {ask.when(row.ended_at)}", at=row.ended_at, data={"outcome": row.outcome}))  # fmt: skip
    if flow is not None:
        found.append(goal_fact(ask, flow.goal, row.anchor_at))
    return found


def _steps(ask: Inquiry, flow: Flow | None, enrolment_id: int) -> list[Any]:
    """Return what became of the steps, in the order of time; those of one instant as they stand in the flow."""
    rows = ask.connection.execute(
        sa.select(journey_steps).where(journey_steps.c.enrolment_id == enrolment_id)
    ).all()
    places = {step.name: number for number, step in enumerate(flow.steps)} if flow is not None else {}
    return sorted(rows, key=lambda row: (row.at, places.get(row.step, -1), row.step))


def _done(ask: Inquiry, flow: Flow | None, row: Any, step: Any) -> list[Fact]:
    """Say what a step did beside sending, and that it did nothing for somebody who is held out."""
    known = flow.step(step.step) if flow is not None else None
    if known is None or known.verb in ("wait", "wait_for", "split", "end"):
        return []
    if row.arm != "treated":
        return [Fact("silent", "nothing was done: walks silently, for comparison", AGAINST)]
    if known.verb == "send":
        return []
    said = Parts.of(ask.definitions).does(known)
    found = [Fact("done", said)]
    task = ask.connection.execute(
        sa.select(tasks).where(tasks.c.enrolment_id == row.id, tasks.c.step == step.step)
    ).first()
    if task is not None:
        answer = f" on {ask.when(task.answered_at)}{f': {task.answer}' if task.answer else ''}" if task.answered_at else ""  # fmt: skip
        due = f", due on {ask.when(task.due_at)}" if task.due_at else ""
        found = [Fact("task", f"task {task.id} for {task.person}{due}: {task.state}{answer}", at=task.created_at, data={"task": task.id, "state": task.state})]  # fmt: skip
        if task.escalated_at is not None:
            found.append(
                Fact("task", "nobody had answered by then, so the owner was told", at=task.escalated_at)
            )
    return found


def _legs(
    ask: Inquiry, flow: Flow | None, name: str, legs: Sequence[Any], run: Any, first: int | None = None
) -> list[Fact]:
    step = flow.step(name) if flow is not None else None
    if not legs or flow is None or step is None or step.verb != "send":
        return []
    campaign = as_campaign(flow, step, ask.definitions)
    purpose = ask.definitions.policies.purpose(campaign.purpose)
    return leg_facts(ask, campaign, purpose, legs, run=run, first=first)


def _started(ask: Inquiry, row: Any) -> str:
    """Say what started a journey, from the reference that is stored."""
    ref, subject = row.start_ref or "", f" ({row.subject})" if row.subject else ""
    if is_party(row.arm):
        return arm_words(row.arm)
    if ref[:1] == "e" and ref[1:].isdigit():
        events, names = people.events, people.event_names
        event = ask.connection.execute(
            sa.select(names.c.name, events.c.occurred_at, events.c.received_at)
            .select_from(events.join(names, names.c.id == events.c.name_id))
            .where(events.c.id == int(ref[1:]))
        ).first()
        if event is not None:
            return f"by {event.name} on {ask.when(event.occurred_at)}, heard of on {ask.when(event.received_at)}{subject}"  # fmt: skip
    if ref[:1] in ("m", "x") and ref[1:].isdigit():
        member = people.segment_members
        segment = ask.connection.execute(
            sa.select(member.c.segment).where(member.c.id == int(ref[1:]))
        ).scalar()
        if segment is not None:
            return f"by {'coming into' if ref[0] == 'm' else 'going out of'} the segment {segment}{subject}"
    if ref[:1] == "d":
        return f"by the day {ref[1:].partition('/')[0]}{subject}"
    return f"on {ask.when(row.anchor_at)}{subject}"


def _not_entered(ask: Inquiry, flow: Flow | None, run: Any) -> list[Chapter]:
    """Say what is stored about why somebody never entered."""
    if flow is None:
        return []
    found, start = [], flow.starts
    control = control_fact(ask, control_share(whole_flow(flow), ask.definitions))
    if control is not None:
        found.append(control)
    since = run.created_at if run is not None else 0
    if start.kind == "event" or (start.day is not None and start.event):
        found += _start_events(ask, flow, start.event, since)
    if start.segment:
        found += segment_facts(ask, start.segment, None, wanted=start.kind == "enters")
        if start.kind == "enters" and run is not None:
            found += _there_before(ask, start, since)
    if start.day is not None and not start.event:
        found.append(Fact("start", value_of(ask, start.day.date), data={"date": start.day.date}))
    found += condition_facts(ask, flow.leave_when, wanted=False)
    note = "What the customer was on an earlier day is not kept; conditions are asked of what is stored as of now."
    return [Chapter.of("Why not", [*found, Fact("as of now", note)])]


def _there_before(ask: Inquiry, start: Start, since: int) -> list[Fact]:
    """Say that the customer was in the start segment when the flow went live, where that kept them out."""
    members = people.segment_members
    row = ask.connection.execute(
        sa.select(members.c.valid_from, members.c.valid_to)
        .where(members.c.segment == start.segment, members.c.customer_id == ask.person.id)
        .order_by(members.c.valid_from.desc(), members.c.id.desc())
        .limit(1)
    ).first()
    if row is None or row.valid_from > since or (row.valid_to is not None and row.valid_to <= since):
        return []
    late = start.catch_up
    if late == "everybody":
        return []
    if isinstance(late, Duration):
        zone = ZoneInfo(ask.definitions.workspace.zone)
        if row.valid_from >= after_instant(since, late, zone, -1):
            return []
    live = f"the flow went live on {ask.when(since)}"
    been = f"was in it when {live}" if row.valid_from == since else f"came into it on {ask.when(row.valid_from)}, before {live}"  # fmt: skip
    who = "who was in it by then" if late == "nobody" else f"who had been in it for more than {late} by then"
    return [Fact("start", f"{been}: {who} does not enter", AGAINST, row.valid_from)]


def _start_events(ask: Inquiry, flow: Flow, name: str, since: int) -> list[Fact]:
    done = happenings(name, ask.person.id).order_by(people.events.c.received_at.desc()).limit(3)
    rows = ask.connection.execute(done).all()
    if not rows:
        return [Fact("start", f"{name} never happened", AGAINST)]
    found = []
    for row in rows:
        early = row.received_at < since
        why = f", before the flow went live on {ask.when(since)}" if early else ""
        found.append(Fact("start", f"{name} on {ask.when(row.occurred_at)}{why}", AGAINST if early else "", row.occurred_at))  # fmt: skip
    if flow.starts.with_ and any(row.received_at >= since for row in rows):
        wanted = ", ".join(one for one, _ in flow.starts.with_)
        found.append(Fact("start", f"the flow asks for certain values of {wanted}; an event without them starts nothing", AGAINST))  # fmt: skip
    if any(row.received_at >= since for row in rows) and flow.starts.kind == "event":
        found.append(Fact("start", f"an event heard of more than {flow.starts.catch_up} late starts nothing"))
    return found


def _title(ask: Inquiry, row: Any, count: int) -> str:
    about = f" ({row.subject})" if row.subject else ""
    if is_party(row.arm):
        return f"Written to about other customers, {ask.when(row.anchor_at)}"
    return f"The journey of {ask.when(row.anchor_at)}{about}" if count > 1 or about else "The journey"


def _headline(ask: Inquiry, row: Any) -> str:
    if is_party(row.arm):
        return "Was written to about other customers; walks no journey of their own."
    silent = " silently, for comparison: got nothing" if row.arm == "holdout" else ""
    if row.state == "walking":
        return f"Walks the flow{silent}; waits before “{row.step}” until {ask.when(row.due_at)}."
    words = {"left": "Left the flow", "finished": "Walked the flow to its end"}
    how = words.get(row.outcome or "", "The journey ended")
    return f"{how}{silent} on {ask.when(row.ended_at)}."
