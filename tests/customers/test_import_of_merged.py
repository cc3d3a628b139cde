"""What a file says under the key of a record that was merged is said of the person it is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from customers.test_import_customers import TABLES, one
from support.import_world import CUSTOMER_HEADER, CUSTOMERS, DEFINITIONS, contents, customer, write_csv
from tidings.customers.importing import import_file
from tidings.customers.result import ImportResult
from tidings.store.database import Store
from tidings.store.tables import people


def bring(store: Store, tmp_path: Path, *rows: tuple[str, ...], name: str) -> ImportResult:
    return import_file(
        store, DEFINITIONS, CUSTOMERS, write_csv(tmp_path / name, CUSTOMER_HEADER, rows), again=True
    )


def merged(store: Store, tmp_path: Path) -> dict[str, Any]:
    """Two customers, the second of whom is the first, of whom little is known; returns the second as it is."""
    bring(
        store, tmp_path, customer(1, phone="", level="", likes="", news="0"), customer(2, news="0"), name="a"
    )
    with store.durable("test") as connection:
        ids = dict(connection.execute(sa.select(people.customers.c.key, people.customers.c.id)).all())
        connection.execute(
            sa.update(people.customers).where(people.customers.c.key == "C2").values(merged_into=ids["C1"])
        )
    return one(store, "C2")


def test_the_row_of_a_merged_record_fills_its_person_and_leaves_the_old_record_alone(
    store: Store, tmp_path: Path
) -> None:
    before = merged(store, tmp_path)
    result = bring(store, tmp_path, customer(2, email="new@example.com", orders="99", news="1"), name="b")
    assert (result.created, result.updated, result.unchanged) == (0, 1, 0)
    assert one(store, "C2") == before
    found = one(store, "C1")
    assert (found["phone"], found["member_level"], found["interests"]) == (
        "+46701740002",
        "gold",
        ["roses", "trees"],
    )
    assert (found["email"], found["orders"]) == ("u1@example.com", 1.0), "what is known of the person holds"
    with store.read() as connection:
        assert connection.execute(sa.select(people.consents.c.customer_id)).scalars().all() == [found["id"]]


def test_two_rows_of_one_person_change_nothing_when_they_come_again(store: Store, tmp_path: Path) -> None:
    merged(store, tmp_path)
    rows = [
        customer(2, orders="99", level="gold"),
        customer(1, orders="5"),
        customer(3),
        customer(2, likes="x"),
    ]
    result = bring(store, tmp_path, *rows, name="b")
    assert (result.created, result.updated) == (1, 2)
    assert one(store, "C1")["orders"] == 5.0, "the row of the own key holds, in whatever order they come"
    before = contents(store, TABLES)
    result = bring(store, tmp_path, *rows, name="c")
    assert (result.created, result.updated, result.unchanged) == (0, 0, 4)
    assert contents(store, TABLES) == before
