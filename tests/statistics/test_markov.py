"""The absorbing chain: against a dense solve over plain tuples, against a simulation, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.paths import Path, coded, naive_chain, some_paths
from tidings.statistics import markov
from tidings.statistics.credit import Paths
from tidings.statistics.markov import chain


@given(some_paths(), st.integers(1, 4))
@settings(deadline=None)
def test_removal_effects_equal_a_dense_solve_over_states_that_are_tuples(
    paths: list[Path], order: int
) -> None:
    assume(any(path.conversions for path in paths))
    found, whole = chain(coded(paths), order), naive_chain(paths, order)
    assert found.rate == pytest.approx(whole, abs=1e-12)
    removed = [1 - naive_chain(paths, order, channel) / whole for channel in range(4)]
    assert found.effects == pytest.approx(removed, abs=1e-9)
    worth = naive_chain(paths, order, values=True)
    if worth:
        lost = [1 - naive_chain(paths, order, channel, values=True) / worth for channel in range(4)]
        assert found.worths == pytest.approx(lost, abs=1e-9)
    credit = found.credit(coded(paths))
    assert credit.conversions.sum() == pytest.approx(coded(paths).total)
    assert credit.values.sum() == pytest.approx(coded(paths).values.sum())


@given(some_paths(), st.integers(1, 5))
@settings(deadline=None)
def test_the_chance_of_the_chain_is_the_observed_rate_at_every_order(paths: list[Path], order: int) -> None:
    codes = coded(paths)
    if codes.total:
        assert chain(codes, order).rate == pytest.approx(codes.rate, rel=1e-12)


@given(some_paths(), st.integers(2, 4))
@settings(deadline=None)
def test_iterating_and_factorising_say_the_same(paths: list[Path], order: int) -> None:
    assume(any(path.conversions for path in paths))
    factorised = chain(coded(paths), order)
    large = markov._LARGE
    markov._LARGE = 0
    try:
        iterated = chain(coded(paths), order)
    finally:
        markov._LARGE = large
    assert iterated.rate == pytest.approx(factorised.rate, abs=1e-14)
    assert iterated.effects == pytest.approx(factorised.effects, abs=1e-12)
    assert iterated.worths == pytest.approx(factorised.worths, abs=1e-11)


@given(some_paths())
@settings(deadline=None)
def test_repeats_of_a_channel_change_nothing_at_order_one(paths: list[Path]) -> None:
    assume(any(path.conversions for path in paths))
    whole = naive_chain(paths, 1, drop_repeats=True)
    removed = [1 - naive_chain(paths, 1, channel, drop_repeats=True) / whole for channel in range(4)]
    assert chain(coded(paths)).effects == pytest.approx(removed, abs=1e-9)


def test_a_chain_that_is_walked_at_random_ends_as_often_as_the_solution_says() -> None:
    paths = [
        Path((0, 1, 0), 3, 0, 5, (0,) * 3),
        Path((1, 2), 2, 0, 1, (0,) * 2),
        Path((2,), 1, 0, 4, (0,)),
        Path((0,), 1, 0, 2, (0,)),
    ]
    codes, random, walks = coded(paths, 3), np.random.default_rng(7), 40_000
    weights = np.array([path.conversions + path.nulls for path in paths], dtype=float)
    # From each channel: (where to, weight); the next of a walk is drawn from these alone.
    onward: dict[int, list[tuple[int, float]]] = {}
    for path, weight in zip(paths, weights, strict=True):
        for here, there in zip((-1, *path.steps), path.steps, strict=False):
            onward.setdefault(here, []).append((there, weight))
        onward.setdefault(path.steps[-1], []).extend([(-2, path.conversions), (-3, path.nulls)])
    drawn = {}
    for here, moves in onward.items():
        odds = np.array([weight for _, weight in moves])
        drawn[here] = iter(random.choice([to for to, _ in moves], walks * 3, p=odds / odds.sum()))
    won, without = 0, np.zeros(3)
    for _ in range(walks):
        here, seen = -1, set()
        while here > -2:
            here = int(next(drawn[here]))
            seen.add(here)
        won += here == -2
        without += [here == -2 and channel not in seen for channel in range(3)]
    found = chain(codes)
    error = 4 * np.sqrt(0.25 / walks)
    assert won / walks == pytest.approx(found.rate, abs=error)
    assert without / walks == pytest.approx((1 - found.effects) * found.rate, abs=error)


def test_three_paths_by_hand() -> None:
    # search > email converts once, search alone converts once and ends twice: 2 of 4.
    # Without search nobody starts; without email half of what is left of search: 1/4 over the chain.
    paths = Paths.of(
        ("email", "search"), [1, 0, 1], [0, 2, 3], conversions=[1, 1], values=[900, 100], nulls=[0, 2]
    )
    found = chain(paths)
    assert found.rate == pytest.approx(0.5)
    assert found.effects == pytest.approx([0.5, 1.0])
    assert found.credit(paths).conversions == pytest.approx([2 / 3, 4 / 3])
    # Without email 25 are left of the 250 that a path brings, without search nothing.
    assert found.credit(paths).values.sum() == pytest.approx(1000)
    assert found.worths == pytest.approx([0.9, 1.0])


def test_a_channel_that_only_leads_to_nothing_or_is_on_no_path_gets_nothing() -> None:
    paths = Paths.of(("a", "dead", "absent"), [0, 1], [0, 1, 2], conversions=[3, 0], nulls=[0, 5])
    assert chain(paths).effects.tolist() == [1, 0, 0]


def test_a_path_that_counts_for_nothing_changes_nothing() -> None:
    paths = Paths.of(("a", "b"), [0, 1, 0], [0, 1, 3], conversions=[2, 0], nulls=[1, 0])
    assert chain(paths).effects.tolist() == [1, 0]
    assert chain(paths, 2).effects.tolist() == [1, 0]


def test_no_conversions_give_no_effect_and_no_paths_no_rate() -> None:
    lost = Paths.of(("a", "b"), [0, 1], [0, 1, 2], conversions=[0, 0], nulls=[4, 4])
    found = chain(lost)
    assert (found.rate, found.effects.tolist(), found.credit(lost).conversions.tolist()) == (
        0,
        [0, 0],
        [0, 0],
    )
    nothing = Paths.of(("a",), [], [0], conversions=[])
    assert chain(nothing).rate is None
    assert chain(nothing).credit(nothing).conversions.tolist() == [0]


def test_an_order_that_is_none_or_too_high_is_refused() -> None:
    path = Paths.of(tuple(f"c{n}" for n in range(1000)), [0], [0, 1], conversions=[1])
    with pytest.raises(ValueError, match="1 or more"):
        chain(path, 0)
    with pytest.raises(ValueError, match="too many states"):
        chain(path, 9)
    assert chain(path, 3).effects[0] == 1
