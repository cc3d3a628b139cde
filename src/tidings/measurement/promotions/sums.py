"""Events summed by customer (or by account, where those were drawn) and then by arm: the metrics of the report's own tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from tidings.definitions.money import exponent
from tidings.measurement.accounts import Sizes
from tidings.measurement.arms import ReportedRun
from tidings.measurement.effects import Effect, all_effects
from tidings.measurement.metrics import COUNTED, HOLDOUT, Arm, Metric, Unit, arm_name
from tidings.measurement.promotions.orders import Flags, Floats, Orders
from tidings.measurement.promotions.spans import Spans
from tidings.statistics.clusters import Clusters
from tidings.statistics.sums import Moments
from tidings.store.tables import sending

_enrolments = sending.enrolments


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody who is counted: the arms with their customers, and the accounts of each where those were drawn."""

    arms: tuple[Arm, ...]
    sizes: Mapping[str, Sizes] | None = None

    @property
    def held_out(self) -> bool:
        """Tell whether there is both somebody to compare and somebody to compare with."""
        return any(arm.held_out and arm.customers for arm in self.arms) and bool(self.treated)

    @property
    def treated(self) -> tuple[Arm, ...]:
        """Return the arms that were written to and have somebody in them."""
        return tuple(arm for arm in self.arms if arm.customers and not arm.held_out)

    def customers(self, *, held_out: bool) -> int:
        """Return how many customers are held out, or treated."""
        return sum(arm.customers for arm in self.arms if arm.held_out == held_out)


def moments_of(
    orders: Orders, crowd: Crowd, columns: Sequence[Floats]
) -> tuple[dict[str, Moments], dict[str, Clusters] | None, dict[str, int], dict[str, int]]:
    """Return, by arm, the moments of values of each customer, the accounts behind them, and how many are not zero.

    `columns` have one value for each customer with an event, the metric first; customers without add nothing.
    """
    values: Floats = np.column_stack(columns)
    moments, clusters, some, some_accounts = {}, {}, {}, {}
    for place, arm in enumerate(crowd.arms):
        of = orders.arm == place
        mine = values[of]
        some[arm.name] = int(np.count_nonzero(mine[:, 0]))
        if crowd.sizes is None or orders.account is None or orders.size is None:
            moments[arm.name] = Moments(arm.customers, mine.sum(axis=0), mine.T @ mine)
            continue
        size = crowd.sizes.get(arm.name, Sizes())
        _, first, unit = np.unique(orders.account[of], return_index=True, return_inverse=True)
        added: Floats = np.zeros((len(first), values.shape[1]))
        np.add.at(added, unit.reshape(-1), mine)
        clusters[arm.name] = Clusters(
            size.accounts,
            size.customers,
            size.squares,
            added.sum(axis=0),
            added.T @ added,
            added.T @ orders.size[of][first].astype(float),
        )
        moments[arm.name] = clusters[arm.name].moments()
        some_accounts[arm.name] = int(np.count_nonzero(added[:, 0]))
    return moments, clusters or None, some, some_accounts


def by_customer(orders: Orders, values: Floats, which: Flags) -> Floats:
    """Return the sum of the values of those events for each customer with an event."""
    found: Floats = np.bincount(
        orders.who, weights=np.where(which, values, 0.0), minlength=orders.customers
    ).astype(np.float64)
    return found


def metric(
    orders: Orders,
    crowd: Crowd,
    name: str,
    columns: Sequence[Floats],
    *,
    unit: Unit,
    currency: str | None = None,
    before: str = "",
) -> Metric:
    """Return a metric of every arm; of money the columns are in minor units and the metric is in major ones."""
    moments, clusters, some, some_accounts = moments_of(orders, crowd, columns)
    if currency:
        factors = [10.0 ** -exponent(currency)] * len(columns)
        moments = {arm: one.scaled(factors) for arm, one in moments.items()}
        clusters = {arm: one.scaled(factors) for arm, one in clusters.items()} if clusters else None
    return Metric(
        name=name,
        title=name.capitalize(),
        unit=unit,
        arms=moments,
        some=some,
        currency=currency,
        covariates=(before,) if len(columns) > 1 else (),
        clusters=clusters,
        some_accounts=some_accounts if clusters else None,
    )


def against_holdout(measured: Metric, crowd: Crowd) -> tuple[Effect, ...]:
    """Return the effects of all treated together and of each arm; none where nobody is held out."""
    return tuple(one for one in all_effects((measured,), crowd.arms) if one.against == HOLDOUT)


def whose_time_has_passed(
    connection: sa.Connection, run: ReportedRun, crowd: Crowd, spans: Spans, place: int, now: int
) -> Crowd | None:
    """Return those for whom a horizon is over; None when that is nobody, or when only some accounts of a draw are.

    It goes by the anchor, which was set before anything happened, so it chooses in both arms alike.
    """
    if spans.last_end(place) <= now:
        return crowd
    if spans.first_end(place) > now or run.accounts:
        return None
    rows = connection.execute(
        sa.select(_enrolments.c.arm, _enrolments.c.variant, sa.func.count())
        .where(_enrolments.c.run_id == run.id, COUNTED, spans.end(_enrolments.c.anchor_at, place) <= now)
        .group_by(_enrolments.c.arm, _enrolments.c.variant)
    )
    counts: dict[str, int] = {}
    for arm, variant, customers in rows:
        name = arm_name(arm, variant)
        counts[name] = counts.get(name, 0) + int(customers)
    return Crowd(tuple(replace(arm, customers=counts.get(arm.name, 0)) for arm in crowd.arms))


def ends(interval: Any) -> list[float] | None:
    """Return an interval as a list for JSON, or None."""
    return None if interval is None else [float(one) for one in interval]
