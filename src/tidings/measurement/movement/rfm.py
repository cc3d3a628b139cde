"""Recency, frequency, money: everybody who ever ordered, in fifths.

Recency is the days since the last order, frequency how many orders, money what all of them brought net of returns, up to the end
of the time looked at. A fifth goes by the middle of those who are equal: of n customers, somebody with s below and e − 1 equal to
them stands in fifth 1 + ⌊5 (s + e / 2) / n⌋. So equal values always stand in the same fifth, and a fifth may be empty.
5 is the best: the latest, the most, the highest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from tidings.clock import from_micros, local_day
from tidings.measurement.movement.purchases import Integers, Purchases
from tidings.measurement.movement.span import Span
from tidings.measurement.movement.sums import Money
from tidings.segments.days import first_micros

FIFTHS = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """The customers in one fifth of recency and one of frequency, and what they brought in all."""

    recency: int
    frequency: int
    customers: int
    value: int


@dataclass(frozen=True, slots=True)
class Rfm:
    """The grid, best recency first, and what each fifth means: the days, orders and minor units from … to in it.

    `ranges` are by "recency", "frequency" and "money", None for an empty fifth. `scores` counts the customers of each of
    the 125 combinations that somebody has, as "543".
    """

    customers: int
    cells: tuple[Cell, ...]
    ranges: dict[str, tuple[tuple[int, int] | None, ...]]
    scores: dict[str, int]
    words: tuple[str, ...]

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the grid with stable keys."""
        major = money.major
        shown: dict[str, list[list[Any] | None]] = {
            name: [None if one is None else list(one) for one in ranges]
            for name, ranges in self.ranges.items()
        }
        shown["money"] = [
            None if one is None else [major(one[0]), major(one[1])] for one in self.ranges.get("money", ())
        ]
        return {
            "customers": self.customers,
            "grid": [
                {
                    "recency": one.recency,
                    "frequency": one.frequency,
                    "customers": one.customers,
                    "value": major(one.value),
                    "value_per_customer": money.each(one.value, one.customers),
                }
                for one in self.cells
            ],
            "fifths": shown,
            "scores": self.scores,
            "words": list(self.words),
        }


def fifths(values: Integers) -> Integers:
    """Return the fifth, 1 … 5, in which each value stands; the highest values in 5."""
    _, place, equal = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(equal)
    # 5 (s + e / 2) / n in whole numbers: so many below and so many up to them are 2 s + e.
    of_each = np.minimum(1 + FIFTHS * (2 * upto - equal) // (2 * max(values.size, 1)), FIFTHS)
    found: Integers = of_each[place.reshape(-1)]
    return found


def rfm(purchases: Purchases, span: Span) -> Rfm:
    """Return the grid at the end of a time."""
    upto = purchases.at < span.closes
    orders = upto & purchases.placed
    owner, at = purchases.customer[orders], purchases.at[orders]
    if not owner.size:
        return Rfm(0, (), {}, {}, ("Nobody who is known ever ordered, so there is nobody to put in order.",))
    # Sorted by customer and time: each customer is a run, and the last of it the latest.
    ends = np.flatnonzero(np.append(owner[1:] != owner[:-1], True))
    customers, last = owner[ends], at[ends]
    number = np.diff(ends, prepend=-1)
    value = np.zeros(customers.size, dtype=np.int64)
    spot = np.searchsorted(customers, purchases.customer[upto])
    spot[spot == customers.size] = 0
    ours = customers[spot] == purchases.customer[upto]
    np.add.at(value, spot[ours], purchases.amount[upto][ours])
    days = _days_since(last, span)
    recent, often, money = fifths(-days), fifths(number), fifths(value)
    cells = tuple(
        Cell(r, f, int(((recent == r) & (often == f)).sum()), int(value[(recent == r) & (often == f)].sum()))
        for r in range(FIFTHS, 0, -1)
        for f in range(1, FIFTHS + 1)
    )
    names, counts = np.unique(recent * 100 + often * 10 + money, return_counts=True)
    return Rfm(
        int(customers.size),
        cells,
        {
            "recency": _ranges(recent, days),
            "frequency": _ranges(often, number),
            "money": _ranges(money, value) if purchases.currency else (),
        },
        {str(name): int(count) for name, count in zip(names, counts, strict=True)},
        tuple(_words(days, number, value, purchases.currency)),
    )


def _days_since(last: Integers, span: Span) -> Integers:
    """Return the whole days on the workspace clock from an order to the end of the time."""
    end = local_day(span.end, span.zone).toordinal()
    # The midnights of a clock are few beside the orders: each order finds its own among them.
    first = local_day(from_micros(int(last.min())), span.zone).toordinal()
    midnights = np.array([first_micros(date.fromordinal(one), span.zone) for one in range(first, end + 1)])
    found = np.searchsorted(midnights, last, side="right") - 1
    return (end - first - found).astype(np.int64)


def _ranges(fifth: Integers, values: Integers) -> tuple[tuple[int, int] | None, ...]:
    found: list[tuple[int, int] | None] = []
    for one in range(1, FIFTHS + 1):
        these = values[fifth == one]
        found.append((int(these.min()), int(these.max())) if these.size else None)
    return tuple(found)


def _words(days: Integers, number: Integers, value: Integers, currency: str) -> list[str]:
    said = []
    if days.size == 1:
        return ["Only one customer ever ordered, so there is nobody to compare with."]
    for values, what in ((days, "ordered last on the same day"), (number, "ordered equally often")):
        if (values == values[0]).all():
            said.append(f"All {values.size:,} {what}: that tells nobody from another.")
    if currency and (value == value[0]).all():
        said.append(f"All {value.size:,} brought exactly the same: money tells nobody from another.")
    return said
