"""Webhooks of Twilio: signed calls become events, everything else is forged."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from support.twilio_stage import CHANNEL, NOW, TwilioStage, catcher, signed, text_message, values
from tidings.channels.protocol import ChannelEvent, Forged, HookRequest, Inbound, Receipt, ReceiptKind, Scope
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox
from tidings.channels.sandbox.twilio_calls import signature
from tidings.channels.twilio import TwilioAdapter

URL = "https://shop.example/h/sms?r=abc123-1"
SID = "SM" + "1" * 32
ADAPTER = TwilioAdapter(CHANNEL, values("https://api.example"))


def parse(request: HookRequest) -> list[ChannelEvent]:
    return ADAPTER.parse_webhook(request, NOW)


def status(name: str, **more: str) -> Receipt:
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": name, "To": "+46701112233", **more}
    first = parse(signed(URL, fields))[0]
    assert isinstance(first, Receipt)
    return first


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("accepted", ReceiptKind.QUEUED),
        ("scheduled", ReceiptKind.QUEUED),
        ("queued", ReceiptKind.QUEUED),
        ("sending", ReceiptKind.QUEUED),
        ("sent", ReceiptKind.SENT),
        ("delivered", ReceiptKind.DELIVERED),
        ("read", ReceiptKind.DELIVERED),
        ("undelivered", ReceiptKind.BOUNCED),
        ("failed", ReceiptKind.BOUNCED),
        ("canceled", ReceiptKind.BOUNCED),
        ("partially_delivered", ReceiptKind.OTHER),
        ("of next year", ReceiptKind.OTHER),
    ],
)
def test_each_status_has_its_kind(name: str, kind: ReceiptKind) -> None:
    receipt = status(name)
    assert receipt.kind == kind
    assert receipt.event_id == f"{SID}:{name}"
    assert (receipt.reference, receipt.provider_ref, receipt.address) == ("abc123-1", SID, "+46701112233")
    assert receipt.at is None


@pytest.mark.parametrize(
    ("code", "scope", "permanent"),
    [
        ("30003", Scope.RECIPIENT, False),
        ("30005", Scope.RECIPIENT, True),
        ("30006", Scope.RECIPIENT, True),
        ("30007", Scope.CONTENT, False),
        ("30034", Scope.CONFIG, False),
        ("30008", None, False),
        ("99999", None, False),
        ("", None, False),
        ("x", None, False),
    ],
)
def test_a_failure_says_whom_it_concerns(code: str, scope: Scope | None, permanent: bool) -> None:
    receipt = status("undelivered", ErrorCode=code)
    assert (receipt.scope, receipt.permanent) == (scope, permanent)


def test_a_number_that_told_the_provider_to_stop_is_told_as_leaving() -> None:
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "failed", "ErrorCode": "21610"}
    bounced, left = parse(signed(URL, {**fields, "To": "+46701112233"}))
    assert isinstance(bounced, Receipt) and isinstance(left, Receipt)
    assert (bounced.kind, left.kind) == (ReceiptKind.BOUNCED, ReceiptKind.UNSUBSCRIBED)
    assert bounced.event_id != left.event_id and left.address == "+46701112233"


def test_a_price_is_taken_where_it_is_told() -> None:
    receipt = status("delivered", Price="-0.00790", PriceUnit="usd", NumSegments="3")
    assert (str(receipt.cost), receipt.currency, receipt.units) == ("0.00790", "USD", 3)
    assert status("delivered", Price="free").cost is None


@pytest.mark.parametrize(
    ("more", "keyword"),
    [
        ({"OptOutType": "STOP"}, "stop"),
        ({"OptOutType": "START"}, "start"),
        ({"OptOutType": "HELP"}, "help"),
        ({}, ""),
        ({"OptOutType": "x"}, ""),
    ],
)
def test_an_answer_of_a_person_is_inbound(more: dict[str, str], keyword: str) -> None:
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "SmsStatus": "received", "From": "+46701112233"}
    fields |= {"To": "+15005550006", "Body": "Не надо больше & спасибо", **more}
    (event,) = parse(signed("https://shop.example/h/sms", fields))
    assert isinstance(event, Inbound)
    assert (event.sender, event.recipient) == ("+46701112233", "+15005550006")
    assert (event.text, event.keyword, event.event_id) == ("Не надо больше & спасибо", keyword, SID)


def test_the_signature_of_the_sandbox_is_that_of_the_official_validator() -> None:
    fields = {"b": "2", "a": "é 新", "c": ""}
    assert signature(TOKEN, URL, fields) == RequestValidator(TOKEN).compute_signature(URL, fields)


def test_a_call_signed_for_the_address_with_its_port_is_true() -> None:
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "sent"}
    request = signed("https://shop.example:443/h/sms", fields)
    assert parse(HookRequest("https://shop.example/h/sms", request.headers, request.body))


def test_a_body_in_json_counts_where_its_hash_is_signed() -> None:
    body = json.dumps({"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "sent", "ErrorCode": None})
    url = f"{URL}&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    headers = {
        "content-type": "application/json; charset=utf-8",
        "x-twilio-signature": signature(TOKEN, url, {}),
    }
    (event,) = parse(HookRequest(url, headers, body.encode()))
    assert isinstance(event, Receipt)
    assert (event.kind, event.reference) == (ReceiptKind.SENT, "abc123-1")
    with pytest.raises(Forged):
        parse(HookRequest(url, headers, body.replace("sent", "read").encode()))


@pytest.mark.parametrize("number", range(18))
def test_what_is_not_signed_so_is_forged(number: int, stage: TwilioStage) -> None:
    with pytest.raises(Forged):
        parse(stage.forgeries()[number])


@pytest.fixture
def stage() -> TwilioStage:
    from contextlib import ExitStack

    return TwilioStage(ExitStack())


@given(
    st.text(max_size=80),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "", "text/plain; charset=x"]),
    st.text(max_size=40),
    st.binary(max_size=200),
)
def test_whatever_nobody_signed_is_forged_and_nothing_else(
    url: str, kind: str, signature_text: str, body: bytes
) -> None:
    headers = {"content-type": kind, "x-twilio-signature": signature_text}
    with pytest.raises(Forged):
        parse(HookRequest(f"https://shop.example/{url}", headers, body))
    with pytest.raises(Forged):
        parse(HookRequest(url, headers, body))


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=30), max_size=8))
def test_whatever_the_provider_signs_is_an_event_or_forged(more: dict[str, str]) -> None:
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "sent"} | more
    try:
        events = parse(signed(URL, fields))
    except Forged:
        assert fields["AccountSid"] != ACCOUNT or fields["MessageSid"] != SID
        return
    assert [one.event_id for one in events] == [f"{SID}:{fields['MessageStatus'].lower()}"]


def test_without_a_token_nothing_is_believed() -> None:
    adapter = TwilioAdapter(CHANNEL, values("https://api.example", auth_token=None))
    with pytest.raises(Forged, match="no auth_token"):
        adapter.parse_webhook(signed(URL, {"AccountSid": ACCOUNT}, token=""), NOW)


@pytest.fixture
def heard() -> Any:
    with catcher() as caught, TwilioSandbox(hook_url=f"{caught.url}/h/sms", duplicate=True) as sandbox:
        yield caught, sandbox


def test_an_answer_goes_from_the_sandbox_through_the_adapter_and_a_repeat_has_the_same_id(heard: Any) -> None:
    caught, sandbox = heard
    sandbox.hear("+46701112233", "Stop")
    sandbox.settle()
    events = [one for call in caught.calls for one in parse(call)]
    assert len(events) == 2 and len({one.event_id for one in events}) == 1
    assert events[0].keyword == "stop"
    assert "+46701112233" in sandbox.opted_out


def test_statuses_told_twice_and_backwards_are_the_same_three_events() -> None:
    with catcher() as caught, TwilioSandbox(duplicate=True, reorder=True) as sandbox:
        adapter = TwilioAdapter(CHANNEL, values(sandbox.url, status_callback=caught.url))
        adapter.connect().submit(text_message())
        sandbox.settle()
    kinds = [one.kind for call in caught.calls for one in parse(call)]
    assert kinds == [one for kind in ("delivered", "sent", "queued") for one in [kind, kind]]
    assert all(call.url.startswith(f"{caught.url}/h/sms?r=abc123-1") for call in caught.calls)
