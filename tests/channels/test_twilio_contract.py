"""The provider's published contract: what our adapter asks and what our sandbox answers both keep it."""

from __future__ import annotations

import http.client
import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest

from support.prism import Prism, contract, shared_prism
from support.twilio_stage import CHANNEL, text_message, values
from tidings.channels.protocol import Kind, Outstanding, Scope
from tidings.channels.sandbox.twilio import ACCOUNT, TwilioSandbox
from tidings.channels.twilio import TwilioAdapter

SERVICE = "MG" + "ab" * 16
PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"


@cache
def published() -> dict[str, Any]:
    return json.loads(contract("twilio_messages_v2010.json").read_text())


def checked(schema: dict[str, Any], instance: Any) -> None:
    jsonschema.validate(instance, {**schema, "components": published()["components"]})


def plain(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: what may be null says so by its type."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: plain(value) for name, value in schema.items()}
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def of_request() -> dict[str, Any]:
    made = published()["paths"][PATH]["post"]["requestBody"]["content"]
    return plain(made["application/x-www-form-urlencoded"]["schema"])


def of_message() -> dict[str, Any]:
    return plain(published()["components"]["schemas"]["api.v2010.account.message"])


def typed(fields: dict[str, str]) -> dict[str, Any]:
    """Return form fields with the types that the contract gives them."""
    kinds = {name: one.get("type") for name, one in of_request()["properties"].items()}
    read = {"boolean": lambda text: {"true": True, "false": False}[text], "integer": int}
    return {name: read.get(kinds[name], str)(value) for name, value in fields.items()}


def asked(sandbox: TwilioSandbox, **more: Any) -> dict[str, Any]:
    connection = TwilioAdapter(CHANNEL, values(sandbox.url, **more)).connect()
    assert connection.submit(text_message()).kind == Kind.ACCEPTED
    connection.close()
    return typed(sandbox.requests[-1])


def test_every_way_of_asking_keeps_the_contract() -> None:
    with TwilioSandbox() as sandbox:
        bodies = [
            asked(sandbox),
            asked(sandbox, messaging_service=SERVICE),
            asked(sandbox, status_callback="https://shop.example", validity=600),
        ]
    for body in bodies:
        checked(of_request(), body)
        assert set(body) <= set(of_request()["properties"])
    with pytest.raises(jsonschema.ValidationError):
        checked(of_request(), {**bodies[1], "MessagingServiceSid": "MG-short"})


def test_what_the_sandbox_answers_keeps_the_contract_as_accepted_and_as_told_later() -> None:
    with TwilioSandbox() as sandbox:
        first = sandbox.take({"To": "+46701112233", "From": "+15005550006", "Body": "新" * 100})
        asked(sandbox, messaging_service=SERVICE)
        for one in (first, *sandbox.messages):
            checked(of_message(), one)
            assert set(one) == set(of_message()["properties"])
        with pytest.raises(jsonschema.ValidationError):
            checked(of_message(), {**first, "status": "eaten"})


@pytest.fixture(scope="module")
def mock() -> Prism:
    return shared_prism(contract("twilio_messages_v2010.json"))


def opened(mock: Prism, **more: Any) -> Any:
    given = values(mock.url, connect_timeout=5.0, answer_timeout=60.0, **more)
    return TwilioAdapter(CHANNEL, given).connect()


@pytest.mark.real
@pytest.mark.timeout(300)
def test_the_official_client_through_our_adapter_keeps_the_contract(mock: Prism) -> None:
    for more in (
        {},
        {"messaging_service": SERVICE, "status_callback": "https://shop.example", "validity": 600},
    ):
        connection = opened(mock, **more)
        outcome = connection.submit(text_message(text="Скидка 25% 🌷"))
        connection.close()
        assert outcome.kind == Kind.ACCEPTED, outcome
        assert outcome.provider_ref


@pytest.mark.real
@pytest.mark.timeout(300)
def test_what_breaks_the_contract_is_refused_and_our_adapter_says_so(mock: Prism) -> None:
    outcome = opened(mock, messaging_service="MG-short").submit(text_message())
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT), outcome


@pytest.mark.real
@pytest.mark.timeout(300)
def test_asking_for_a_message_keeps_the_contract(mock: Prism) -> None:
    adapter = TwilioAdapter(CHANNEL, values(mock.url, connect_timeout=5.0, answer_timeout=60.0))
    (receipt,) = adapter.poll([Outstanding(1, "abc123-1", "SM" + "a" * 32)])
    assert receipt.reference == "abc123-1" and receipt.provider_ref


@pytest.mark.real
@pytest.mark.timeout(300)
def test_the_mock_names_the_field_that_breaks_the_contract(mock: Prism) -> None:
    host = mock.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    body = urlencode({"To": "+46701112233", "Body": "x", "MessagingServiceSid": "MG-short"})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic QTpC"}
    connection.request("POST", PATH.replace("{AccountSid}", ACCOUNT), body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.headers.get("sl-violations") or answer.read())
    connection.close()
    assert answer.status == 422
    assert "MessagingServiceSid" in json.dumps(said)
