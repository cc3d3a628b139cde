"""Who was drawn: the runs whose windows meet a period, their arms, and why some of them can say nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.assignment import BUCKETS
from tidings.campaigns.steps import whole_flow
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.measurement.accounts import sizes_of
from tidings.measurement.attribution.models import DAY
from tidings.measurement.attribution.rule import micros
from tidings.measurement.metrics import COUNTED, HOLDOUT, TREATED
from tidings.measurement.windows import windows
from tidings.statistics.sample_ratio import sample_ratio
from tidings.store.tables import sending

_runs, _plans, _enrolments = sending.runs, sending.plans, sending.enrolments
_QUARTER = 900_000_000
# Where no goal says how long something is looked for.
_WITHIN = Duration(30, Unit.DAY)
NOBODY_HELD = "nobody was held out"
NOBODY_TREATED = "nobody was written to"
TOO_FEW = "an arm has fewer than two"
NOT_AS_DRAWN = "the arms do not have the sizes that were drawn"


@dataclass(frozen=True, slots=True)
class DrawnRun:
    """One run: customers held out, and treated by variant ("" for none); `reason` is "" where an effect can be measured."""

    id: int
    kind: str
    accounts: bool
    held: int
    treated: dict[str, int]
    open: int
    reason: str = ""

    @property
    def written_to(self) -> int:
        """Return the customers of all treated arms."""
        return sum(self.treated.values())


@dataclass(frozen=True, slots=True)
class Drawn:
    """The runs of one campaign or flow whose windows meet the period, and what finds its enrolments.

    `closes` is the end of a window as an expression over the anchor; `within` is said where the goal says none.
    """

    campaign: str
    within: Duration
    closes: sa.ColumnElement[int]
    runs: tuple[DrawnRun, ...]
    since: int

    @property
    def variants(self) -> tuple[str, ...]:
        """Return the variants of all runs, sorted."""
        return tuple(sorted({name for run in self.runs for name in run.treated}))

    def where(self, opens: int, closes: int) -> tuple[sa.ColumnElement[bool], ...]:
        """Return what finds the enrolments whose windows meet [opens, closes)."""
        return (
            _enrolments.c.run_id.in_([run.id for run in self.runs]),
            *_counted(self.since, closes),
            self.closes > opens,
        )


def campaign_of(definitions: Definitions, name: str) -> Campaign | None:
    """Return the campaign of a name, or the flow as one; None where no file has it any more."""
    flow = definitions.flows.get(name)
    return whole_flow(flow) if flow is not None else definitions.campaigns.get(name)


def find_drawn(
    connection: sa.Connection, definitions: Definitions, *, opens: int, closes: int, as_of: int
) -> dict[str, Drawn]:
    """Return by name every campaign and flow that somebody was drawn for, with a window that meets [opens, closes)."""
    rows = connection.execute(
        sa.select(
            _runs.c.id,
            _runs.c.campaign,
            _runs.c.kind,
            _runs.c.bounds,
            _runs.c.finished_at,
            _plans.c.summary,
        )
        .select_from(_runs.outerjoin(_plans, _plans.c.id == _runs.c.plan_id))
        .where(_runs.c.kind != "experiment", _runs.c.created_at < closes)
        .order_by(_runs.c.id)
    ).all()
    by_name: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_name[row.campaign].append(row)
    found = {}
    for name, runs in sorted(by_name.items()):
        campaign = campaign_of(definitions, name)
        goal = campaign.goal or (campaign.also or (None,))[0] if campaign else None
        within = goal.within if goal else _WITHIN
        # A day more than the window: clocks change, and days on the wall are not all of one length.
        since = opens - micros(within) - 5 * DAY
        runs = [run for run in runs if run.finished_at is None or run.finished_at >= since]
        one = _drawn(connection, definitions, name, campaign, within, runs, since, opens, closes, as_of)
        if one is not None:
            found[name] = one
    return found


def _drawn(
    connection: sa.Connection,
    definitions: Definitions,
    name: str,
    campaign: Campaign | None,
    within: Duration,
    rows: Sequence[Any],
    since: int,
    opens: int,
    closes: int,
    as_of: int,
) -> Drawn | None:
    ids = [row.id for row in rows]
    quarter = _enrolments.c.anchor_at // sa.literal(_QUARTER, sa.BigInteger)
    ends = connection.execute(
        sa.select(sa.func.min(_enrolments.c.anchor_at), sa.func.max(_enrolments.c.anchor_at))
        .where(_enrolments.c.run_id.in_(ids), *_counted(since, closes))
        .group_by(quarter)
    )
    anchors = {anchor for row in ends for anchor in row}
    if not anchors:
        return None
    window = windows(_enrolments.c.anchor_at, anchors, within, ZoneInfo(definitions.workspace.zone))
    counts = connection.execute(
        sa.select(
            _enrolments.c.run_id,
            _enrolments.c.arm,
            _enrolments.c.variant,
            sa.func.count().label("customers"),
            sa.func.sum(sa.case((window.closes > as_of, 1), else_=0)).label("open"),
        )
        .where(_enrolments.c.run_id.in_(ids), *_counted(since, closes), window.closes > opens)
        .group_by(_enrolments.c.run_id, _enrolments.c.arm, _enrolments.c.variant)
    ).all()
    by_run: dict[int, list[Any]] = defaultdict(list)
    for row in counts:
        by_run[row.run_id].append(row)
    made = tuple(_run(connection, row, by_run[row.id], campaign) for row in rows if row.id in by_run)
    return Drawn(name, within, window.closes, made, since) if made else None


def _counted(since: int, closes: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        COUNTED,
        _enrolments.c.arm.in_([TREATED, HOLDOUT]),
        _enrolments.c.anchor_at >= since,
        _enrolments.c.anchor_at < closes,
    )


def _run(connection: sa.Connection, row: Any, counts: Sequence[Any], campaign: Campaign | None) -> DrawnRun:
    summary = row.summary or {}
    held = sum(int(one.customers) for one in counts if one.arm == HOLDOUT)
    treated: dict[str, int] = {}
    for one in counts:
        if one.arm != HOLDOUT:
            treated[one.variant or ""] = treated.get(one.variant or "", 0) + int(one.customers)
    share = (
        (row.bounds or {}).get("holdout")
        if row.kind == "flow"
        else (summary.get("holdout") or {}).get("share")
    )
    if share is None and campaign is not None and campaign.holdout.share is not None:
        share = campaign.holdout.share.basis_points
    accounts = summary.get("unit") == "account"
    run = DrawnRun(
        id=row.id,
        kind=row.kind,
        accounts=accounts,
        held=held,
        treated=treated,
        open=sum(int(one.open) for one in counts),
    )
    return replace(run, reason=_reason(connection, run, share))


def _reason(connection: sa.Connection, run: DrawnRun, share: int | None) -> str:
    """Return why a run has no effect to measure, "" where it has one."""
    if not run.held:
        return NOBODY_HELD
    if not run.written_to:
        return NOBODY_TREATED
    sizes = [run.held, run.written_to]
    if run.accounts:
        # Accounts were drawn: they are what must have the sizes planned, and what there must be two of.
        by_arm = sizes_of(connection, run.id)
        held = by_arm[HOLDOUT].accounts if HOLDOUT in by_arm else 0
        sizes = [held, sum(one.accounts for one in by_arm.values()) - held]
    if min(sizes) < 2:
        return TOO_FEW
    if share and sample_ratio(sizes, [share, BUCKETS - share]).alarm:
        return NOT_AS_DRAWN
    return ""
