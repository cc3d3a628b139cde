"""The clock inside `tidings serve`: APScheduler wakes rounds while the lock is held, and another clock waits."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from support.serving import until
from support.stores import START
from tidings.clock import FixedClock, SystemClock, to_micros
from tidings.definitions.kinds.rules import Policies, Workspace
from tidings.definitions.workspace import Definitions
from tidings.errors import StoreError, UsageError
from tidings.flows import clock as clock_module
from tidings.flows.clock import EmbeddedClock, waking
from tidings.flows.clock_lock import ClockLock, holder_of
from tidings.flows.pace import FULL_SECONDS, Pace
from tidings.flows.reloading import Reloading
from tidings.flows.round import Part, RoundResult, Subject
from tidings.store.tables import journeys, people, sending


class Spring2027(SystemClock):
    """Stands at the time of the test stores; waits for real."""

    def now(self):
        return START


@pytest.fixture
def settings(tmp_path):
    return settings_with(tmp_path, "embedded")


def settings_with(folder, kind):
    workspace = Workspace("test", "Nordic Garden", "Europe/Stockholm", "salt-of-test", "EUR", clock=kind)
    return SimpleNamespace(
        root=folder,
        data_dir=folder,
        environment=SimpleNamespace(name="development", outbox=True),
        definitions=Definitions(str(folder), workspace, Policies(())),
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(clock_module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(clock_module, "RENEW_SECONDS", 0.1)


def part(work):
    return Part("walk", "moved", lambda _: [Subject("flow")], lambda *_: work())


def clock_of(settings, store, work, said, stop, lease=5.0):
    return EmbeddedClock(
        settings,
        store,
        clock=Spring2027(),
        stop=stop,
        say=said.append,
        parts=[part(work)],
        lock=ClockLock(store, Spring2027(), kind="embedded", lease_seconds=lease),
    )


def test_one_of_two_clocks_works_and_the_other_says_who_holds_it_and_takes_over(settings, store) -> None:
    done: list[str] = []
    said: dict[str, list[str]] = {"first": [], "second": []}
    stops = {name: threading.Event() for name in said}

    def work(name):
        done.append(name)
        return 1

    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(
            clock_of(settings, store, lambda: work("first"), said["first"], stops["first"]).running()
        )
        until(lambda: done.count("first") > 2)
        stack.enter_context(
            clock_of(settings, store, lambda: work("second"), said["second"], stops["second"]).running()
        )
        time.sleep(0.5)
        assert "second" not in done
        who = f"process {os.getpid()} on {os.uname().nodename}, since 2027-03-02T09:00:00Z"
        waits = "scheduled work waits here, messages go out all the same"
        assert said["second"] == [f"the clock of this store is held by {who}; {waits}"]
        first.close()
        until(lambda: "second" in done)
        assert said["second"][1:] == ["the clock of this store is ours now: scheduled work runs here"]
    assert said["first"] == []


def test_the_lock_is_given_up_when_the_clock_stops(settings, store) -> None:
    with clock_of(settings, store, lambda: 0, [], threading.Event()).running():
        pass
    with store.read() as connection:
        assert holder_of(connection).leased_until == 0


def test_a_long_round_keeps_the_lock_beats_and_is_never_begun_twice(settings, store) -> None:
    running, most, seen = [0], [0], []

    def work():
        running[0] += 1
        most[0] = max(most[0], running[0])
        other = ClockLock(store, Spring2027(), kind="embedded")
        for _ in range(6):
            time.sleep(0.2)
            seen.append(other.take())
        with store.read() as connection:
            seen.append(connection.execute(sa.select(journeys.work_runs.c.state)).scalars().all())
        running[0] -= 1
        return 1

    with clock_of(settings, store, work, [], threading.Event(), lease=0.5).running():
        until(lambda: len(seen) >= 7)
    assert most == [1]
    assert all(one is not None for one in seen[:6])
    assert seen[6] == ["running"]


def test_a_store_that_is_away_is_said_once_and_asked_again(settings, make_store) -> None:
    store, said, calls = make_store("sqlite"), [], []

    def work():
        calls.append(1)
        raise StoreError("the store is locked")

    with clock_of(settings, store, work, said, threading.Event()).running():
        until(lambda: len(calls) > 3)
    assert said == ["scheduled work waits: the store is locked"]


def test_what_nobody_foresaw_ends_the_worker(settings, make_store, monkeypatch) -> None:
    store, stop = make_store("sqlite"), threading.Event()

    def broken(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(clock_module, "do_round", broken)
    one = clock_of(settings, store, lambda: 0, [], stop)
    with one.running():
        assert stop.wait(10)
    assert isinstance(one.failure, RuntimeError)


def test_apscheduler_refuses_to_start_where_prefect_owns_the_clock(tmp_path, make_store) -> None:
    store, said = make_store("sqlite"), []
    settings = settings_with(tmp_path, "prefect")
    with pytest.raises(UsageError, match="^Prefect owns the clock of this workspace"):
        EmbeddedClock(settings, store, clock=Spring2027(), stop=threading.Event(), say=said.append)
    with waking(settings, store, clock=Spring2027(), stop=threading.Event(), say=said.append) as sends:
        assert sends is False
    assert said == [
        "Scheduled work and sending are left to the workers of Prefect; here what comes in is taken in"
    ]
    with store.read() as connection:
        assert holder_of(connection) is None


def test_an_embedded_clock_does_not_touch_a_store_that_prefect_wakes(settings, make_store) -> None:
    store, said, calls = make_store("sqlite"), [], []
    ClockLock(store, store.clock, kind="prefect").take()
    one = EmbeddedClock(
        settings, store, clock=Spring2027(), stop=threading.Event(), say=said.append,
        parts=[part(lambda: calls.append(1) or 1)],
    )  # fmt: skip
    with one.running():
        time.sleep(0.4)
    assert calls == []
    assert len(said) == 1
    assert "is woken by the prefect clock" in said[0]


def event(store, at):
    with store.durable("test") as connection:
        name = connection.execute(sa.select(people.event_names.c.id)).scalar()
        if name is None:
            name = connection.execute(
                people.event_names.insert().values(name="order_placed")
            ).inserted_primary_key[0]
        connection.execute(
            people.events.insert().values(
                name_id=name,
                occurred_at=at,
                received_at=at,
                source="t",
                visitor="v",
                dedupe_key=str(time.monotonic()),
            )
        )


def test_a_round_comes_a_second_after_an_event_and_else_every_few_seconds(store, clock) -> None:
    pace = Pace(store, clock)
    assert pace.due()
    pace.did(RoundResult(), 0.0)
    assert not pace.due()
    event(store, to_micros(START))
    assert pace.due()
    pace.did(RoundResult({"starts": 1}), 0.0)
    assert pace.due(), "after one that did something comes another"
    pace.did(RoundResult(), 0.0)
    rounds = 0
    for _ in range(20):
        clock.advance(timedelta(seconds=1))
        if pace.due():
            rounds += 1
            pace.did(RoundResult(), 0.0)
    assert rounds == 20 / FULL_SECONDS
    assert FULL_SECONDS + 1 <= 5


def test_a_round_comes_when_somebody_in_a_live_flow_is_due(store, clock) -> None:
    walkers(store, {"letter": [30, 7200], "answer": [90]})
    pace = Pace(store, clock)
    pace.due()
    pace.did(RoundResult(), 0.0)
    assert pace._next_due == to_micros(START) + 30_000_000
    with store.durable("test") as connection:
        connection.execute(
            journeys.journeys.update()
            .where(journeys.journeys.c.due_at == to_micros(START) + 30_000_000)
            .values(state="ended", outcome="left", ended_at=0)
        )
    pace.did(RoundResult(), 0.0)
    assert pace._next_due == to_micros(START) + 90_000_000
    with store.durable("test") as connection:
        connection.execute(sending.runs.update().values(state="paused"))
    pace.did(RoundResult(), 0.0)
    assert pace._next_due is None


def test_a_clock_that_is_busy_rests_as_long_as_it_worked(store, clock) -> None:
    pace = Pace(store, clock)
    pace.due()
    pace.did(RoundResult({"walk": 1}), 3.0)
    clock.advance(timedelta(seconds=2))
    assert not pace.due()
    clock.advance(timedelta(seconds=1))
    assert pace.due()


def walkers(store, steps):
    at = to_micros(START)
    with store.durable("test") as connection:
        run = connection.execute(
            sending.runs.insert().values(
                campaign="welcome", occurrence="flow", kind="flow", definition_hash="", policy_hash="",
                salt="", state="sending", anchor_at=at, created_at=at, bounds={},
            )
        ).inserted_primary_key[0]  # fmt: skip
        number = 0
        for step, seconds in steps.items():
            for one in seconds:
                number += 1
                customer = connection.execute(
                    people.customers.insert().values(key=f"k{number}", u=number, created_at=at)
                ).inserted_primary_key[0]
                enrolment = connection.execute(
                    sending.enrolments.insert().values(
                        run_id=run, customer_id=customer, entry=0, arm="treated", anchor_at=at, planned_at=at
                    )
                ).inserted_primary_key[0]
                connection.execute(
                    journeys.journeys.insert().values(
                        enrolment_id=enrolment, run_id=run, customer_id=customer, start_ref=f"e{number}",
                        state="walking", step=step, due_at=at + one * 1_000_000, reached_at=at,
                    )
                )  # fmt: skip


def test_changed_files_are_read_anew_and_broken_ones_are_not_used(tmp_path) -> None:
    from support.workspaces import small_workspace
    from tidings.config.settings import load_settings

    root = small_workspace(tmp_path / "shop")
    said: list[str] = []
    files = Reloading(load_settings(root), said.append)
    first = files.current()
    assert files.current() is first
    path = next((root / "segments").glob("*.yaml"))
    text = path.read_text()
    _touch(path, text.replace("segment: ", "segment: New ", 1))
    changed = files.current()
    assert changed.definitions.segments[path.stem].title.startswith("New ")
    assert changed.store_url == first.store_url
    _touch(path, "segment: [")
    assert files.current() is changed
    assert files.current() is changed
    assert len(said) == 1
    assert said[0].startswith("the changed files are not used: ")
    _touch(path, text)
    assert files.current().definitions.segments == first.definitions.segments


def _touch(path: Path, text: str) -> None:
    path.write_text(text)
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000))


def test_apscheduler_keeps_nothing_of_its_own_in_the_store(settings, make_store) -> None:
    store = make_store("sqlite")
    with clock_of(settings, store, lambda: 0, [], threading.Event()).running(), store.read() as connection:
        names = sa.inspect(connection).get_table_names()
    assert not [name for name in names if "apscheduler" in name or "job" in name]


def test_the_clock_goes_by_business_time(make_store, settings) -> None:
    store = make_store("sqlite")
    stood = FixedClock(START)
    times = []
    one = EmbeddedClock(
        settings, store, clock=stood, stop=threading.Event(), say=lambda _: None,
        parts=[Part("walk", "moved", lambda _: [Subject("f")], lambda this, _: times.append(this.clock.now()) or 1)],
    )  # fmt: skip
    with one.running():
        until(lambda: times)
    assert set(times) == {START}
