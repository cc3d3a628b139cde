"""An unsubscribe becomes a withdrawal in the consent ledger: for e-mail and the purpose of the run that wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from tidings.customers.consent import ALL, ConsentRow, record
from tidings.store.tables import people, sending

_CHANNEL = "email"


class _Said(NamedTuple):
    """One entry of a customer: when it was said, the order in which entries were recorded, for what, and the state."""

    at: int
    order: int
    purpose: str
    state: str


def withdraw(connection: sa.Connection, withdrawals: Sequence[tuple[int, int, str]], *, now: int) -> int:
    """Append a withdrawal for each (message id, instant, `one-click` or `page`) and return how many were appended.

    Whoever had withdrawn just that before that instant, and gave no consent to any of it since, gets no second entry.
    A run that does not say its purpose withdraws `all`: in doubt the wish goes further rather than less far.
    """
    if not withdrawals:
        return 0
    addressed = _addressed(connection, sorted({message_id for message_id, _, _ in withdrawals}))
    spoken = _spoken(connection, sorted({customer for customer, _ in addressed.values()}))
    rows: list[ConsentRow] = []
    for message_id, at, by in sorted(withdrawals, key=lambda one: one[1]):
        customer, purpose = addressed[message_id]
        said = spoken.setdefault(customer, [])
        before = max(
            (entry for entry in said if entry.at <= at and _bears_on(entry, purpose)),
            key=lambda entry: (entry.at, entry.order),
            default=None,
        )
        if before is None or before.state != "withdrawn":
            rows.append(
                ConsentRow(customer, _CHANNEL, purpose, "withdrawn", "unsubscribe", by, min(at, now), now)
            )
            # Recorded after all that were read: behind every one of the same instant.
            said.append(_Said(at, sys.maxsize, purpose, "withdrawn"))
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


def _addressed(connection: sa.Connection, message_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Return the customer and the purpose of each message."""
    messages, runs = sending.messages, sending.runs
    rows = connection.execute(
        sa.select(messages.c.id, messages.c.customer_id, runs.c.bounds)
        .select_from(messages.join(runs, runs.c.id == messages.c.run_id))
        .where(messages.c.id.in_(message_ids))
    )
    return {row.id: (row.customer_id, (row.bounds or {}).get("purpose") or ALL) for row in rows}


def _spoken(connection: sa.Connection, customers: Sequence[int]) -> dict[int, list[_Said]]:
    """Return what each customer said so far."""
    consents = people.consents
    rows = connection.execute(
        sa.select(
            consents.c.customer_id, consents.c.purpose, consents.c.at, consents.c.id, consents.c.state
        ).where(
            consents.c.customer_id.in_(customers),
            consents.c.channel == _CHANNEL,
            consents.c.topic.is_(None),
        )
    )
    spoken: dict[int, list[_Said]] = {}
    for row in rows:
        spoken.setdefault(row.customer_id, []).append(_Said(row.at, row.id, row.purpose, row.state))
    return spoken
