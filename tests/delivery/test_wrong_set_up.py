"""A channel whose set-up is refused pauses for all runs at once; one poisoned number pauses nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from support.ledger_channel import Answer, Channel
from support.ledger_world import address_of, attempt_rows, seed, states
from support.tracking import rows_of
from tidings.channels.protocol import Capabilities, NotLetIn
from tidings.delivery.pause import pause_channel, paused_channels, resume_channel
from tidings.delivery.verify import verify
from tidings.store.tables import keeping, people, sending

WRONG_KEY = Answer("rejected", "config", "401 wrong key")


def test_a_wrong_key_pauses_the_channel_once_and_recipients_stay_untouched(store, send, clock) -> None:
    first, second = seed(store, 60), seed(store, 6, campaign="summer")
    refused = Channel(answer=lambda *_: WRONG_KEY)
    assert send(first, refused).reason == "the channel email refuses to send: 401 wrong key"
    tried = refused.given.total()
    # Enough to be certain, and what the connections had in flight.
    assert 10 <= tried <= 13
    held = send(second, refused)
    assert held.reason == "the channel email is paused: it refuses to send: 401 wrong key"
    assert refused.given.total() == tried
    for world in (first, second):
        assert set(states(store, world.run_id).values()) == {"planned"}
    assert [run.state for run in rows_of(store, sending.runs)] == ["sending", "sending"]
    assert rows_of(store, people.suppressions) == []
    assert {row.state for row in rows_of(store, people.consents)} == {"granted"}
    back = resume_channel(store, "email", actor="ann", now=clock.now())
    assert (back.changed, back.left, back.channels) == (True, 66, ())
    fine = Channel()
    assert [send(world, fine).state for world in (first, second)] == ["finished", "finished"]
    told = [(row.actor, row.action, row.subject) for row in rows_of(store, keeping.audit)]
    assert told == [("sender", "paused", "channel email"), ("ann", "resumed", "channel email")]
    assert verify(store).broken == ()


def test_credentials_refused_at_the_door_pause_the_channel_with_the_way_out(store, send) -> None:
    class Locked(Channel):
        def connect(self):
            raise NotLetIn(
                "SendGrid does not know the key", what_to_do="check the variable that `secrets:` names"
            )

    world = seed(store, 3)
    done = send(world, Locked(), connect_seconds=0.2)
    assert done.state == "sending"
    with store.read() as connection:
        assert paused_channels(connection) == {
            "email": "it cannot be used: SendGrid does not know the key; check the variable that `secrets:` names"
        }


@pytest.mark.parametrize("window", [1, 10])
def test_one_poisoned_number_is_that_recipients_rejection(store, send, window) -> None:
    world, poisoned = seed(store, 60), {address_of(one) for one in (1, 30, 60)}

    def answer(letter, _copies):
        if letter.recipient in poisoned:
            return Answer("rejected", "config", "21999 not this number", code="21999")
        return Answer("accepted", provider_ref="ok")

    channel = Channel(answer)
    if window > 1:
        channel.capabilities = Capabilities("email", window=window, connections=64)
        plain = channel.connect

        def connect():
            one = plain()
            one.submit_many = lambda batch: [one.submit(letter) for letter in batch]
            return one

        channel.connect = connect
    done = send(world, channel)
    assert (done.state, done.accepted, done.rejected) == ("finished", 57, 3)
    assert channel.given.total() == 60
    assert {one for one, state in states(store, world.run_id).items() if state == "rejected"} == {1, 30, 60}
    assert {(row.outcome, row.detail) for row in attempt_rows(store)} == {
        ("rejected_recipient", "21999 not this number")
    }
    assert rows_of(store, people.suppressions) == []
    assert rows_of(store, sending.channel_pauses) == []
    assert verify(store).broken == ()


def test_a_key_that_is_revoked_in_the_middle_costs_nobody_a_message(store, send) -> None:
    world, given = seed(store, 200), []

    def answer(letter, _copies):
        given.append(letter)
        return Answer("accepted", provider_ref="ok") if len(given) <= 100 else WRONG_KEY

    done = send(world, Channel(answer), connections=1)
    assert (done.accepted, done.rejected, done.pending) == (100, 0, 100)
    assert len(rows_of(store, sending.channel_pauses)) == 1


def test_a_pause_of_a_channel_holds_from_its_commit_on(store, send, clock) -> None:
    world, channel = seed(store, 40), Channel()

    def before(_letter) -> None:
        if channel.given.total() == 10:
            pause_channel(store, "email", reason="wrong sender", actor="ann", now=clock.now())

    channel.before = before
    done = send(world, channel, connections=1)
    assert done.reason == "the channel email is paused: wrong sender"
    assert channel.given.total() == 11
    assert set(states(store, world.run_id).values()) == {"accepted", "planned"}
    again = pause_channel(store, "email", reason="other", actor="bob", now=clock.now())
    assert not again.changed
    with store.read() as connection:
        reasons = connection.execute(sa.select(sending.channel_pauses.c.reason)).scalars().all()
    assert reasons == ["wrong sender"]
