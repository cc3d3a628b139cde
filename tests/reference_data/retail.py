"""The Online Retail invoices, read with the csv module alone: what an import of them must come to."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.store.database import Store
from tidings.store.tables import people

LONDON = ZoneInfo("Europe/London")
PENNY = Decimal("0.01")

Line = tuple[str, str, int, int]
# Name, customer, instant in microseconds, pence, lines (item, name, pieces, pence a piece) in order of themselves.
Told = tuple[str, str, int, int, tuple[Line, ...]]


@dataclass
class Retail:
    """Rows of the file, counted and put together to orders and returns."""

    rows: int = 0
    nobodys: int = 0  # rows without a customer, those without a price among them
    skipped: int = 0  # rows without a price above zero
    kept_out: int = 0  # rows with a price and without a customer
    kept_out_net: Decimal = Decimal(0)
    lines: int = 0
    orders: list[Told] = field(default_factory=list)

    @property
    def customers(self) -> set[str]:
        return {customer for _, customer, *_ in self.orders}

    def count(self, name: str) -> int:
        return sum(1 for told in self.orders if told[0] == name)

    def pence(self, name: str) -> int:
        return sum(told[3] for told in self.orders if told[0] == name)

    def bought_on(self) -> dict[str, list[date]]:
        """The London days on which each customer ordered, one an order."""
        found: dict[str, list[date]] = defaultdict(list)
        for name, customer, at, *_ in self.orders:
            if name == "order_placed":
                found[customer].append(datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(LONDON).date())
        return found


def pence(value: Decimal) -> int:
    return int(value.quantize(PENNY, ROUND_HALF_EVEN) * 100)


def micros(wall: str) -> int:
    at = datetime.fromisoformat(wall).replace(tzinfo=LONDON)
    return int(at.timestamp()) * 1_000_000


def told_by(path: Path, *, first: int | None = None) -> Retail:
    """Read the file, or its first rows; several tests ask for the same."""
    return _told_by(path.resolve(), first)


@cache
def _told_by(path: Path, first: int | None) -> Retail:
    found = Retail()
    groups: dict[tuple[str, str, bool], list[tuple[str, Line, Decimal]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in islice(csv.DictReader(file), first):
            quantity, price = int(row["Quantity"]), Decimal(row["UnitPrice"])
            found.rows += 1
            found.nobodys += not row["CustomerID"]
            if price <= 0:
                found.skipped += 1
            elif not row["CustomerID"]:
                found.kept_out += 1
                found.kept_out_net += quantity * price
            else:
                found.lines += 1
                line = (row["StockCode"], row["Description"], abs(quantity), pence(price))
                groups[row["InvoiceNo"], row["CustomerID"], quantity < 0].append(
                    (row["InvoiceDate"], line, abs(quantity) * price)
                )
    for (_, customer, returned), rows in groups.items():
        found.orders.append(
            (
                "order_returned" if returned else "order_placed",
                customer,
                micros(min(wall for wall, _, _ in rows)),
                pence(sum((value for _, _, value in rows), Decimal(0))),
                tuple(sorted(line for _, line, _ in rows)),
            )
        )
    found.orders.sort()
    return found


def stored_in(store: Store) -> list[Told]:
    """Read every event with its lines out of a store."""
    names, events, items, customers = people.event_names, people.events, people.event_items, people.customers
    with store.read() as connection:
        headed = connection.execute(
            sa.select(
                events.c.id,
                names.c.name,
                customers.c.key,
                events.c.occurred_at,
                events.c.amount,
                events.c.currency,
            )
            .join(names, names.c.id == events.c.name_id)
            .join(customers, customers.c.id == events.c.customer_id)
        ).all()
        lines = dict(_by_event(connection.execute(sa.select(items).order_by(items.c.event_id))))
    assert {row.currency for row in headed} == {"GBP"}
    return sorted(
        (row.name, row.key, row.occurred_at, row.amount, tuple(sorted(lines[row.id]))) for row in headed
    )


def _by_event(rows: Iterable[tuple[int, int, str, str, float, int]]) -> Iterator[tuple[int, list[Line]]]:
    for number, group in groupby(rows, key=lambda row: row[0]):
        held = list(group)
        assert Counter(position for _, position, *_ in held) == Counter(range(len(held)))
        yield number, [(item, name, pieces, price) for _, _, item, name, pieces, price in held]
