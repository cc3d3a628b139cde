"""Codes that come back with orders: each judged once, in the order in which they came, however late they are told."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from support.import_world import DEFINITIONS
from support.ledger_channel import Channel, render
from support.ledger_world import World, message_rows, seed
from tidings.campaigns.pools import import_codes, pools, withdraw
from tidings.campaigns.promises import Promise
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.kinds.offer import AtMost, Offer
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.definitions.values import Duration, Unit
from tidings.delivery.sender import deliver
from tidings.measurement import touches
from tidings.measurement.redemptions import Came, judge, refresh
from tidings.measurement.shared_codes import shared_codes
from tidings.store.database import Store
from tidings.store.tables import answers, money, people

HOUR = 3_600_000_000
ORDER = Event(
    "bought",
    properties=(EventProperty("coupon", "text"), EventProperty("less", "money", "EUR")),
    code="coupon",
    discount="less",
)
POOL = Offer("25% off", pool="spring25", ends=Duration(2, Unit.DAY))
SHARED = Offer("10% off", code="SPRING10", ends=date(2027, 3, 4), at_most=AtMost(1))
KNOWN = replace(
    DEFINITIONS,
    events=Events((ORDER,)),
    flows={},
    campaigns={
        "shared": Campaign(
            "shared", "Shared", "campaigns/shared.yaml", Audience(), "x", ("email",), offer=SHARED
        )
    },
)


def sent(store: Store, clock: FixedClock, offer: Offer, name: str, treated: int = 3) -> World:
    """Send a run with an offer."""
    world = seed(store, treated, campaign=name)
    promise = Promise(name, offer, DEFINITIONS.workspace.zone)
    world = replace(world, job=replace(world.job, terms=replace(world.job.terms, promise=promise)))
    assert deliver(store, world.job, adapter=Channel(), render=render, clock=clock).accepted == treated
    return world


def order(
    store: Store, number: int, customer: int | None, code: str, after: int, less: int | None = None
) -> None:
    """Record an order `after` so many hours that came with a code; without a customer it is a visitor's."""
    at = to_micros(store.clock.now()) + after * HOUR
    with store.durable("test") as connection:
        name = connection.execute(
            sa.select(people.event_names.c.id).where(people.event_names.c.name == "bought")
        ).scalar()
        if name is None:
            name = connection.execute(
                sa.insert(people.event_names).values(name="bought").returning(people.event_names.c.id)
            ).scalar_one()
        said: dict[str, Any] = {"coupon": code} | ({"less": less} if less is not None else {})
        connection.execute(
            sa.insert(people.events).values(
                name_id=name, customer_id=customer, visitor=None if customer else f"v{number}", occurred_at=at,
                received_at=at, source="test", dedupe_key=f"o{number}", properties=said,
            )
        )  # fmt: skip


def judged(store: Store) -> dict[str, tuple[Any, ...]]:
    """Return what every order's code counts for, by the order."""
    table = money.redemptions
    with store.read() as connection:
        rows = connection.execute(
            sa.select(table, people.events.c.dedupe_key.label("order")).join(
                people.events, people.events.c.id == table.c.event_id
            )
        )
        return {row.order: (row.judged, row.code, row.offer, row.customer_id, row.message_id) for row in rows}


@pytest.fixture
def codes(store: Store, clock: FixedClock) -> dict[int, tuple[str, int]]:
    """The code and the message of each customer of a run with codes of a pool; F4 is free, and W5 withdrawn."""
    import_codes(
        store, "spring25", ["SPRING-A", "SPRING-B", "SPRING-C", "F4", "W5"], actor="ann", now=clock.now()
    )
    withdraw(store, "spring25", ["W5"], actor="ann", now=clock.now())
    world = sent(store, clock, POOL, "spring")
    return {
        row.customer_id: (row.variables["offer_code"], row.id) for row in message_rows(store, world.run_id)
    }


def test_a_code_of_a_pool_counts_once_for_who_got_it_and_until_it_ends(store: Store, codes: dict) -> None:
    order(store, 1, 1, "SPRING-A", 1, less=500)
    order(store, 2, 1, " spring-a ", 2)
    order(store, 3, 3, "SPRING-B", 3)
    order(store, 4, None, "SPRING-B", 4)
    order(store, 5, 3, "SPRING-C", 24 * 4)
    order(store, 6, 2, "F4", 5)
    order(store, 7, 2, "W5", 6)
    order(store, 8, 2, "NOTHING", 7)
    now = store.clock.now()
    done = refresh(store, KNOWN, now=now)
    assert (done.added, done.changed) == (8, 0)
    assert judged(store) == {
        "o1": ("good", "SPRING-A", "spring", 1, codes[1][1]),
        "o2": ("again", "SPRING-A", "spring", 1, codes[1][1]),
        "o3": ("other_customer", "SPRING-B", "spring", 3, codes[2][1]),
        "o4": ("good", "SPRING-B", "spring", 2, codes[2][1]),
        "o5": ("ended", "SPRING-C", "spring", 3, codes[3][1]),
        "o6": ("unknown", "F4", None, 2, None),
        "o7": ("withdrawn", "W5", None, 2, None),
        "o8": ("unknown", "NOTHING", None, 2, None),
    }
    again = refresh(store, KNOWN, now=now)
    assert (again.added, again.changed) == (0, 0)
    with store.read() as connection:
        (pool,) = pools(connection)
        first = connection.execute(
            sa.select(money.redemptions.c.discount, money.redemptions.c.currency).order_by(
                money.redemptions.c.event_id
            )
        ).first()
    assert (pool.free, pool.reserved, pool.redeemed, pool.withdrawn) == (1, 3, 2, 1)
    assert tuple(first) == (500, "EUR")


def test_an_order_told_late_takes_the_place_that_it_had(store: Store, codes: dict) -> None:
    now = store.clock.now()
    order(store, 1, 1, "SPRING-A", 5)
    refresh(store, KNOWN, now=now)
    order(store, 2, 1, "SPRING-A", 3)
    done = refresh(store, KNOWN, now=now)
    assert (done.added, done.changed) == (1, 1)
    assert {key: one[0] for key, one in judged(store).items()} == {"o1": "again", "o2": "good"}


def test_a_code_withdrawn_after_it_counted_goes_on_counting(store: Store, codes: dict) -> None:
    now = store.clock.now()
    order(store, 1, 1, "SPRING-A", 5)
    refresh(store, KNOWN, now=now)
    withdraw(store, "spring25", ["SPRING-A"], actor="ann", now=now)
    order(store, 2, 1, "SPRING-A", 6)
    refresh(store, KNOWN, now=now)
    assert {key: one[0] for key, one in judged(store).items()} == {"o1": "good", "o2": "withdrawn"}


def test_a_shared_code_counts_for_everybody_as_often_as_the_offer_says(
    store: Store, clock: FixedClock
) -> None:
    world = sent(store, clock, SHARED, "shared", treated=2)
    messages = {row.customer_id: row.id for row in message_rows(store, world.run_id)}
    order(store, 1, 1, "spring10", 1)
    order(store, 2, 1, "SPRING10", 2)
    order(store, 3, None, "SPRING10", 3)
    order(store, 4, 2, "SPRING10", 24 * 4)
    refresh(store, KNOWN, now=clock.now())
    order(store, 5, 2, "SPRING10", 4)
    refresh(store, KNOWN, now=clock.now())
    assert judged(store) == {
        "o1": ("good", "SPRING10", "shared", 1, messages[1]),
        "o2": ("again", "SPRING10", "shared", 1, messages[1]),
        "o3": ("good", "SPRING10", "shared", None, None),
        "o4": ("ended", "SPRING10", "shared", 2, messages[2]),
        "o5": ("good", "SPRING10", "shared", 2, messages[2]),
    }


@pytest.mark.parametrize("seed_", [1, 2, 3])
def test_in_whatever_order_and_pieces_they_are_told_the_same_is_judged(
    store: Store, clock: FixedClock, codes: dict, seed_: int
) -> None:
    draw = random.Random(seed_)
    orders = [
        (
            number,
            draw.choice((1, 2, 3, None)),
            draw.choice(("SPRING-A", "SPRING-B", "SPRING10", "F4", "X")),
            number,
        )
        for number in range(1, 31)
    ]
    draw.shuffle(orders)
    for number, one in enumerate(orders):
        order(store, *one)
        if number % 7 == 0:
            refresh(store, KNOWN, now=clock.now())
    refresh(store, KNOWN, now=clock.now())
    piecewise = judged(store)
    with store.durable("test") as connection:
        connection.execute(sa.delete(money.redemptions))
        connection.execute(sa.delete(answers.measured_blocks))
    refresh(store, KNOWN, now=clock.now())
    assert judged(store) == piecewise
    good = [one[1] for one in piecewise.values() if one[0] == "good" and one[1].startswith("SPRING-")]
    assert len(good) == len(set(good))


def test_what_counts_is_a_touch_of_the_message_that_showed_the_code(
    store: Store, clock: FixedClock, codes: dict
) -> None:
    order(store, 1, 1, "SPRING-A", 1)
    order(store, 2, 1, "SPRING-A", 2)
    touches.refresh(store, KNOWN, now=clock.now())
    with store.read() as connection:
        rows = connection.execute(
            sa.select(answers.touches).where(answers.touches.c.kind == "redeemed")
        ).all()
    assert [(row.campaign, row.customer_id, row.message_id) for row in rows] == [("spring", 1, codes[1][1])]


@pytest.mark.parametrize("code", ["SPRING10", "NOBODYS"])
def test_a_code_that_many_use_is_judged_without_reading_what_the_others_did(
    make_store: Any, clock: FixedClock, code: str
) -> None:
    store = make_store("sqlite")
    sent(store, clock, SHARED, "shared", treated=4)
    for number, customer in enumerate((1, 2, 3), 1):
        order(store, number, customer, code, number)
    refresh(store, KNOWN, now=store.clock.now())
    later = to_micros(store.clock.now()) + 5 * HOUR
    shared = shared_codes(KNOWN)
    with store.read() as connection:
        for customer, number, bear_on_it in (
            (4, None, []),
            (1, None, ["e1"]),
            (None, "o3", []),
            (4, "7", []),
        ):
            mine = Came(code, customer, 1_000, later, None, None, number)
            together, known = judge(connection, [mine], shared)
            assert sorted(known) == bear_on_it
            assert {one.key for one in together} == {"e1000", *bear_on_it}
            good = code == "SPRING10" and customer != 1
            assert mine.judged == ("good" if good else "again" if code == "SPRING10" else "unknown")
