"""The snapshot of a plan: the staged audience with its arms drawn, stored in chunks."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.campaigns.again import AGAIN, LATE, rule_let_in
from tidings.campaigns.assignment import GLOBAL_CONTROL, salt_for, shares_to_edges, with_buckets
from tidings.campaigns.hours import ONCE, Occasion
from tidings.campaigns.plan import HoldoutDecision, Plan, stored_summary
from tidings.campaigns.staging import stage
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.explain import Conflict
from tidings.store.prepared import Prepared
from tidings.store.table_statistics import analyse
from tidings.store.tables import sending
from tidings.store.tables.base import Key
from tidings.store.workbench import Workbench

# The arm of staff who get the real message: nothing counts them.
COPY = "copy"
# Customers of one transaction that enrols; of a plan of more the database gathers statistics.
RANGE = 1_000


def control_share(campaign: Campaign, definitions: Definitions) -> int:
    """Return the share of the global control in buckets.

    It stands outside campaigns of class marketing only: nobody is denied a service message.
    """
    purpose = definitions.policies.purpose(campaign.purpose)
    if purpose is None or purpose.message_class != "marketing":
        return 0
    return definitions.policies.global_control.basis_points


def drawn_audience(
    campaign: Campaign, definitions: Definitions, holdout: HoldoutDecision, occasion: Occasion
) -> sa.Subquery:
    """Return the staged audience with arm and variant drawn.

    Unless the holdout `lasts: each run`, the draw is the same on every occasion of the campaign.
    """
    salt = definitions.workspace.salt
    run = f"{campaign.id}/{occasion.key if campaign.holdout.lasts == 'each run' else ONCE}"
    buckets = with_buckets(
        stage,
        {
            "control_bucket": salt_for(salt, "", GLOBAL_CONTROL),
            "holdout_bucket": salt_for(salt, run, "holdout"),
            "variant_bucket": salt_for(salt, run, "variant"),
        },
        # The global control is one and the same for every campaign: always drawn by customer.
        {"holdout_bucket": "unit_u", "variant_bucket": "unit_u"},
    )
    control = control_share(campaign, definitions)
    arm = sa.case(
        (sa.and_(buckets.c.copied, buckets.c.code.is_(None)), sa.literal(COPY)),
        (buckets.c.code.is_not(None), sa.null()),
        (buckets.c.control_bucket < control, sa.literal("control")),
        (buckets.c.holdout_bucket < holdout.share, sa.literal("holdout")),
        else_=sa.literal("treated"),
    )
    edges = shares_to_edges(
        [variant.share.basis_points if variant.share else None for variant in campaign.variants]
    )
    names = [variant.name for variant in campaign.variants]
    variant: sa.ColumnElement[str | None] = sa.cast(sa.null(), sa.Text)
    if len(names) == 1:
        variant = sa.literal(names[0], sa.Text)
    elif names:
        variant = sa.case(
            *[
                (buckets.c.variant_bucket < edge, sa.literal(name))
                for name, edge in zip(names[:-1], edges[:-1], strict=True)
            ],
            else_=sa.literal(names[-1]),
        )
    kept = ("customer_id", "u", "channel", "leg", "reaches", "code", "copied", "zones")
    inner = sa.select(
        *(buckets.c[name] for name in kept),
        arm.label("arm"),
        variant.label("drawn"),
    ).subquery()
    return sa.select(
        *(inner.c[name] for name in kept),
        inner.c.arm,
        sa.case((inner.c.arm == "treated", inner.c.drawn), else_=sa.null()).label("variant"),
    ).subquery("drawn")


def checksum(drawn: sa.Subquery) -> sa.ColumnElement[int]:
    """Return a sum that tells two audiences of equal size apart; it cannot overflow below 4 × 10^9 customers."""
    big = sa.BigInteger
    return sa.cast(sa.func.sum((sa.cast(drawn.c.customer_id, big) % 65_521) * (drawn.c.u % 32_749)), big)


def moves(connection: sa.Connection, previous: int | None) -> tuple[int | None, int | None]:
    """Return how many entered and left the audience since the plan before, or None when there was none."""
    if previous is None:
        return None, None
    members = sending.plan_members
    before = sa.select(members.c.customer_id).where(members.c.plan_id == previous)
    before = before.where(members.c.arm.is_distinct_from(COPY))
    now = sa.select(stage.c.customer_id).where(~stage.c.copied)

    def count(rows: sa.CompoundSelect[tuple[int]]) -> int:
        return int(connection.execute(sa.select(sa.func.count()).select_from(rows.subquery())).scalar_one())

    return count(now.except_(before)), count(before.except_(now))


def store_snapshot(
    store: Store,
    bench: Workbench,
    plan: Plan,
    drawn: sa.Subquery,
    campaign: Campaign,
    definitions: Definitions,
) -> None:
    """Store a plan and its members, unless the very same plan is stored already.

    A plan is `filling` until its last member is stored; one whose making was interrupted is filled again
    under the same id.
    """
    plans = sending.plans
    with bench.durable() as connection:
        known = connection.execute(
            sa.select(plans.c.id, plans.c.state).where(plans.c.hash == plan.hash)
        ).first()
        if known is None:
            made = connection.execute(
                insert_ignoring(connection, plans).values(**_row(plan), state="filling").returning(plans.c.id)
            ).scalar()
            # None: somebody else stores the very same plan at this moment; both fill it with the same rows.
            same = sa.select(plans.c.id).where(plans.c.hash == plan.hash)
            plan_id = int(made or connection.execute(same).scalar_one())
        else:
            plan_id = known.id
            if known.state in ("open", "superseded"):
                connection.execute(
                    plans.update().where(plans.c.id == plan_id).values(**_row(plan), state="open")
                )
    if known is None or known.state == "filling":
        _store_members(store, bench, plan_id, drawn, rule_let_in(campaign, definitions, drawn.c.customer_id))
        if plan.audience > RANGE:
            analyse(store, "plan_members")
    if known is None or known.state != "used":
        with bench.durable() as connection:
            connection.execute(
                plans.update()
                .where(
                    plans.c.campaign == plan.campaign,
                    plans.c.occurrence == plan.occurrence,
                    plans.c.state == "open",
                    plans.c.id != plan_id,
                )
                .values(state="superseded")
            )
            connection.execute(plans.update().where(plans.c.id == plan_id).values(state="open"))


def _row(plan: Plan) -> dict[str, object]:
    return {
        "hash": plan.hash,
        "campaign": plan.campaign,
        "occurrence": plan.occurrence,
        "definition_hash": plan.definition_hash,
        "planned_at": plan.planned_at,
        "anchor_at": plan.anchor_at,
        "salt": f"{plan.campaign}/{plan.occurrence}",
        "summary": stored_summary(plan),
    }


def _store_members(
    store: Store,
    bench: Workbench,
    plan_id: int,
    drawn: sa.Subquery,
    let_in: sa.ColumnElement[str | None],
) -> None:
    """Copy the drawn audience into the store, a range of ids at a time."""
    members, above, through = sending.plan_members, _number("above"), _number("through")
    rows = {
        "plan_id": sa.literal(plan_id, Key),
        "customer_id": drawn.c.customer_id,
        "arm": drawn.c.arm,
        "variant": drawn.c.variant,
        "channel": drawn.c.channel,
        "leg": drawn.c.leg,
        "refusal_code": drawn.c.code,
        "refusal_rule": sa.case(
            (drawn.c.code == "same_address", sa.literal("one_each", sa.Text)),
            (drawn.c.code.in_([AGAIN, LATE]), drawn.c.code),
            (drawn.c.code.is_not(None), sa.literal("reach", sa.Text)),
            else_=let_in,
        ),
    }
    chosen = sa.select(*rows.values()).where(drawn.c.customer_id > above, drawn.c.customer_id <= through)
    coming = (
        sa.select(stage.c.customer_id)
        .where(stage.c.customer_id > above)
        .order_by(stage.c.customer_id)
        .limit(_number("size"))
        .subquery()
    )
    with bench.computing() as connection:
        careful = Prepared(connection, insert_ignoring(connection, members).from_select(list(rows), chosen))
        copy = careful
        if store.dialect == "postgresql":
            # To be ready for a row that is there already doubles there what a row costs.
            copy = Prepared(connection, members.insert().from_select(list(rows), chosen))
        end = Prepared(connection, sa.select(sa.func.max(coming.c.customer_id)))
    low = 0

    def following(size: int) -> int | None:
        with bench.computing() as connection:
            last = end.run(connection, above=low, size=size).scalar()
        return None if last is None else int(last)

    for high in store.paced("plan").stretches(following):
        try:
            with bench.durable() as connection:
                copy.run(connection, above=low, through=high)
        except Conflict:
            # Rows that are there are those of an interrupted making of the same plan, and the same.
            copy = careful
            with bench.durable() as connection:
                copy.run(connection, above=low, through=high)
        low = high


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, 0, type_=sa.BigInteger)


def range_ends(connection: sa.Connection, ids: sa.Select[tuple[int]], size: int = RANGE) -> list[int]:
    """Return the last id of each run of `size` ids in order; `ids` selects one column named id."""
    inner = ids.subquery()
    rank = sa.func.row_number().over(order_by=inner.c.id)
    ranked = sa.select(inner.c.id, ((rank - 1) // size).label("part")).subquery()
    ends = sa.select(sa.func.max(ranked.c.id)).group_by(ranked.c.part).order_by(ranked.c.part)
    return list(connection.execute(ends).scalars())
