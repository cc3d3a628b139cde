"""Purchases added up for each customer, in integers, and money as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from tidings.definitions.money import exponent, format_money, from_minor
from tidings.measurement.movement.purchases import Integers, Purchases, Truths


@dataclass(frozen=True, slots=True)
class Money:
    """The currency that amounts are in ("" where they cannot be added up), and whether margins are known."""

    currency: str
    margin: bool

    def major(self, minor: int) -> float | None:
        """Return minor units as major ones."""
        return float(from_minor(minor, self.currency)) if self.currency else None

    def each(self, minor: int, of: int) -> float | None:
        """Return the average in major units, None over nobody."""
        return None if not self.currency or not of else float(self._average(minor, of))

    def say(self, minor: int) -> str:
        """Return an amount as people read it."""
        return format_money(minor, self.currency) if self.currency else "–"

    def say_each(self, minor: int, of: int) -> str:
        """Return an average as people read it; a dash over nobody."""
        if not self.currency or not of:
            return "–"
        return f"{self._average(minor, of):,} {self.currency}"

    def _average(self, minor: int, of: int) -> Decimal:
        places = exponent(self.currency)
        return (from_minor(minor, self.currency) / of).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Each:
    """What each customer bought: orders, value and margin net of returns, in minor units."""

    orders: Integers
    value: Integers
    margin: Integers


def share(part: int, whole: int) -> float | None:
    """Return a part of a whole, None of nothing."""
    return part / whole if whole else None


def each_of(purchases: Purchases, customers: Integers, during: Truths) -> Each:
    """Return the sums of purchases for each of `customers`, who are sorted; what is of others is left out."""
    size = customers.size
    if not size:
        nothing = np.zeros(0, dtype=np.int64)
        return Each(nothing, nothing, nothing)
    place = np.searchsorted(customers, purchases.customer[during])
    place[place == size] = 0
    ours = customers[place] == purchases.customer[during]

    def added(values: Integers) -> Integers:
        found = np.zeros(size, dtype=np.int64)
        np.add.at(found, place[ours], values[during][ours])
        return found

    return Each(added(purchases.placed.astype(np.int64)), added(purchases.amount), added(purchases.margin))
