"""What is compared: a metric with its moments in each arm, and the arms themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tidings.campaigns.snapshot import COPY
from tidings.campaigns.steps import PARTY
from tidings.statistics.clusters import Clusters
from tidings.statistics.sums import Moments
from tidings.store.tables import sending

Unit = Literal["share", "count", "money", "number"]
HOLDOUT = "holdout"
TREATED = "treated"
# Staff who get copies, and the dealers to whom a flow writes about their customers, are enrolled so that their messages are
# in the ledger; nothing ever counts them.
_NEVER = (COPY, PARTY)
_earlier = sending.enrolments.alias("earlier")
_FIRST = sa.or_(
    sending.enrolments.c.entry == 0,
    ~sa.select(sa.literal_column("1"))
    .where(
        _earlier.c.run_id == sending.enrolments.c.run_id,
        _earlier.c.customer_id == sending.enrolments.c.customer_id,
        _earlier.c.entry < sending.enrolments.c.entry,
        _earlier.c.arm.not_in(_NEVER),
    )
    .correlate(sending.enrolments)
    .exists(),
)
# Each customer counts once, from the first time they entered a flow. Whether somebody enters again may be an effect of what
# they got the first time, so later entries are no fair comparison, and the windows of one customer would overlap.
COUNTED = sa.and_(sending.enrolments.c.arm.not_in(_NEVER), _FIRST)


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm as people name it: `holdout`, a variant, or `treated` where there are no variants.

    `share` is the planned part of all enrolled, in any unit; None when no plan says it. `accounts` counts what was drawn
    where that were accounts, else it is None.
    """

    name: str
    customers: int
    share: float | None = None
    accounts: int | None = None

    @property
    def held_out(self) -> bool:
        """Tell whether the arm gets no message."""
        return self.name == HOLDOUT


def arm_name(arm: str, variant: str | None) -> str:
    """Return the name of an arm from the two columns of an enrolment."""
    return HOLDOUT if arm == HOLDOUT else variant or arm


def arm_place(names: Sequence[str]) -> sa.ColumnElement[int]:
    """Return the place in `names` of the arm of an enrolment, -1 for an arm of another name.

    Groups of whole numbers are sorted in half the time of groups of words, and reports group every enrolment.
    """
    enrolments = sending.enrolments
    places = {name: place for place, name in enumerate(names) if name != HOLDOUT}
    # Numbers in the text of the statement: a database groups by a parameter only where it is the very same one.
    nowhere = sa.literal_column("-1", sa.Integer)
    treated: sa.ColumnElement[int] = (
        sa.case(
            {name: sa.literal_column(str(place), sa.Integer) for name, place in places.items()},
            value=sa.func.coalesce(enrolments.c.variant, enrolments.c.arm),
            else_=nowhere,
        )
        if places
        else nowhere
    )
    held = sa.literal_column(str(names.index(HOLDOUT)), sa.Integer) if HOLDOUT in names else nowhere
    return sa.case((enrolments.c.arm == HOLDOUT, held), else_=treated)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of every arm, in units that people read: shares of 1, counts, major units of money.

    The first entry of the moments is the metric, the rest are `covariates` measured before. `some` counts
    the customers of an arm whose value is not zero. A metric that a holdout cannot have (`every_arm` False) compares
    variants only. `missing` counts customers without a value, who count as zero. Where accounts were drawn, `clusters` has
    their sums, the moments are over accounts, and `some_accounts` counts those with a value that is not zero.
    """

    name: str
    title: str
    unit: Unit
    arms: dict[str, Moments]
    some: dict[str, int]
    currency: str | None = None
    covariates: tuple[str, ...] = ()
    every_arm: bool = True
    missing: int = 0
    clusters: dict[str, Clusters] | None = None
    some_accounts: dict[str, int] | None = None

    def together(self, members: Sequence[str]) -> tuple[Moments, int]:
        """Return the moments of several arms taken as one, and how many customers they have."""
        if self.clusters is not None:
            clusters = self.clusters[members[0]]
            for member in members[1:]:
                clusters += self.clusters[member]
            return clusters.moments(), clusters.customers
        moments = self.arms[members[0]]
        for member in members[1:]:
            moments += self.arms[member]
        return moments, moments.n

    def with_some(self, members: Sequence[str]) -> int:
        """Return how many of what was drawn have a value that is not zero."""
        return sum((self.some_accounts or self.some)[member] for member in members)


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a run and sentences about what could not be measured.

    `main` is the metric that says who converted: that of the goal itself, None where it could not be measured.
    """

    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()
    main: Metric | None = None


def moment_columns(
    values: Sequence[sa.ColumnElement[Any]],
) -> list[sa.Label[float]]:
    """Return the columns Σv_i and Σv_i·v_j of values, named `s0` … and `p0_0`, `p0_1` … by place."""
    sums = [sa.func.sum(value).label(f"s{i}") for i, value in enumerate(values)]
    products = [
        sa.func.sum(left * right).label(f"p{i}_{j}")
        for i, left in enumerate(values)
        for j, right in enumerate(values)
        if i <= j
    ]
    return [*sums, *products]
