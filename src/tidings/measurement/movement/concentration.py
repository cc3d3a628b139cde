"""How much of the revenue the best customers bring: the 80/20 curve.

Customers who ordered or returned in the time are put in order by what they brought, net, the highest first. A part of them is
rounded up, so that the best 20 % of 4,372 are 875. Of equal values the customer known longer comes first: which of them
falls inside the line changes who is named, and no share. Who sent back more than they bought stands at the end with less
than nothing, so that the curve ends at all of the net revenue; for the Gini coefficient (0 all alike, 1 one brings all)
they count as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidings.measurement.movement.purchases import Integers, Purchases, Truths
from tidings.measurement.movement.sums import Money

SHOWN = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Concentration:
    """The curve over `customers` who brought `total` minor units: the share of the total that each part of them brings.

    `points` are (part of customers, how many they are, share of the total), `curve` the same at every hundredth. `for_80` is the fewest
    customers who bring 80 %. All shares are None, and `reason` says why, where there is nothing to share.
    """

    customers: int
    total: int
    points: tuple[tuple[float, int, float], ...] = ()
    curve: tuple[tuple[float, float], ...] = ()
    top_fifth: float | None = None
    for_80: int | None = None
    gini: float | None = None
    reason: str = ""

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the curve with stable keys; shares 0 … 1."""
        return {
            "customers": self.customers,
            "value": money.major(self.total),
            "top_20_share": self.top_fifth,
            "customers_for_80": self.for_80,
            "gini": self.gini,
            "points": [
                {"part": part, "customers": number, "share": share} for part, number, share in self.points
            ],
            "curve": [list(one) for one in self.curve],
            "reason": self.reason or None,
        }


def values_of(purchases: Purchases, during: Truths) -> tuple[Integers, Integers]:
    """Return the customers with a purchase or return in a time, the highest value first, and their values."""
    customers, place = np.unique(purchases.customer[during], return_inverse=True)
    values = np.zeros(customers.size, dtype=np.int64)
    np.add.at(values, place, purchases.amount[during])
    order = np.argsort(-values, kind="stable")
    return customers[order], values[order]


def concentration(purchases: Purchases, during: Truths, when: str) -> Concentration:
    """Return the curve of a time; `when` names it in sentences."""
    _, values = values_of(purchases, during)
    count, total = int(values.size), int(values.sum())
    if not count:
        return Concentration(0, 0, reason=f"Nobody who is known bought anything {when}.")
    if not purchases.currency:
        return Concentration(count, 0, reason="Without one currency nobody can be put in order by value.")
    if total <= 0:
        return Concentration(
            count, total, reason=f"What came back {when} is worth as much as what was bought or more."
        )
    summed = np.cumsum(values)

    def at(part: float) -> tuple[int, float]:
        # Of 5 % of 100 customers a float makes a hair more than 5.
        number = int(np.ceil(round(part * count, 6)))
        return number, float(summed[number - 1] / total) if number else 0.0

    floored = np.maximum(values, 0)[::-1].astype(np.float64)
    rank = np.arange(1, count + 1)
    gini = float((2 * (rank * floored).sum()) / (count * floored.sum()) - (count + 1) / count)
    alike = bool((values == values[0]).all())
    return Concentration(
        count,
        total,
        points=tuple((part, *at(part)) for part in SHOWN),
        curve=tuple((step / 100, at(step / 100)[1]) for step in range(101)),
        top_fifth=at(0.2)[1],
        # In whole numbers: a float could miss the customer with whom it is just reached.
        for_80=int(np.argmax(summed * 5 >= total * 4)) + 1,
        gini=max(gini, 0.0),
        reason=_alike(count, when) if alike else "",
    )


def _alike(count: int, when: str) -> str:
    if count == 1:
        return f"Only one customer bought {when}, so there is nobody to compare with."
    return f"All {count:,} brought exactly the same {when}: no part of them brings more than its share."
