"""A shop whose customers order at rates of their own, so that what they did tells what they will do; the same facts in Python."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from support.stores import ATTRIBUTES
from tidings.clock import to_micros
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.kinds.rules import Event, EventProperty, Events, Policies, Workspace
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import people

NOW = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)
EVENTS = Events(
    (
        Event(
            "order_placed",
            "Order placed",
            (
                EventProperty("order_total", "money"),
                EventProperty("category", "text"),
                EventProperty("profit", "money"),
            ),
            revenue="order_total",
            returns="order_returned",
        ),
        Event(
            "order_returned",
            "Order returned",
            (EventProperty("order_total", "money"),),
            revenue="order_total",
        ),
        Event("page_viewed", "Page viewed", (EventProperty("page", "text"),)),
        Event("thanked", "Thanked"),
    )
)


def score(within: int = 30, history: int = 120, **more) -> Score:
    """Return the score of the tests: an order within so many days, told from orders and page views."""
    more.setdefault("events", ("order_placed", "page_viewed"))
    return Score(
        more.pop("name", "repeat_purchase"),
        "Orders again",
        more.pop("did", "order_placed"),
        Duration(within, Unit.DAY),
        Duration(history, Unit.DAY),
        **more,
    )


def workspace(*scores: Score, **more) -> Definitions:
    """Return a workspace with these scores."""
    return Definitions(
        root="",
        workspace=Workspace("test", "Test shop", "Europe/Stockholm", "salt", "EUR"),
        policies=Policies(()),
        attributes=ATTRIBUTES,
        events=EVENTS,
        scores={one.name: one for one in scores},
        **more,
    )


@dataclass
class Happened:
    """One event, as plain data; `amount` in minor units, `received` when it came in."""

    customer: int
    name: str
    at: datetime
    amount: int | None = None
    currency: str | None = "EUR"
    category: str | None = None
    items: tuple[str, ...] = ()
    received: datetime | None = None


@dataclass
class Shop:
    """Customers by number and all they did."""

    customers: int
    happened: list[Happened] = field(default_factory=list)
    erased: set[int] = field(default_factory=set)

    def put_into(self, store: Store) -> None:
        """Write everything into an empty store."""
        names = {name: number for number, name in enumerate(sorted({one.name for one in self.happened}), 1)}
        events, items = [], []
        for number, one in enumerate(self.happened, 1):
            properties = {"category": one.category} if one.category is not None else None
            received = to_micros(one.received or one.at + timedelta(minutes=1))
            events.append(
                (
                    number,
                    names[one.name],
                    one.customer,
                    to_micros(one.at),
                    received,
                    "t",
                    str(number),
                    one.amount,
                )
                + (one.currency if one.amount is not None else None, properties)
            )
            items += [(number, place, item, 1, 100) for place, item in enumerate(one.items)]
        columns = (
            "id name_id customer_id occurred_at received_at source dedupe_key amount currency properties"
        )
        with store.durable("test") as connection:
            insert_rows(
                connection,
                people.customers,
                [
                    (number, f"C-{number}", number * 7919 % 2**61, 0, 1 if number in self.erased else None)
                    for number in range(1, self.customers + 1)
                ],
                ("id", "key", "u", "created_at", "tombstoned_at"),
            )
            insert_rows(
                connection, people.event_names, [(n, name) for name, n in names.items()], ("id", "name")
            )
            insert_rows(connection, people.events, events, columns.split())
            insert_rows(
                connection, people.event_items, items, ("event_id", "position", "item", "quantity", "price")
            )


def habits(seed: int = 1, customers: int = 600, days: int = 300) -> Shop:
    """Return a shop in which each customer orders at a rate of their own, often after looking at pages; some stop one day."""
    draw, shop = random.Random(seed), Shop(customers)
    start = NOW - timedelta(days=days)
    for number in range(1, customers + 1):
        rate = draw.choice([0.002, 0.006, 0.015, 0.04, 0.1])
        stops = draw.choice([days, days, days, draw.randrange(days)])
        for day in range(stops):
            if draw.random() < rate:
                at = start + timedelta(days=day, seconds=draw.randrange(80_000))
                amount = draw.randrange(500, 20_000)
                shop.happened.append(
                    Happened(
                        number,
                        "order_placed",
                        at,
                        amount,
                        category=draw.choice(["garden", "tools", None]),
                        items=tuple(f"i{draw.randrange(40)}" for _ in range(draw.randrange(3))),
                    )
                )
                if draw.random() < 0.15:
                    shop.happened.append(Happened(number, "order_returned", at + timedelta(hours=1), -amount))
            if draw.random() < 2 * rate:
                shop.happened.append(
                    Happened(
                        number, "page_viewed", start + timedelta(days=day, seconds=draw.randrange(80_000))
                    )
                )
    draw.shuffle(shop.happened)
    return shop
