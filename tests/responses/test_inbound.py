"""What people write back takes effect once, on whoever has the number, and gets at most one answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.receipt_world import KINDS, SALT, number, world
from support.tracking import rows_of
from tidings.channels.protocol import Inbound
from tidings.clock import to_micros
from tidings.customers.addresses import normalised
from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import address_hash
from tidings.customers.permission import refusal
from tidings.customers.suppression import suppress
from tidings.definitions.kinds.rules import Purpose
from tidings.responses.inbound import Answered, House, take_answers
from tidings.store.tables import answers, people, sending

HOUSE = House(SALT, "Nordic Garden", "Storgatan 1, Stockholm", "sv", "SE", ("orders",), KINDS)
MARKETING = Purpose("marketing", "marketing")
SURVEYS = Purpose("surveys", "survey")
SERVICE = Purpose("service", "service", consent="not needed")
ORDERS = Purpose("orders", "transactional", consent="not needed")


@pytest.fixture
def say(store, clock):
    """Write something back; each text is a new event unless it has an id."""
    count = []

    def write(text, *, sender=None, event_id=None, ago=0.0, keyword="", channel="texts", raw=None):
        count.append(text)
        event = Inbound(
            event_id or f"e{len(count)}",
            sender or number(0),
            "+46700000000",
            text,
            clock.now() - timedelta(seconds=ago),
            keyword,
            raw or {},
        )
        return take_answers(
            store, channel, "mailer", [event], kind=KINDS[channel], house=HOUSE, now=to_micros(clock.now())
        )

    return write


def gate(store, purpose, kind="sms"):
    """Return what the gate says about the first customer."""
    with store.read() as connection:
        customers = people.customers
        statement = sa.select(refusal(kind, purpose)).select_from(customers).order_by(customers.c.id)
        return connection.execute(statement.limit(1)).scalar()


def notices(store):
    return [(row.kind, row.body) for row in rows_of(store, sending.notices)]


def test_stop_withdraws_every_purpose_and_start_gives_back_what_was_there(store, say, clock) -> None:
    world(store, channel="texts")
    assert [gate(store, one) for one in (MARKETING, SERVICE, ORDERS)] == [None, None, None]
    assert say("Stop!") == Answered(stopped=1)
    assert [gate(store, one) for one in (MARKETING, SERVICE, ORDERS)] == [
        "stop_sms",
        "stop_sms",
        "stop_sms",
    ]
    clock.advance(timedelta(minutes=1))
    assert say("start") == Answered(started=1)
    assert [gate(store, one) for one in (MARKETING, SERVICE, ORDERS)] == [None, None, None]
    basis = [(row.basis, row.source) for row in rows_of(store, people.consents)][-1]
    assert basis == ("start", "answer")


def test_start_brings_nothing_back_that_was_left_by_itself_before(store, say, clock) -> None:
    world(store, channel="texts")
    (customer,) = rows_of(store, people.customers)
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        record(
            connection,
            [ConsentRow(customer.id, "sms", "surveys", "withdrawn", "unsubscribe", "page", now, now)],
        )
    for text in ("stop", "start"):
        clock.advance(timedelta(minutes=1))
        say(text)
    assert gate(store, MARKETING) is None
    assert gate(store, SURVEYS) == "unsubscribed_list"


def test_start_of_somebody_who_left_by_a_link_grants_that_again(store, say, clock) -> None:
    world(store, channel="texts")
    (customer,) = rows_of(store, people.customers)
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        record(
            connection,
            [ConsentRow(customer.id, "sms", "marketing", "withdrawn", "unsubscribe", "page", now, now)],
        )
    assert gate(store, MARKETING) == "unsubscribed_list"
    clock.advance(timedelta(minutes=1))
    assert say("START") == Answered(started=1)
    assert gate(store, MARKETING) is None
    assert say("START") == Answered()


def test_a_stop_told_late_does_not_overrule_a_later_start(store, say, clock) -> None:
    world(store, channel="texts")
    clock.advance(timedelta(hours=1))
    say("stop", ago=600)
    say("start", ago=60)
    assert gate(store, MARKETING) is None
    assert say("stop", ago=120) == Answered()
    assert gate(store, MARKETING) is None


def test_it_is_for_this_kind_of_channel_alone(store, say) -> None:
    world(store, channel="texts")
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(email="a@b.example", email_hash="h"))
        (customer,) = connection.execute(sa.select(people.customers.c.id)).scalars()
        record(connection, [ConsentRow(customer, "email", "marketing", "granted", "form", "test", 1, 1)])
    say("stop")
    assert gate(store, MARKETING, "email") is None


def test_everyone_with_the_number_is_meant(store, say) -> None:
    world(store, 3, channel="texts")
    shared = number(7)
    with store.durable("test") as connection:
        connection.execute(
            sa.update(people.customers)
            .where(people.customers.c.key.in_(["K0", "K1"]))
            .values(phone=shared, phone_hash=address_hash(SALT, "sms", shared))
        )
    # As an SMS centre writes numbers.
    assert say("stop", sender=shared.removeprefix("+")) == Answered(stopped=1)
    gone = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert len({row.customer_id for row in gone}) == 2
    assert len(notices(store)) == 1


def test_an_unknown_number_is_suppressed_and_can_come_back(store, say, clock) -> None:
    stranger = number(99)
    hashed = address_hash(SALT, "sms", stranger)
    assert say("stop", sender=stranger) == Answered(stopped=1)
    (row,) = rows_of(store, people.suppressions)
    assert (row.channel, row.address_hash, row.reason, row.lifted_at) == ("sms", hashed, "manual", None)
    assert say("stop", sender=stranger) == Answered()
    assert say("start", sender=stranger) == Answered(started=1)
    assert rows_of(store, people.suppressions)[0].lifted_at is not None
    # What others decided is not theirs to lift.
    with store.durable("test") as connection:
        suppress(connection, "sms", hashed, "manual", "operator", 1)
    assert say("start", sender=stranger) == Answered()


def test_one_confirmation_and_only_for_a_change(store, say, clock) -> None:
    world(store, channel="texts")
    say("stop")
    say("stop")
    say("STOP ALL")
    assert notices(store) == [
        ("stop", "Nordic Garden: you will get no more messages from us here. Reply START to get them again.")
    ]
    clock.advance(timedelta(hours=1))
    say("start")
    assert len(notices(store)) == 1
    clock.advance(timedelta(days=1))
    say("stop")
    assert [kind for kind, _ in notices(store)] == ["stop", "stop"]


def test_the_same_event_told_again_changes_nothing(store, say) -> None:
    world(store, channel="texts")
    assert say("stop", event_id="x") == Answered(stopped=1)
    assert say("stop", event_id="x") == Answered(duplicates=1)
    assert len(notices(store)) == 1
    assert len(rows_of(store, people.consents)) == 3


def test_help_says_who_we_are_in_the_customers_language_once_a_day(store, say, clock) -> None:
    world(store, channel="texts")
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(locale="zh-TW"))
    assert say("help") == Answered(helped=1)
    say("help")
    assert notices(store) == [("help", "Nordic Garden, Storgatan 1, Stockholm。回覆 T 即不再接收訊息。")]
    assert gate(store, MARKETING) is None
    # A stranger gets the language of the house.
    say("INFO", sender=number(50))
    assert notices(store)[1][1].endswith("Svara STOPP för att inte få fler meddelanden.")


def test_where_the_provider_answers_we_do_not(store, say) -> None:
    world(store, channel="texts")
    assert say("STOP", keyword="stop") == Answered(stopped=1)
    assert notices(store) == []


def test_other_words_are_an_answer_to_the_last_message(store, say) -> None:
    world(store, channel="texts")
    (second,) = world(store, channel="texts", purpose="surveys")
    with store.durable("test") as connection:
        first_customer = connection.execute(sa.select(sa.func.min(people.customers.c.id))).scalar_one()
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id == second)
            .values(customer_id=first_customer)
        )
    assert say("stop by the shop tomorrow?") == Answered(replies=1)
    (row,) = rows_of(store, answers.responses)
    assert (row.kind, row.judged, row.message_id, row.customer_id) == (
        "replied",
        "human",
        second,
        first_customer,
    )
    say("I am on holiday", raw={"automatic": True})
    assert [row.judged for row in rows_of(store, answers.responses)] == ["human", "machine"]
    assert notices(store) == []
    inbox = rows_of(store, sending.receipts)
    assert [row.raw["text"] for row in inbox] == ["stop by the shop tomorrow?", "I am on holiday"]


@pytest.mark.parametrize("sender", ["", "SHOP", "12345", "\x00", "+1 (not a number)"])
def test_a_sender_that_is_no_number_is_kept_and_nothing_else(store, say, sender) -> None:
    world(store, channel="texts")
    event = say("stop", sender=sender or " ")
    assert event == Answered(ignored=1)
    assert notices(store) == []
    assert [row.state for row in rows_of(store, sending.receipts)] == ["ignored"]


def test_an_e_mail_that_asks_to_stop_is_for_e_mail(store, say) -> None:
    world(store)
    text = "Unsubscribe please\n\nOn Tue, 2 Mar 2027 at 09:00, Shop <a@b.example> wrote:\n> hello"
    assert say(text, sender="Anna <K0@Example.com>", channel="letters") == Answered(stopped=1)
    assert gate(store, MARKETING, "email") == "unsubscribed_all"


def test_the_erased_are_not_looked_up(store, say) -> None:
    world(store, channel="texts")
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(tombstoned_at=1))
    assert say("stop") == Answered(stopped=1)
    assert [row.reason for row in rows_of(store, people.suppressions)] == ["manual"]


def test_a_stop_without_a_plus_sign_reaches_whoever_it_may_be_of(store, clock) -> None:
    """46701740605 is a Swedish mobile number, and a German number as it is written inside Germany."""
    house = House(SALT, "Nordic Garden", "Storgatan 1", "de", "DE", (), KINDS)
    world(store, channel="texts")
    event = Inbound("s1", number(0).removeprefix("+"), "+49", "STOP", clock.now())
    now = to_micros(clock.now())
    assert take_answers(store, "texts", "x", [event], kind="sms", house=house, now=now) == Answered(stopped=1)
    assert gate(store, MARKETING) == "stop_sms"
    assert [row.address for row in rows_of(store, sending.notices)] == [number(0)]
    assert rows_of(store, people.suppressions) == []


def test_a_stop_by_a_number_that_may_be_two_strangers_suppresses_both_and_answers_none(store, clock) -> None:
    house = House(SALT, "Nordic Garden", "Storgatan 1", "de", "DE", (), KINDS)
    event = Inbound("s1", "46701740605", "+49", "STOP", clock.now())
    now = to_micros(clock.now())
    assert take_answers(store, "texts", "x", [event], kind="sms", house=house, now=now) == Answered(stopped=1)
    told = {row.address_hash for row in rows_of(store, people.suppressions)}
    assert told == {address_hash(SALT, "sms", one) for one in ("+46701740605", "+4946701740605")}
    assert rows_of(store, sending.notices) == []
    back = Inbound("s2", "46701740605", "+49", "START", clock.now())
    take_answers(store, "texts", "x", [back], kind="sms", house=house, now=now)
    assert all(row.lifted_at for row in rows_of(store, people.suppressions))


@pytest.mark.parametrize("country", ["SE", "US", None])
def test_two_zeros_are_a_plus_sign(country) -> None:
    assert normalised("sms", "0046701740605", country) == "+46701740605"
