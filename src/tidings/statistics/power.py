"""How small a lift a test of given size can see."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def detectable_lift(
    base_rate: float, treated: int, holdout: int, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest rise of a conversion rate that a test of this size sees with the given power.

    The answer is absolute: 0.012 means from 5.0 % to 6.2 % when `base_rate` is 0.05. It is 1.0 where no rise at
    all could be seen (an arm is empty, or even everybody converting would not be enough), never infinite.
    Two-sided two-proportion z test with the pooled variance under "no effect" and the unpooled one under the lift,
    no continuity correction: Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions,
    3rd ed., chapter 4 (comparing two proportions, unequal sample sizes), solved for the difference.
    Raises ValueError for a rate outside 0 … 1, a negative count, or alpha or power outside 0 … 1.
    """
    if not 0 <= base_rate <= 1:
        raise ValueError(f"a base rate lies between 0 and 1, not {base_rate}")
    if treated < 0 or holdout < 0:
        raise ValueError("an arm cannot have fewer than 0 customers")
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError("alpha and power lie between 0 and 1")
    ceiling = 1 - base_rate
    if treated == 0 or holdout == 0 or ceiling <= 0:
        return 1.0
    z_alpha = -NormalDist().inv_cdf(alpha / 2)
    z_power = NormalDist().inv_cdf(power)
    inverse = 1 / treated + 1 / holdout
    control_variance = base_rate * (1 - base_rate) / holdout

    def shortfall(lift: float) -> float:
        rate = base_rate + lift
        pooled = (treated * rate + holdout * base_rate) / (treated + holdout)
        under_none = sqrt(max(pooled * (1 - pooled), 0.0) * inverse)
        under_lift = sqrt(max(rate * (1 - rate), 0.0) / treated + control_variance)
        return lift - z_alpha * under_none - z_power * under_lift

    if shortfall(ceiling) < 0:
        return 1.0
    lowest = min(1e-12, ceiling / 2)
    if shortfall(lowest) >= 0:
        return lowest
    # Halving until the two ends are neighbours; a library for this would cost every `tidings plan` a second.
    low, high = lowest, ceiling
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if shortfall(middle) >= 0 else (middle, high)
    return high
