"""The one connection of a sender on SQLite: what it reads, what it leaves unchecked, and the account of its holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from support.ledger_world import seed
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.quick import QuickWriter, driver_of
from tidings.store.tables.people import event_names

_ADD = "INSERT INTO event_names (name) VALUES (?)"


@pytest.fixture
def sqlite(make_store: Callable[..., Store]) -> Store:
    """A store in a file."""
    return make_store("sqlite")


@pytest.fixture
def writer(sqlite: Store) -> Iterator[QuickWriter]:
    """A connection to it."""
    writer = sqlite.quick_writer()
    assert writer is not None
    yield writer
    writer.close()


def _names(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(event_names.c.name).order_by(event_names.c.id)).scalars())


def test_what_it_reads_is_one_state_and_keeps_nobody_from_writing(sqlite: Store, writer: QuickWriter) -> None:
    with writer.transaction() as driver:
        driver.execute(_ADD, ("ours",))
    with writer.reading() as connection:
        assert _names(connection) == ["ours"]
        with sqlite.durable("test") as other:
            other.exec_driver_sql(_ADD, ("theirs",))
        assert _names(connection) == ["ours"]
    with writer.reading() as connection:
        assert _names(connection) == ["ours", "theirs"]
    # And it writes as before.
    with writer.durable("test") as connection:
        connection.exec_driver_sql(_ADD, ("again",))


def test_the_state_is_another_exactly_when_somebody_else_wrote(sqlite: Store, writer: QuickWriter) -> None:
    with writer.reading():
        before = writer.version
    with writer.transaction() as driver:
        driver.execute(_ADD, ("ours",))
    with writer.durable("test", trusted=True) as connection:
        connection.exec_driver_sql(_ADD, ("ours, too",))
    with writer.reading():
        assert writer.version == before
    with sqlite.marks() as other:
        other.exec_driver_sql(_ADD, ("theirs",))
    with writer.transaction():
        assert writer.version != before


def test_a_trusted_transaction_looks_up_no_ids_and_the_next_one_does_again(
    sqlite: Store, writer: QuickWriter
) -> None:
    seed(sqlite, 1)
    foreign = "UPDATE messages SET claim_id = 4711"
    with pytest.raises(ZeroDivisionError), writer.durable("test", trusted=True) as connection:
        connection.exec_driver_sql(foreign)
        _ = 1 / 0
    with pytest.raises(StoreError), writer.durable("test") as connection:
        connection.exec_driver_sql(foreign)
    with pytest.raises(StoreError), writer.transaction() as driver:
        driver.execute(foreign)


def test_ids_are_looked_up_again_wherever_they_may_be_written(sqlite: Store, writer: QuickWriter) -> None:
    seed(sqlite, 1)
    foreign = "UPDATE messages SET claim_id = 4711"
    for untrusted in (writer.marks, lambda: writer.durable("test")):
        with writer.durable("test", trusted=True):
            pass
        with pytest.raises(StoreError), untrusted() as connection:
            connection.exec_driver_sql(foreign)


def test_statements_stay_prepared_from_one_claim_to_the_next(sqlite: Store, writer: QuickWriter) -> None:
    switched: list[str] = []
    writer._driver.set_trace_callback(lambda text: switched.append(text) if "foreign_keys" in text else None)
    for number in range(3):
        with writer.durable("test", trusted=True) as connection:
            connection.exec_driver_sql(_ADD, (f"claim {number}",))
        with writer.transaction() as driver:
            driver.execute(_ADD, (f"mark {number}",))
        with writer.looking() as driver:
            assert driver.execute("SELECT 1").fetchone() == (1,)
    assert switched == ["PRAGMA foreign_keys = OFF"]


def test_a_look_sees_one_state_and_holds_nobody_up(sqlite: Store, writer: QuickWriter) -> None:
    count = "SELECT count(*) FROM event_names"
    with writer.looking() as driver:
        assert driver.execute(count).fetchone() == (0,)
        before = writer.version
        with sqlite.marks() as other:
            other.exec_driver_sql(_ADD, ("theirs",))
        assert driver.execute(count).fetchone() == (0,)
    with pytest.raises(ZeroDivisionError), writer.looking() as driver:
        assert driver.execute(count).fetchone() == (1,)
        assert writer.version != before
        _ = 1 / 0
    # Nothing is left open: others may write, and so may we.
    with sqlite.marks() as other:
        other.exec_driver_sql(_ADD, ("again",))
    with writer.transaction() as mine:
        mine.execute(_ADD, ("ours",))


def test_its_holds_are_counted_while_it_is_open_and_afterwards(sqlite: Store, writer: QuickWriter) -> None:
    def marks() -> list[int]:
        return [use.count for use in sqlite.lock_report() if use.purpose == "marks"]

    with sqlite.marks():
        pass
    for _ in range(2):
        with writer.transaction():
            pass
    assert marks() == [3]
    writer.close()
    writer.close()
    assert marks() == [3]
    (use,) = [use for use in sqlite.lock_report() if use.purpose == "marks"]
    assert 0 < use.longest_busy_ms <= use.total_ms


def _driver(writer: QuickWriter) -> object:
    return writer._connection.connection.driver_connection


def test_a_connection_given_back_serves_the_next_writer(sqlite: Store, writer: QuickWriter) -> None:
    with writer.durable("test", trusted=True) as connection:
        connection.exec_driver_sql(_ADD, ("ours",))
    kept = _driver(writer)
    writer.give_back()
    # Whoever gives it back again, or up, changes nothing: it is somebody else's by now.
    following = sqlite.quick_writer()
    assert following is not None
    writer.give_back()
    writer.close()
    try:
        assert _driver(following) is kept
        with following.reading() as connection:
            assert _names(connection) == ["ours"]
            settings = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("synchronous", "foreign_keys", "wal_autocheckpoint")
            ]
        assert settings == [1, 1, 4_000]
        with following.transaction() as driver:
            driver.execute(_ADD, ("again",))
    finally:
        following.close()
    assert sum(use.count for use in sqlite.lock_report() if use.purpose == "marks") == 1


@pytest.mark.parametrize("left", ["BEGIN IMMEDIATE", "PRAGMA foreign_keys = OFF"])
def test_a_connection_that_is_not_as_it_was_is_given_up(
    sqlite: Store, writer: QuickWriter, left: str
) -> None:
    unsound = _driver(writer)
    writer._driver.execute(left)
    writer.give_back()
    following = sqlite.quick_writer()
    assert following is not None
    try:
        assert _driver(following) is not unsound
        # Nobody waits for what the other had begun.
        with following.transaction() as driver:
            driver.execute(_ADD, ("ours",))
    finally:
        following.close()


def test_the_driver_is_given_only_inside_of_a_transaction(sqlite: Store, writer: QuickWriter) -> None:
    with writer.marks() as connection:
        assert driver_of(connection) is writer._driver
    assert driver_of(writer._connection) is None
