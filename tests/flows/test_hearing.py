"""Patience ends only where everything that was said is in the store: by the spool, by questions, on connections."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from flows.test_collecting import HOUSE
from support.hooked import Asked, Spoken
from support.ledger_legs import legs, run_by, settle
from support.ledger_world import SALT as LEDGER_SALT
from support.receipt_world import SALT, receipt, states, world
from support.tracking import rows_of
from tidings.channels.protocol import ChannelUnavailable, Receipt, ReceiptKind
from tidings.clock import to_micros
from tidings.delivery.fallback import fall_back
from tidings.delivery.hearing import Heard
from tidings.delivery.reference import Referrer
from tidings.errors import TidingsError
from tidings.flows import collecting, tending
from tidings.flows.collecting import Collector
from tidings.responses.drain import Drainer
from tidings.responses.hook_events import lines_of
from tidings.responses.inbound import House
from tidings.responses.incoming import Incoming
from tidings.responses.spool import SpoolWriter
from tidings.store.tables import sending


def collector(store, clock, heard, said=None, **adapters):
    said = [] if said is None else said
    incoming = Incoming(store, HOUSE)
    return Collector(store, adapters, incoming, clock, salt=SALT, say=said.append, heard=heard)


def test_the_spool_is_heard_once_it_was_drained_to_its_end(store, clock, tmp_path) -> None:
    (message,) = world(store, channel="texts")
    writer = SpoolWriter(tmp_path, clock)
    told = [receipt(message, "delivered")]
    writer.append(lines_of(told, channel="texts", provider="x", kind="sms", at=to_micros(clock.now())))
    writer.close()
    drainer = Drainer(store, tmp_path, salt=SALT, house=HOUSE)
    heard = Heard(spool=drainer.drained_up_to)
    clock.advance(timedelta(hours=3))
    assert heard.up_to("texts", "webhook") is None
    drainer.drain_pending()
    assert states(store, [message]) == ["delivered"]
    assert heard.up_to("texts", "webhook") == clock.now()
    clock.advance(timedelta(minutes=1))
    drainer.drain_pending()
    assert heard.up_to("texts", "webhook") == clock.now()


def test_a_channel_that_is_asked_is_heard_when_the_questions_are_through(store, clock, monkeypatch) -> None:
    monkeypatch.setattr(collecting, "_AT_ONCE", 2)
    world(store, 3, channel="texts")
    heard, asked = Heard(), Asked()
    collect = collector(store, clock, heard, texts=asked)
    began = clock.now()
    collect.collect()
    assert heard.up_to("texts", "poll") is None
    clock.sleep(11)
    collect.collect()
    # The first questions of the round were asked then, and later words about those are not known.
    assert heard.up_to("texts", "poll") == began
    asked.away = True
    clock.sleep(11)
    collect.collect()
    assert heard.up_to("texts", "poll") == began


def test_a_connection_is_heard_when_it_has_been_open_for_a_while(store, clock) -> None:
    heard, spoken = Heard(), Spoken()
    collect = collector(store, clock, heard, texts=spoken)
    collect.collect()
    assert heard.up_to("texts", "in_band") is None
    clock.sleep(61)
    collect.collect()
    assert heard.up_to("texts", "in_band") == clock.now()

    def away():
        raise ChannelUnavailable("nobody answers")

    until, spoken.take_events = clock.now(), away
    clock.sleep(61)
    with pytest.raises(TidingsError):
        collect.collect()
    del spoken.take_events
    collect.collect()
    assert heard.up_to("texts", "in_band") == until


def test_a_channel_that_is_away_does_not_silence_the_others(store, clock) -> None:
    (message,) = world(store, channel="texts")

    def away():
        raise ChannelUnavailable("nobody answers")

    mute, asked = Spoken(), Asked([receipt(message, "delivered")])
    mute.take_events = away
    with pytest.raises(TidingsError):
        collector(store, clock, Heard(), letters=mute, texts=asked).collect()
    assert states(store, [message]) == ["delivered"]


def test_an_event_that_the_store_refuses_is_said_and_the_others_are_taken(store, clock, monkeypatch) -> None:
    first, second = world(store, 2, channel="texts")
    events = [receipt(first, "delivered"), receipt(first, "sent", "bad"), receipt(second, "delivered")]
    really = Incoming.take

    def picky(self, channel, provider, events, **more):
        if any(one.event_id == "bad" for one in events):
            raise OverflowError("too large for any column")
        return really(self, channel, provider, events, **more)

    monkeypatch.setattr(Incoming, "take", picky)
    said: list[str] = []
    collector(store, clock, Heard(), said, texts=Spoken(events)).collect()
    assert states(store, [first, second]) == ["delivered", "delivered"]
    assert said == ["an event of the channel texts is left out (bad): too large for any column"]
    assert len(rows_of(store, sending.receipts)) == 2


def test_a_worker_that_comes_back_drains_before_it_gives_anybody_up(
    store, clock, tmp_path, monkeypatch
) -> None:
    """An outage of three hours: the receipt lies in the spool, and the first round must not write the next leg."""
    ledger, run = run_by(store, 1, patience=2)
    settle(store, ledger, 1, "accepted")
    with store.read() as connection:
        message = connection.execute(sa.select(sending.messages.c.id)).scalar_one()
    reference = Referrer(store.workspace, store.environment, LEDGER_SALT).of(message)
    clock.advance(timedelta(minutes=1))
    told = Receipt("e1", ReceiptKind.DELIVERED, clock.now(), reference=reference)
    writer = SpoolWriter(tmp_path, clock)
    writer.append(lines_of([told], channel="email", provider="x", kind="email", at=to_micros(clock.now())))
    writer.close()
    clock.advance(timedelta(hours=3))
    house = House(LEDGER_SALT, kinds={"email": "email", "sms": "sms", "fax": "fax"})
    drainer = Drainer(store, tmp_path, salt=LEDGER_SALT, house=house)

    def follow(settings, store, run_id, *, clock, adapters, heard, **kept):
        at = heard.up_to("email", "webhook")
        receipts = {} if at is None else {"email": at}
        return fall_back(store, run, run_id, now=clock.now(), receipts=receipts)

    monkeypatch.setattr(tending, "follow_up", follow)
    workspace = SimpleNamespace(salt=LEDGER_SALT, title="T")
    settings = SimpleNamespace(definitions=SimpleNamespace(workspace=workspace, channels={}))
    rounds = tending.Tending(
        settings,
        store,
        {},
        Incoming(store, house),
        clock=clock,
        say=print,
        heard=Heard(spool=drainer.drained_up_to),
    )
    rounds.once()
    assert legs(store, ledger)[1] == [(0, "email", "accepted")]
    drainer.drain()
    clock.sleep(16)
    rounds.once()
    assert legs(store, ledger)[1] == [(0, "email", "delivered")]
