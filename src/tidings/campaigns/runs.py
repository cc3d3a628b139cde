"""Start a run from a plan: enrol every arm, write the message ledger, record the artifacts used.

A run is unique by (campaign, occurrence), an enrolment by (run, customer, entry), a message by
(enrolment, step, leg): starting twice, or again after a kill, adds what is missing and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.files import campaign_files
from tidings.campaigns.plan import Plan
from tidings.campaigns.planning import find_campaign, load_plan
from tidings.campaigns.snapshot import ONCE, RANGE, range_ends
from tidings.clock import from_micros, iso, to_micros
from tidings.definitions.hashing import definition_hash, policy_hash
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy, UsageError
from tidings.store.artifacts import put
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.table_statistics import Growing, analyse
from tidings.store.tables import sending


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it stands: `state` is enrolling, sending, paused, finished or cancelled."""

    id: int
    campaign: str
    occurrence: str
    state: str
    anchor_at: int
    pause_reason: str | None
    definition_hash: str
    bounds: dict[str, Any]
    created: bool = False


def find_run(store: Store, campaign: str, occurrence: str = ONCE) -> Run | None:
    """Return the run of an occurrence, or None when it has not been started."""
    runs = sending.runs
    with store.read() as connection:
        row = connection.execute(
            sa.select(runs).where(runs.c.campaign == campaign, runs.c.occurrence == occurrence)
        ).first()
    return None if row is None else _run(row)


def start_run(
    store: Store, definitions: Definitions, plan_hash: str, *, approved_by: str, now: datetime
) -> Run:
    """Start the run of a stored plan, or take it up where an interrupted start left it.

    Refuses a plan over its budget, one made with other definitions than the files have now, and one whose
    messages would all have expired. A run that exists for the occurrence is returned as it stands.
    """
    plan_id, state, plan = load_plan(store, plan_hash)
    if state == "filling":
        raise UsageError(
            f"plan {plan.hash} was interrupted while it was made",
            what_to_do=f"`tidings plan {plan.campaign}` makes it again",
        )
    existing = find_run(store, plan.campaign, plan.occurrence)
    if existing is not None and existing.state != "enrolling":
        return existing
    if existing is None:
        _may_start(plan, definitions, now)
        run_id = _create(store, definitions, plan_id, plan, approved_by=approved_by, now=now)
    else:
        run_id = existing.id
    enrol(store, run_id)
    run = find_run(store, plan.campaign, plan.occurrence)
    assert run is not None
    return Run(**{**{name: getattr(run, name) for name in Run.__slots__}, "created": existing is None})


def _may_start(plan: Plan, definitions: Definitions, now: datetime) -> None:
    if definition_hash(definitions, plan.campaign) != plan.definition_hash:
        raise RefusedByPolicy(
            f"plan {plan.hash} was made with other definitions than those in the files now",
            what_to_do=f"look at `tidings plan {plan.campaign}` and run the new plan",
        )
    if plan.over_budget:
        raise RefusedByPolicy(
            "sending this plan would cost more than the budget of the campaign",
            what_to_do="raise `budget:` or narrow the audience, then plan again",
        )
    if to_micros(now) > plan.expires_at and not plan.anchor_is_now:
        raise RefusedByPolicy(
            f"the campaign was to go out at {iso(from_micros(plan.anchor_at))} and its messages have expired",
            what_to_do="set a new `at:` in the campaign and plan again",
        )
    if not plan.people:
        raise RefusedByPolicy(
            f"plan {plan.hash} writes to nobody", what_to_do=f"`tidings plan {plan.campaign}` says why"
        )


def _create(
    store: Store, definitions: Definitions, plan_id: int, plan: Plan, *, approved_by: str, now: datetime
) -> int:
    """Write the run row, the artifacts it will use and the audit entry in one transaction."""
    at = to_micros(now)
    anchor = at if plan.anchor_is_now else plan.anchor_at
    length = plan.expires_at - plan.anchor_at
    campaign = find_campaign(definitions, plan.campaign)
    runs = sending.runs
    with store.durable("run") as connection:
        store.note_time(connection, now)
        run_id = connection.execute(
            insert_ignoring(connection, runs)
            .values(
                campaign=plan.campaign,
                occurrence=plan.occurrence,
                kind="campaign",
                plan_id=plan_id,
                definition_hash=plan.definition_hash,
                policy_hash=policy_hash(definitions),
                salt=f"{plan.campaign}/{plan.occurrence}",
                state="enrolling",
                approved_by=approved_by,
                approved_at=at,
                anchor_at=anchor,
                created_at=at,
                bounds={**plan.bounds, "expires_at": anchor + length, "via": list(campaign.via)},
            )
            .returning(runs.c.id)
        ).scalar()
        if run_id is None:
            # Somebody else started the same occurrence a moment ago; theirs is the run.
            return int(
                connection.execute(
                    sa.select(runs.c.id).where(
                        runs.c.campaign == plan.campaign, runs.c.occurrence == plan.occurrence
                    )
                ).scalar_one()
            )
        for path, content in campaign_files(definitions, plan.campaign).items():
            digest = put(connection, "file", content, at)
            connection.execute(
                sending.run_artifacts.insert().values(run_id=run_id, role=f"file:{path}", sha256=digest)
            )
        connection.execute(sending.plans.update().where(sending.plans.c.id == plan_id).values(state="used"))
        append(
            connection,
            at,
            approved_by,
            "run approved",
            f"{plan.campaign}/{plan.occurrence}",
            {"plan": plan.hash, "definitions": plan.definition_hash, "bounds": plan.bounds},
        )
    return int(run_id)


def enrol(store: Store, run_id: int) -> None:
    """Enrol all arms and write a planned message for each treated customer, a range of ids at a time.

    Goes on where an interrupted start stopped; a run that is enrolled already is left alone.
    """
    runs, members, enrolments, messages = (
        sending.runs,
        sending.plan_members,
        sending.enrolments,
        sending.messages,
    )
    with store.read() as connection:
        run = connection.execute(sa.select(runs).where(runs.c.id == run_id)).one()
        if run.state != "enrolling":
            return
        done = connection.execute(
            sa.select(sa.func.max(enrolments.c.customer_id)).where(enrolments.c.run_id == run_id)
        ).scalar_one()
        legs = sa.case(
            {name: position for position, name in enumerate(run.bounds["via"])},
            value=members.c.channel,
            else_=0,
        )
        in_plan = members.c.plan_id == run.plan_id
        enrolled = members.c.arm.in_(["treated", "holdout"])
        # Enrolments and messages of a range come in one transaction, so the last range seen is whole.
        low = int(done or 0)
        highs = range_ends(
            connection,
            sa.select(members.c.customer_id.label("id")).where(
                in_plan, enrolled, members.c.customer_id > low
            ),
        )
    growing = Growing(store, "enrolments", "messages")
    for (high,) in store.paced("enrol").chunks(highs, 1):
        between = (members.c.customer_id > low, members.c.customer_id <= high)
        with store.durable("enrol") as connection:
            connection.execute(
                insert_ignoring(connection, enrolments).from_select(
                    ["run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
                    sa.select(
                        sa.literal(run_id),
                        members.c.customer_id,
                        sa.literal(0),
                        members.c.arm,
                        members.c.variant,
                        sa.literal(run.anchor_at, sa.BigInteger),
                        sa.literal(run.created_at, sa.BigInteger),
                    )
                    .where(in_plan, enrolled, *between)
                    .order_by(members.c.customer_id),
                )
            )
            connection.execute(
                insert_ignoring(connection, messages).from_select(
                    [
                        "run_id",
                        "enrolment_id",
                        "customer_id",
                        "step",
                        "leg",
                        "channel",
                        "variant",
                        "state",
                        "due_at",
                        "expires_at",
                        "attempt",
                    ],
                    sa.select(
                        sa.literal(run_id),
                        enrolments.c.id,
                        members.c.customer_id,
                        sa.literal("main"),
                        legs,
                        members.c.channel,
                        enrolments.c.variant,
                        sa.literal("planned"),
                        sa.literal(run.anchor_at, sa.BigInteger),
                        sa.literal(run.bounds["expires_at"], sa.BigInteger),
                        sa.literal(0),
                    )
                    .select_from(
                        members.join(
                            enrolments,
                            sa.and_(
                                enrolments.c.run_id == run_id,
                                enrolments.c.customer_id == members.c.customer_id,
                                enrolments.c.entry == 0,
                            ),
                        )
                    )
                    .where(in_plan, members.c.arm == "treated", *between)
                    .order_by(members.c.customer_id),
                )
            )
        low = high
        growing.add(RANGE)
    analyse(store, "enrolments", "messages")
    with store.durable("run") as connection:
        connection.execute(
            runs.update().where(runs.c.id == run_id, runs.c.state == "enrolling").values(state="sending")
        )


def _run(row: Any) -> Run:
    return Run(
        row.id,
        row.campaign,
        row.occurrence,
        row.state,
        row.anchor_at,
        row.pause_reason,
        row.definition_hash,
        row.bounds,
    )
