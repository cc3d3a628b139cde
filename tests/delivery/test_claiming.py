"""Claims: rare, short, and never before what waits in the spool was brought in."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_world import address_of, seed, states
from tidings.clock import FixedClock
from tidings.delivery.claiming import look, take
from tidings.delivery.sender import deliver
from tidings.delivery.standing import finish
from tidings.errors import StoreError
from tidings.store.database import Store
from tidings.store.tables import sending


def test_a_slow_tail_takes_no_write_lock_for_looking(store: Store, clock: FixedClock) -> None:
    world, drained = seed(store, 44), []
    channel = Channel(before=lambda _letter: time.sleep(0.04))
    done = deliver(
        store,
        world.job,
        adapter=channel,
        render=render,
        clock=clock,
        connections=2,
        batch=20,
        before_claim=lambda: drained.append(time.monotonic()),
    )
    assert done.state == "finished"
    claims = next(one for one in store.lock_report() if one.purpose == "claim")
    assert claims.count == 3
    assert len(drained) == 3


def test_what_comes_back_while_others_are_in_flight_is_sent_in_the_same_call(
    store: Store, clock: FixedClock
) -> None:
    world, again = seed(store, 2), threading.Event()

    def answers(letter: object, copies: int) -> Answer:
        if letter.recipient == address_of(1):
            if copies == 1:
                return Answer("throttled", None, "421 slow", retry_after=0.01)
            again.set()
        else:
            for _ in range(200):
                if again.wait(0.05):
                    return Answer("accepted")
                clock.sleep(30)
            return Answer("rejected", "recipient", "the first was not tried again while this was in flight")
        return Answer("accepted")

    done = deliver(store, world.job, adapter=Channel(answers), render=render, clock=clock, connections=2)
    assert (done.state, done.accepted) == ("finished", 2)


def test_what_another_sender_took_since_it_was_found_is_not_claimed(store: Store) -> None:
    world = seed(store, 6)
    found = look(store, world.job, after=0, limit=4).ids
    first = take(store, world.job, owner="a", boot_id=None, found=found[:3], lease_seconds=60)
    second = take(store, world.job, owner="b", boot_id=None, found=found, lease_seconds=60)
    assert [one.message_id for one in first.messages] == list(found[:3])
    assert [one.message_id for one in second.messages] == [found[3]]


@pytest.mark.parametrize("many", [False, True])
def test_a_run_is_not_finished_over_a_message_that_just_came_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    if many:
        monkeypatch.setattr("tidings.delivery.standing._FEW", 1)
    world, messages = seed(store, 3), sending.messages
    with store.durable("test") as connection:
        connection.execute(sa.update(messages).values(state="in_doubt", started_at=1, attempt=1))
    really = store.durable

    def another_was_faster(purpose: str) -> object:
        monkeypatch.setattr(store, "durable", really)
        with really("test") as connection:
            connection.execute(sa.update(messages).where(messages.c.customer_id == 2).values(state="planned"))
        return really(purpose)

    monkeypatch.setattr(store, "durable", another_was_faster)
    assert not finish(store, world.run_id, now=1)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(messages).where(messages.c.customer_id == 2).values(**sending.in_state("cancelled"))
        )
    assert finish(store, world.run_id, now=1)


def _another_drains(clock: FixedClock, times: int) -> object:
    """Drain like one who waits 30 seconds for a process that holds the spool so often."""
    asked: list[int] = []

    def drain() -> None:
        asked.append(1)
        if len(asked) <= times:
            clock.sleep(30)
            raise StoreError("another process has been draining", code="drain-locked")

    return drain


def test_a_long_backlog_that_another_process_takes_in_is_waited_for(store: Store, clock: FixedClock) -> None:
    world, channel = seed(store, 3), Channel()
    options = {"adapter": channel, "render": render, "clock": clock}
    done = deliver(store, world.job, before_claim=_another_drains(clock, 5), **options)
    assert (done.state, done.accepted) == ("finished", 3)


def test_a_backlog_that_never_ends_is_said_and_claims_nobody(store: Store, clock: FixedClock) -> None:
    world, channel = seed(store, 3), Channel()
    options = {"adapter": channel, "render": render, "clock": clock}
    with pytest.raises(StoreError, match="has been draining"):
        deliver(store, world.job, before_claim=_another_drains(clock, 10_000), **options)
    assert set(states(store, world.run_id).values()) == {"planned"}


def test_a_stop_ends_the_wait_for_the_spool(store: Store, clock: FixedClock) -> None:
    world, stop = seed(store, 3), threading.Event()

    def drain() -> None:
        stop.set()
        raise StoreError("another process has been draining", code="drain-locked")

    done = deliver(
        store, world.job, adapter=Channel(), render=render, clock=clock, before_claim=drain, stop=stop
    )
    assert (done.reason, done.pending) == ("it was asked to stop", 3)
