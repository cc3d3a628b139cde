"""A claim under a cap locks customers, and so does an import: neither holds the other up for good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from support.ledger_channel import Channel, render
from support.ledger_world import seed
from support.stores import open_store
from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Cap
from tidings.definitions.values import Duration, Unit
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.store.database import Store
from tidings.store.tables import people

CAPPED = Terms(counted=True, caps=(Cap(1, Duration(1, Unit.DAY)),), rivals=("marketing",))


def test_of_a_claim_and_an_import_that_wait_for_each_other_the_claim_gives_way_and_comes_back(
    make_store: Callable[..., Store], clock: FixedClock
) -> None:
    store = make_store("postgresql")
    seeded, locked, waits = seed(store, 2), threading.Event(), threading.Event()
    world = replace(seeded, job=replace(seeded.job, terms=CAPPED))
    imported: list[str] = []

    def bring() -> None:
        with open_store(store.url, clock) as own, own.durable("import") as connection:
            for customer in (2, 1):
                connection.execute(
                    sa.update(people.customers).where(people.customers.c.id == customer).values(locale="de")
                )
                locked.set()
                # The claim has the first one by now, and waits for the second.
                waits.wait(0.2)
        imported.append("all")

    thread = threading.Thread(target=bring)
    thread.start()
    locked.wait(5)
    done = deliver(store, world.job, adapter=Channel(), render=render, clock=clock)
    thread.join()
    assert imported == ["all"]
    assert done.accepted == 2
