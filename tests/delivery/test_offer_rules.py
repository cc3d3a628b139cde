"""`tidings verify` sees every way in which a code could have gone wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_world import World, message_rows, seed
from tidings.campaigns.pools import make_codes
from tidings.campaigns.promises import Promise
from tidings.clock import FixedClock
from tidings.definitions.kinds.offer import Offer
from tidings.delivery.sender import deliver
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import money, sending

CODES, MESSAGES = money.codes, sending.messages


def offering(world: World, name: str) -> World:
    """Let the messages of a run promise a code of the pool."""
    promise = Promise(name, Offer("25% off", pool="spring25"), "Europe/Stockholm")
    return replace(world, job=replace(world.job, terms=replace(world.job.terms, promise=promise)))


@pytest.fixture
def world(store: Store, clock: FixedClock) -> World:
    """Three messages that left with a code each, of five."""
    made = offering(seed(store, 3), "spring")
    make_codes(store, "spring25", 5, actor="test", now=clock.now())
    deliver(store, made.job, adapter=Channel(), render=render, clock=clock)
    return made


def broken(store: Store) -> set[str]:
    return {one.check for one in verify(store).broken}


def change(store: Store, statement: sa.Update) -> None:
    with store.durable("test") as connection:
        assert connection.execute(statement).rowcount


def test_what_went_right_breaks_nothing(store: Store, world: World) -> None:
    assert broken(store) == set()
    assert {"codes", "whose code", "kept codes", "missing codes"} <= set(verify(store).checks)


def test_a_code_that_two_people_were_shown_is_found(store: Store, world: World) -> None:
    first, second, _ = message_rows(store, world.run_id)
    change(store, sa.update(MESSAGES).where(MESSAGES.c.id == second.id).values(variables=first.variables))
    assert broken(store) == {"codes", "kept codes"}


def test_a_code_that_is_kept_for_somebody_else_is_found(store: Store, world: World) -> None:
    first, second, _ = message_rows(store, world.run_id)
    change(
        store, sa.update(CODES).where(CODES.c.message_id == first.id).values(customer_id=second.customer_id)
    )
    assert broken(store) == {"whose code"}


def test_a_code_that_went_back_after_it_was_shown_is_found(store: Store, world: World) -> None:
    first, *_ = message_rows(store, world.run_id)
    free = {"state": "free", "message_id": None, "customer_id": None}
    change(store, sa.update(CODES).where(CODES.c.message_id == first.id).values(**free))
    assert broken(store) == {"kept codes"}


def test_a_message_that_left_without_its_code_is_found(store: Store, world: World) -> None:
    first, *_ = message_rows(store, world.run_id)
    variables = {name: value for name, value in first.variables.items() if name != "offer_code"}
    free = {"state": "free", "message_id": None, "customer_id": None}
    change(store, sa.update(CODES).where(CODES.c.message_id == first.id).values(**free))
    change(store, sa.update(MESSAGES).where(MESSAGES.c.id == first.id).values(variables=variables))
    assert broken(store) == {"missing codes"}


def test_a_code_given_anew_after_a_rejection_is_no_second_one(store: Store, clock: FixedClock) -> None:
    make_codes(store, "spring25", 1, actor="test", now=clock.now())
    no_such = Answer("rejected", "recipient", "RCPT 550 no")
    shown = []
    for name, answer in (("spring", no_such), ("summer", Answer("accepted"))):
        made = offering(seed(store, 1, campaign=name), name)

        def say(*_: object, answer: Answer = answer) -> Answer:
            return answer

        deliver(store, made.job, adapter=Channel(say), render=render, clock=clock)
        (row,) = message_rows(store, made.run_id)
        assert row.state == answer.kind
        shown.append(row.variables["offer_code"])
    assert len(set(shown)) == 1 and broken(store) == set()
