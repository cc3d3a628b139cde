"""What an offer gives with its message: one code each, never twice, kept by retries, taken over, given back when unseen."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel, render
from support.ledger_world import DAY, World, message_rows, seed
from support.stores import open_store
from tidings.campaigns.pools import make_codes, pools, withdraw
from tidings.campaigns.promises import Promise
from tidings.clock import FixedClock, to_micros
from tidings.definitions.kinds.offer import AtMost, Offer
from tidings.definitions.values import Duration, Unit
from tidings.delivery import claiming
from tidings.delivery.cancelling import cancel, cancellable
from tidings.delivery.claiming import take
from tidings.delivery.doubt import resolve
from tidings.delivery.offers import release
from tidings.delivery.recovery import recover
from tidings.delivery.sender import deliver
from tidings.delivery.terms import Terms
from tidings.delivery.work import Refusal
from tidings.store.database import Store
from tidings.store.tables import money, sending

COUPON = Offer("25% off", pool="spring25", ends=Duration(14, Unit.DAY))


def offering(
    store: Store, treated: int, offer: Offer = COUPON, *, campaign: str = "spring", **more: Any
) -> World:
    """Seed a run whose messages carry an offer."""
    return with_offer(seed(store, treated, campaign=campaign, **more), offer, campaign)


def with_offer(world: World, offer: Offer, name: str = "spring") -> World:
    """Return the world with an offer in its terms."""
    promise = Promise(name, offer, "Europe/Stockholm")
    return replace(world, job=replace(world.job, terms=replace(world.job.terms, promise=promise)))


def fill(store: Store, count: int, pool: str = "spring25") -> None:
    """Put codes into a pool."""
    make_codes(store, pool, count, actor="test", now=store.clock.now())


def given(store: Store) -> dict[int, str]:
    """Return the code of each message, as the pool has it."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(money.codes.c.message_id, money.codes.c.code).where(
                money.codes.c.message_id.is_not(None)
            )
        ).all()
    assert len(rows) == len(dict(rows))
    return dict(rows)


def shown(store: Store, world: World) -> dict[int, str]:
    """Return the code of each message, as its body was written with it."""
    return {
        row.id: row.variables["offer_code"]
        for row in message_rows(store, world.run_id)
        if row.variables and "offer_code" in row.variables
    }


def refusals(store: Store, world: World) -> list[tuple[str | None, str | None]]:
    """Return the refusal of each message with its rule, by id."""
    return [(row.refusal_code, row.refusal_rule) for row in message_rows(store, world.run_id)]


def claim(store: Store, world: World, *, owner: str = "a") -> claiming.Taken:
    """Claim what is due of a run."""
    ids = [row.id for row in message_rows(store, world.run_id)]
    return take(store, world.job, owner=owner, boot_id="b", found=ids, lease_seconds=60)


def state_of(store: Store, pool: str = "spring25") -> tuple[int, int, int]:
    """Return how many codes of a pool are free, reserved and withdrawn."""
    with store.read() as connection:
        (found,) = pools(connection, pool)
    return found.free, found.reserved, found.withdrawn


def test_each_message_of_a_claim_gets_the_lowest_free_code_that_is_left(store: Store) -> None:
    fill(store, 5)
    world = offering(store, 3)
    taken = claim(store, world)
    with store.read() as connection:
        lowest = list(
            connection.execute(sa.select(money.codes.c.code).order_by(money.codes.c.id).limit(3)).scalars()
        )
    assert [one.variables["offer_code"] for one in taken.messages] == lowest
    assert (
        shown(store, world)
        == given(store)
        == dict(zip([one.message_id for one in taken.messages], lowest, strict=True))
    )
    assert {one.variables["offer_gives"] for one in taken.messages} == {"25% off"}
    # 2 March 2027 and a fortnight, through the end of the day in Stockholm.
    assert {one.variables["offer_ends"] for one in taken.messages} == {"2027-03-16"}
    with store.read() as connection:
        ends = set(
            connection.execute(
                sa.select(money.codes.c.ends_at).where(money.codes.c.state == "reserved")
            ).scalars()
        )
        rows = connection.execute(sa.select(money.offers_given)).all()
    assert ends == {to_micros(datetime.fromisoformat("2027-03-17T00:00+01:00"))}
    assert {(row.offer, row.customer_id, row.ends_at) for row in rows} == {
        ("spring", one, *ends) for one in (1, 2, 3)
    }


def test_who_comes_after_the_last_code_is_refused_and_nobody_else(store: Store, clock: FixedClock) -> None:
    fill(store, 4)
    world = offering(store, 6)
    done = deliver(store, world.job, adapter=Channel(), render=render, clock=clock, wait_seconds=5.0)
    assert (done.accepted, done.refused, done.state) == (4, 2, "finished")
    assert refusals(store, world)[-1] == ("offer_exhausted", "offer")
    assert len(set(shown(store, world).values())) == 4


def test_a_retry_keeps_its_code(store: Store, clock: FixedClock) -> None:
    fill(store, 10)
    world = offering(store, 2)
    channel = Channel(lambda _letter, copies: Answer("transient" if copies == 1 else "accepted", None, "451"))
    options = {"adapter": channel, "render": render, "clock": clock}
    assert deliver(store, world.job, **options).deferred == 2
    before = given(store)
    assert deliver(store, world.job, wait_seconds=120.0, **options).accepted == 2
    assert given(store) == before == shown(store, world)
    assert state_of(store) == (8, 2, 0)


def test_what_was_claimed_and_never_begun_keeps_its_code_for_the_next_claim(store: Store) -> None:
    fill(store, 3)
    world = offering(store, 3)
    first = {one.message_id: one.variables["offer_code"] for one in claim(store, world).messages}
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.claims).values(leased_until=0))
    assert recover(store, world.job, owner="c", boot_id="b").planned == 3
    again = {one.message_id: one.variables["offer_code"] for one in claim(store, world, owner="d").messages}
    assert first == again


@pytest.mark.parametrize(
    ("answer", "back"),
    [
        (Answer("rejected", "recipient", "RCPT 550 5.1.1 no such user"), True),
        (Answer("rejected", "recipient", "BODY 550 5.1.1 no such user"), False),
        (Answer("rejected", "message", "554 no"), False),
        (Answer("in_doubt", None, "connection lost"), False),
    ],
)
def test_a_code_comes_back_only_from_a_message_whose_recipient_was_refused_before_its_body(
    store: Store, clock: FixedClock, answer: Answer, back: bool
) -> None:
    fill(store, 2)
    world = offering(store, 2)
    deliver(store, world.job, adapter=Channel(lambda *_: answer), render=render, clock=clock)
    assert state_of(store) == ((2, 0, 0) if back else (0, 2, 0))
    with store.read() as connection:
        promised = connection.execute(sa.select(sa.func.count()).select_from(money.offers_given)).scalar_one()
    assert promised == (0 if back else 2)


def test_a_message_that_cannot_be_written_gives_its_code_to_somebody_else(
    store: Store, clock: FixedClock
) -> None:
    fill(store, 3)
    world = offering(store, 5)

    def some(message: Any) -> Any:
        return Refusal("render_error", "name") if message.customer_id in (1, 2) else render(message)

    done = deliver(
        store,
        world.job,
        adapter=Channel(),
        render=some,
        clock=clock,
        connections=1,
        batch=1,
        wait_seconds=30.0,
    )
    assert (done.accepted, done.refused) == (3, 2)
    assert state_of(store) == (0, 3, 0)


def test_a_code_that_may_have_been_seen_is_kept_when_the_next_try_is_rejected(
    store: Store, clock: FixedClock
) -> None:
    fill(store, 1)
    world = offering(store, 1)
    options = {"render": render, "clock": clock}
    deliver(store, world.job, adapter=Channel(lambda *_: Answer("in_doubt", None, "lost")), **options)
    (message,) = message_rows(store, world.run_id)
    resolve(store, [message.id], "resend", actor="ann", now=clock.now())
    gone = Channel(lambda *_: Answer("rejected", "recipient", "RCPT 550 no"))
    assert deliver(store, world.job, adapter=gone, **options).rejected == 1
    assert state_of(store) == (0, 1, 0)


def test_a_cancelled_run_gives_back_what_nobody_has_seen(store: Store, clock: FixedClock) -> None:
    fill(store, 4)
    world = offering(store, 3)
    channel = Channel(
        lambda letter, _: Answer(
            "accepted" if letter.recipient.startswith("1@") else "transient", None, "451"
        )
    )
    deliver(store, world.job, adapter=channel, render=render, clock=clock)
    cancel(store, cancellable(store, "spring"), actor="ann", now=clock.now())
    assert state_of(store) == (3, 1, 0)


def add_leg(store: Store, message: Any, now: int) -> int:
    """Write the next leg of a message, as the fallback does; return its id."""
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == message.id)
            .values(**sending.in_state("bounced"))
        )
        connection.execute(sa.update(sending.runs).values(state="sending"))
        return int(
            connection.execute(
                sa.insert(sending.messages)
                .values(
                    run_id=message.run_id, enrolment_id=message.enrolment_id, customer_id=message.customer_id, step="main",
                    leg=1, channel="email", state="planned", due_at=now, expires_at=now + DAY, attempt=0,
                )
                .returning(sending.messages.c.id)
            ).scalar_one()
        )  # fmt: skip


def test_the_next_channel_takes_over_the_code_and_never_gives_it_back(
    store: Store, clock: FixedClock
) -> None:
    fill(store, 3)
    world = offering(store, 1)
    deliver(store, world.job, adapter=Channel(), render=render, clock=clock)
    (first,) = message_rows(store, world.run_id)
    second = add_leg(store, first, to_micros(clock.now()))
    (message,) = claim(store, world).messages
    assert message.message_id == second
    assert message.variables["offer_code"] == first.variables["offer_code"] == given(store)[second]
    assert state_of(store) == (2, 1, 0)
    with store.durable("test") as connection:
        assert release(connection, [second]) == 0
        assert list(connection.execute(sa.select(money.offers_given.c.message_id)).scalars()) == [second]
    assert state_of(store) == (2, 1, 0)


def test_a_code_withdrawn_before_its_message_left_is_replaced(store: Store, clock: FixedClock) -> None:
    fill(store, 2)
    world = offering(store, 1)
    channel = Channel(lambda _letter, copies: Answer("transient" if copies == 1 else "accepted", None, "451"))
    deliver(store, world.job, adapter=channel, render=render, clock=clock)
    (old,) = given(store).values()
    assert withdraw(store, "spring25", [old], actor="ann", now=clock.now()) == 1
    assert (
        deliver(store, world.job, adapter=channel, render=render, clock=clock, wait_seconds=120.0).accepted
        == 1
    )
    (new,) = shown(store, world).values()
    assert new != old
    assert state_of(store) == (0, 1, 1)


def test_nobody_is_promised_an_offer_more_often_than_at_most(store: Store, clock: FixedClock) -> None:
    once = Offer("5% off", code="BASKET5", at_most=AtMost(1, Duration(90, Unit.DAY)))
    for number, expected in enumerate([None, "again"]):
        world = with_offer(seed(store, 2, campaign=f"basket{number}"), once, "basket.coupon")
        deliver(store, world.job, adapter=Channel(), render=render, clock=clock)
        assert {code for code, _ in refusals(store, world)} == {expected}
    assert refusals(store, world)[0] == ("again", "at_most")
    clock.advance(timedelta(days=89))
    late = with_offer(seed(store, 2, campaign="basket2"), once, "basket.coupon")
    deliver(store, late.job, adapter=Channel(), render=render, clock=clock)
    assert {code for code, _ in refusals(store, late)} == {"again"}
    clock.advance(timedelta(days=1))
    later = with_offer(seed(store, 2, campaign="basket3"), once, "basket.coupon")
    deliver(store, later.job, adapter=Channel(), render=render, clock=clock)
    assert {code for code, _ in refusals(store, later)} == {None}
    assert {row.variables["offer_code"] for row in message_rows(store, later.run_id)} == {"BASKET5"}


def test_below_the_stock_nothing_more_goes_out(store: Store, clock: FixedClock) -> None:
    shovels = Offer("a spade", stop_below=50, product="S-1")
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(money.products),
            [
                {"item": "S-1", "name": "Spade", "stock": 50, "updated_at": 0},
                {"item": "S-2", "name": "Rake", "stock": 3, "updated_at": 0},
            ],
        )
    world = offering(store, 2, shovels)
    assert deliver(store, world.job, adapter=Channel(), render=render, clock=clock).accepted == 2
    with store.durable("test") as connection:
        connection.execute(sa.update(money.products).where(money.products.c.item == "S-1").values(stock=49))
    after = offering(store, 2, shovels, campaign="after")
    assert deliver(store, after.job, adapter=Channel(), render=render, clock=clock).refused == 2
    assert refusals(store, after)[0] == ("out_of_stock", "stop_when")
    everything = offering(store, 2, Offer("all", stop_below=52), campaign="all")
    assert deliver(store, everything.job, adapter=Channel(), render=render, clock=clock).accepted == 2


def test_an_offer_that_is_over_is_promised_to_nobody(store: Store, clock: FixedClock) -> None:
    world = offering(store, 1, Offer("25% off", code="SPRING25", ends=date(2027, 3, 1)))
    assert deliver(store, world.job, adapter=Channel(), render=render, clock=clock).refused == 1
    today = offering(store, 1, Offer("25% off", code="SPRING25", ends=date(2027, 3, 2)), campaign="today")
    assert deliver(store, today.job, adapter=Channel(), render=render, clock=clock).accepted == 1


def test_a_budget_is_not_spent_on_who_gets_no_code(store: Store, clock: FixedClock) -> None:
    fill(store, 2)
    world = offering(store, 5)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(sending.runs).values(bounds={"budget": 100, "fixed": 0, "prices": {"email": 1_000_000}})
        )
    world = replace(world, job=replace(world.job, terms=replace(world.job.terms, budget=True)))
    assert (
        deliver(store, world.job, adapter=Channel(), render=render, clock=clock, wait_seconds=5.0).accepted
        == 2
    )
    with store.read() as connection:
        assert connection.execute(sa.select(sending.runs.c.spent)).scalar_one() == 2_000_000


@pytest.mark.parametrize("seed_", [1, 2])
def test_eight_workers_never_give_a_code_twice_and_give_all_of_them(
    store: Store, clock: FixedClock, seed_: int
) -> None:
    random.seed(seed_)
    fill(store, 150)
    world = offering(store, 200)
    seen: list[tuple[int, str]] = []
    failed: list[BaseException] = []

    def some(message: Any) -> Any:
        if random.random() < 0.1:
            return Refusal("render_error", "name")
        seen.append((message.customer_id, message.variables["offer_code"]))
        return render(message)

    def work() -> None:
        try:
            with open_store(store.url, clock) as mine:
                for _ in range(6):
                    deliver(
                        mine, world.job, adapter=Channel(), render=some, clock=clock, connections=2, batch=7,
                        wait_seconds=5.0,
                    )  # fmt: skip
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    rows = message_rows(store, world.run_id)
    accepted = {row.id: row.variables["offer_code"] for row in rows if row.state == "accepted"}
    assert len(set(accepted.values())) == len(accepted) == 150
    assert accepted == given(store)
    assert {row.refusal_code for row in rows} == {None, "render_error", "offer_exhausted"}
    # Nobody read a code that went to somebody else.
    assert len({code for _, code in seen}) == len(set(seen))


def test_terms_without_an_offer_ask_nothing_of_codes(store: Store, clock: FixedClock) -> None:
    fill(store, 1)
    world = seed(store, 2)
    assert world.job.terms == Terms()
    assert deliver(store, world.job, adapter=Channel(), render=render, clock=clock).accepted == 2
    assert state_of(store) == (1, 0, 0)
