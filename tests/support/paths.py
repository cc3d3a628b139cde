"""Random paths for the tests of credit, and the plainest code that can give credit over them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

import numpy as np
from hypothesis import strategies as st

from tidings.statistics.credit import Paths


@dataclass(frozen=True)
class Path:
    """One path with its counts; ages in days before the conversion, one a step."""

    steps: tuple[int, ...]
    conversions: int
    value: int
    nulls: int
    ages: tuple[int, ...]


@st.composite
def some_paths(draw: st.DrawFn, *, channels: int = 4, longest: int = 6) -> list[Path]:
    """Return 1 to 12 paths, of which some may end in nothing only, some in conversions only."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        steps = draw(st.lists(st.integers(0, channels - 1), min_size=1, max_size=longest))
        ages = draw(st.lists(st.integers(0, 90), min_size=len(steps), max_size=len(steps)))
        conversions = draw(st.integers(0, 9))
        value = draw(st.integers(0, 9_999)) if conversions else 0
        found.append(
            Path(tuple(steps), conversions, value, draw(st.integers(0, 9)), tuple(sorted(ages, reverse=True)))
        )
    return found


def coded(paths: list[Path], channels: int = 4) -> Paths:
    """Return the same paths as arrays."""
    return Paths.of(
        tuple(f"c{n}" for n in range(channels)),
        [step for path in paths for step in path.steps],
        np.cumsum([0, *(len(path.steps) for path in paths)]),
        conversions=[path.conversions for path in paths],
        values=[path.value for path in paths],
        nulls=[path.nulls for path in paths],
    )


def ages(paths: list[Path]) -> np.ndarray:
    """Return the ages of all steps."""
    return np.array([age for path in paths for age in path.ages], dtype=float)


def naive(paths: list[Path], model: str, channels: int = 4, *, half_life: float = 7.0) -> list[float]:
    """Return the conversions that a model of one path at a time gives to each channel, step by step."""
    credit = [0.0] * channels
    for path in paths:
        n = len(path.steps)
        if model == "time_decay":
            weights = [0.5 ** (age / half_life) for age in path.ages]
        elif model == "position":
            weights = {1: [1.0], 2: [0.5, 0.5]}.get(n, [0.4, *[0.2 / max(n - 2, 1)] * (n - 2), 0.4])
        else:
            weights = [float({"first": i == 0, "last": i == n - 1, "linear": True}[model]) for i in range(n)]
        for step, weight in zip(path.steps, weights, strict=True):
            credit[step] += path.conversions * weight / sum(weights)
    return credit


def naive_chain(
    paths: list[Path],
    order: int,
    removed: int | None = None,
    *,
    drop_repeats: bool = False,
    values: bool = False,
) -> float:
    """Return the chance of a conversion of the chain, or what a path brings, by a dense solve over states that are tuples."""
    brought: dict[object, int] = {}
    counts: dict[tuple[object, object], int] = {}
    for path in paths:
        steps = [s for i, s in enumerate(path.steps) if not (drop_repeats and i and path.steps[i - 1] == s)]
        states: list[object] = [(), *(tuple(steps[max(0, i - order + 1) : i + 1]) for i in range(len(steps)))]
        for one, other in zip(states, states[1:], strict=False):
            counts[one, other] = counts.get((one, other), 0) + path.conversions + path.nulls
        for end, times in (("won", path.conversions), ("lost", path.nulls)):
            counts[states[-1], end] = counts.get((states[-1], end), 0) + times
        brought[states[-1]] = brought.get(states[-1], 0) + path.value
    states = sorted({one for one, _ in counts}, key=repr)
    place = {state: number for number, state in enumerate(states)}
    matrix, gain = np.eye(len(states)), np.zeros(len(states))
    leaving = {state: sum(n for (one, _), n in counts.items() if one == state) for state in states}
    for (one, other), times in counts.items():
        if not times or (removed is not None and removed in one):
            continue
        if other == "won":
            gain[place[one]] += times / leaving[one]
        elif other != "lost":
            matrix[place[one], place[other]] -= times / leaving[one]
    if values:
        gain = np.zeros(len(states))
        for state, value in brought.items():
            if value and (removed is None or removed not in state):
                gain[place[state]] = value / leaving[state]
    return float(np.linalg.solve(matrix, gain)[place[()]])


def naive_shapley(paths: list[Path], worth: str, channels: int = 4) -> list[float]:
    """Return Shapley values over every order of the channels, in fractions."""
    everything = sum(path.conversions + path.nulls for path in paths)

    def value(coalition: frozenset[int]) -> Fraction:
        inside = [path for path in paths if set(path.steps) <= coalition]
        won = Fraction(sum(path.conversions for path in inside))
        if worth == "conversions":
            return won
        counted = sum(path.conversions + path.nulls for path in inside)
        return won * everything / counted if counted else Fraction(0)

    credit, orders = [Fraction(0)] * channels, list(permutations(range(channels)))
    for order in orders:
        here: frozenset[int] = frozenset()
        for channel in order:
            credit[channel] += value(here | {channel}) - value(here)
            here |= {channel}
    return [float(one / len(orders)) for one in credit]
