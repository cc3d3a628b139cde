"""Events that are asked for or come in-band reach the store, and what the store did not take is not lost."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from support.hooked import Asked, Mailer, Spoken
from support.receipt_world import KINDS, REFERRER, SALT, number, receipt, states, world
from support.tracking import rows_of
from tidings.channels.protocol import Inbound
from tidings.errors import StoreError
from tidings.flows import collecting
from tidings.flows.collecting import Collector
from tidings.responses.inbound import House
from tidings.responses.incoming import Incoming
from tidings.store.tables import people, sending

HOUSE = House(SALT, "Nordic Garden", kinds=KINDS)


def collector(store, clock, said=None, **adapters):
    said = [] if said is None else said
    return Collector(store, adapters, Incoming(store, HOUSE), clock, salt=SALT, say=said.append)


def test_what_is_told_on_an_open_connection_may_be_forgotten_once_it_is_stored(store, clock) -> None:
    first, second = world(store, 2, channel="texts")
    spoken = Spoken([receipt(first, "delivered"), Inbound("i", number(1), "", "stop")])
    collect = collector(store, clock, texts=spoken)
    came = collect.collect()
    assert (came.receipts.applied, came.answers.stopped, spoken.forgotten) == (1, 1, 2)
    assert states(store, [first, second]) == ["delivered", "accepted"]
    collect.collect()
    assert spoken.forgotten == 2


def test_what_the_store_did_not_take_is_kept_until_it_does(store, clock, monkeypatch) -> None:
    (message,) = world(store, channel="texts")
    spoken = Spoken([receipt(message, "delivered")])
    collect = collector(store, clock, texts=spoken)
    real = Incoming.take

    def away(*args, **more):
        raise StoreError("the store is away")

    monkeypatch.setattr(Incoming, "take", away)
    with pytest.raises(StoreError):
        collect.collect()
    assert spoken.forgotten == 0
    monkeypatch.setattr(Incoming, "take", real)
    collect.collect()
    assert spoken.forgotten == 1
    assert states(store, [message]) == ["delivered"]


def test_a_provider_is_asked_about_what_is_not_known_and_nothing_else(store, clock) -> None:
    open_ones = [
        *world(store, channel="texts", state="in_doubt", provider_ref="p1"),
        *world(store, channel="texts", state="accepted"),
    ]
    for state in ("delivered", "bounced", "planned", "started"):
        world(store, channel="texts", state=state)
    world(store, channel="letters", state="accepted")
    asked = Asked([receipt(open_ones[0], "delivered")])
    collect = collector(store, clock, texts=asked)
    collect.collect()
    assert [(one.message_id, one.reference, one.provider_ref) for one in asked.asked[0]] == [
        (open_ones[1], REFERRER.of(open_ones[1]), ""),
        (open_ones[0], REFERRER.of(open_ones[0]), "p1"),
    ]
    assert states(store, open_ones) == ["delivered", "accepted"]
    # Not again at once.
    collect.collect()
    assert len(asked.asked) == 1
    clock.sleep(11)
    collect.collect()
    assert [one.message_id for one in asked.asked[1]] == [open_ones[1]]


def test_many_are_asked_about_in_turns_and_old_ones_no_more(store, clock, monkeypatch) -> None:
    monkeypatch.setattr(collecting, "_AT_ONCE", 2)
    messages = world(store, 5, channel="texts")
    asked = Asked()
    collect = collector(store, clock, texts=asked)
    for _ in range(4):
        collect.collect()
        clock.sleep(11)
    told = [[one.message_id for one in call] for call in asked.asked]
    assert told == [messages[:2:-1], messages[2:0:-1], messages[:1], messages[:2:-1]]
    clock.sleep(6 * 86_400)
    collect.collect()
    assert asked.asked[-1] == []


def test_a_provider_that_is_away_is_said_once_and_asked_again(store, clock) -> None:
    (message,) = world(store, channel="texts")
    asked, said = Asked([receipt(message, "delivered")]), []
    asked.away = True
    collect = collector(store, clock, said, texts=asked, letters=Mailer())
    for _ in range(3):
        collect.collect()
        clock.sleep(11)
    assert said == ["the channel texts cannot be asked for receipts: the provider is away"]
    asked.away = False
    collect.collect()
    assert states(store, [message]) == ["delivered"]


def test_doubts_are_settled_by_asking(store, clock) -> None:
    doubted = world(store, 3, channel="texts", state="in_doubt")
    asked = Asked([receipt(doubted[0], "queued"), receipt(doubted[1], "bounced", permanent=True)])
    collector(store, clock, texts=asked).collect()
    assert states(store, doubted) == ["accepted", "bounced", "in_doubt"]
    with store.read() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(people.suppressions)).scalar()
    assert count == 0
    assert len(rows_of(store, sending.attempts)) == 2
