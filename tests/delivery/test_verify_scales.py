"""`tidings verify` reads each row a few times, however many there are: a rule that looks through a run for each of its messages
takes a minute for 20,000 of them, and for ever for a million."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from delivery.test_offer_rules import offering
from support.ledger_channel import Channel, render
from support.ledger_world import seed
from tidings.campaigns.pools import make_codes
from tidings.clock import FixedClock
from tidings.delivery.rules import Rule
from tidings.delivery.sender import deliver
from tidings.delivery.verify import verify
from tidings.store.database import Store

FEW, MANY = 400, 1_600
# Four times the rows: linear is 4, sorting a little more, a look at every pair 16.
AT_MOST = 8
# SQLite calls back after so many steps of its machine.
STEPS = 100


def _steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return how many hundreds of steps each rule takes."""
    counted: dict[str, int] = {}
    really: Callable[[Rule, sa.Connection], Any] = Rule.broken

    def broken(rule: Rule, connection: sa.Connection) -> Any:
        # A statement that never came to its hundredth step costs one all the same.
        counted[rule.name] = 1
        raw = connection.connection.driver_connection
        assert raw is not None

        def count() -> int:
            counted[rule.name] += 1
            return 0

        raw.set_progress_handler(count, STEPS)
        try:
            return really(rule, connection)
        finally:
            raw.set_progress_handler(None, 0)

    with monkeypatch.context() as patch:
        patch.setattr(Rule, "broken", broken)
        assert verify(store).broken == ()
    return counted


@pytest.mark.parametrize("codes", [True, False])
def test_four_times_the_messages_are_not_sixteen_times_the_work(
    make_store: Callable[..., Store], clock: FixedClock, monkeypatch: pytest.MonkeyPatch, *, codes: bool
) -> None:
    steps = []
    for people in (FEW, MANY):
        store = make_store("sqlite")
        world = seed(store, people)
        if codes:
            make_codes(store, "spring25", people, actor="test", now=clock.now())
            world = offering(world, "spring")
        deliver(store, world.job, adapter=Channel(), render=render, clock=clock)
        steps.append(_steps(store, monkeypatch))
    few, many = steps
    assert set(few) == set(many)
    assert len(few) > 20
    slow = {name: (few[name], many[name]) for name in few if many[name] > AT_MOST * few[name] + 20}
    assert slow == {}


def test_postgresql_does_not_go_row_by_row_through_tables_that_it_has_not_looked_at_yet(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("postgresql")
    seen: set[str] = set()

    def broken(rule: Rule, connection: sa.Connection) -> list[Any]:
        seen.add(connection.execute(sa.text("SHOW enable_nestloop")).scalar_one())
        return []

    monkeypatch.setattr(Rule, "broken", broken)
    verify(store)
    assert seen == {"off"}
    with store.read() as connection:
        assert connection.execute(sa.text("SHOW enable_nestloop")).scalar_one() == "on"
