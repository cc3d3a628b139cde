"""Draining when things go wrong: kills, torn files, several at once, a store that is away; all arrives once."""

from __future__ import annotations

import errno
import os
import threading

import httpx
import pytest
import sqlalchemy as sa

from support.spooled import click, everything, gone, order, spooled
from support.tracking import RING, SALT, rows_of, sent_run, tracker, withdrawn
from tidings.clock import to_micros
from tidings.responses import drain as draining
from tidings.responses.drain import Drainer, DrainResult, drain
from tidings.responses.spool import encode, waiting_files
from tidings.store.tables import answers, keeping, people, sending
from tidings.tokens.links import mint

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def test_draining_again_from_the_beginning_changes_nothing(store, folder, clock) -> None:
    now = to_micros(clock.now())
    messages = sent_run(store, 30, links=4)
    records = [click(one, now + n * 1_000_000, to=n % 4) for n, one in enumerate(messages * 3)]
    records += [gone(one, now + 5) for one in messages[:9]] + [order("K3"), order("stranger", id="7")]
    spooled(folder, clock, records, close=False)
    drain(store, folder, salt=SALT)
    before = everything(store)
    # As if the progress had never been committed.
    with store.durable("test") as connection:
        connection.execute(sa.delete(keeping.spool_progress))
    assert drain(store, folder, salt=SALT) == DrainResult()
    assert everything(store) == before


@pytest.mark.parametrize("at", range(1, 12))
def test_killed_after_any_transaction_nothing_is_lost_or_doubled(
    make_store, dialect, folder, clock, monkeypatch, at
) -> None:
    monkeypatch.setattr(draining, "_AT_ONCE", 7)
    store = make_store(dialect)
    now = to_micros(clock.now())
    messages = sent_run(store, 12, links=3)
    records = [click(one, now + n * 900_000, to=n % 3) for n, one in enumerate(messages * 2)]
    records += [gone(one, now) for one in messages[:4]] + [order(f"N{n}", id=str(n)) for n in range(5)]
    spooled(folder, clock, records)

    class Killed(BaseException):
        pass

    begun = []
    durable = store.durable

    def dying(purpose):
        begun.append(purpose)
        if len(begun) == at:
            raise Killed
        return durable(purpose)

    monkeypatch.setattr(store, "durable", dying)
    with pytest.raises(Killed):
        drain(store, folder, salt=SALT)
        # Fewer transactions than that: end it here.
        raise Killed
    monkeypatch.setattr(store, "durable", durable)
    drain(store, folder, salt=SALT)
    assert len(rows_of(store, answers.hits)) == 28
    assert len({row.spool_key for row in rows_of(store, answers.hits)}) == 28
    assert len(rows_of(store, answers.responses)) == 28
    assert len(withdrawn(store)) == 4
    assert len(rows_of(store, people.events)) == 5
    assert waiting_files(folder) == []


def test_a_file_that_reappears_after_a_power_cut_is_known(store, folder, clock) -> None:
    (message,) = sent_run(store, 1)
    spooled(folder, clock, [gone(message, 9), order("x"), click(message, 10)])
    (path,) = waiting_files(folder)
    data = path.read_bytes()
    drain(store, folder, salt=SALT)
    assert not path.exists()
    path.write_bytes(data)
    assert drain(store, folder, salt=SALT) == DrainResult()
    assert len(rows_of(store, answers.hits)) == 2
    assert len(rows_of(store, people.events)) == 1


def test_torn_records_are_passed_over_and_counted_once(store, folder, clock) -> None:
    messages = sent_run(store, 2)
    spooled(folder, clock, [gone(messages[0], 5), gone(messages[1], 6)])
    (path,) = waiting_files(folder)
    path.write_bytes(path.read_bytes()[:-3])
    assert drain(store, folder, salt=SALT) == DrainResult(hits=1, responses=1, unsubscribed=1, torn=1)
    assert waiting_files(folder) == []


def test_every_byte_cut_drains_to_the_whole_records(make_store, folder, clock) -> None:
    store = make_store("sqlite")
    messages = sent_run(store, 3)
    spooled(folder, clock, [gone(one, 5) for one in messages])
    (path,) = waiting_files(folder)
    data = path.read_bytes()
    path.unlink()
    seen: set[int] = set()
    for cut in range(0, len(data) + 1, 5):
        (folder / f"{cut:017d}-cut.spool").write_bytes(data[:cut])
        drain(store, folder, salt=SALT)
        seen = withdrawn(store)
        assert len(seen) == data[:cut].count(b"\n")
    (folder / "9-whole.spool").write_bytes(data)
    drain(store, folder, salt=SALT)
    assert len(withdrawn(store)) == 3


def test_with_nothing_new_a_look_costs_no_statement(store, folder, clock, monkeypatch) -> None:
    (message,) = sent_run(store, 1)
    drainer = Drainer(store, folder, salt=SALT)
    assert drainer.drain_pending() == DrainResult()
    writer = spooled(folder, clock, [gone(message, 5)], close=False)
    assert drainer.drain_pending().unsubscribed == 1

    def forbidden(*_):
        raise AssertionError("the store was asked")

    with monkeypatch.context() as patched:
        patched.setattr(store, "read", forbidden)
        patched.setattr(store, "durable", forbidden)
        assert drainer.drain_pending() == DrainResult()
        assert drainer.drain() == DrainResult()
    writer.append([encode(gone(message, 6))])
    assert drainer.pending()
    assert drainer.drain_pending().hits == 1
    writer.close()


def test_a_drain_does_not_run_after_a_writer_who_goes_on(store, folder, clock, monkeypatch) -> None:
    (message,) = sent_run(store, 1)
    drainer = Drainer(store, folder, salt=SALT)
    writer = spooled(folder, clock, [gone(message, 5)] * 3, close=False)
    chunks, read_chunk = [], draining.read_chunk

    def read(path, offset, limit):
        found = read_chunk(path, offset, limit)
        chunks.append(len(found.records))
        if len(chunks) < 50:
            writer.append([encode(gone(message, 6))])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(draining, "read_chunk", read)
        assert drainer.drain().hits == 3
        assert chunks == [3]
    assert drainer.drain_pending().hits == 1
    writer.close()
    drainer.drain()
    assert waiting_files(folder) == []


def test_several_drainers_at_once_store_everything_once(store, folder, clock, monkeypatch) -> None:
    import time

    messages = sent_run(store, 200)
    for part in range(4):
        spooled(folder, clock, [gone(one, 5) for one in messages[part * 50 : part * 50 + 50]])
    start, results, failed = threading.Barrier(4), [], []
    monkeypatch.setattr(store.clock, "sleep", lambda seconds: time.sleep(min(seconds, 0.01)))
    monkeypatch.setattr(draining, "_LOCK_SECONDS", 1_000.0)

    def work() -> None:
        start.wait()
        try:
            results.append(drain(store, folder, salt=SALT))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failed
    assert sum(result.hits for result in results) == 200
    assert len(withdrawn(store)) == 200


def test_when_the_store_is_away_the_spool_waits(store, folder, clock, monkeypatch) -> None:
    from tidings.errors import StoreError

    (message,) = sent_run(store, 1)
    spooled(folder, clock, [gone(message, 5)])

    def away(purpose):
        raise StoreError("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "durable", away)
        with pytest.raises(StoreError):
            drain(store, folder, salt=SALT)
    assert drain(store, folder, salt=SALT).unsubscribed == 1


def test_no_drain_holds_the_write_lock_for_long(make_store, folder, clock) -> None:
    now = to_micros(clock.now())

    def longest_hold() -> float:
        store = make_store("sqlite")
        messages = sent_run(store, 3_000, links=3)
        records = [
            click(one, now + n * 1_000, to=n % 3, ip=f"10.0.{n % 250}.0/24")
            for n, one in enumerate(messages * 2)
        ]
        spooled(folder, clock, records + [gone(one, now) for one in messages])
        assert drain(store, folder, salt=SALT).hits == 9_000
        return max(use.longest_busy_ms for use in store.lock_report() if use.purpose == "drain")

    # A hold is 40 ms of work. On a crowded machine one in hundreds is counted much longer, and not twice in a row.
    assert any(longest_hold() < 200 for _ in range(2))


def test_a_full_spool_loses_no_answered_unsubscribe(store, folder, clock) -> None:
    """Some writes fail half-way: whoever got a 200 is withdrawn afterwards, whoever got a 503 may try again."""
    messages = sent_run(store, 60)
    writes = []

    def write(file: int, data: bytes) -> int:
        writes.append(1)
        if len(writes) % 4 == 0:
            os.write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, data)

    answered = set()
    with tracker(folder, clock, write=write) as address, httpx.Client(base_url=address) as web:
        for one in messages:
            answer = web.post(f"/u/{mint(RING, 'unsubscribe', one)}", data=ONE_CLICK)
            assert answer.status_code in (200, 503)
            if answer.status_code == 200:
                answered.add(one)
    assert 40 <= len(answered) < 60
    drain(store, folder, salt=SALT)
    with store.read() as connection:
        customers = dict(
            connection.execute(sa.select(sending.messages.c.id, sending.messages.c.customer_id)).all()
        )
    assert {customers[one] for one in answered} <= withdrawn(store)


@pytest.mark.parametrize(("times", "refused"), [(2, 0), (3, 1)])
def test_a_row_that_the_store_refused_is_tried_again_before_it_is_set_aside(
    make_store, folder, clock, monkeypatch, times, refused
) -> None:
    store = make_store("sqlite")
    (message,) = sent_run(store, 1)
    spooled(folder, clock, [click(message, 5)])
    failures = iter(range(times))
    apply = draining.apply

    def colliding(connection, *rest, **named):
        # As if an import had stored the same row between reading and writing.
        if next(failures, None) is not None:
            connection.execute(sa.insert(keeping.spool_progress).values(file="x", drained=1, updated_at=1))
            connection.execute(sa.insert(keeping.spool_progress).values(file="x", drained=1, updated_at=1))
        return apply(connection, *rest, **named)

    monkeypatch.setattr(draining, "apply", colliding)
    assert drain(store, folder, salt=SALT) == DrainResult(
        hits=1 - refused, responses=1 - refused, refused=refused
    )
    assert waiting_files(folder) == []


@pytest.mark.parametrize("error", [AttributeError, IndexError, ZeroDivisionError])
def test_a_record_that_nothing_can_read_is_set_aside_whatever_it_breaks(
    make_store, folder, clock, monkeypatch, error
) -> None:
    store = make_store("sqlite")
    first, second = sent_run(store, 2)
    spooled(folder, clock, [click(first, 5), click(second, 6)])
    prepare = draining.prepare

    def reading(connection, part, **named):
        if any(one.record["m"] == first for one in part):
            raise error("it is not what it should be")
        return prepare(connection, part, **named)

    monkeypatch.setattr(draining, "prepare", reading)
    result = drain(store, folder, salt=SALT)
    assert (result.hits, result.refused) == (1, 1)
    assert waiting_files(folder) == []
