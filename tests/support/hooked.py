"""A provider of the tests: signs its calls, and an adapter that reads them, polls and speaks in-band."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from types import SimpleNamespace

from tidings.channels.protocol import (
    Capabilities,
    ChannelUnavailable,
    Forged,
    Form,
    Inbound,
    Kind,
    Outcome,
    Receipt,
    ReceiptKind,
    Scope,
)
from tidings.clock import from_micros

SECRET = b"provider-secret"
PUBLIC = "https://t.shop.example"


def signed(path, events, *, at, secret=SECRET, url=PUBLIC):
    """Return headers and body of a call that tells these events."""
    body = json.dumps(events).encode()
    stamp = str(int(at.timestamp()))
    seal = hmac.new(secret, f"{url}{path}{stamp}".encode() + body, hashlib.sha256).hexdigest()
    return {"x-signature": seal, "x-timestamp": stamp}, body


class Mailer:
    """An adapter whose provider calls back; a connection of it keeps what it is given in `handed`."""

    name = "mailer"
    options = ()

    def __init__(self, kind="sms", form=Form.TEXT):
        self.capabilities = Capabilities(kind, form=form, receipts="webhook", inbound=True)
        self.handed = []
        self.answers = []
        self.away = False

    def parse_webhook(self, request, now):
        stamp = request.headers.get("x-timestamp", "")
        sealed = f"{request.url}{stamp}".encode() + request.body
        right = hmac.new(SECRET, sealed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, request.headers.get("x-signature", "")):
            raise Forged(f"the signature should have been {right}")
        if abs(now.timestamp() - int(stamp)) > 300:
            raise Forged("signed too long ago")
        return [event_of(one) for one in json.loads(request.body)]

    def connect(self):
        if self.away:
            raise ChannelUnavailable("the provider is away")
        return SimpleNamespace(submit=self._submit, close=lambda: None)

    def _submit(self, outgoing):
        self.handed.append(outgoing)
        answer = self.answers.pop(0) if self.answers else Outcome(Kind.ACCEPTED, provider_ref="ref")
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Asked(Mailer):
    """The same where receipts must be asked for."""

    parse_webhook = None

    def __init__(self, events=()):
        super().__init__()
        self.events = list(events)
        self.asked = []

    def poll(self, outstanding):
        self.asked.append(list(outstanding))
        if self.away:
            raise ChannelUnavailable("the provider is away")
        return list(self.events)


class Spoken(Mailer):
    """The same where events come on the open connection."""

    parse_webhook = None

    def __init__(self, events=()):
        super().__init__()
        self.events = list(events)
        self.forgotten = 0

    def take_events(self):
        taken, self.events = self.events, []
        return taken

    def events_stored(self, count):
        self.forgotten += count


def event_of(told):
    """Return the event that a provider's JSON tells."""
    at = from_micros(told["at"]) if "at" in told else None
    if "text" in told:
        return Inbound(told["id"], told["from"], "+46700000000", told["text"], at, told.get("word", ""))
    return Receipt(
        told["id"],
        ReceiptKind(told["kind"]),
        at,
        reference=told.get("ref", ""),
        address=told.get("addr", ""),
        scope=Scope(told["scope"]) if "scope" in told else None,
        permanent=told.get("permanent", False),
        machine=told.get("machine", False),
        url=told.get("url", ""),
        raw=told.get("raw", {}),
    )


def later(clock, seconds):
    """Return an instant that many seconds after the clock's."""
    return clock.now() + timedelta(seconds=seconds)
