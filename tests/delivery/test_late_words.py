"""What providers say late, or by another name: no leg too many, no message forgotten, none taken for another's."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from support.ledger_legs import legs, number, run_by, settle
from support.ledger_world import SALT, World
from support.receipt_world import receipt, states, take
from support.receipt_world import world as told_world
from support.tracking import rows_of
from tidings.channels.protocol import Outcome, Receipt, ReceiptKind, Scope
from tidings.clock import FixedClock, to_micros
from tidings.customers.identity import address_hash
from tidings.definitions.kinds.rules import Purpose
from tidings.delivery.doubt import resolve
from tidings.delivery.fallback import fall_back
from tidings.delivery.outcomes import ended_by, write
from tidings.delivery.receipts import take_in
from tidings.delivery.reference import Referrer
from tidings.delivery.verify import verify
from tidings.delivery.work import Claimed, Job, Retry
from tidings.store.database import Store
from tidings.store.tables import people, sending

_KINDS = {"email": "email", "sms": "sms", "fax": "fax"}


def tell(store: Store, world: World, leg: int, kind: str, **more: str) -> None:
    """Take in a receipt about a leg of the first customer."""
    messages = sending.messages
    with store.read() as connection:
        row = connection.execute(
            sa.select(messages.c.id, messages.c.channel).where(
                messages.c.run_id == world.run_id, messages.c.customer_id == 1, messages.c.leg == leg
            )
        ).one()
    reference = Referrer(store.workspace, store.environment, SALT).of(row.id)
    now = store.clock.now()
    event = Receipt(f"{leg}-{kind}", ReceiptKind(kind), now, reference=reference, **more)
    assert take_in(store, row.channel, "x", [event], salt=SALT, now=now, kinds=_KINDS).applied == 1


def heard(*channels: str, at: datetime) -> dict[str, datetime]:
    """Say that these channels were listened to until then."""
    return dict.fromkeys(channels, at)


def given_up(store: Store, clock: FixedClock) -> tuple[World, object]:
    """An e-mail accepted and never confirmed, and the SMS that took over, planned."""
    world, run = run_by(store, 1, patience=2)
    settle(store, world, 1, "accepted")
    clock.advance(timedelta(hours=2))
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=heard("email", at=clock.now())) == 1
    return world, run


@pytest.mark.parametrize(("end", "code"), [("rejected", None), ("refused", "no_address")])
def test_what_arrived_counts_again_when_the_leg_that_took_over_fails(
    store: Store, clock: FixedClock, end: str, code: str | None
) -> None:
    world, run = given_up(store, clock)
    with store.durable("test") as connection:
        # It is on its way: too late to be cancelled.
        connection.execute(
            sa.update(sending.messages).where(sending.messages.c.leg == 1).values(state="claimed")
        )
    tell(store, world, 0, "delivered")
    assert legs(store, world)[1] == [(0, "email", "unconfirmed"), (1, "sms", "claimed")]
    clock.advance(timedelta(seconds=5))
    settle(store, world, 1, end, code)
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=heard("email", at=clock.now())) == 0
    assert legs(store, world)[1] == [(0, "email", "delivered"), (1, "sms", end)]
    assert verify(store).broken == ()


def test_what_arrived_ends_the_patience_with_the_leg_that_took_over(store: Store, clock: FixedClock) -> None:
    world, run = given_up(store, clock)
    settle(store, world, 1, "accepted")
    tell(store, world, 0, "delivered")
    clock.advance(timedelta(hours=3))
    known = heard("email", "sms", at=clock.now())
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=known) == 0
    assert [state for _, _, state in legs(store, world)[1]] == ["unconfirmed", "accepted"]


def test_a_leg_that_was_never_handed_over_is_cancelled_when_the_one_before_arrived(
    store: Store, clock: FixedClock
) -> None:
    world, run = given_up(store, clock)
    tell(store, world, 0, "delivered")
    assert legs(store, world)[1] == [(0, "email", "delivered"), (1, "sms", "cancelled")]
    clock.advance(timedelta(hours=3))
    known = heard("email", "sms", at=clock.now())
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=known) == 0
    assert verify(store).broken == ()


def test_verify_finds_a_third_leg_after_an_arrival(store: Store, clock: FixedClock) -> None:
    world, run = given_up(store, clock)
    settle(store, world, 1, "accepted")
    tell(store, world, 0, "delivered")
    clock.advance(timedelta(hours=1))
    with store.durable("test") as connection:
        messages = sending.messages
        row = connection.execute(sa.select(messages).where(messages.c.leg == 1)).one()
        connection.execute(
            sa.update(messages)
            .where(messages.c.id == row.id)
            .values(**sending.in_state("unconfirmed"), finished_at=to_micros(clock.now()))
        )
        more = {name: getattr(row, name) for name in ("run_id", "enrolment_id", "customer_id", "step")}
        connection.execute(
            sa.insert(messages).values(
                **more, leg=2, channel="fax", state="planned", due_at=to_micros(clock.now()), attempt=0
            )
        )
    assert "arrived" in {one.check for one in verify(store).broken}


def test_patience_ends_only_as_far_as_the_channel_was_heard(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1, patience=2)
    settle(store, world, 1, "accepted")
    begun = clock.now()
    clock.advance(timedelta(hours=3))
    early, late = heard("email", at=begun + timedelta(hours=1)), heard("email", at=begun + timedelta(hours=2))
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=early) == 0
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=late) == 1


def test_patience_waits_for_a_receipt_that_waits_for_its_message(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1, patience=2)
    settle(store, world, 1, "accepted")
    tell(store, world, 0, "queued")
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.receipts).values(state="waiting"))
    clock.advance(timedelta(hours=3))
    known = heard("email", at=clock.now())
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=known) == 0


def test_patience_never_overrules_who_saw_it_arrive(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 1, patience=2)
    settle(store, world, 1, "in_doubt")
    clock.advance(timedelta(hours=3))
    with store.read() as connection:
        message = connection.execute(sa.select(sending.messages.c.id)).scalar_one()
    assert resolve(store, [message], "sent", actor="anna", now=clock.now())[0] == [message]
    known = heard("email", at=clock.now())
    assert fall_back(store, run, world.run_id, now=clock.now(), receipts=known) == 0


def test_an_address_that_may_have_been_reached_is_used_once(store: Store, clock: FixedClock) -> None:
    world, run = run_by(store, 2, patience=2, one_each="address")
    with store.durable("test") as connection:
        shared = {"phone": number(1), "phone_hash": address_hash(SALT, "sms", number(1))}
        connection.execute(sa.update(people.customers).values(shared))
    known = {"receipts": heard("sms", at=clock.now() + timedelta(hours=2))}
    settle(store, world, 1, "bounced")
    assert fall_back(store, run, world.run_id, now=clock.now(), **known) == 1
    settle(store, world, 1, "accepted")
    clock.advance(timedelta(hours=2))
    assert fall_back(store, run, world.run_id, now=clock.now(), **known) == 1
    settle(store, world, 2, "bounced")
    fall_back(store, run, world.run_id, now=clock.now(), **known)
    got = legs(store, world)
    assert [channel for _, channel, _ in got[1]] == ["email", "sms", "fax"]
    assert [channel for _, channel, _ in got[2]] == ["email", "fax"]


def job_of(store: Store, message: int, channel: str, kind: str) -> tuple[Job, Claimed]:
    """The hand-over of a message that is just on its way."""
    messages, claims = sending.messages, sending.claims
    now = to_micros(store.clock.now())
    with store.durable("test") as connection:
        row = connection.execute(
            sa.select(messages, people.customers.c.phone, people.customers.c.email)
            .join(people.customers, people.customers.c.id == messages.c.customer_id)
            .where(messages.c.id == message)
        ).one()
        claim = connection.execute(
            sa.insert(claims)
            .values(run_id=row.run_id, owner="o", claimed_at=now, leased_until=now + 1, size=1, state="open")
            .returning(claims.c.id)
        ).scalar_one()
        connection.execute(
            sa.update(messages).where(messages.c.id == message).values(state="started", claim_id=claim)
        )
    address = row.phone if kind == "sms" else row.email
    job = Job(row.run_id, channel, kind, Purpose("marketing", "marketing"), "p", Retry())
    return job, Claimed(message, claim, row.customer_id, "K", address, "en", channel, None, "main", 0)


def hand_over(
    store: Store, message: int, outcome: Outcome, *, channel: str = "texts", kind: str = "sms"
) -> None:
    """Write what became of a hand-over, as the sender does."""
    job, claimed = job_of(store, message, channel, kind)
    with store.durable("test") as connection:
        ended = [ended_by(job, claimed, outcome, store.clock.now())]
        write(connection, job, ended, to_micros(store.clock.now()), keep_refs=True)


def by_ref(ref: str, kind: str, event: str) -> Receipt:
    """A receipt that names its message by the gateway's reference."""
    return Receipt(event, ReceiptKind(kind), None, provider_ref=ref)


def test_a_reference_that_a_gateway_gives_again_is_the_newer_message(store: Store) -> None:
    old, new = told_world(store, 2, channel="texts")
    hand_over(store, old, Outcome("accepted", provider_ref="17"))
    take(store, [by_ref("17", "delivered", "1")], channel="texts")
    hand_over(store, new, Outcome("accepted", provider_ref="17"))
    take(store, [by_ref("17", "bounced", "2")], channel="texts")
    assert states(store, [old, new]) == ["delivered", "bounced"]


def test_a_message_of_several_parts_has_arrived_with_the_last_of_them(store: Store) -> None:
    whole, broken = told_world(store, 2, channel="texts")
    hand_over(store, whole, Outcome("accepted", provider_ref="a,b"))
    hand_over(store, broken, Outcome("accepted", provider_ref="c,d"))
    take(store, [by_ref("a", "delivered", "1"), by_ref("c", "delivered", "2")], channel="texts")
    assert states(store, [whole, broken]) == ["accepted", "accepted"]
    assert verify(store).broken == ()
    take(store, [by_ref("b", "delivered", "3"), by_ref("d", "bounced", "4")], channel="texts")
    assert states(store, [whole, broken]) == ["delivered", "bounced"]


def test_a_channel_is_not_believed_about_the_messages_of_another(store: Store) -> None:
    (message,) = told_world(store, channel="texts")
    got = take(store, [receipt(message, "complained", address="k@example.com")], channel="letters")
    assert (got.ignored, got.applied) == (1, 0)
    assert states(store, [message]) == ["accepted"]
    assert rows_of(store, people.suppressions) == []


def test_a_number_that_left_is_obeyed_when_the_hand_over_says_so(store: Store) -> None:
    (left, gone, spam) = told_world(store, 3, channel="texts")
    hand_over(store, left, Outcome("rejected", Scope.RECIPIENT, "opted out", permanent=True, code="21610"))
    hand_over(store, gone, Outcome("rejected", Scope.RECIPIENT, "no mobile", permanent=True, code="21614"))
    hand_over(store, spam, Outcome("rejected", Scope.RECIPIENT, "blocked", code="30004"))
    withdrawn = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert [(row.purpose, row.channel) for row in withdrawn] == [("all", "sms")]
    assert [row.reason for row in rows_of(store, people.suppressions)] == ["bounce"]


@pytest.mark.parametrize(
    ("said", "suppressed"),
    [
        ("RCPT 550 5.7.1 Service unavailable; client host [203.5.1.2] blocked using a list", False),
        ("RCPT 550 Service unavailable; Client host [203.5.1.2] blocked", False),
        ("RCPT 554 Your IP 10.5.1.3 is listed", False),
        ("RCPT 550 5.1.1 no such user", True),
        ("RCPT 550 5.1.1.", True),
    ],
)
def test_an_ip_address_is_no_word_about_the_recipient(store: Store, said: str, suppressed: bool) -> None:
    (message,) = told_world(store)
    outcome = Outcome("rejected", Scope.RECIPIENT, said)
    hand_over(store, message, outcome, channel="letters", kind="email")
    assert [row.reason for row in rows_of(store, people.suppressions)] == ["bounce"] * suppressed
