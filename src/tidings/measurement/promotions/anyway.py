"""Who would have bought anyway: what the holdout says of those who redeemed.

Nobody can say of one customer what they would have done. Of all of them it can be said within bounds, when the message
keeps nobody from buying (monotonicity): then the treated fall into those who would have bought anyway, those who bought
because of it, and those who did not buy, and the holdout shows how large the first part is (Angrist, Imbens and Rubin 1996,
Journal of the American Statistical Association 91, 444-455; Frangakis and Rubin 2002, Biometrics 58, 21-29).

With p₀ the share of buyers in the holdout, and of the treated the share r that redeemed and the share s that bought without:

    bought anyway among buyers     p₀ / (r + s)
    bought anyway among redeemers  between max(0, p₀ − s) / r and min(r, p₀) / r

At the lower bound every additional buyer redeemed, so that redeemers less additional buyers would have bought anyway; at
the upper one as many as possible of those who would have bought anyway used the code. Where nobody buys without the code
both bounds are p₀ / r.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidings.measurement.promotions.orders import Flags, Orders
from tidings.measurement.promotions.sums import Crowd, by_customer, ends, moments_of
from tidings.statistics.means import critical
from tidings.statistics.ratio import fieller
from tidings.statistics.sums import Mean, Moments

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Share:
    """A share (0 … 1) between two bounds, and an interval that holds all between them at 95 %.

    Nothing more is known between the bounds; they are equal where one value is known. `interval` is None where chance
    cannot be judged.
    """

    low: float
    high: float
    interval: Interval | None

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {"low": self.low, "high": self.high, "interval": ends(self.interval)}


@dataclass(frozen=True, slots=True)
class Anyway:
    """Of the treated customers who bought within the window: `buyers`, of them `redeemers` with a code of the run.

    `of_buyers` and `of_redeemers` are the shares that would have bought anyway; None where there is nobody, with the
    `reason`. `discount` is what was taken off for redeemers (major units), `subsidised` the part for those who would have
    bought anyway, by the mean discount of all redeemers: (low, high).
    """

    buyers: int
    redeemers: int
    of_buyers: Share | None
    of_redeemers: Share | None
    reason: str = ""
    discount: float | None = None
    subsidised: Interval | None = None
    subsidised_interval: Interval | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "buyers": self.buyers,
            "redeemers": self.redeemers,
            "of_buyers": self.of_buyers.as_json() if self.of_buyers else None,
            "of_redeemers": self.of_redeemers.as_json() if self.of_redeemers else None,
            "reason": self.reason or None,
            "discount": self.discount,
            "subsidised_discount": ends(self.subsidised),
            "subsidised_discount_interval": ends(self.subsidised_interval),
        }


def anyway(orders: Orders, crowd: Crowd, *, within: Flags, with_code: Flags, factor: float) -> Anyway:
    """Return the shares for all treated together.

    `within` marks the events of the window, `with_code` those that came with a good code of the run; `factor` turns minor
    units into major ones.
    """
    bought = by_customer(orders, np.ones(len(orders.who)), within & orders.bought) > 0
    redeemed = by_customer(orders, np.ones(len(orders.who)), within & with_code) > 0
    places = [place for place, arm in enumerate(crowd.arms) if not arm.held_out]
    treated = np.isin(orders.arm, places)
    buyers, redeemers = int((bought & treated).sum()), int((redeemed & treated).sum())
    if not crowd.held_out:
        return Anyway(
            buyers,
            redeemers,
            None,
            None,
            "nobody was held out, so nobody shows what would have happened anyway",
        )
    if not buyers:
        return Anyway(0, redeemers, None, None, "nobody bought, so there is nobody who would have")
    columns = [bought, redeemed, bought & ~redeemed]
    moments, _, _, _ = moments_of(orders, crowd, [one.astype(float) for one in columns])
    held = next(moments[arm.name] for arm in crowd.arms if arm.held_out)
    sent = _together([moments[arm.name] for arm in crowd.treated])
    of_buyers = _bought_anyway(held, sent)
    if not redeemers:
        return Anyway(buyers, 0, of_buyers, None, "no code came back from those written to")
    of_redeemers = _redeemed_anyway(held, sent)
    taken = orders.discount[within & with_code & treated[orders.who]]
    discount = float(taken.sum()) * factor
    low, high = (discount * of_redeemers.low, discount * of_redeemers.high) if discount else (0.0, 0.0)
    interval = of_redeemers.interval
    return Anyway(
        buyers,
        redeemers,
        of_buyers,
        of_redeemers,
        discount=discount or None,
        subsidised=(low, high) if discount else None,
        subsidised_interval=(discount * interval[0], discount * interval[1])
        if discount and interval
        else None,
    )


def _together(arms: list[Moments]) -> Moments:
    found = arms[0]
    for one in arms[1:]:
        found += one
    return found


def _bought_anyway(held: Moments, sent: Moments) -> Share:
    """Return p₀ / p₁ with Fieller's interval, no more than 1: who bought anyway among those who bought."""
    base, all_ = held.metric().mean(), sent.metric().mean()
    share = min(base.value / all_.value, 1.0)
    return Share(
        share, share, _ratio(base.value, base.squared_error, all_.value, all_.squared_error, 0.0, held, sent)
    )


def _redeemed_anyway(held: Moments, sent: Moments) -> Share:
    """Return the bounds, and the interval from the lower limit of the lower to the upper limit of the upper bound."""
    base = held.metric().mean()
    means = sent.totals / sent.n
    errors = sent.deviations() / max(sent.n - 1, 1) / sent.n
    with_code, without = float(means[1]), float(means[2])
    left = max(base.value - without, 0.0)
    low, high = min(left / with_code, 1.0), min(base.value / with_code, 1.0)
    variance = base.squared_error + float(errors[2, 2])
    # The redeemers and the other buyers are parts of the same arm: (p₀ − s) and r go together.
    lower = _ratio(
        base.value - without, variance, with_code, float(errors[1, 1]), -float(errors[1, 2]), held, sent
    )
    upper = _ratio(base.value, base.squared_error, with_code, float(errors[1, 1]), 0.0, held, sent)
    if lower is None or upper is None:
        return Share(low, high, None)
    return Share(low, high, (min(lower[0], low), max(upper[1], high)))


def _ratio(
    above: float,
    above_error: float,
    below: float,
    below_error: float,
    together: float,
    held: Moments,
    sent: Moments,
) -> Interval | None:
    """Return Fieller's interval of a ratio of two estimates (squared errors, and what they vary together), within 0 … 1."""
    degrees = float(min(held.n, sent.n) - 1)
    if degrees < 1 or above_error + below_error <= 0:
        return None
    top, bottom = Mean(1, above, above_error - together), Mean(1, below, below_error - together)
    found = fieller(top, bottom, degrees=degrees, shared=together)
    if found.interval is None:
        # The share of those who redeemed may be zero: then every ratio may be.
        reach = critical(degrees, 0.95) * above_error**0.5
        return (0.0, 1.0) if above + reach > 0 else None
    return min(max(found.interval[0] + 1, 0.0), 1.0), min(max(found.interval[1] + 1, 0.0), 1.0)
