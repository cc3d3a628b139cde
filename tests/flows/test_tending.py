"""What the worker does beside sending: events in, answers out, doubts settled, the next channel taken."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from support.hooked import Asked, Mailer, Spoken
from support.receipt_world import SALT, number, receipt, states, world
from support.spooled import spooled
from support.stores import START
from support.tracking import rows_of
from tidings.channels.protocol import Inbound
from tidings.channels.smtp import SmtpAdapter
from tidings.clock import SystemClock
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Policies, Workspace
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.flows import collecting, tending, worker
from tidings.flows.tending import Repeating, Tending
from tidings.responses.incoming import Incoming, house_of
from tidings.responses.spool import spool_folder
from tidings.store.tables import people, sending


@pytest.fixture
def settings(tmp_path):
    channels = {
        "texts": Channel("texts", "Texts", "channels/texts.yaml", "mailer", "sms", "+46700000000"),
        "letters": Channel("letters", "Letters", "channels/letters.yaml", "outbox", "email", "a@b.example"),
    }
    return SimpleNamespace(
        data_dir=tmp_path,
        environment=SimpleNamespace(name="development", outbox=True),
        definitions=Definitions(
            str(tmp_path),
            Workspace("test", "Nordic Garden", "Europe/Stockholm", SALT, "EUR"),
            Policies(()),
            channels=channels,
        ),
    )


class Spring2027(SystemClock):
    """Stands at the time of the test stores; waits for real."""

    def now(self):
        return START


def tended(settings, store, clock, said=None, **adapters):
    said = [] if said is None else said
    incoming = Incoming(store, house_of(settings.definitions))
    return Tending(settings, store, adapters, incoming, clock=clock, say=said.append)


def test_the_worker_obeys_a_stop_and_answers_it_once(monkeypatch, settings, store, clock) -> None:
    world(store, channel="texts", state="delivered")
    mailer = Mailer()
    monkeypatch.setattr(worker, "load_adapters", lambda *_: {"texts": mailer})
    monkeypatch.setattr(worker, "_TEND_SECONDS", 0.02)
    monkeypatch.setattr(worker, "_DRAIN_SECONDS", 0.02)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(state="finished"))
    folder = spool_folder(Path(settings.data_dir), "development")
    folder.mkdir(parents=True)
    told = {"id": "m1", "from": number(0), "to": "", "text": "Please stop texting me", "word": "", "raw": {}}
    record = {"k": "hook", "at": 1, "ch": "texts", "p": "mailer", "kind": "sms", "ev": [told]}
    spooled(folder, clock, [record, record])
    stop, said = threading.Event(), []
    thread = threading.Thread(
        target=worker.run_worker,
        args=(settings, store),
        kwargs={"clock": Spring2027(), "stop": stop, "say": said.append},
    )
    thread.start()
    deadline = time.monotonic() + 20
    while not mailer.handed and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert [one.recipient for one in mailer.handed] == [number(0)]
    assert mailer.handed[0].payload.decode().startswith("Nordic Garden: ")
    assert len(rows_of(store, people.consents, people.consents.c.state == "withdrawn")) == 1
    assert said == []


def test_a_round_matches_what_waited_and_follows_up(monkeypatch, settings, store, clock) -> None:
    (message,) = world(store, channel="texts", state="started")
    asked = Asked([receipt(message, "delivered")])
    followed, said = [], []
    monkeypatch.setattr(tending, "waiting_runs", lambda *_, **__: [5])
    monkeypatch.setattr(tending, "follow_up", lambda *given, **_: followed.append(given[2]) or 3)
    round_of = tended(settings, store, clock, said, texts=asked)
    round_of.once()
    assert states(store, [message]) == ["started"]
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.messages).values(state="accepted", accepted_at=1))
    round_of.once()
    assert states(store, [message]) == ["delivered"]
    assert followed == [5]
    assert said == ["3 go on by the next channel (run 5)"]
    clock.sleep(16)
    round_of.once()
    assert followed == [5, 5]


def test_trouble_in_one_part_does_not_stop_the_others(monkeypatch, settings, store, clock) -> None:
    world(store, channel="texts")
    mailer = Mailer()
    incoming = Incoming(store, house_of(settings.definitions))
    incoming.take("texts", "mailer", [Inbound("i", number(0), "", "help")], now=clock.now())

    def broken(*args, **more):
        raise TidingsError("the definitions of run 5 cannot be read")

    monkeypatch.setattr(tending, "waiting_runs", broken)
    monkeypatch.setattr(collecting.Collector, "collect", broken)
    with pytest.raises(TidingsError):
        tended(settings, store, clock, texts=mailer).once()
    assert len(mailer.handed) == 1


def test_what_repeats_says_trouble_once_and_dies_of_the_unforeseen() -> None:
    stop, said, results = (
        threading.Event(),
        [],
        [TidingsError("away"), TidingsError("away"), OSError("full"), KeyError("?")],
    )

    def work():
        raise results.pop(0)

    thread = Repeating("x", 0.01, work, stop, said.append)
    thread.start()
    thread.join(10)
    assert said == ["away", "full"]
    assert isinstance(thread.failure, KeyError)
    assert stop.is_set()


def test_a_channel_that_cannot_be_loaded_is_said_and_the_others_work(settings) -> None:
    said = []
    adapters = collecting.load_adapters(settings, said.append)
    assert set(adapters) == {"texts", "letters"}
    settings.environment.outbox = False
    adapters = collecting.load_adapters(settings, said.append)
    assert set(adapters) == {"letters"}
    assert len(said) == 1
    assert said[0].startswith("nothing is taken in by the channel texts: ")


def test_sending_shares_only_the_adapters_on_whose_connections_receipts_come(
    monkeypatch, settings, store, tmp_path
) -> None:
    spoken = Spoken()
    spoken.capabilities = replace(spoken.capabilities, receipts="in_band")
    (tmp_path / "bounces" / "new").mkdir(parents=True)
    email = Channel("email", "E-mail", "channels/email.yaml", "smtp", sender="a@b.example")
    letters = SmtpAdapter(email, {"host": "127.0.0.1", "bounces": str(tmp_path / "bounces")})
    monkeypatch.setattr(worker, "load_adapters", lambda *_: {"texts": spoken, "email": letters})
    shared, collected = [], []
    monkeypatch.setattr(
        worker,
        "_Delivering",
        lambda *given, **_: shared.append(given[3]) or SimpleNamespace(run=lambda: None),
    )
    monkeypatch.setattr(
        worker,
        "Tending",
        lambda *given, **_: collected.append(given[2]) or SimpleNamespace(once=lambda: None),
    )
    worker.run_worker(settings, store, clock=Spring2027(), stop=threading.Event(), say=lambda _words: None)
    # What is corrected in channels/email.yaml holds from the next turn of a run; its bounces are collected all the same.
    assert shared == [{"texts": spoken}]
    assert collected == [{"texts": spoken, "email": letters}]
