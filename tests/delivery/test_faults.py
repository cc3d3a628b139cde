"""Bad weather: databases that break, fill up or cannot be written, servers that hang, senders that are stopped."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from support.components import missing
from support.forked import Forked
from support.ledger_channel import Channel, Letter, render
from support.ledger_child import CONNECTIONS
from support.ledger_harness import Findings, Harness
from support.ledger_senders import smtp
from support.ledger_sink import running_sink
from support.ledger_world import seed, states
from support.postgres import Server, find_binaries, running
from support.smtp_servers import RawServer
from support.stores import open_store
from tidings.channels.smtp import SmtpAdapter
from tidings.clock import FixedClock
from tidings.definitions.kinds.channel import Channel as Binding
from tidings.delivery.sender import deliver
from tidings.delivery.verify import verify
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.quick import QuickWriter
from tidings.store.tables import sending


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL server that may be hurt."""
    binaries = find_binaries()
    if binaries is None:
        missing("PostgreSQL is not installed here (on Debian and Ubuntu: apt install postgresql)")
    with running(binaries) as server:
        yield server


def _kill_backend(server: Server) -> None:
    """Kill -9 the process that serves the sender's marks; the server then restarts and recovers."""
    with psycopg.connect(server.conninfo("hurt"), autocommit=True) as connection:
        pids = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = 'hurt' AND application_name = 'tidings' "
            "ORDER BY state_change DESC LIMIT 1"
        ).fetchone()
    assert pids is not None
    os.kill(pids[0], signal.SIGKILL)


def _terminate_backends(server: Server) -> None:
    """Cut every connection of the sender as an operator would."""
    with psycopg.connect(server.conninfo("hurt"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = 'hurt' AND application_name = 'tidings' AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("hurt", [_kill_backend, _terminate_backends])
def test_a_sender_outlives_killed_backends_of_postgresql(
    own_server: Server, tmp_path: Path, clock: FixedClock, hurt: Callable[[Server], None]
) -> None:
    own_server.execute("CREATE DATABASE hurt")
    with open_store(own_server.url("hurt"), clock, create=True) as store, running_sink(tmp_path) as sink:
        world = seed(store, 1_500)
        harness = Harness(store, world, sink, "real", seed=3)
        child = harness.spawn()
        for count in (300, 800):
            harness.wait_for(child, count)
            hurt(own_server)
        harness.finish(child)
        _until_back(store)
        findings = harness.judge(Findings(kills=2))
        assert findings.kept_its_word, findings
        assert findings.run_state == "finished"
        assert len(findings.in_doubt) <= 2 * CONNECTIONS
        assert verify(store).broken == ()
        print(f"\npostgresql, {hurt.__name__[1:].replace('_', ' ')}: {findings}")


def _until_back(store: Store) -> None:
    for _ in range(100):
        try:
            with store.read() as connection:
                connection.execute(sa.select(sa.literal(1)))
        except StoreError:
            time.sleep(0.1)
        else:
            return


def _stop_outside_a_transaction(child: Forked, store: Store) -> None:
    """Stop a process when it holds no lock: a stopped process that holds SQLite's write lock stops everybody."""
    for _ in range(200):
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        if not _busy(store):
            return
        child.send_signal(signal.SIGCONT)
        time.sleep(0.003)
    raise AssertionError("the sender was never caught outside a transaction")


def _busy(store: Store) -> bool:
    if store.dialect == "postgresql":
        with store.read() as connection:
            return bool(
                connection.exec_driver_sql(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
                ).scalar()
            )
    probe = sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=0.1, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        probe.close()
    return False


def test_a_sender_stopped_beyond_its_lease_hands_nothing_over_when_it_wakes(
    store: Store, tmp_path: Path
) -> None:
    world = seed(store, 600)
    with running_sink(tmp_path) as sink:
        harness = Harness(store, world, sink, "real", seed=4)
        harness.lease = 1.0
        sleeper = harness.spawn()
        harness.wait_for(sleeper, 150)
        _stop_outside_a_transaction(sleeper, store)
        try:
            time.sleep(1.3)
            harness.finish(harness.spawn())
            sent_while_it_slept = sink.count
        finally:
            sleeper.send_signal(signal.SIGCONT)
        harness.finish(sleeper)
        findings = harness.judge(Findings(kills=1))
        assert findings.kept_its_word, findings
        # What was on the wire when it was stopped may still arrive; each of those was in doubt, not sent again.
        assert sink.count - sent_while_it_slept <= CONNECTIONS
        assert len(findings.in_doubt) <= CONNECTIONS
        assert states(store, world.run_id).keys() == set(range(1, 601))
        assert verify(store).broken == ()


def test_a_full_disk_stops_the_sender_with_one_sentence_and_loses_nothing(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = make_store("sqlite")
    world = seed(store, 2_000)
    with running_sink(tmp_path) as sink:
        harness = Harness(store, world, sink, "real", seed=5)
        child = harness.spawn("900000")
        _, err = child.communicate(timeout=60)
        assert child.returncode == 1
        assert err.count("\n") == 1
        assert err.startswith("error: the disk is full")
        assert 0 < sink.count < 2_000
        harness.finish(harness.spawn())
        findings = harness.judge(Findings(kills=1))
        assert findings.kept_its_word, findings
        assert findings.run_state == "finished"
        assert len(findings.in_doubt) <= CONNECTIONS
        assert verify(store).broken == ()


_locked_out = threading.Event()


def _make_read_only(connection: sa.Connection) -> None:
    if not _locked_out.is_set():
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    else:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _driver_read_only(quick: QuickWriter) -> AbstractContextManager[sqlite3.Connection]:
    if _locked_out.is_set():
        quick._driver.execute("PRAGMA query_only = ON")
    return _really(quick)


_really = QuickWriter.transaction


def test_a_store_that_becomes_read_only_is_one_sentence_and_loses_nothing(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuickWriter, "transaction", _driver_read_only)
    world = seed(store, 60)
    engines = dict.fromkeys((store._durable, store._marks, store._quick))

    def lock_out(letter: Letter) -> None:
        if channel.given.total() == 20:
            _locked_out.set()

    _locked_out.clear()
    for engine in engines:
        sa.event.listen(engine, "begin", _make_read_only)
    channel = Channel(before=lock_out)
    with pytest.raises(StoreError, match="is read-only"):
        deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=2)
    monkeypatch.setattr(QuickWriter, "transaction", _really)
    for engine in engines:
        sa.event.remove(engine, "begin", _make_read_only)
        engine.dispose()
    assert channel.given.total() <= 24
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.claims).values(leased_until=0))
    done = deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=2)
    assert done.state == "finished"
    assert done.in_doubt <= 2
    assert set(channel.given.values()) == {1}
    assert done.accepted + done.in_doubt == 60


def test_a_database_that_stays_locked_is_one_sentence_and_loses_nothing(
    make_store: Callable[..., Store], clock: FixedClock
) -> None:
    first = make_store("sqlite")
    world = seed(first, 60)
    path = first.url.removeprefix("sqlite:///")
    locker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with Store.open(
        first.url, clock=clock, workspace="test", environment="development", busy_seconds=0.05
    ) as store:

        def lock(letter: Letter) -> None:
            if channel.given.total() == 20:
                while True:
                    try:
                        locker.execute("BEGIN IMMEDIATE")
                    except sqlite3.OperationalError:
                        continue
                    return

        channel = Channel(before=lock)
        with pytest.raises(StoreError, match="is locked: another process has been writing"):
            deliver(
                store,
                world.job,
                adapter=channel,
                render=render,
                clock=clock,
                connections=1,
                patience_seconds=0.3,
            )
        locker.execute("ROLLBACK")
        locker.close()
        with store.durable("test") as connection:
            connection.execute(sa.update(sending.claims).values(leased_until=0))
        done = deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    assert done.state == "finished"
    assert set(channel.given.values()) == {1}
    assert done.in_doubt <= 1


def test_a_database_locked_for_a_moment_is_waited_for(
    make_store: Callable[..., Store], clock: FixedClock
) -> None:
    first = make_store("sqlite")
    world = seed(first, 40)
    locker = sqlite3.connect(
        first.url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
    )
    with Store.open(
        first.url, clock=clock, workspace="test", environment="development", busy_seconds=0.05
    ) as store:

        def lock(letter: Letter) -> None:
            if letter.recipient == "20@shop.example":
                locker.execute("PRAGMA busy_timeout = 5000")
                locker.execute("BEGIN IMMEDIATE")
                threading.Timer(0.5, locker.execute, ("ROLLBACK",)).start()

        channel = Channel(before=lock)
        done = deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=1)
    locker.close()
    assert (done.state, done.accepted) == ("finished", 40)
    assert set(channel.given.values()) == {1}


@pytest.mark.parametrize(
    ("trouble", "sentence", "doubts"),
    [
        ("silent at start", "did not answer within 0.2 s", 0),
        ("silent after body", "does not work", 6),
        ("cut after body", "does not work", 6),
        ("silent at rcpt", "does not work", 0),
    ],
)
def test_a_mail_server_that_hangs_pauses_the_run_with_one_sentence(
    make_store: Callable[..., Store], clock: FixedClock, trouble: str, sentence: str, doubts: int
) -> None:
    store = make_store("sqlite")
    world = seed(store, 100)
    with RawServer(trouble) as server:
        binding = Binding("email", "E-mail", "channels/email.yaml", "smtp", sender="shop@shop.example")
        adapter = SmtpAdapter(
            binding,
            {
                "host": "127.0.0.1",
                "port": server.port,
                "tls": "none",
                "connect_timeout": 0.2,
                "command_timeout": 0.2,
                "data_timeout": 0.2,
            },
        )
        done = deliver(store, world.job, adapter=adapter, render=render, clock=clock, connections=3)
    assert done.paused
    assert sentence in done.reason
    assert "\n" not in done.reason
    assert done.in_doubt <= doubts
    assert done.in_doubt + done.pending + done.deferred == 100


def test_a_mail_server_that_is_down_is_named(make_store: Callable[..., Store], clock: FixedClock) -> None:
    store = make_store("sqlite")
    world = seed(store, 10)
    done = deliver(store, world.job, adapter=smtp(1), render=render, clock=clock, connections=2)
    assert (done.paused, done.pending) == (True, 10)
    assert done.reason == "the channel email cannot be used: no mail server answers at 127.0.0.1:1"
