"""Shapley values: against every order of the channels, against the closed form, and sampled against exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.paths import Path, coded, naive_shapley, some_paths
from tidings.statistics.credit import Paths
from tidings.statistics.shapley import marginal_values, shapley, subset_sums


@given(some_paths(channels=5), st.sampled_from(["conversions", "rate"]))
@settings(deadline=None, max_examples=40)
def test_values_equal_the_average_over_every_order_of_the_channels(paths: list[Path], worth: str) -> None:
    codes = coded(paths, 5)
    found = shapley(codes, worth)
    assert found.conversions == pytest.approx(naive_shapley(paths, worth, 5), abs=1e-9)
    assert found.conversions.sum() == pytest.approx(codes.total, abs=1e-9)
    assert found.values.sum() == pytest.approx(codes.values.sum(), abs=1e-6)


@given(some_paths())
def test_a_path_shares_its_conversions_equally_among_its_different_channels(paths: list[Path]) -> None:
    shares = np.zeros(4)
    for path in paths:
        for channel in set(path.steps):
            shares[channel] += path.conversions / len(set(path.steps))
    assert shapley(coded(paths)).conversions == pytest.approx(shares)


@given(some_paths())
def test_the_closed_form_is_the_game_by_subset_sums(paths: list[Path]) -> None:
    exactly = np.zeros(16)
    for path in paths:
        exactly[sum(1 << channel for channel in set(path.steps))] += path.conversions
    assert shapley(coded(paths)).conversions == pytest.approx(marginal_values(subset_sums(exactly)), abs=1e-9)


def test_twenty_channels_are_exact() -> None:
    random = np.random.default_rng(3)
    lengths = random.integers(1, 9, 4_000)
    paths = Paths.of(
        tuple(f"c{n}" for n in range(20)),
        random.integers(0, 20, lengths.sum()),
        np.cumsum([0, *lengths]),
        conversions=random.integers(0, 3, 4_000),
        values=random.integers(0, 900, 4_000),
        nulls=random.integers(0, 9, 4_000),
    )
    exact = shapley(paths, "rate")
    assert exact.error is None
    assert exact.conversions.sum() == pytest.approx(paths.total)
    # Sampled as if there were too many: within the error that it says itself, and the same every time.
    sampled = shapley(paths, "rate", pairs=400, exact=19)
    assert sampled.error is not None
    assert sampled.conversions.sum() == pytest.approx(paths.total)
    assert (np.abs(sampled.conversions - exact.conversions) < 4.5 * sampled.error).all()
    assert (sampled.error < 0.02 * paths.total).all()
    assert (shapley(paths, "rate", pairs=400, exact=19).conversions == sampled.conversions).all()


def test_channels_that_do_the_same_get_the_same_and_one_without_conversions_gets_nothing() -> None:
    paths = Paths.of(("a", "b", "dead"), [0, 1, 2], [0, 2, 3], conversions=[6, 0], nulls=[0, 6])
    assert shapley(paths).conversions.tolist() == [3, 3, 0]
    # By the rate it stands for conversions that did not come.
    assert shapley(paths, "rate").conversions[2] < 0


def test_nothing_gives_nothing() -> None:
    lost = Paths.of(("a", "b"), [0, 1], [0, 2], conversions=[0], nulls=[4])
    nothing = Paths.of(("a",), [], [0], conversions=[])
    for worth in ("conversions", "rate"):
        assert shapley(lost, worth).conversions.tolist() == [0, 0]
        assert shapley(nothing, worth).conversions.tolist() == [0]


def test_a_game_has_two_to_the_number_of_its_players_coalitions() -> None:
    with pytest.raises(ValueError, match="coalitions"):
        marginal_values(np.zeros(6))
    with pytest.raises(ValueError, match="two pairs"):
        shapley(Paths.of(("a", "b"), [0, 1], [0, 2], conversions=[1]), "rate", pairs=1, exact=1)
