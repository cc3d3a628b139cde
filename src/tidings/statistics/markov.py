"""Credit by an absorbing Markov chain of any order: what would be lost if a channel led nowhere.

The states of a chain of order k are the last k channels of a path (fewer at its beginning), and the chain runs from a
start to `conversion` or to `nothing` with the transitions that the paths show:

    p(s → t) = paths going from s to t / paths leaving s.

With Q the transitions between states and r those into a conversion, v = (I − Q)⁻¹ r is the chance of a conversion from each
state, and v at the start is exactly conversions by paths. The removal effect of a channel c is

    R(c) = 1 − w(start) / v(start),    w = (I − Q′)⁻¹ r′,

with the rows of every state that holds c set to zero in Q′ and r′, which sends it to `nothing`. Its credit is
R(c) / Σ R times the conversions. What conversions bring is credited by effects of its own: r then holds not the chance of a
conversion after a state but what a path brings there, so that v is what a path is worth. Order 1 and the idea of higher orders are those of Anderl, Becker, von Wangenheim and
Schumann, "Mapping the customer journey", International Journal of Research in Marketing 33 (2016) 457-474,
doi:10.1016/j.ijresmar.2016.03.001; removing a channel goes back to Archak, Mirrokni and Muthukrishnan, "Mining
advertiser-specific user behavior using adfactors", WWW 2010. For k > 1 others average the effects of single states;
here the channel goes with all states that hold it, so that an order asks the same question as order 1 does.

A state that holds c is reached only through one that ends with c, so it is enough to take those out, and they are a
different set for each channel. Repeats of a channel are states as any other; at order 1 they change nothing, because
how long a path stays in a state has no part in where it goes at last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidings.statistics.credit import Credit, Floats, Integers, Paths, sums_by

# From so many states times channels on, one factorisation for each channel costs more than iterating.
_LARGE = 120_000
_EXACTLY = 1e-15
_ROUNDS = 200_000


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of some paths: its chance of a conversion, and the removal effect of each channel (0 … 1).

    `worths` are the effects on what conversions bring; where that is nothing (or less) they are those on conversions.
    `rate` is None without paths; without conversions every effect is 0.
    """

    rate: float | None
    effects: Floats
    worths: Floats
    states: int

    def credit(self, paths: Paths) -> Credit:
        """Return conversions and values of the paths in proportion to the effects."""
        conversions, values = (
            part / part.sum() if part.any() else part for part in (self.effects, self.worths)
        )
        return Credit(conversions * paths.total, values * float(paths.values.sum()))


def chain(paths: Paths, order: int = 1) -> Chain:
    """Return the chain of an order (1 or more) with exact removal effects.

    Raises ValueError for an order below 1, or one at which the states of so many channels are beyond 64 bits.
    """
    if order < 1:
        raise ValueError("the order of a chain is 1 or more")
    size = len(paths.names)
    if (size + 1) ** order > 2**62:
        raise ValueError(f"a chain of order {order} over {size} channels has too many states")
    rate = paths.rate
    if not rate:
        return Chain(rate, np.zeros(size), np.zeros(size), 0)
    ends, index = _states(paths, order)
    moves, wins = _transitions(paths, index, ends.size)
    if order == 1:
        whole, without = _by_one_factorisation(moves, wins, ends, size)
    elif ends.size * size <= _LARGE:
        whole, without = _by_factorisations(moves, wins, ends, size)
    else:
        whole, without = _by_iteration(moves, wins, ends, size)
    effects = np.clip(1.0 - without / whole, 0.0, 1.0)
    # What rounding leaves of an effect that is nothing is nothing.
    effects[effects < _EXACTLY * 16] = 0.0
    return Chain(float(whole[0]), effects[:, 0], effects[:, 1], int(ends.size))


def _states(paths: Paths, order: int) -> tuple[Integers, Integers]:
    """Return the last channel of each state that occurs, and the state of each step."""
    width = len(paths.names) + 1
    codes = paths.steps.copy()
    if order == 1:
        return np.arange(len(paths.names)), codes
    codes += 1
    place = np.arange(codes.size) - np.repeat(paths.starts[:-1], paths.lengths)
    for back in range(1, order):
        deep = np.flatnonzero(place >= back)
        codes[deep] += (paths.steps[deep - back] + 1) * width**back
    states, index = np.unique(codes, return_inverse=True)
    return states % width - 1, index.astype(np.int64)


def _transitions(paths: Paths, index: Integers, states: int) -> tuple[Any, Floats]:
    """Return Q with the start as its last row, and r: for conversions and for what they bring, which is scaled to as much."""
    from scipy import sparse

    ended = paths.conversions + paths.nulls
    weights = np.repeat(ended, paths.lengths)
    before = np.empty_like(index)
    before[1:] = index[:-1]
    before[paths.starts[:-1]] = states
    if states * states <= 4 * index.size + 1_000_000:
        # Few states and many steps: counting into a dense square is several times faster than sorting pairs.
        square = np.bincount(before * states + index, weights, minlength=(states + 1) * states)
        counts = sparse.csr_array(square.reshape(states + 1, states))
    else:
        counts = sparse.coo_array((weights, (before, index)), shape=(states + 1, states)).tocsr()
    final = index[paths.starts[1:] - 1]
    leaving = np.asarray(counts.sum(axis=1)).ravel() + sums_by(final, ended, states + 1)
    brought = float(paths.values.sum())
    worths = paths.values * (paths.total / brought) if brought > 0 else paths.conversions
    wins = np.column_stack([sums_by(final, one, states + 1) for one in (paths.conversions, worths)])
    # A channel on no path, or on paths that count for nothing, is left for nowhere.
    share = np.divide(1.0, leaving, out=np.zeros(states + 1), where=leaving > 0)
    return sparse.diags_array(share) @ counts, share[:, None] * wins


def _factorised(moves: Any) -> Any:
    from scipy import sparse
    from scipy.sparse import linalg

    return linalg.splu((sparse.eye_array(moves.shape[1], format="csr") - moves).tocsc())


def _by_one_factorisation(moves: Any, wins: Floats, ends: Integers, size: int) -> tuple[Floats, Floats]:
    """Solve order 1 with one factorisation: who never meets c are all, less those who meet it first, from there on.

    With N = (I − Q)⁻¹ the chance to meet c at all is N(start, c) / N(c, c), and from c on it is v(c).
    """
    begin = moves[[size], :].toarray().ravel()
    lu = _factorised(moves[:size, :])
    chances = lu.solve(wins[:size])
    visits = lu.solve(begin, trans="T")
    own = lu.solve(np.eye(size)).diagonal()
    whole: Floats = begin @ chances
    return whole, whole - (visits / own)[:, None] * chances


def _by_factorisations(moves: Any, wins: Floats, ends: Integers, size: int) -> tuple[Floats, Floats]:
    """Solve the reduced system of each channel by sparse LU."""
    states = ends.size
    begin = moves[[states], :].toarray().ravel()
    inner = moves[:states, :].tocsr()
    without = np.zeros((size, 2))
    for channel in range(size):
        kept = np.flatnonzero(ends != channel)
        if kept.size:
            solved = _factorised(inner[kept, :][:, kept]).solve(wins[kept])
            without[channel] = begin[kept] @ solved
    whole: Floats = begin @ _factorised(inner).solve(wins[:states])
    return whole, without


def _by_iteration(moves: Any, wins: Floats, ends: Integers, size: int) -> tuple[Floats, Floats]:
    """Solve all reduced systems side by side by w ← Q′w + r′ from zero, which climbs to the solution.

    What is still missing anywhere is at most the chance of not having ended yet, which is carried along as one more
    column: the result is as exact as a float can say, or there is none. Raises ArithmeticError for paths so long that it
    would take for ever.
    """
    states = ends.size
    inner, last = moves[:states, :].tocsr(), moves[[states], :]
    # Columns: without each channel and with nothing taken out, for conversions, then for what they bring; still under way.
    kept = np.hstack([ends[:, None] != np.arange(size), np.ones((states, 1), dtype=bool)])
    kept = np.hstack([kept, kept, np.ones((states, 1), dtype=bool)])
    gains = np.hstack([np.repeat(wins[:states], size + 1, axis=1), np.zeros((states, 1))])
    gain = np.where(kept, gains, 0.0)
    now = np.zeros(kept.shape)
    now[:, -1] = 1.0
    limit = _EXACTLY / max(float(wins.max()), 1.0)
    for _ in range(_ROUNDS):
        now = np.where(kept, inner @ now, 0.0) + gain
        if now[:, -1].max() < limit:
            found = (last @ now).ravel()[:-1].reshape(2, size + 1).T
            return found[size], found[:size]
    raise ArithmeticError("paths so long that the chain hardly ever ends")
