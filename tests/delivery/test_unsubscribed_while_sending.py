"""Whoever unsubscribes while a run goes out gets nothing that was begun after that was committed."""

from __future__ import annotations

import random
import threading
import time

import pytest
import sqlalchemy as sa

from support.ledger_channel import Channel, render
from support.ledger_world import message_rows, seed
from support.stores import open_store
from tidings.clock import FixedClock, SystemClock, to_micros
from tidings.customers.consent import ConsentRow, record
from tidings.delivery.sender import deliver
from tidings.store.database import Store
from tidings.store.tables import people, sending


class RunningClock(FixedClock):
    """Goes on from where the clock of the tests stands, as time really passes."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock.now())
        self._machine = SystemClock()
        self._offset = clock.now() - self._machine.now()

    def now(self):
        return self._machine.now() + self._offset

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.mark.parametrize(
    ("customers", "leaving"),
    [
        pytest.param(600, 150, id="suite"),
        pytest.param(50_000, 5_000, marks=pytest.mark.nightly, id="nightly"),
    ],
)
def test_nothing_is_begun_for_somebody_who_has_unsubscribed(
    store: Store, clock: FixedClock, customers: int, leaving: int
) -> None:
    world, running = seed(store, customers), RunningClock(clock)
    chosen = random.Random(6).sample(range(1, customers + 1), leaving)
    left: dict[int, int] = {}
    begun, failed = threading.Event(), []

    def slowly(_letter: object) -> None:
        begun.set()
        time.sleep(0.001)

    def unsubscribe(mine: list[int]) -> None:
        try:
            with open_store(store.url, running) as own:
                begun.wait(10)
                for customer in mine:
                    now = to_micros(running.now())
                    said = ConsentRow(
                        customer, "email", "marketing", "withdrawn", "unsubscribe", "link", now, now
                    )
                    with own.durable("test") as connection:
                        record(connection, [said])
                    left[customer] = to_micros(running.now())
        except BaseException as error:
            failed.append(error)

    def send(channel: Channel) -> None:
        try:
            with open_store(store.url, running) as own:
                deliver(
                    own, world.job, adapter=channel, render=render, clock=running, connections=2, batch=100,
                    wait_seconds=5.0,
                )  # fmt: skip
        except BaseException as error:
            failed.append(error)

    channel = Channel(before=slowly)
    threads = [threading.Thread(target=unsubscribe, args=(chosen[one::4],)) for one in range(4)]
    threads += [threading.Thread(target=send, args=(channel,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    rows = {row.customer_id: row for row in message_rows(store, world.run_id)}
    kept_back = 0
    for customer, committed in left.items():
        row = rows[customer]
        if row.state == "refused":
            kept_back += 1
            assert (row.refusal_code, row.started_at) == ("unsubscribed_list", None)
        else:
            assert row.started_at <= committed, customer
    assert kept_back > 0
    assert sum(channel.given.values()) == customers - kept_back
    assert max(channel.given.values()) == 1
    with store.read() as connection:
        withdrawn = connection.execute(
            sa.select(sa.func.count()).where(people.consents.c.state == "withdrawn")
        ).scalar_one()
        assert withdrawn == leaving
        open_ = sa.select(sa.func.count()).where(sending.claims.c.state == "open")
        assert connection.execute(open_).scalar_one() == 0
