"""Cancelling drops what has not gone out, for good and on record; what a sender holds follows when it comes back."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from support.ledger_channel import Channel
from support.ledger_world import seed, states
from support.tracking import rows_of
from tidings.delivery.cancelling import cancel, cancellable
from tidings.delivery.pause import pause
from tidings.delivery.verify import verify
from tidings.errors import UsageError
from tidings.store.tables import keeping, sending


def test_what_was_not_sent_is_dropped_for_good(store, send, clock) -> None:
    world, channel = seed(store, 30), Channel()
    other = seed(store, 3, campaign="summer")

    def before(_letter) -> None:
        if channel.given.total() == 10:
            pause(store, "spring", reason="", actor="ann", now=clock.now())

    channel.before = before
    send(world, channel, connections=1)
    found = cancellable(store, "spring")
    assert (found.runs, found.messages) == ((world.run_id,), 19)
    done = cancel(store, found, actor="ann", now=clock.now())
    assert (done.cancelled, done.left) == (19, 0)
    assert send(world, channel).reason == "the run was cancelled"
    assert channel.given.total() == 11
    kept = list(states(store, world.run_id).values())
    assert (kept.count("accepted"), kept.count("cancelled")) == (11, 19)
    assert [run.state for run in rows_of(store, sending.runs)] == ["cancelled", "sending"]
    assert set(states(store, other.run_id).values()) == {"planned"}
    (told,) = rows_of(store, keeping.audit, keeping.audit.c.action == "cancelled")
    assert (told.actor, told.subject, told.detail["messages"]) == ("ann", "spring", 19)
    assert cancellable(store, str(world.run_id)).messages == 0
    assert verify(store).broken == ()


def test_one_channel_is_dropped_and_the_run_ends_by_itself(store, clock) -> None:
    world = seed(store, 4)
    messages = sending.messages
    with store.durable("test") as connection:
        connection.execute(sa.update(messages).where(messages.c.id % 2 == 0).values(channel="fax"))
    done = cancel(store, cancellable(store, "spring", "fax"), actor="ann", now=clock.now())
    assert (done.cancelled, done.channel) == (2, "fax")
    assert rows_of(store, sending.runs)[0].state == "sending"
    done = cancel(store, cancellable(store, "spring", "email"), actor="ann", now=clock.now())
    assert done.cancelled == 2
    assert rows_of(store, sending.runs)[0].state == "finished"
    assert set(states(store, world.run_id).values()) == {"cancelled"}
    assert verify(store).broken == ()


def test_what_a_sender_holds_is_dropped_when_it_comes_back(store, send, clock) -> None:
    world = seed(store, 60)
    begun = threading.Event()

    def slowly(_letter) -> None:
        begun.set()
        time.sleep(0.02)

    channel = Channel(before=slowly)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(send(world, channel, connections=2)))
    thread.start()
    begun.wait(10)
    done = cancel(store, cancellable(store, "spring"), actor="ann", now=clock.now())
    thread.join()
    kept = list(states(store, world.run_id).values())
    assert done.left == 0
    assert kept.count("cancelled") == done.cancelled > 0
    assert kept.count("accepted") == channel.given.total() == 60 - done.cancelled
    assert verify(store).broken == ()


def test_what_cannot_be_cancelled_is_said(store, clock) -> None:
    with pytest.raises(UsageError, match='no run of "spring"'):
        cancellable(store, "spring")
    seed(store, 1)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(state="enrolling"))
    with pytest.raises(UsageError, match="not completely enrolled"):
        cancellable(store, "spring")
