"""Effects of several drawings together: one alone is Welch's test, the same people in several are one witness each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tidings.statistics.means import Difference, welch
from tidings.statistics.summed import Contrast, effect_over, over_effect, summed_effect, times
from tidings.statistics.sums import Sums


def test_one_drawing_alone_is_the_test_of_welch_times_those_treated() -> None:
    dice = np.random.default_rng(1)
    treated, held = dice.gamma(1.0, 20.0, 900), dice.gamma(1.0, 15.0, 110)
    found = summed_effect(
        [Contrast(0, 1)],
        np.repeat([0, 1], [900, 110]),
        np.arange(1010),
        np.concatenate([treated, held]),
    )
    wanted = times(welch(Sums.of(treated).mean(), Sums.of(held).mean()), 900)
    assert found.estimate == pytest.approx(wanted.estimate)
    assert found.interval == pytest.approx(wanted.interval)
    assert found.p == pytest.approx(wanted.p)
    assert found.degrees == pytest.approx(wanted.degrees)


def test_drawings_of_other_people_add_their_effects_and_their_variances() -> None:
    dice = np.random.default_rng(2)
    values = dice.normal(5.0, 2.0, 400)
    group = np.repeat([0, 1, 2, 3], 100)
    both = summed_effect([Contrast(0, 1), Contrast(2, 3)], group, np.arange(400), values)
    parts = [summed_effect([Contrast(one, one + 1)], group, np.arange(400), values) for one in (0, 2)]
    assert both.estimate == pytest.approx(parts[0].estimate + parts[1].estimate)
    assert both.standard_error**2 == pytest.approx(sum(one.standard_error**2 for one in parts))


def test_variants_of_one_run_share_its_holdout() -> None:
    dice = np.random.default_rng(3)
    values = np.concatenate([dice.normal(6.0, 1.0, 200), dice.normal(5.0, 1.0, 40)])
    group = np.repeat([0, 1, 2], [100, 100, 40])
    shared = summed_effect([Contrast(0, 2), Contrast(1, 2)], group, np.arange(240), values)
    merged = summed_effect([Contrast(0, 2)], np.where(group == 1, 0, group), np.arange(240), values)
    assert shared.estimate == pytest.approx(merged.estimate)
    assert shared.standard_error == pytest.approx(merged.standard_error, rel=0.02)


def test_members_of_an_account_are_one_witness() -> None:
    dice = np.random.default_rng(4)
    accounts = np.repeat(np.arange(200), 5)
    values = np.repeat(dice.normal(0.0, 1.0, 200), 5)
    group = (accounts % 2).astype(np.int64)
    by_account = summed_effect([Contrast(0, 1)], group, accounts, values)
    by_customer = summed_effect([Contrast(0, 1)], group, np.arange(1000), values)
    assert by_account.standard_error == pytest.approx(by_customer.standard_error * 5**0.5, rel=0.02)


def _covered(by_customer: bool, seed: int = 20270301, worlds: int = 200) -> int:
    """Return how often the interval holds the truth when the same people are held out of four runs."""
    dice = np.random.default_rng(seed)
    held, treated, runs, lift = 80, 320, 4, 0.5
    inside = 0
    for _ in range(worlds):
        habit = dice.gamma(1.0, 3.0, held + treated)
        values, group, unit = [], [], []
        for run in range(runs):
            arm = np.repeat([2 * run, 2 * run + 1], [treated, held])
            bought = habit + dice.normal(0.0, 1.0, held + treated) + np.where(arm % 2 == 0, lift, 0.0)
            values.append(bought)
            group.append(arm)
            unit.append(np.arange(habit.size) + (0 if by_customer else run * habit.size))
        found = summed_effect(
            [Contrast(2 * run, 2 * run + 1) for run in range(runs)],
            np.concatenate(group),
            np.concatenate(unit),
            np.concatenate(values),
        )
        assert found.interval is not None
        inside += found.interval[0] <= treated * runs * lift <= found.interval[1]
    return inside


def test_the_interval_covers_when_the_same_people_are_held_out_of_every_run() -> None:
    assert binomtest(_covered(by_customer=True), 200, 0.95).pvalue >= 0.001


@pytest.mark.nightly
def test_it_covers_in_five_thousand_worlds() -> None:
    assert binomtest(_covered(by_customer=True, seed=20270303, worlds=5_000), 5_000, 0.95).pvalue >= 0.001


def test_adding_the_variances_of_runs_with_the_same_people_would_not_cover() -> None:
    assert binomtest(_covered(by_customer=False), 200, 0.95).pvalue < 0.001


def test_an_arm_of_one_and_equal_values_are_said_and_no_number() -> None:
    few = summed_effect([Contrast(0, 1)], np.array([0, 0, 1]), np.arange(3), np.ones(3))
    assert few.interval is None
    assert "fewer than two" in few.reason
    # Three customers of one account are one that was drawn.
    one = summed_effect([Contrast(0, 1)], np.repeat([0, 1], 3), np.array([7, 7, 7, 1, 2, 3]), np.ones(6))
    assert "fewer than two" in one.reason
    same = summed_effect([Contrast(0, 1)], np.array([0, 0, 1, 1]), np.arange(4), np.ones(4))
    assert same.interval is None
    assert same.estimate == 0
    assert "same value" in same.reason


def test_a_quotient_is_known_only_where_the_effect_is_shown() -> None:
    shown = Difference(20.0, (10.0, 30.0), 0.001, 5.0, 100.0)
    found = over_effect(300.0, shown)
    assert found.value == 15
    assert found.interval == (10, 30)
    assert (
        over_effect(300.0, Difference(5.0, (-5.0, 15.0), 0.3, 5.0, 100.0)).reason
        == "the effect could be nothing"
    )
    assert over_effect(300.0, Difference(-9.0, (-15.0, -3.0), 0.01, 3.0, 100.0)).value is None
    assert over_effect(300.0, Difference(0.0, None, None, 0.0, None, "why")).reason == "why"
    assert over_effect(0.0, shown).value == 0


def test_an_effect_over_a_cost_has_the_interval_of_the_effect() -> None:
    found = effect_over(Difference(50.0, (-10.0, 110.0), 0.1, 30.0, 99.0), 20.0)
    assert (found.value, found.interval) == (2.5, (-0.5, 5.5))
    assert effect_over(Difference(50.0, None, None, 0.0, None, "why"), 20.0).reason == "why"
    assert effect_over(Difference(50.0, None, None, 0.0, None), 0.0).value is None
