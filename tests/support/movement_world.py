"""A small shop whose customers buy, send back and stay away: stored, and the same as plain rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from support.credited import workspace
from tidings.clock import to_micros
from tidings.definitions.kinds.measuring import CompanyGoal, CompanyGoals, Ladder
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.definitions.workspace import Definitions
from tidings.measurement.movement.span import Span, span_of
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import people

NOW = datetime(2027, 1, 20, 12, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Stockholm")
NAMES = {"order_placed": 1, "order_returned": 2}
_PROPERTIES = (
    EventProperty("order_total", "money"),
    EventProperty("profit", "money"),
    EventProperty("sales_channel", "text"),
)
EVENTS = Events(
    (
        Event("order_placed", "Order placed", _PROPERTIES, revenue="order_total", returns="order_returned", margin="profit"),
        Event("order_returned", "Order returned", _PROPERTIES[:1], revenue="order_total"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Bought:
    """A purchase, or a return, as plain data; amounts in minor units, None where the file says none."""

    customer: int | None
    at: datetime
    amount: int | None = 1000
    profit: int | None = None
    sales: str = ""
    name: str = "order_placed"
    currency: str | None = "EUR"


def shop(ladder: Ladder | None = None, goals: tuple[CompanyGoal, ...] = (), *, root: str = "") -> Definitions:
    """Return the definitions of the shop, with a ladder and goals of its own."""
    own = CompanyGoals("What we want", goals, ladder) if ladder or goals else None
    return replace(workspace(None, root), events=EVENTS, goals=own)


def when(text: str) -> datetime:
    """Return noon of a day in Stockholm."""
    return datetime.fromisoformat(f"{text}T12:00").replace(tzinfo=ZONE)


def days(first: str | None = None, last: str | None = None, now: datetime = NOW) -> Span:
    """Return the days from `first` through `last`."""
    return span_of(first, last, zone=ZONE, now=now)


def put(store: Store, customers: dict[int, datetime], bought: list[Bought]) -> None:
    """Store customers by id, each with the day on which they came, and what they bought."""
    with store.durable("seed") as connection:
        insert_rows(
            connection,
            people.customers,
            [(one, f"c{one}", one * 7919, to_micros(at)) for one, at in customers.items()],
            ["id", "key", "u", "created_at"],
        )
        insert_rows(
            connection, people.event_names, [(number, name) for name, number in NAMES.items()], ["id", "name"]
        )
        for number, one in enumerate(bought):
            said = {"profit": one.profit, "sales_channel": one.sales or None}
            connection.execute(
                people.events.insert().values(
                    name_id=NAMES[one.name],
                    customer_id=one.customer,
                    visitor=None if one.customer else f"v{number}",
                    occurred_at=to_micros(one.at),
                    received_at=to_micros(NOW),
                    source="file",
                    dedupe_key=str(number),
                    amount=one.amount,
                    currency=one.currency,
                    properties={key: value for key, value in said.items() if value is not None},
                )
            )
