"""The rules of the ledger about flows: journeys agree with their steps, steps with their messages, messages with versions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.campaigns.steps import PARTY
from tidings.delivery.rules import Rule, all_ids
from tidings.store.tables import journeys as flows
from tidings.store.tables import sending

runs, enrolments, messages = sending.runs, sending.enrolments, sending.messages
journeys, steps, subjects, versions, tasks = (
    flows.journeys,
    flows.journey_steps,
    flows.message_subjects,
    flows.flow_versions,
    flows.tasks,
)
_flows = sa.select(runs.c.id).where(runs.c.kind == "flow")
_version_there = (
    sa.select(versions.c.run_id)
    .where(versions.c.run_id == messages.c.run_id, versions.c.version == messages.c.version)
    .correlate(messages)
    .exists()
)


def _verbs(connection: sa.Connection) -> list[tuple[int, int, dict[str, str]]]:
    """Return each flow with the instant its latest version was approved, and the verb of each of that version's steps."""
    rows = connection.execute(
        sa.select(runs.c.id, runs.c.bounds, versions.c.approved_at)
        .select_from(
            runs.join(versions, sa.and_(versions.c.run_id == runs.c.id, versions.c.version == runs.c.version))
        )
        .where(runs.c.kind == "flow")
        .order_by(runs.c.id)
    )
    return [
        (row.id, row.approved_at, {step[0]: step[1] for step in (row.bounds or {}).get("steps", ())})
        for row in rows
    ]


def _unsent(connection: sa.Connection) -> list[Any]:
    """Return the treated enrolments that reached a step that sends, and of which there is no message, sent or refused.

    Only of what happened under the latest version: an older one may have done something else under the name.
    """
    own = sa.select(messages.c.id).where(
        messages.c.enrolment_id == steps.c.enrolment_id, messages.c.step == steps.c.step
    )
    about = (
        sa.select(messages.c.id)
        .select_from(subjects.join(messages, messages.c.id == subjects.c.message_id))
        .where(subjects.c.enrolment_id == steps.c.enrolment_id, messages.c.step == steps.c.step)
    )
    found: list[Any] = []
    for run_id, approved_at, verbs in _verbs(connection):
        send = sorted(name for name, verb in verbs.items() if verb == "send")
        if send:
            found += connection.execute(
                sa.select(steps.c.enrolment_id)
                .select_from(steps.join(enrolments, enrolments.c.id == steps.c.enrolment_id))
                .where(
                    enrolments.c.run_id == run_id,
                    enrolments.c.arm == "treated",
                    steps.c.step.in_(send),
                    steps.c.what == "reached",
                    steps.c.at >= approved_at,
                    ~own.correlate(steps).exists(),
                    ~about.correlate(steps).exists(),
                )
                .order_by(steps.c.enrolment_id)
            ).scalars()
    return found


def _come_again(connection: sa.Connection) -> list[Any]:
    """Return the journeys that wait before a step which they have come to already; only a wait stands in both places."""
    found: list[Any] = []
    for run_id, _, verbs in _verbs(connection):
        at_once = sorted(name for name, verb in verbs.items() if verb != "wait_for")
        if at_once:
            found += connection.execute(
                sa.select(journeys.c.enrolment_id)
                .select_from(
                    journeys.join(
                        steps,
                        sa.and_(
                            steps.c.enrolment_id == journeys.c.enrolment_id, steps.c.step == journeys.c.step
                        ),
                    )
                )
                .where(
                    journeys.c.run_id == run_id,
                    journeys.c.state == "walking",
                    journeys.c.step.in_(at_once),
                    steps.c.what != "moved",
                )
                .order_by(journeys.c.enrolment_id)
            ).scalars()
    return found


_first = messages.alias("first_leg")
FLOW_RULES: tuple[Rule, ...] = (
    Rule(
        "steps that send", "treated journey(s) reached a step that sends, and have no message of it", _unsent
    ),
    Rule(
        "journeys",
        "customer(s) entered a flow and have no journey, or one of another run or customer",
        all_ids(
            sa.select(enrolments.c.id)
            .select_from(enrolments.outerjoin(journeys, journeys.c.enrolment_id == enrolments.c.id))
            .where(
                enrolments.c.run_id.in_(_flows),
                enrolments.c.arm.in_(["treated", "holdout"]),
                sa.or_(
                    journeys.c.enrolment_id.is_(None),
                    journeys.c.run_id != enrolments.c.run_id,
                    journeys.c.customer_id != enrolments.c.customer_id,
                ),
            )
            .order_by(enrolments.c.id)
        ),
    ),
    Rule("one way", "journey(s) wait before a step that they have come to already", _come_again),
    Rule(
        "journeys end",
        "journey(s) have ended without saying how or when, or go on although they have",
        all_ids(
            sa.select(journeys.c.enrolment_id)
            .where(
                sa.or_(
                    sa.and_(
                        journeys.c.state == "ended",
                        sa.or_(journeys.c.ended_at.is_(None), journeys.c.outcome.is_(None)),
                    ),
                    sa.and_(
                        journeys.c.state == "walking",
                        sa.or_(journeys.c.ended_at.is_not(None), journeys.c.outcome.is_not(None)),
                    ),
                )
            )
            .order_by(journeys.c.enrolment_id)
        ),
    ),
    Rule(
        "parties",
        "message(s) to another party say nothing of whom they are about",
        all_ids(
            sa.select(messages.c.id)
            .select_from(messages.join(enrolments, enrolments.c.id == messages.c.enrolment_id))
            .where(
                enrolments.c.arm == PARTY,
                messages.c.leg
                == sa.select(sa.func.min(_first.c.leg))
                .where(_first.c.enrolment_id == messages.c.enrolment_id, _first.c.step == messages.c.step)
                .correlate(messages)
                .scalar_subquery(),
                ~sa.select(subjects.c.message_id)
                .where(subjects.c.message_id == messages.c.id)
                .correlate(messages)
                .exists(),
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "parties are enrolled for a message",
        "other part(ies) are enrolled, and have no message",
        all_ids(
            sa.select(enrolments.c.id)
            .where(
                enrolments.c.arm == PARTY,
                ~sa.select(messages.c.id).where(messages.c.enrolment_id == enrolments.c.id).exists(),
            )
            .order_by(enrolments.c.id)
        ),
    ),
    Rule(
        "holdouts walk silently",
        "enrolment(s) held out for comparison are written about to another party, or have a task",
        all_ids(
            sa.select(enrolments.c.id)
            .where(
                enrolments.c.arm == "holdout",
                sa.or_(
                    sa.select(subjects.c.message_id)
                    .where(subjects.c.enrolment_id == enrolments.c.id)
                    .exists(),
                    sa.select(tasks.c.id).where(tasks.c.enrolment_id == enrolments.c.id).exists(),
                ),
            )
            .order_by(enrolments.c.id)
        ),
    ),
    Rule(
        "versions",
        "message(s) were written by a version of their flow that was never approved",
        all_ids(
            sa.select(messages.c.id)
            .where(messages.c.run_id.in_(_flows), ~_version_there)
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "live versions",
        "flow(s) go by a version that was never approved",
        all_ids(
            sa.select(runs.c.id)
            .where(
                runs.c.kind == "flow",
                ~sa.select(versions.c.run_id)
                .where(versions.c.run_id == runs.c.id, versions.c.version == runs.c.version)
                .exists(),
            )
            .order_by(runs.c.id)
        ),
    ),
)
