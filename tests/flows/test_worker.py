"""The worker: drains before it delivers, says trouble once, ends when told."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from support.flow_world import enter, flow_workspace, go_live, plan, populate
from support.stores import START
from support.tracking import SALT, sent_run, withdrawn
from tidings.clock import SystemClock, to_micros
from tidings.definitions.kinds.rules import Policies, Workspace
from tidings.definitions.workspace import Definitions
from tidings.delivery.work import Delivered
from tidings.errors import TidingsError
from tidings.flows import worker
from tidings.responses.spool import SpoolWriter, encode, spool_folder
from tidings.store.tables import sending


@pytest.fixture
def settings(tmp_path):
    workspace = Workspace("test", "Nordic Garden", "Europe/Stockholm", SALT, "EUR")
    return SimpleNamespace(
        data_dir=tmp_path,
        environment=SimpleNamespace(name="development", outbox=True),
        definitions=Definitions(str(tmp_path), workspace, Policies(())),
    )


class Spring2027(SystemClock):
    """Stands at the time of the test stores; waits for real."""

    def now(self):
        return START


class Working:
    """Runs the worker in a thread with a stand-in for delivery."""

    def __init__(self, monkeypatch, settings, store, deliver):
        monkeypatch.setattr(worker, "deliver_run", deliver)
        monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.02)
        monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.02)
        monkeypatch.setattr(worker, "_TROUBLE_SECONDS", 0.02)
        monkeypatch.setattr(worker, "_DRAIN_SECONDS", 0.02)
        self.said, self.stop, self.failed = [], threading.Event(), []
        self.settings, self.store = settings, store
        self.thread = threading.Thread(target=self._work)

    def _work(self):
        try:
            worker.run_worker(
                self.settings, self.store, clock=Spring2027(), stop=self.stop, say=self.said.append
            )
        except BaseException as error:
            self.failed.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_what_came_in_is_drained_before_a_claim(monkeypatch, settings, store, clock) -> None:
    (message,) = sent_run(store, 1)
    folder = spool_folder(Path(settings.data_dir), "development")
    folder.mkdir(parents=True)
    writer = SpoolWriter(folder, clock)
    writer.append(
        [
            encode(
                {
                    "k": "unsubscribe",
                    "at": to_micros(clock.now()),
                    "m": message,
                    "by": "page",
                    "method": "POST",
                }
            )
        ]
    )
    writer.close()
    seen = []

    def deliver(settings, store, run_id, *, before_claim, **_):
        before_claim()
        seen.append(withdrawn(store))
        with store.durable("test") as connection:
            connection.execute(sa.update(sending.runs).values(state="finished"))
        return Delivered(run_id, "finished", accepted=3, refused=1)

    with Working(monkeypatch, settings, store, deliver) as working:
        until(lambda: working.said)
    assert len(seen) == 1
    assert len(seen[0]) == 1
    assert working.said == ["c0 is out: 3 accepted, 1 refused"]
    assert working.failed == []


def test_only_runs_that_are_sending_and_due_are_delivered(monkeypatch, settings, make_store) -> None:
    store = make_store("sqlite")
    for _ in range(4):
        sent_run(store, 1)
    runs = sending.runs
    with store.durable("test") as connection:
        connection.execute(sa.update(runs).where(runs.c.id == 1).values(state="paused"))
        connection.execute(sa.update(runs).where(runs.c.id == 2).values(anchor_at=2**61))
        connection.execute(sa.update(runs).where(runs.c.id == 3).values(state="finished"))
    seen = []

    def deliver(settings, store, run_id, **_):
        seen.append(run_id)
        return Delivered(run_id, "sending")

    with Working(monkeypatch, settings, store, deliver):
        until(lambda: len(seen) > 3)
    assert set(seen) == {4}


def test_trouble_is_said_once_and_tried_again(monkeypatch, settings, make_store) -> None:
    store = make_store("sqlite")
    sent_run(store, 1)
    seen = []

    def deliver(settings, store, run_id, **_):
        seen.append(run_id)
        raise TidingsError("the mail server is away")

    with Working(monkeypatch, settings, store, deliver) as working:
        until(lambda: len(seen) > 5)
    assert working.said == ["c0: the mail server is away"]
    assert working.failed == []


def test_when_draining_breaks_the_worker_ends_so_that_it_is_started_again(
    monkeypatch, settings, make_store
) -> None:
    def broken(self):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(worker.Drainer, "drain", broken)
    with Working(monkeypatch, settings, make_store("sqlite"), None) as working:
        until(lambda: working.failed)
    assert str(working.failed[0]) == "unforeseen"


def test_a_slow_run_makes_room_for_the_others_and_goes_on_afterwards(
    monkeypatch, settings, make_store
) -> None:
    store = make_store("sqlite")
    for _ in range(3):
        sent_run(store, 1)
    monkeypatch.setattr(worker, "_TURN_SECONDS", 0.1)
    monkeypatch.setattr(worker, "_TICK_SECONDS", 0.01)
    turns, at_once, most = [], [], []

    def deliver(settings, store, run_id, *, stop, **_):
        at_once.append(run_id)
        most.append(len(at_once))
        turns.append(run_id)
        # The first run has no end of its own.
        if run_id == 1:
            assert stop.wait(20)
        at_once.remove(run_id)
        return Delivered(run_id, "sending", sent_now=1, reason="it was asked to stop" if run_id == 1 else "")

    with Working(monkeypatch, settings, store, deliver) as working:
        until(lambda: turns.count(1) > 2)
        assert working.said == []
    assert turns[:4] == [1, 2, 3, 1]
    # Two runs at once would go over the rate of their channel.
    assert set(most) == {1}


def test_a_run_alone_is_not_interrupted(monkeypatch, settings, make_store) -> None:
    store = make_store("sqlite")
    sent_run(store, 1)
    monkeypatch.setattr(worker, "_TURN_SECONDS", 0.02)
    monkeypatch.setattr(worker, "_TICK_SECONDS", 0.01)
    turns = []

    def deliver(settings, store, run_id, *, stop, **_):
        turns.append(stop.wait(0.5))
        stop.wait(20)
        return Delivered(run_id, "sending", sent_now=1)

    with Working(monkeypatch, settings, store, deliver):
        until(lambda: turns)
    assert turns == [False]


def test_a_full_disk_is_said_and_does_not_end_the_worker(monkeypatch, settings, make_store) -> None:
    store = make_store("sqlite")
    sent_run(store, 1)
    seen, drained = [], []

    def full(self):
        drained.append(1)
        raise OSError(errno.ENOSPC, "No space left on device", "refused.jsonl")

    def deliver(settings, store, run_id, **_):
        seen.append(run_id)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker.Drainer, "drain", full)
    with Working(monkeypatch, settings, store, deliver) as working:
        until(lambda: len(seen) > 3 and len(drained) > 3)
    assert sorted(working.said) == [
        "c0: [Errno 28] No space left on device",
        "what came in waits in the spool: [Errno 28] No space left on device: 'refused.jsonl'",
    ]
    assert working.failed == []


def test_a_flow_is_taken_up_while_a_message_of_it_is_due(
    monkeypatch, settings, store, clock, tmp_path
) -> None:
    populate(store, 2)
    live = go_live(store, flow_workspace(tmp_path / "workspace"))
    entered = enter(store, live, (1, 2))
    plan(store, live, {1: entered[1]}, "letter")
    plan(store, live, {2: entered[2]}, "letter", due_at=to_micros(clock.now()) + 3_600_000_000)
    turns = []

    def deliver(settings, store, run_id, *, kept, **_):
        turns.append((run_id, kept))
        with store.durable("test") as connection:
            connection.execute(
                sa.update(sending.messages)
                .where(sending.messages.c.due_at <= to_micros(START))
                .values(**sending.in_state("refused"))
            )
        return Delivered(run_id, "sending", sent_now=1)

    with Working(monkeypatch, settings, store, deliver):
        until(lambda: turns)
        time.sleep(0.3)
    # The message that is due later wakes nobody, and what was compiled is kept from turn to turn.
    assert [run_id for run_id, _ in turns] == [live.run_id]
    assert turns[0][1] is not None
