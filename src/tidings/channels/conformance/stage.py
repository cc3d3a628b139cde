"""The stage that plays the other side of an adapter, what it can be asked to do, and the messages that are submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from tidings.channels.protocol import (
    Adapter,
    ChannelEvent,
    Connection,
    HookRequest,
    Kind,
    Outcome,
    Outgoing,
    Scope,
)


class Behaviour(StrEnum):
    """What the other side does with the next message."""

    ACCEPTS = "accepts"
    REJECTS_RECIPIENT = "rejects the recipient"
    REJECTS_CONTENT = "rejects the content"
    REJECTS_CONFIG = "rejects us"
    THROTTLES = "throttles"
    FAILS_FOR_NOW = "fails for now"
    CUTS_BEFORE_BODY = "cuts the connection before the body"
    CUTS_IN_BODY = "cuts the connection within the body"
    CUTS_AFTER_BODY = "cuts the connection after the body"
    SILENT_BEFORE_BODY = "says nothing before the body"
    SILENT_AFTER_BODY = "says nothing after the body"
    CLOSES_WHEN_IDLE = "closes the connection between two messages"
    DOWN = "is not there"
    HANGS = "takes the connection and says nothing"
    TELLS = "tells what became of a message"
    TELLS_TWICE = "tells it twice and out of order"
    FORGES = "is somebody else"


class Stage(Protocol):
    """The other side of one adapter, played.

    `kind` is email (the default, also when the attribute is missing), sms or fax. A stage may have further methods:
    `outgoing(number, recipient, payload)` makes a message as this adapter wants it; `same(outgoing, received)`
    compares what was taken with what was submitted; `oversize()` makes a message that is too large; `told(behaviour)`
    submits one message and returns the events that the adapter read about it (TELLS, TELLS_TWICE); `forgeries()`
    returns webhooks that nobody may believe, the first of them a true one that was changed (FORGES).
    """

    behaviours: frozenset[Behaviour]

    def adapter(self, behaviour: Behaviour) -> Adapter:
        """Return the adapter, with timeouts of about a second, against the other side behaving so."""
        ...

    def received(self) -> list[bytes]:
        """Return the messages that the other side took responsibility for since `adapter` was called."""
        ...


class NotConforming(AssertionError):
    """The adapter breaks the protocol."""


Check = Callable[[Any], None]

BODY = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/RgNC40LLQtdGC\r\n"
)
RECIPIENTS = {"email": "anna@example.com", "sms": "+46701112233", "fax": "+46812345678"}
SENDERS = {"email": "shop@example.com", "sms": "NordicGardn", "fax": "+46850001000"}
TEXT = "Spring is here: 25% off until the 16th."


def kind_of(stage: Stage) -> str:
    """Return the kind of messages that a stage's adapter carries."""
    return str(getattr(stage, "kind", "email"))


def outgoing(number: int = 1, *, recipient: str = RECIPIENTS["email"], payload: bytes = BODY) -> Outgoing:
    """Return an e-mail to submit."""
    return Outgoing(number, SENDERS["email"], recipient, payload, reference=f"abc123-{number}")


def message(
    stage: Stage, number: int = 1, *, recipient: str | None = None, payload: bytes | None = None
) -> Outgoing:
    """Return a message of the stage's kind; the stage may make it itself."""
    kind = kind_of(stage)
    to = RECIPIENTS[kind] if recipient is None else recipient
    own = getattr(stage, "outgoing", None)
    if own is not None:
        made: Outgoing = own(number, to, payload)
        return made
    content = payload if payload is not None else BODY if kind == "email" else TEXT.encode()
    return Outgoing(number, SENDERS[kind], to, content, reference=f"abc123-{number}")


def same(stage: Stage, sent: Outgoing, got: bytes) -> bool:
    """Tell whether what was taken is what was submitted, up to line ends at the end."""
    own = getattr(stage, "same", None)
    return bool(own(sent, got)) if own is not None else got.rstrip() == sent.payload.rstrip()


def need(holds: bool, sentence: str) -> None:
    """Raise NotConforming with the sentence unless it holds."""
    if not holds:
        raise NotConforming(sentence)


def submit(stage: Stage, behaviour: Behaviour, sent: Outgoing | None = None) -> Outcome:
    """Submit one message over a connection of its own."""
    connection: Connection = stage.adapter(behaviour).connect()
    try:
        return connection.submit(sent or message(stage))
    finally:
        connection.close()


def expect(stage: Stage, behaviour: Behaviour, kind: Kind, scope: Scope | None = None) -> Outcome:
    """Submit one message and require an outcome, with a detail that does not hold the address."""
    outcome = submit(stage, behaviour)
    need(outcome.kind == kind, f"when the other side {behaviour}, the outcome is {kind}, not {outcome}")
    if scope is not None:
        need(outcome.scope == scope, f"when the other side {behaviour}, the scope is {scope}, not {outcome}")
    if kind != Kind.ACCEPTED:
        need(bool(outcome.detail), f"{kind} needs a detail that says why")
        address = RECIPIENTS[kind_of(stage)].lstrip("+")
        need(address not in outcome.detail, "a detail may not hold the recipient's address")
    return outcome


def events_of(stage: Stage, behaviour: Behaviour) -> Sequence[ChannelEvent]:
    """Return what the adapter read about one message."""
    told: Callable[[Behaviour], Sequence[ChannelEvent]] = stage.told  # type: ignore[attr-defined]
    return told(behaviour)


def forgeries_of(stage: Stage) -> Sequence[HookRequest]:
    """Return webhooks that nobody may believe."""
    forgeries: Callable[[], Sequence[HookRequest]] = stage.forgeries  # type: ignore[attr-defined]
    return forgeries()
