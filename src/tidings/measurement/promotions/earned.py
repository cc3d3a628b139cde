"""Revenue, margin and profit that a run caused: everybody treated against everybody held out, whatever became of a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scipy.special import stdtr

from tidings.measurement.effects import Effect
from tidings.measurement.promotions.sums import ends
from tidings.statistics.means import Difference

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in major units over all customers of an arm: an estimate, its interval at 95 %, and p of a loss or a gain.

    `p_loss` is small where at least breaking even is hardly possible, `p_gain` where breaking even at most is. They and the
    interval are None where chance cannot be judged, with the `reason`.
    """

    total: float
    interval: Interval | None
    per_customer: float
    p_loss: float | None
    p_gain: float | None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "total": self.total,
            "interval": ends(self.interval),
            "per_customer": self.per_customer,
            "p_loss": self.p_loss,
            "p_gain": self.p_gain,
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class Earned:
    """What one arm (or all treated) brought beyond the holdout. Effects are per customer, in major units.

    `gain` is the margin after discounts and after what redemptions cost; `cost` what the arm cost beside these, messages
    and declared costs; `profit` the one less the other, `adjusted` the same allowing for what was known before. Without a
    declared margin (or a currency that all have) those are None.
    """

    arm: str
    customers: int
    orders: Effect
    revenue: Effect | None
    gain: Effect | None
    cost: float
    profit: Amount | None
    adjusted: Amount | None

    @property
    def on_cost(self) -> tuple[float, Interval | None] | None:
        """Return profit as a multiple of the cost with its interval; None without a cost."""
        if self.profit is None or self.cost <= 0:
            return None
        interval = self.profit.interval
        scaled = None if interval is None else (interval[0] / self.cost, interval[1] / self.cost)
        return self.profit.total / self.cost, scaled

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys; `incremental` is over all customers of the arm."""
        on_cost = self.on_cost
        return {
            "arm": self.arm,
            "customers": self.customers,
            "orders": _told(self.orders),
            "revenue": _told(self.revenue),
            "margin": _told(self.gain),
            "cost": self.cost,
            "profit": self.profit.as_json() if self.profit else None,
            "profit_adjusted": self.adjusted.as_json() if self.adjusted else None,
            "return_on_cost": {"estimate": on_cost[0], "interval": ends(on_cost[1])} if on_cost else None,
        }


def earned(
    orders: Effect, revenue: Effect | None, gain: Effect | None, *, cost: float, priced: bool
) -> Earned:
    """Return what the arm of these effects earned at that cost (major units); no profit where costs are not `priced`."""
    profit = adjusted = None
    if gain is not None and priced:
        profit = less_cost(gain.difference, gain.customers, cost)
        if gain.adjusted is not None:
            adjusted = less_cost(gain.adjusted.difference, gain.customers, cost)
    return Earned(
        gain.arm if gain else orders.arm, orders.customers, orders, revenue, gain, cost, profit, adjusted
    )


def less_cost(difference: Difference, customers: int, cost: float) -> Amount:
    """Return a difference per customer over all customers, less a cost that is known."""
    total = difference.estimate * customers - cost
    interval = difference.interval
    if interval is None or difference.degrees is None or difference.standard_error <= 0:
        return Amount(total, None, total / customers, None, None, difference.reason)
    away = (difference.estimate - cost / customers) / difference.standard_error
    below = float(stdtr(difference.degrees, away))
    return Amount(
        total,
        (interval[0] * customers - cost, interval[1] * customers - cost),
        total / customers,
        below,
        float(stdtr(difference.degrees, -away)),
    )


def _told(effect: Effect | None) -> dict[str, Any] | None:
    """Return an effect over all customers of its arm and for each of them, with stable keys."""
    if effect is None:
        return None
    adjusted = effect.adjusted
    total = effect.total
    return {
        "treated": effect.mean,
        "holdout": effect.base,
        "per_customer": effect.difference.estimate,
        "per_customer_interval": ends(effect.difference.interval),
        "incremental": total[0] if total else None,
        "interval": ends(total[1]) if total else None,
        "p": effect.difference.p,
        "adjusted": None
        if adjusted is None
        else {
            "incremental": adjusted.difference.estimate * effect.customers,
            "interval": None
            if adjusted.difference.interval is None
            else [one * effect.customers for one in adjusted.difference.interval],
            "reduction": adjusted.reduction,
        },
        "currency": effect.metric.currency,
        "reason": effect.difference.reason or None,
        "rough": effect.rough,
    }


told = _told
