"""The run that is reported, its arms with their planned shares, and the anchors from which windows run."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS, shares_to_edges
from tidings.definitions.kinds.campaign import Campaign
from tidings.measurement.accounts import Sizes, sizes_of
from tidings.measurement.metrics import COUNTED, HOLDOUT, TREATED, Arm, arm_name
from tidings.store.tables import sending

_runs = sending.runs
_plans = sending.plans
_enrolments = sending.enrolments
_QUARTER = 900_000_000


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """One run: `place` of `runs` in the order they were made; `holdout` is the planned share in parts of 10,000.

    `accounts` tells whether accounts were drawn instead of customers.
    """

    id: int
    campaign: str
    occurrence: str
    kind: str
    state: str
    anchor_at: int
    created_at: int
    plan_id: int | None
    definition_hash: str
    holdout: int | None
    place: int
    runs: int
    accounts: bool = False


def find_run(connection: sa.Connection, campaign: str, run_id: int | None = None) -> ReportedRun | None:
    """Return that run of the campaign, or the latest; None when there is none."""
    ids = list(
        connection.execute(
            sa.select(_runs.c.id).where(_runs.c.campaign == campaign).order_by(_runs.c.created_at, _runs.c.id)
        ).scalars()
    )
    wanted = run_id if run_id is not None else (ids[-1] if ids else None)
    if wanted is None or wanted not in ids:
        return None
    row = connection.execute(
        sa.select(_runs, _plans.c.summary)
        .select_from(_runs.outerjoin(_plans, _plans.c.id == _runs.c.plan_id))
        .where(_runs.c.id == wanted)
    ).one()
    holdout = (row.summary or {}).get("holdout") or {}
    return ReportedRun(
        id=row.id,
        campaign=row.campaign,
        occurrence=row.occurrence,
        kind=row.kind,
        state=row.state,
        anchor_at=row.anchor_at,
        created_at=row.created_at,
        plan_id=row.plan_id,
        definition_hash=row.definition_hash,
        # A flow has no plan: what was approved keeps its share.
        holdout=(row.bounds or {}).get("holdout") if row.kind == "flow" else holdout.get("share"),
        place=ids.index(wanted) + 1,
        runs=len(ids),
        accounts=(row.summary or {}).get("unit") == "account",
    )


def find_arms(
    connection: sa.Connection, run: ReportedRun, campaign: Campaign | None
) -> tuple[tuple[Arm, ...], list[int]]:
    """Return the arms, holdout first, and the anchors of the run in microseconds, of each quarter of an hour the first and last.

    Clocks change at a quarter of an hour, so windows that begin within the same one have the same length.     Arms of the definition that nobody is in are there with 0 customers: the sample-ratio test must see them.
    """
    counts, anchors = _counted(connection, run, campaign)
    if len(anchors) > 1:
        quarter = _enrolments.c.anchor_at // sa.literal(_QUARTER, sa.BigInteger)
        ends = connection.execute(
            sa.select(sa.func.min(_enrolments.c.anchor_at), sa.func.max(_enrolments.c.anchor_at))
            .where(_enrolments.c.run_id == run.id, COUNTED)
            .group_by(quarter)
        )
        anchors = {anchor for row in ends for anchor in row}
    shares = _shares(campaign, run.holdout, counts)
    names = sorted({*counts, *shares}, key=lambda name: (name != HOLDOUT, _place(campaign, name), name))
    sizes = sizes_of(connection, run.id) if run.accounts else None
    arms = tuple(
        Arm(
            name,
            counts.get(name, 0),
            shares.get(name),
            None if sizes is None else sizes.get(name, Sizes()).accounts,
        )
        for name in names
    )
    return arms, sorted(anchors)


def _counted(
    connection: sa.Connection, run: ReportedRun, campaign: Campaign | None
) -> tuple[dict[str, int], set[int]]:
    """Return how many customers each arm has, and the first and the last anchor of each."""
    names = [HOLDOUT, TREATED, *(variant.name for variant in campaign.variants)] if campaign else []
    counts: dict[str, int] = {}
    anchors: set[int] = set()
    span = [sa.func.min(_enrolments.c.anchor_at), sa.func.max(_enrolments.c.anchor_at)]
    mine = (_enrolments.c.run_id == run.id, COUNTED)
    unknown = not names
    if names:
        # Counted one by one and not in groups, for which a database would sort every enrolment.
        of = sa.func.coalesce(_enrolments.c.variant, _enrolments.c.arm)
        wanted = {
            name: _enrolments.c.arm == HOLDOUT
            if name == HOLDOUT
            else sa.and_(_enrolments.c.arm != HOLDOUT, of == name)
            for name in names
        }
        total, first, last, *found = connection.execute(
            sa.select(
                sa.func.count(), *span, *(sa.func.count().filter(one) for one in wanted.values())
            ).where(*mine)
        ).one()
        counts = {name: int(customers) for name, customers in zip(wanted, found, strict=True) if customers}
        anchors = {first, last} if total else set()
        unknown = sum(counts.values()) < total
    if unknown:
        # Arms that the definition does not know, such as those of a test run elsewhere, are asked for by their words.
        rows = connection.execute(
            sa.select(_enrolments.c.arm, _enrolments.c.variant, sa.func.count(), *span)
            .where(*mine)
            .group_by(_enrolments.c.arm, _enrolments.c.variant)
        ).all()
        counts = {}
        for arm, variant, customers, *ends in rows:
            name = arm_name(arm, variant)
            counts[name] = counts.get(name, 0) + int(customers)
            anchors.update(ends)
    return counts, anchors


def _place(campaign: Campaign | None, name: str) -> int:
    order = [variant.name for variant in campaign.variants] if campaign else []
    return order.index(name) if name in order else len(order)


def _shares(campaign: Campaign | None, holdout: int | None, counts: dict[str, int]) -> dict[str, float]:
    """Return the planned shares by arm; empty where no plan says them for just the arms that are there."""
    if campaign is None:
        return {}
    if holdout is None:
        written = campaign.holdout.share
        if written is None:
            return {}
        holdout = written.basis_points
    edges = shares_to_edges(
        [variant.share.basis_points if variant.share else None for variant in campaign.variants]
    )
    # Whoever is above the last edge is in the last variant.
    edges[-1:] = [BUCKETS] if edges else []
    treated = (BUCKETS - holdout) / BUCKETS
    shares = (
        {
            variant.name: treated * (edge - before) / BUCKETS
            for variant, edge, before in zip(campaign.variants, edges, [0, *edges], strict=False)
        }
        if edges
        else {TREATED: treated}
    )
    if holdout:
        shares[HOLDOUT] = holdout / BUCKETS
    # A definition that was changed since says nothing about arms it does not know.
    return shares if set(counts) <= set(shares) | {HOLDOUT} else {}
