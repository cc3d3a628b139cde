"""Draining: what came in arrives in the tables, as what it means, on both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from support.receipt_world import KINDS, number, receipt, states, world
from support.spooled import click, gone, order, spooled
from support.tracking import API_KEY, BROWSER, RING, SALT, rows_of, sent_run, tracker, url
from tidings.channels.protocol import Inbound
from tidings.clock import to_micros
from tidings.customers.identity import customer_u
from tidings.customers.permission import refusal
from tidings.customers.who import VISITOR, Identity, find
from tidings.definitions.kinds.rules import Purpose
from tidings.responses.drain import REFUSED_FILE, DrainResult, drain
from tidings.responses.hook_events import lines_of
from tidings.responses.inbound import House
from tidings.responses.incoming import Incoming
from tidings.responses.spool import SpoolWriter, encode, waiting_files
from tidings.store.tables import answers, keeping, people, sending
from tidings.tokens.links import mint

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def test_from_the_reader_to_the_tables(store, folder, clock) -> None:
    first, second = sent_run(store, 2, accepted_at=to_micros(clock.now()) - 3_600_000_000)
    with tracker(folder, clock) as address, httpx.Client(base_url=address, headers=BROWSER) as web:
        web.get(f"/o/{mint(RING, 'open', first)}.gif")
        web.get(f"/c/{mint(RING, 'click', first, url(3))}")
        web.head(f"/c/{mint(RING, 'click', second, url(3))}")
        web.post(f"/u/{mint(RING, 'unsubscribe', second)}", data=ONE_CLICK)
        web.post(
            "/v1/events",
            headers={"authorization": f"Bearer {API_KEY}"},
            json=[
                {"event": "order_placed", "customer": "K0", "id": "o1", "amount": 12.5},
                {"event": "page_viewed", "customer": "new", "id": "p1", "properties": {"page": "/"}},
            ],
        )
        # While the server runs; its file stays.
        assert drain(store, folder, salt=SALT) == DrainResult(4, 4, 1, 2, 1, 0, 0)
        assert len(waiting_files(folder)) == 1
        assert drain(store, folder, salt=SALT) == DrainResult()
    told = [(row.kind, row.judged, row.reason, row.message_id) for row in rows_of(store, answers.responses)]
    assert told == [
        ("opened", "human", None, first),
        ("clicked", "human", None, first),
        ("clicked", "machine", "head", second),
        ("unsubscribed", "human", None, second),
    ]
    hits = rows_of(store, answers.hits)
    assert [(row.kind, row.method, row.url, row.network) for row in hits] == [
        ("open", "GET", None, "127.0.0.0/24"),
        ("click", "GET", url(3), "127.0.0.0/24"),
        ("click", "HEAD", url(3), "127.0.0.0/24"),
        ("unsubscribe", "POST", None, "127.0.0.0/24"),
    ]
    assert {row.received_at for row in hits} == {to_micros(clock.now())}
    (consent,) = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert (consent.channel, consent.purpose, consent.basis, consent.source) == (
        "email",
        "marketing",
        "unsubscribe",
        "one-click",
    )
    placed, viewed = rows_of(store, people.events)
    assert (placed.amount, placed.currency, placed.properties, placed.source) == (
        1250,
        "EUR",
        {"order_total": 1250},
        "api:shop",
    )
    assert viewed.amount is None
    (new,) = rows_of(store, people.customers, people.customers.c.key == "new")
    assert new.u == customer_u(SALT, "new")
    assert viewed.customer_id == new.id
    # The server has stopped: its file is finished, and goes with its progress.
    assert drain(store, folder, salt=SALT) == DrainResult()
    assert waiting_files(folder) == []
    assert rows_of(store, keeping.spool_progress) == []


def test_visitors_are_kept_by_their_names_until_somebody_says_who_they_are(store, folder, clock) -> None:
    with tracker(folder, clock) as address, httpx.Client(base_url=address, headers=BROWSER) as web:
        answer = web.post(
            "/v1/events",
            headers={"authorization": f"Bearer {API_KEY}"},
            json=[
                {"event": "page_viewed", "visitor": "v-1", "id": "1", "properties": {"page": "/ad?c=1"}},
                {"event": "page_viewed", "id": "2", "properties": {"page": "/ad?c=2"}},
                {"event": "page_viewed", "id": "3", "properties": {"page": "/" * 2001}},
            ],
        )
        assert answer.status_code == 400
        answer = web.post(
            "/v1/events",
            headers={"authorization": f"Bearer {API_KEY}"},
            json=[
                {"event": "page_viewed", "visitor": "v-1", "id": "1", "properties": {"page": "/ad?c=1"}},
                {"event": "page_viewed", "id": "2", "properties": {"page": "/ad?c=2"}},
                {"event": "order_placed", "visitor": "v-1", "customer": "K0", "id": "o1", "amount": 12.5},
                {"event": "order_placed", "visitor": "guest", "id": "o2", "amount": 9},
            ],
        )
        assert answer.json() == {"accepted": 4}
        assert drain(store, folder, salt=SALT).events == 4
    rows = [(row.visitor, row.customer_id is None) for row in rows_of(store, people.events)]
    assert rows == [("v-1", True), ("=landing_page:/ad?c=2", True), ("v-1", False), ("guest", True)]
    with store.read() as connection:
        found = find(connection, {Identity(VISITOR, "v-1")})
    (known,) = rows_of(store, people.customers, people.customers.c.key == "K0")
    assert found == {Identity(VISITOR, "v-1"): known.id}


def test_who_unsubscribed_is_refused_from_then_on(store, folder, clock) -> None:
    stays, goes = sent_run(store, 2)
    spooled(folder, clock, [gone(goes, to_micros(clock.now()))])
    with store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(email_hash=people.customers.c.key))
    drain(store, folder, salt=SALT)
    purpose = Purpose("marketing", "marketing")
    with store.read() as connection:
        codes = connection.execute(
            sa.select(refusal("email", purpose)).order_by(people.customers.c.id)
        ).scalars()
        assert list(codes) == [None, "unsubscribed_list"]
    assert stays


def test_unsubscribing_twice_is_one_withdrawal_and_a_later_consent_can_be_withdrawn_again(
    store, folder, clock
) -> None:
    from tidings.customers.consent import ConsentRow, record

    (message,) = sent_run(store, 1)
    (customer,) = rows_of(store, people.customers)
    now = to_micros(clock.now())
    spooled(folder, clock, [gone(message, now - 50), gone(message, now - 40, "page")])
    assert drain(store, folder, salt=SALT).unsubscribed == 1
    spooled(folder, clock, [gone(message, now - 30)])
    assert drain(store, folder, salt=SALT).unsubscribed == 0
    with store.durable("test") as connection:
        record(
            connection,
            [ConsentRow(customer.id, "email", "marketing", "granted", "form", "web", now - 20, now)],
        )
    spooled(folder, clock, [gone(message, now - 10)])
    assert drain(store, folder, salt=SALT).unsubscribed == 1
    assert [row.state for row in rows_of(store, people.consents)] == [
        "granted",
        "withdrawn",
        "granted",
        "withdrawn",
    ]
    assert [row.kind for row in rows_of(store, answers.responses)] == ["unsubscribed"] * 4


def test_the_purpose_is_that_of_the_run_and_everything_where_it_says_none(store, folder, clock) -> None:
    (news,) = sent_run(store, 1, purpose="newsletter")
    (silent,) = sent_run(store, 1, purpose=None)
    spooled(folder, clock, [gone(news, 9), gone(silent, 9)])
    drain(store, folder, salt=SALT)
    found = rows_of(store, people.consents, people.consents.c.state == "withdrawn")
    assert [row.purpose for row in found] == ["newsletter", "all"]


def test_hits_of_nobody_are_kept_and_not_judged(store, folder, clock) -> None:
    anonymous = {"k": "click", "at": 5, "m": None, "method": "GET", "url": url(1)}
    spooled(folder, clock, [anonymous, click(987_654_321, 6), gone(987_654_321, 7)])
    assert drain(store, folder, salt=SALT) == DrainResult(hits=3)
    assert [(row.message_id, row.detail.get("message")) for row in rows_of(store, answers.hits)] == [
        (None, None),
        (None, 987_654_321),
        (None, 987_654_321),
    ]
    assert rows_of(store, answers.responses) == []


def test_an_event_with_an_id_counts_once_and_one_without_each_time(store, folder, clock) -> None:
    spooled(folder, clock, [order("a", id="1"), order("a", id="1"), order("a"), order("a")])
    spooled(folder, clock, [order("a", id="1"), order("a", id="1", source="api:till")])
    assert drain(store, folder, salt=SALT).events == 4


def test_a_record_that_the_store_cannot_take_does_not_hold_up_the_others(store, folder, clock) -> None:
    messages = sent_run(store, 3)
    poison = [
        click(messages[0], 10**30),
        {"k": "event"},
        {"k": "click", "at": 5, "method": "GET"},
        {"what": "is this"},
    ]
    mixed = [gone(messages[0], 5), poison[0], click(messages[1], 6), *poison[1:], gone(messages[2], 7)]
    spooled(folder, clock, mixed)
    result = drain(store, folder, salt=SALT)
    assert (result.hits, result.unsubscribed, result.refused) == (3, 2, 4)
    assert waiting_files(folder) == []
    assert len((folder / REFUSED_FILE).read_text().splitlines()) == 4
    assert drain(store, folder, salt=SALT) == DrainResult()


def test_one_event_that_cannot_be_taken_does_not_cost_the_others_of_its_record(
    store, folder, clock, monkeypatch
) -> None:
    first, second = world(store, 2, channel="texts")
    really = Incoming.take

    def picky(self, channel, provider, events, **more):
        if any(one.event_id == "bad" for one in events):
            raise OverflowError("too large for any column")
        return really(self, channel, provider, events, **more)

    monkeypatch.setattr(Incoming, "take", picky)
    events = [receipt(first, "delivered"), receipt(first, "sent", "bad"), receipt(second, "delivered")]
    writer = SpoolWriter(folder, clock)
    writer.append(lines_of(events, channel="texts", provider="x", kind="sms", at=to_micros(clock.now())))
    writer.close()
    done = drain(store, folder, salt=SALT, house=House(SALT, kinds=KINDS))
    assert (done.receipts, done.refused) == (2, 1)
    assert states(store, [first, second]) == ["delivered", "delivered"]
    (line,) = (folder / REFUSED_FILE).read_text().splitlines()
    assert [one["id"] for one in json.loads(line)["record"]["ev"]] == ["bad"]


def test_a_number_of_parts_that_no_message_has_is_none(store, folder, clock) -> None:
    (message,) = world(store, channel="texts")
    writer = SpoolWriter(folder, clock)
    events = [receipt(message, "sent", units=int("9" * 30)), receipt(message, "delivered", units=2)]
    writer.append(lines_of(events, channel="texts", provider="x", kind="sms", at=to_micros(clock.now())))
    writer.close()
    assert drain(store, folder, salt=SALT, house=House(SALT, kinds=KINDS)).refused == 0
    assert [row.units for row in rows_of(store, sending.receipts)] == [None, 2]


def test_who_left_after_saying_start_stays_away_however_late_both_are_drained(store, folder, clock) -> None:
    (message,) = world(store, channel="texts")
    house = House(SALT, "Nordic Garden", "Storgatan 1", "sv", "SE", (), KINDS)
    writer = SpoolWriter(folder, clock)

    def say(word: str) -> None:
        clock.advance(timedelta(minutes=1))
        told = [Inbound(f"{word}-{clock.now()}", number(0), "+467", word, None)]
        writer.append(lines_of(told, channel="texts", provider="x", kind="sms", at=to_micros(clock.now())))

    def leave() -> None:
        clock.advance(timedelta(minutes=1))
        writer.append([encode(gone(message, to_micros(clock.now()), "page"))])

    def refused() -> str | None:
        with store.read() as connection:
            said = refusal("sms", Purpose("marketing", "marketing"))
            return connection.execute(sa.select(said).select_from(people.customers)).scalar()

    say("STOP")
    drain(store, folder, salt=SALT, house=house)
    say("START")
    leave()
    clock.advance(timedelta(minutes=5))
    drain(store, folder, salt=SALT, house=house)
    assert refused() is not None
    # And the other way round: who leaves and then says START is back.
    leave()
    say("START")
    clock.advance(timedelta(minutes=5))
    drain(store, folder, salt=SALT, house=house)
    assert refused() is None
