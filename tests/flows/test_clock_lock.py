"""One clock a store: a lease by the store's own clock, a kind that is recorded, and sentences that say who and what."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.stores import START, open_store
from tidings.clock import FixedClock
from tidings.errors import TidingsError, UsageError
from tidings.flows import clock_lock
from tidings.flows.clock_lock import ClockLock, check_kind, holder_of, switch_clock, used_clock
from tidings.store.audit import verify
from tidings.store.tables import keeping


def kept(store):
    with store.read() as connection:
        return holder_of(connection), used_clock(connection)


def test_a_second_clock_is_told_who_holds_the_first_by_host_process_and_since_when(store, clock) -> None:
    first, second = ClockLock(store, clock, kind="embedded"), ClockLock(store, clock, kind="embedded")
    assert first.take() is None
    assert first.mine
    holder = second.take()
    assert holder is not None
    assert not second.mine
    assert (holder.host, holder.pid, holder.since) == (socket.gethostname(), str(os.getpid()), START)
    assert holder.words() == f"process {os.getpid()} on {socket.gethostname()}, since 2027-03-02T09:00:00Z"


def test_the_lease_is_renewed_by_its_holder_and_taken_over_when_it_ran_out(store, clock) -> None:
    first = ClockLock(store, clock, kind="embedded", lease_seconds=0.6)
    second = ClockLock(store, clock, kind="embedded", lease_seconds=5)
    assert first.take() is None
    for _ in range(4):
        time.sleep(0.25)
        assert first.take() is None
        assert second.take() is not None
    # The business clock may say what it likes: leases are measured by the store's own.
    clock.advance(timedelta(days=3))
    assert second.take() is not None
    time.sleep(0.7)
    assert not first.mine
    assert second.take() is None
    assert first.take() is not None


def test_a_released_lock_is_free_at_once(store, clock) -> None:
    first, second = ClockLock(store, clock, kind="embedded"), ClockLock(store, clock, kind="embedded")
    first.take()
    first.release()
    assert not first.mine
    assert second.take() is None
    # A holder of before cannot take it away any more.
    first.release()
    assert kept(store)[0].owner == second.owner
    assert kept(store)[0].leased_until > 0


def test_the_lock_of_a_killed_process_of_this_machine_is_taken_over_at_once(make_store, dialect) -> None:
    store = make_store(dialect)
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, store.url],
        env={**os.environ, "PYTHONPATH": "tests"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    mine = ClockLock(store, store.clock, kind="embedded")
    holder = mine.take()
    assert holder is not None
    assert holder.pid == str(child.pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert mine.take() is None


_HOLD = """
import sys, time
from support.stores import open_store
from tidings.flows.clock_lock import ClockLock
store = open_store(sys.argv[1])
assert ClockLock(store, store.clock, kind="embedded", lease_seconds=600).take() is None
print("held", flush=True)
time.sleep(600)
"""


def test_of_many_that_ask_at_once_one_gets_the_clock(make_store, dialect) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = make_store(dialect)
    locks = [ClockLock(store, FixedClock(START), kind="embedded") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: one.take(), locks))
    assert answers.count(None) == 1
    assert sum(one.mine for one in locks) == 1


def test_the_kind_of_clock_is_recorded_at_its_first_use_and_another_kind_is_refused(store, clock) -> None:
    assert kept(store) == (None, "")
    check_kind(store, "prefect")
    check_kind(store, "embedded")
    prefect = ClockLock(store, clock, kind="prefect")
    assert prefect.take() is None
    assert kept(store)[1] == "prefect"
    for ask in (ClockLock(store, clock, kind="embedded").take, lambda: check_kind(store, "embedded")):
        with pytest.raises(TidingsError) as refused:
            ask()
        assert refused.value.message.endswith(
            "is woken by the prefect clock, and config/workspace.yaml says `clock: embedded`"
        )
        assert "tidings migrate --clock" in refused.value.what_to_do


def test_the_clock_is_switched_only_while_none_is_at_work_and_the_audit_says_who_did_it(store, clock) -> None:
    assert not switch_clock(store, "prefect", actor="anna", now=clock.now())
    embedded = ClockLock(store, clock, kind="embedded")
    embedded.take()
    assert not switch_clock(store, "embedded", actor="anna", now=clock.now())
    with pytest.raises(UsageError, match=f"is at work \\(process {os.getpid()} on "):
        switch_clock(store, "prefect", actor="anna", now=clock.now())
    embedded.release()
    assert switch_clock(store, "prefect", actor="anna", now=clock.now())
    check_kind(store, "prefect")
    assert ClockLock(store, clock, kind="prefect").take() is None
    with store.read() as connection:
        rows = connection.execute(sa.select(keeping.audit.c.actor, keeping.audit.c.detail)).all()
        assert verify(connection) == 1
    assert [(row.actor, row.detail) for row in rows] == [("anna", {"from": "embedded", "to": "prefect"})]


def test_a_lease_is_never_longer_in_our_idea_than_in_the_stores(store, clock, monkeypatch) -> None:
    lock = ClockLock(store, clock, kind="embedded", lease_seconds=10)
    asked: list[float] = []
    of_the_store = store.lease_now

    def lease_now(connection: sa.Connection) -> int:
        asked.append(time.monotonic())
        return of_the_store(connection)

    monkeypatch.setattr(store, "lease_now", lease_now)
    assert lock.take() is None
    # However slow the machine is: it began before the store read its clock.
    assert lock._until <= asked[-1] + 10
    monkeypatch.setattr(clock_lock.time, "monotonic", lambda: asked[-1] + 10.2)
    assert not lock.mine


def test_a_store_that_is_opened_again_still_knows_its_clock(store, clock) -> None:
    ClockLock(store, clock, kind="prefect").take()
    with open_store(store.url) as again, pytest.raises(TidingsError):
        check_kind(again, "embedded")
