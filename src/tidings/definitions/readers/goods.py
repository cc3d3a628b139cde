"""config/imports/*.yaml of `kind: products`, `kind: stock` and `kind: do_not_call`: one short row a thing."""

from __future__ import annotations

from typing import Any

from tidings.definitions.context import Context
from tidings.definitions.iso_countries import COUNTRIES
from tidings.definitions.kinds.importing import NumbersImport, ProductsImport, StockImport
from tidings.definitions.nodes import Mapping
from tidings.definitions.readers.columns import AMOUNT, COLUMN
from tidings.definitions.readers.layout import LAYOUT_KEYS, SKIP, TITLE, kind_key, read_layout
from tidings.definitions.schema import Key, Keys

_ITEM = Key("item", COLUMN, "What identifies the product.", "item: sku", required=True)
PRODUCTS = Keys(
    "an import of products",
    (
        TITLE,
        kind_key("products"),
        *LAYOUT_KEYS,
        _ITEM,
        Key("name", COLUMN, "What the product is called.", "name: title", required=True),
        Key("category", COLUMN, "What it belongs to.", "category: department"),
        Key("price", AMOUNT, "The price of one, with its currency.", "price: {column: price, money: EUR}"),
        Key("cost", AMOUNT, "What one costs the shop: price less cost is what it earns.", "cost: {column: bought_at, money: EUR}"),
        Key("url", COLUMN, "Its page in the shop.", "url: link"),
        Key("picture", COLUMN, "Its picture.", "picture: image"),
        SKIP,
    ),
    later=frozenset({"from", "fresh", "total", "replace"}),
)  # fmt: skip
STOCK = Keys(
    "an import of stock",
    (
        TITLE,
        kind_key("stock"),
        *LAYOUT_KEYS,
        _ITEM,
        Key("quantity", COLUMN, "How many.", "quantity: on_hand", required=True),
        Key("at", COLUMN, "When it was counted.", "at: {column: counted_at, zone: Europe/Stockholm}", default="the time of the import"),
        SKIP,
    ),
    later=frozenset({"from", "fresh", "total", "replace"}),
)  # fmt: skip
NUMBERS = Keys(
    "an import of numbers not to call",
    (
        TITLE,
        kind_key("do_not_call"),
        *LAYOUT_KEYS,
        Key("number", COLUMN, "A telephone or fax number that wants no advertising.", "number: phone", required=True),
        Key("country", COUNTRIES, "How phone numbers without a country code are read.", "country: SE"),
        SKIP,
    ),
    later=frozenset({"from", "fresh", "total", "replace"}),
)  # fmt: skip


def products(
    start: dict[str, Any], values: dict[str, Any], node: Mapping, context: Context
) -> ProductsImport:
    """Return an import of products; `start` holds its id, title and path."""
    price, cost = values.get("price"), values.get("cost")
    if price is not None and cost is not None and price.money != cost.money:
        context.report(
            "PHR09", node.entries["cost"].value, f"the price is in {price.money}, and the cost in {cost.money}",
            "what a piece earns is the one less the other; export both in one currency",
        )  # fmt: skip
    plain = "item name category price cost url picture skip".split()
    return ProductsImport(
        **start, **{key: values[key] for key in plain if key in values}, layout=read_layout(values)
    )


def stock(start: dict[str, Any], values: dict[str, Any]) -> StockImport:
    """Return an import of stock; `start` holds its id, title and path."""
    plain = "item quantity at skip".split()
    return StockImport(
        **start, **{key: values[key] for key in plain if key in values}, layout=read_layout(values)
    )


def numbers(start: dict[str, Any], values: dict[str, Any]) -> NumbersImport:
    """Return an import of numbers not to call; `start` holds its id, title and path."""
    plain = "number country skip".split()
    return NumbersImport(
        **start, **{key: values[key] for key in plain if key in values}, layout=read_layout(values)
    )
