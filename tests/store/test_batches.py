"""Many rows in one call: values as the columns' types say, and ids that nobody else gets."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa

from support.stores import ATTRIBUTES
from tidings.store.batches import insert_rows, next_ids
from tidings.store.database import Store
from tidings.store.explain import Conflict
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

CUSTOMER = ("id", "key", "u", "email", "created_at")


def _customers(count: int, start: int = 1) -> list[tuple[object, ...]]:
    return [(number, f"c{number}", number * 7, None, 1_000) for number in range(start, start + count)]


def _count(store: Store, table: sa.Table) -> int:
    with store.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_no_rows_are_no_statement(store: Store) -> None:
    with store.durable("test") as connection:
        assert insert_rows(connection, people.customers, [], CUSTOMER) == 0


def test_rows_are_inserted_and_counted(store: Store) -> None:
    with store.durable("test") as connection:
        assert insert_rows(connection, people.customers, _customers(2_500), CUSTOMER) == 2_500
    assert _count(store, people.customers) == 2_500


def test_conflicts_are_passed_over_only_when_asked(store: Store) -> None:
    with store.durable("test") as connection:
        insert_rows(connection, people.customers, _customers(10), CUSTOMER)
        assert (
            insert_rows(connection, people.customers, _customers(10, 6), CUSTOMER, ignore_conflicts=True) == 5
        )
        assert insert_rows(connection, people.customers, _customers(5), CUSTOMER, ignore_conflicts=True) == 0
    with pytest.raises(Conflict), store.durable("test") as connection:
        insert_rows(connection, people.customers, _customers(1), CUSTOMER)
    assert _count(store, people.customers) == 15


def test_passing_over_conflicts_does_not_pass_over_missing_values(store: Store) -> None:
    with pytest.raises(Conflict), store.durable("test") as connection:
        insert_rows(connection, people.customers, [(1, None, 1, None, 1)], CUSTOMER, ignore_conflicts=True)
    with pytest.raises(Conflict), store.durable("test") as connection:
        insert_rows(
            connection,
            people.suppressions,
            [("email", "h", "no such reason", "s", 1)],
            ("channel", "address_hash", "reason", "source", "at"),
            ignore_conflicts=True,
        )


@pytest.mark.parametrize("ignore", [False, True])
def test_every_type_of_column_comes_back_as_it_went_in(store: Store, ignore: bool) -> None:
    properties = {"page": "/розы?a=1", "note": 'tab\t"quotes" \\ and, comma {braces}', "list": [1, None]}
    table = attributes_table(ATTRIBUTES)
    with store.durable("test") as connection:
        insert_rows(connection, people.customers, _customers(2), CUSTOMER)
        insert_rows(connection, people.event_names, [(1, "viewed")], ("id", "name"))
        insert_rows(
            connection,
            people.events,
            [(1, 1, 1, 5, 5, "s", "a", properties), (2, 1, 2, 5, 5, "s", "b", None)],
            (
                "id",
                "name_id",
                "customer_id",
                "occurred_at",
                "received_at",
                "source",
                "dedupe_key",
                "properties",
            ),
            ignore_conflicts=ignore,
        )
        insert_rows(
            connection,
            people.event_items,
            [(1, 0, "rose", None, Decimal("0.1"), 250), (1, 1, "spade", "Spade", Decimal("-2.000001"), -100)],
            ("event_id", "position", "item", "name", "quantity", "price"),
            ignore_conflicts=ignore,
        )
        insert_rows(
            connection,
            table,
            [
                (1, "Åsa 花 O'Neil, \\N", date(1980, 2, 29), 2**40, 2.5, True),
                (2, None, None, None, None, None),
            ],
            ("customer_id", "full_name", "birthday", "lifetime_value", "orders", "vip"),
            ignore_conflicts=ignore,
        )
    with store.read() as connection:
        got = connection.execute(sa.select(people.events.c.properties).order_by(people.events.c.id)).scalars()
        assert list(got) == [properties, None]
        nulls = sa.select(sa.func.count()).where(people.events.c.properties.is_(None))
        assert connection.execute(nulls).scalar() == 1
        items = people.event_items
        quantities = connection.execute(sa.select(items.c.quantity).order_by(items.c.position)).scalars()
        assert list(quantities) == [Decimal("0.1"), Decimal("-2.000001")]
        total = sa.select(sa.func.sum(items.c.quantity * items.c.price))
        assert connection.execute(total).scalar() == 225_000_100
        every = connection.execute(sa.select(sa.func.sum(items.c.quantity))).scalar()
        assert every == Decimal("-1.900001")
        more = sa.select(sa.func.count()).where(items.c.quantity > Decimal("0.09"))
        assert connection.execute(more).scalar() == 1
        columns = [table.c[name] for name in ("full_name", "birthday", "lifetime_value", "orders", "vip")]
        rows = connection.execute(sa.select(*columns).order_by(table.c.customer_id)).all()
    assert [tuple(row) for row in rows] == [
        ("Åsa 花 O'Neil, \\N", date(1980, 2, 29), 2**40, 2.5, True),
        (None, None, None, None, None),
    ]


def test_new_ids_follow_what_is_there_and_are_not_used_twice(store: Store) -> None:
    with store.durable("test") as connection:
        first = next_ids(connection, people.customers, 3)
        rows = [(id_, f"c{id_}", 1, None, 1) for id_ in first]
        insert_rows(connection, people.customers, rows, CUSTOMER)
        second = next_ids(connection, people.customers, 2)
        assert next_ids(connection, people.customers, 0) == []
        connection.execute(people.customers.delete())
    with store.durable("test") as connection:
        third = next_ids(connection, people.customers, 1)
        connection.execute(people.customers.insert().values(key="x", u=1, created_at=1))
        given = connection.execute(sa.select(people.customers.c.id)).scalar_one()
    assert len({*first, *third}) == 4
    assert second == sorted(second)
    assert min(second) > max(first)
    assert min(third) > max(first)
    assert given > max(first)


def test_two_writers_never_get_the_same_ids(store: Store) -> None:
    taken: list[int] = []

    def work() -> None:
        for _ in range(5):
            with store.durable("test") as connection:
                ids = next_ids(connection, people.customers, 10)
                insert_rows(
                    connection, people.customers, [(id_, f"c{id_}", 1, None, 1) for id_ in ids], CUSTOMER
                )
                taken.extend(ids)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 150
