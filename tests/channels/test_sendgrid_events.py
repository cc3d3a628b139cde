"""The signed webhook: nothing unsigned or old is read, every event gets one meaning, what is odd is kept."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.sendgrid_stage import CHANNEL, values
from tidings.channels.protocol import Forged, Hooked, HookRequest, Receipt, ReceiptKind, Scope
from tidings.channels.sandbox.sendgrid_events import EventKey
from tidings.channels.sendgrid import SendGridAdapter
from tidings.channels.sendgrid.events import MAX_BODY, MAX_EVENTS, receipt_of

NOW = datetime(2027, 3, 2, 9, tzinfo=UTC)
KEY = EventKey()
URL = "https://t.shop.example/h/email"


def call(body: bytes, *, key: EventKey = KEY, at: datetime = NOW, **headers: str) -> HookRequest:
    stamp = str(int(at.timestamp()))
    given = {
        "x-twilio-email-event-webhook-signature": key.sign(body, stamp),
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    return HookRequest(URL, given | {name.replace("_", "-"): value for name, value in headers.items()}, body)


def adapter(webhook_key: str = KEY.public) -> SendGridAdapter:
    return SendGridAdapter(CHANNEL, values("http://127.0.0.1:9", webhook_key=webhook_key))


def parse(*events: Any) -> list[Any]:
    return adapter().parse_webhook(call(json.dumps(events).encode() + b"\r\n"), NOW)


def event(name: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "anna@example.com",
        "timestamp": 1803978000,
        "event": name,
        "sg_event_id": f"id-{name}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "mid": "ab12cd-42",
        **more,
    }


def test_the_adapter_is_one_that_is_called_back() -> None:
    assert isinstance(adapter(), Hooked)


def test_an_event_names_the_message_by_our_reference_and_theirs() -> None:
    [receipt] = parse(event("delivered", response="250 OK for anna@example.com", category="spring"))
    assert receipt.kind is ReceiptKind.DELIVERED
    assert (receipt.reference, receipt.provider_ref) == ("ab12cd-42", "14c5d75ce93.dfd.64b469")
    assert (receipt.event_id, receipt.at, receipt.address) == ("id-delivered", NOW, "anna@example.com")
    assert receipt.detail == "250 OK for (recipient)"
    assert "email" not in receipt.raw
    assert receipt.raw["category"] == "spring"


@pytest.mark.parametrize(
    ("given", "kind", "scope", "permanent"),
    [
        (event("processed"), ReceiptKind.QUEUED, None, False),
        (event("deferred", response="451 4.7.1 later"), ReceiptKind.DEFERRED, None, False),
        (event("bounce", type="bounce", status="5.1.1", reason="550 5.1.1 x"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("bounce", type="bounce", reason="550 5.1.1 x"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("bounce", type="bounce", status="5.2.1"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("bounce", type="bounce", status="5.2.2"), ReceiptKind.BOUNCED, Scope.RECIPIENT, False),
        (event("bounce", type="bounce", status="5.0.0", reason="552 mailbox full"), ReceiptKind.BOUNCED, Scope.RECIPIENT, False),
        (event("bounce", type="bounce", status="5.7.1"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
        (event("bounce", type="bounce", status="4.4.7"), ReceiptKind.BOUNCED, None, False),
        (event("bounce", type="bounce", bounce_classification="Invalid Address"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("bounce", type="bounce", bounce_classification="Reputation"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
        (event("bounce", type="bounce"), ReceiptKind.BOUNCED, Scope.RECIPIENT, False),
            (event("bounce", type="bounce", reason="550 No such user here"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
            (event("bounce", type="bounce", status="5.0.0", reason="550 Blocked by policy, sender IP listed at Spamhaus"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
            (event("bounce", type="bounce", reason="550 Message rejected as spam by Content Filtering"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
            (event("bounce", type="bounce", status="550", reason="550 rejected due to DMARC policy"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
            (event("bounce", type="bounce", status="5.0.0", bounce_classification="Unclassified", reason="550 Blocked"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
            (event("bounce", type="bounce", status="", reason="552 mailbox full"), ReceiptKind.BOUNCED, Scope.RECIPIENT, False),
        (event("bounce", type="blocked", status="5.1.1"), ReceiptKind.BOUNCED, Scope.RECIPIENT, False),
        (event("bounce", type="blocked", bounce_classification="Content"), ReceiptKind.BOUNCED, Scope.CONTENT, False),
        (event("bounce", type="blocked"), ReceiptKind.BOUNCED, None, False),
        (event("dropped", reason="Invalid"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("dropped", reason="Invalid SMTPAPI header"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
        (event("dropped", reason="Bounced Address"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("dropped", reason="Unsubscribed Address"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("dropped", reason="Spam Reporting Address"), ReceiptKind.BOUNCED, Scope.RECIPIENT, True),
        (event("dropped", reason="Spam Content (if Spam Checker app enabled)"), ReceiptKind.BOUNCED, Scope.CONTENT, False),
        (event("dropped", reason="Recipient List over Package Quota"), ReceiptKind.BOUNCED, Scope.CONFIG, False),
        (event("dropped", reason="a new one"), ReceiptKind.BOUNCED, None, False),
        (event("open"), ReceiptKind.OPENED, None, False),
        (event("click", url="https://shop.example/"), ReceiptKind.CLICKED, None, False),
        (event("spamreport"), ReceiptKind.COMPLAINED, None, False),
        (event("unsubscribe"), ReceiptKind.UNSUBSCRIBED, None, False),
        (event("group_unsubscribe", asm_group_id=1), ReceiptKind.UNSUBSCRIBED, None, False),
        (event("group_resubscribe", asm_group_id=1), ReceiptKind.RESUBSCRIBED, None, False),
        (event("account_status_change", type="compliance_suspend"), ReceiptKind.OTHER, None, False),
    ],
)  # fmt: skip
def test_each_event_means_one_thing(given: Any, kind: ReceiptKind, scope: Any, permanent: bool) -> None:
    [receipt] = parse(given)
    assert (receipt.kind, receipt.scope, receipt.permanent) == (kind, scope, permanent)


def test_a_machine_that_opens_is_told_from_a_person() -> None:
    assert [one.machine for one in parse(event("open", sg_machine_open=True), event("open"))] == [True, False]


def test_a_click_has_its_url_and_an_unknown_event_its_name() -> None:
    click, other = parse(event("click", url="https://shop.example/a"), event("brand_new"))
    assert click.url == "https://shop.example/a"
    assert (other.kind, other.code) == (ReceiptKind.OTHER, "brand_new")


def test_a_category_may_be_one_or_a_list() -> None:
    one, many = parse(event("open", category="a"), event("open", category=["a", "b"]))
    assert (one.raw["category"], many.raw["category"]) == ("a", '["a", "b"]')


def test_an_event_without_an_id_is_known_by_its_words() -> None:
    bare = event("open")
    del bare["sg_event_id"]
    first, again, other = parse(bare, dict(reversed(bare.items())), {**bare, "timestamp": 1})
    assert first.event_id == again.event_id != other.event_id


BODY = json.dumps([event("open")]).encode()


@pytest.mark.parametrize(
    "request_",
    [
        call(BODY, key=EventKey()),
        call(BODY, at=NOW - timedelta(minutes=6)),
        call(BODY, at=NOW + timedelta(minutes=6)),
        call(BODY, x_twilio_email_event_webhook_signature=""),
        call(BODY, x_twilio_email_event_webhook_signature="not base64 !"),
        call(BODY, x_twilio_email_event_webhook_signature="YQ=="),
        call(BODY, x_twilio_email_event_webhook_timestamp=""),
        call(BODY, x_twilio_email_event_webhook_timestamp="1e9"),
        call(BODY, x_twilio_email_event_webhook_timestamp="٣"),
        call(BODY, x_twilio_email_event_webhook_timestamp=str(int(NOW.timestamp()) + 1)),
        HookRequest(URL, {}, BODY),
        HookRequest(URL, call(BODY).headers, BODY + b" "),
        call(b"\xff\xfe"),
        call(b"{}"),
        call(b"[" * 200_000),
        call(b"no json"),
        call(b" " * (MAX_BODY + 1)),
        call(json.dumps([{}] * (MAX_EVENTS + 1)).encode()),
    ],
    ids=range(18),
)
def test_what_does_not_verify_is_refused(request_: HookRequest) -> None:
    with pytest.raises(Forged):
        adapter().parse_webhook(request_, NOW)


def test_without_a_key_nothing_is_believed() -> None:
    with pytest.raises(Forged, match="webhook_key"):
        adapter("").parse_webhook(call(BODY), NOW)


def test_a_key_that_is_none_says_so() -> None:
    with pytest.raises(Forged, match="public key"):
        adapter("abc").parse_webhook(call(BODY), NOW)


def test_two_keys_are_believed_while_one_replaces_the_other() -> None:
    other = EventKey()
    both = adapter(f"{other.public},{KEY.public}")
    for key in (KEY, other):
        assert len(both.parse_webhook(call(BODY, key=key), NOW)) == 1


def test_a_key_as_pem_is_read_too() -> None:
    pem = f"-----BEGIN PUBLIC KEY-----\n{KEY.public}\n-----END PUBLIC KEY-----\n"
    assert len(adapter(pem).parse_webhook(call(BODY), NOW)) == 1


def test_the_official_verifier_agrees_with_the_sandbox() -> None:
    from sendgrid.helpers.eventwebhook import EventWebhook

    signature = KEY.sign(BODY, "1803978000")
    assert EventWebhook(KEY.public).verify_signature(BODY.decode(), signature, "1803978000")
    assert base64.b64decode(KEY.public)


def test_what_no_database_takes_is_cleaned() -> None:
    body = (
        b'[{"event": "open\\u0000", "email": "a\\ud83c@b.example", "reason": "\\ud83c", "x": NaN, "mid": 7}]'
    )
    [receipt] = adapter().parse_webhook(call(body), NOW)
    assert receipt.kind is ReceiptKind.OPENED
    json.dumps(receipt.raw, allow_nan=False).encode()
    assert "\0" not in repr(receipt)
    receipt.address.encode()
    assert receipt.reference == ""


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    "event email timestamp sg_event_id sg_message_id mid reason status type url category".split()
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(names, anything, max_size=8), st.sampled_from(["bounce", "dropped", "open", "x"]))
def test_no_event_however_odd_makes_it_stumble(odd: dict[str, Any], name: str) -> None:
    receipt = receipt_of({"event": name, **odd})
    assert isinstance(receipt, Receipt)
    assert receipt.event_id
    receipt.detail.encode()
    json.dumps(receipt.raw, ensure_ascii=False).encode()
