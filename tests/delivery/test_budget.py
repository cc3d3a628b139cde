"""The budget of a run is taken in the claim: never exceeded, and given back where nothing was handed over."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_world import World, message_rows, seed
from support.stores import open_store
from tidings.clock import FixedClock
from tidings.delivery.claiming import take
from tidings.delivery.recovery import recover
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.delivery.work import Refusal
from tidings.store.database import Store
from tidings.store.tables import sending

MILLION = 1_000_000


def paid(store: Store, treated: int, *, budget: int, price: float = 1.0, fixed: int = 0) -> World:
    """Seed a run whose messages cost `price` minor units each."""
    world = seed(store, treated)
    bounds = {"budget": budget, "fixed": fixed, "prices": {"email": round(price * MILLION)}}
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(bounds=bounds))
    return replace(world, job=replace(world.job, terms=Terms(budget=True)))


def spent(store: Store) -> float:
    with store.read() as connection:
        return connection.execute(sa.select(sending.runs.c.spent)).scalar_one() / MILLION


def codes(store: Store, world: World) -> list[str | None]:
    return [row.refusal_code for row in message_rows(store, world.run_id)]


def test_when_the_budget_is_spent_the_rest_is_refused(store: Store, clock: FixedClock) -> None:
    world = paid(store, 10, budget=20, price=2.5, fixed=4)
    done = deliver(
        store, world.job, adapter=Channel(), render=render, clock=clock, wait_seconds=5.0, connections=2
    )
    assert (done.accepted, done.refused, done.state) == (6, 4, "finished")
    assert set(codes(store, world)) == {None, "budget"}
    assert spent(store) == 15.0


def test_what_is_refused_before_its_hand_over_leaves_its_money_to_another(
    store: Store, clock: FixedClock
) -> None:
    world = paid(store, 20, budget=10)

    def some(message: object) -> object:
        return Refusal("render_error", "name") if message.customer_id in (2, 5, 7) else render(message)

    done = deliver(
        store,
        world.job,
        adapter=Channel(),
        render=some,
        clock=clock,
        wait_seconds=30.0,
        connections=1,
        batch=5,
    )
    assert done.accepted == 10
    assert spent(store) == 10.0
    assert codes(store, world).count("budget") == 7


def test_what_was_given_back_or_never_begun_costs_nothing(store: Store, clock: FixedClock) -> None:
    world = paid(store, 4, budget=4)
    ids = [row.id for row in message_rows(store, world.run_id)]
    assert len(take(store, world.job, owner="a", boot_id="b", found=ids, lease_seconds=60).messages) == 4
    assert spent(store) == 4.0
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.claims).values(leased_until=0))
    assert recover(store, world.job, owner="c", boot_id="b").planned == 4
    assert spent(store) == 0.0


def test_a_retry_is_paid_once(store: Store, clock: FixedClock) -> None:
    world = paid(store, 2, budget=2)
    channel = Channel(lambda _letter, copies: Answer("transient" if copies == 1 else "accepted", None, "451"))
    options = {"adapter": channel, "render": render, "clock": clock}
    assert deliver(store, world.job, **options).deferred == 2
    assert spent(store) == 0.0
    assert deliver(store, world.job, wait_seconds=120.0, **options).accepted == 2
    assert spent(store) == 2.0


def test_a_rejected_message_was_handed_over_and_stays_paid(store: Store, clock: FixedClock) -> None:
    world = paid(store, 3, budget=3)
    channel = Channel(lambda _letter, _copies: Answer("rejected", "message", "554 no"))
    assert deliver(store, world.job, adapter=channel, render=render, clock=clock).rejected == 3
    assert spent(store) == 3.0


@pytest.mark.parametrize("seed_", [1, 2])
def test_a_budget_is_never_exceeded_by_concurrent_workers_and_all_of_it_is_used(
    store: Store, clock: FixedClock, seed_: int
) -> None:
    random.seed(seed_)
    world = paid(store, 120, budget=70)
    most: list[float] = []
    channel = Channel(before=lambda _letter: most.append(spent(store)))

    def some(message: object) -> object:
        return Refusal("render_error", "name") if random.random() < 0.2 else render(message)

    failed: list[BaseException] = []

    def work() -> None:
        try:
            with open_store(store.url, clock) as mine:
                for _ in range(6):
                    deliver(
                        mine, world.job, adapter=channel, render=some, clock=clock, connections=2, batch=10,
                        wait_seconds=5.0,
                    )  # fmt: skip
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    handed_over = sum(channel.given.values())
    assert handed_over == spent(store) <= 70
    assert max(most) <= 70
    rows = codes(store, world)
    assert rows.count("budget") == 0 or handed_over == 70
    assert handed_over + rows.count("render_error") + rows.count("budget") == 120
