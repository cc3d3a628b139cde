"""Make a plan: compute the audience, draw the arms, store the snapshot, judge what it can show.

Set-based and bounded: the audience goes into a temporary table, and from there into the store in
chunks, so that no transaction holds the write lock for long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.again import keep_sample, refuse_again, refuse_late
from tidings.campaigns.assignment import BUCKETS
from tidings.campaigns.capped import refuse_capped
from tidings.campaigns.costing import cost_of, with_units
from tidings.campaigns.counting import count_later, count_members, sum_up
from tidings.campaigns.curve import Curve, curve_of
from tidings.campaigns.holdout import decide_holdout, judge_power
from tidings.campaigns.hours import Occasion, Schedule
from tidings.campaigns.legs import by_account, legs_of
from tidings.campaigns.occurrences import next_occasion
from tidings.campaigns.plan import ArmCount, Plan, plan_from_summary, stored_summary
from tidings.campaigns.sharing import draw_accounts, one_each_account, one_each_address
from tidings.campaigns.snapshot import COPY, control_share, drawn_audience, moves, store_snapshot
from tidings.campaigns.staging import approximate, count_staged, fill_stage, look_back
from tidings.clock import to_micros
from tidings.customers.alive import alive
from tidings.customers.zones import fill_areas
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy, UsageError
from tidings.segments.audience import audience_segments, audience_select
from tidings.segments.membership import refresh
from tidings.segments.scope import Scope
from tidings.segments.scoring import usable_scores
from tidings.store.database import Store
from tidings.store.table_statistics import analyse, keep_current
from tidings.store.tables import people, sending
from tidings.store.vocabulary import check_vocabulary

# Members moved that make what the database knows about the membership table stale.
_MANY = 500


def find_campaign(definitions: Definitions, name: str) -> Campaign:
    """Return a campaign by its id; for an unknown one the error names the nearest."""
    if name in definitions.campaigns:
        return definitions.campaigns[name]
    from difflib import get_close_matches

    near = get_close_matches(name, definitions.campaigns, n=1)
    raise UsageError(
        f'there is no campaign "{name}"',
        what_to_do=f'did you mean "{near[0]}"?'
        if near
        else "campaigns/ has " + (", ".join(sorted(definitions.campaigns)) or "none yet"),
    )


def make_plan(
    store: Store,
    definitions: Definitions,
    campaign_id: str,
    *,
    now: datetime,
    occasion: Occasion | None = None,
    among: int | None = None,
) -> Plan:
    """Compute and store the plan of a campaign.

    Equal definitions, audience and moment give the same hash; the same plan made twice is stored once. `occasion` says which
    time of a recurring campaign is planned, the next one when left out. `among` is the id of a plan whose people
    are the audience, instead of those who fit now. Raises RefusedByPolicy where the hour is past for somebody and the
    campaign does not say what to do then.
    """
    campaign = find_campaign(definitions, campaign_id)
    check_vocabulary(store, definitions.attributes)
    scope = Scope.of(definitions, now)
    purpose = definitions.policies.purpose(campaign.purpose)
    if purpose is None:
        raise UsageError(f'"{campaign.purpose}" is not a purpose of config/policies.yaml')
    if not legs_of(campaign, definitions):
        raise UsageError(
            f"{campaign.id} goes out by no channel that a message can be sent by",
            what_to_do="name a channel of kind email, sms or fax in `via`",
        )
    keep_current(store)
    if by_account(campaign):
        draw_accounts(store, definitions)
    at, occasion = to_micros(now), occasion or _occasion(store, campaign, definitions, now)
    scope = _scope_of(store, campaign, definitions, now, occasion.as_of(now, scope.zone))
    written = occasion.anchor(scope.zone)
    anchor = to_micros(written) if written else at
    lifetime = _lifetime(campaign, definitions)
    schedule = Schedule.of(campaign, definitions, purpose, occasion, anchor=anchor, lifetime=lifetime)
    if schedule.by_zone:
        fill_areas(store)
    with store.workbench("plan", trusted=True) as bench:
        with bench.computing() as connection:
            fill_stage(
                connection,
                audience_select(campaign, definitions, scope) if among is None else _members_of(among),
                campaign,
                definitions,
                purpose,
                copies=_copies(campaign, definitions, scope),
                now=to_micros(now),
                by_zone=schedule.by_zone,
            )
            sampled_of = keep_sample(connection, campaign, definitions)
            audience = count_staged(connection)
            refuse_late(connection, campaign, schedule, at)
            refuse_again(connection, campaign, definitions, occasion, anchor)
            refuse_capped(connection, definitions, purpose, scope, anchor)
            one_each_address(connection, campaign, definitions)
            one_each_account(connection, campaign, definitions, control_share(campaign, definitions))
            history = look_back(connection, campaign.goal, scope)
            holdout = decide_holdout(campaign, purpose, history)
            drawn = drawn_audience(campaign, definitions, holdout, occasion)
            counts = count_members(connection, drawn)
            later = count_later(connection, drawn, campaign, definitions)
            previous = connection.execute(
                sa.select(sending.plans.c.id, sending.plans.c.hash)
                .where(sending.plans.c.campaign == campaign.id)
                .order_by(sending.plans.c.id.desc())
                .limit(1)
            ).first()
            entering, leaving = moves(connection, previous.id if previous else None)

        definition = definition_hash(definitions, campaign.id)
        sums = sum_up(counts, later)
        curve = curve_of(counts, schedule, at)
        first, last = (curve.first, curve.last) if schedule.wall else (None, None)
        first, last = anchor if first is None else first, anchor if last is None else last
        wordings = max(len(campaign.variants), 1)
        sent = {**sums.messages}
        for name, count in sums.copies.items():
            sent[name] = sent.get(name, 0) + count * wordings
        costs = cost_of(campaign, definitions, sent, sums.legs)
        fingerprint: list[Any] = [definition, campaign.id, occasion.key, anchor if written else None]
        fingerprint += sorted(str(tuple(row)) for row in counts)
        plan = Plan(
            hash=sha256(repr(fingerprint).encode()).hexdigest()[:12],
            campaign=campaign.id,
            title=campaign.title,
            occurrence=occasion.key,
            purpose=purpose.name,
            definition_hash=definition,
            planned_at=to_micros(now),
            anchor_at=first,
            expires_at=first + lifetime,
            anchor_is_now=written is None,
            audience=audience,
            control=sums.arms.get(("control", None), 0),
            arms=tuple(
                ArmCount(arm, variant, count)
                for (arm, variant), count in sorted(
                    sums.arms.items(), key=lambda item: (item[0][0], item[0][1] or "")
                )
                if arm != "control"
            ),
            refusals=tuple(sorted(sums.refusals.items(), key=lambda item: (-item[1], item[0]))),
            messages=tuple(sorted(sums.messages.items())),
            holdout=holdout,
            power=judge_power(sums.units.get("treated", 0), sums.units.get("holdout", 0), history),
            goal=campaign.goal.did if campaign.goal else None,
            cost=costs.total,
            cost_currency=costs.currency,
            budget=campaign.budget.minor if campaign.budget else None,
            budget_currency=campaign.budget.currency if campaign.budget else None,
            entering=entering,
            leaving=leaving,
            bounds={
                "people": sums.units.get("treated", 0),
                "cost": costs.total,
                "currency": costs.currency,
                "drift_share": definitions.policies.drift_share.basis_points,
                "drift_people": definitions.policies.drift_people,
                "purpose": purpose.name,
                "expires_at": last + lifetime,
            },
            unit="account" if by_account(campaign) else "customer",
            covered=tuple(sorted(sums.covered.items())),
            legs=sums.legs,
            costs=costs.channels,
            fixed_costs=costs.fixed,
            cost_most=costs.most,
            copies=sum(sums.copies.values()),
            copy_messages=sum(sums.copies.values()) * wordings,
            clock=campaign.clock,
            recurring=occasion.recurring,
            last_expires_at=last + lifetime,
            sample=(campaign.sample.basis_points, sampled_of or 0) if campaign.sample else None,
            schedule=schedule.as_json() if schedule.by_zone else None,
            **_shown(curve),
        )
        store_snapshot(store, bench, plan, drawn, campaign, definitions)
    return plan


def _scope_of(
    store: Store, campaign: Campaign, definitions: Definitions, now: datetime, as_of: datetime
) -> Scope:
    """Return what the audience is compiled against; its segments are brought up to date first.

    A day that has begun for recipients in the east alone is looked at ahead of time, and nothing of that is stored.
    """
    if as_of > now:
        with store.read() as connection:
            usable_scores(connection, definitions, audience_segments(campaign), now=now)
        return Scope.of(definitions, as_of, looking=True)
    read = dict.fromkeys([*audience_segments(campaign), *campaign.copies_to])
    moved = refresh(store, definitions, tuple(read), now=now)
    if any(run.entered + run.left > _MANY for run in moved):
        analyse(store, "segment_members")
    return Scope.of(definitions, now)


def _shown(curve: Curve) -> dict[str, Any]:
    return {
        "curve": curve.hours,
        "unknown_zones": curve.unknown,
        "moved": curve.moved,
        "late": curve.late,
    }


def _occasion(store: Store, campaign: Campaign, definitions: Definitions, now: datetime) -> Occasion:
    if campaign.recurrence is None:
        return Occasion.of(campaign)
    found = next_occasion(store, campaign, definitions, now)
    if found is None:
        raise RefusedByPolicy(
            f"{campaign.id} does not come again: its `until` is past",
            what_to_do="set a later `until:` in the campaign",
        )
    return found


def _members_of(plan_id: int) -> sa.Select[tuple[int]]:
    """Return the people of a stored plan, those refused then too: what speaks against them may have passed."""
    members, customers = sending.plan_members, people.customers
    return (
        sa.select(members.c.customer_id)
        .join(customers, customers.c.id == members.c.customer_id)
        .where(
            members.c.plan_id == plan_id,
            members.c.arm.is_distinct_from(COPY),
            alive(),
        )
    )


def load_plan(store: Store, plan_hash: str) -> tuple[int, str, Plan]:
    """Return a stored plan by its hash (or the unambiguous start of it): id, state, plan."""
    plans = sending.plans
    with store.read() as connection:
        rows = connection.execute(
            sa.select(plans.c.id, plans.c.state, plans.c.summary)
            .where(plans.c.hash.startswith(plan_hash, autoescape=True))
            .limit(2)
        ).all()
    if len(rows) != 1:
        raise UsageError(
            f'there is no plan "{plan_hash}"' if not rows else f'"{plan_hash}" is the start of several plans',
            what_to_do="`tidings plan NAME` makes one and prints its hash",
        )
    return rows[0].id, rows[0].state, plan_from_summary(rows[0].summary)


def check_drift(store: Store, definitions: Definitions, plan: Plan, *, now: datetime) -> None:
    """Refuse a stored plan whose definitions changed or whose people of today differ by more than allowed.

    Compared are those who would be enrolled by this very plan and by one made now, whoever was planned in between.
    """
    if definition_hash(definitions, plan.campaign) != plan.definition_hash:
        raise RefusedByPolicy(
            f"plan {plan.hash} was made with other definitions than those in the files now",
            what_to_do=f"look at `tidings plan {plan.campaign}` and run the new plan",
        )
    fresh = make_plan(store, definitions, plan.campaign, now=now)
    if fresh.occurrence != plan.occurrence:
        raise RefusedByPolicy(
            f"plan {plan.hash} is of {plan.occurrence}, and {plan.campaign} is due on {fresh.occurrence} next",
            what_to_do=f"look at `tidings plan {plan.campaign}` and run the new plan",
        )
    if fresh.hash == plan.hash:
        return
    allowed = max(plan.people * plan.bounds["drift_share"] // BUCKETS, plan.bounds["drift_people"])
    drift = differing(store, plan.hash, fresh.hash)
    if drift > allowed:
        raise RefusedByPolicy(
            f"the audience of plan {plan.hash} has moved by {drift:,} people since it was made; "
            f"{allowed:,} are allowed",
            what_to_do=f"`tidings plan {plan.campaign}` shows the audience of today; run its plan instead",
        )


def differing(store: Store, one: str, other: str) -> int:
    """Return how many people exactly one of two stored plans would enrol or keep as control."""
    plans, members = sending.plans, sending.plan_members

    def chosen(plan_hash: str) -> sa.Select[tuple[int]]:
        return (
            sa.select(members.c.customer_id)
            .join(plans, plans.c.id == members.c.plan_id)
            .where(plans.c.hash == plan_hash, members.c.arm.is_not(None), members.c.arm != COPY)
        )

    def count(connection: sa.Connection, rows: sa.CompoundSelect[tuple[int]]) -> int:
        return int(connection.execute(sa.select(sa.func.count()).select_from(rows.subquery())).scalar_one())

    with store.read() as connection:
        return count(connection, chosen(one).except_(chosen(other))) + count(
            connection, chosen(other).except_(chosen(one))
        )


def _lifetime(campaign: Campaign, definitions: Definitions) -> int:
    """Return the microseconds after the anchor in which the message may still go out."""
    written = campaign.expires or Duration(definitions.policies.expires_after_hours, Unit.HOUR)
    return approximate(written) // timedelta(microseconds=1)


def _copies(campaign: Campaign, definitions: Definitions, scope: Scope) -> sa.Select[tuple[int]] | None:
    """Return the staff who get copies, or None where there are none."""
    if not campaign.copies_to:
        return None
    return audience_select(replace(campaign, to=Audience(campaign.copies_to)), definitions, scope)


def estimated(store: Store, plan: Plan, units: Mapping[str, float]) -> Plan:
    """Return a plan with its cost by estimated segments and pages, and keep it so: `tidings run` holds it to its budget.

    `units`: how many segments or pages a message of a channel takes on average.
    """
    priced = with_units(plan, units)
    if priced != plan:
        with store.durable("plan") as connection:
            connection.execute(
                sending.plans.update()
                .where(sending.plans.c.hash == plan.hash, sending.plans.c.state.in_(["open", "superseded"]))
                .values(summary=stored_summary(priced))
            )
    return priced
