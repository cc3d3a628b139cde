"""What people write back: a wish to stop or to start again, a question who we are, or an answer to a message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.customers.addresses import AddressReader
from tidings.customers.leaving import start, stop
from tidings.customers.permission import address_columns
from tidings.customers.suppression import lift_own, suppress
from tidings.delivery.notices import plan_notice
from tidings.delivery.receipt_rows import COLUMNS, bounded, clean, inbox_name, instant, short_id, tuples
from tidings.responses.classify import BY_ANSWER
from tidings.responses.networks import Networks
from tidings.responses.notice_texts import notice_text
from tidings.responses.storing import Arrived, apply, prepare
from tidings.responses.words import Word, word_of
from tidings.store.batches import insert_rows, next_ids
from tidings.store.database import Store
from tidings.store.tables import people, sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Inbound

_AT_ONCE = 50
_SOURCE = "answer"
_receipts = sending.receipts


@dataclass(frozen=True, slots=True)
class House:
    """Who answers: the workspace, and what its purposes and channels are. Without a title nobody is answered.

    `always_sent` are the names of the transactional purposes, `kinds` the kind of each channel by its id; `networks` are
    those that hits are judged by, the bundled list when None.
    """

    salt: str
    title: str = ""
    postal_address: str = ""
    locale: str = "en"
    country: str | None = None
    always_sent: tuple[str, ...] = ()
    kinds: Mapping[str, str] | None = None
    networks: Networks | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of answers: wishes that changed something, answers to messages, and what was told before."""

    stopped: int = 0
    started: int = 0
    helped: int = 0
    replies: int = 0
    ignored: int = 0
    duplicates: int = 0

    def __add__(self, other: Answered) -> Answered:
        return Answered(
            self.stopped + other.stopped,
            self.started + other.started,
            self.helped + other.helped,
            self.replies + other.replies,
            self.ignored + other.ignored,
            self.duplicates + other.duplicates,
        )


@dataclass(frozen=True, slots=True)
class _Heard:
    """One answer with what is known of its sender: address, hash, customers with it, their last message.

    `readings` are all that the sender's number may mean; where customers are known by some, the others are left out.
    """

    event: Inbound
    event_id: str
    at: int
    word: Word | None
    readings: tuple[tuple[str, str], ...]
    customers: tuple[int, ...] = ()
    locale: str | None = None
    message: int | None = None

    @property
    def address(self) -> str | None:
        """The most likely address, None where the sender's is none."""
        return self.readings[0][0] if self.readings else None

    @property
    def hashed(self) -> str | None:
        """Its hash."""
        return self.readings[0][1] if self.readings else None

    @property
    def certain(self) -> bool:
        """Tell whether there is one address that it can be."""
        return len(self.readings) == 1


def take_answers(
    store: Store, channel: str, provider: str, events: Sequence[Inbound], *, kind: str, house: House, now: int
) -> Answered:
    """Store answers and let them take effect, each in one transaction with its row in the inbox: once, however often told."""
    result = Answered()
    for part in store.paced("answers").chunks(list(events), _AT_ONCE):
        with store.read() as connection:
            heard = _hear(connection, part, channel, provider, kind, house, now)
        result += Answered(duplicates=len(part) - len(heard))
        if heard:
            with store.durable("answers") as connection:
                for one in heard:
                    result += _take(connection, one, channel, provider, kind, house, now)
    return result


def _hear(
    connection: sa.Connection,
    events: Sequence[Inbound],
    channel: str,
    provider: str,
    kind: str,
    house: House,
    now: int,
) -> list[_Heard]:
    """Read what is known of the senders of events that are not in the inbox yet."""
    name = inbox_name(provider, channel)
    by_id = {f"in:{short_id(event.event_id)}": event for event in events}
    told = set(
        connection.execute(
            sa.select(_receipts.c.event_id).where(
                _receipts.c.provider == name, _receipts.c.event_id.in_(list(by_id))
            )
        ).scalars()
    )
    reader = AddressReader(house.salt, kind, house.country)
    heard = []
    for event_id, event in by_id.items():
        if event_id not in told:
            word = word_of(event.text, event.keyword)
            at = instant(event.at, now)
            heard.append(_Heard(event, event_id, at, word, reader.readings(event.sender)))
    known = _customers(connection, kind, [reading for one in heard for reading in one.readings])
    last = _last_messages(connection, kind, house, [row.id for rows in known.values() for row in rows])
    return [_with_sender(one, known, last) for one in heard]


def _with_sender(one: _Heard, known: Mapping[str, Sequence[Any]], last: Mapping[int, int]) -> _Heard:
    matched = tuple(reading for reading in one.readings if known.get(reading[1]))
    rows = [row for _, hashed in matched for row in known[hashed]]
    messages = [last[row.id] for row in rows if row.id in last]
    return _Heard(
        one.event,
        one.event_id,
        one.at,
        one.word,
        matched or one.readings,
        tuple(row.id for row in rows),
        next((row.locale for row in rows if row.locale), None),
        max(messages, default=None),
    )


def _customers(
    connection: sa.Connection, kind: str, readings: Sequence[tuple[str, str]]
) -> dict[str, list[Any]]:
    """Return the customers with each address, by its hash; one look for all of them."""
    if not readings:
        return {}
    address, hashed = address_columns(kind)
    by_address = dict(readings)
    rows = connection.execute(
        sa.select(
            people.customers.c.id, people.customers.c.locale, address.label("address"), hashed.label("hash")
        )
        .where(
            sa.or_(
                hashed.in_(list(by_address.values())),
                # A hash may be missing where a customer was imported long ago.
                sa.and_(hashed.is_(None), address.in_(list(by_address))),
            ),
            people.customers.c.tombstoned_at.is_(None),
        )
        .order_by(people.customers.c.id)
    )
    known: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        known[row.hash or by_address[row.address] or ""].append(row)
    return known


def _last_messages(
    connection: sa.Connection, kind: str, house: House, customers: Sequence[int]
) -> dict[int, int]:
    """Return the last message of the kind that each customer was sent."""
    if not customers:
        return {}
    messages = sending.messages
    channels = [channel for channel, its in (house.kinds or {}).items() if its == kind] or [kind]
    rows = connection.execute(
        sa.select(messages.c.customer_id, sa.func.max(messages.c.id))
        .where(
            messages.c.customer_id.in_(list(customers)),
            messages.c.channel.in_(channels),
            messages.c.started_at.is_not(None),
        )
        .group_by(messages.c.customer_id)
    )
    return {customer: message for customer, message in rows}  # noqa: C416


def _take(
    connection: sa.Connection, one: _Heard, channel: str, provider: str, kind: str, house: House, now: int
) -> Answered:
    (receipt,) = next_ids(connection, _receipts, 1)
    name = inbox_name(provider, channel)
    row = {
        "id": receipt,
        "provider": name,
        "event_id": one.event_id,
        "kind": "inbound",
        "message_id": one.message,
        "address_hash": one.hashed,
        "at": one.at,
        "received_at": now,
        "raw": {"said": bounded(one.event.raw), "text": clean(one.event.text, 4_000), "word": one.word},
        "channel": channel,
        "state": "ignored" if one.address is None else "applied",
        **dict.fromkeys(
            ("reference", "provider_ref", "scope", "code", "detail", "cost", "currency", "units")
        ),
        "permanent": False,
    }
    if not insert_rows(connection, _receipts, tuples([row]), COLUMNS, ignore_conflicts=True):
        return Answered(duplicates=1)
    if one.address is None or one.hashed is None:
        return Answered(ignored=1)
    if one.word is None:
        return Answered(replies=_respond(connection, one, name, "reply", now))
    changed = _obey(connection, one, kind, house, now)
    if changed and one.word is Word.STOP:
        _respond(connection, one, name, "stop", now)
    # Where the provider recognised the word by itself it has answered by itself.
    # One that may be two numbers, and is known by neither, is not answered: it could be a stranger's.
    answerable = one.certain or one.customers
    if changed and house.title and not one.event.keyword and answerable:
        plan_notice(
            connection,
            channel=channel,
            kind=str(one.word),
            address=one.address,
            address_hash=one.hashed,
            customer_id=one.customers[0] if one.customers else None,
            body=notice_text(
                one.word, (one.locale, house.locale), title=house.title, where=house.postal_address
            ),
            event_id=one.event_id,
            now=now,
        )
    return Answered(
        stopped=one.word is Word.STOP and changed,
        started=one.word is Word.START and changed,
        helped=one.word is Word.HELP,
    )


def _obey(connection: sa.Connection, one: _Heard, kind: str, house: House, now: int) -> bool:
    """Do what the word asks for and return whether anything is different now."""
    assert one.hashed is not None
    if one.word is Word.HELP:
        return True
    if one.word is Word.STOP:
        if one.customers:
            return stop(
                connection,
                one.customers,
                kind,
                always_sent=house.always_sent,
                source=_SOURCE,
                at=one.at,
                now=now,
            )
        # A list, not a generator: every reading is suppressed, whatever the first one says.
        every = [suppress(connection, kind, hashed, "manual", _SOURCE, now) for _, hashed in one.readings]
        return True in every
    if one.customers and not one.certain:
        # Two customers it may be: the wish of one must not open the door to the other.
        return False
    if not one.customers:
        every = [lift_own(connection, kind, hashed, _SOURCE, now) for _, hashed in one.readings]
        return True in every
    lifted = lift_own(connection, kind, one.hashed, _SOURCE, now)
    granted = start(connection, one.customers, kind, source=_SOURCE, at=one.at, now=now)
    return lifted or granted


def _respond(connection: sa.Connection, one: _Heard, provider: str, kind: str, now: int) -> int:
    """Store the answer as a response to the last message that the address was sent."""
    if one.message is None:
        return 0
    record: dict[str, Any] = {"k": kind, "at": one.at, "m": one.message, "method": BY_ANSWER}
    if one.event.raw.get("automatic"):
        record["machine"] = True
    arrived = [Arrived(f"answer:{provider}:{one.event_id}", 0, record)]
    return apply(connection, prepare(connection, arrived, now=now), salt="", now=now)["responses"]
