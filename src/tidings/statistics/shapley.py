"""Credit by the Shapley value: what a channel adds, averaged over every order in which the channels could have come.

    φ(c) = Σ over S without c of |S|! (n − |S| − 1)! / n! · (v(S ∪ c) − v(S)).

What a coalition S of channels is worth can be told in two ways.

`conversions` (the one shown): v(S) = conversions on paths that use no channel outside S. This is the game of Zhao,
Mahboobi and Bagheri, "Shapley value methods for attribution modeling in online advertising" (2018, arXiv:1804.05327),
who show what follows from it: every path shares its conversions equally among its different channels. It is exact for
any number of channels, never negative, gives nothing to a channel that is on no path that converted, and does not look
at paths that ended in nothing. How often and in which order a channel came has no part in it.

`rate`: v(S) = conversions by paths, among the paths that use no channel outside S (0 where there is none), times all
paths, so that v of all channels is again all conversions. A channel whose presence goes with fewer conversions gets
less than nothing, and what it gets says that. Exact by sums over subsets up to 20 channels; beyond that by random orders.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tidings.statistics.credit import Credit, Floats, Integers, Paths, by_weight_parts, shared, sums_by

EXACT_CHANNELS = 20
_PAIRS, _SEED = 2_000, 20_180_415

Worth = Literal["conversions", "rate"]


def shapley(
    paths: Paths, worth: Worth = "conversions", *, pairs: int = _PAIRS, exact: int = EXACT_CHANNELS
) -> Credit:
    """Return the Shapley values of conversions and of what they brought.

    With more than `exact` channels the values of `rate` come from `pairs` random orders and their reverse, the same
    ones every time, and carry their standard error.
    """
    if worth == "conversions":
        return shared(paths, by_weight_parts(paths, np.ones(len(paths.names))))
    if not paths.lengths.size:
        return Credit(np.zeros(len(paths.names)), np.zeros(len(paths.names)))
    # A channel on no path changes no coalition.
    used, steps = np.unique(paths.steps, return_inverse=True)
    found = (
        _exact(paths, steps, used.size) if used.size <= exact else _sampled(paths, steps, used.size, pairs)
    )

    def placed(part: Floats) -> Floats:
        whole = np.zeros(len(paths.names))
        whole[used] = part
        return whole

    error = None if found.error is None else placed(found.error)
    return Credit(placed(found.conversions), placed(found.values), error)


def marginal_values(worths: Floats) -> Floats:
    """Return the Shapley values of a game; `worths` is what each coalition is worth, by its bits, 2ⁿ of them."""
    size = int(worths.size).bit_length() - 1
    if worths.size != 1 << size:
        raise ValueError("a game of n players has 2ⁿ coalitions")
    members = np.bitwise_count(np.arange(worths.size, dtype=np.uint64)).astype(np.int64)
    # One more for the coalition of all, which nobody joins.
    weights = np.array([1.0 / (size * math.comb(size - 1, others)) for others in range(size)] + [0.0])[
        members
    ]
    found = np.zeros(size)
    for player in range(size):
        without, together = _halves(worths, player)
        weight, _ = _halves(weights, player)
        found[player] = float((weight * (together - without)).sum())
    return found


def subset_sums(values: Floats) -> Floats:
    """Return for every set of bits the sum over all its subsets, by n passes over 2ⁿ values."""
    sums: Floats = values.copy()
    for player in range(int(values.size).bit_length() - 1):
        without, together = _halves(sums, player)
        together += without
    return sums


def _halves(values: Floats, player: int) -> tuple[Floats, Floats]:
    """Return views on the coalitions without a player and on the same ones with it."""
    blocks = values.reshape(-1, 2, 1 << player)
    return blocks[:, 0, :], blocks[:, 1, :]


def _exact(paths: Paths, steps: Integers, size: int) -> Credit:
    sets = np.bitwise_or.reduceat(np.int64(1) << steps, paths.starts[:-1])
    every = paths.conversions + paths.nulls
    counted, won, brought = (
        subset_sums(sums_by(sets, one, 1 << size)) for one in (every, paths.conversions, paths.values)
    )
    scale = np.divide(every.sum(), counted, out=np.zeros(counted.size), where=counted > 0)
    return Credit(marginal_values(won * scale), marginal_values(brought * scale))


def _sampled(paths: Paths, steps: Integers, size: int, pairs: int) -> Credit:
    """Let the channels come in random orders; a path counts from the moment on at which its last channel is there."""
    if pairs < 2:
        raise ValueError("an error needs two pairs of orders")
    random = np.random.default_rng(_SEED)
    owner = np.repeat(np.arange(paths.lengths.size), paths.lengths)
    members = np.unique(owner * size + steps)
    codes = members % size
    heads = np.flatnonzero(np.diff(members // size, prepend=-1))
    every = paths.conversions + paths.nulls
    whole = float(every.sum())
    won, brought, squares = np.zeros(size), np.zeros(size), np.zeros(size)
    for _ in range(pairs):
        order = random.permutation(size)
        pair = np.zeros((2, size))
        for arrival in (order, order[::-1]):
            place = np.empty(size, dtype=np.int64)
            place[arrival] = np.arange(size)
            complete = np.maximum.reduceat(place[codes], heads)
            counted = np.cumsum(sums_by(complete, every, size))
            scale = np.divide(whole, counted, out=np.zeros(size), where=counted > 0)
            for row, amounts in enumerate((paths.conversions, paths.values)):
                worth = np.cumsum(sums_by(complete, amounts, size)) * scale
                pair[row, arrival] += np.diff(worth, prepend=0.0) / 2
        won += pair[0]
        brought += pair[1]
        squares += pair[0] ** 2
    mean = won / pairs
    spread = np.maximum(squares / pairs - mean**2, 0.0) * pairs / (pairs - 1)
    return Credit(mean, brought / pairs, np.sqrt(spread / pairs))
