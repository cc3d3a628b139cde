"""Calls of providers over real HTTP: verified, on disk before the answer, in the store once, in whatever order they come."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.hooked import PUBLIC, Mailer, later, signed
from support.receipt_world import KINDS, REFERRER, number, states, world
from support.receipt_world import SALT as WORLD_SALT
from support.tracking import RING, records, rows_of, served
from tidings.channels.protocol import Inbound, Receipt, ReceiptKind, Scope
from tidings.clock import from_micros, to_micros
from tidings.responses import hooks as hooking
from tidings.responses.drain import drain
from tidings.responses.group import GroupCommit
from tidings.responses.hook_events import lines_of, read_event
from tidings.responses.hooks import Hooks
from tidings.responses.inbound import House
from tidings.responses.spool import LONGEST_RECORD, SpoolWriter, read_chunk, waiting_files
from tidings.responses.tracker import make_app
from tidings.store.tables import answers, people, sending

HOUSE = House(WORLD_SALT, "Nordic Garden", "Storgatan 1, Stockholm", kinds=KINDS)
PATH = "/h/texts?r=abc"


def events_of(record):
    """Return the events of a record of the spool."""
    return [read_event(record, one) for one in record["ev"]]


@contextmanager
def hooked(folder, clock, said=None, adapters=None, **writer):
    """Serve a tracker with one hooked channel; give a client and the log."""
    said = [] if said is None else said
    folder.mkdir(parents=True, exist_ok=True)
    spool = GroupCommit(SpoolWriter(folder, clock, **writer))
    hooks = Hooks(
        adapters or {"texts": Mailer()}, spool, clock=clock, public_url=PUBLIC + "/", say=said.append
    )
    app = make_app(RING, spool, clock=clock, title="Nordic Garden", hooks=hooks)
    with served(app) as address, httpx.Client(base_url=address) as client:
        yield client, said


@pytest.fixture
def call(folder, clock):
    """Post events as the provider does; return the answer."""
    with hooked(folder, clock) as (client, said):

        def post(events, *, path=PATH, at=None, **more):
            headers, body = signed(path, events, at=at or clock.now(), **more)
            return client.post(path, headers=headers, content=body)

        post.client, post.said = client, said
        yield post


def delivered(message, event_id="e1", **more):
    return {"id": event_id, "kind": "delivered", "ref": REFERRER.of(message), **more}


def test_a_call_is_on_disk_before_it_is_answered(call, folder, clock) -> None:
    answer = call([delivered(7)])
    assert (answer.status_code, answer.content) == (204, b"")
    (record,) = records(folder)
    assert record["k"] == "hook"
    assert (record["ch"], record["p"], record["kind"], record["at"]) == (
        "texts",
        "mailer",
        "sms",
        to_micros(clock.now()),
    )
    (event,) = events_of(record)
    # It names no instant: that of the call counts.
    assert event == Receipt("e1", ReceiptKind.DELIVERED, clock.now(), reference=REFERRER.of(7))


def test_the_signature_is_that_of_the_public_address(call, folder) -> None:
    assert call([delivered(7)], url="http://127.0.0.1").status_code == 403
    assert call([delivered(7)], path="/h/texts").status_code == 204
    assert len(records(folder)) == 1


def test_what_the_provider_did_not_sign_leaves_nothing_behind(call, folder, clock) -> None:
    events = [delivered(7)]
    headers, body = signed(PATH, events, at=clock.now())
    forged = [
        ({}, body),
        (headers, body.replace(b"delivered", b"bounced")),
        (headers | {"x-signature": "0" * 64}, body),
        (headers | {"x-timestamp": "1"}, body),
    ]
    for head, content in forged:
        assert call.client.post(PATH, headers=head, content=content).status_code == 403
    assert call(events, secret=b"other").status_code == 403
    assert call.client.post(PATH + "x", headers=headers, content=body).status_code == 403
    assert records(folder) == []
    assert waiting_files(folder) == []
    assert call.client.get("/readyz").json()["calls_refused"] == 6


def test_each_byte_that_is_changed_is_noticed(call, folder, clock) -> None:
    headers, body = signed(PATH, [delivered(7)], at=clock.now())
    for place in range(0, len(body), 5):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert call.client.post(PATH, headers=headers, content=changed).status_code == 403
    assert records(folder) == []


def test_a_refusal_is_said_once_a_minute_and_without_secrets(call, clock) -> None:
    for _ in range(50):
        call([delivered(7)], secret=b"other")
    assert call.said == [
        "a call for the channel texts was refused: not signed by its provider (1 refused so far)"
    ]
    clock.sleep(61)
    call([delivered(7)], secret=b"other")
    assert call.said[1:] == [
        "a call for the channel texts was refused: not signed by its provider (51 refused so far)"
    ]


def test_an_old_call_is_replayed_in_vain(call, folder, clock) -> None:
    headers, body = signed(PATH, [delivered(7)], at=clock.now())
    assert call.client.post(PATH, headers=headers, content=body).status_code == 204
    clock.sleep(301)
    assert call.client.post(PATH, headers=headers, content=body).status_code == 403
    assert len(records(folder)) == 1


def test_a_call_that_cannot_be_read_is_refused(call, folder, clock) -> None:
    answer = call([{"nonsense": 1}])
    assert answer.status_code == 400
    assert call.said == [
        "a call for the channel texts was refused: not readable (KeyError) (1 refused so far)"
    ]
    assert records(folder) == []


def test_only_known_channels_and_posts(call) -> None:
    assert call.client.get("/h/texts").status_code == 405
    assert call.client.post("/h/letters").status_code == 404
    assert call.client.post("/h/").status_code == 404
    assert call.client.post("/h/../h/other").status_code == 404


def test_a_body_over_a_megabyte_is_refused_before_it_is_read(call, folder) -> None:
    assert call.client.post(PATH, content=b"x" * (hooking.MOST_BYTES + 1)).status_code == 413

    def unannounced():
        for _ in range(24):
            yield b"x" * 65536

    assert call.client.post(PATH, content=unannounced()).status_code == 413
    assert records(folder) == []


def test_too_many_events_are_refused_whole(call, folder, monkeypatch) -> None:
    monkeypatch.setattr(hooking, "MOST_EVENTS", 3)
    assert call([delivered(7, f"e{n}") for n in range(4)]).status_code == 413
    assert call([delivered(7, f"e{n}") for n in range(3)]).status_code == 204
    assert call([]).status_code == 204
    assert len(events_of(records(folder)[0])) == 3


def test_a_disk_that_takes_nothing_is_no_promise(folder, clock, tmp_path) -> None:
    def full(file):
        raise OSError(28, "No space left on device")

    with hooked(tmp_path / "full", clock, sync=full) as (client, _):
        headers, body = signed(PATH, [delivered(7)], at=clock.now())
        answer = client.post(PATH, headers=headers, content=body)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"


def test_big_calls_become_several_records_that_fit(call, folder) -> None:
    events = [delivered(n, f"e{n}", raw={"text": "x" * 900}) for n in range(900)]
    assert call(events).status_code == 204
    kept = records(folder)
    assert len(kept) > 4
    assert [event.event_id for record in kept for event in events_of(record)] == [f"e{n}" for n in range(900)]


_TEXT = st.text(max_size=60)


@given(
    st.lists(
        st.builds(
            Receipt,
            event_id=_TEXT.filter(lambda text: text.strip("\x00") == text and text),
            kind=st.sampled_from(ReceiptKind),
            reference=_TEXT,
            provider_ref=_TEXT,
            scope=st.one_of(st.none(), st.sampled_from(Scope)),
            permanent=st.booleans(),
            machine=st.booleans(),
            cost=st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=4)),
            units=st.one_of(st.none(), st.integers(0, 99)),
            raw=st.dictionaries(_TEXT, st.one_of(_TEXT, st.integers(-9, 9), st.none()), max_size=3),
        ),
        max_size=5,
    )
)
def test_events_survive_the_spool(events) -> None:
    clean = [event for event in events if "\x00" not in repr(event) and "\\x00" not in repr(event)]
    lines = lines_of(clean, channel="c", provider="p", kind="sms", at=1)
    assert all(len(line) < LONGEST_RECORD for line in lines)
    back = [event for line in lines for event in events_of(json.loads(line[18:]))]
    assert back == [replace(event, at=from_micros(1)) for event in clean]


def test_an_answer_survives_the_spool(clock) -> None:
    event = Inbound("i1", "+46701740605", "+4670", "停止 👋", clock.now(), "stop", {"a": 1})
    cost = Receipt("r", ReceiptKind.SENT, cost=Decimal("0.0075"), currency="USD", at=clock.now())
    (line,) = lines_of([event, cost], channel="c", provider="p", kind="sms", at=1)
    assert events_of(json.loads(line[18:])) == [event, cost]


def test_from_the_call_to_the_ledger(store, call, folder, clock) -> None:
    first, second, third = world(store, 3, channel="texts")
    clock.sleep(60)
    call(
        [
            {
                "id": "1",
                "kind": "bounced",
                "ref": REFERRER.of(first),
                "permanent": True,
                "scope": "recipient",
            },
            delivered(first, "2"),
            delivered(second, "3"),
            delivered(second, "3"),
            {
                "id": "4",
                "kind": "clicked",
                "ref": REFERRER.of(second),
                "url": "https://x.example/",
                "raw": {"useragent": "Mozilla/5.0 (X11) Firefox/140", "ip": "203.0.113.9"},
            },
            {"id": "5", "kind": "opened", "ref": REFERRER.of(second), "machine": True},
            {"id": "6", "kind": "clicked", "ref": REFERRER.of(third), "url": "https://x.example/"},
            {"id": "7", "from": number(2), "text": "STOP"},
        ]
    )
    result = drain(store, folder, salt=WORLD_SALT, house=HOUSE)
    assert (result.receipts, result.answers, result.refused) == (6, 1, 0)
    assert states(store, [first, second, third]) == ["bounced", "delivered", "accepted"]
    told = {(row.kind, row.judged, row.reason, row.message_id) for row in rows_of(store, answers.responses)}
    assert told == {
        ("clicked", "human", None, second),
        ("opened", "machine", "provider", second),
        ("clicked", "human", None, third),
        ("unsubscribed", "human", None, third),
    }
    hit = rows_of(store, answers.hits, answers.hits.c.kind == "click")[0]
    assert (hit.network, hit.method) == ("203.0.113.0/24", "EVENT")
    # The provider tells everything again, on another day.
    before = _everything(store)
    call([delivered(first, "2"), {"id": "4", "kind": "clicked", "ref": REFERRER.of(second)}])
    drain(store, folder, salt=WORLD_SALT, house=HOUSE)
    assert _everything(store) == before


@pytest.mark.parametrize("seed", range(4))
def test_calls_in_any_order_and_any_number_end_alike(make_store, dialect, tmp_path, clock, seed) -> None:
    ends = []
    for turn in range(2):
        store = make_store(dialect)
        messages = world(store, 6, channel="texts", state="in_doubt")
        events = [
            {
                "id": f"{message}{kind}",
                "kind": kind,
                "ref": REFERRER.of(message),
                "at": to_micros(later(clock, place)),
            }
            for place, message in enumerate(messages)
            for kind in ("sent", "delivered", "bounced", "complained")[: place % 5]
        ]
        shuffled = random.Random(seed * 10 + turn)
        events = [*events, *events, *events]
        shuffled.shuffle(events)
        folder = tmp_path / f"{seed}-{turn}"
        with hooked(folder, clock) as (client, _):
            for start in range(0, len(events), 5):
                headers, body = signed("/h/texts", events[start : start + 5], at=clock.now())
                assert client.post("/h/texts", headers=headers, content=body).status_code == 204
                if shuffled.random() < 0.4:
                    drain(store, folder, salt=WORLD_SALT, house=HOUSE)
        drain(store, folder, salt=WORLD_SALT, house=HOUSE)
        ends.append([*states(store, messages), len(rows_of(store, sending.receipts))])
    assert ends[0] == ends[1]
    assert ends[0][:4] == ["in_doubt", "accepted", "delivered", "bounced"]


@pytest.mark.parametrize("point", ["take", "prepare", "apply", "_note"])
def test_a_kill_between_spool_and_store_loses_and_doubles_nothing(
    make_store, dialect, folder, clock, call, monkeypatch, point
) -> None:
    store = make_store(dialect)
    first, second = world(store, 2, channel="texts")
    call(
        [
            delivered(first),
            {"id": "2", "kind": "clicked", "ref": REFERRER.of(second), "url": "https://x.example/"},
        ]
    )
    call([{"id": "3", "from": number(0), "text": "stop"}, {"id": "4", "from": number(1), "text": "nice!"}])
    from tidings.responses import drain as draining
    from tidings.responses.incoming import Incoming

    class Killed(BaseException):
        pass

    calls = []

    def dies_after(real):
        def work(*args, **more):
            done = real(*args, **more)
            calls.append(1)
            if len(calls) == 1:
                raise Killed
            return done

        return work

    where, name = {"take": (Incoming, "take"), "_note": (draining.Drainer, "_note")}.get(
        point, (draining, point)
    )
    monkeypatch.setattr(where, name, dies_after(getattr(where, name)))
    with pytest.raises(Killed):
        drain(store, folder, salt=WORLD_SALT, house=HOUSE)
    drain(store, folder, salt=WORLD_SALT, house=HOUSE)
    assert states(store, [first, second]) == ["delivered", "accepted"]
    kinds = sorted(row.kind for row in rows_of(store, answers.responses))
    assert kinds == ["clicked", "replied", "unsubscribed"]
    assert len(rows_of(store, sending.notices)) == 1
    assert len(rows_of(store, sending.receipts)) == 4
    withdrawn = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert len(withdrawn) == 1


def test_a_record_of_no_tracker_is_set_aside_and_holds_nothing_up(make_store, folder, clock) -> None:
    store = make_store("sqlite")
    (message,) = world(store, channel="texts")
    from support.spooled import spooled

    good = json.loads(
        lines_of(
            [Receipt("g", ReceiptKind.DELIVERED, reference=REFERRER.of(message))],
            channel="texts",
            provider="mailer",
            kind="sms",
            at=1,
        )[0][18:]
    )
    folder.mkdir(parents=True, exist_ok=True)
    bad = good | {"ev": [{"id": "x", "kind": "newer than this", "raw": {}}]}
    spooled(folder, clock, [bad, good, {"k": "hook"}])
    result = drain(store, folder, salt=WORLD_SALT, house=HOUSE)
    assert (result.refused, result.receipts) == (2, 1)
    assert states(store, [message]) == ["delivered"]


def _everything(store):
    return [
        [tuple(row) for row in rows_of(store, table)]
        for table in (sending.messages, answers.hits, answers.responses, people.consents, people.suppressions)
    ]


def test_the_spool_file_of_calls_is_read_by_nobody_else(call, folder) -> None:
    call([delivered(7)])
    (path,) = waiting_files(folder)
    assert path.stat().st_mode & 0o077 == 0
    assert len(read_chunk(path, 0, 10).records) == 1
