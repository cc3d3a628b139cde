"""What one row of `kind: products` or `kind: stock` says. No store is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tidings.customers.cells import CellError, exact_reader, instant_reader, text_reader, typed_reader
from tidings.customers.columns import Cell
from tidings.definitions.kinds.importing import Column, ProductsImport, StockImport
from tidings.definitions.workspace import Definitions

_LONGEST = 200


class ProductItem(NamedTuple):
    """One product: None says nothing, and what is stored stays."""

    item: str
    name: str
    category: str | None
    price: int | None
    cost: int | None
    currency: str | None
    url: str | None
    picture: str | None


class StockItem(NamedTuple):
    """How many pieces of an item there were, and when; None: when the file was imported."""

    item: str
    stock: int
    at: int | None


class ProductRows:
    """Reads rows of products under a mapping."""

    def __init__(self, mapping: ProductsImport, definitions: Definitions, places: dict[str, int]) -> None:
        zone = definitions.workspace.zone
        money = [column.money for column in (mapping.price, mapping.cost) if column and column.money]
        self.currency = money[0] if money else definitions.workspace.currency

        def cell(column: Column | None, kind: str) -> Cell | None:
            if column is None:
                return None
            read = (
                text_reader()
                if kind == "text"
                else typed_reader(kind, column, currency=self.currency, zone=zone)
            )
            return Cell(column, read, places)

        self._item = Cell(mapping.item, text_reader(_LONGEST), places)
        self._name = Cell(mapping.name, text_reader(500), places)
        self._texts = [cell(column, "text") for column in (mapping.category, mapping.url, mapping.picture)]
        self._money = [cell(column, "money") for column in (mapping.price, mapping.cost)]

    def __call__(self, cells: list[str]) -> ProductItem:
        """Return the product of a row; raises CellError for one that cannot be read."""
        item, name = self._item.needed(cells, "no item"), self._name.needed(cells, "no name")
        category, url, picture = (one(cells) if one else None for one in self._texts)
        price, cost = (_not_negative(one, cells) if one else None for one in self._money)
        currency = self.currency if price is not None or cost is not None else None
        return ProductItem(item, name, category, price, cost, currency, url, picture)


def stock_rows(
    mapping: StockImport, definitions: Definitions, places: dict[str, int]
) -> Callable[[list[str]], StockItem]:
    """Return what reads rows of stock under a mapping. A shop that sold more than it has says so: stock may be negative."""
    item = Cell(mapping.item, text_reader(_LONGEST), places)
    exact = exact_reader(mapping.quantity)
    at = (
        Cell(mapping.at, instant_reader(mapping.at, definitions.workspace.zone), places)
        if mapping.at
        else None
    )

    def whole(text: str) -> int:
        value = exact(text)
        if value != value.to_integral_value():
            raise CellError("not a count", f'"{text[:60]}" is not a whole number of pieces')
        return int(value)

    quantity = Cell(mapping.quantity, whole, places)

    def read(cells: list[str]) -> StockItem:
        when = at.needed(cells, "no time") if at else None
        return StockItem(item.needed(cells, "no item"), quantity.needed(cells, "no quantity"), when)

    return read


def _not_negative(cell: Cell, cells: list[str]) -> int | None:
    value: int | None = cell(cells)
    if value is not None and value < 0:
        raise CellError("negative", "a price is not below 0", cell.name)
    return value
