"""Rounds killed with SIGKILL at random statements, over the life of four starter flows: the ledger of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.starter_shop import StarterShop, load_starter
from support.stores import START, open_store
from tidings.clock import FixedClock
from tidings.config.settings import Settings
from tidings.flows.round import do_round
from tidings.store.tables import journeys, people

FLOWS = ("winback_ladder", "basket", "care_during", "prospect_handover")
PEOPLE = 10
KILLS = 2


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_starter(tmp_path_factory.mktemp("starter") / "shop")


class Killed(StarterShop):
    """A shop whose rounds are made by a child that is killed at a random statement, up to twice, before one gets through."""

    chance = random.Random(7)
    deaths = 0

    def tick(self) -> None:
        for turn in range(KILLS + 1):
            at = self.chance.randrange(3, 120) if turn < KILLS else 0
            if not self._dies(at):
                break
            type(self).deaths += 1
        super().tick()

    def _dies(self, at: int) -> bool:
        """Make a round in a child that kills itself at the statement of that number (0: never); tell whether it was killed."""
        child = os.fork()
        if child == 0:
            try:
                self._round(at)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0
        return False

    def _round(self, at: int) -> None:
        store = open_store(self.store.url, FixedClock(self.clock.now()))
        left = at

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(sa.engine.Engine, "before_cursor_execute", count)
        done = do_round(self.settings, store, clock=store.clock, owner="child")
        assert done.troubles == ()


def live_through(shop: StarterShop) -> None:
    """Let the flows run for ten days."""
    keys = [f"one{n:02}" for n in range(PEOPLE)]
    last = shop.clock.now().date().replace(year=2026)
    for flow in FLOWS:
        shop.live(flow)
    for number, key in enumerate(keys):
        shop.person(key, last_order_at=last if number % 2 else None, account_type="person")
        if number % 2:
            for days in (200, 400):
                shop.did(key, "order_placed", ago=timedelta(days=days), order_total=5000)
    shop.at("03-02 10:30")
    for number, key in enumerate(keys):
        if number % 3 == 0:
            shop.did(key, "basket_updated", basket_total=9000)
        if number % 4 == 0:
            shop.list_into(key, "prospects")
    shop.at("03-02 12:30", "03-03 12:30", "03-04 09:00")
    mailed = {(row[0], row[1]) for row in shop.sent()}
    for key, step in sorted(mailed):
        if step in ("letter", "introduction") and int(key[-2:]) % 3 == 0:
            shop.click(key, step)
    for key in keys[::5]:
        shop.did(key, "order_placed", order=f"{key}-1", order_total=4000)
    shop.at("03-04 09:01", "03-04 10:30", "03-05 10:30", "03-12 10:30")


def everything(shop: StarterShop) -> list[tuple[object, ...]]:
    """Return the ledger, the journeys with their steps, the tasks, and what was set and listed."""
    steps, walks, customers = journeys.journey_steps, journeys.journeys, people.customers
    with shop.store.read() as connection:
        walked = [
            tuple(row)
            for row in connection.execute(
                sa.select(customers.c.key, walks.c.run_id, walks.c.start_ref, steps.c.step, steps.c.what, steps.c.at)
                .select_from(
                    steps.join(walks, walks.c.enrolment_id == steps.c.enrolment_id)
                    .join(customers, customers.c.id == walks.c.customer_id)
                )
            )
        ]  # fmt: skip
    keys = sorted({row[0] for row in walked})
    return [
        *shop.ledger(), *sorted(walked), *sorted(shop.outcomes()), *sorted(shop.tasks()),
        *((key, shop.attribute(key, "prospect_state")) for key in keys), *[("listed", key) for key in shop.listed("nurtured_prospects")],
    ]  # fmt: skip


def test_rounds_killed_at_random_statements_leave_the_ledger_of_an_undisturbed_run(
    stores, dialect: str, starter: Settings
) -> None:
    Killed.deaths = 0
    told = []
    for kind in (StarterShop, Killed):
        store = open_store(stores(dialect).url(dialect), FixedClock(START))
        shop = kind(store, store.clock, starter)
        live_through(shop)
        assert shop.sound()
        told.append(everything(shop))
        store.close()
    assert Killed.deaths >= 10
    undisturbed, killed = told
    assert sum("accepted" in row for row in undisturbed) > 12 and any("left" in row for row in undisturbed)
    assert killed == undisturbed
