"""The wishes that answer a message, in the consent ledger: for its kind of channel and the purpose of its run."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from tidings.customers.consent import ALL, ConsentRow, record
from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.store.tables import people, sending


class _Said(NamedTuple):
    """One entry of a customer: when it was said, the order in which entries were recorded, for what, and the state."""

    at: int
    order: int
    purpose: str
    state: str


class Addressed(NamedTuple):
    """Whom a message was for: the customer, the kind of channel and the purpose of the run."""

    customer_id: int
    kind: str
    purpose: str


def kind_of(channel: str, kinds: Mapping[str, str]) -> str:
    """Return the kind of a channel; one that is not bound any more is taken by its name, else for e-mail."""
    return kinds.get(channel) or (channel if channel in ADDRESS_COLUMNS else "email")


def withdraw(
    connection: sa.Connection,
    withdrawals: Sequence[tuple[int, int, str]],
    *,
    now: int,
    kinds: Mapping[str, str] | None = None,
    everything: bool = False,
    basis: str = "unsubscribe",
) -> int:
    """Append a withdrawal for each (message id, instant, what told it) and return how many were appended.

    Whoever had withdrawn just that before that instant, and gave no consent to any of it since, gets no second entry.
    A run that does not say its purpose withdraws `all`: in doubt the wish goes further rather than less far;
    `everything` does so for every run. `kinds` are the kinds of the channels by id.
    """
    return _say(connection, "withdrawn", withdrawals, now, kinds or {}, everything, basis)


def grant_again(
    connection: sa.Connection,
    grants: Sequence[tuple[int, int, str]],
    *,
    now: int,
    kinds: Mapping[str, str] | None = None,
) -> int:
    """Append a grant for each (message id, instant, what told it) that withdrew just that before; return how many.

    It gives back what was taken back, and nothing that was never given.
    """
    return _say(connection, "granted", grants, now, kinds or {}, False, "resubscribe")


def _say(
    connection: sa.Connection,
    state: str,
    said: Sequence[tuple[int, int, str]],
    now: int,
    kinds: Mapping[str, str],
    everything: bool,
    basis: str,
) -> int:
    if not said:
        return 0
    addressed = addressed_of(connection, sorted({message_id for message_id, _, _ in said}), kinds)
    spoken = _spoken(connection, sorted({one.customer_id for one in addressed.values()}))
    rows: list[ConsentRow] = []
    for message_id, at, by in sorted(said, key=lambda one: one[1]):
        customer, kind, purpose = addressed[message_id]
        if everything:
            purpose = ALL
        entries = spoken[customer, kind]
        before = max(
            (entry for entry in entries if entry.at <= at and _bears_on(entry, purpose)),
            key=lambda entry: (entry.at, entry.order),
            default=None,
        )
        stands = before is not None and before.state == "withdrawn"
        if stands == (state == "granted"):
            rows.append(ConsentRow(customer, kind, purpose, state, basis, by, min(at, now), now))
            # Recorded after all that were read: behind every one of the same instant.
            entries.append(_Said(at, sys.maxsize, purpose, state))
    return record(connection, rows)


def _bears_on(entry: _Said, purpose: str) -> bool:
    """Tell whether an entry says if a withdrawal for `purpose` stands.

    A withdrawal stands only where it names just this purpose: one for `all` does not hold back messages that must
    be sent (transactional), and one for a purpose says nothing of the others. Anything but a withdrawal that the
    gate would read (the purpose itself or `all`; for `all`, any purpose) has overruled what was withdrawn before.
    """
    if entry.state == "withdrawn":
        return entry.purpose == purpose
    return ALL in (purpose, entry.purpose) or entry.purpose == purpose


def addressed_of(
    connection: sa.Connection, message_ids: Sequence[int], kinds: Mapping[str, str]
) -> dict[int, Addressed]:
    """Return of each message whom it was for."""
    messages, runs = sending.messages, sending.runs
    rows = connection.execute(
        sa.select(messages.c.id, messages.c.customer_id, messages.c.channel, runs.c.bounds)
        .select_from(messages.join(runs, runs.c.id == messages.c.run_id))
        .where(messages.c.id.in_(message_ids))
    )
    return {
        row.id: Addressed(
            row.customer_id, kind_of(row.channel, kinds), (row.bounds or {}).get("purpose") or ALL
        )
        for row in rows
    }


def _spoken(connection: sa.Connection, customers: Sequence[int]) -> defaultdict[tuple[int, str], list[_Said]]:
    """Return what each customer said so far about each kind of channel."""
    consents = people.consents
    rows = connection.execute(
        sa.select(
            consents.c.customer_id,
            consents.c.channel,
            consents.c.purpose,
            consents.c.at,
            consents.c.id,
            consents.c.state,
        ).where(consents.c.customer_id.in_(customers), consents.c.topic.is_(None))
    )
    spoken: defaultdict[tuple[int, str], list[_Said]] = defaultdict(list)
    for row in rows:
        spoken[row.customer_id, row.channel].append(_Said(row.at, row.id, row.purpose, row.state))
    return spoken
