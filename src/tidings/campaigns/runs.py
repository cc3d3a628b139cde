"""Start a run from a plan: enrol every arm, write the message ledger, record the artifacts used.

A run is unique by (campaign, occurrence), an enrolment by (run, customer, entry), a message by
(enrolment, step, leg): starting twice, or again after a kill, adds what is missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.again import LATE
from tidings.campaigns.costing import spending
from tidings.campaigns.expectations import keep_expectations
from tidings.campaigns.files import campaign_files
from tidings.campaigns.hours import GRACE, ONCE, Schedule
from tidings.campaigns.offer_checks import check_campaign_offer
from tidings.campaigns.plan import Plan
from tidings.campaigns.planning import find_campaign, load_plan
from tidings.campaigns.snapshot import COPY, RANGE, range_ends
from tidings.campaigns.timetable import Timetable, fill_timetable
from tidings.clock import from_micros, iso, to_micros
from tidings.definitions.hashing import definition_hash, policy_hash
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.readers.later import deciding
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy, UsageError
from tidings.store.artifacts import put
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.table_statistics import Growing, analyse
from tidings.store.tables import sending

# Who wins under a frequency cap.
_PRIORITIES = {"high": 1, "normal": 0, "low": -1}


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
        _may_start(store, plan, definitions, now)
        run_id = _create(store, definitions, plan_id, plan, approved_by=approved_by, now=now)
    else:
        run_id = existing.id
    enrol(store, run_id)
    run = find_run(store, plan.campaign, plan.occurrence)
    assert run is not None
    return Run(**{**{name: getattr(run, name) for name in Run.__slots__}, "created": existing is None})


def check_whole(campaign: Campaign) -> None:
    """Refuse a campaign with a key that decides who gets what or when, and that nothing acts on yet."""
    keys = deciding(campaign.acts_later)
    if keys:
        plural = len(keys) > 1
        raise RefusedByPolicy(
            f"{campaign.id} cannot run yet: nothing acts on {_listed(keys)}, and {'they decide' if plural else 'it decides'} "
            "who gets what, or when",
            what_to_do=f"take {'them' if plural else 'it'} out where the campaign is right without, or wait for a version that does",
        )


def _listed(keys: Sequence[str]) -> str:
    shown = [f"`{key}`" for key in keys]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _may_start(store: Store, plan: Plan, definitions: Definitions, now: datetime) -> None:
    check_whole(find_campaign(definitions, plan.campaign))
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
    if plan.schedule is not None:
        _not_late(plan, Schedule.from_json(plan.schedule), to_micros(now))
    if to_micros(now) > max(plan.expires_at, plan.last_expires_at) and not plan.anchor_is_now:
        raise RefusedByPolicy(
            f"the campaign was to go out at {iso(from_micros(plan.anchor_at))} and its messages have expired",
            what_to_do="set a new `at:` in the campaign and plan again",
        )
    check_campaign_offer(store, definitions, plan)
    if not plan.people and not (plan.recurring and plan.held_out):
        raise RefusedByPolicy(
            f"plan {plan.hash} writes to nobody", what_to_do=f"`tidings plan {plan.campaign}` says why"
        )


def _not_late(plan: Plan, schedule: Schedule, at: int) -> None:
    """Refuse a plan that was in time when it was made and whose first hour has passed since, where nothing says what then."""
    if schedule.wall is None or schedule.late or at <= plan.anchor_at + GRACE // timedelta(microseconds=1):
        return
    raise RefusedByPolicy(
        f"plan {plan.hash} was to begin at {iso(from_micros(plan.anchor_at))} on the recipients' clock, and that is past",
        what_to_do="write `late: send` or `late: skip` in the campaign, or set a later `at:`, and plan again",
    )


def _create(
    store: Store, definitions: Definitions, plan_id: int, plan: Plan, *, approved_by: str, now: datetime
) -> int:
    """Write the run row, the artifacts it will use and the audit entry in one transaction."""
    at = to_micros(now)
    anchor = at if plan.anchor_is_now else plan.anchor_at
    length = plan.expires_at - plan.anchor_at
    last = max(plan.last_expires_at, plan.expires_at) if not plan.anchor_is_now else anchor + length
    schedule = {**plan.schedule, "anchor": at} if plan.schedule and plan.anchor_is_now else plan.schedule
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
                priority=_PRIORITIES.get(campaign.priority, 0),
                bounds={
                    **plan.bounds,
                    **spending(plan),
                    "expires_at": last,
                    "lifetime": length,
                    "schedule": schedule,
                    "via": list(campaign.via),
                    "variants": [variant.name for variant in campaign.variants],
                },
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
        keep_expectations(connection, int(run_id), plan, campaign)
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

    A customer who is covered by another of the account is enrolled without a message; staff who get copies are enrolled
    once for each wording, in the arm `copy`. Goes on where an interrupted start stopped; a run that is enrolled
    already is left alone.
    """
    runs, members, enrolments = sending.runs, sending.plan_members, sending.enrolments
    with store.read() as connection:
        run = connection.execute(sa.select(runs).where(runs.c.id == run_id)).one()
        if run.state != "enrolling":
            return
        done = connection.execute(
            sa.select(sa.func.max(enrolments.c.customer_id)).where(enrolments.c.run_id == run_id)
        ).scalar_one()
        in_plan = members.c.plan_id == run.plan_id
        enrolled = members.c.arm.in_(["treated", "holdout", COPY])
        # Enrolments and messages of a range come in one transaction, so the last range seen is whole.
        low = int(done or 0)
        highs = range_ends(
            connection,
            sa.select(members.c.customer_id.label("id")).where(
                in_plan, enrolled, members.c.customer_id > low
            ),
        )
        copied = connection.execute(
            sa.select(members.c.customer_id).where(in_plan, members.c.arm == COPY).limit(1)
        ).first()
    wordings = [] if copied is None else run.bounds.get("variants") or [None]
    growing = Growing(store, "enrolments", "messages")
    with store.workbench("enrol") as bench:
        hours = fill_timetable(store, bench, run)
        for (high,) in store.paced("enrol").chunks(highs, 1):
            between = (in_plan, members.c.customer_id > low, members.c.customer_id <= high)
            with bench.durable() as connection:
                counted = members.c.arm.in_(["treated", "holdout"])
                _enrol(connection, run, [*between, counted], 0, members.c.variant, hours)
                _plan_messages(connection, run, [*between, members.c.arm == "treated"], 0, hours)
                for entry, name in enumerate(wordings, 1):
                    copies = [*between, members.c.arm == COPY]
                    _enrol(connection, run, copies, entry, sa.literal(name, sa.Text), hours)
                    _plan_messages(connection, run, copies, entry, hours)
            low = high
            growing.add(RANGE)
    analyse(store, "enrolments", "messages")
    with store.durable("run") as connection:
        connection.execute(
            runs.update().where(runs.c.id == run_id, runs.c.state == "enrolling").values(state="sending")
        )


def _enrol(
    connection: sa.Connection,
    run: Any,
    which: Sequence[sa.ColumnElement[bool]],
    entry: int,
    variant: sa.ColumnElement[Any],
    hours: Timetable,
) -> None:
    members, enrolments = sending.plan_members, sending.enrolments
    connection.execute(
        insert_ignoring(connection, enrolments).from_select(
            ["run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"],
            sa.select(
                sa.literal(run.id),
                members.c.customer_id,
                sa.literal(entry),
                members.c.arm,
                variant,
                hours.anchor,
                sa.literal(run.created_at, sa.BigInteger),
            )
            .select_from(hours.beside(members))
            .where(*which)
            .order_by(members.c.customer_id),
        )
    )


def _plan_messages(
    connection: sa.Connection,
    run: Any,
    which: Sequence[sa.ColumnElement[bool]],
    entry: int,
    hours: Timetable,
) -> None:
    members, enrolments, messages = sending.plan_members, sending.enrolments, sending.messages
    # A plan of an older tidings says the channel alone.
    places = {name: place for place, name in enumerate(run.bounds["via"])}
    leg = sa.func.coalesce(members.c.leg, sa.case(places, value=members.c.channel, else_=0))
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
                "is_open",
                "due_at",
                "expires_at",
                "finished_at",
                "refusal_code",
                "refusal_rule",
                "policy_hash",
                "attempt",
            ],
            sa.select(
                sa.literal(run.id),
                enrolments.c.id,
                members.c.customer_id,
                sa.literal("main"),
                leg,
                members.c.channel,
                enrolments.c.variant,
                sa.case((hours.too_late, "refused"), else_="planned"),
                sa.case((hours.too_late, sa.false()), else_=sa.true()),
                hours.due,
                hours.expires,
                sa.case((hours.too_late, sa.literal(run.created_at, sa.BigInteger))),
                sa.case((hours.too_late, sa.literal(LATE, sa.Text))),
                sa.case((hours.too_late, sa.literal(LATE, sa.Text))),
                sa.case((hours.too_late, sa.literal(run.policy_hash, sa.Text))),
                sa.literal(0),
            )
            .select_from(
                hours.beside(members).join(
                    enrolments,
                    sa.and_(
                        enrolments.c.run_id == run.id,
                        enrolments.c.customer_id == members.c.customer_id,
                        enrolments.c.entry == entry,
                    ),
                )
            )
            .where(*which, members.c.channel.is_not(None))
            .order_by(members.c.customer_id),
        )
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
