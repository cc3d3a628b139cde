"""Make a plan: compute the audience, draw the arms, store the snapshot, judge what it can show.

Set-based and bounded: the audience goes into a temporary table, and from there into the store in
chunks, so that no transaction holds the write lock for long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS
from tidings.campaigns.holdout import decide_holdout, judge_power
from tidings.campaigns.plan import ArmCount, Plan, plan_from_summary
from tidings.campaigns.snapshot import ONCE, checksum, drawn_audience, moves, store_snapshot
from tidings.campaigns.staging import approximate, fill_stage, look_back
from tidings.clock import to_micros
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Campaign
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
    keep_current(store)
    moved = refresh(store, definitions, audience_segments(campaign), now=now)
    if any(run.entered + run.left > _MANY for run in moved):
        analyse(store, "segment_members")

    anchor = to_micros(campaign.at.value.replace(tzinfo=scope.zone)) if campaign.at else to_micros(now)
    expires = anchor + _lifetime(campaign, definitions)
    with store.workbench("plan") as bench:
        with bench.computing() as connection:
            audience = fill_stage(
                connection, audience_select(campaign, definitions, scope), campaign, definitions, purpose
            )
            history = look_back(connection, campaign.goal, scope)
            holdout = decide_holdout(campaign, purpose, history)
            drawn = drawn_audience(campaign, definitions, holdout)
            counts = connection.execute(
                sa.select(
                    drawn.c.arm,
                    drawn.c.variant,
                    drawn.c.channel,
                    drawn.c.code,
                    sa.func.count(),
                    checksum(drawn),
                ).group_by(drawn.c.arm, drawn.c.variant, drawn.c.channel, drawn.c.code)
            ).all()
            previous = connection.execute(
                sa.select(sending.plans.c.id, sending.plans.c.hash)
                .where(sending.plans.c.campaign == campaign.id)
                .order_by(sending.plans.c.id.desc())
                .limit(1)
            ).first()
            entering, leaving = moves(connection, previous.id if previous else None)

        definition = definition_hash(definitions, campaign.id)
        refusals: dict[str, int] = {}
        arms: dict[tuple[str, str | None], int] = {}
        messages: dict[str, int] = {}
        for arm, variant, channel, code, count, _ in counts:
            if code is not None:
                refusals[code] = refusals.get(code, 0) + count
            else:
                arms[arm, variant] = arms.get((arm, variant), 0) + count
                if arm == "treated":
                    messages[channel] = messages.get(channel, 0) + count
        treated = sum(count for (arm, _), count in arms.items() if arm == "treated")
        held = sum(count for (arm, _), count in arms.items() if arm == "holdout")
        cost, currency = _cost(campaign, messages, definitions)
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
            control=arms.get(("control", None), 0),
            arms=tuple(
                ArmCount(arm, variant, count)
                for (arm, variant), count in sorted(
                    arms.items(), key=lambda item: (item[0][0], item[0][1] or "")
                )
                if arm != "control"
            ),
            refusals=tuple(sorted(refusals.items(), key=lambda item: (-item[1], item[0]))),
            messages=tuple(sorted(messages.items())),
            holdout=holdout,
            power=judge_power(treated, held, history),
            goal=campaign.goal.did if campaign.goal else None,
            cost=cost,
            cost_currency=currency,
            budget=campaign.budget.minor if campaign.budget else None,
            budget_currency=campaign.budget.currency if campaign.budget else None,
            entering=entering,
            leaving=leaving,
            bounds={
                "people": treated,
                "cost": cost,
                "currency": currency,
                "drift_share": definitions.policies.drift_share.basis_points,
                "drift_people": definitions.policies.drift_people,
                "purpose": purpose.name,
                "expires_at": expires,
            },
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
            .where(plans.c.hash == plan_hash, members.c.arm.is_not(None))
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


def _cost(
    campaign: Campaign, messages: dict[str, int], definitions: Definitions
) -> tuple[int | None, str | None]:
    """Return what sending costs in minor units and the currency; None where no channel has a price.

    Raises RefusedByPolicy when a budget could not be kept, because a price is in another currency.
    """
    costs = {name: definitions.channels[name].cost for name in messages}
    currencies = {cost.currency for cost in costs.values() if cost}
    budget = campaign.budget
    if budget is not None and currencies - {budget.currency}:
        name = next(name for name, cost in costs.items() if cost and cost.currency != budget.currency)
        other = costs[name]
        assert other is not None
        raise RefusedByPolicy(
            f"the budget of {campaign.id} is in {budget.currency} and a message by {name} costs {other.currency}, "
            "so the budget could not be kept",
            what_to_do=f"write `cost:` in channels/{name}.yaml in {budget.currency}",
        )
    if len(currencies) != 1:
        return None, None
    total = sum(cost.minor * messages[name] for name, cost in costs.items() if cost)
    return total, currencies.pop()
