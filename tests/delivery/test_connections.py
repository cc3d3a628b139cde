"""Connections that cannot be opened, or must not be used yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from support.ledger_channel import Channel, Connected, Letter, render
from support.ledger_world import seed, states
from tidings.clock import FixedClock
from tidings.delivery.sender import deliver
from tidings.store.database import Store


class Limited(Channel):
    """Allows `most` connections at a time until `until`, a monotonic second, and any number afterwards."""

    most = 0
    until = 0.0
    asked = 0

    def connect(self) -> Connected:
        with self.guard:
            self.asked += 1
            full = time.monotonic() < self.until and self.open >= self.most
        if full:
            raise ConnectionRefusedError("421 too many connections")
        return super().connect()


@pytest.fixture
def sqlite(make_store: Callable[..., Store]) -> Store:
    """A store; what is asked here has nothing to do with which."""
    return make_store("sqlite")


def test_a_connection_that_could_not_be_opened_comes_back_when_the_server_allows_it(
    sqlite: Store, clock: FixedClock
) -> None:
    channel = Limited(before=lambda _letter: time.sleep(0.02))
    channel.most, channel.until = 1, time.monotonic() + 3.0
    done = deliver(
        sqlite, seed(sqlite, 300).job, adapter=channel, render=render, clock=clock, connections=4, batch=50
    )
    assert (done.state, done.accepted) == ("finished", 300)
    assert channel.most_open == 4
    assert set(channel.given.values()) == {1}


def test_a_limit_of_the_server_is_not_run_against_all_the_time(sqlite: Store, clock: FixedClock) -> None:
    channel = Limited(before=lambda _letter: time.sleep(0.02))
    channel.most, channel.until = 1, time.monotonic() + 60
    done = deliver(sqlite, seed(sqlite, 60).job, adapter=channel, render=render, clock=clock, connections=8)
    assert (done.state, done.accepted, channel.most_open) == ("finished", 60, 1)
    # Eight at first, then one after a half, one and a half seconds …
    assert channel.asked <= 11


def test_a_server_that_restarts_at_the_beginning_is_waited_for(sqlite: Store, clock: FixedClock) -> None:
    channel = Limited()
    channel.until = time.monotonic() + 3.0
    done = deliver(sqlite, seed(sqlite, 50).job, adapter=channel, render=render, clock=clock, connections=2)
    assert (done.state, done.accepted) == ("finished", 50)


def test_a_channel_that_has_worked_is_waited_for_longer(sqlite: Store, clock: FixedClock) -> None:
    world = seed(sqlite, 20)

    def goes_away(letter: Letter) -> None:
        if channel.given.total() == 9 and not channel.until:
            channel.until = time.monotonic() + 1.5
            raise ConnectionResetError("the server restarts")

    channel = Limited(before=goes_away)
    options = {"adapter": channel, "render": render, "clock": clock, "connections": 1}
    done = deliver(sqlite, world.job, connect_seconds=0.3, **options)
    assert (done.state, done.accepted, done.in_doubt) == ("finished", 19, 1)


def test_one_that_is_away_for_good_is_said_soon_and_costs_nobody(sqlite: Store, clock: FixedClock) -> None:
    world, channel = seed(sqlite, 30), Channel(refuse_connections=10_000)
    begun = time.monotonic()
    done = deliver(sqlite, world.job, adapter=channel, render=render, clock=clock, connect_seconds=0.7)
    assert done.reason == "the channel email cannot be used: ConnectionRefusedError: connection refused"
    # One that worked before is waited for much longer: half a minute.
    assert time.monotonic() - begun < 10
    # A wrong password is refused in the same way: it must not be tried so often that the account is locked.
    assert 10_000 - channel.refuse_connections <= 8 + 4
    assert set(states(sqlite, world.run_id).values()) == {"planned"}


def test_a_stop_does_not_let_waiting_connections_break_the_rate(sqlite: Store, clock: FixedClock) -> None:
    stop, times = threading.Event(), []

    def stops_at_the_second(_letter: Letter) -> None:
        times.append(time.monotonic())
        if len(times) == 2:
            stop.set()

    channel = Channel(before=stops_at_the_second)
    options = {"adapter": channel, "render": render, "clock": clock, "connections": 8}
    done = deliver(sqlite, seed(sqlite, 30).job, rate_per_second=4, stop=stop, **options)
    assert (done.sent_now, done.pending) == (2, 28)


def test_a_connection_that_opens_when_the_work_is_done_is_closed(sqlite: Store, clock: FixedClock) -> None:
    class Slow(Limited):
        def connect(self) -> Connected:
            with self.guard:
                self.asked += 1
                late = self.asked > 1
            if late:
                time.sleep(0.5)
            return Channel.connect(self)

    channel = Slow()
    done = deliver(sqlite, seed(sqlite, 20).job, adapter=channel, render=render, clock=clock, connections=4)
    assert (done.accepted, channel.asked) == (20, 4)
    assert channel.open == 0
