"""The lines of an order that a shop's server sends with its event: what was bought, how many, at what price.

    "lines": [{"item": "PS-2", "quantity": 2, "price": "34.90", "name": "Pruning shears"}, …]

The words are those of a mapping's `item` (`kind: events`), and so is what becomes of them: rows of `event_items`. `price` is
one piece in major units of the event's currency; an item that is no product of the workspace is kept all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidings.customers.cells import CellError
from tidings.customers.orders import LONGEST_ITEM, LONGEST_NAME, Line, line_of
from tidings.responses.told_values import Wrong, read_number, read_text, short

MOST_LINES = 1_000
_KEYS = ("item", "quantity", "price", "name")


def read_lines(given: Any, currency: str, *, returned: bool) -> list[Line]:
    """Return the lines of one event; raises Wrong, which names the first that is wrong by its place, such as `lines[2].price`.

    `returned` says that the event takes something back, so that quantities below zero mean the same as those above.
    """
    if not isinstance(given, list):
        raise Wrong("`lines` must be an array of objects with `item`, `quantity` and `price`.")
    if len(given) > MOST_LINES:
        raise Wrong(
            f"`lines` has {len(given):,} lines; at most {MOST_LINES:,} are taken: send the order as a file."
        )
    return [_line(one, f"lines[{place}]", currency, returned=returned) for place, one in enumerate(given)]


def to_spool(lines: Sequence[Line]) -> list[list[Any]]:
    """Return lines as they stand in the spool and are written from it: item, name, quantity and price in minor units."""
    return [[line.item, line.name, f"{line.quantity:f}", line.price] for line in lines]


def _line(one: Any, at: str, currency: str, *, returned: bool) -> Line:
    if not isinstance(one, dict):
        raise Wrong(f"`{at}` must be an object with `item`, `quantity` and `price`.")
    unknown = sorted(set(one) - set(_KEYS))
    if unknown:
        raise Wrong(
            f'`{at}` has "{short(unknown[0])}", which is no key of a line; those are {", ".join(_KEYS)}.'
        )
    missing = next((name for name in ("item", "quantity", "price") if one.get(name) is None), None)
    if missing is not None:
        raise Wrong(f"`{at}` has no `{missing}`: each line needs `item`, `quantity` and `price`.")
    item = read_text(one, "item", at=f"{at}.item", longest=LONGEST_ITEM)
    named = one.get("name") is not None
    name = read_text(one, "name", at=f"{at}.name", longest=LONGEST_NAME) if named else None
    quantity = read_number(one["quantity"], f"{at}.quantity")
    price = read_number(one["price"], f"{at}.price")
    try:
        return line_of(item, name, quantity, price, currency, returned=returned)
    except CellError as error:
        raise Wrong(f"`{at}` cannot be counted: {error}.") from None
