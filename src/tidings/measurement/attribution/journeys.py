"""Which touches come before which conversion, for all customers at once.

The touches of each customer are sorted by time, so those of a conversion are a stretch, whose ends are found for all
conversions by the same bisection. What lies outside the window of its own channel and kind is left out. Of several
touches by one message the strongest counts, once: redeemed before replied, clicked, opened and sent, the last of its kind.
A code is redeemed at the very instant of the order that names it, and counts for that order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidings.measurement.attribution.facts import Facts
from tidings.measurement.attribution.rule import Rule
from tidings.statistics.credit import Floats, Integers, Paths

_STRENGTH = {"sent": 1, "opened": 2, "clicked": 3, "replied": 4, "redeemed": 5}


@dataclass(frozen=True, slots=True)
class Journeys:
    """The touches that count: pairs (`owner`, `touch`) in the order of owners and time, and the ages of each.

    The first `conversions` owners are conversions, in the order of the facts; the others are customers who had touches and
    no conversion. Owners without touches have no pair.
    """

    facts: Facts
    conversions: int
    owners: int
    owner: Integers
    touch: Integers
    age: Floats

    @property
    def attributed(self) -> Integers:
        """Return the conversions that have a touch, ascending."""
        found = np.unique(self.owner)
        return found[found < self.conversions]

    def paths(
        self, labels: tuple[str, ...], code_of: Integers, values: Floats, sales: int | None = None
    ) -> Paths:
        """Return the paths over `labels`; `code_of` is the label of each kind of touch, `values` those of all conversions.

        With `sales` only conversions through that sales channel are some; a path that ended through another one did not
        end in that.
        """
        heads = np.flatnonzero(np.diff(self.owner, prepend=-1))
        whose = self.owner[heads]
        converted = whose < self.conversions
        place = np.minimum(whose, max(self.conversions - 1, 0))
        if sales is not None and self.conversions:
            converted &= self.facts.sales[place] == sales
        brought = np.where(converted, values[place], 0.0) if self.conversions else np.zeros(whose.size)
        return Paths(
            labels,
            code_of[self.facts.kind[self.touch]],
            np.append(heads, self.owner.size),
            converted.astype(np.float64),
            brought,
            (~converted).astype(np.float64),
        )


def find_journeys(facts: Facts, rule: Rule, *, opens: int, closes: int, scale: float = 1.0) -> Journeys:
    """Return the journeys of the conversions, and of those who had touches in [opens, closes) and did not convert.

    `scale` stretches every window.
    """
    windows = np.array([rule.window(one.channel, one.kind) for one in facts.kinds], dtype=np.int64)
    windows = np.where(windows < 0, -1, (windows * scale).astype(np.int64))
    counts = windows[facts.kind] >= 0 if facts.kinds else np.zeros(0, dtype=bool)
    won_by, won, ages = _before(facts, windows, counts)
    lost_by, lost = _without(facts, counts, opens, closes)
    total = facts.event.size
    owner = np.concatenate([won_by, total + lost_by])
    touch = np.concatenate([won, lost])
    age = np.concatenate([ages, closes - facts.at[lost]]).astype(np.float64)
    kept = _strongest(facts, owner, touch)
    people = int(lost_by.max()) + 1 if lost_by.size else 0
    return Journeys(facts, total, total + people, owner[kept], touch[kept], age[kept])


def _before(facts: Facts, windows: Integers, counts: np.ndarray) -> tuple[Integers, Integers, Integers]:
    """Return the pairs of conversion and touch within its window, and the ages."""
    known, firsts = np.unique(facts.customer, return_index=True)
    edges = np.append(firsts, facts.customer.size)
    if not known.size:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    place = np.minimum(np.searchsorted(known, facts.buyer), known.size - 1)
    met = known[place] == facts.buyer
    low = np.where(met, edges[place], 0)
    high = np.where(met, edges[place + 1], 0)
    # An order and the code it was paid with have one instant; all else has to come before.
    until = _bisect(facts.at, low, high, facts.bought_at + 1)
    since = _bisect(facts.at, low, until, facts.bought_at - int(windows.max(initial=0)))
    lengths = until - since
    owner = np.repeat(np.arange(lengths.size), lengths)
    touch = np.arange(owner.size) + np.repeat(since - (np.cumsum(lengths) - lengths), lengths)
    age = facts.bought_at[owner] - facts.at[touch]
    redeemed = np.array([one.kind == "redeemed" for one in facts.kinds], dtype=bool)
    kind = facts.kind[touch]
    kept = counts[touch] & (age <= windows[kind]) & ((age > 0) | redeemed[kind])
    return owner[kept], touch[kept], age[kept]


def _without(facts: Facts, counts: np.ndarray, opens: int, closes: int) -> tuple[Integers, Integers]:
    """Return the pairs of customer (numbered from 0) and touch in the period, of those who did not convert."""
    kept = counts & (facts.at >= opens) & (facts.at < closes) & ~np.isin(facts.customer, facts.buyer)
    touch = np.flatnonzero(kept)
    _, owner = np.unique(facts.customer[touch], return_inverse=True)
    return owner.astype(np.int64), touch


def _strongest(facts: Facts, owner: Integers, touch: Integers) -> Integers:
    """Return the places of the pairs that stay when each message counts once for an owner."""
    message = facts.message[touch]
    ours = np.flatnonzero(message > 0)
    if not ours.size:
        return np.arange(touch.size)
    strength = np.array([_STRENGTH.get(one.kind, 0) for one in facts.kinds])[facts.kind[touch[ours]]]
    order = ours[np.lexsort((ours, strength, message[ours], owner[ours]))]
    # The last of each owner and message is the strongest, and of equally strong ones the latest.
    differs = np.ones(order.size, dtype=bool)
    differs[:-1] = (owner[order][1:] != owner[order][:-1]) | (message[order][1:] != message[order][:-1])
    kept = message == 0
    kept[order[differs]] = True
    return np.flatnonzero(kept)


def _bisect(values: Integers, low: Integers, high: Integers, wanted: Integers) -> Integers:
    """Return for each stretch [low, high) of sorted values the first place that is not below what is wanted."""
    low, high = low.copy(), high.copy()
    while (still := np.flatnonzero(low < high)).size:
        middle = (low[still] + high[still]) // 2
        below = values[middle] < wanted[still]
        low[still[below]] = middle[below] + 1
        high[still[~below]] = middle[~below]
    return low
