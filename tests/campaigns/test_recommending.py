"""What is bought together, beside counting it in Python; and which products customers get, on both databases alike."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from math import isclose, sqrt

import pytest
import sqlalchemy as sa

from support.import_world import DEFINITIONS
from tidings.campaigns import bought_together as together
from tidings.campaigns.bought_together import is_due, last_learnt, learn
from tidings.campaigns.recommending import IN_CATEGORY, OF_ALL, TOGETHER, recommended
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.recommending import Recommendations
from tidings.definitions.kinds.rules import Event, EventProperty, Events
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import money, people

DAY = 86_400_000_000
TOTAL = (EventProperty("total", "money"),)
KNOWN = replace(
    DEFINITIONS,
    events=Events(
        (
            Event("bought", properties=TOTAL, revenue="total", returns="sent_back"),
            Event("sent_back", properties=TOTAL, revenue="total"),
        )
    ),
)


def ordered(store: Store, baskets: dict[int, list[str]], *, days: int = 9, name: str = "bought") -> None:
    """Store an order of each customer, so many days ago, one piece a line."""
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        insert_rows(
            connection,
            people.event_names,
            [(1, "bought"), (2, "sent_back")],
            ["id", "name"],
            ignore_conflicts=True,
        )
        insert_rows(
            connection, people.customers, [(n, f"c{n}", n, now) for n in baskets], ["id", "key", "u", "created_at"], ignore_conflicts=True
        )  # fmt: skip
        first = (
            connection.execute(sa.select(sa.func.coalesce(sa.func.max(people.events.c.id), 0))).scalar_one()
            + 1
        )
        kind = 1 if name == "bought" else 2
        ids = {customer: first + place for place, customer in enumerate(baskets)}
        insert_rows(
            connection,
            people.events,
            [(ids[n], kind, n, now - days * DAY - n, now, "shop", f"o{ids[n]}", 100, "EUR") for n in baskets],
            [
                "id",
                "name_id",
                "customer_id",
                "occurred_at",
                "received_at",
                "source",
                "dedupe_key",
                "amount",
                "currency",
            ],
        )
        insert_rows(
            connection,
            people.event_items,
            [
                (ids[n], place, item, 1, 100)
                for n, items in baskets.items()
                for place, item in enumerate(items)
            ],
            ["event_id", "position", "item", "quantity", "price"],
        )


def sold(store: Store, items: list[str], **more: object) -> None:
    """Put items on sale."""
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(money.products),
            [
                {"item": one, "name": one, "price": 100, "currency": "EUR", "updated_at": now, **more}
                for one in items
            ],
        )


def chosen(store: Store, definitions: Definitions, *customers: int) -> dict[int, list[tuple[str, int]]]:
    """Return item and rule of what customers are recommended."""
    with store.read() as connection:
        found = recommended(connection, definitions, customers, now=store.clock.now())
    return {customer: [(one.item, one.rule) for one in those] for customer, those in found.items()}


def wanting(**settings: object) -> Definitions:
    """Return the definitions with other settings."""
    wanted = replace(Recommendations(), **settings)  # type: ignore[arg-type]
    return replace(KNOWN, workspace=replace(KNOWN.workspace, recommendations=wanted))


def test_pairs_are_those_that_counting_in_python_gives(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "_BASKET", 8)
    draw = random.Random(5)
    # Words that databases sort in ways of their own.
    items = ["a", "B", "ä", "Z", "_", "б", "玫瑰", "a b", "a-b", "ab", "10", "9"]
    baskets = {n: draw.sample(items, draw.randint(1, 8)) for n in range(1, 61)}
    ordered(store, baskets)
    # Nobody known, what came back and what is too long ago say nothing.
    ordered(store, {1: items}, name="sent_back")
    ordered(store, {2: items}, days=400)
    sold(store, [one for one in items if one != "Z"])
    learnt = learn(store, KNOWN, now=store.clock.now())
    count = Counter(item for those in baskets.values() for item in set(those))
    expected: dict[tuple[str, str], tuple[int, float]] = {}
    for one in items:
        near = []
        for other in items:
            both = sum(1 for those in baskets.values() if {one, other} <= set(those))
            if other not in (one, "Z") and both >= 3:
                score = both / sqrt(count[one] * count[other]) * both / (both + 10)
                near.append((-score, -both, other))
        for score, both, other in sorted(near)[:10]:
            expected[one, other] = (-both, -score)
    with store.read() as connection:
        rows = connection.execute(sa.select(money.bought_together)).all()
        assert last_learnt(connection) == learnt
    found = {(row.item, row.other): (row.people, row.score) for row in rows}
    assert set(found) == set(expected)
    for pair, (both, score) in expected.items():
        assert found[pair][0] == both and isclose(found[pair][1], score, rel_tol=1e-12)
    assert (learnt.customers, learnt.items, learnt.pairs) == (60, 12, len(expected))


def test_what_was_learnt_before_gives_way_product_by_product(store: Store, clock: FixedClock) -> None:
    ordered(store, {n: ["a", "b"] for n in range(1, 5)}, days=300)
    sold(store, ["a", "b", "c", "d"])
    learn(store, KNOWN, now=clock.now())
    ordered(store, {n: ["c", "d"] for n in range(5, 9)})
    clock.advance(timedelta(days=100))
    learn(store, KNOWN, now=clock.now())
    with store.read() as connection:
        rows = connection.execute(
            sa.select(money.bought_together.c.item, money.bought_together.c.other)
        ).all()
        sellers = connection.execute(sa.select(money.best_sellers)).all()
    assert sorted(map(tuple, rows)) == [("c", "d"), ("d", "c")]
    assert sellers == []


def test_the_top_seller_is_not_recommended_to_everybody(store: Store) -> None:
    ordered(store, {n: ["bag", *(["rose", "shears"] if n <= 8 else ["lamp"])] for n in range(1, 41)})
    ordered(store, {50: ["rose"]})
    sold(store, ["bag", "rose", "shears", "lamp"])
    learn(store, KNOWN, now=store.clock.now())
    assert chosen(store, KNOWN, 50)[50][:2] == [("shears", TOGETHER), ("bag", TOGETHER)]


def test_too_few_people_prove_nothing(store: Store) -> None:
    ordered(store, {n: ["a", "b"] for n in range(1, 4)} | {9: ["a"]})
    sold(store, ["a", "b"])
    learn(store, wanting(at_least=4), now=store.clock.now())
    assert chosen(store, KNOWN, 9) == {9: [("b", OF_ALL)]}
    learn(store, wanting(at_least=3), now=store.clock.now())
    assert chosen(store, KNOWN, 9) == {9: [("b", TOGETHER)]}


def test_best_sellers_of_the_customers_own_category_come_before_those_of_all(store: Store) -> None:
    sold(store, ["hammer", "saw", "plane"], category="tools")
    sold(store, ["rose", "lily"], category="flowers")
    ordered(store, {n: ["rose", "lily"] for n in range(10, 12)} | {n: ["saw"] for n in range(20, 22)})
    ordered(store, {30: ["plane"], 31: ["hammer"]})
    learn(store, wanting(at_least=9), now=store.clock.now())
    found = chosen(store, KNOWN, 31, 10, 99)
    # Of two that sell alike the item decides; who is not known bought nothing.
    assert found[31] == [("saw", IN_CATEGORY), ("plane", IN_CATEGORY), ("lily", OF_ALL), ("rose", OF_ALL)]
    assert found[10] == [("saw", OF_ALL), ("hammer", OF_ALL), ("plane", OF_ALL)]
    assert found[99] == []


def test_so_many_are_shown_as_the_workspace_says(store: Store) -> None:
    items = [f"i{n}" for n in range(9)]
    ordered(store, {n: items for n in range(1, 6)} | {9: ["i0"]})
    sold(store, items)
    learn(store, KNOWN, now=store.clock.now())
    assert [len(chosen(store, wanting(show=show), 9)[9]) for show in (1, 3, 8)] == [1, 3, 8]
    # All of them are as near as each other.
    assert [item for item, _ in chosen(store, KNOWN, 9)[9]] == ["i1", "i2", "i3", "i4"]


def test_a_shop_whose_customers_buy_the_same_again_says_how_soon(store: Store) -> None:
    ordered(store, {n: ["coffee", "filter"] for n in range(1, 6)}, days=20)
    sold(store, ["coffee", "filter"])
    learn(store, KNOWN, now=store.clock.now())
    assert chosen(store, KNOWN, 1) == {1: []}
    soon = wanting(not_again_within=Duration(14, Unit.DAY))
    assert chosen(store, soon, 1) == {1: [("coffee", TOGETHER), ("filter", TOGETHER)]}


def test_it_is_time_to_learn_once_a_day_and_only_where_something_is_sold(
    store: Store, clock: FixedClock
) -> None:
    def due() -> bool:
        with store.read() as connection:
            return is_due(connection, clock.now(), timedelta(days=1))

    assert not due()
    sold(store, ["a"])
    assert due()
    learn(store, KNOWN, now=clock.now())
    assert not due()
    clock.advance(timedelta(days=1))
    assert due()
