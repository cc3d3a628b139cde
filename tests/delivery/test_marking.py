"""The mark before a hand-over says why it holds something back, and does not hold back for what is over."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from support.ledger_world import seed
from tidings.clock import FixedClock, to_micros
from tidings.delivery.claiming import Taken, look, take
from tidings.delivery.pause import pause
from tidings.delivery.starting import StartMark, Word
from tidings.delivery.work import Job
from tidings.store.database import Store
from tidings.store.tables import sending


def _take(store: Store, job: Job, count: int) -> Taken:
    found = look(store, job, after=0, limit=count).ids
    taken = take(store, job, owner="a", boot_id=None, found=found, lease_seconds=60)
    assert taken.lease is not None
    return taken


def test_the_reason_of_a_pause_is_kept_whatever_happened_to_other_claims(
    store: Store, clock: FixedClock
) -> None:
    world = seed(store, 4)
    ours, taken_over = _take(store, world.job, 2), _take(store, world.job, 2)
    assert taken_over.lease is not None
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.claims)
            .where(sending.claims.c.id == taken_over.lease.fence)
            .values(state="lost")
        )
    pause(store, None, reason="a wrong price", actor="ann", now=clock.now())
    with store.marks() as connection:
        started = StartMark(world.job).mark(
            connection, [ours.messages[0], taken_over.messages[0]], to_micros(clock.now())
        )
    assert list(started.words.values()) == [Word.HELD, Word.LOST]
    assert started.held == "all sending is paused: a wrong price"


@pytest.mark.parametrize("times", [1, 2])
def test_a_pause_that_is_over_when_it_is_looked_for_holds_nothing_back(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    world = seed(store, 1)
    taken = _take(store, world.job, 1)
    really, asked = StartMark._started, []

    def paused_just_now(self: StartMark, *given: object) -> list[int]:
        asked.append(given)
        return [] if len(asked) <= times else really(self, *given)

    monkeypatch.setattr(StartMark, "_started", paused_just_now)
    with store.marks() as connection:
        started = StartMark(world.job).mark(connection, taken.messages, to_micros(clock.now()))
    assert (list(started.words.values()), started.held) == ([Word.GO], "")


def test_a_pause_that_flickers_is_given_as_the_reason(
    store: Store, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = seed(store, 1)
    taken = _take(store, world.job, 1)
    monkeypatch.setattr(StartMark, "_started", lambda *_: [])
    with store.marks() as connection:
        started = StartMark(world.job).mark(connection, taken.messages, to_micros(clock.now()))
    assert list(started.words.values()) == [Word.HELD]
    assert "paused and resumed" in started.held
