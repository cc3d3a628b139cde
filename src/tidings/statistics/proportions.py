"""Intervals for shares, which also stand where nobody, or everybody, converted."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of one share. Raises ValueError when `n` is 0.

    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")
    z = -NormalDist().inv_cdf((1 - confidence) / 2)
    rate = successes / n
    middle = rate + z * z / (2 * n)
    reach = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (middle - reach) / scale
    high = 1.0 if successes == n else (middle + reach) / scale
    return low, high


def newcombe(
    treated_successes: int, treated: int, control_successes: int, control: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference of two independent shares, treated minus control.

    Newcombe, R. G. (1998), Statistics in Medicine 17, 873-890, method 10 (score intervals, no continuity
    correction). Raises ValueError when an arm is empty.
    """
    rate_t, rate_c = treated_successes / max(treated, 1), control_successes / max(control, 1)
    low_t, high_t = wilson(treated_successes, treated, confidence=confidence)
    low_c, high_c = wilson(control_successes, control, confidence=confidence)
    difference = rate_t - rate_c
    return (
        difference - sqrt((rate_t - low_t) ** 2 + (high_c - rate_c) ** 2),
        difference + sqrt((high_t - rate_t) ** 2 + (rate_c - low_c) ** 2),
    )
