"""How small a lift a test can see, checked against published figures and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tidings.statistics.power import detectable_lift


def test_the_lift_of_a_published_sample_size_is_found_again() -> None:
    # 80 % power at two-sided 5 % for 10 % against 15 % needs 686 an arm (Fleiss' formula without correction).
    assert detectable_lift(0.10, 686, 686) == pytest.approx(0.05, abs=5e-5)


def test_the_lift_satisfies_the_power_equation_for_unequal_arms() -> None:
    base, treated, holdout = 0.04, 18_000, 2_000
    lift = detectable_lift(base, treated, holdout)
    rate = base + lift
    pooled = (treated * rate + holdout * base) / (treated + holdout)
    left = lift
    right = norm.isf(0.025) * np.sqrt(pooled * (1 - pooled) * (1 / treated + 1 / holdout)) + norm.ppf(
        0.8
    ) * np.sqrt(rate * (1 - rate) / treated + base * (1 - base) / holdout)
    assert left == pytest.approx(right, rel=1e-9)


def test_the_power_promised_is_the_power_simulated() -> None:
    base, treated, holdout = 0.05, 9_000, 1_000
    lift = detectable_lift(base, treated, holdout)
    random = np.random.default_rng(20270302)
    hits_treated = random.binomial(treated, base + lift, 20_000)
    hits_holdout = random.binomial(holdout, base, 20_000)
    pooled = (hits_treated + hits_holdout) / (treated + holdout)
    z = (hits_treated / treated - hits_holdout / holdout) / np.sqrt(
        pooled * (1 - pooled) * (1 / treated + 1 / holdout)
    )
    assert np.mean(np.abs(z) > norm.isf(0.025)) == pytest.approx(0.8, abs=0.02)


def test_more_customers_see_smaller_lifts() -> None:
    lifts = [detectable_lift(0.05, 9 * n, n) for n in (10, 100, 1_000, 10_000, 100_000)]
    assert lifts == sorted(lifts, reverse=True)
    assert lifts[0] > lifts[-1]


@pytest.mark.parametrize(
    ("base", "treated", "holdout"), [(0.05, 0, 10), (0.05, 10, 0), (1.0, 10, 10), (0.5, 1, 1)]
)
def test_where_no_lift_can_be_seen_the_answer_is_one(base: float, treated: int, holdout: int) -> None:
    assert detectable_lift(base, treated, holdout) == 1.0


def test_a_base_rate_of_zero_has_an_answer() -> None:
    assert 0 < detectable_lift(0.0, 1_000, 1_000) < 0.02


def test_forty_six_dealers_cannot_see_a_credible_lift_and_twenty_thousand_customers_can() -> None:
    assert detectable_lift(0.05, 41, 5) > 0.05
    assert detectable_lift(0.05, 18_000, 2_000) < 0.05


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_outside_zero_and_one_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="base rate"):
        detectable_lift(rate, 10, 10)


def test_counts_and_probabilities_outside_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 0"):
        detectable_lift(0.1, -1, 10)
    with pytest.raises(ValueError, match="alpha"):
        detectable_lift(0.1, 10, 10, alpha=0)
