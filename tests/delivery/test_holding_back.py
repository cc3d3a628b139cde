"""What keeps a message back while a run is sent: the gate, a pause, a stop, the clock, the spool."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from support.ledger_channel import Channel, Letter
from support.ledger_world import address_of, seed, states
from tidings.clock import FixedClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.delivery.pause import pause
from tidings.delivery.work import Delivered
from tidings.errors import StoreError
from tidings.store.database import Store


def test_progress_counts_what_the_gate_refused_in_the_claim(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world, told = seed(store, 60), []
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        record(
            connection,
            [
                ConsentRow(one, "email", "marketing", "withdrawn", "", "link", now, now)
                for one in range(21, 61)
            ],
        )

    def slowly(_letter: Letter) -> None:
        time.sleep(0.03)
        clock.sleep(1)

    send(world, Channel(before=slowly), connections=1, progress=lambda *both: told.append(both))
    assert told[-1] == (60, 60)
    # The last but one was told from the sums: all but what was in flight then.
    assert told[-2][0] >= 55


def test_a_pause_holds_from_its_commit_on_save_for_what_is_in_flight(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 200)
    handed_over_at_commit: list[int] = []

    def stop_everything(letter: Letter) -> None:
        if letter.recipient == address_of(50):
            pause(store, "spring", reason="a wrong price", actor="ann", now=clock.now())
            handed_over_at_commit.append(channel.given.total())

    channel = Channel(before=stop_everything)
    done = send(world, channel)
    assert done.paused
    assert done.reason == "the run is paused: a wrong price"
    assert channel.given.total() == done.accepted
    # In flight while the pause was committed: one a connection.
    assert done.accepted <= handed_over_at_commit[0] + 3
    assert done.pending == 200 - done.accepted
    assert "claimed" not in states(store, world.run_id).values()


def test_a_stop_gives_back_what_was_not_begun(store: Store, send: Callable[..., Delivered]) -> None:
    world, stop = seed(store, 300), threading.Event()
    channel = Channel(before=lambda letter: stop.set() if letter.recipient == address_of(30) else None)
    done = send(world, channel, stop=stop)
    assert done.state == "sending"
    assert done.accepted < 80
    assert set(states(store, world.run_id).values()) == {"accepted", "planned"}
    assert send(world, channel).state == "finished"
    assert set(channel.given.values()) == {1}


def test_a_clock_that_was_set_back_is_refused(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world = seed(store, 5)
    send(world, Channel())
    clock.advance(timedelta(hours=-3))
    with pytest.raises(StoreError):
        send(world, Channel())


def test_what_waits_in_the_spool_is_brought_in_before_each_claim(
    store: Store, clock: FixedClock, send: Callable[..., Delivered]
) -> None:
    world, channel, calls = seed(store, 50), Channel(), []

    def leave_one_by_one() -> None:
        # The last of each coming batch unsubscribes just before it is claimed.
        calls.append(last := min(20 * (len(calls) + 1), 50))
        now = to_micros(clock.now())
        with store.durable("test") as connection:
            record(connection, [ConsentRow(last, "email", "marketing", "withdrawn", "", "link", now, now)])

    done = send(world, channel, before_claim=leave_one_by_one)
    assert len(calls) >= 3
    assert (done.accepted, done.refused) == (47, 3)
    assert not {address_of(one) for one in (20, 40, 50)} & set(channel.given)
