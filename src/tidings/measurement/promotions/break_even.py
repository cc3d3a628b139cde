"""The response at which a run pays for itself, beside the one it had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidings.measurement.effects import Effect, Interval
from tidings.measurement.promotions.earned import Amount
from tidings.measurement.promotions.sums import ends
from tidings.statistics.means import critical
from tidings.statistics.proportions import wilson


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Response is the share of the treated who bought within the window; orders are over all treated, beyond the holdout.

    `response` with its `interval` is what happened, `needed` what would have paid for everything; None, with the `reason`,
    where no response would. `p_below` is small where the run hardly reached it, `p_above` where it hardly missed it.
    """

    response: float
    interval: Interval | None
    base: float
    needed: float | None
    additional_orders: float
    additional_interval: Interval | None
    needed_orders: float | None
    per_order: float | None
    p_below: float | None
    p_above: float | None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "response": self.response,
            "response_interval": ends(self.interval),
            "holdout_response": self.base,
            "needed_response": self.needed,
            "additional_orders": self.additional_orders,
            "additional_orders_interval": ends(self.additional_interval),
            "needed_additional_orders": self.needed_orders,
            "margin_per_order": self.per_order,
            "p_below": self.p_below,
            "p_above": self.p_above,
            "reason": self.reason or None,
        }


def break_even(buyers: Effect, orders: Effect, gain: Effect, profit: Amount, *, cost: float) -> BreakEven:
    """Return the break-even point of all treated together.

    A treated order earns m = margin after discount and coupon / orders. At the break-even the treated earn as much as the
    holdout and what a customer costs: with o* orders each, o* · m = g₀ + c. So the discounts for those who would have bought
    anyway are part of what must be earned. The response is scaled by the orders of a buyer as they were.
    """
    low_high = buyers.difference.interval
    interval: Interval | None
    if buyers.metric.clusters is None:
        interval = wilson(round(buyers.mean * buyers.customers), buyers.customers)
    elif buyers.difference.degrees and low_high:
        arms = [one for one in buyers.metric.clusters if one != buyers.against]
        moments, _ = buyers.metric.together(arms if buyers.arm not in arms else [buyers.arm])
        mean = moments.metric().mean()
        reach = critical(max(mean.n - 1, 1), 0.95) * mean.squared_error**0.5
        interval = (max(mean.value - reach, 0.0), min(mean.value + reach, 1.0))
    else:
        interval = None
    total = orders.total or (0.0, None)
    needed = more = each = None
    reason = ""
    if orders.mean <= 0:
        reason = "nobody bought, so it is not known what an order earns"
    elif gain.mean <= 0:
        reason = "an order earned nothing after discounts, so no response would pay for it"
    else:
        each = gain.mean / orders.mean
        per_customer = (gain.base + cost / gain.customers) / each
        more = (per_customer - orders.base) * gain.customers
        needed = per_customer * buyers.mean / orders.mean
        if needed > 1:
            reason = "even if every customer had bought, it would not have paid for itself"
    return BreakEven(
        buyers.mean,
        interval,
        buyers.base,
        needed,
        total[0],
        total[1],
        more,
        each,
        profit.p_loss,
        profit.p_gain,
        reason,
    )
