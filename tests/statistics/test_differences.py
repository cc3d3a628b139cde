"""Differences of means, shares and ratios: against scipy, against published tables, and where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tidings.statistics.corrections import holm
from tidings.statistics.means import welch
from tidings.statistics.proportions import newcombe, wilson
from tidings.statistics.ratio import fieller
from tidings.statistics.sums import Mean, Moments, Sums


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.gamma(0.3, 40, 700) * (random.random(700) < 0.2), random.gamma(0.3, 30, 250) * (
        random.random(250) < 0.2
    )


@pytest.mark.parametrize("seed", range(5))
def test_welch_equals_scipy(seed: int) -> None:
    treated, control = samples(seed)
    ours = welch(Sums.of(treated).mean(), Sums.of(control).mean())
    theirs = stats.ttest_ind(treated, control, equal_var=False)
    bounds = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.degrees == pytest.approx(theirs.df, rel=1e-9)
    assert ours.interval == pytest.approx((bounds.low, bounds.high), rel=1e-9)


def test_sums_of_parts_add_up_to_the_sums_of_the_whole() -> None:
    treated, control = samples(1)
    whole, parts = Sums.of(np.concatenate([treated, control])), Sums.of(treated) + Sums.of(control)
    assert whole.n == parts.n
    assert parts.mean().value == pytest.approx(whole.mean().value)
    assert parts.mean().variance == pytest.approx(whole.mean().variance)


def test_the_mean_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no mean"):
        Sums(0, 0.0, 0.0).mean()


@pytest.mark.parametrize("value", [0.0, 0.1, 12345.67])
def test_equal_values_have_no_spread_and_say_why_nothing_can_be_judged(value: float) -> None:
    arm = Sums.of(np.full(1000, value)).mean()
    assert arm.variance == 0
    difference = welch(arm, arm)
    assert difference.estimate == 0
    assert difference.interval is None
    assert difference.p is None
    assert "same value" in difference.reason
    assert not difference.shown


def test_all_against_none_is_no_division_by_zero() -> None:
    difference = welch(Sums.of(np.ones(10)).mean(), Sums.of(np.zeros(10)).mean())
    assert (difference.estimate, difference.interval, difference.p) == (1.0, None, None)
    assert "within each arm" in difference.reason


def test_one_customer_is_too_few() -> None:
    difference = welch(Sums.of([3.0]).mean(), Sums.of([1.0, 2.0]).mean())
    assert difference.interval is None
    assert "fewer than two" in difference.reason


positive = st.floats(0.01, 1000, allow_nan=False)


@given(
    mean_t=st.floats(-10, 1000),
    mean_c=positive,
    var_t=positive,
    var_c=positive,
    n_t=st.integers(2, 10_000),
    n_c=st.integers(2, 10_000),
)
@settings(max_examples=400, deadline=None)
def test_the_relative_interval_decides_as_the_absolute_one(
    mean_t: float, mean_c: float, var_t: float, var_c: float, n_t: int, n_c: int
) -> None:
    treated, control = Mean(n_t, mean_t, var_t), Mean(n_c, mean_c, var_c)
    absolute = welch(treated, control)
    relative = fieller(treated, control, degrees=absolute.degrees)
    assert relative.estimate is not None
    assert math.copysign(1, relative.estimate) == math.copysign(1, absolute.estimate) or math.isclose(
        mean_t, mean_c
    )
    if relative.interval is None:
        assert relative.reason
        return
    assert absolute.interval is not None
    if min(abs(bound) for bound in absolute.interval) < 1e-9 * mean_c:
        return  # a tie to the last digit
    assert (relative.interval[0] > 0) == (absolute.interval[0] > 0)
    assert (relative.interval[1] < 0) == (absolute.interval[1] < 0)
    assert relative.interval[0] <= relative.estimate + 1e-9
    assert relative.interval[1] >= relative.estimate - 1e-9


def test_fieller_solves_its_own_inequality_at_both_ends() -> None:
    treated, control, shared = Mean(900, 1.2, 4.0), Mean(300, 1.0, 3.0), 0.001
    relative = fieller(treated, control, degrees=500.0, shared=shared)
    assert relative.interval is not None
    squared = stats.t.isf(0.025, 500.0) ** 2
    for bound in relative.interval:
        ratio = bound + 1
        left = (treated.value - ratio * control.value) ** 2
        right = squared * (
            treated.squared_error + shared - 2 * ratio * shared + ratio**2 * (control.squared_error + shared)
        )
        assert left == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("mean", [0.0, -3.0])
def test_there_is_no_lift_relative_to_nothing(mean: float) -> None:
    relative = fieller(Mean(10, 1.0, 1.0), Mean(10, mean, 1.0), degrees=18.0)
    assert relative.estimate is None
    assert relative.interval is None
    assert "no positive mean" in relative.reason


def test_an_unbounded_relative_interval_is_none_and_says_so() -> None:
    relative = fieller(Mean(10, 1.0, 1.0), Mean(10, 0.1, 1.0), degrees=18.0)
    assert relative.estimate == pytest.approx(9.0)
    assert relative.interval is None
    assert "no bounds" in relative.reason


# Newcombe (1998), Table II, method 10: contrasts (a) to (h).
@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_newcombe_gives_the_published_intervals(
    a: int, m: int, b: int, n: int, low: float, high: float
) -> None:
    assert newcombe(a, m, b, n) == pytest.approx((low, high), abs=5.1e-5)


def test_wilson_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="not a share"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="not a share"):
        wilson(3, 2)


def test_holm_gives_the_textbook_values_in_the_order_asked() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_moments_hold_the_sums_and_scale() -> None:
    rows = np.random.default_rng(3).gamma(2, 5, (50, 3))
    moments = Moments.of(rows[:20]) + Moments.of(rows[20:])
    assert moments.metric().mean().variance == pytest.approx(rows[:, 0].var(ddof=1))
    cents = moments.scaled([0.01, 1, 1])
    assert cents.metric().mean().variance == pytest.approx((rows[:, 0] / 100).var(ddof=1))
    assert moments.deviations() == pytest.approx(np.cov(rows.T) * 49)
