"""What every channel adapter promises: options, capabilities, connections, and one closed set of outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from tidings.definitions.kinds.channel import Channel
from tidings.errors import TidingsError


class ChannelUnavailable(TidingsError):
    """A channel cannot be reached or does not let us in; no message was touched. One sentence, one way out."""


class NotLetIn(ChannelUnavailable):
    """The other side knows us and refuses our credentials: every run by the channel waits until they are mended."""


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


class Form(StrEnum):
    """In which form an adapter wants a finished message: `Outgoing.payload`, and `Outgoing.parts` for parts.

    mime: a whole e-mail. parts: an e-mail as fields, for providers that build it themselves (`payload` is the text part).
    text: the text of an SMS in UTF-8. pages: the pages of a fax as one TIFF, CCITT G4.
    """

    MIME = "mime"
    PARTS = "parts"
    TEXT = "text"
    PAGES = "pages"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an e-mail; `type` is its MIME type.

    With a `content_id` it is a picture inside the page, which calls it `cid:CONTENT_ID`; without, a file beside it.
    """

    name: str
    type: str
    content: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class EmailParts:
    """An e-mail as fields: `sender` is `Name <address>`, `headers` those that must go with it, List-Unsubscribe first."""

    sender: str
    subject: str
    text: str
    html: str | None = None
    reply_to: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


# Not frozen, as its outcome is not: one of each is made for every message, and freezing doubles their price.
@dataclass(slots=True)
class Outgoing:
    """A finished message: `sender` and `recipient` are the bare addresses of the envelope, numbers in E.164.

    `reference` is our name for the message, opaque and without personal data, for providers that echo one.
    `segments` is the text of an SMS cut into its parts, none of them empty, for adapters that send each by itself.
    """

    message_id: int
    sender: str
    recipient: str
    payload: bytes
    parts: EmailParts | None = None
    reference: str = ""
    segments: tuple[str, ...] = ()


@dataclass(slots=True)
class Outcome:
    """The answer to one submit.

    accepted: the other side has taken responsibility; `provider_ref` is its name for the message.
    rejected: it never will; `scope` says what is wrong. A config rejection concerns every message, so the
    channel is paused, unless messages after it are accepted: then it was about this recipient. throttled: not
    now, ask again after `retry_after` seconds. transient: nothing was handed over, try later (`scope` recipient:
    only this one). in_doubt: it may or may not have been taken; never answered where the message certainly was
    not handed over. `detail` is the other side's answer,
    without the recipient's address. `permanent` and `code` say of a rejection what they say of a bounce in a `Receipt`.
    """

    kind: Kind | str
    scope: Scope | str | None = None
    detail: str = ""
    provider_ref: str | None = None
    retry_after: float | None = None
    permanent: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do.

    `kind`: email, sms or fax. `window`: messages that one connection may have in flight, which bounds what a
    killed process leaves in doubt; where it is above 1 the connection has `submit_many`. `connections`: the most
    that make sense at once. `idempotent_submit`: the other side recognises a repeat. `receipts`: none, poll, webhook
    or in_band. `form`: how a finished message is handed over. `by_provider_ref`: receipts name the message only
    by the provider's reference, which is then kept in a table of its own. `inbound`: people can answer.
    `max_bytes` of one message. `delivers` is False for an adapter that only writes files.
    """

    kind: str
    window: int = 1
    connections: int = 8
    idempotent_submit: bool = False
    receipts: str = "none"
    form: Form = Form.MIME
    by_provider_ref: bool = False
    inbound: bool = False
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


@runtime_checkable
class WindowConnection(Connection, Protocol):
    """A connection that takes several messages at once (one call of an API, one window of SMPP)."""

    def submit_many(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Hand over at most `window` messages; one outcome each, in the same order; never raises."""
        ...


class ReceiptKind(StrEnum):
    """What a provider says about a message after it was handed over; a closed set for all channels."""

    QUEUED = "queued"
    SENT = "sent"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One word of a provider about one message.

    `event_id` is unique with this provider: the same event told twice has the same one. `at` is the provider's
    instant, None where it names none. `reference` is ours, echoed; `provider_ref` theirs; one of them finds
    the message. `address` is the recipient's (stored as a hash only). bounced means "will not arrive", whatever
    the provider calls it: `scope` says whether the recipient, the content or our set-up is the reason, `permanent`
    whether the next message would meet the same fate. `machine` is True where the provider says that no human did it.
    `cost` in major units of `currency`; `units` are segments or pages.
    """

    event_id: str
    kind: ReceiptKind
    at: datetime | None = None
    reference: str = ""
    provider_ref: str = ""
    address: str = ""
    scope: Scope | None = None
    permanent: bool = False
    code: str = ""
    detail: str = ""
    machine: bool = False
    url: str = ""
    cost: Decimal | None = None
    currency: str = ""
    units: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inbound:
    """Something that a person sent us: `sender` is their address, `recipient` ours."""

    event_id: str
    sender: str
    recipient: str
    text: str
    at: datetime | None = None
    # Where the provider recognised a word by itself: stop, start or help; empty otherwise.
    keyword: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


ChannelEvent = Receipt | Inbound


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A POST of a provider as it came: `url` is the public one that the provider signed, header names in lower case."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Forged(TidingsError):
    """A webhook that the provider did not sign, signed too long ago, or that cannot be read."""


@runtime_checkable
class Hooked(Protocol):
    """An adapter whose provider calls us back at POST /h/CHANNEL."""

    def parse_webhook(self, request: HookRequest, now: datetime) -> list[ChannelEvent]:
        """Verify first, then read; raises Forged for anything that does not verify. Never opens a connection."""
        ...


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A message whose fate may be asked for: in doubt, or accepted without a final word."""

    message_id: int
    reference: str
    provider_ref: str
    started_at: datetime | None = None


@runtime_checkable
class Polled(Protocol):
    """An adapter that must ask for receipts, or can find out whether the other side has a message in doubt."""

    def poll(self, outstanding: Sequence[Outstanding]) -> list[ChannelEvent]:
        """Return what is known; a message that the other side does not know gets no event. Raises ChannelUnavailable."""
        ...


@runtime_checkable
class InBand(Protocol):
    """An adapter to whose open connections receipts and answers come by themselves."""

    def take_events(self) -> list[ChannelEvent]:
        """Return what came since the last call, at once."""
        ...

    def events_stored(self, count: int) -> None:
        """Say that the first `count` events taken are safe in the store: only now may the other side forget them."""
        ...
