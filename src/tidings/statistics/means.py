"""The difference of two means."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.special import stdtr, stdtrit

from tidings.statistics.sums import Mean


@dataclass(frozen=True, slots=True)
class Difference:
    """Treated minus control. `interval` and `p` are None, with a `reason`, where the data cannot give them."""

    estimate: float
    interval: tuple[float, float] | None
    p: float | None
    standard_error: float
    degrees: float | None
    reason: str = ""

    @property
    def shown(self) -> bool:
        """Tell whether the interval leaves out zero: a difference is shown, in one direction."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def critical(degrees: float, confidence: float) -> float:
    """Return the two-sided critical value of Student's t."""
    return float(-stdtrit(degrees, (1 - confidence) / 2))


def welch(treated: Mean, control: Mean, *, confidence: float = 0.95) -> Difference:
    """Return the difference of two means with its interval and two-sided p, unequal variances allowed.

    Welch, B. L. (1947), Biometrika 34, 28-35; degrees of freedom by Satterthwaite (1946), Biometrics Bulletin 2,
    110-114. Equal to scipy.stats.ttest_ind(…, equal_var=False).
    """
    estimate = treated.value - control.value
    if treated.n < 2 or control.n < 2:
        return Difference(
            estimate, None, None, 0.0, None, "an arm has fewer than two customers, so chance cannot be judged"
        )
    squared = treated.squared_error + control.squared_error
    if squared <= 0:
        reason = (
            "everybody in both arms has the same value, so chance cannot be judged"
            if estimate == 0
            else "within each arm everybody has the same value, so chance cannot be judged"
        )
        return Difference(estimate, None, None, 0.0, None, reason)
    degrees = squared**2 / (
        treated.squared_error**2 / (treated.n - 1) + control.squared_error**2 / (control.n - 1)
    )
    error = sqrt(squared)
    reach = critical(degrees, confidence) * error
    p = float(2 * stdtr(degrees, -abs(estimate) / error))
    return Difference(estimate, (estimate - reach, estimate + reach), p, error, degrees)
