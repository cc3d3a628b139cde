"""A SendGrid to try things against: it takes calls on loopback, keeps what it took, fails on demand and tells events.

Its own validation stands in `sendgrid_rules`, the events in `sendgrid_events`. Nothing is delivered to anybody.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self

from tidings.channels.sandbox.sendgrid_events import Caller, EventKey, Received, events_of
from tidings.channels.sandbox.sendgrid_rules import Answer, Fate, errors_in, fate_of, substituted
from tidings.clock import Clock, SystemClock

_SILENCE = 30.0
_PATIENCE = 10.0


class SendGridSandbox:
    """The server; use it as a context manager, or call `close`.

    `answer` is how calls go from now on and may be set while it runs. `fates` are rules (pattern, fate) for
    recipients. `limit` calls are taken in each `limit_seconds`; more get 429. `hook_url` is where events go, nowhere
    when empty.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str = "SG.sandbox",
        hook_url: str = "",
        fates: Sequence[tuple[str, Fate]] = (),
        answer: Answer = Answer.TAKE,
        limit: int = 0,
        limit_seconds: int = 60,
        duplicate: float = 0.0,
        reorder: bool = False,
        clock: Clock | None = None,
        chance: Random | None = None,
    ) -> None:
        self.answer = answer
        self.api_key = api_key
        self.fates = list(fates)
        self.received: list[Received] = []
        self.requests: list[dict[str, Any]] = []
        self.clock = clock or SystemClock()
        self.key = EventKey()
        self.ended = threading.Event()
        self._limit, self._limit_seconds = limit, limit_seconds
        self._window, self._taken = 0, 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.port = int(self._server.server_address[1])
        chance = chance or Random(1)
        self.caller = (
            Caller(hook_url, self.key, self.clock, chance, duplicate=duplicate, reorder=reorder)
            if hook_url
            else None
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Return what stands as `base_url` in a channel."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_key(self) -> str:
        """Return the webhook's public key as the provider shows it."""
        return self.key.public

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop taking calls and telling events."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        if self.caller is not None:
            self.caller.close()

    def over_limit(self) -> dict[str, str] | None:
        """Count a call; return the headers of a 429 when it is one too many."""
        now = int(self.clock.now().timestamp())
        if self.answer is Answer.THROTTLE:
            return {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(now + 2)}
        if not self._limit:
            return None
        with self._lock:
            window = now // self._limit_seconds
            if window != self._window:
                self._window, self._taken = window, 0
            self._taken += 1
            if self._taken <= self._limit:
                return None
        reset = (window + 1) * self._limit_seconds
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(reset),
        }

    def take(self, body: dict[str, Any]) -> str:
        """Keep the messages of a good request, tell their events, and return the id of the call."""
        now = int(self.clock.now().timestamp())
        with self._lock:
            self.requests.append(body)
            count = len(self.requests)
            digest = blake2b(f"{self.public_key}{count}".encode(), digest_size=11).hexdigest()
            parts = {part["type"]: part["value"] for part in body["content"]}
            events: list[dict[str, Any]] = []
            for number, person in enumerate(body["personalizations"]):
                own = person.get("substitutions", {})
                recipient = person["to"][0]["email"]
                message = Received(
                    digest,
                    recipient,
                    body["from"]["email"],
                    substituted(person.get("subject", body.get("subject", "")), own),
                    substituted(parts.get("text/plain", ""), own),
                    substituted(parts.get("text/html", ""), own),
                    {**body.get("headers", {}), **person.get("headers", {})},
                    person.get("custom_args", {}),
                    fate_of(recipient, self.fates),
                    attachments=body.get("attachments", []),
                )
                message.events = events_of(message, number, now)
                self.received.append(message)
                events += message.events
        if self.caller is not None and events:
            self.caller.tell(events)
        return digest


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what some tests are about: no word of it."""


def _handler(sandbox: SendGridSandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _PATIENCE

        def do_GET(self) -> None:
            if sandbox.answer is Answer.SILENT:
                self._silent()
            elif self.path == "/sandbox/messages":
                self._reply(200, [asdict(one) for one in list(sandbox.received)])
            elif not self._known():
                self._errors(401, "the provided authorization grant is invalid, expired, or revoked")
            elif self.path == "/v3/scopes":
                self._reply(200, {"scopes": ["mail.send"]})
            else:
                self._errors(404, "not found")

        def do_POST(self) -> None:
            answer = sandbox.answer
            if answer in (Answer.SILENT, Answer.SILENT_BEFORE_BODY):
                self._silent()
                return
            size = int(self.headers.get("Content-Length") or 0)
            if answer is Answer.CUT_IN_BODY:
                self.rfile.read(min(size, 1000))
                self._cut()
                return
            raw = self.rfile.read(size)
            if answer is Answer.SILENT_AFTER_BODY:
                self._silent()
            elif answer is Answer.CUT_AFTER_BODY:
                self._cut()
            elif not self._known() or answer is Answer.REJECT_KEY:
                self._errors(401, "the provided authorization grant is invalid, expired, or revoked")
            elif self.path != "/v3/mail/send":
                self._errors(404, "not found")
            else:
                self._send(answer, raw)

        def _send(self, answer: Answer, raw: bytes) -> None:
            throttled = sandbox.over_limit()
            if throttled is not None:
                self._reply(429, {"errors": [{"message": "too many requests", "field": None}]}, throttled)
                return
            try:
                body = json.loads(raw)
            except ValueError:
                self._errors(400, "Bad Request")
                return
            wrong = errors_in(body, len(raw))
            if wrong:
                self._reply(400, {"errors": wrong})
            elif answer in _REFUSALS:
                status, message, field, headers = _REFUSALS[answer]
                self._reply(status, {"errors": [{"message": message, "field": field, "help": None}]}, headers)
            else:
                taken = sandbox.take(body)
                if answer is Answer.TAKE_AND_CUT:
                    self._cut()
                else:
                    self._reply(202, None, {"X-Message-Id": taken})

        def _known(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {sandbox.api_key}"

        def _silent(self) -> None:
            sandbox.ended.wait(_SILENCE)
            self.close_connection = True

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _errors(self, status: int, message: str) -> None:
            self._reply(status, {"errors": [{"message": message, "field": None, "help": None}]})

        def _reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            raw = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if raw:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """The sandbox prints what matters itself."""

    return Handler


_REFUSALS: dict[Answer, tuple[int, str, str | None, dict[str, str]]] = {
    Answer.REJECT_RECIPIENT: (400, "does not contain a valid address", "personalizations.0.to.0.email", {}),
    Answer.REJECT_CONTENT: (
        400,
        "the content value must be a string at least one sign long",
        "content.0.value",
        {},
    ),
    Answer.REJECT_SENDER: (403, "the from address does not match a verified sender identity", "from", {}),
    Answer.TOO_LARGE: (413, "the request is too large", None, {}),
    Answer.UNAVAILABLE: (503, "the service is not available", None, {"Retry-After": "2"}),
    Answer.FAIL: (500, "something went wrong", None, {}),
}
