"""The rate of a channel is kept by all processes together, by tokens in the store."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from support.ledger_channel import Channel, render
from support.ledger_world import World, seed
from support.stores import open_store
from tidings.delivery import throttle
from tidings.delivery.claiming import look, take
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.store.database import Store


def rated(store: Store, treated: int, rate: float, campaign: str = "spring") -> World:
    world = seed(store, treated, campaign=campaign)
    return replace(world, job=replace(world.job, terms=Terms(rate=rate)))


def test_a_bucket_gives_what_is_in_it_and_fills_by_the_clock_of_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000_000]
    monkeypatch.setattr(store, "lease_now", lambda _connection: now[0])

    def reserve(wanted: int) -> int:
        with store.durable("test") as connection:
            return throttle.reserve(store, connection, "sms", 10.0, wanted)

    assert [reserve(15), reserve(15), reserve(1)] == [15, 5, 0]
    now[0] += 500_000
    assert reserve(9) == 5
    now[0] += 60_000_000
    assert [reserve(100), reserve(1)] == [20, 0]
    # Set back: nothing more, and nothing lost.
    now[0] -= 30_000_000
    assert reserve(1) == 0
    now[0] += 30_100_000
    assert reserve(5) == 1


def test_nothing_is_looked_for_until_a_claim_is_worth_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, now = rated(store, 30, 10.0), [1_000_000_000]
    monkeypatch.setattr(store, "lease_now", lambda _connection: now[0])
    assert len(look(store, world.job, after=0, limit=100).ids) == 20
    with store.durable("test") as connection:
        throttle.reserve(store, connection, "email", 10.0, 20)
    found = look(store, world.job, after=0, limit=100)
    assert (found.ids, found.wait) == ((), pytest.approx(0.5))
    now[0] += 499_000
    assert look(store, world.job, after=0, limit=100).ids == ()
    now[0] += 1_000
    assert len(look(store, world.job, after=0, limit=100).ids) == 5


def test_two_who_looked_at_the_same_tokens_claim_no_more_than_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = rated(store, 30, 10.0, "one"), rated(store, 30, 10.0, "two")
    monkeypatch.setattr(store, "lease_now", lambda _connection: 1_000_000_000)
    looked = [(world.job, look(store, world.job, after=0, limit=15).ids) for world in (one, other)]
    assert [len(ids) for _, ids in looked] == [15, 15]
    claimed = [
        take(store, job, owner="test", boot_id=None, found=ids, lease_seconds=60).messages
        for job, ids in looked
    ]
    assert [len(messages) for messages in claimed] == [15, 5]
    # The rest is not lost: it waits for tokens.
    assert look(store, other.job, after=0, limit=15).wait > 0


def test_a_channel_of_one_a_minute_still_gets_its_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    world, now = rated(store, 3, 1 / 60), [1_000_000_000]
    monkeypatch.setattr(store, "lease_now", lambda _connection: now[0])
    assert len(look(store, world.job, after=0, limit=100).ids) == 1
    with store.durable("test") as connection:
        assert throttle.reserve(store, connection, "email", 1 / 60, 1) == 1
    assert look(store, world.job, after=0, limit=100).wait == pytest.approx(60)
    now[0] += 60_000_000
    assert len(look(store, world.job, after=0, limit=100).ids) == 1


def test_several_senders_of_several_runs_keep_the_rate_together(store: Store) -> None:
    rate = 40.0
    worlds = [rated(store, 60, rate, campaign) for campaign in ("one", "two")]
    sent: list[float] = []
    channel = Channel(before=lambda _letter: sent.append(time.monotonic()))
    with store.durable("test") as connection:
        throttle.reserve(store, connection, "email", rate, 1_000)
    failed: list[BaseException] = []

    def work(world: World) -> None:
        try:
            with open_store(store.url, store.clock) as mine:
                deliver(
                    mine, world.job, adapter=channel, render=render, clock=store.clock, connections=2,
                    rate_per_second=rate, patience_seconds=5,
                )  # fmt: skip
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(world,)) for world in worlds]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert len(sent) == 120
    # Two seconds' worth may have gathered while nobody claimed.
    for place, at in enumerate(sorted(sent)):
        assert place + 1 <= (at - begun + 2) * rate + 1
    assert sorted(sent)[-1] - begun > 120 / rate - 2
