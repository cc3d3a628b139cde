"""The relative difference of two means, with an interval that agrees with the absolute one."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from tidings.statistics.means import critical
from tidings.statistics.sums import Mean


@dataclass(frozen=True, slots=True)
class Relative:
    """(treated − control) / control. None, with a `reason`, where it has no value or no bounded interval."""

    estimate: float | None
    interval: tuple[float, float] | None
    reason: str = ""


def fieller(
    treated: Mean, control: Mean, *, degrees: float | None, shared: float = 0.0, confidence: float = 0.95
) -> Relative:
    """Return the relative difference with Fieller's interval.

    Fieller, E. C. (1954), Journal of the Royal Statistical Society B 16, 175-185: the interval is every ratio ρ with
    (m_t − ρ m_c)² ≤ c² (v_t − 2 ρ v_tc + ρ² v_c). With the critical value c of the absolute test (`degrees` are
    Welch's) the condition at ρ = 1 is that test, so the relative interval contains 0 exactly when the absolute one
    does. It is bounded only where the control mean is itself clearly above zero; else there is none.
    `shared` is a variance that both means carry alike (their covariance), as after adjustment by a pooled covariate.
    """
    if control.value <= 0:
        return Relative(None, None, "the arm compared with has no positive mean to be relative to")
    estimate = treated.value / control.value - 1
    if degrees is None or treated.squared_error + control.squared_error <= 0:
        return Relative(estimate, None, "chance cannot be judged, so there is no interval")
    squared = critical(degrees, confidence) ** 2
    quadratic = control.value**2 - squared * (control.squared_error + shared)
    if quadratic <= 0:
        return Relative(
            estimate,
            None,
            "the arm compared with is too uncertain: its own mean could be zero, so the relative lift has no bounds",
        )
    middle = treated.value * control.value - squared * shared
    constant = treated.value**2 - squared * (treated.squared_error + shared)
    root = sqrt(max(middle**2 - quadratic * constant, 0.0))
    return Relative(estimate, ((middle - root) / quadratic - 1, (middle + root) / quadratic - 1))
