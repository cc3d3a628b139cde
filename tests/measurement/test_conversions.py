"""Conversions are the events that the rule names, whenever those came; orders without a name are matched back, none is dropped."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from support.import_world import DEFINITIONS
from support.stores import START
from support.touch_world import NOW, put
from tidings.customers.identity import address_hash
from tidings.definitions.kinds.measuring import Attribution
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.measurement.conversions import conversion_versions, refresh
from tidings.measurement.matching import match_back
from tidings.store.database import Store
from tidings.store.tables import answers, money, people

SALT = DEFINITIONS.workspace.salt
SHOP = replace(DEFINITIONS, events=Events((*DEFINITIONS.events.events, Event("contract_signed"))))


def fill(store: Store) -> None:
    with store.durable("fill") as connection:
        put(
            connection,
            people.customers,
            [
                {
                    "id": n, "key": f"c{n}", "u": n, "created_at": NOW,
                    "email_hash": address_hash(SALT, "email", f"u{n}@example.com"),
                    "phone_hash": address_hash(SALT, "sms", f"+4670174000{n}"),
                }
                for n in range(1, 7)
            ],
        )  # fmt: skip
        names = ("order_placed", "order_returned", "page_viewed", "contract_signed")
        put(connection, people.event_names, [{"id": n, "name": name} for n, name in enumerate(names, 1)])


def event(
    number: int, customer: int | None, amount: int | None = 100, name: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "id": number, "name_id": name, "customer_id": customer, "visitor": None if customer else f"anonymous {number}",
        "occurred_at": NOW + number, "received_at": NOW, "source": "t", "dedupe_key": str(number), "amount": amount,
        "currency": None if amount is None else "EUR", "properties": None,
    } | more  # fmt: skip


def add(store: Store, *rows: dict[str, Any]) -> None:
    with store.durable("events") as connection:
        put(connection, people.events, rows)


def conversions(store: Store) -> list[tuple[Any, ...]]:
    table = answers.conversions
    with store.read() as connection:
        rows = connection.execute(
            sa.select(
                table.c.goal, table.c.event_id, table.c.customer_id, table.c.at, table.c.amount
            ).order_by(table.c.goal, table.c.event_id)
        ).all()
    return [tuple(row) for row in rows]


def naive(store: Store, *names: str) -> list[tuple[Any, ...]]:
    events, called = people.events, people.event_names
    with store.read() as connection:
        rows = connection.execute(
            sa.select(events, called.c.name).join(called, called.c.id == events.c.name_id)
        ).all()
    return sorted(
        (row.name, row.id, row.customer_id, row.occurred_at, row.amount)
        for row in rows
        if row.name in names and row.customer_id is not None
    )


def test_without_a_rule_every_event_with_revenue_that_takes_nothing_back_is_a_conversion(
    store: Store,
) -> None:
    fill(store)
    add(store, event(1, 1), event(2, 2, name=2), event(3, 3, None, name=3), event(4, 4, None))
    told = refresh(store, SHOP, now=START)
    assert (told.added, told.removed) == (2, 0)
    assert conversions(store) == naive(store, "order_placed")
    again = refresh(store, SHOP, now=START)
    assert (again.added, again.removed) == (0, 0)


def test_late_events_and_changed_amounts_are_as_plain_python_finds_them(store: Store) -> None:
    fill(store)
    draw = random.Random(5)
    number = 0
    for _ in range(4):
        rows = []
        for _ in range(draw.randint(1, 12)):
            number += draw.randint(1, 4)
            rows.append(
                event(
                    number, draw.choice((None, 1, 2, 3)), draw.choice((None, 0, 250)), draw.choice((1, 1, 3))
                )
            )
        add(store, *rows)
        with store.durable("order completed") as connection:
            connection.execute(
                sa.update(people.events)
                .where(people.events.c.id % 3 == 0, people.events.c.amount.is_not(None))
                .values(amount=people.events.c.amount + 50, occurred_at=people.events.c.occurred_at - 1)
            )
        refresh(store, SHOP, now=START)
        assert conversions(store) == naive(store, "order_placed")


def test_a_changed_rule_has_another_version_and_what_the_old_one_made_goes(store: Store) -> None:
    fill(store)
    add(store, event(1, 1), event(2, 2, None, name=4), event(3, 3))
    refresh(store, SHOP, now=START)
    rule = Attribution("Credit", ("contract_signed", "order_placed"))
    both = replace(SHOP, attribution=rule)
    assert refresh(store, both, now=START).added == 1
    assert conversions(store) == naive(store, "order_placed", "contract_signed")
    other = Event(
        "order_placed",
        properties=(EventProperty("order_total", "money"), EventProperty("net", "money")),
        revenue="net",
    )
    changed = replace(both, events=Events((other, *SHOP.events.events[1:])))
    assert conversion_versions(changed)["order_placed"] != conversion_versions(both)["order_placed"]
    told = refresh(store, changed, now=START)
    assert (told.added, told.removed) == (2, 2)
    only = replace(SHOP, attribution=replace(rule, conversions=("contract_signed",)))
    assert refresh(store, only, now=START).removed == 2
    assert conversions(store) == naive(store, "contract_signed")
    # And back: nothing that was deleted is thought to be there still.
    refresh(store, both, now=START)
    assert conversions(store) == naive(store, "order_placed", "contract_signed")


def test_orders_without_a_name_are_matched_by_what_they_hold_and_the_rest_is_a_line(store: Store) -> None:
    fill(store)
    with store.durable("codes") as connection:
        put(
            connection,
            money.codes,
            [{"pool": "p", "code": "X-1", "state": "reserved", "customer_id": 5, "added_at": 0}],
        )
    add(
        store,
        event(1, None, 100, properties={"email": "U1@example.com "}),
        event(2, None, 200, properties={"phone": "+46 70 174 00 02", "email": "nobody"}),
        event(3, None, 300, properties={"coupon": "X-1", "email": "u1@example.com"}),
        event(4, None, 400, visitor="v4"),
        event(5, 4, None, name=3, visitor="v4"),
        event(6, None, 500, properties={"landing_page": "/a?click=1"}),
        event(7, 6, None, name=3, properties={"page": "/a?click=1"}),
        event(8, None, 600),
        event(9, None, None, properties={"email": 7}),
        event(10, 1, 700),
    )
    told = match_back(store, SHOP, ["order_placed"])
    assert {line.by: (line.orders, dict(line.amounts)) for line in told.lines} == {
        "code": (1, {"EUR": 300}),
        "e-mail": (1, {"EUR": 100}),
        "phone": (1, {"EUR": 200}),
        "visitor": (1, {"EUR": 400}),
        "landing page": (1, {"EUR": 500}),
    }
    assert (told.unmatched.orders, dict(told.unmatched.amounts)) == (2, {"EUR": 600})
    everything = sum(sum(line.amounts.values()) for line in (*told.lines, told.unmatched))
    assert everything == 2100, "nothing is dropped"
    assert match_back(store, SHOP, ["order_placed"], opens=NOW + 2, closes=NOW + 3).lines[0].orders == 1
    assert refresh(store, SHOP, now=START).matched_back == told
    assert [(row[1], row[2]) for row in conversions(store)] == [
        (1, 1),
        (2, 2),
        (3, 5),
        (4, 4),
        (6, 6),
        (10, 1),
    ]
    assert (again := refresh(store, SHOP, now=START)).added == again.removed == 0


def test_an_order_that_matches_another_customer_later_moves_and_one_that_matches_nobody_any_more_goes(
    store: Store,
) -> None:
    fill(store)
    add(store, event(1, None, 100, visitor="v"), event(2, 3, None, name=3, visitor="v"))
    refresh(store, SHOP, now=START)
    assert [row[2] for row in conversions(store)] == [3]
    # A second customer goes by the same name: now it is nobody's.
    add(store, event(3, 4, None, name=3, visitor="v"))
    told = refresh(store, SHOP, now=START)
    assert conversions(store) == []
    assert told.matched_back.unmatched.orders == 1
    with store.durable("told") as connection:
        connection.execute(sa.update(people.events).where(people.events.c.id == 1).values(customer_id=2))
    refresh(store, SHOP, now=START)
    assert [row[2] for row in conversions(store)] == [2]
