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

import hashlib
import math
from typing import Literal

import numpy as np

from tidings.statistics.credit import Credit, Floats, Integers, Paths, by_weight_parts, shared, sums_by

EXACT_CHANNELS = 20
_PAIRS = 2_000
# Channels on paths times orders that are looked at together: what fits into the cache of a processor.
_AT_ONCE = 50_000

Worth = Literal["conversions", "rate"]


def shapley(
    paths: Paths, worth: Worth = "conversions", *, pairs: int = _PAIRS, exact: int = EXACT_CHANNELS
) -> Credit:
    """Return the Shapley values of conversions and of what they brought.

    With more than `exact` channels the values of `rate` come from `pairs` random orders and their reverse, and carry
    their standard error: the spread of the means of the pairs, by which they differ from the values by every order. It
    says nothing about the chance by which these paths came about. The orders follow from the paths: the same paths give
    the same answer, other paths get other orders. One set of orders for everybody would be off in the same direction
    for many data sets, and 1.96 errors would then hold for more or fewer of them than 95 of 100.
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
    owner = np.repeat(np.arange(paths.lengths.size), paths.lengths)
    members = np.unique(owner * size + steps)
    codes = members % size
    heads = np.flatnonzero(np.diff(members // size, prepend=-1))
    every = paths.conversions + paths.nulls
    random = np.random.default_rng(_seed(codes, heads, (every, paths.conversions, paths.values), size))
    done, mean, brought, squares = 0, np.zeros(size), np.zeros(size), np.zeros(size)
    while done < pairs:
        count = min(max(_AT_ONCE // codes.size, 1), pairs - done)
        orders = random.permuted(np.tile(np.arange(size), (count, 1)), axis=1)
        place = np.argsort(np.concatenate([orders, orders[:, ::-1]]), axis=1)
        complete = np.maximum.reduceat(place[:, codes], heads, axis=1)
        # One bincount for all orders: each has places of its own.
        complete += np.arange(2 * count)[:, None] * size
        counted = _so_far(complete, every, size)
        scale = np.divide(every.sum(), counted, out=np.zeros(counted.shape), where=counted > 0)
        won, gained = (
            np.take_along_axis(
                np.diff(_so_far(complete, amounts, size) * scale, axis=1, prepend=0.0), place, axis=1
            )
            .reshape(2, count, size)
            .mean(axis=0)
            for amounts in (paths.conversions, paths.values)
        )
        # Sums of squares around the mean, joined without losing digits (Chan, Golub and LeVeque 1983).
        off = won.mean(axis=0) - mean
        squares += ((won - won.mean(axis=0)) ** 2).sum(axis=0) + off**2 * done * count / (done + count)
        mean += off * count / (done + count)
        brought += gained.sum(axis=0) / pairs
        done += count
    return Credit(mean, brought, np.sqrt(squares / (pairs - 1) / pairs))


def _so_far(complete: Integers, amounts: Floats, size: int) -> Floats:
    """Return for each order (a row) what the paths sum up to that are complete when so many channels have come."""
    rows = complete.shape[0]
    found = np.bincount(
        complete.ravel(), weights=np.broadcast_to(amounts, complete.shape).ravel(), minlength=rows * size
    )
    return np.cumsum(found.reshape(rows, size), axis=1)


def _seed(codes: Integers, heads: Integers, amounts: tuple[Floats, ...], size: int) -> int:
    """Return a number that is the same for the same paths, in whatever order they stand, and another one for others.

    It comes from what the paths of each channel sum up to, in thousandths, so that rounding of sums does not matter.
    """
    uses = np.diff(heads, append=codes.size)
    sums = np.stack([sums_by(codes, np.repeat(one, uses), size) for one in amounts])
    text = np.rint(sums * 1_000).astype("<i8").tobytes()
    return int.from_bytes(hashlib.sha256(text).digest(), "little")
