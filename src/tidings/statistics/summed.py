"""The effect of several drawings taken together: how much more there was because of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtr

from tidings.statistics.credit import Floats, Integers
from tidings.statistics.means import Difference, critical

_TOO_FEW = "an arm has fewer than two that were drawn, so chance cannot be judged"


@dataclass(frozen=True, slots=True)
class Contrast:
    """One arm that was treated and the one held out of the same drawing, as places of groups."""

    treated: int
    control: int


@dataclass(frozen=True, slots=True)
class Quotient:
    """A known number over an effect. None, with a `reason`, where it has no value; the interval None where it has no bounds."""

    value: float | None
    interval: tuple[float, float] | None
    reason: str = ""


def summed_effect(
    contrasts: Sequence[Contrast],
    group: Integers,
    unit: Integers,
    value: Floats,
    *,
    confidence: float = 0.95,
) -> Difference:
    """Return Σ n_t (mean_t − mean_c) over the contrasts: the whole effect on everybody treated, in units of the values.

    One row for each enrolment: its group, what was drawn (a customer, or an account), and its value. Whoever was drawn
    in several of them is one witness and not several: what their rows add to the estimate is summed before it is squared
    (Liang and Zeger 1986, Biometrika 73, 13-22). Degrees of freedom are Satterthwaite's. For one contrast of
    customers it is `welch` times the customers treated. Groups of no contrast are left out. Where a group of a contrast
    has fewer than two units there is no interval, with the reason.
    """
    places = max([max(one.treated, one.control) for one in contrasts]) + 1
    kept = np.isin(group, [place for one in contrasts for place in (one.treated, one.control)])
    group, value = group[kept], value[kept]
    _, unit = np.unique(unit[kept], return_inverse=True)
    sizes = np.bincount(group, minlength=places).astype(float)
    within = group * (int(unit.max(initial=0)) + 1) + unit
    pairs, place = np.unique(within, return_inverse=True)
    owner = pairs // (int(unit.max(initial=0)) + 1)
    units = np.bincount(owner, minlength=places).astype(float)
    used = np.zeros(places, dtype=bool)
    weight = np.zeros(places)
    for one in contrasts:
        if min(units[one.treated], units[one.control]) < 2:
            return Difference(0.0, None, None, 0.0, None, _TOO_FEW)
        used[[one.treated, one.control]] = True
        weight[one.treated] += 1.0
        weight[one.control] -= sizes[one.treated] / sizes[one.control]
    means = np.bincount(group, value, minlength=places) / np.maximum(sizes, 1.0)
    estimate = float(sum(sizes[one.treated] * (means[one.treated] - means[one.control]) for one in contrasts))
    # Each arm's variance is that of a sample, so that one contrast alone is Welch's test.
    sample = np.where(used, units / np.maximum(units - 1.0, 1.0), 0.0)
    added = (weight * np.sqrt(sample))[group] * (value - means[group])
    by_unit = np.bincount(unit, added)
    squared = float(by_unit @ by_unit)
    in_group = np.bincount(place, added)
    spread: Floats = np.bincount(owner, in_group**2, minlength=places).astype(np.float64)
    return _difference(estimate, squared, spread[used], units[used], confidence)


def _difference(
    estimate: float, squared: float, spread: Floats, units: Floats, confidence: float
) -> Difference:
    together = float(spread.sum())
    if squared <= 0 or together <= 0:
        return Difference(
            estimate,
            None,
            None,
            0.0,
            None,
            "within each arm everybody has the same value, so chance cannot be judged",
        )
    degrees = together**2 / float((spread**2 / (units - 1)).sum())
    error = sqrt(squared)
    reach = critical(degrees, confidence) * error
    p = float(2 * stdtr(degrees, -abs(estimate) / error))
    return Difference(estimate, (estimate - reach, estimate + reach), p, error, degrees)


def times(difference: Difference, factor: float) -> Difference:
    """Return a difference in another unit: of a mean per customer, that of `factor` customers."""
    interval = difference.interval
    return Difference(
        difference.estimate * factor,
        None if interval is None else (interval[0] * factor, interval[1] * factor),
        difference.p,
        difference.standard_error * factor,
        difference.degrees,
        difference.reason,
    )


def over_effect(known: float, effect: Difference) -> Quotient:
    """Return known / effect with the interval that agrees with the effect's own.

    Fieller (1954) for a numerator without error: every ρ with (known − ρ θ)² ≤ c² ρ² se². It is bounded only where the
    effect is shown: else the effect could be nothing, and the quotient anything.
    """
    if effect.interval is None:
        return Quotient(None, None, effect.reason)
    low, high = effect.interval
    if high < 0:
        return Quotient(None, None, "the effect is below nothing")
    if low <= 0:
        return Quotient(None, None, "the effect could be nothing")
    return Quotient(known / effect.estimate, (known / high, known / low))


def effect_over(effect: Difference, known: float) -> Quotient:
    """Return effect / known with its interval; `known` is above 0, else there is no quotient."""
    if known <= 0:
        return Quotient(None, None, "there is nothing to divide by")
    if effect.interval is None:
        return Quotient(effect.estimate / known, None, effect.reason)
    return Quotient(effect.estimate / known, (effect.interval[0] / known, effect.interval[1] / known))
