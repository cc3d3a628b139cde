"""Connections by purpose: what is durable, what is only marked, what cannot write, who waits for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.stores import START, open_store
from tidings.clock import FixedClock
from tidings.errors import StoreError
from tidings.store.boot import boot_id
from tidings.store.database import Store
from tidings.store.explain import Conflict
from tidings.store.tables.people import event_names


def _names(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(sa.select(event_names.c.name).order_by(event_names.c.id)).scalars())


def _add(connection: sa.Connection, name: str) -> None:
    connection.execute(event_names.insert().values(name=name))


def test_a_transaction_commits_at_the_end_and_rolls_back_on_an_exception(store: Store) -> None:
    with store.durable("test") as connection:
        _add(connection, "kept")
    with pytest.raises(ZeroDivisionError), store.durable("test") as connection:
        _add(connection, "lost")
        _ = 1 / 0
    with store.marks() as connection:
        _add(connection, "marked")
    with pytest.raises(ZeroDivisionError), store.marks() as connection:
        _add(connection, "lost")
        _ = 1 / 0
    assert _names(store) == ["kept", "marked"]


def test_durable_syncs_and_marks_does_not(store: Store) -> None:
    setting = "PRAGMA synchronous" if store.dialect == "sqlite" else "SHOW synchronous_commit"
    with store.durable("test") as connection:
        durable = connection.exec_driver_sql(setting).scalar()
    with store.marks() as connection:
        marks = connection.exec_driver_sql(setting).scalar()
    assert (durable, marks) == ((2, 1) if store.dialect == "sqlite" else ("on", "off"))


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.read() as connection:
        _add(connection, "smuggled")
    assert caught.value.code == "store-read-only"
    assert _names(store) == []


def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    with store.read() as connection:
        before = connection.execute(sa.select(sa.func.count()).select_from(event_names)).scalar()
        with store.durable("test") as writer:
            _add(writer, "new")
        after = connection.execute(sa.select(sa.func.count()).select_from(event_names)).scalar()
    assert (before, after) == (0, 0)
    assert _names(store) == ["new"]


def test_a_broken_rule_of_the_tables_is_a_conflict_with_its_cause(store: Store) -> None:
    with store.durable("test") as connection:
        _add(connection, "once")
    with pytest.raises(Conflict) as caught, store.durable("test") as connection:
        _add(connection, "once")
    assert isinstance(caught.value.__cause__, sa.exc.IntegrityError)
    assert store.place in caught.value.message


def test_a_broken_reference_is_refused_on_both_databases(store: Store) -> None:
    with pytest.raises(Conflict), store.durable("test") as connection:
        connection.exec_driver_sql(
            "INSERT INTO customer_lists (customer_id, attribute, value) VALUES (4711, 'a', 'b')"
        )


def test_a_statement_that_the_database_cannot_read_becomes_a_sentence(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.read() as connection:
        connection.exec_driver_sql("SELECT * FROM not_there")
    assert caught.value.code == "store-not-migrated"
    assert "tidings migrate" in caught.value.what_to_do


def test_a_mistake_in_a_statement_is_not_taken_for_a_lost_connection(
    make_store: Callable[..., Store],
) -> None:
    for statement in ("SELECT %", "SELECT 1/0", "SELEC 1"):
        with pytest.raises(StoreError) as caught, make_store("postgresql").read() as connection:
            connection.exec_driver_sql(statement)
        assert caught.value.code == "store-refused"


def test_errors_of_other_files_are_not_taken_for_the_stores(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), store.durable("test"):
        (tmp_path / "none.csv").read_text()


def test_a_second_transaction_inside_the_first_is_refused_instead_of_waiting_for_itself(
    make_store: Callable[..., Store],
) -> None:
    store = make_store("sqlite")
    with (
        store.durable("outer"),
        pytest.raises(RuntimeError, match="second transaction"),
        store.durable("inner"),
    ):
        pass
    with store.durable("afterwards"):
        pass


def test_one_thread_writes_at_a_time_even_through_two_stores_of_one_file(
    make_store: Callable[..., Store],
) -> None:
    store = make_store("sqlite")
    inside, most = 0, 0
    guard = threading.Lock()
    with open_store(store.url) as second:

        def work(mine: Store) -> None:
            nonlocal inside, most
            for number in range(20):
                with mine.durable("work") as connection:
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    _add(connection, f"{threading.get_ident()}-{id(mine)}-{number}")
                    time.sleep(0.001)
                    with guard:
                        inside -= 1

        threads = [threading.Thread(target=work, args=(one,)) for one in (store, second, store)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 1
    assert len(_names(store)) == 60


def test_many_threads_read_and_write_at_once(store: Store) -> None:
    problems: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(10):
                with store.durable("work") as connection:
                    _add(connection, f"{thread}-{number}")
                _names(store)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(_names(store)) == 60


def test_lock_time_is_accounted_by_purpose(store: Store) -> None:
    for _ in range(2):
        with store.durable("slow"):
            time.sleep(0.02)
    with pytest.raises(ZeroDivisionError), store.durable("failed"):
        _ = 1 / 0
    report = {use.purpose: use for use in store.lock_report()}
    assert report["slow"].count == 2
    assert 20 <= report["slow"].longest_ms <= report["slow"].total_ms
    assert report["slow"].total_ms >= 40
    assert report["failed"].count == 1
    assert store.lock_report()[0].purpose == "slow"


def test_a_workbench_computes_without_the_write_lock_and_applies_under_it(store: Store) -> None:
    with store.workbench("bench") as bench:
        with bench.computing() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE found (id integer, name text)")
            connection.exec_driver_sql("INSERT INTO found VALUES (1, 'a'), (2, 'b'), (3, 'c')")
            with store.durable("another") as other:
                _add(other, "meanwhile")
        for low, high in store.paced("bench").spans(1, 3, 2):
            with bench.durable() as connection:
                connection.execute(
                    sa.text(
                        "INSERT INTO event_names (name) SELECT name FROM found WHERE id BETWEEN :low AND :high"
                    ),
                    {"low": low, "high": high},
                )
    assert sorted(_names(store)) == ["a", "b", "c", "meanwhile"]
    assert {use.purpose: use.count for use in store.lock_report()}["bench"] == 2
    with store.workbench("bench") as bench, bench.computing() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE found (id integer)")


def test_lease_time_is_the_databases_own_and_not_the_injected_one(store: Store, clock: FixedClock) -> None:
    with store.read() as connection:
        first = store.lease_now(connection)
    clock.advance(timedelta(days=400))
    time.sleep(0.02)
    with store.durable("test") as connection:
        second = store.lease_now(connection)
    assert abs(first / 1e6 - time.time()) < 10
    assert 10_000 <= second - first < 10_000_000


def test_the_boot_id_is_a_word_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "boot_id"
    assert boot_id(path) is None
    path.write_text("\n")
    assert boot_id(path) is None
    path.write_text("1f3a\n")
    assert boot_id(path) == "1f3a"


def test_a_clock_set_back_is_refused_and_a_small_step_is_not(store: Store, clock: FixedClock) -> None:
    with store.durable("sending") as connection:
        store.note_time(connection, START + timedelta(hours=2))
        store.note_time(connection, START + timedelta(hours=1))
    store.check_clock(START + timedelta(hours=1, minutes=55))
    with pytest.raises(StoreError) as caught:
        store.check_clock(START + timedelta(hours=1, minutes=54))
    assert "2027-03-02T10:54:00Z" in caught.value.message
    assert "2027-03-02T11:00:00Z" in caught.value.message
    assert caught.value.what_to_do


def test_a_marks_connection_comes_back_after_its_backend_was_killed(make_store: Callable[..., Store]) -> None:
    store = make_store("postgresql")
    with store.marks() as connection:
        _add(connection, "before")
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with store.durable("kill") as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    with pytest.raises(StoreError) as caught, store.marks() as connection:
        _add(connection, "lost")
    assert caught.value.code == "store-unreachable"
    with store.marks() as connection:
        _add(connection, "after")
    assert _names(store) == ["before", "after"]
