"""The Twilio adapter against the sandbox: what goes out, what each answer means, what is asked for afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from support.smtp_servers import free_port
from support.twilio_stage import CHANNEL, catcher, text_message, values
from tidings.channels.protocol import (
    ChannelUnavailable,
    Hooked,
    Kind,
    Outstanding,
    Polled,
    ReceiptKind,
    Scope,
)
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox
from tidings.channels.sandbox.twilio_fates import Fate
from tidings.channels.twilio import TwilioAdapter
from tidings.channels.twilio.codes import VERDICTS, outcome_of
from tidings.channels.twilio.connection import TwilioConnection
from tidings.clock import SystemClock


@pytest.fixture
def sandbox() -> Iterator[TwilioSandbox]:
    with TwilioSandbox() as running:
        yield running


def submit(sandbox: TwilioSandbox, message: Any = None, **more: Any) -> Any:
    connection = TwilioAdapter(CHANNEL, values(sandbox.url, **more)).connect()
    try:
        return connection.submit(message or text_message())
    finally:
        connection.close()


def test_a_message_goes_out_as_it_is_and_the_answer_names_it(sandbox: TwilioSandbox) -> None:
    text = "It’s 25 % off – 七五折 🌷 & more = better + cheaper"
    outcome = submit(sandbox, text_message(text=text))
    assert outcome.kind == Kind.ACCEPTED
    assert outcome.provider_ref == sandbox.messages[0]["sid"]
    assert sandbox.requests == [
        {"To": "+46701112233", "Body": text, "From": "NordicGardn", "SmartEncoded": "false"}
    ]


def test_the_callback_carries_our_reference_and_nothing_about_the_person(sandbox: TwilioSandbox) -> None:
    submit(
        sandbox, replace(text_message(), reference="a1b2c3-77 &x"), status_callback="https://shop.example/"
    )
    assert sandbox.requests[0]["StatusCallback"] == "https://shop.example/h/sms?r=a1b2c3-77%20%26x"


def test_a_messaging_service_stands_in_for_the_sender_and_the_validity_goes_along(
    sandbox: TwilioSandbox,
) -> None:
    service = "MG" + "ab" * 16
    outcome = submit(sandbox, replace(text_message(), sender=""), messaging_service=service, validity=3600)
    assert outcome.kind == Kind.ACCEPTED
    asked = sandbox.requests[0]
    assert (asked["MessagingServiceSid"], asked["ValidityPeriod"]) == (service, "3600")
    assert "From" not in asked


@pytest.mark.parametrize(
    ("ending", "kind", "scope"),
    [
        ("0001", Kind.REJECTED, Scope.RECIPIENT),
        ("0002", Kind.REJECTED, Scope.RECIPIENT),
        ("0003", Kind.REJECTED, Scope.RECIPIENT),
        ("0004", Kind.REJECTED, Scope.RECIPIENT),
        ("0009", Kind.REJECTED, Scope.RECIPIENT),
        ("0034", Kind.REJECTED, Scope.CONFIG),
        ("0017", Kind.TRANSIENT, None),
        ("0029", Kind.THROTTLED, None),
        ("5000", Kind.IN_DOUBT, None),
        ("5001", Kind.IN_DOUBT, None),
        ("5002", Kind.IN_DOUBT, None),
        ("5003", Kind.IN_DOUBT, None),
    ],
)
def test_each_answer_means_what_the_table_says(
    sandbox: TwilioSandbox, ending: str, kind: Kind, scope: Scope | None
) -> None:
    outcome = submit(sandbox, text_message(recipient=f"+4670111{ending}"))
    assert (outcome.kind, outcome.scope) == (kind, scope)
    assert outcome.detail and "4670111" not in outcome.detail


def test_a_number_that_opted_out_is_refused_with_the_code_in_the_detail(sandbox: TwilioSandbox) -> None:
    sandbox.hear("+46701112233", "stop ")
    outcome = submit(sandbox)
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.RECIPIENT)
    assert (outcome.code, outcome.permanent) == ("21610", True)
    assert "21610" in outcome.detail and "+46701112233" not in outcome.detail
    sandbox.hear("+46701112233", "START")
    assert submit(sandbox).kind == Kind.ACCEPTED


def test_a_throttle_says_how_long_and_takes_the_providers_word_for_it(sandbox: TwilioSandbox) -> None:
    assert submit(sandbox, text_message(recipient="+46701110029")).retry_after == 2.0
    assert outcome_of(429, 20429, "Too Many Requests").retry_after == 5.0


@pytest.mark.parametrize(
    ("status", "code", "kind", "scope"),
    [
        (400, 21211, Kind.REJECTED, Scope.RECIPIENT),
        (400, 21614, Kind.REJECTED, Scope.RECIPIENT),
        (400, 30005, Kind.REJECTED, Scope.RECIPIENT),
        (400, 30006, Kind.REJECTED, Scope.RECIPIENT),
        (400, 21610, Kind.REJECTED, Scope.RECIPIENT),
        (400, 21408, Kind.REJECTED, Scope.RECIPIENT),
        (400, 21606, Kind.REJECTED, Scope.CONFIG),
        (400, 30034, Kind.REJECTED, Scope.CONFIG),
        (400, 30007, Kind.REJECTED, Scope.CONTENT),
        (429, 20429, Kind.THROTTLED, None),
        (400, 30001, Kind.THROTTLED, None),
        (429, None, Kind.THROTTLED, None),
        (400, 30003, Kind.TRANSIENT, Scope.RECIPIENT),
        (400, 30008, Kind.TRANSIENT, None),
        (400, 30017, Kind.TRANSIENT, None),
        (401, 20003, Kind.REJECTED, Scope.CONFIG),
        (403, None, Kind.REJECTED, Scope.CONFIG),
        (404, 20404, Kind.REJECTED, Scope.CONFIG),
        (500, 20500, Kind.IN_DOUBT, None),
        (503, None, Kind.IN_DOUBT, None),
        (400, 99999, Kind.REJECTED, Scope.CONTENT),
        (302, None, Kind.REJECTED, Scope.CONFIG),
    ],
)
def test_every_kind_of_error_has_its_outcome(
    status: int, code: int | None, kind: Kind, scope: Scope | None
) -> None:
    outcome = outcome_of(status, code, "To: +46 70 111 22 33 is bad\r\nX: y")
    assert (outcome.kind, outcome.scope) == (kind, scope)
    assert "111 22" not in outcome.detail and "\n" not in outcome.detail
    assert (outcome.retry_after is not None) == (kind == Kind.THROTTLED)


def test_only_the_recipients_matters_are_permanent() -> None:
    assert all(one.scope == Scope.RECIPIENT for one in VERDICTS.values() if one.permanent)
    assert not VERDICTS[30003].permanent and VERDICTS[30005].permanent


@pytest.mark.parametrize(
    ("change", "scope"),
    [
        ({"recipient": "46701112233"}, Scope.RECIPIENT),
        ({"recipient": "+4670\r\n"}, Scope.RECIPIENT),
        ({"sender": "A name of many signs"}, Scope.CONFIG),
        ({"sender": ""}, Scope.CONFIG),
        ({"payload": b"\xff"}, Scope.CONTENT),
        ({"payload": b" \n"}, Scope.CONTENT),
        ({"payload": b"x" * 1601}, Scope.CONTENT),
    ],
)
def test_what_cannot_be_sent_is_refused_before_a_call(
    sandbox: TwilioSandbox, change: dict[str, Any], scope: Scope
) -> None:
    outcome = submit(sandbox, replace(text_message(), **change))
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, scope)
    assert sandbox.requests == []


def test_a_server_that_is_gone_when_a_message_is_due_took_nothing() -> None:
    with TwilioSandbox() as sandbox:
        connection = TwilioAdapter(CHANNEL, values(sandbox.url)).connect()
        connection._http.session.close()
    outcome = connection.submit(text_message())
    assert outcome.kind == Kind.TRANSIENT and "did not go out" in outcome.detail


def test_a_wrong_token_is_one_sentence_when_connecting(sandbox: TwilioSandbox) -> None:
    with pytest.raises(ChannelUnavailable, match="does not know the account") as raised:
        TwilioAdapter(CHANNEL, values(sandbox.url, auth_token="wrong")).connect()
    assert "auth_token" in raised.value.what_to_do and "wrong" not in str(raised.value)


@pytest.mark.parametrize(
    ("base_url", "sentence"),
    [
        ("http://203.0.113.5", "in the clear"),
        ("ftp://x.example", "not a web address"),
        ("nothing", "not a web"),
    ],
)
def test_the_token_goes_nowhere_in_the_clear(base_url: str, sentence: str) -> None:
    with pytest.raises(ChannelUnavailable, match=sentence):
        TwilioAdapter(CHANNEL, values(base_url)).connect()


def test_variables_of_the_process_send_the_call_nowhere_else(
    sandbox: TwilioSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    assert submit(sandbox).kind == Kind.ACCEPTED


def test_one_connection_is_kept_for_many_messages(sandbox: TwilioSandbox) -> None:
    connection = TwilioAdapter(CHANNEL, values(sandbox.url)).connect()
    made = []
    pools = connection._http.session.get_adapter(sandbox.url).poolmanager.pools
    for number in range(5):
        assert connection.submit(text_message(number)).kind == Kind.ACCEPTED
        made.append([pools[key].num_connections for key in pools.keys()])  # noqa: SIM118
    connection.close()
    assert made == [[1]] * 5


def test_the_adapter_can_be_called_back_and_asked() -> None:
    adapter = TwilioAdapter(CHANNEL, values("https://api.example"))
    assert isinstance(adapter, Hooked) and isinstance(adapter, Polled)
    assert adapter.capabilities.receipts == "poll"
    called = TwilioAdapter(CHANNEL, values("https://api.example", status_callback="https://shop.example"))
    assert called.capabilities.receipts == "webhook"
    assert called.capabilities.inbound and called.capabilities.window == 1


def test_asking_tells_the_fate_the_segments_and_the_price(sandbox: TwilioSandbox) -> None:
    adapter = TwilioAdapter(CHANNEL, values(sandbox.url))
    connection = adapter.connect()
    refs = [
        connection.submit(text_message(1, text="新" * 71)).provider_ref,
        connection.submit(text_message(2, recipient="+46701113005")).provider_ref,
    ]
    asked = [Outstanding(number, f"abc123-{number}", ref) for number, ref in enumerate(refs, start=1)]
    unknown = Outstanding(3, "abc123-3", "SM" + "0" * 32)
    good, bad = adapter.poll([*asked, unknown, Outstanding(4, "abc123-4", "")])
    assert (good.kind, good.reference, good.provider_ref) == (ReceiptKind.DELIVERED, "abc123-1", refs[0])
    assert (good.units, good.cost, good.currency) == (2, Decimal("0.0079"), "USD")
    assert good.event_id == f"{refs[0]}:delivered:price" and good.at is not None
    assert (bad.kind, bad.scope, bad.permanent, bad.code) == (
        ReceiptKind.BOUNCED,
        Scope.RECIPIENT,
        True,
        "30005",
    )


def test_about_many_messages_the_list_is_asked_and_not_each_by_itself(
    sandbox: TwilioSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, now = TwilioAdapter(CHANNEL, values(sandbox.url)), SystemClock().now()
    connection = adapter.connect()
    refs = [connection.submit(text_message(number)).provider_ref for number in range(60)]
    asked = [Outstanding(number, f"abc123-{number}", ref, now) for number, ref in enumerate(refs)]
    monkeypatch.setattr(TwilioConnection, "fetched", lambda *_: pytest.fail("one was asked for by itself"))
    told = adapter.poll(asked)
    assert {(one.provider_ref, one.reference) for one in told} == {
        (one.provider_ref, one.reference) for one in asked
    }
    asked_by_itself: list[str] = []
    monkeypatch.setattr(TwilioConnection, "fetched", lambda _, name: asked_by_itself.append(name))
    past = [replace(one, started_at=now - timedelta(days=2)) for one in asked]
    assert adapter.poll(past) == []
    assert len(asked_by_itself) == 20


def test_asking_for_nothing_opens_no_connection_and_a_dead_server_is_said() -> None:
    adapter = TwilioAdapter(CHANNEL, values(f"http://127.0.0.1:{free_port()}"))
    assert adapter.poll([Outstanding(1, "abc123-1", "")]) == []
    with pytest.raises(ChannelUnavailable):
        adapter.poll([Outstanding(1, "abc123-1", "SM" + "0" * 32)])


def test_a_doubt_is_found_by_number_text_and_time_only_where_one_message_fits(sandbox: TwilioSandbox) -> None:
    adapter = TwilioAdapter(CHANNEL, values(sandbox.url))
    lost = text_message(7, recipient="+46701115001", text="Yours: https://t.example/s/AbC7")
    connection = adapter.connect()
    now = SystemClock().now()
    assert adapter.look_up(lost, now) is None
    assert connection.submit(lost).kind == Kind.IN_DOUBT
    found = adapter.look_up(lost, now)
    assert found is not None
    assert (found.reference, found.provider_ref) == ("abc123-7", sandbox.messages[0]["sid"])
    assert found.kind == ReceiptKind.DELIVERED
    assert adapter.look_up(replace(lost, payload=b"another text"), now) is None
    assert adapter.look_up(replace(lost, recipient="+46701115000"), now) is None
    assert adapter.look_up(lost, now - timedelta(hours=1)) is None
    assert adapter.look_up(lost, now + timedelta(hours=1)) is None
    connection.submit(lost)
    assert adapter.look_up(lost, now) is None


def test_the_callback_alone_ends_a_doubt(sandbox: TwilioSandbox) -> None:
    with catcher() as caught:
        adapter = TwilioAdapter(CHANNEL, values(sandbox.url, status_callback=caught.url))
        doubtful = text_message(9, recipient="+46701115002")
        assert adapter.connect().submit(doubtful).kind == Kind.IN_DOUBT
        sandbox.settle()
        events = [one for call in caught.calls for one in adapter.parse_webhook(call, SystemClock().now())]
    assert {one.reference for one in events} == {"abc123-9"}
    assert [one.kind for one in events] == [ReceiptKind.QUEUED, ReceiptKind.SENT, ReceiptKind.DELIVERED]


def test_what_answers_like_no_twilio_is_said_when_connecting_and_is_a_doubt_later(
    sandbox: TwilioSandbox,
) -> None:
    with catcher() as caught, pytest.raises(ChannelUnavailable) as raised:
        TwilioAdapter(CHANNEL, values(caught.url)).connect()
    assert raised.value.what_to_do
    sandbox.answer = Fate(status=200, code=1, message="what is this?")
    connection = TwilioAdapter(CHANNEL, values(sandbox.url)).connect()
    assert connection.submit(text_message()).kind == Kind.IN_DOUBT


def test_neither_account_token_nor_number_is_written_to_the_log(
    sandbox: TwilioSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    submit(sandbox)
    assert TOKEN not in caplog.text and "+4670" not in caplog.text and ACCOUNT not in caplog.text
