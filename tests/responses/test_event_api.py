"""Events that a shop sends to the tracker: what is taken, what is refused, and who may send."""

from __future__ import annotations

import json

import pytest

from support.tracking import API_KEY, KEY, records
from tidings.clock import to_micros


def test_events_are_accepted_with_their_typed_values(web, folder, clock) -> None:
    sent = {
        "event": "order_placed",
        "customer": " C-1001 ",
        "at": "2027-03-02T09:30:00+01:00",
        "id": "order-77",
        "amount": "129.50",
        "currency": "EUR",
        "properties": {"category": "園藝", "items": 3, "gift": True, "wanted_on": "2027-03-09"},
    }
    answer = web.post("/v1/events", headers=KEY, json=sent)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (record,) = records(folder)
    assert record == {
        "k": "event",
        "at": to_micros(clock.now()),
        "event": "order_placed",
        "customer": "C-1001",
        "occurred": to_micros(clock.now()) - 30 * 60 * 1_000_000,
        "source": "api:shop",
        "id": "order-77",
        "amount": 12950,
        "currency": "EUR",
        "properties": {
            "category": "園藝",
            "items": 3,
            "gift": True,
            "wanted_on": "2027-03-09",
            "order_total": 12950,
        },
    }


@pytest.mark.parametrize(("told", "kept"), [({}, "EUR"), ({"currency": "SEK"}, "SEK")])
def test_an_amount_that_is_no_revenue_has_a_currency_too(web, folder, told, kept) -> None:
    basket = {"event": "basket_updated", "customer": "C1", "properties": {"basket_total": "80.00"}, **told}
    assert web.post("/v1/events", headers=KEY, json=basket).status_code == 202
    (record,) = records(folder)
    assert (record["properties"], record["currency"]) == ({"basket_total": 8000}, kept)
    assert "amount" not in record


def test_several_events_come_in_one_request(web, folder) -> None:
    several = [{"event": "page_viewed", "customer": f"C{n}", "id": str(n)} for n in range(1_000)]
    assert web.post("/v1/events", headers=KEY, json=several).json() == {"accepted": 1_000}
    assert len(records(folder)) == 1_000


ORDER = {"event": "order_placed", "customer": "C1"}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ("", 400, "not JSON"),
        ("[", 400, "not JSON"),
        ("[" * 100_000, 400, "not JSON"),
        ('{"event": NaN}', 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        ([], 400, "empty"),
        ("1", 400, "must be an object"),
        ([ORDER, 5], 400, "Event 2 of 2: it must be an object"),
        ({}, 400, "`event`"),
        ({**ORDER, "event": "order_plcaed"}, 400, '"order_plcaed" is not an event of config/events.yaml'),
        ({**ORDER, "event": 5}, 400, "`event` must be a text"),
        ({**ORDER, "customer": "C-1\x1b]0;x\x07"}, 400, "`customer` holds an invisible sign"),
        ({**ORDER, "custmer": 5}, 400, '"custmer" is not a key'),
        ({"event": "page_viewed"}, 400, "`customer`, or `visitor`"),
        ({"event": "page_viewed", "properties": {"page": " "}}, 400, "nothing of who it was"),
        ({"event": "page_viewed", "visitor": "=email:0a1b"}, 400, 'must not begin with "="'),
        ({"event": "page_viewed", "visitor": 7}, 400, "`visitor`"),
        ({**ORDER, "customer": "x" * 201}, 400, "1 to 200"),
        ({**ORDER, "customer": "a\x00b"}, 400, "`customer`"),
        ('{"event": "page_viewed", "customer": "\\ud800"}', 400, "`customer`"),
        ({**ORDER, "id": ""}, 400, "`id`"),
        ({**ORDER, "at": "2027-03-02T10:00:00"}, 400, "needs a zone"),
        ({**ORDER, "at": "yesterday"}, 400, "`at`"),
        ({**ORDER, "at": 5}, 400, "`at`"),
        ({**ORDER, "at": "2027-03-02T09:06:00Z"}, 400, "in the future"),
        ({**ORDER, "at": "1969-12-31T23:59:59Z"}, 400, "1970"),
        ({**ORDER, "at": "0001-01-01T00:00:00+14:00"}, 400, "`at`"),
        ({**ORDER, "amount": 5, "currency": "eur"}, 400, "`currency`"),
        ({**ORDER, "amount": "12,50"}, 400, "`amount`"),
        ({**ORDER, "amount": "1.001"}, 400, "more decimal places than EUR"),
        ({**ORDER, "amount": True}, 400, "`amount`"),
        ('{"event": "order_placed", "customer": "C1", "amount": 1e999}', 400, "`amount`"),
        ('{"event": "order_placed", "customer": "C1", "amount": 1e-999}', 400, "`amount`"),
        ({**ORDER, "amount": 10**15}, 400, "`amount`"),
        ({**ORDER, "amount": 1, "properties": {"order_total": 2}}, 400, "differ"),
        ({**ORDER, "currency": "EUR"}, 400, "says nothing"),
        ({"event": "page_viewed", "customer": "C1", "amount": 3}, 400, "declares none"),
        ({**ORDER, "properties": []}, 400, "`properties`"),
        ({**ORDER, "properties": {"colour": "x"}}, 400, '"colour" is not a property of order_placed'),
        ({**ORDER, "properties": {"items": "many"}}, 400, "`items`"),
        ({**ORDER, "properties": {"items": {"a": 1}}}, 400, "`items`"),
        ({**ORDER, "properties": {"gift": 1}}, 400, "`gift`"),
        ({**ORDER, "properties": {"wanted_on": "2.3.2027"}}, 400, "`wanted_on`"),
        ({**ORDER, "properties": {"category": "x" * 2_001}}, 400, "`category`"),
        ([ORDER] * 1_001, 413, "1001 events"),
        ("x" * (1024 * 1024 + 1), 413, "too large"),
    ],
)
def test_what_is_wrong_with_events_is_said_in_a_sentence(refusing, body, status, sentence) -> None:
    web, folder = refusing
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    answer = web.post("/v1/events", headers=KEY, content=content)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
    assert answer.json()["error"].endswith(".")
    assert records(folder) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": API_KEY},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {API_KEY}x"},
        {"authorization": f"Basic {API_KEY}"},
        {"cookie": f"key={API_KEY}"},
    ],
)
def test_without_the_key_nothing_is_taken(refusing, headers) -> None:
    web, folder = refusing
    answer = web.post(f"/v1/events?key={API_KEY}", headers=headers, json=ORDER)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert records(folder) == []
