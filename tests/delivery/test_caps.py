"""Frequency caps: room is taken in the claim, counted by calendar days, and given back where nothing was handed over."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, Letter, render
from support.ledger_world import World, message_rows, seed, states
from support.stores import open_store
from tidings.clock import FixedClock, from_micros, to_micros
from tidings.definitions.kinds.rules import Cap, Purpose
from tidings.definitions.values import Duration, Unit
from tidings.delivery.cancelling import cancel, cancellable
from tidings.delivery.claiming import PENDING, Taken, take
from tidings.delivery.doubt import resolve
from tidings.delivery.recovery import recover
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.delivery.verify import verify
from tidings.delivery.work import Refusal
from tidings.store.database import Store
from tidings.store.tables import people, sending

ONCE_A_DAY = Cap(1, Duration(1, Unit.DAY))
THRICE_A_WEEK = Cap(3, Duration(1, Unit.WEEK))
CAPPED = Terms(counted=True, caps=(ONCE_A_DAY, THRICE_A_WEEK), rivals=("marketing",))
DAY = timedelta(days=1)


def capped(store: Store, treated: int, campaign: str, terms: Terms = CAPPED) -> World:
    """Seed a run under a cap; its messages live for ten days."""
    world = seed(store, treated, campaign=campaign)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.run_id == world.run_id)
            .values(expires_at=to_micros(store.clock.now() + 10 * DAY))
        )
    return replace(world, job=replace(world.job, terms=terms))


def claim(store: Store, world: World, owner: str = "a") -> Taken:
    """Claim everything of a run."""
    ids = [row.id for row in message_rows(store, world.run_id)]
    return take(store, world.job, owner=owner, boot_id="b", found=ids, lease_seconds=60)


def accept(store: Store, world: World) -> None:
    """Let everything that is claimed be accepted."""
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.run_id == world.run_id, sending.messages.c.state == "claimed")
            .values(state="accepted")
        )


def codes(store: Store, world: World) -> list[str | None]:
    return [row.refusal_code for row in message_rows(store, world.run_id)]


def broken(store: Store) -> list[str]:
    """What `verify` finds wrong with reservations."""
    return [one.check for one in verify(store).broken if one.check in ("reservations", "budgets")]


def released(store: Store) -> dict[int, bool]:
    """Message id to whether its reservation was given back."""
    with store.read() as connection:
        rows = connection.execute(sa.select(sending.cap_use.c.message_id, sending.cap_use.c.released_at))
        return {row.message_id: row.released_at is not None for row in rows}


def test_once_a_day_is_one_message_a_calendar_day_of_the_workspace_clock(
    store: Store, clock: FixedClock
) -> None:
    # 14:30 UTC is 22:30 in Taipei: the next day begins there in an hour and a half.
    clock.advance(timedelta(hours=5, minutes=30))
    terms = replace(CAPPED, zone="Asia/Taipei")
    runs = [capped(store, 1, name, terms) for name in ("one", "two", "three")]
    assert len(claim(store, runs[0]).messages) == 1
    accept(store, runs[0])
    clock.advance(timedelta(minutes=89))
    assert claim(store, runs[1]).messages == ()
    assert codes(store, runs[1]) == ["frequency_cap"]
    clock.advance(timedelta(minutes=1))
    assert len(claim(store, runs[2]).messages) == 1


def test_three_a_week_are_three_in_any_seven_days_that_follow_each_other(
    store: Store, clock: FixedClock
) -> None:
    sent = []
    for number in range(12):
        world = capped(store, 1, f"day {number}")
        if claim(store, world).messages:
            sent.append(number)
            accept(store, world)
        clock.advance(DAY)
    assert sent == [0, 1, 2, 7, 8, 9]


def test_a_cap_counts_the_messages_of_all_purposes_of_its_class(store: Store) -> None:
    one, two = capped(store, 1, "one"), capped(store, 1, "two")
    newsletter = Purpose("newsletter", "marketing", consent="not needed")
    service = Purpose("service", "service", consent="not needed")
    assert len(claim(store, one).messages) == 1
    accept(store, one)
    other = replace(two, job=replace(two.job, purpose=service, terms=Terms(message_class="service")))
    assert len(claim(store, other).messages) == 1
    three = capped(store, 1, "three")
    assert claim(store, replace(three, job=replace(three.job, purpose=newsletter))).messages == ()
    assert codes(store, three) == ["frequency_cap"]


def test_a_purpose_without_a_cap_is_counted_for_those_that_have_one(store: Store) -> None:
    free = capped(store, 1, "free", Terms(counted=True))
    again = capped(store, 1, "again", Terms(counted=True))
    bound = capped(store, 1, "bound")
    assert len(claim(store, free).messages) == len(claim(store, again).messages) == 1
    accept(store, free)
    accept(store, again)
    assert claim(store, bound).messages == ()


def test_an_account_gets_so_much_whoever_of_its_people_it_is_for(store: Store) -> None:
    limit = Terms(counted=True, account_caps=(Cap(2, Duration(1, Unit.DAY)),))
    world = capped(store, 4, "one", limit)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers).where(people.customers.c.id < 4).values(account="Rose & Sons")
        )
    assert [one.customer_id for one in claim(store, world).messages] == [1, 2, 4]
    # The first two are in somebody's hands: only when they are out it is sure that there is no room.
    assert codes(store, world) == [None] * 4
    accept(store, world)
    store.clock.sleep(1)
    assert claim(store, world).messages == ()
    assert codes(store, world) == [None, None, "account_limit", None]


def test_what_hangs_on_a_message_in_somebodys_hands_is_put_off_for_a_moment(
    store: Store, clock: FixedClock
) -> None:
    one, two = capped(store, 2, "one"), capped(store, 2, "two")
    taken = claim(store, one)
    assert len(taken.messages) == 2
    assert claim(store, two).messages == ()
    assert set(states(store, two.run_id).values()) == {"planned"}
    with store.durable("test") as connection:
        # One arrives, one is given back.
        messages = sending.messages
        accepted = messages.c.id == taken.messages[0].message_id
        connection.execute(sa.update(messages).where(accepted).values(state="accepted"))
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.claims).values(leased_until=0))
    recover(store, one.job, owner="c", boot_id="b")
    clock.advance(timedelta(seconds=1))
    assert [message.customer_id for message in claim(store, two).messages] == [2]
    assert codes(store, two) == ["frequency_cap", None]


def test_a_retry_keeps_its_place_and_moves_it_to_the_day_of_the_next_try(
    store: Store, clock: FixedClock
) -> None:
    world, other = capped(store, 1, "one"), capped(store, 1, "two")
    channel = Channel(lambda _letter, copies: Answer("transient" if copies == 1 else "accepted", None, "451"))
    options = {"adapter": channel, "render": render, "clock": clock}
    assert deliver(store, world.job, **options).deferred == 1
    assert claim(store, other).messages == ()
    clock.advance(DAY)
    assert deliver(store, world.job, **options).accepted == 1
    with store.read() as connection:
        [use] = connection.execute(sa.select(sending.cap_use)).all()
    assert (use.period, use.released_at) == (clock.now().date().isoformat(), None)


def test_the_next_channel_of_a_step_goes_by_the_place_of_the_first(store: Store) -> None:
    world = capped(store, 1, "one")
    claim(store, world)
    [first] = message_rows(store, world.run_id)
    values = {
        name: getattr(first, name) for name in ("run_id", "enrolment_id", "customer_id", "step", "channel")
    }
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(**sending.in_state("unconfirmed")))
        connection.execute(
            sa.insert(sending.messages).values(**values, leg=1, state="planned", due_at=first.due_at)
        )
    assert [one.step for one in claim(store, world).messages] == ["main"]
    assert released(store) == {first.id: False}


def _refused(store: Store, world: World, clock: FixedClock) -> None:
    deliver(store, world.job, adapter=Channel(), render=lambda _: Refusal("render_error", "x"), clock=clock)


def _rejected(store: Store, world: World, clock: FixedClock) -> None:
    channel = Channel(lambda _letter, _copies: Answer("rejected", "message", "554 no"))
    deliver(store, world.job, adapter=channel, render=render, clock=clock)


def _lost(store: Store, world: World, _clock: FixedClock) -> None:
    claim(store, world)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.claims).values(leased_until=0))
    assert recover(store, world.job, owner="c", boot_id="b").planned == 1


def _withdrawn(store: Store, world: World, clock: FixedClock) -> None:
    def withdraws(_message: object) -> object:
        with store.durable("test") as connection:
            connection.execute(
                sa.insert(people.consents).values(
                    customer_id=1,
                    channel="email",
                    purpose="marketing",
                    state="withdrawn",
                    basis="unsubscribe",
                    source="link",
                    at=to_micros(clock.now()),
                    received_at=to_micros(clock.now()),
                )
            )
        return render(_message)

    deliver(store, world.job, adapter=Channel(), render=withdraws, clock=clock)
    assert codes(store, world) == ["unsubscribed_list"]


def _cancelled(store: Store, world: World, clock: FixedClock) -> None:
    channel = Channel(lambda _letter, _copies: Answer("transient", None, "451"))
    deliver(store, world.job, adapter=channel, render=render, clock=clock)
    assert released(store) == {1: False}
    assert cancel(store, cancellable(store, "one"), actor="ann", now=clock.now()).cancelled == 1


def _resolved(store: Store, world: World, clock: FixedClock) -> None:
    channel = Channel(lambda _letter, _copies: Answer("in_doubt", None, "the line went dead"))
    deliver(store, world.job, adapter=channel, render=render, clock=clock)
    assert resolve(store, [1], "not sent", actor="ann", now=clock.now()) == ([1], [])


@pytest.mark.parametrize("ends", [_refused, _rejected, _lost, _withdrawn, _cancelled, _resolved])
def test_the_place_of_a_message_that_did_not_go_out_is_given_back(
    store: Store, clock: FixedClock, ends: Callable[[Store, World, FixedClock], None]
) -> None:
    world = capped(store, 1, "one")
    ends(store, world, clock)
    assert released(store) == {1: True}
    assert broken(store) == []


def test_verify_finds_a_place_that_is_kept_for_nothing_and_a_budget_that_was_exceeded(store: Store) -> None:
    world = capped(store, 2, "one")
    claim(store, world)
    assert broken(store) == []
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == 2)
            .values(**sending.in_state("refused"))
        )
        connection.execute(sa.update(sending.runs).values(bounds={"budget": 3, "fixed": 1}, spent=2_000_001))
    assert broken(store) == ["reservations", "budgets"]


def test_the_place_of_a_message_in_doubt_is_kept(store: Store, clock: FixedClock) -> None:
    world, other = capped(store, 1, "one"), capped(store, 1, "two")
    channel = Channel(lambda _letter, _copies: Answer("in_doubt", None, "the line went dead"))
    assert deliver(store, world.job, adapter=channel, render=render, clock=clock).in_doubt == 1
    assert claim(store, other).messages == ()
    assert codes(store, other) == ["frequency_cap"]


def test_a_message_yields_to_one_of_higher_priority_that_is_due_the_same_day(
    store: Store, clock: FixedClock
) -> None:
    low, high = capped(store, 2, "low"), capped(store, 2, "high")
    with store.durable("test") as connection:
        of_high = sending.runs.c.id == high.run_id
        connection.execute(
            sa.update(sending.runs).where(of_high).values(priority=1, bounds={"purpose": "marketing"})
        )
        # The second is due tomorrow only.
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.run_id == high.run_id, sending.messages.c.customer_id == 2)
            .values(due_at=to_micros(clock.now() + DAY))
        )
    assert [one.customer_id for one in claim(store, low).messages] == [2]
    assert codes(store, low) == ["frequency_cap", None]
    prior = replace(high, job=replace(high.job, terms=replace(CAPPED, priority=1)))
    assert [one.customer_id for one in claim(store, prior).messages] == [1]


def test_a_higher_priority_of_another_class_takes_no_room(store: Store) -> None:
    low, high = capped(store, 1, "low"), capped(store, 1, "high")
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.runs)
            .where(sending.runs.c.id == high.run_id)
            .values(priority=1, bounds={"purpose": "survey"})
        )
    assert len(claim(store, low).messages) == 1


@pytest.mark.parametrize(
    ("customers", "campaigns", "workers"),
    [
        pytest.param(25, 10, 8, id="suite"),
        pytest.param(5_000, 10, 8, marks=pytest.mark.nightly, id="nightly"),
    ],
)
def test_caps_hold_over_campaigns_and_workers_and_nobody_gets_less(
    store: Store, clock: FixedClock, customers: int, campaigns: int, workers: int
) -> None:
    got: dict[str, list[date]] = defaultdict(list)
    guard = threading.Lock()
    # What fails gives its place back. Of many messages more than a few that fail would pause the run, as they should.
    spoiled = 0.1 if customers < 100 else 0.02

    def answer(letter: Letter, _copies: int) -> Answer:
        if random.random() < spoiled:
            return Answer("rejected", "message", "554 not this one")
        with guard:
            got[letter.recipient].append(clock.now().date())
        return Answer("accepted")

    def some(message: object) -> object:
        return Refusal("render_error", "name") if random.random() < spoiled else render(message)

    # How many campaigns are due on each day.
    days = [3, 2, 0, 2, 1, 0, 0, 1, 1, 0]
    assert sum(days) == campaigns
    failed: list[BaseException] = []
    begun = clock.now()
    for number, due in enumerate(days):
        worlds = [capped(store, customers, f"{number}/{one}") for one in range(due)]

        def work(worlds: list[World] = worlds) -> None:
            try:
                with open_store(store.url, clock) as mine:
                    for world in random.sample(worlds, len(worlds)):
                        deliver(
                            mine, world.job, adapter=Channel(answer), render=some, clock=clock, connections=2,
                            batch=max(customers // 5, 8), wait_seconds=3.0,
                        )  # fmt: skip
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(workers if due else 0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # What was given back when everybody else had gone.
        work()
        assert not failed, failed
        for world in worlds:
            assert not set(states(store, world.run_id).values()) & set(PENDING)
        clock.advance(begun + timedelta(days=number + 1) - clock.now())
    for recipient, on in got.items():
        assert max(Counter(on).values()) == 1, recipient
        for first in {*on}:
            assert sum(first <= day < first + timedelta(days=7) for day in on) <= 3, recipient
    _nobody_was_refused_for_nothing(store, got)
    assert broken(store) == []


def _nobody_was_refused_for_nothing(store: Store, got: dict[str, list[date]]) -> None:
    """Check that whoever was refused by a cap had really got as much as it allows, by what arrived."""
    messages = sending.messages
    with store.read() as connection:
        refused = connection.execute(
            sa.select(people.customers.c.email, messages.c.finished_at)
            .join(people.customers, people.customers.c.id == messages.c.customer_id)
            .where(messages.c.refusal_code == "frequency_cap")
        ).all()
    assert refused
    for row in refused:
        day = from_micros(row.finished_at).date()
        week = [one for one in got[row.email] if day - timedelta(days=7) < one <= day]
        assert day in week or len(week) == 3, (row.email, day, got[row.email])
