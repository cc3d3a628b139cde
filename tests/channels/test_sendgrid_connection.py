"""The adapter against the sandbox: what goes into calls, what their answers mean, what is never sent."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from channels.sendgrid_letters import personal
from support.sendgrid_stage import CHANNEL, values
from support.smtp_servers import free_port
from tidings.channels.protocol import (
    ChannelUnavailable,
    EmailParts,
    Form,
    Kind,
    Outgoing,
    Scope,
    WindowConnection,
)
from tidings.channels.sandbox.sendgrid import SendGridSandbox
from tidings.channels.sandbox.sendgrid_rules import Answer
from tidings.channels.sendgrid import SendGridAdapter, connection
from tidings.channels.sendgrid.answers import outcome_of


@pytest.fixture
def play() -> Iterator[Callable[..., SendGridSandbox]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(SendGridSandbox(**options))


def open_connection(sandbox: SendGridSandbox, **more: Any) -> Any:
    return SendGridAdapter(CHANNEL, values(sandbox.url, **more)).connect()


def test_a_window_of_a_hundred_is_one_call_and_everybody_gets_their_own_message(play: Any) -> None:
    sandbox = play()
    batch = [personal(number) for number in range(100)]
    outcomes = open_connection(sandbox).submit_many(batch)
    assert {one.kind for one in outcomes} == {Kind.ACCEPTED}
    assert len(sandbox.requests) == 1
    got = {one.custom_args["mid"]: one for one in sandbox.received}
    for outgoing in batch:
        one = got[outgoing.reference]
        assert outgoing.parts is not None
        assert (one.recipient, one.text, one.html) == (
            outgoing.recipient,
            outgoing.parts.text,
            outgoing.parts.html,
        )
        assert one.subject == outgoing.parts.subject
        assert one.headers == dict(outgoing.parts.headers)
        assert one.custom_args == {"mid": outgoing.reference}
    assert {one.provider_ref for one in outcomes} == {sandbox.received[0].message_id}


def test_the_connection_is_one_for_windows_and_says_what_it_wants() -> None:
    adapter = SendGridAdapter(CHANNEL, values("http://127.0.0.1:9", batch=250, webhook_key="k"))
    assert isinstance(
        connection.SendGridConnection(None, most=1, batch=1, ip_pool="", tracking=False), WindowConnection
    )
    assert adapter.capabilities.form is Form.PARTS
    assert (adapter.capabilities.window, adapter.capabilities.receipts) == (250, "webhook")
    assert adapter.capabilities.connections <= 4


def test_without_a_webhook_key_there_are_no_receipts() -> None:
    assert SendGridAdapter(CHANNEL, values("http://127.0.0.1:9")).capabilities.receipts == "none"


def test_an_address_twice_in_a_window_makes_two_calls(play: Any) -> None:
    sandbox = play()
    batch = [personal(1), personal(2, recipient="C1@example.com"), personal(3)]
    assert [one.kind for one in open_connection(sandbox).submit_many(batch)] == [Kind.ACCEPTED] * 3
    assert len(sandbox.requests) == 2


def test_a_recipient_named_by_a_refusal_is_left_out_and_the_others_are_sent(
    play: Any, monkeypatch: Any
) -> None:
    sandbox = play()
    # An address that our own door lets through and the service does not.
    monkeypatch.setattr("tidings.channels.sandbox.sendgrid_rules._address", _only_recipients)
    outcomes = open_connection(sandbox).submit_many([personal(number) for number in range(10)])
    assert [number for number, one in enumerate(outcomes) if one.kind == Kind.REJECTED] == [5]
    assert outcomes[5].scope == Scope.RECIPIENT
    assert "c5@example.com" not in outcomes[5].detail
    assert sorted(one.recipient for one in sandbox.received) == sorted(
        f"c{n}@example.com" for n in range(10) if n != 5
    )


def _only_recipients(value: Any, at: str, *, required: bool) -> Iterator[tuple[str, str]]:
    if value["email"].startswith("c5"):
        yield f"{at}.email", f"does not contain a valid address: {value['email']}"


def test_an_unnamed_refusal_is_narrowed_down_to_the_one_message(play: Any, monkeypatch: Any) -> None:
    sandbox = play()

    def wrong(body: Any, size: int) -> list[dict[str, Any]]:
        bad = any(one["custom_args"]["mid"] == "ab12cd-7" for one in body["personalizations"])
        return [{"message": "Bad Request", "field": None}] if bad else []

    monkeypatch.setattr("tidings.channels.sandbox.sendgrid.errors_in", wrong)
    outcomes = open_connection(sandbox).submit_many([personal(number) for number in range(20)])
    assert [number for number, one in enumerate(outcomes) if one.kind != Kind.ACCEPTED] == [7]
    assert outcomes[7].scope == Scope.CONTENT
    assert len(sandbox.received) == 19


def test_a_call_that_is_too_large_is_halved(play: Any, monkeypatch: Any) -> None:
    sandbox = play()
    monkeypatch.setattr("tidings.channels.sendgrid.request.MAX_REQUEST", 12_000)
    outcomes = open_connection(sandbox).submit_many([personal(number) for number in range(30)])
    assert {one.kind for one in outcomes} == {Kind.ACCEPTED}
    assert len(sandbox.requests) > 1
    assert len(sandbox.received) == 30


def test_a_single_message_that_the_service_finds_too_large_is_its_content(play: Any) -> None:
    outcome = open_connection(play(answer=Answer.TOO_LARGE)).submit(personal(1))
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONTENT)


@pytest.mark.parametrize(
    ("answer", "first", "rest"),
    [
        (Answer.REJECT_KEY, Kind.REJECTED, Kind.REJECTED),
        (Answer.REJECT_SENDER, Kind.REJECTED, Kind.REJECTED),
        (Answer.THROTTLE, Kind.THROTTLED, Kind.THROTTLED),
        (Answer.UNAVAILABLE, Kind.TRANSIENT, Kind.TRANSIENT),
        (Answer.FAIL, Kind.IN_DOUBT, Kind.TRANSIENT),
        (Answer.CUT_AFTER_BODY, Kind.IN_DOUBT, Kind.TRANSIENT),
        (Answer.TAKE_AND_CUT, Kind.IN_DOUBT, Kind.TRANSIENT),
        (Answer.SILENT_AFTER_BODY, Kind.IN_DOUBT, Kind.TRANSIENT),
        # Small enough to be written whole before anybody reads it: from here it looks like silence afterwards.
        (Answer.SILENT_BEFORE_BODY, Kind.IN_DOUBT, Kind.TRANSIENT),
    ],
)
def test_after_a_failed_call_the_rest_of_the_window_is_not_sent(
    play: Any, answer: Answer, first: Kind, rest: Kind
) -> None:
    sandbox = play(answer=answer)
    batch = [personal(1), personal(2), personal(3, text="another\nnumber\nof lines")]
    outcomes = open_connection(sandbox).submit_many(batch)
    assert [one.kind for one in outcomes] == [first, first, rest]
    assert all(one.detail for one in outcomes)
    if answer is Answer.TAKE_AND_CUT:
        assert len(sandbox.received) == 2
    else:
        assert sandbox.received == []


def test_a_key_that_is_not_known_is_said_before_anything_is_sent(play: Any) -> None:
    with pytest.raises(ChannelUnavailable, match="does not know the key"):
        open_connection(play(), api_key="SG.wrong")


def test_the_limit_of_calls_says_how_long_to_wait(play: Any) -> None:
    opened = open_connection(play(limit=1, limit_seconds=60))
    assert opened.submit(personal(1)).kind == Kind.ACCEPTED
    outcome = opened.submit(personal(2))
    assert outcome.kind == Kind.THROTTLED
    assert 0 < (outcome.retry_after or 0) <= 60


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "scope"),
    [
        (202, {"x-message-id": "m1"}, b"", Kind.ACCEPTED, None),
        (200, {}, b"", Kind.IN_DOUBT, None),
        (302, {"location": "http://elsewhere.example/"}, b"", Kind.REJECTED, Scope.CONFIG),
        (400, {}, b"Bad Request", Kind.REJECTED, Scope.CONTENT),
        (400, {}, b'{"errors": [{"field": "from.email", "message": "x"}]}', Kind.REJECTED, Scope.CONFIG),
        (400, {}, b'{"errors": [{"field": "personalizations.0.to.0.email", "message": "x"}]}', Kind.REJECTED, Scope.RECIPIENT),
        (400, {}, b'{"errors": [{"field": "personalizations.0.headers", "message": "x"}]}', Kind.REJECTED, Scope.CONTENT),
        (400, {}, b'{"errors": "' + b"[" * 9000, Kind.REJECTED, Scope.CONTENT),
        (401, {}, b"", Kind.REJECTED, Scope.CONFIG),
        (403, {}, b"", Kind.REJECTED, Scope.CONFIG),
        (404, {}, b"", Kind.REJECTED, Scope.CONFIG),
        (413, {}, b"", Kind.REJECTED, Scope.CONTENT),
        (418, {}, b"", Kind.REJECTED, Scope.CONFIG),
        (429, {}, b"", Kind.THROTTLED, None),
        (500, {}, b"", Kind.IN_DOUBT, None),
        (502, {}, b"", Kind.IN_DOUBT, None),
        (503, {}, b"", Kind.IN_DOUBT, None),
        (503, {"retry-after": "5"}, b"", Kind.TRANSIENT, None),
        (504, {}, b"", Kind.IN_DOUBT, None),
    ],
)  # fmt: skip
def test_each_status_means_one_outcome(
    status: int, headers: Any, body: bytes, kind: Kind, scope: Any
) -> None:
    outcome = outcome_of(status, headers, body)
    assert (outcome.kind, outcome.scope) == (kind, scope)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (
            {"x-ratelimit-reset": "1804060830", "date": "Tue, 02 Mar 2027 09:00:00 GMT"},
            30.0 + 1804060800 - 1803978000,
        ),
        ({"x-ratelimit-reset": "1803978030", "date": "Tue, 02 Mar 2027 09:00:00 GMT"}, 30.0),
        ({"x-ratelimit-reset": "12"}, 12.0),
        ({"x-ratelimit-reset": "1"}, 1.0),
        ({"x-ratelimit-reset": "soon", "retry-after": "7"}, 7.0),
        ({}, 60.0),
    ],
)
def test_a_throttle_waits_until_the_limit_is_renewed_by_the_services_clock(
    headers: Any, seconds: float
) -> None:
    wait = outcome_of(429, headers, b"").retry_after
    assert wait == pytest.approx(min(seconds, 3600.0))


def test_what_the_service_says_is_told_without_addresses() -> None:
    body = b'{"errors": [{"field": "personalizations.0.to.0.email", "message": "anna@example.com\\nis bad"}]}'
    detail = outcome_of(400, {}, body).detail
    assert "anna" not in detail
    assert "\n" not in detail


@pytest.mark.parametrize(
    ("change", "scope"),
    [
        ({"subject": "a\r\nBcc: x@example.com"}, Scope.CONTENT),
        ({"subject": "  "}, Scope.CONTENT),
        ({"subject": "a\u2028b"}, Scope.CONTENT),
        ({"text": "a\0b"}, Scope.CONTENT),
        ({"text": "half \ud83c"}, Scope.CONTENT),
        ({"text": "", "html": None}, Scope.CONTENT),
        ({"sender": "Shop\r\nBcc: x@example.com <hello@shop.example>"}, Scope.CONFIG),
        ({"sender": "no address"}, Scope.CONFIG),
        ({"reply_to": "a b@example.com"}, Scope.CONFIG),
        ({"reply_to": "A\nB <a@example.com>"}, Scope.CONFIG),
        ({"headers": (("X-A", "b\r\nBcc: x@example.com"),)}, Scope.CONTENT),
        ({"headers": (("X-A: y\r\nX-B", "b"),)}, Scope.CONTENT),
        ({"headers": (("X-Ä", "b"),)}, Scope.CONTENT),
        ({"headers": (("Subject", "b"),)}, Scope.CONFIG),
        ({"headers": (("X-A", "b"), ("x-a", "c"))}, Scope.CONFIG),
        ({"headers": (("X-A", 3),)}, Scope.CONTENT),
        ({"recipient": "a@b.example\r\nx"}, Scope.RECIPIENT),
    ],
)  # fmt: skip
def test_nothing_that_could_become_another_header_leaves_us(play: Any, change: Any, scope: Scope) -> None:
    sandbox = play()
    outcomes = open_connection(sandbox).submit_many([personal(1), personal(2, **change), personal(3)])
    assert [one.kind for one in outcomes] == [Kind.ACCEPTED, Kind.REJECTED, Kind.ACCEPTED]
    assert outcomes[1].scope == scope
    assert len(sandbox.received) == 2


def test_a_message_in_one_piece_is_refused_for_our_set_up(play: Any) -> None:
    outcome = open_connection(play()).submit(Outgoing(1, "a@shop.example", "b@example.com", b"From: a"))
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONFIG)


def test_a_redirect_is_not_followed_with_the_key() -> None:
    asked: list[str] = []
    with _http(lambda handler: _redirect(handler, asked)) as url:
        opened = SendGridAdapter(CHANNEL, values(url)).connect()
        outcome = opened.submit(personal(1))
    assert (outcome.kind, outcome.scope) == (Kind.REJECTED, Scope.CONFIG)
    assert "/stolen" not in asked


def _redirect(handler: Any, asked: list[str]) -> None:
    asked.append(handler.path)
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    handler.send_response(302)
    handler.send_header("Location", "/stolen")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@contextmanager
def _http(answer: Callable[[Any], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_the_key_never_goes_over_an_open_line_to_another_machine() -> None:
    adapter = SendGridAdapter(CHANNEL, values("http://mail.example"))
    with pytest.raises(ChannelUnavailable, match="in the clear"):
        adapter.connect()


def test_a_base_url_wins_over_the_region() -> None:
    port = free_port()
    adapter = SendGridAdapter(CHANNEL, values(f"http://127.0.0.1:{port}/", region="eu"))
    with pytest.raises(ChannelUnavailable, match=f"127.0.0.1:{port}"):
        adapter.connect()


def test_the_client_waits_no_longer_than_told(play: Any) -> None:
    opened = open_connection(play(), connect_timeout=0.3, answer_timeout=0.7)
    assert opened._api.client.timeout == 0.7
    assert opened._api.client.mail.send.connect_timeout == 0.3
    assert opened._api.client.mail.send.timeout == 0.7


def test_the_clients_log_keeps_the_key_and_the_addresses_to_itself(play: Any, caplog: Any) -> None:
    opened = open_connection(play())
    with caplog.at_level("DEBUG"):
        opened.submit(personal(1))
    assert "SG.sandbox" not in caplog.text
    assert "c1@example.com" not in caplog.text


def test_a_slow_answer_is_waited_for_longer_than_a_connection() -> None:
    with _http(_slow) as url:
        opened = SendGridAdapter(CHANNEL, values(url, connect_timeout=0.2, answer_timeout=5.0)).connect()
        assert opened.submit(personal(1)).kind == Kind.ACCEPTED


def _slow(handler: Any) -> None:
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    time.sleep(0.6)
    handler.send_response(202)
    handler.send_header("X-Message-Id", "m1")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize("tracking", [False, True])
def test_the_providers_own_tracking_is_off_unless_asked_for(play: Any, tracking: bool) -> None:
    sandbox = play()
    open_connection(sandbox, tracking=tracking).submit(personal(1))
    settings = sandbox.requests[0]["tracking_settings"]
    assert settings["click_tracking"] == {"enable": tracking, "enable_text": tracking}
    assert settings["open_tracking"] == {"enable": tracking}
    assert settings["subscription_tracking"] == settings["ganalytics"] == {"enable": False}


def test_a_batch_whose_recipients_are_refused_one_by_one_ends_with_an_outcome_for_each() -> None:
    calls: list[int] = []

    def post(request_body: dict[str, Any]) -> Any:
        calls.append(len(request_body["personalizations"]))
        told = {"message": "no address", "field": "personalizations.0.to.0.email"}
        return SimpleNamespace(status_code=400, headers={}, body=json.dumps({"errors": [told]}).encode())

    mail = SimpleNamespace(send=SimpleNamespace(post=post))
    api: Any = SimpleNamespace(client=SimpleNamespace(mail=mail))
    made = connection.SendGridConnection(api, most=10**6, batch=600, ip_pool="", tracking=False)
    batch = [
        Outgoing(
            n,
            "s@example.com",
            f"a{n}@example.com",
            b"x",
            EmailParts("S <s@example.com>", "Hi", f"Hello {n}\n"),
            f"abc-{n}",
        )
        for n in range(600)
    ]
    outcomes = made.submit_many(batch)
    assert {(one.kind, one.scope, one.permanent) for one in outcomes} == {("rejected", "recipient", True)}
    assert (len(outcomes), calls[:3], calls[-1]) == (600, [600, 599, 598], 1)
