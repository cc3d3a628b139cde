"""The official client, through our adapter, against a mock made from the provider's published contract."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channels.sendgrid_letters import personal
from support.prism import Prism, contract, shared_prism
from support.sendgrid_stage import CHANNEL, values
from tidings.channels.protocol import Kind, Outcome
from tidings.channels.sendgrid import SendGridAdapter
from tidings.channels.sendgrid.connection import SendGridConnection

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def mock() -> Prism:
    return shared_prism(contract("sendgrid_mail_v3.json"))


@pytest.fixture
def opened(mock: Prism) -> SendGridConnection:
    return SendGridAdapter(CHANNEL, values(mock.url, answer_timeout=20.0, connect_timeout=5.0)).connect()


def post(opened: SendGridConnection, body: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    response = opened._api.client.mail.send.post(request_body=body)
    return response.status_code, json.loads(response.headers.get("sl-violations", "[]"))


GOOD: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "a@example.com"}]}],
    "from": {"email": "shop@example.com"},
    "subject": "S",
    "content": [{"type": "text/plain", "value": "x"}],
}


def test_a_window_of_messages_keeps_the_contract(opened: SendGridConnection) -> None:
    outcomes = opened.submit_many([personal(number) for number in range(100)])
    assert {(one.kind, one.detail) for one in outcomes} == {(Kind.ACCEPTED, "")}


def test_messages_that_share_nothing_keep_the_contract_too(opened: SendGridConnection) -> None:
    batch = [
        personal(1, html=None),
        personal(2, text="", headers=()),
        personal(3, reply_to="Hilfe <hilfe@shop.example>", sender="Магазин <hello@shop.example>"),
        personal(4, recipient="anna@bücher.example"),
    ]
    assert [one.kind for one in opened.submit_many(batch)] == [Kind.ACCEPTED] * 4


def test_every_option_keeps_the_contract(mock: Prism) -> None:
    given = values(
        mock.url, answer_timeout=20.0, connect_timeout=5.0, ip_pool="shop", tracking=True, batch=1000
    )
    outcomes = (
        SendGridAdapter(CHANNEL, given).connect().submit_many([personal(number) for number in range(1000)])
    )
    assert {one.kind for one in outcomes} == {Kind.ACCEPTED}


@pytest.mark.parametrize(
    ("change", "at", "code"),
    [
        ({"from": None}, ["request", "body", "from"], "type"),
        (
            {"personalizations": GOOD["personalizations"] * 1001},
            ["request", "body", "personalizations"],
            "maxItems",
        ),
        ({"categories": list("abcdefghijk")}, ["request", "body", "categories"], "maxItems"),
        ({"categories": ["a", "a"]}, ["request", "body", "categories"], "uniqueItems"),
        ({"from": {"email": "no address"}}, ["request", "body", "from", "email"], "format"),
    ],
)
def test_the_mock_says_what_breaks_the_contract(
    opened: SendGridConnection, change: dict[str, Any], at: list[str], code: str
) -> None:
    assert post(opened, GOOD) == (202, [])
    status, violations = post(opened, {**GOOD, **change})
    assert status == 400
    assert (at, code) in [(one["location"], one["code"]) for one in violations]


def test_a_broken_contract_is_a_rejection_of_every_message(
    opened: SendGridConnection, monkeypatch: Any
) -> None:
    import tidings.channels.sendgrid.connection as module

    def without_sender(bundle: Any, **options: Any) -> dict[str, Any]:
        made = module_request(bundle, **options)
        del made["from"]
        return made

    module_request = module.request_of
    monkeypatch.setattr(module, "request_of", without_sender)
    outcomes: list[Outcome] = opened.submit_many([personal(1), personal(2)])
    assert {one.kind for one in outcomes} == {Kind.REJECTED}
