"""Movement and sales by sales channel: shop, dealer, web.

A customer belongs to the sales channel of the latest purchase up to the end of the time, so that everybody stands in exactly one and the
movement of each balances as that of all does. What was bought counts with the channel of the order itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidings.measurement.attribution.answer import NOT_SAID
from tidings.measurement.movement.ladder import Standing
from tidings.measurement.movement.moves import Moves, moves_of
from tidings.measurement.movement.purchases import Integers, Purchases
from tidings.measurement.movement.sums import Money

NO_PURCHASE = "no purchase"


@dataclass(frozen=True, slots=True)
class SalesChannel:
    """A sales channel: the movement of its customers, and who bought how much through it in the time, net of returns."""

    name: str
    moves: Moves
    customers: int
    orders: int
    value: int

    def as_json(self, money: Money) -> dict[str, Any]:
        """Return the channel with stable keys."""
        moves = self.moves.as_json(money)
        return {
            "sales_channel": self.name,
            "customers": self.customers,
            "orders": self.orders,
            "value": money.major(self.value),
            "value_per_order": money.each(self.value, self.orders),
            "movement": {key: moves[key] for key in moves if key not in ("matrix", "known", "steps")},
        }


def by_sales(
    standing: Standing, purchases: Purchases, *, opens: int, closes: int, earlier: int
) -> tuple[SalesChannel, ...]:
    """Return every sales channel that has customers or orders, the one with the most revenue first."""
    of = _channel_of(standing.customer, purchases, closes)
    during = purchases.during(opens, closes)
    found = []
    for place, name in [(-1, NO_PURCHASE), *enumerate(purchases.channels)]:
        moves = moves_of(standing, purchases, opens=opens, closes=closes, earlier=earlier, these=of == place)
        rows = during & (purchases.sales == place)
        if not (moves.start or moves.end or rows.any()):
            continue
        found.append(
            SalesChannel(
                name or NOT_SAID,
                moves,
                customers=int(np.unique(purchases.customer[rows & purchases.placed]).size),
                orders=int(purchases.placed[rows].sum()),
                value=int(purchases.amount[rows].sum()),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.value, -one.orders, one.name)))


def _channel_of(customers: Integers, purchases: Purchases, closes: int) -> Integers:
    """Return for each customer the place of the channel of the latest purchase, −1 for who never bought."""
    found = np.full(customers.size, -1, dtype=np.int64)
    placed = np.flatnonzero(purchases.placed & (purchases.at < closes))
    if not placed.size or not customers.size:
        return found
    owner = purchases.customer[placed]
    last = placed[np.append(owner[1:] != owner[:-1], True)]
    place = np.searchsorted(customers, purchases.customer[last])
    place[place == customers.size] = 0
    ours = customers[place] == purchases.customer[last]
    found[place[ours]] = purchases.sales[last[ours]]
    return found
