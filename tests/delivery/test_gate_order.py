"""The order of the gate: of two reasons against a message the earlier one is stored, and what waits is put off, not refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from support.ledger_world import World, message_rows, seed
from tidings.campaigns.windows import Window
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.rules import Cap, CaseOpen, Purpose
from tidings.definitions.values import Duration, Unit
from tidings.delivery import throttle
from tidings.delivery.claiming import Taken, look, take
from tidings.delivery.freshness import Feed
from tidings.delivery.gate import rule_of
from tidings.store.database import Store
from tidings.store.tables import people, sending

ONCE_A_DAY = (Cap(1, Duration(1, Unit.DAY)),)
CASE = CaseOpen("complaint_opened", "complaint_closed")
# 09:00 in London when the clock of the tests stands.
QUIET_NOW = Window(quiet=(time(8), time(12)))
HOUR = 3600 * 1_000_000


def claim(store: Store, world: World, *, owner: str = "a") -> Taken:
    """Claim what is due of a run."""
    ids = [row.id for row in message_rows(store, world.run_id)]
    return take(store, world.job, owner=owner, boot_id=None, found=ids, lease_seconds=60)


def with_terms(world: World, **terms: Any) -> World:
    """Return a world whose job has other terms."""
    return replace(world, job=replace(world.job, terms=replace(world.job.terms, **terms)))


def say(store: Store, customer: int, name: str, at: int) -> None:
    """Record an event."""
    with store.durable("test") as connection:
        known = sa.select(people.event_names.c.id).where(people.event_names.c.name == name)
        name_id = (
            connection.execute(known).scalar()
            or connection.execute(
                sa.insert(people.event_names).values(name=name).returning(people.event_names.c.id)
            ).scalar_one()
        )
        count = connection.execute(sa.select(sa.func.count()).select_from(people.events)).scalar_one()
        connection.execute(
            sa.insert(people.events).values(
                name_id=name_id,
                customer_id=customer,
                occurred_at=at,
                received_at=at,
                source="test",
                dedupe_key=str(count),
            )
        )


def expired(store: Store, world: World) -> World:
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.run_id == world.run_id)
            .values(expires_at=to_micros(store.clock.now()), due_at=to_micros(store.clock.now()) - HOUR)
        )
    return world


def no_consent(_store: Store, world: World) -> World:
    return replace(world, job=replace(world.job, purpose=Purpose("never_asked", "marketing")))


def case_open(_store: Store, world: World) -> World:
    return with_terms(world, case=CASE)


def feed_stale(_store: Store, world: World) -> World:
    return with_terms(world, feeds=(Feed("orders", timedelta(hours=26)),))


def quiet_hours(_store: Store, world: World) -> World:
    return with_terms(world, window=QUIET_NOW, skips=True)


def frequency_cap(_store: Store, world: World) -> World:
    return with_terms(world, counted=True, caps=ONCE_A_DAY)


def account_limit(_store: Store, world: World) -> World:
    return with_terms(world, counted=True, account_caps=ONCE_A_DAY)


def throttled(_store: Store, world: World) -> World:
    return with_terms(world, rate=0.001)


def budget(store: Store, world: World) -> World:
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.runs)
            .where(sending.runs.c.id == world.run_id)
            .values(bounds={"budget": 5, "fixed": 5, "prices": {"email": 1}})
        )
    return with_terms(world, budget=True)


ORDER: tuple[Callable[[Store, World], World], ...] = (
    expired,
    no_consent,
    case_open,
    feed_stale,
    quiet_hours,
    frequency_cap,
    account_limit,
    throttled,
    budget,
)


def what_became(store: Store, world: World) -> str:
    """Name the reason that a message of a run was stopped for."""
    [row] = message_rows(store, world.run_id)
    if row.state == "refused":
        assert (row.refusal_rule, row.policy_hash) == (rule_of(row.refusal_code, world.job), "p" * 64)
        return str(row.refusal_code)
    assert row.state == "planned"
    put_off = row.due_at - to_micros(store.clock.now())
    return {HOUR: "case_open", HOUR // 4: "feed_stale", 0: "throttled"}[put_off]


def test_of_any_two_reasons_the_earlier_one_in_the_order_is_kept(store: Store, clock: FixedClock) -> None:
    first = seed(store, 1, campaign="before")
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(account="Rose & Sons", zone="Europe/London"))
    say(store, 1, "complaint_opened", now)
    assert len(claim(store, with_terms(first, counted=True, caps=ONCE_A_DAY)).messages) == 1
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(state="accepted"))
        assert throttle.reserve(store, connection, "email", 0.001, 1) == 1
    worlds: dict[tuple[str, ...], World] = {}
    for reasons in (*((one,) for one in ORDER), *itertools.combinations(ORDER, 2)):
        names = tuple(one.__name__ for one in reasons)
        world = seed(store, 1, campaign="-".join(names))
        for reason in reasons:
            world = reason(store, world)
        assert claim(store, world).messages == (), names
        worlds[names] = world
    found = {names: what_became(store, world) for names, world in worlds.items()}
    assert found == {names: names[0] for names in found}
    assert len(found) == 9 + 36


def test_what_speaks_against_nobody_claims_as_ever(store: Store) -> None:
    world = seed(store, 3)
    assert len(claim(store, world).messages) == 3


def test_marketing_waits_while_a_case_is_open_and_goes_when_it_is_closed(
    store: Store, clock: FixedClock
) -> None:
    world = with_terms(seed(store, 2), case=CASE)
    say(store, 1, "complaint_opened", to_micros(clock.now()))
    assert [one.customer_id for one in claim(store, world).messages] == [2]
    say(store, 1, "complaint_closed", to_micros(clock.now()) + 1)
    assert claim(store, world).messages == ()
    clock.advance(timedelta(hours=1))
    assert [one.customer_id for one in claim(store, world).messages] == [1]


def test_a_message_that_waits_for_a_case_until_it_expires_is_refused_for_that(
    store: Store, clock: FixedClock
) -> None:
    world = with_terms(seed(store, 1), case=CASE)
    say(store, 1, "complaint_opened", to_micros(clock.now()))
    for _ in range(24):
        assert claim(store, world).messages == ()
        assert what_became(store, world) == "case_open"
        clock.advance(timedelta(hours=1))
    claim(store, world)
    [row] = message_rows(store, world.run_id)
    assert (row.state, row.refusal_code, row.refusal_rule) == ("refused", "case_open", "case_open")


def test_a_message_that_nobody_looked_at_before_it_expired_is_only_expired(
    store: Store, clock: FixedClock
) -> None:
    world = with_terms(seed(store, 1), case=CASE, feeds=(Feed("orders", timedelta(hours=26)),))
    say(store, 1, "complaint_opened", to_micros(clock.now()))
    clock.advance(timedelta(hours=30))
    claim(store, world)
    assert what_became(store, world) == "expired"


def imported(store: Store, at: int, state: str = "finished") -> None:
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.imports).values(
                mapping="orders",
                file="orders.csv",
                fingerprint=f"{at}{state}",
                state=state,
                counts={},
                started_at=at - 1,
                updated_at=at,
            )
        )


def test_messages_wait_for_a_fresh_import_and_go_when_it_came(store: Store, clock: FixedClock) -> None:
    world = with_terms(seed(store, 2), feeds=(Feed("orders", timedelta(hours=26)),))
    now = to_micros(clock.now())
    imported(store, now - 27 * HOUR)
    imported(store, now, "interrupted")
    assert claim(store, world).messages == ()
    assert {row.state for row in message_rows(store, world.run_id)} == {"planned"}
    clock.advance(timedelta(minutes=15))
    imported(store, now)
    assert len(claim(store, world).messages) == 2


def test_messages_that_wait_for_an_import_until_they_expire_are_refused_for_that(
    store: Store, clock: FixedClock
) -> None:
    world = with_terms(seed(store, 2), feeds=(Feed("orders", timedelta(hours=26)),))
    for _ in range(24 * 4 + 1):
        assert claim(store, world).messages == ()
        clock.advance(timedelta(minutes=15))
    assert {row.refusal_code for row in message_rows(store, world.run_id)} == {"feed_stale"}


def test_an_address_that_has_become_anothers_gets_one_message(store: Store) -> None:
    world = with_terms(seed(store, 4), one_each=True)
    with store.durable("test") as connection:
        shared = connection.execute(
            sa.select(people.customers.c.email, people.customers.c.email_hash).where(
                people.customers.c.id == 1
            )
        ).one()
        connection.execute(
            sa.update(people.customers)
            .where(people.customers.c.id.in_([2, 4]))
            .values(email=shared.email, email_hash=shared.email_hash)
        )
    imported(store, to_micros(store.clock.now()))
    job = world.job
    ids = look(store, job, after=0, limit=10).ids
    taken = take(store, job, owner="a", boot_id=None, found=ids[:3], lease_seconds=60)
    assert [one.customer_id for one in taken.messages] == [1, 3]
    assert take(store, job, owner="b", boot_id=None, found=ids, lease_seconds=60).messages == ()
    rows = {row.customer_id: row.refusal_code for row in message_rows(store, world.run_id)}
    assert rows == {1: None, 2: "duplicate", 3: None, 4: "duplicate"}


@pytest.mark.parametrize("code", ["unsubscribed_list", "consent_unconfirmed"])
def test_the_rule_behind_a_refusal_names_the_topic(store: Store, code: str) -> None:
    world = with_terms(seed(store, 1), topic="roses")
    assert rule_of(code, world.job) == "consent/email/marketing/roses"


def test_a_withdrawal_for_the_topic_of_a_campaign_refuses_it_and_nothing_else(
    store: Store, clock: FixedClock
) -> None:
    now = to_micros(clock.now())
    with_topic, without = with_terms(seed(store, 1), topic="roses"), seed(store, 1, campaign="summer")
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(people.consents).values(
                customer_id=1,
                channel="email",
                purpose="marketing",
                topic="roses",
                state="withdrawn",
                basis="unsubscribe",
                source="link",
                at=now,
                received_at=now,
            )
        )
    assert claim(store, with_topic).messages == ()
    assert what_became(store, with_topic) == "unsubscribed_list"
    assert len(claim(store, without).messages) == 1
