"""Paths of touches as integers, and the models of credit that look at one path at a time.

Every model shares each conversion among the touches of its path in parts that add up to one, so that the credits add up
to the conversions. A channel that comes several times on a path gets the parts of all its touches; a path of one touch
gives it everything. Credit says who stood on the way. It is no effect: that needs people who were not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths over the channels `names`: how often each ended in a conversion, what those brought, how often in nothing.

    `steps` holds the codes (0 … len(names) − 1) of all paths one after another, path i those from `starts[i]` up to
    `starts[i + 1]`. No path is empty. Equal paths may stand once with their counts or each on its own.
    """

    names: tuple[str, ...]
    steps: Integers
    starts: Integers
    conversions: Floats
    values: Floats
    nulls: Floats

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        steps: ArrayLike,
        starts: ArrayLike,
        *,
        conversions: ArrayLike,
        values: ArrayLike | None = None,
        nulls: ArrayLike | None = None,
    ) -> Paths:
        """Return paths after looking at them. Raises ValueError for empty paths, wrong codes or negative counts."""
        codes, edges = np.asarray(steps, dtype=np.int64), np.asarray(starts, dtype=np.int64)
        count = edges.size - 1
        if count < 0 or edges[0] != 0 or edges[-1] != codes.size or (np.diff(edges) < 1).any():
            raise ValueError("a path has at least one step")
        if codes.size and not 0 <= codes.min() <= codes.max() < len(names):
            raise ValueError("a step is no channel of these")
        found = [
            np.zeros(count) if one is None else np.asarray(one, dtype=np.float64)
            for one in (conversions, values, nulls)
        ]
        if any(one.shape != (count,) or not np.isfinite(one).all() for one in found):
            raise ValueError("every path has one count of each kind, and counts are numbers")
        if (found[0] < 0).any() or (found[2] < 0).any():
            raise ValueError("a path cannot end less often than never")
        return cls(names, codes, edges, found[0], found[1], found[2])

    @property
    def lengths(self) -> Integers:
        """Return the number of steps of each path."""
        return np.diff(self.starts)

    @property
    def total(self) -> float:
        """Return all conversions."""
        return float(self.conversions.sum())

    @property
    def rate(self) -> float | None:
        """Return conversions by all paths, None where there is no path at all."""
        everything = self.total + float(self.nulls.sum())
        return self.total / everything if everything else None


@dataclass(frozen=True, slots=True)
class Credit:
    """What one model gives to each channel: conversions and what they brought, in the units of the paths.

    `error` is the standard error of the conversions where a model was sampled.
    """

    conversions: Floats
    values: Floats
    error: Floats | None = None


def shared(paths: Paths, parts: Floats) -> Credit:
    """Return the credit when every step gets that part of the conversions of its path."""
    lengths, size = paths.lengths, len(paths.names)
    conversions = sums_by(paths.steps, parts * np.repeat(paths.conversions, lengths), size)
    return Credit(conversions, sums_by(paths.steps, parts * np.repeat(paths.values, lengths), size))


def sums_by(codes: Integers, weights: Floats, size: int) -> Floats:
    """Return the sum of the weights of each code 0 … size − 1."""
    return np.bincount(codes, weights, minlength=size).astype(np.float64, copy=False)


def first(paths: Paths) -> Credit:
    """Give everything to the first touch."""
    return _one(paths, paths.steps[paths.starts[:-1]])


def last(paths: Paths) -> Credit:
    """Give everything to the last touch."""
    return _one(paths, paths.steps[paths.starts[1:] - 1])


def linear(paths: Paths) -> Credit:
    """Give every touch the same part."""
    return shared(paths, linear_parts(paths))


def position(paths: Paths, ends: tuple[float, float] = (0.4, 0.4)) -> Credit:
    """Give the first and the last touch a fixed share, and the rest in equal parts to those between."""
    return shared(paths, position_parts(paths, ends))


def time_decay(paths: Paths, ages: Floats, half_life: float) -> Credit:
    """Give a touch half of what one gets that is a half-life nearer to the conversion."""
    return shared(paths, decay_parts(paths, ages, half_life))


def first_parts(paths: Paths) -> Floats:
    """Return 1 for the first step of each path, else 0."""
    parts = np.zeros(paths.steps.size)
    parts[paths.starts[:-1]] = 1.0
    return parts


def last_parts(paths: Paths) -> Floats:
    """Return 1 for the last step of each path, else 0."""
    parts = np.zeros(paths.steps.size)
    parts[paths.starts[1:] - 1] = 1.0
    return parts


def linear_parts(paths: Paths) -> Floats:
    """Return one by the length of the path for each of its steps."""
    lengths = paths.lengths
    return np.repeat(1.0 / lengths, lengths)


def position_parts(paths: Paths, ends: tuple[float, float] = (0.4, 0.4)) -> Floats:
    """Return the part of each step by its place.

    A path of one touch gives it everything. On a path of two the shares of first and last keep their proportion and take
    all (40 and 40 become half and half; halves, too, where both are 0). Raises ValueError for shares below 0 or above 1.
    """
    begin, end = ends
    if min(begin, end) < 0 or begin + end > 1 + 1e-12:
        raise ValueError("the shares of the first and of the last touch lie between 0 and 1 together")
    lengths = paths.lengths
    together = begin + end
    pair = (begin / together, end / together) if together else (0.5, 0.5)
    between = np.divide(
        1.0 - together, lengths - 2, out=np.zeros(lengths.size), where=lengths > 2, casting="unsafe"
    )
    parts = np.repeat(np.maximum(between, 0.0), lengths)
    heads, tails = paths.starts[:-1], paths.starts[1:] - 1
    # A path of one is its own first and last step: the last line that fits it wins.
    parts[heads] = np.where(lengths > 2, begin, pair[0])
    parts[tails] = np.where(lengths > 2, end, pair[1])
    parts[heads[lengths == 1]] = 1.0
    return parts


def decay_parts(paths: Paths, ages: Floats, half_life: float) -> Floats:
    """Return parts by 2^(−age / half-life), of each path to 1; ages and half-life in one unit, ages before the conversion.

    Ages count from the last touch of the path, which changes no part and keeps very old paths from vanishing. Raises
    ValueError for a half-life that is not positive.
    """
    if not half_life > 0:
        raise ValueError("a half-life is longer than nothing")
    heads, lengths = paths.starts[:-1], paths.lengths
    if not lengths.size:
        return np.zeros(0)
    weights = np.exp2((np.repeat(np.minimum.reduceat(ages, heads), lengths) - ages) / half_life)
    found: Floats = weights / np.repeat(np.add.reduceat(weights, heads), lengths)
    return found


def by_weight_parts(paths: Paths, weights: Floats) -> Floats:
    """Return parts of each path in proportion to a weight of its channels, once for each channel on the path.

    This is how a model that weighs channels as a whole reads on one path. Several touches of a channel share its part;
    where all weights on a path are 0 the parts are equal.
    """
    lengths, width = paths.lengths, len(paths.names)
    owner = np.repeat(np.arange(lengths.size), lengths)
    pairs, where, times = np.unique(owner * width + paths.steps, return_inverse=True, return_counts=True)
    weight = np.maximum(weights, 0.0)[pairs % width]
    sums = np.bincount(pairs // width, weight, minlength=lengths.size)
    alone = sums <= 0
    weight = np.where(alone[pairs // width], 1.0, weight)
    sums = np.where(alone, np.bincount(pairs // width, minlength=lengths.size), sums)
    found: Floats = (weight / sums[pairs // width] / times)[where]
    return found


def largest_remainder(amounts: ArrayLike, total: int) -> Integers:
    """Return whole numbers that add up to `total` and lie as near to the amounts as they can.

    Each is rounded down; what is missing goes, one each, to those that lost most, the earlier first. The amounts must add
    up to about the total: within one for each of them, else ValueError.
    """
    exact = np.asarray(amounts, dtype=np.float64)
    whole = np.floor(exact).astype(np.int64)
    missing = int(total) - int(whole.sum())
    if not 0 <= missing <= exact.size:
        # Rounding of floats may lie just below a whole number, where floor takes one too many.
        whole = np.floor(exact + 1e-6 * np.maximum(np.abs(exact) * 1e-9, 1)).astype(np.int64)
        missing = int(total) - int(whole.sum())
    if not -exact.size <= missing <= exact.size:
        raise ValueError(f"amounts that add up to {exact.sum()} cannot be made to add up to {total}")
    order = np.argsort(-(exact - whole), kind="stable")
    if missing >= 0:
        whole[order[:missing]] += 1
    else:
        whole[order[missing:]] -= 1
    return whole


def _one(paths: Paths, codes: Integers) -> Credit:
    size = len(paths.names)
    return Credit(sums_by(codes, paths.conversions, size), sums_by(codes, paths.values, size))


# The parts of each step by the models that need no times; the others take something more.
PARTS: dict[str, Callable[[Paths], Floats]] = {
    "first": first_parts,
    "last": last_parts,
    "linear": linear_parts,
}
