"""What one row of `kind: events` says: an event, or one line of an order. No store is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from tidings.customers.cells import CellError, Reader, exact_reader, instant_reader, text_reader, typed_reader
from tidings.customers.columns import Cell
from tidings.customers.driving import Job, Numbered
from tidings.customers.knowing import read_key
from tidings.customers.matching import any_row_test
from tidings.customers.orders import LONGEST_ITEM, LONGEST_NAME, EventItem, Line, amount_of, line_of
from tidings.customers.row_keys import RowKeys
from tidings.customers.spill import Groups, Ordinals
from tidings.customers.unnamed import mark_of, read_visitor
from tidings.customers.who import Identities
from tidings.definitions.kinds.importing import Column, EventsImport
from tidings.definitions.kinds.rules import Event
from tidings.definitions.money import from_minor
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError

LONGEST_ORDER = 20_000
LINE_WIDTH = 11


class EventRows:
    """Reads rows under a mapping. Call it for an event a row; `lines` and `orders` make events of orders."""

    def __init__(self, mapping: EventsImport, definitions: Definitions, job: Job, ordinals: Ordinals) -> None:
        places = job.places()
        zone = definitions.workspace.zone
        self._mapping, self._job = mapping, job
        self._sale = _event(definitions, mapping.event, mapping.path)
        self._returned = _event(definitions, mapping.returns.event, mapping.path) if mapping.returns else None
        self._is_return = any_row_test(mapping.returns.when, places) if mapping.returns else None
        workspace = definitions.workspace
        self._known = Identities(workspace.salt, workspace.country)
        self._customer = Cell(mapping.customer, read_key, places) if mapping.customer else None
        self._visitor = Cell(mapping.visitor, read_visitor, places) if mapping.visitor else None
        self._at = Cell(mapping.at, instant_reader(mapping.at, zone), places)
        self._order = None if mapping.order is None else places[mapping.order]
        self._keys = RowKeys(mapping.ids, places, ordinals)
        self.currency: str | None = None
        self._amount: Cell | None = None
        self._properties: list[tuple[str, Cell, bool]] = []
        # Of properties that are amounts and not the revenue, in which currency.
        self._monies: dict[str, str] = {}
        for name, column in mapping.properties:
            self._property(name, column, definitions, places, zone)
        self._item: tuple[Cell, Cell, Cell, Cell | None] | None = None
        if mapping.item is not None:
            item = mapping.item
            self.currency = item.price.money or self.currency or definitions.workspace.currency
            self._item = (
                Cell(item.key, text_reader(LONGEST_ITEM), places),
                Cell(item.quantity, exact_reader(item.quantity), places),
                Cell(item.price, exact_reader(item.price), places),
                Cell(item.name, text_reader(LONGEST_NAME), places) if item.name else None,
            )

    def __call__(self, cells: list[str]) -> EventItem | None:
        """Return the event of a row, None for one that says nothing of who it was (counted, its money too)."""
        returned = self._is_return is not None and self._is_return(cells)
        at = self._at.needed(cells, "no time")
        properties = self._said(cells, returned)
        amount = self._told_amount(cells, returned)
        lines: tuple[Line, ...] = ()
        if self._item is not None:
            lines = (self._line(cells, returned),)
            amount = self._minor(lines)
        key = self._keys(cells)
        customer, visitor = self._who(cells, properties)
        if customer is None and visitor is None:
            value = self._major(amount) if amount is not None else None
            self._without_customer(value, returned)
            return None
        event = self._event(returned)
        return EventItem(
            event.name,
            customer,
            at,
            key,
            amount,
            self._currency_of(amount, properties),
            properties,
            lines,
            visitor,
        )

    def line(self, cells: list[str]) -> tuple[Any, ...] | None:
        """Return one line of an order as a row of Groups: name of the group first. None where it says nothing of who."""
        assert self._order is not None
        order = cells[self._order].strip()
        if not order:
            raise CellError(
                "no order", "the row does not say which order it belongs to", self._mapping.order or ""
            )
        returned = self._is_return is not None and self._is_return(cells)
        at = self._at.needed(cells, "no time")
        properties = self._said(cells, returned)
        if self._item is not None:
            one = self._line(cells, returned)
            parts: tuple[Any, ...] = (one.item, one.name, str(one.quantity), one.price, str(one.value))
            value: Decimal | None = one.value
        else:
            amount = self._told_amount(cells, returned)
            parts = (None, None, None, amount, None)
            value = None if amount is None else self._major(amount)
        customer, visitor = self._who(cells, properties)
        if customer is None and visitor is None:
            self._without_customer(value, returned)
            return None
        whose = customer if customer is not None else f"visitor {visitor}"
        group = f"{len(order)}:{order}:{whose}:{int(returned)}"
        said = json.dumps(properties, ensure_ascii=False) if properties else None
        return (group, order, customer, int(returned), at, said, *parts, visitor)

    def orders(self, groups: Groups) -> Iterator[Numbered[EventItem]]:
        """Yield (number of the line, event) for every line; the event comes with the last line of its order."""
        number = 0
        for _, rows in groupby(groups, key=lambda row: row[0]):
            lines = []
            for row in rows:
                lines.append(row)
                if len(lines) > LONGEST_ORDER:
                    raise TidingsError(
                        f'order "{row[1]}" has more than {LONGEST_ORDER:,} lines',
                        what_to_do=f"Is {self._mapping.order} really the column of the order number?",
                    )
            for _ in lines[1:]:
                number += 1
                yield number, None
            number += 1
            yield number, self._one_order(lines)

    def _one_order(self, rows: list[tuple[Any, ...]]) -> EventItem:
        _, order, customer, returned, _, said, *_ = rows[0]
        lines: tuple[Line, ...] = ()
        if self._item is not None:
            lines = tuple(Line(row[6], row[7], Decimal(row[8]), row[9], Decimal(row[10])) for row in rows)
            amount = self._minor(lines)
        else:
            amount = rows[0][9]
        # Of the rows of a customer's order one may name the visitor.
        visitor = next((row[11] for row in rows if row[11] is not None), None)
        whose = ["order", order, customer] if customer is not None else ["order", order, None, visitor]
        properties = json.loads(said) if said else {}
        return EventItem(
            self._event(bool(returned)).name,
            customer,
            min(row[4] for row in rows),
            json.dumps([*whose, *(["returned"] if returned else [])], ensure_ascii=False),
            amount,
            self._currency_of(amount, properties),
            properties,
            lines,
            visitor,
        )

    def _who(self, cells: list[str], properties: dict[str, object]) -> tuple[str | None, str | None]:
        """Return the customer and what the web site calls them; without both the mark of what else the row says."""
        customer = self._customer(cells) if self._customer else None
        visitor = self._visitor(cells) if self._visitor else None
        if customer is None and visitor is None:
            visitor = mark_of(self._known, properties)
        if customer is None and visitor is not None:
            self._job.seen["unnamed"] += 1
        return customer, visitor

    def _line(self, cells: list[str], returned: bool) -> Line:
        assert self._item is not None
        key, quantity, price, name = self._item
        pieces, one = quantity.needed(cells, "no quantity"), price.needed(cells, "no price")
        title = name(cells) if name is not None else None
        what = key.needed(cells, "no item")
        return line_of(what, title, pieces, one, self.currency or "", returned=returned)

    def _said(self, cells: list[str], returned: bool) -> dict[str, object]:
        return {
            name: value
            for name, cell, on_return in self._properties
            if (on_return or not returned) and (value := cell(cells)) is not None
        }

    def _told_amount(self, cells: list[str], returned: bool) -> int | None:
        amount: int | None = self._amount(cells) if self._amount is not None else None
        return abs(amount) if returned and amount is not None else amount

    def _minor(self, lines: tuple[Line, ...]) -> int:
        return amount_of(lines, self.currency or "")

    def _major(self, minor: int) -> Decimal:
        return from_minor(minor, self.currency or "")

    def _currency_of(self, amount: int | None, properties: dict[str, object]) -> str | None:
        """Return the currency of an event's amounts, the revenue or another: a basket has a total and earns nothing yet."""
        if amount is not None:
            return self.currency
        return next((currency for name, currency in self._monies.items() if name in properties), None)

    def _event(self, returned: bool) -> Event:
        return self._returned if returned and self._returned else self._sale

    def _without_customer(self, value: Decimal | None, returned: bool) -> None:
        job = self._job
        job.seen["no_customer"] += 1
        if value is not None and self.currency:
            job.lost[self.currency] = job.lost.get(self.currency, Decimal(0)) + (
                -value if returned else value
            )

    def _property(
        self, name: str, column: Column, definitions: Definitions, places: dict[str, int], zone: str
    ) -> None:
        declared = self._sale.property(name)
        if declared is None:
            raise TidingsError(
                f'{self._mapping.path} fills "{name}", which {self._sale.name} does not have',
                what_to_do="Declare it in config/events.yaml, or take the line out.",
            )
        currency = column.money or definitions.workspace.currency
        read = typed_reader(declared.type, column, currency=currency, zone=zone)
        if name == self._sale.revenue:
            self.currency, self._amount = currency, Cell(column, read, places)
        else:
            plain: Reader = (lambda text: read(text).isoformat()) if declared.type == "date" else read
            on_return = self._returned is not None and self._returned.property(name) is not None
            self._properties.append((name, Cell(column, plain, places), on_return))
            if declared.type == "money":
                self._monies[name] = currency


def _event(definitions: Definitions, name: str, path: str) -> Event:
    event = definitions.events.get(name)
    if event is None:
        raise TidingsError(
            f'{path} makes events "{name}", which are not declared',
            what_to_do="Declare them in config/events.yaml.",
        )
    return event
