"""Twilio played by the sandbox, and what it calls back to, for the conformance kit and for tests of the adapter."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

from support.smtp_servers import free_port
from tidings.channels.conformance import Behaviour, message
from tidings.channels.protocol import Adapter, ChannelEvent, HookRequest, Outgoing
from tidings.channels.sandbox.twilio import ACCOUNT, TOKEN, TwilioSandbox
from tidings.channels.sandbox.twilio_calls import signature
from tidings.channels.sandbox.twilio_fates import FATES, TAKE, Fate, Manner
from tidings.channels.twilio import TwilioAdapter
from tidings.definitions.kinds.channel import Channel

CHANNEL = Channel("sms", "SMS", "channels/sms.yaml", "twilio", kind="sms", sender="NordicGardn")
NOW = datetime(2027, 3, 2, 9, tzinfo=UTC)

ANSWERS: dict[Behaviour, Fate] = {
    Behaviour.ACCEPTS: TAKE,
    Behaviour.REJECTS_RECIPIENT: FATES["0009"],
    Behaviour.REJECTS_CONTENT: Fate(status=400, code=30007, message="Message filtered, to {to}"),
    Behaviour.REJECTS_CONFIG: Fate(status=400, code=21606, message="Not a sender of yours; to {to}"),
    Behaviour.THROTTLES: FATES["0029"],
    Behaviour.FAILS_FOR_NOW: FATES["0017"],
    Behaviour.CUTS_AFTER_BODY: FATES["5003"],
    Behaviour.SILENT_AFTER_BODY: FATES["5004"],
    Behaviour.CLOSES_WHEN_IDLE: Fate(Manner.TAKE_AND_CLOSE),
    Behaviour.HANGS: Fate(Manner.SILENT_AT_ONCE),
}


@dataclass(slots=True)
class Catcher:
    """A public address: what was called, as the adapter gets it."""

    url: str = ""
    calls: list[HookRequest] = field(default_factory=list)


@contextmanager
def catcher() -> Iterator[Catcher]:
    """Listen on loopback for calls of a provider."""
    caught = Catcher()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            caught.calls.append(HookRequest(caught.url + self.path, headers, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    caught.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield caught
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def values(base_url: str, **more: Any) -> dict[str, Any]:
    """Return option values for a server on this machine, with short timeouts."""
    return {
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "base_url": base_url,
        "connect_timeout": 0.5,
        "answer_timeout": 0.5,
        **more,
    }


def signed(url: str, fields: dict[str, str], token: str = TOKEN) -> HookRequest:
    """Return a call as the provider makes it."""
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": signature(token, url, fields),
    }
    return HookRequest(url, headers, urlencode(fields).encode())


class TwilioStage:
    """The sandbox behaving as told.

    A call is a few hundred octets: whether it was cut before or after it was read cannot be told from this side once it is
    written, so what happens before and within the body is left out. The adapter says in doubt there, too.
    """

    kind = "sms"
    behaviours = frozenset(
        {*ANSWERS, Behaviour.DOWN, Behaviour.TELLS, Behaviour.TELLS_TWICE, Behaviour.FORGES}
    )

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._sandbox: TwilioSandbox | None = None

    def adapter(self, behaviour: Behaviour) -> Adapter:
        self._sandbox = None
        if behaviour is Behaviour.DOWN:
            return TwilioAdapter(CHANNEL, values(f"http://127.0.0.1:{free_port()}"))
        self._sandbox = self._stack.enter_context(TwilioSandbox(answer=ANSWERS[behaviour]))
        return TwilioAdapter(CHANNEL, values(self._sandbox.url))

    def received(self) -> list[bytes]:
        return [] if self._sandbox is None else [one["body"].encode() for one in self._sandbox.messages]

    def told(self, behaviour: Behaviour) -> Sequence[ChannelEvent]:
        twice = behaviour is Behaviour.TELLS_TWICE
        with catcher() as caught, TwilioSandbox(duplicate=twice, reorder=twice) as sandbox:
            adapter = TwilioAdapter(CHANNEL, values(sandbox.url, status_callback=caught.url))
            connection = adapter.connect()
            connection.submit(message(self))
            connection.close()
            sandbox.settle()
            return [event for call in caught.calls for event in adapter.parse_webhook(call, NOW)]

    def forgeries(self) -> Sequence[HookRequest]:
        url = "https://shop.example/h/sms?r=abc123-1"
        fields = {"AccountSid": ACCOUNT, "MessageSid": "SM" + "0" * 32, "MessageStatus": "delivered"}
        true = signed(url, fields)
        hashed = f"{url}&bodySHA256={'0' * 64}"
        json_headers = {
            "content-type": "application/json",
            "x-twilio-signature": signature(TOKEN, hashed, {}),
        }
        unhashed = {"content-type": "application/json", "x-twilio-signature": signature(TOKEN, url, {})}
        named = true.headers["x-twilio-signature"]
        return [
            replace(true, body=true.body.replace(b"delivered", b"failed")),
            replace(true, body=true.body + b"&ErrorCode=30005"),
            replace(true, url=url.replace("abc123-1", "abc123-2")),
            replace(true, url=url.replace("shop.example", "evil.example")),
            replace(true, headers={"content-type": "application/x-www-form-urlencoded"}),
            replace(true, headers={**true.headers, "x-twilio-signature": "é" * 28}),
            replace(true, headers={**true.headers, "x-twilio-signature": named[:-2]}),
            replace(true, body=b"\xff\xfe"),
            replace(true, body=b""),
            replace(true, body=b"a=b&" * 300),
            replace(true, body=b"x" * 100_000),
            signed(url, fields, token="another"),
            signed(url, {**fields, "AccountSid": "AC" + "0" * 32}),
            signed(url, {**fields, "MessageSid": "../../etc"}),
            signed(url, {"AccountSid": ACCOUNT}),
            HookRequest(hashed, json_headers, b'{"MessageStatus": "delivered"}'),
            HookRequest(url, unhashed, b'{"MessageStatus": "delivered"}'),
            HookRequest("http://[broken", true.headers, true.body),
        ]


def text_message(number: int = 1, recipient: str = "+46701112233", text: str = "Spring is here") -> Outgoing:
    """Return a text message to submit."""
    return Outgoing(number, "NordicGardn", recipient, text.encode(), reference=f"abc123-{number}")
