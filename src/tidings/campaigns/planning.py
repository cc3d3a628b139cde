"""Make a plan: compute the audience, draw the arms, store the snapshot, judge what it can show.

Set-based and bounded: the audience goes into a temporary table, and from there into the store in
chunks, so that no transaction holds the write lock for long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS
from tidings.campaigns.costing import cost_of, with_units
from tidings.campaigns.counting import count_later, count_members, sum_up
from tidings.campaigns.holdout import decide_holdout, judge_power
from tidings.campaigns.legs import by_account, legs_of
from tidings.campaigns.plan import ArmCount, Plan, plan_from_summary, stored_summary
from tidings.campaigns.sharing import draw_accounts, one_each_account, one_each_address
from tidings.campaigns.snapshot import COPY, ONCE, control_share, drawn_audience, moves, store_snapshot
from tidings.campaigns.staging import approximate, fill_stage, look_back
from tidings.clock import to_micros
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy, UsageError
from tidings.segments.audience import audience_segments, audience_select
from tidings.segments.membership import refresh
from tidings.segments.scope import Scope
from tidings.store.database import Store
from tidings.store.table_statistics import analyse, keep_current
from tidings.store.tables import sending
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


def make_plan(store: Store, definitions: Definitions, campaign_id: str, *, now: datetime) -> Plan:
    """Compute and store the plan of a campaign.

    Equal definitions, audience and moment give the same hash; the same plan made twice is stored once.
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
    read = dict.fromkeys([*audience_segments(campaign), *campaign.copies_to])
    moved = refresh(store, definitions, tuple(read), now=now)
    if any(run.entered + run.left > _MANY for run in moved):
        analyse(store, "segment_members")

    anchor = to_micros(campaign.at.value.replace(tzinfo=scope.zone)) if campaign.at else to_micros(now)
    expires = anchor + _lifetime(campaign, definitions)
    with store.workbench("plan") as bench:
        with bench.computing() as connection:
            audience = fill_stage(
                connection,
                audience_select(campaign, definitions, scope),
                campaign,
                definitions,
                purpose,
                copies=_copies(campaign, definitions, scope),
            )
            one_each_address(connection, campaign, definitions)
            one_each_account(connection, campaign, definitions, control_share(campaign, definitions))
            history = look_back(connection, campaign.goal, scope)
            holdout = decide_holdout(campaign, purpose, history)
            drawn = drawn_audience(campaign, definitions, holdout)
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
        wordings = max(len(campaign.variants), 1)
        sent = {**sums.messages}
        for name, count in sums.copies.items():
            sent[name] = sent.get(name, 0) + count * wordings
        costs = cost_of(campaign, definitions, sent, sums.legs)
        fingerprint = [definition, campaign.id, ONCE, anchor if campaign.at else None]
        fingerprint += sorted(str(tuple(row)) for row in counts)
        plan = Plan(
            hash=sha256(repr(fingerprint).encode()).hexdigest()[:12],
            campaign=campaign.id,
            title=campaign.title,
            occurrence=ONCE,
            purpose=purpose.name,
            definition_hash=definition,
            planned_at=to_micros(now),
            anchor_at=anchor,
            expires_at=expires,
            anchor_is_now=campaign.at is None,
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
                "expires_at": expires,
            },
            unit="account" if by_account(campaign) else "customer",
            covered=tuple(sorted(sums.covered.items())),
            legs=sums.legs,
            costs=costs.channels,
            fixed_costs=costs.fixed,
            cost_most=costs.most,
            copies=sum(sums.copies.values()),
            copy_messages=sum(sums.copies.values()) * wordings,
        )
        store_snapshot(store, bench, plan, drawn)
    return plan


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
    if fresh.hash == plan.hash:
        return
    allowed = max(plan.people * plan.bounds["drift_share"] // BUCKETS, plan.bounds["drift_people"])
    drift = _differing(store, plan.hash, fresh.hash)
    if drift > allowed:
        raise RefusedByPolicy(
            f"the audience of plan {plan.hash} has moved by {drift:,} people since it was made; "
            f"{allowed:,} are allowed",
            what_to_do=f"`tidings plan {plan.campaign}` shows the audience of today; run its plan instead",
        )


def _differing(store: Store, one: str, other: str) -> int:
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
