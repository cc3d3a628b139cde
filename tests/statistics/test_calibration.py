"""Promised error rates, by simulation: the exact binomial test against the nominal rate has p of at least 0.001.

Seeds were fixed before the first run. 200 simulations in the suite, 5,000 nightly. The shop has some 200 buyers in
its holdout; with 50 of them the intervals cover 94.1 % instead of 95 %, with 100 of them 94.6 %, which is why the report
calls intervals from few buyers rough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from tidings.statistics.cuped import adjust
from tidings.statistics.means import Difference, welch
from tidings.statistics.ratio import fieller
from tidings.statistics.sample_ratio import sample_ratio
from tidings.statistics.sums import Moments

TREATED, HOLDOUT = 36_000, 4_000
RATE, LIFT = 0.05, 0.012
RUNS = [pytest.param(200, id="suite"), pytest.param(5_000, id="nightly", marks=pytest.mark.nightly)]


def shop(random: np.random.Generator, *, lift: float = LIFT) -> tuple[np.ndarray, np.ndarray]:
    """Return (spend after, spend before) of both arms; some customers buy more than others in both periods."""
    n = TREATED + HOLDOUT
    taste = random.gamma(2.0, 0.5, n)
    base = RATE + lift * (np.arange(n) < TREATED)
    after = (random.random(n) < np.minimum(base * taste, 1)) * random.gamma(4, 12, n)
    before = (random.random(n) < np.minimum(RATE * taste, 1)) * random.gamma(4, 12, n) + 5 * taste
    rows = np.column_stack([after, before])
    return rows[:TREATED], rows[TREATED:]


def calibrated(runs: int, nominal: float, holds: Callable[[np.random.Generator], bool], seed: int) -> None:
    random = np.random.default_rng(seed)
    hits = sum(holds(random) for _ in range(runs))
    assert binomtest(hits, runs, nominal).pvalue >= 0.001, f"{hits} of {runs}, promised {nominal}"


def contains(interval: tuple[float, float] | None, truth: float) -> bool:
    assert interval is not None
    return interval[0] <= truth <= interval[1]


SPEND = 48.0  # the mean of gamma(4, 12)


def raw(random: np.random.Generator, lift: float = LIFT) -> tuple[Moments, Moments, Difference]:
    treated, control = (Moments.of(rows) for rows in shop(random, lift=lift))
    return treated, control, welch(treated.metric().mean(), control.metric().mean())


@pytest.mark.parametrize("runs", RUNS)
def test_the_absolute_interval_covers_the_true_lift_19_times_in_20(runs: int) -> None:
    calibrated(runs, 0.95, lambda random: contains(raw(random)[2].interval, LIFT * SPEND), seed=501)


@pytest.mark.parametrize("runs", RUNS)
def test_the_interval_of_a_conversion_rate_covers_19_times_in_20(runs: int) -> None:
    def holds(random: np.random.Generator) -> bool:
        treated = random.binomial(1, RATE + LIFT, (TREATED, 1))
        control = random.binomial(1, RATE, (HOLDOUT, 1))
        difference = welch(Moments.of(treated).metric().mean(), Moments.of(control).metric().mean())
        return contains(difference.interval, LIFT)

    calibrated(runs, 0.95, holds, seed=502)


@pytest.mark.parametrize("runs", RUNS)
def test_the_relative_interval_covers_19_times_in_20(runs: int) -> None:
    def holds(random: np.random.Generator) -> bool:
        treated, control, difference = raw(random)
        relative = fieller(treated.metric().mean(), control.metric().mean(), degrees=difference.degrees)
        return contains(relative.interval, LIFT / RATE)

    calibrated(runs, 0.95, holds, seed=503)


@pytest.mark.parametrize("runs", RUNS)
def test_the_adjusted_interval_covers_19_times_in_20(runs: int) -> None:
    def holds(random: np.random.Generator) -> bool:
        treated, control, _ = raw(random)
        adjusted = adjust(treated, control)
        assert adjusted is not None
        return contains(welch(adjusted.treated, adjusted.control).interval, LIFT * SPEND)

    calibrated(runs, 0.95, holds, seed=504)


@pytest.mark.parametrize("runs", RUNS)
def test_the_adjusted_relative_interval_covers_19_times_in_20(runs: int) -> None:
    def holds(random: np.random.Generator) -> bool:
        treated, control, _ = raw(random)
        adjusted = adjust(treated, control)
        assert adjusted is not None
        difference = welch(adjusted.treated, adjusted.control)
        relative = fieller(
            adjusted.treated, adjusted.control, degrees=difference.degrees, shared=adjusted.shared
        )
        return contains(relative.interval, LIFT / RATE)

    calibrated(runs, 0.95, holds, seed=505)


@pytest.mark.parametrize("runs", RUNS)
def test_no_effect_is_called_an_effect_once_in_20(runs: int) -> None:
    calibrated(runs, 0.05, lambda random: raw(random, lift=0.0)[2].shown, seed=506)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_the_sample_ratio_alarm_is_false_as_often_as_said(runs: int, level: float) -> None:
    def alarm(random: np.random.Generator) -> bool:
        test = sample_ratio(random.multinomial(10_000, [0.45, 0.45, 0.1]).tolist(), [45, 45, 10])
        assert test.p is not None
        return test.p < level

    calibrated(runs, level, alarm, seed=507)
