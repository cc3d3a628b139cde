"""What receipts mean beyond the state of their message: suppressions, consent, paused channels."""

from __future__ import annotations

from datetime import timedelta

from support.receipt_world import KINDS, SALT, again, number, receipt, states, take, world
from support.tracking import rows_of
from tidings.channels.protocol import Scope
from tidings.customers.identity import address_hash
from tidings.delivery.pause import resume_channel
from tidings.delivery.receipts import TakenIn, take_in
from tidings.delivery.reference import referrer_of
from tidings.store.tables import keeping, people, sending


def test_a_permanent_bounce_suppresses_the_address_that_was_used(store) -> None:
    moved, silent, soft, content = world(store, 4)
    used = "old@example.com"
    take(
        store,
        [
            receipt(moved, "bounced", permanent=True, scope=Scope.RECIPIENT, address=used),
            receipt(silent, "bounced", permanent=True, scope=Scope.RECIPIENT),
            receipt(soft, "bounced", permanent=False, scope=Scope.RECIPIENT),
            receipt(content, "bounced", permanent=True, scope=Scope.CONTENT),
        ],
    )
    found = {(row.channel, row.address_hash, row.reason) for row in rows_of(store, people.suppressions)}
    assert found == {
        ("email", address_hash(SALT, "email", used), "bounce"),
        ("email", address_hash(SALT, "email", "k1@example.com"), "bounce"),
    }


def test_a_complaint_suppresses_and_withdraws(store) -> None:
    (message,) = world(store, channel="texts")
    take(store, [receipt(message, "complained", address=number(0))], channel="texts")
    (row,) = rows_of(store, people.suppressions)
    assert (row.channel, row.reason) == ("sms", "complaint")
    (consent,) = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert (consent.channel, consent.purpose, consent.basis) == ("sms", "all", "complaint")


def test_a_reference_out_of_a_mail_counts_only_with_the_right_recipient(store) -> None:
    first, second = world(store, 2)
    referrer = referrer_of(store, SALT)
    mail = {"message_id_header": "<x@y>", "seal": referrer.seal(first)}
    forged = receipt(
        second, "bounced", "f", address="k1@example.com", raw=mail, permanent=True, scope=Scope.RECIPIENT
    )
    nameless = receipt(second, "bounced", "n", raw=mail)
    right = receipt(first, "bounced", "r", address="k0@example.com", raw=mail)
    assert take(store, [forged, nameless, right]) == TakenIn(applied=1, waiting=2)
    assert again(store, deep=True) == TakenIn()
    assert states(store, [first, second]) == ["bounced", "accepted"]
    assert rows_of(store, people.suppressions) == []


def test_a_drop_for_an_earlier_wish_is_that_wish_and_no_bad_address(store) -> None:
    left, complained = world(store, 2)
    why = {"permanent": True, "scope": Scope.RECIPIENT}
    take(
        store,
        [
            receipt(left, "bounced", code="unsubscribed", **why),
            receipt(complained, "bounced", code="complained", **why),
        ],
    )
    assert [row.reason for row in rows_of(store, people.suppressions)] == ["complaint"]
    gone = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert [(row.purpose, row.basis) for row in gone] == [("all", "complaint"), ("all", "unsubscribe")]


def test_a_number_that_told_the_provider_to_stop_gets_nothing_more(store) -> None:
    (message,) = world(store, channel="texts")
    take(store, [receipt(message, "unsubscribed", code="21610")], channel="texts")
    (row,) = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert (row.channel, row.purpose) == ("sms", "all")


def test_unsubscribing_at_the_provider_withdraws_and_coming_back_grants(store, clock) -> None:
    (message,) = world(store, purpose="marketing")
    take(store, [receipt(message, "resubscribed", "r0")])
    take(store, [receipt(message, "unsubscribed", "u", after=-5)])
    take(store, [receipt(message, "resubscribed", "r1", after=-2)])
    said = [(row.channel, row.purpose, row.state) for row in rows_of(store, people.consents)]
    # Who never left is not granted anything anew.
    assert said == [
        ("email", "marketing", "granted"),
        ("email", "marketing", "withdrawn"),
        ("email", "marketing", "granted"),
    ]


def test_a_refused_set_up_pauses_the_channel_and_touches_nobody(store, clock) -> None:
    first = world(store, channel="texts")
    world(store, channel="texts", state="planned")
    third = world(store, state="planned")
    wrong = receipt(
        first[0], "bounced", scope=Scope.CONFIG, permanent=True, code="30034", detail="unregistered"
    )
    clock.advance(timedelta(seconds=5))
    take(store, [wrong], channel="texts")
    assert {run.state for run in rows_of(store, sending.runs)} == {"sending"}
    (paused,) = rows_of(store, sending.channel_pauses)
    assert paused.channel == "texts"
    assert paused.reason == "the provider refuses how it is set up: 30034 unregistered"
    assert rows_of(store, people.suppressions) == []
    assert states(store, third) == ["planned"]
    # Old news after somebody mended it and resumed.
    assert resume_channel(store, "texts", actor="ann", now=clock.now()).changed
    take(store, [receipt(first[0], "bounced", "late", scope=Scope.CONFIG)], channel="texts")
    assert rows_of(store, sending.channel_pauses) == []


def test_one_mail_server_that_refuses_us_does_not_stop_the_others(store, clock) -> None:
    messages = world(store, 600)
    world(store, state="planned")
    clock.advance(timedelta(seconds=5))
    fine = [receipt(one, "delivered") for one in messages[100:]]
    wrong = [receipt(one, "bounced", scope=Scope.CONFIG, code="5.7.1") for one in messages[:100]]
    take(store, [*fine, *wrong[:24]])
    take(store, wrong[24:26])
    assert rows_of(store, sending.channel_pauses) == []
    take(store, wrong[26:])
    assert len(rows_of(store, sending.channel_pauses)) == 1


def test_the_audit_names_who_paused(store) -> None:
    (message,) = world(store, 1, channel="texts")
    world(store, channel="texts", state="planned")
    take_in(
        store,
        "texts",
        "mailer",
        [receipt(message, "bounced", scope=Scope.CONFIG)],
        salt=SALT,
        now=store.clock.now(),
        kinds=KINDS,
    )
    (row,) = rows_of(store, keeping.audit)
    assert (row.actor, row.action, row.subject) == ("receipts", "paused", "channel texts")
