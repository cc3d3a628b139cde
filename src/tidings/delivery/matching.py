"""Which message a receipt is about: by our reference, by the provider's, or by its number and the right recipient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.customers.permission import address_columns
from tidings.delivery.reference import Referrer
from tidings.delivery.withdrawing import kind_of
from tidings.store.tables import people, sending

# The message is one of ours, and not one that this channel can say anything about.
FOREIGN = 0
# How far back messages are looked through for a reference that stands in no table of its own.
_DAYS_BACK = 10 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Sought:
    """What a receipt says about its message.

    `ledger_id` is a message id read out of a mail. Whatever a receipt names is not `proved` where anybody can write it:
    every reader of a message of ours knows its reference, and so how those of others look. Such a one counts only with the
    `seal` of its message, which nobody else has seen.
    """

    channel: str
    kind: str
    reference: str = ""
    provider_ref: str = ""
    address_hash: str | None = None
    ledger_id: int | None = None
    proved: bool = True
    seal: str = ""


def is_foreign(sought: Sought, referrer: Referrer) -> bool:
    """Tell whether a receipt names a message that is not of this store."""
    return bool(sought.reference) and referrer.message_of(sought.reference) is None


def find_messages(
    connection: sa.Connection,
    wanted: Sequence[Sought],
    referrer: Referrer,
    *,
    now: int,
    deep: bool,
    kinds: Mapping[str, str],
) -> list[int | None]:
    """Return the message of each, None where there is none (yet), and FOREIGN where it went out by another channel.

    `deep` looks through the messages of the last ten days for references of the provider that were not kept in
    `provider_refs`; that reads a lot, so it is not for every second.
    """
    found: list[int | None] = [None] * len(wanted)
    _by_reference(connection, wanted, referrer, found)
    _by_provider_ref(connection, wanted, found)
    _by_number(connection, wanted, referrer, found)
    if deep:
        _by_looking(connection, wanted, found, now)
    return _of_channel(connection, wanted, found, kinds)


def _of_channel(
    connection: sa.Connection,
    wanted: Sequence[Sought],
    found: Sequence[int | None],
    kinds: Mapping[str, str],
) -> list[int | None]:
    """A provider is believed about the messages of its own channel; a mail, about those of its kind."""
    messages = sending.messages
    ids = sorted({one for one in found if one is not None})
    if not ids:
        return list(found)
    channels = dict(
        connection.execute(sa.select(messages.c.id, messages.c.channel).where(messages.c.id.in_(ids))).all()
    )
    right: list[int | None] = []
    for one, message in zip(wanted, found, strict=True):
        if message is not None:
            channel = channels[message]
            # Channels may share the mailbox to which reports come back.
            theirs = channel == one.channel or (not one.proved and kind_of(channel, kinds) == one.kind)
            message = message if theirs else FOREIGN
        right.append(message)
    return right


def _by_reference(
    connection: sa.Connection, wanted: Sequence[Sought], referrer: Referrer, found: list[int | None]
) -> None:
    ids = {
        place: referrer.message_of(one.reference)
        for place, one in enumerate(wanted)
        if one.reference and one.proved
    }
    named = {one for one in ids.values() if one is not None}
    if not named:
        return
    messages = sending.messages
    known = set(connection.execute(sa.select(messages.c.id).where(messages.c.id.in_(named))).scalars())
    for place, number in ids.items():
        found[place] = number if number in known else None


def _by_provider_ref(connection: sa.Connection, wanted: Sequence[Sought], found: list[int | None]) -> None:
    refs = sending.provider_refs
    by_channel: defaultdict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, one in enumerate(wanted):
        if found[place] is None and one.provider_ref and not one.reference:
            by_channel[one.channel][one.provider_ref].append(place)
    for channel, places in by_channel.items():
        for row in connection.execute(
            sa.select(refs.c.provider_ref, refs.c.message_id).where(
                refs.c.channel == channel, refs.c.provider_ref.in_(list(places))
            )
        ):
            for place in places[row.provider_ref]:
                found[place] = row.message_id


def _by_number(
    connection: sa.Connection, wanted: Sequence[Sought], referrer: Referrer, found: list[int | None]
) -> None:
    """A number alone proves nothing: a mail must return its seal, and the message have gone to the recipient it names."""
    by_kind: defaultdict[str, set[int]] = defaultdict(set)
    numbered: dict[int, int] = {}
    for place, one in enumerate(wanted):
        number = one.ledger_id if one.proved else one.ledger_id or referrer.message_of(one.reference)
        if (
            found[place] is None
            and number is not None
            and one.address_hash
            and (one.proved or referrer.proves(number, one.seal))
        ):
            numbered[place] = number
            by_kind[one.kind].add(number)
    messages = sending.messages
    for kind, numbers in by_kind.items():
        _, hashed = address_columns(kind)
        right = set(
            connection.execute(
                sa.select(messages.c.id, hashed)
                .join(people.customers, people.customers.c.id == messages.c.customer_id)
                .where(messages.c.id.in_(numbers))
            )
        )
        for place, number in numbered.items():
            one = wanted[place]
            if one.kind == kind and (number, one.address_hash) in right:
                found[place] = number


def _by_looking(
    connection: sa.Connection, wanted: Sequence[Sought], found: list[int | None], now: int
) -> None:
    """Look for messages whose stored reference is the receipt's, or the part before its first dot.

    SendGrid answers one X-Message-Id for a whole call and reports `X-Message-Id.FILTER…`: the recipient then tells
    which message of the call is meant.
    """
    sought: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for place, one in enumerate(wanted):
        if found[place] is None and one.provider_ref and not one.reference:
            sought[one.channel, one.kind] |= {one.provider_ref, one.provider_ref.partition(".")[0]}
    for (channel, kind), refs in sought.items():
        if _keeps_refs(connection, channel):
            continue
        candidates = _candidates(connection, channel, kind, refs, now - _DAYS_BACK)
        for place, one in enumerate(wanted):
            if found[place] is None and one.provider_ref and (one.channel, one.kind) == (channel, kind):
                exact = candidates[one.provider_ref]
                stem = candidates[one.provider_ref.partition(".")[0]]
                found[place] = _chosen(exact or stem, one.address_hash)


def _keeps_refs(connection: sa.Connection, channel: str) -> bool:
    """Tell whether a channel keeps every reference in the table for them: then looking further finds nothing."""
    refs = sending.provider_refs
    return (
        connection.execute(sa.select(refs.c.message_id).where(refs.c.channel == channel).limit(1)).first()
        is not None
    )


def _candidates(
    connection: sa.Connection, channel: str, kind: str, refs: set[str], since: int
) -> defaultdict[str, list[Any]]:
    messages, runs = sending.messages, sending.runs
    _, hashed = address_columns(kind)
    rows = connection.execute(
        sa.select(messages.c.id, messages.c.provider_ref, hashed.label("hash"))
        .join(people.customers, people.customers.c.id == messages.c.customer_id)
        .where(
            messages.c.run_id.in_(sa.select(runs.c.id).where(runs.c.anchor_at >= since)),
            messages.c.channel == channel,
            messages.c.provider_ref.in_(refs),
        )
    )
    candidates: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        candidates[row.provider_ref].append(row)
    return candidates


def _chosen(candidates: Sequence[Any], address_hash: str | None) -> int | None:
    """Return the message that went to the recipient; without one, the message that alone has the reference."""
    if address_hash is None:
        return int(candidates[0].id) if len(candidates) == 1 else None
    right = [row for row in candidates if row.hash == address_hash]
    return int(right[0].id) if len(right) == 1 else None
