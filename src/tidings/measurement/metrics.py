"""What is compared: a metric with its moments in each arm, and the arms themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tidings.statistics.sums import Moments

Unit = Literal["share", "count", "money", "number"]
HOLDOUT = "holdout"
TREATED = "treated"


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm as people name it: `holdout`, a variant, or `treated` where there are no variants.

    `share` is the planned part of all enrolled, in any unit; None when no plan says it.
    """

    name: str
    customers: int
    share: float | None = None

    @property
    def held_out(self) -> bool:
        """Tell whether the arm gets no message."""
        return self.name == HOLDOUT


def arm_name(arm: str, variant: str | None) -> str:
    """Return the name of an arm from the two columns of an enrolment."""
    return HOLDOUT if arm == HOLDOUT else variant or arm


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of every arm, in units that people read: shares of 1, counts, major units of money.

    The first entry of the moments is the metric, the rest are `covariates` measured before. `some` counts
    the customers of an arm whose value is not zero. A metric that a holdout cannot have (`every_arm` False) compares
    variants only. `missing` counts customers without a value, who count as zero.
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
