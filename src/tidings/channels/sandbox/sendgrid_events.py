"""Events of the sandbox: made from the fate of a message, signed with a key of its own, posted to the webhook."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tidings.channels.sandbox.sendgrid_rules import Fate
from tidings.clock import Clock
from tidings.errors import UsageError

_ATTEMPTS = 5
_LINK = re.compile(r"https?://[^\s\"'<>]+")

# What follows `processed` for each fate: the event and its own fields.
_STORY: dict[Fate, tuple[tuple[str, dict[str, Any]], ...]] = {
    Fate.DELIVER: (("delivered", {"response": "250 OK"}),),
    Fate.BOUNCE: (
        (
            "bounce",
            {
                "type": "bounce",
                "status": "5.1.1",
                "reason": "550 5.1.1 the mailbox of {email} does not exist",
                "bounce_classification": "Invalid Address",
            },
        ),
    ),
    Fate.FULL: (
        (
            "bounce",
            {
                "type": "bounce",
                "status": "5.2.2",
                "reason": "552 5.2.2 mailbox full",
                "bounce_classification": "Mailbox Unavailable",
            },
        ),
    ),
    Fate.BLOCK: (
        (
            "bounce",
            {
                "type": "blocked",
                "status": "5.7.1",
                "reason": "550 5.7.1 mail from this address is not welcome",
                "bounce_classification": "Reputation",
            },
        ),
    ),
    Fate.DEFER: (
        ("deferred", {"response": "451 4.7.1 try again later", "attempt": "1"}),
        ("delivered", {"response": "250 OK"}),
    ),
    Fate.SPAMREPORT: (("delivered", {"response": "250 OK"}), ("spamreport", {})),
    Fate.UNSUBSCRIBE: (("delivered", {"response": "250 OK"}), ("unsubscribe", {})),
    Fate.OPEN: (("delivered", {"response": "250 OK"}), ("open", {"sg_machine_open": False})),
    Fate.MACHINE_OPEN: (("delivered", {"response": "250 OK"}), ("open", {"sg_machine_open": True})),
    Fate.CLICK: (("delivered", {"response": "250 OK"}), ("click", {})),
}
_DROPPED = {Fate.DROP: "Bounced Address", Fate.DROP_UNSUBSCRIBED: "Unsubscribed Address"}


@dataclass(slots=True)
class Received:
    """One message that the sandbox took for one recipient, its substitutions applied."""

    message_id: str
    recipient: str
    sender: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    custom_args: dict[str, str]
    fate: Fate
    events: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, str]] = field(default_factory=list)


class EventKey:
    """A key pair of the sandbox."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> str:
        """Return the public key as the provider shows it: base64 of its DER form, on one line."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()

    def sign(self, body: bytes, timestamp: str) -> str:
        """Return the signature of a call: ECDSA with SHA-256 over timestamp and raw body, in base64."""
        return base64.b64encode(self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()


def events_of(message: Received, number: int, now: int) -> list[dict[str, Any]]:
    """Return the events that tell a message's fate, in the order in which they happen; `number` makes their ids."""
    if message.fate is Fate.SILENCE:
        return []
    if message.fate in _DROPPED:
        story: list[tuple[str, Mapping[str, Any]]] = [("dropped", {"reason": _DROPPED[message.fate]})]
    else:
        story = [("processed", {}), *_STORY[message.fate]]
    made = []
    for step, (name, own) in enumerate(story):
        event: dict[str, Any] = {
            "email": message.recipient,
            "timestamp": now + step,
            "event": name,
            "smtp-id": f"<{message.message_id}@sandbox.invalid>",
            "sg_event_id": base64.urlsafe_b64encode(
                f"{message.message_id}.{number}.{step}".encode()
            ).decode(),
            "sg_message_id": f"{message.message_id}.filterdrecv-sandbox-1-{number}.0",
            **message.custom_args,
        }
        for key, value in own.items():
            event[key] = value.replace("{email}", message.recipient) if isinstance(value, str) else value
        if name in ("open", "click"):
            event |= {"ip": "192.0.2.1", "useragent": "Mozilla/5.0 (sandbox)"}
        if name == "click":
            links = _LINK.findall(message.html) or _LINK.findall(message.text)
            event |= {
                "url": links[0] if links else "https://sandbox.invalid/",
                "url_offset": {"index": 0, "type": "html"},
            }
        made.append(event)
    return made


class Caller:
    """Posts events to a webhook in a thread of its own, as many as are waiting at once, and again when refused.

    `duplicate` is the share of events told twice; with `reorder` those waiting are shuffled. Chance comes from `chance`.
    """

    def __init__(
        self, url: str, key: EventKey, clock: Clock, chance: Random, *, duplicate: float, reorder: bool
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"the webhook is not a web address: {url}")
        self.calls: list[tuple[int, bytes]] = []
        self._url, self._key, self._clock, self._chance = url, key, clock, chance
        self._duplicate, self._reorder = duplicate, reorder
        self._waiting: list[dict[str, Any]] = []
        self._change = threading.Condition()
        self._busy = self._ended = False
        self._thread = threading.Thread(target=self._run, name="sandbox-events", daemon=True)
        self._thread.start()

    def tell(self, events: list[dict[str, Any]]) -> None:
        """Put events into the queue."""
        with self._change:
            self._waiting += events
            self._waiting += [one for one in events if self._chance.random() < self._duplicate]
            if self._reorder:
                self._chance.shuffle(self._waiting)
            self._change.notify_all()

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything was told, at most that long; False when something is left."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self) -> None:
        """Stop; what waits is dropped."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                batch, self._waiting = self._waiting[:500], self._waiting[500:]
                self._busy = True
            self._post(batch)

    def _post(self, batch: list[dict[str, Any]]) -> None:
        # The real service ends its bodies with CRLF, which is part of what is signed.
        body = json.dumps(batch, separators=(",", ":")).encode() + b"\r\n"
        for attempt in range(_ATTEMPTS):
            stamp = str(int(self._clock.now().timestamp()))
            headers = {
                "Content-Type": "application/json",
                "X-Twilio-Email-Event-Webhook-Signature": self._key.sign(body, stamp),
                "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
            }
            status = _status(self._url, body, headers)
            self.calls.append((status, body))
            if 200 <= status < 300 or self._ended:
                return
            self._clock.sleep(0.2 * 2**attempt)


def _status(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Return the status of a call, 0 where nobody answered."""
    # The webhook is ours and near: a proxy of the environment would not find it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310
        with opener.open(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, ValueError):
        return 0
