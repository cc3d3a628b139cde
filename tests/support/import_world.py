"""Definitions and files for the tests of importing."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from support.stores import ATTRIBUTES
from tidings.definitions.kinds.importing import (
    Column,
    ConsentColumns,
    CustomersImport,
    EventsImport,
    ExperimentImport,
    Item,
    Returns,
    RowTest,
)
from tidings.definitions.kinds.rules import Event, EventProperty, Events, Policies, Purpose, Workspace
from tidings.definitions.values import Compared, OneOf, Order
from tidings.definitions.workspace import Definitions
from tidings.store.database import Store
from tidings.store.tables import people, sending

MARKETING = Purpose("marketing", "marketing")
SERVICE = Purpose("service", "service", consent="not needed")
RECEIPTS = Purpose("receipts", "transactional", consent="not needed")

DEFINITIONS = Definitions(
    root="/nowhere",
    workspace=Workspace("test", "Test", "Europe/Stockholm", "salt", "EUR", country="SE"),
    policies=Policies((MARKETING, SERVICE, RECEIPTS)),
    attributes=ATTRIBUTES,
    events=Events(
        (
            Event(
                "order_placed",
                properties=(
                    EventProperty("order_total", "money"),
                    EventProperty("category", "text"),
                    EventProperty("items", "number"),
                    EventProperty("shipped_on", "date"),
                ),
                revenue="order_total",
                returns="order_returned",
            ),
            Event(
                "order_returned", properties=(EventProperty("order_total", "money"),), revenue="order_total"
            ),
            Event("page_viewed", properties=(EventProperty("page", "text"),)),
            Event("basket_updated", properties=(EventProperty("basket_total", "money"),)),
        )
    ),
)

CUSTOMERS = CustomersImport(
    "customers",
    "Customers",
    "config/imports/customers.yaml",
    Column("id"),
    (
        ("email", Column("email")),
        ("phone", Column("phone")),
        ("country", Column("country")),
        ("full_name", Column("name")),
        ("birthday", Column("born", format="DD.MM.YYYY")),
        ("member_level", Column("level", values=(("Guld", "gold"),))),
        ("interests", Column("likes", separator=";")),
        ("lifetime_value", Column("value")),
        ("orders", Column("orders")),
        ("vip", Column("vip")),
    ),
    (ConsentColumns("email", "marketing", "opt-in in the shop", (("news", OneOf(("1", "yes"))),)),),
)
CUSTOMER_HEADER = (
    "id",
    "email",
    "phone",
    "country",
    "name",
    "born",
    "level",
    "likes",
    "value",
    "orders",
    "vip",
    "news",
)

ORDERS = EventsImport(
    "online_retail",
    "Online Retail invoices",
    "config/imports/online_retail.yaml",
    "order_placed",
    Column("CustomerID"),
    Column("InvoiceDate", zone="Europe/London"),
    order="InvoiceNo",
    item=Item(
        Column("StockCode"), Column("Quantity"), Column("UnitPrice", money="GBP"), Column("Description")
    ),
    returns=Returns((RowTest((("Quantity", Compared(Order.LESS_THAN, Decimal(0))),)),), "order_returned"),
    skip=(RowTest((("UnitPrice", Compared(Order.AT_MOST, Decimal(0))),)),),
)
ORDER_HEADER = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")

EXPERIMENT = ExperimentImport(
    "hillstrom",
    "E-mail test of 2008",
    "config/imports/hillstrom.yaml",
    "hillstrom",
    Column("customer_id"),
    Column(
        "segment", values=(("No E-Mail", "holdout"), ("Mens E-Mail", "mens"), ("Womens E-Mail", "womens"))
    ),
    (("visit", Column("visit")), ("spend", Column("spend", money="USD"))),
    (("history", Column("history", money="USD")),),
)


def customer(number: int, **more: str) -> tuple[str, ...]:
    """One valid row of CUSTOMERS."""
    row = {
        "id": f"C{number}",
        "email": f"u{number}@example.com",
        "phone": f"070174{number % 10000:04d}",
        "country": "SE",
        "name": f"Åsa {number}",
        "born": "02.03.1990",
        "level": ("basic", "silver", "Guld")[number % 3],
        "likes": "roses; trees",
        "value": "12.50",
        "orders": str(number % 7),
        "vip": "no",
        "news": str(number % 2),
    }
    return tuple((row | more)[name] for name in CUSTOMER_HEADER)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Write a CSV, packed when its name ends in .gz."""
    opening = gzip.open if path.suffix == ".gz" else open
    with opening(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


_WHEN = {"id", "received_at", "created_at", "planned_at", "at", "updated_at", "started_at"}


def contents(store: Store, tables: Iterable[sa.Table]) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that stands in these tables: customers, events and enrolments by what they are instead of their
    numbers (which have gaps after a rollback), and without the instants at which it was written.
    """
    found = {}
    with store.read() as connection:
        customers = dict(connection.execute(sa.select(people.customers.c.id, people.customers.c.key)).all())
        events = dict(connection.execute(sa.select(people.events.c.id, people.events.c.dedupe_key)).all())
        enrolled = dict(
            connection.execute(sa.select(sending.enrolments.c.id, sending.enrolments.c.customer_id)).all()
        )
        named = {
            "customer_id": customers,
            "event_id": events,
            "enrolment_id": {number: customers[customer] for number, customer in enrolled.items()},
        }
        for table in tables:
            columns = [column for column in table.columns if column.name not in _WHEN]
            rows = connection.execute(sa.select(*columns)).all()
            found[table.name] = sorted(
                tuple(
                    str(named[column.name][value] if column.name in named else value)
                    for column, value in zip(columns, row, strict=True)
                )
                for row in rows
            )
    return found
