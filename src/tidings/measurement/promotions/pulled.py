"""Orders that were only moved: what is missing in the weeks after the window, and what is left when it is counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidings.clock import iso
from tidings.measurement.effects import Effect
from tidings.measurement.promotions.earned import told


@dataclass(frozen=True, slots=True)
class Pulled:
    """The `days` after the window, for all treated together against the holdout.

    `orders` and `money` are effects in those days alone, `net_orders` and `net` from the anchor until their end: window and
    days together. `money` is margin where one is declared, else revenue. `known_on` is the instant at which the time is
    over for everybody; where it is not over for enough customers to compare, there are no effects. Effects are those of
    the `customers` for whom it is over.
    """

    days: int
    known_on: datetime
    customers: int = 0
    held_out: int = 0
    orders: Effect | None = None
    money: Effect | None = None
    net_orders: Effect | None = None
    net: Effect | None = None

    @property
    def moved(self) -> bool:
        """Tell whether orders are shown to be missing afterwards."""
        return (
            self.orders is not None and self.orders.difference.shown and self.orders.difference.estimate < 0
        )

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "days": self.days,
            "known": self.orders is not None,
            "known_on": iso(self.known_on),
            "customers": self.customers,
            "held_out": self.held_out,
            "orders": told(self.orders),
            "money": told(self.money),
            "net_orders": told(self.net_orders),
            "net_money": told(self.net),
            "moved": self.moved,
        }
