"""One order is one event with items, however many exports it came in."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

_SIX_PLACES = Decimal("0.000001")


class Line(NamedTuple):
    """One line of an order. `price` is one piece in minor units; `value` quantity times price exactly, in major units."""

    item: str
    name: str | None
    quantity: Decimal
    price: int
    value: Decimal


class EventItem(NamedTuple):
    """One event as the file tells it. `amount` is in minor units of `currency`; `key` identifies it within its source.

    `visitor` is what the web site calls somebody, or the mark of one known by something else, where there is no customer.
    """

    name: str
    customer: str | None
    at: int
    key: str
    amount: int | None
    currency: str | None
    properties: dict[str, object]
    lines: tuple[Line, ...] = ()
    visitor: str | None = None


Sold = tuple[str, Decimal, int]


def sold(item: str, quantity: Decimal | float, price: int) -> Sold:
    """Return what makes two lines the same: item, quantity to six places and price. The name may be reworded."""
    return item, Decimal(quantity).quantize(_SIX_PLACES), price


def new_lines(stored: Counter[Sold], told: list[Line]) -> list[Line] | None:
    """Return the lines to add to a stored order; empty when it has them all, None when the two contradict each other.

    An export may hold only a part of an order: its first lines, its last lines, or more than were known. Each
    line counts as often as in the fuller of the two. Where both have an item that the other tells otherwise
    (another quantity or price), nothing is merged: it would count a corrected line twice.
    """
    coming = Counter(sold(line.item, line.quantity, line.price) for line in told)
    only_stored, only_told = stored - coming, coming - stored
    if only_stored and {item for item, _, _ in only_stored} & {item for item, _, _ in only_told}:
        return None
    added = []
    for line in told:
        what = sold(line.item, line.quantity, line.price)
        if only_told[what] > 0:
            only_told[what] -= 1
            added.append(line)
    return added
