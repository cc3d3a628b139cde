"""One order is one event with items, however many exports it came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa

from tidings.customers.cells import CellError
from tidings.definitions.money import to_minor
from tidings.store.batches import insert_rows
from tidings.store.tables import people

# In signs. Exports have codes for items; a name is a line of a catalogue.
LONGEST_ITEM, LONGEST_NAME = 200, 500
# The store counts millionths of a piece, in 64 bits.
_MOST_PIECES = 10**9
_MOST_MONEY = 10**15
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


def line_of(
    item: str, name: str | None, quantity: Decimal, price: Decimal, currency: str, *, returned: bool
) -> Line:
    """Return a line of an order as a file or a shop's server tells it; `price` is one piece in major units of `currency`.

    What came back (`returned`) is told as a positive quantity: the event's name says that it came back. Raises
    CellError for what the store cannot count.
    """
    pieces = abs(quantity) if returned else quantity
    minor = to_minor(price, currency)
    if abs(pieces) > _MOST_PIECES:
        raise CellError("quantity too large", f"{quantity:f} pieces are too many; at most {_MOST_PIECES:,}")
    if abs(minor) > _MOST_MONEY or abs(to_minor(value := pieces * price, currency)) > _MOST_MONEY:
        raise CellError("price too large", f"{quantity:f} pieces at {price:f} {currency} are too much money")
    return Line(item, name, pieces, minor, value)


def amount_of(lines: Sequence[Line], currency: str) -> int:
    """Return what lines come to in minor units: exact until here, rounded once an order, half to even as everywhere."""
    return to_minor(sum((line.value for line in lines), Decimal(0)), currency)


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


def write_lines(connection: sa.Connection, orders: Iterable[tuple[int, int, Sequence[Sequence[Any]]]]) -> int:
    """Write lines of orders given as (event, place of the first of them, lines); return how many.

    Of a line counts what stands first in it: item, name, quantity and price.
    """
    rows = [
        (event, first + place, *line[:4])
        for event, first, lines in orders
        for place, line in enumerate(lines)
    ]
    columns = ("event_id", "position", "item", "name", "quantity", "price")
    return insert_rows(connection, people.event_items, rows, columns)
