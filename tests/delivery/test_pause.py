"""Pause and resume: of a campaign and of everything, without forgetting or repeating anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from support.ledger_channel import Channel, Letter, render
from support.ledger_world import seed
from tidings.clock import FixedClock
from tidings.delivery.pause import pause, resume
from tidings.delivery.sender import deliver
from tidings.delivery.verify import verify
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import keeping


def test_a_paused_campaign_sends_nothing_and_goes_on_where_it_stopped(
    store: Store, clock: FixedClock
) -> None:
    world, channel = seed(store, 8), Channel()
    done = pause(store, "spring", reason="wrong price", actor="ann", now=clock.now())
    assert (done.changed, done.runs, done.left) == (True, (world.run_id,), 8)
    assert not pause(store, "spring", reason="again", actor="ann", now=clock.now()).changed
    stopped = deliver(store, world.job, adapter=channel, render=render, clock=clock)
    assert stopped.paused
    assert stopped.reason == "the run is paused: wrong price"
    assert channel.given.total() == 0
    assert resume(store, "spring", actor="bob", now=clock.now()).changed
    assert deliver(store, world.job, adapter=channel, render=render, clock=clock).state == "finished"
    assert set(channel.given.values()) == {1}
    with store.read() as connection:
        told = connection.execute(
            sa.select(keeping.audit.c.actor, keeping.audit.c.action).order_by(keeping.audit.c.id)
        ).all()
    assert [tuple(row) for row in told] == [("ann", "paused"), ("bob", "resumed")]


def test_pausing_everything_holds_every_run_and_resuming_leaves_single_pauses(
    store: Store, clock: FixedClock
) -> None:
    one, two = seed(store, 3), seed(store, 3, campaign="summer")
    pause(store, "summer", reason="", actor="ann", now=clock.now())
    assert pause(store, None, reason="the shop is down", actor="ann", now=clock.now()).everything
    channel = Channel()
    held = deliver(store, one.job, adapter=channel, render=render, clock=clock)
    assert held.reason == "all sending is paused: the shop is down"
    assert held.state == "sending"
    back = resume(store, None, actor="ann", now=clock.now())
    assert (back.changed, back.left, back.still_paused) == (True, 6, ("summer",))
    assert deliver(store, one.job, adapter=channel, render=render, clock=clock).state == "finished"
    assert deliver(store, two.job, adapter=channel, render=render, clock=clock).paused
    assert channel.given.total() == 3


def test_what_cannot_be_paused_is_said(store: Store, clock: FixedClock) -> None:
    with pytest.raises(UsageError, match='no run of "spring"'):
        pause(store, "spring", reason="", actor="ann", now=clock.now())
    world = seed(store, 1)
    deliver(store, world.job, adapter=Channel(), render=render, clock=clock)
    with pytest.raises(UsageError, match="its last run is finished"):
        pause(store, "spring", reason="", actor="ann", now=clock.now())


def test_a_storm_of_pauses_loses_and_repeats_nobody(store: Store, clock: FixedClock) -> None:
    world, stop = seed(store, 100), threading.Event()
    handed: list[float] = []
    guard = threading.Lock()

    def slowly(letter: Letter) -> None:
        time.sleep(0.001)
        with guard:
            handed.append(time.monotonic())

    channel = Channel(before=slowly)
    late: list[int] = []

    def storm() -> None:
        while not stop.wait(0.1):
            try:
                pause(store, "spring", reason="storm", actor="ann", now=clock.now())
            except UsageError:
                # It was finished between two pauses.
                return
            committed = time.monotonic()
            time.sleep(0.03)
            with guard:
                # Hand-overs begun before the commit end within milliseconds; each connection has one at most.
                late.append(sum(one > committed for one in handed))
            try:
                resume(store, "spring", actor="ann", now=clock.now())
            except UsageError:
                # The last mark of the run was on its way when the pause was committed.
                return

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(400):
            done = deliver(store, world.job, adapter=channel, render=render, clock=clock, connections=4)
            if done.state == "finished":
                break
            time.sleep(0.005)
    finally:
        stop.set()
        thread.join()
    assert done.state == "finished"
    assert len(channel.given) == 100
    assert set(channel.given.values()) == {1}
    assert max(late, default=0) <= 4
    assert verify(store).broken == ()


def test_the_count_of_what_is_left_is_not_made_under_the_write_lock(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(store, 3)
    inside: list[bool] = []
    holding = threading.Event()
    really_durable, really_read = store.durable, store.read

    @contextmanager
    def durable(purpose: str) -> Iterator[sa.Connection]:
        with really_durable(purpose) as connection:
            holding.set()
            yield connection
        holding.clear()

    @contextmanager
    def read() -> Iterator[sa.Connection]:
        inside.append(holding.is_set())
        with really_read() as connection:
            yield connection

    monkeypatch.setattr(store, "durable", durable)
    monkeypatch.setattr(store, "read", read)
    for campaign in ("spring", None):
        assert pause(store, campaign, reason="", actor="ann", now=clock.now()).left == 3
        assert resume(store, campaign, actor="ann", now=clock.now()).left == 3
    assert inside == [False] * 4
