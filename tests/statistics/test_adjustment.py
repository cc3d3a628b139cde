"""Adjustment by pre-period values and the test of the arms' sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tidings.statistics.cuped import adjust
from tidings.statistics.means import welch
from tidings.statistics.sample_ratio import ALARM, sample_ratio
from tidings.statistics.sums import Moments


def arms(seed: int, *, covariates: int = 1, strength: float = 0.8, n: int = 600) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    before = random.gamma(2, 10, (n, covariates))
    after = before @ np.full(covariates, strength) + random.normal(0, 5, n)
    treated = np.arange(n) < n * 3 // 4
    after[treated] += 1.0
    rows = np.column_stack([after, before])
    return rows[treated], rows[~treated]


def test_the_adjusted_difference_is_that_of_a_regression_on_arm_and_covariates() -> None:
    treated, control = arms(1, covariates=3)
    adjusted = adjust(Moments.of(treated), Moments.of(control))
    assert adjusted is not None
    rows = np.concatenate([treated, control])
    design = np.column_stack(
        [np.r_[np.ones(len(treated)), np.zeros(len(control))], np.ones(len(rows)), rows[:, 1:]]
    )
    coefficients = np.linalg.lstsq(design, rows[:, 0], rcond=None)[0]
    assert adjusted.treated.value - adjusted.control.value == pytest.approx(coefficients[0], rel=1e-9)
    assert adjusted.slopes == pytest.approx(tuple(coefficients[2:]), rel=1e-9)


def test_the_reduction_reported_is_the_reduction_of_the_squared_standard_error() -> None:
    treated, control = arms(2)
    adjusted = adjust(Moments.of(treated), Moments.of(control))
    assert adjusted is not None
    raw = welch(Moments.of(treated).metric().mean(), Moments.of(control).metric().mean())
    less = welch(adjusted.treated, adjusted.control)
    assert adjusted.reduction == pytest.approx(1 - less.standard_error**2 / raw.standard_error**2)
    correlation = np.corrcoef(np.concatenate([treated, control]).T)[0, 1]
    assert adjusted.reduction == pytest.approx(correlation**2, abs=0.05)


def test_the_level_of_the_adjusted_means_stays_that_of_the_pooled_covariate() -> None:
    treated, control = arms(3)
    adjusted = adjust(Moments.of(treated), Moments.of(control))
    assert adjusted is not None
    pooled = np.concatenate([treated, control])[:, 1].mean()
    expected = control[:, 0].mean() - adjusted.slopes[0] * (control[:, 1].mean() - pooled)
    assert adjusted.control.value == pytest.approx(expected)


def test_a_covariate_given_twice_changes_nothing() -> None:
    treated, control = arms(4)
    once = adjust(Moments.of(treated), Moments.of(control))
    twice = adjust(Moments.of(treated[:, [0, 1, 1]]), Moments.of(control[:, [0, 1, 1]]))
    assert once is not None
    assert twice is not None
    assert twice.treated.value == pytest.approx(once.treated.value)
    assert twice.reduction == pytest.approx(once.reduction)


@pytest.mark.parametrize("case", ["constant covariate", "constant metric", "no covariate", "too few"])
def test_where_there_is_nothing_to_adjust_by_the_answer_is_none(case: str) -> None:
    treated, control = arms(5)
    if case == "constant covariate":
        treated[:, 1] = control[:, 1] = 0.1
    elif case == "constant metric":
        treated[:, 0] = control[:, 0] = 7
    elif case == "no covariate":
        treated, control = treated[:, :1], control[:, :1]
    else:
        treated, control = treated[:4], control[:4]
    assert adjust(Moments.of(treated), Moments.of(control)) is None


def test_the_sample_ratio_test_is_pearsons_chi_square() -> None:
    test = sample_ratio([5_000, 4_800, 1_200], [45, 45, 10])
    theirs = stats.chisquare([5_000, 4_800, 1_200], [4_950, 4_950, 1_100])
    assert test.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert test.expected == pytest.approx((4_950, 4_950, 1_100))


def test_a_lost_seventh_of_an_arm_raises_the_alarm_and_an_ordinary_draw_does_not() -> None:
    assert sample_ratio([9_000, 850], [0.9, 0.1]).alarm
    assert not sample_ratio([9_020, 980], [0.9, 0.1]).alarm
    assert ALARM == 0.001


def test_customers_in_an_arm_that_was_planned_empty_raise_the_alarm() -> None:
    test = sample_ratio([500, 500, 1], [0.5, 0.5, 0])
    assert test.alarm
    assert "planned empty" in test.reason


@pytest.mark.parametrize(("observed", "shares"), [([10], [1.0]), ([0, 0], [0.5, 0.5]), ([], [])])
def test_without_two_arms_or_customers_there_is_no_test(observed: list[int], shares: list[float]) -> None:
    test = sample_ratio(observed, shares)
    assert test.p is None
    assert test.reason
    assert not test.alarm


def test_counts_and_shares_must_fit() -> None:
    with pytest.raises(ValueError, match="one count and one share"):
        sample_ratio([1, 2], [1.0])
