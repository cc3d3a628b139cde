"""What every channel adapter promises: options, capabilities, connections, and one closed set of outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from tidings.definitions.kinds.channel import Channel
from tidings.errors import TidingsError


class ChannelUnavailable(TidingsError):
    """A channel cannot be reached or does not let us in; no message was touched. One sentence, one way out."""


class Kind(StrEnum):
    """What became of one submitted message."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    IN_DOUBT = "in_doubt"


class Scope(StrEnum):
    """What a rejection is about: this recipient, this content, or how the channel is set up."""

    RECIPIENT = "recipient"
    CONTENT = "content"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A finished message: `sender` and `recipient` are the bare addresses of the envelope."""

    message_id: int
    sender: str
    recipient: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one submit.

    accepted: the other side has taken responsibility; `provider_ref` is its name for the message.
    rejected: it never will; `scope` says what is wrong. A config rejection concerns every message, so the
    sender stops. throttled: not now, ask again after `retry_after` seconds. transient: nothing was
    handed over, try later (`scope` recipient: only this one). in_doubt: it may or may not have been taken; never
    answered where the message certainly was not handed over. `detail` is the other side's answer,
    without the recipient's address.
    """

    kind: Kind | str
    scope: Scope | str | None = None
    detail: str = ""
    provider_ref: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do.

    `kind`: email, sms or fax. `window`: messages that one connection may have in flight, which bounds what a
    killed process leaves in doubt. `connections`: the most that make sense at once. `idempotent_submit`: the other
    side recognises a repeat. `receipts`: none, poll, webhook or in_band. `max_bytes` of one message.
    `delivers` is False for an adapter that only writes files.
    """

    kind: str
    window: int = 1
    connections: int = 8
    idempotent_submit: bool = False
    receipts: str = "none"
    max_bytes: int = 10_000_000
    delivers: bool = True


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an adapter, as data: checks and reference pages are made from it.

    `type`: text, whole, number, flag or choice. `secret`: its value comes from an environment variable named under
    `secrets:`, never from the file. `default` None means there is none.
    """

    name: str
    type: str
    sentence: str
    default: str | int | float | bool | None = None
    required: bool = False
    secret: bool = False
    choices: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None


@runtime_checkable
class Connection(Protocol):
    """One open way to the other side, used by one thread at a time."""

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one message and say what became of it; never raises."""
        ...

    def close(self) -> None:
        """End the connection; closing twice is allowed, and it never raises."""
        ...


@runtime_checkable
class Adapter(Protocol):
    """A way to send one kind of message. Made as `AdapterClass(channel, values)` with checked option values."""

    name: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None: ...

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter, with its options, can do."""
        ...

    def connect(self) -> Connection:
        """Open a connection within the configured time; raises ChannelUnavailable with one sentence."""
        ...
