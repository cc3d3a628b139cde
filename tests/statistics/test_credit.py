"""Models that look at one path at a time: against a loop over paths and steps, and where paths are short or odd."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import Path, ages, coded, naive, some_paths
from tidings.statistics.credit import (
    Paths,
    by_weight_parts,
    decay_parts,
    first,
    largest_remainder,
    last,
    linear,
    linear_parts,
    position,
    position_parts,
    time_decay,
)


@given(some_paths())
def test_every_model_of_one_path_equals_a_loop_over_its_steps(paths: list[Path]) -> None:
    codes = coded(paths)
    found = {
        "first": first(codes),
        "last": last(codes),
        "linear": linear(codes),
        "position": position(codes),
        "time_decay": time_decay(codes, ages(paths), 7.0),
    }
    for model, credit in found.items():
        assert credit.conversions == pytest.approx(naive(paths, model), abs=1e-9), model
        assert credit.conversions.sum() == pytest.approx(codes.total)
        assert credit.values.sum() == pytest.approx(codes.values.sum())


@given(some_paths())
def test_equal_paths_may_stand_once_with_their_counts_or_each_on_its_own(paths: list[Path]) -> None:
    single = [
        Path(path.steps, 1, path.value // path.conversions, 0, path.ages)
        for path in paths
        for _ in range(path.conversions)
    ]
    if single:
        assert linear(coded(single)).conversions == pytest.approx(linear(coded(paths)).conversions)


@pytest.mark.parametrize(
    ("length", "ends", "parts"),
    [
        (1, (0.4, 0.4), [1]),
        (2, (0.4, 0.4), [0.5, 0.5]),
        (2, (0.6, 0.2), [0.75, 0.25]),
        (2, (0.0, 0.0), [0.5, 0.5]),
        (3, (0.4, 0.4), [0.4, 0.2, 0.4]),
        (5, (0.3, 0.1), [0.3, 0.2, 0.2, 0.2, 0.1]),
        (4, (0.0, 0.0), [0, 0.5, 0.5, 0]),
        (3, (0.5, 0.5), [0.5, 0, 0.5]),
    ],
)
def test_position_is_defined_for_every_length(
    length: int, ends: tuple[float, float], parts: list[float]
) -> None:
    path = Paths.of(("a",), [0] * length, [0, length], conversions=[1])
    assert position_parts(path, ends) == pytest.approx(parts)


def test_shares_of_more_than_everything_are_refused() -> None:
    path = Paths.of(("a",), [0], [0, 1], conversions=[1])
    for ends in ((0.7, 0.4), (-0.1, 0.4)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            position_parts(path, ends)


def test_a_touch_one_half_life_nearer_gets_twice_as_much() -> None:
    path = Paths.of(("a", "b", "c"), [0, 1, 2], [0, 3], conversions=[1])
    assert decay_parts(path, np.array([14.0, 7.0, 0.0]), 7.0) == pytest.approx([1 / 7, 2 / 7, 4 / 7])


def test_touches_a_thousand_half_lives_ago_still_share_what_there_is() -> None:
    path = Paths.of(("a", "b"), [0, 1], [0, 2], conversions=[1])
    parts = decay_parts(path, np.array([90_007.0, 90_000.0]), 7.0)
    assert parts == pytest.approx([1 / 3, 2 / 3])
    with pytest.raises(ValueError, match="half-life"):
        decay_parts(path, np.array([1.0, 0.0]), 0.0)


def test_a_weight_by_channel_is_shared_among_its_touches_and_is_equal_where_there_is_none() -> None:
    paths = Paths.of(("a", "b", "c"), [0, 1, 0, 2, 1], [0, 3, 5], conversions=[1, 1])
    parts = by_weight_parts(paths, np.array([0.6, 0.2, 0.0]))
    assert parts == pytest.approx([0.375, 0.25, 0.375, 0, 1])
    assert by_weight_parts(paths, np.zeros(3)) == pytest.approx([0.25, 0.5, 0.25, 0.5, 0.5])


@given(some_paths())
def test_no_conversions_are_no_credit_and_never_nan(paths: list[Path]) -> None:
    codes = coded([Path(path.steps, 0, 0, path.nulls, path.ages) for path in paths])
    for credit in (
        first(codes),
        last(codes),
        linear(codes),
        position(codes),
        time_decay(codes, ages(paths), 7),
    ):
        assert (credit.conversions == 0).all()
        assert (credit.values == 0).all()


def test_no_paths_at_all_are_no_credit() -> None:
    nothing = Paths.of(("a", "b"), [], [0], conversions=[])
    assert nothing.rate is None
    for credit in (first(nothing), linear(nothing), position(nothing), time_decay(nothing, np.zeros(0), 7)):
        assert credit.conversions.tolist() == [0, 0]
    assert linear_parts(nothing).size == 0


@pytest.mark.parametrize(
    ("steps", "starts", "conversions"),
    [
        ([0, 1], [0, 1, 1, 2], [1, 1, 1]),
        ([0, 5], [0, 2], [1]),
        ([0], [0, 2], [1]),
        ([0], [0, 1], [-1]),
        ([0], [0, 1], [float("nan")]),
        ([0], [0, 1], [1, 2]),
    ],
)
def test_paths_that_are_none_are_refused(
    steps: list[int], starts: list[int], conversions: list[float]
) -> None:
    with pytest.raises(ValueError):
        Paths.of(("a", "b"), steps, starts, conversions=conversions)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any), st.integers(0, 10**12))
def test_largest_remainder_gives_out_every_cent_and_is_never_a_cent_away(
    weights: list[int], total: int
) -> None:
    exact = [Fraction(weight * total, sum(weights)) for weight in weights]
    found = largest_remainder([float(one) for one in exact], total)
    assert int(found.sum()) == total
    assert all(
        abs(Fraction(int(got)) - want) <= 1 + Fraction(1, 10**3)
        for got, want in zip(found, exact, strict=True)
    )


def test_largest_remainder_keeps_what_is_below_nothing_and_prefers_the_earlier_of_equals() -> None:
    assert largest_remainder([-1.5, 3.5, 1.0], 3).tolist() == [-1, 3, 1]
    assert largest_remainder([1 / 3, 1 / 3, 1 / 3], 1).tolist() == [1, 0, 0]
    assert largest_remainder([2.9999999999, 4.0], 7).tolist() == [3, 4]
    with pytest.raises(ValueError, match="cannot be made"):
        largest_remainder([1.0, 1.0], 9)
