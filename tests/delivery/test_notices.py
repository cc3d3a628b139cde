"""Notices go out at most once: a mark before each hand-over, and nothing in doubt is repeated."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
import sqlalchemy as sa

from support.hooked import Mailer
from support.receipt_world import REFERRER, SALT
from support.tracking import rows_of
from tidings.channels.protocol import Form, Kind, Outcome
from tidings.clock import to_micros
from tidings.delivery.notices import Carrier, Sent, plan_notice, send_notices
from tidings.store.tables import keeping, sending


@pytest.fixture
def planned(store, clock):
    """Plan a notice to a number."""

    def plan(number=1, *, kind="stop", channel="texts", body="你好: no more"):
        with store.durable("test") as connection:
            return plan_notice(
                connection,
                channel=channel,
                kind=kind,
                address=f"+4670{number}",
                address_hash=f"h{number}",
                customer_id=None,
                body=body,
                event_id=f"{number}-{kind}-{clock.now()}",
                now=to_micros(clock.now()),
            )

    return plan


def send(store, clock, mailer, sender="+46700000000"):
    return send_notices(store, {"texts": Carrier(mailer, sender)}, clock, salt=SALT, title="Nordic Garden")


def notice_states(store):
    return [row.state for row in rows_of(store, sending.notices)]


def test_a_notice_is_handed_over_once(store, clock, planned) -> None:
    planned(1)
    planned(2, channel="elsewhere")
    mailer = Mailer()
    assert send(store, clock, mailer) == Sent(accepted=1)
    assert send(store, clock, mailer) == Sent()
    (outgoing,) = mailer.handed
    (first, other) = rows_of(store, sending.notices)
    assert (outgoing.recipient, outgoing.sender, outgoing.payload.decode()) == (
        "+46701",
        "+46700000000",
        "你好: no more",
    )
    assert REFERRER.message_of(outgoing.reference) is None
    assert outgoing.message_id < 0
    assert (first.state, first.provider_ref, other.state) == ("accepted", "ref", "planned")


def test_the_mark_stands_before_the_hand_over(store, clock, planned) -> None:
    planned()
    mailer = Mailer()
    seen = []
    submit = mailer._submit
    mailer._submit = lambda outgoing: (seen.append(notice_states(store)), submit(outgoing))[1]
    send(store, clock, mailer)
    assert seen == [["started"]]


@pytest.mark.parametrize(
    ("answer", "state", "again"),
    [
        (Outcome(Kind.REJECTED), "rejected", 1),
        (Outcome(Kind.IN_DOUBT), "in_doubt", 1),
        (RuntimeError("an adapter must not raise"), "in_doubt", 1),
        (Outcome(Kind.THROTTLED), "planned", 2),
        (Outcome(Kind.TRANSIENT), "planned", 2),
    ],
)
def test_only_what_was_surely_not_handed_over_is_tried_again(
    store, clock, planned, answer, state, again
) -> None:
    planned()
    mailer = Mailer()
    mailer.answers = [answer]
    send(store, clock, mailer)
    assert notice_states(store) == [state]
    send(store, clock, mailer)
    assert len(mailer.handed) == again


def test_a_kill_in_the_middle_leaves_a_doubt_and_no_second_copy(store, clock, planned) -> None:
    planned(1)
    planned(2)
    mailer = Mailer()

    class Killed(BaseException):
        pass

    mailer.answers = [Killed()]
    with pytest.raises(Killed):
        send(store, clock, mailer)
    assert notice_states(store) == ["started", "planned"]
    assert send(store, clock, mailer) == Sent(accepted=1)
    clock.advance(timedelta(minutes=11))
    send(store, clock, mailer)
    assert notice_states(store) == ["in_doubt", "accepted"]
    assert len(mailer.handed) == 2


def test_a_channel_that_is_away_lets_notices_wait_for_an_hour(store, clock, planned) -> None:
    planned()
    mailer = Mailer()
    mailer.away = True
    assert send(store, clock, mailer) == Sent(waiting=1)
    clock.advance(timedelta(minutes=61))
    mailer.away = False
    send(store, clock, mailer)
    assert notice_states(store) == ["rejected"]
    assert mailer.handed == []


def test_nothing_goes_out_while_sending_is_paused(store, clock, planned) -> None:
    planned()
    with store.durable("test") as connection:
        connection.execute(sa.update(keeping.identity).values(paused=True))
    mailer = Mailer()
    send(store, clock, mailer)
    assert mailer.handed == []
    with store.durable("test") as connection:
        connection.execute(sa.update(keeping.identity).values(paused=False))
    assert send(store, clock, mailer) == Sent(accepted=1)


def test_an_address_gets_one_confirmation_and_one_help_a_day(store, clock, planned) -> None:
    assert [planned(kind=kind) for kind in ("stop", "start", "stop", "help", "help")] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert planned(2)
    clock.advance(timedelta(days=1, seconds=1))
    assert planned(kind="start")


def test_a_notice_takes_the_form_of_its_channel(store, clock, planned) -> None:
    for number in (1, 2, 3):
        planned(number)
    mime, parts, pages = (Mailer("email", form) for form in (Form.MIME, Form.PARTS, Form.PAGES))
    sender = "Nordic Garden <hello@shop.example>"
    mime.answers = [Outcome(Kind.ACCEPTED), Outcome(Kind.THROTTLED)]
    send(store, clock, mime, sender)
    letter = message_from_bytes(mime.handed[0].payload, policy=policy.default)
    assert (letter["To"], letter["Subject"], letter["Auto-Submitted"]) == (
        "+46701",
        "Nordic Garden",
        "auto-replied",
    )
    assert letter.get_content().strip() == "你好: no more"
    assert mime.handed[0].sender == "hello@shop.example"
    parts.answers = [Outcome(Kind.ACCEPTED), Outcome(Kind.THROTTLED)]
    send(store, clock, parts, sender)
    assert parts.handed[0].parts.sender == sender
    send(store, clock, pages, sender)
    assert pages.handed == []
    assert notice_states(store) == ["accepted", "accepted", "rejected"]


def test_a_notice_longer_than_one_text_goes_in_parts(store, clock, planned) -> None:
    planned(body="Северный сад: " + "вы больше не получаете сообщений. " * 6)
    mailer = Mailer()
    assert send(store, clock, mailer).accepted == 1
    (outgoing,) = mailer.handed
    assert len(outgoing.segments) > 1
    assert max(map(len, outgoing.segments)) <= 67
    assert "".join(outgoing.segments) == outgoing.payload.decode()
