"""A store with touches and conversions, the same facts in plain Python, and credit by a loop over customers."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from support.measured import definitions_with
from support.stores import START
from tidings.clock import to_micros
from tidings.definitions.kinds.measuring import Attribution, LookBack
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.measurement.attribution.rule import Rule
from tidings.measurement.conversions import conversion_versions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
RULE = Attribution(
    "Credit",
    ("order_placed",),
    windows=(
        LookBack("email", "", Duration(5, Unit.DAY)),
        LookBack("email", "opened", Duration(12, Unit.HOUR)),
        LookBack("", "seen", Duration(2, Unit.DAY)),
    ),
    touches=("clicked", "opened", "replied", "redeemed", "seen", "visited"),
)
EVENTS = Events(
    (
        Event(
            "order_placed",
            "Order placed",
            (EventProperty("order_total", "money"), EventProperty("sales_channel", "text")),
            revenue="order_total",
            returns="order_returned",
        ),
        Event(
            "order_returned",
            "Order returned",
            (EventProperty("order_total", "money"),),
            revenue="order_total",
        ),
    )
)


@dataclass(frozen=True)
class Touch:
    """One touch as plain data; `message` 0 for an ad."""

    customer: int | None
    channel: str
    kind: str
    at: datetime
    campaign: str | None = None
    message: int = 0


@dataclass(frozen=True)
class Order:
    """One conversion as plain data; `amount` in minor units. Without a customer it is nobody's."""

    customer: int | None
    at: datetime
    amount: int = 0
    currency: str = "EUR"
    sales: str = ""
    key: str = ""
    name: str = "order_placed"


def workspace(attribution: Attribution | None = RULE, root: str = "") -> Definitions:
    """Return a workspace with that rule."""
    return replace(definitions_with(None), attribution=attribution, events=EVENTS, root=root)


def fill(store: Store, touches: list[Touch], orders: list[Order]) -> None:
    """Store customers, touches, events and their conversions (of those whose name is order_placed)."""
    now = to_micros(START)
    known = {one.customer for one in (*touches, *orders) if one.customer is not None}
    with store.durable("seed") as connection:
        stored = set(
            connection.execute(people.customers.select().with_only_columns(people.customers.c.id)).scalars()
        )
        insert_rows(
            connection,
            people.customers,
            [(one, f"c{one}", one * 7919, now) for one in sorted(known - stored)],
            ["id", "key", "u", "created_at"],
        )
        messages = _messages(
            connection, sorted({(one.customer, one.message) for one in touches if one.message})
        )
        insert_rows(
            connection,
            answers.touches,
            [
                (
                    one.channel,
                    one.campaign,
                    one.customer,
                    messages.get((one.customer, one.message)),
                    one.kind,
                    to_micros(one.at),
                    f"t{number}",
                )
                for number, one in enumerate(touches)
            ],
            ["channel", "campaign", "customer_id", "message_id", "kind", "at", "dedupe_key"],
        )
        names = {name: key for key, name in connection.execute(people.event_names.select())}
        for name in sorted({one.name for one in orders} - set(names)):
            names[name] = connection.execute(
                people.event_names.insert().values(name=name)
            ).inserted_primary_key[0]
        for number, one in enumerate(orders):
            key = one.key or f'["id", "row-{number}"]'
            event = connection.execute(
                people.events.insert().values(
                    name_id=names[one.name],
                    customer_id=one.customer,
                    visitor=None if one.customer else f"v{number}",
                    occurred_at=to_micros(one.at),
                    received_at=now,
                    source="file",
                    dedupe_key=key,
                    amount=one.amount,
                    currency=one.currency,
                    properties={"sales_channel": one.sales} if one.sales else {},
                )
            ).inserted_primary_key[0]
            if one.customer is not None and one.name == "order_placed":
                connection.execute(
                    answers.conversions.insert().values(
                        goal=one.name,
                        goal_version=conversion_versions(workspace())[one.name],
                        event_id=event,
                        customer_id=one.customer,
                        at=to_micros(one.at),
                        amount=one.amount,
                        currency=one.currency,
                    )
                )


def _messages(
    connection: sa.Connection, wanted: list[tuple[int | None, int]]
) -> dict[tuple[int | None, int], int]:
    """Store one message for each customer and number, and return its id."""
    if not wanted:
        return {}
    now = to_micros(START)
    run = connection.execute(
        sending.runs.insert().values(
            campaign="spring", occurrence=f"o{now}-{wanted[0]}", kind="campaign", definition_hash="", policy_hash="", salt="",
            state="sending", anchor_at=now, created_at=now, bounds={},
        )
    ).inserted_primary_key[0]  # fmt: skip
    found = {}
    for customer, number in wanted:
        enrolment = connection.execute(
            sending.enrolments.insert().values(
                run_id=run, customer_id=customer, entry=number, arm="treated", anchor_at=now, planned_at=now
            )
        ).inserted_primary_key[0]
        found[customer, number] = connection.execute(
            sending.messages.insert().values(
                run_id=run,
                enrolment_id=enrolment,
                customer_id=customer,
                channel="email",
                state="accepted",
                due_at=now,
            )
        ).inserted_primary_key[0]
    return found


def draw(seed: int, customers: int = 30) -> tuple[list[Touch], list[Order]]:
    """Return random touches and orders on a coarse grid of hours, so that instants and ends of windows meet often."""
    chance = random.Random(seed)
    touches, orders = [], []
    for customer in range(1, customers + 1):
        for _ in range(chance.randrange(0, 9)):
            channel, kinds = chance.choice(
                [
                    ("email", ["opened", "clicked", "replied", "sent"]),
                    ("search", ["visited", "seen"]),
                    ("print", ["met", "redeemed"]),
                ]
            )
            touches.append(
                Touch(
                    customer,
                    channel,
                    chance.choice(kinds),
                    BEGIN + timedelta(hours=12 * chance.randrange(0, 40)),
                    chance.choice([None, "spring", "autumn"]),
                    0 if channel == "search" else chance.choice([0, 0, 1, 2]),
                )
            )
        for _ in range(chance.choice([0, 0, 1, 1, 2])):
            orders.append(
                Order(
                    customer,
                    BEGIN + timedelta(hours=12 * chance.randrange(10, 40)),
                    chance.randrange(0, 9_999),
                    sales=chance.choice(["web", "shop", ""]),
                )
            )
    return touches, orders


def naive_paths(
    touches: list[Touch], orders: list[Order], rule: Rule, opens: datetime, closes: datetime
) -> tuple[list[list[Touch]], list[list[Touch]]]:
    """Return the touches before each order of the period, and those of each customer without one, customer by customer."""
    strength = ["", "sent", "opened", "clicked", "replied", "redeemed"]

    def collapsed(found: list[Touch]) -> list[Touch]:
        best: dict[object, Touch] = {}
        for place, one in enumerate(found):
            key = one.message or ("own", place)
            held = best.get(key)
            if held is None or strength.index(one.kind if one.message else "") >= strength.index(
                held.kind if one.message else ""
            ):
                best[key] = one
        return [one for one in found if any(one is kept for kept in best.values())]

    def before(order: Order) -> list[Touch]:
        found = []
        for one in sorted((one for one in touches if one.customer == order.customer), key=lambda one: one.at):
            window = rule.window(one.channel, one.kind)
            since = order.at - timedelta(microseconds=window)
            paid_with = one.kind == "redeemed" and one.at == order.at
            if window >= 0 and (since <= one.at < order.at or paid_with):
                found.append(one)
        return collapsed(found)

    here = [
        one
        for one in orders
        if one.customer is not None and opens <= one.at < closes and one.name == "order_placed"
    ]
    lost = []
    for customer in sorted({one.customer for one in touches if one.customer is not None}):
        if customer in {one.customer for one in here}:
            continue
        found = sorted(
            (
                one
                for one in touches
                if one.customer == customer
                and opens <= one.at < closes
                and rule.window(one.channel, one.kind) >= 0
            ),
            key=lambda one: one.at,
        )
        if found:
            lost.append(collapsed(found))
    return [before(order) for order in here], lost
