"""After bulk work the database knows how large its tables are; nobody waits for it to find out by itself."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse, keep_current
from tidings.store.tables import people

ROWS = 2_000


def _fill(store: Store) -> None:
    rows = [(f"C-{number}", number, 0) for number in range(ROWS)]
    with store.durable("test") as connection:
        insert_rows(connection, people.customers, rows, ["key", "u", "created_at"])


def _believed(store: Store) -> float:
    """Return how many customers PostgreSQL plans for (-1: it never looked)."""
    with store.read() as connection:
        asked = sa.text("SELECT reltuples FROM pg_class WHERE oid = 'customers'::regclass")
        return float(connection.execute(asked).scalar_one())


def test_analysing_after_a_bulk_insert_tells_the_database_how_many_rows_there_are(store: Store) -> None:
    _fill(store)
    if store.dialect == "postgresql":
        assert _believed(store) <= 0
    analyse(store, "customers")
    if store.dialect == "postgresql":
        assert _believed(store) == ROWS


def test_tables_that_changed_a_lot_are_found_and_analysed_and_found_once(store: Store) -> None:
    _fill(store)
    if store.dialect == "sqlite":
        assert keep_current(store) == ()
        return
    # The server tells of changes about a second late.
    deadline = time.monotonic() + 20
    analysed: tuple[str, ...] = ()
    while "customers" not in analysed and time.monotonic() < deadline:
        analysed = keep_current(store)
        time.sleep(0.1)
    assert "customers" in analysed
    assert _believed(store) == ROWS
    while keep_current(store) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert keep_current(store) == ()


def test_nothing_is_written_on_sqlite_and_nothing_without_a_table(store: Store) -> None:
    before = store.lock_report()
    analyse(store)
    if store.dialect == "sqlite":
        analyse(store, "customers", "no_such_table")
    assert store.lock_report() == before


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_a_table_that_is_not_there_is_an_error(store: Store, dialect: str) -> None:
    from tidings.errors import StoreError

    with pytest.raises(StoreError):
        analyse(store, "no_such_table")
