"""What a person said holds for them under whatever record: consents and suppressions of two customers who are one.

A withdrawal of either holds. Where only one of them ever said something on a channel and purpose, that is what the person said.
Whoever complained about a message, or was suppressed by hand, is not written to at the other address either.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.customers.consent import ConsentRow, record
from tidings.customers.identity import ADDRESS_COLUMNS
from tidings.customers.suppression import suppress
from tidings.store.tables import people

_consents, _suppressions = people.consents, people.suppressions
_Key = tuple[str, str, str | None]
# A mailbox that is gone says nothing about another one.
_OF_THE_PERSON = ("complaint", "manual")


def join_words(
    connection: sa.Connection, customer: Any, into: Any, *, source: str, now: int
) -> list[list[Any]]:
    """Let what one customer said hold for the other as well, and return what that changed.

    Each change is channel, purpose, topic, and the state and basis that spoke before (None where nothing did).
    """
    mine, theirs = _last_words(connection, customer.id), _last_words(connection, into.id)
    changes: list[list[Any]] = []
    rows = []
    for key, word in mine.items():
        before = theirs.get(key)
        if word.state == "withdrawn":
            if before is not None and before.state == "withdrawn":
                continue
            # Dated now: whatever the other record was told before, this no is the last word.
            at = now
        elif before is None:
            at = word.at
        else:
            continue
        channel, purpose, topic = key
        rows.append(
            ConsentRow(
                into.id, channel, purpose, word.state, word.basis, source, at, now, topic, word.artifact
            )
        )
        changes.append([*key, before.state if before else None, before.basis if before else None])
    record(connection, rows)
    _suppress_as(connection, customer, into, source=source, now=now)
    return changes


def part_words(
    connection: sa.Connection, into_id: int, changes: list[list[Any]], *, source: str, now: int
) -> None:
    """Take back what `join_words` changed, where the customer has said nothing since; lift what it suppressed.

    What was carried over where nothing had been said is withdrawn: nothing shows that this customer agreed.
    """
    words = _last_words(connection, into_id)
    rows = []
    for channel, purpose, topic, state, basis in changes:
        last = words.get((channel, purpose, topic))
        if last is None or last.source != source or (state is None and last.state == "withdrawn"):
            continue
        rows.append(
            ConsentRow(
                into_id,
                channel,
                purpose,
                state or "withdrawn",
                basis or "merge undone",
                f"{source} undone",
                now,
                now,
                topic,
            )
        )
    record(connection, rows)
    connection.execute(
        sa.update(_suppressions)
        .where(_suppressions.c.source == source, _suppressions.c.lifted_at.is_(None))
        .values(lifted_at=now)
    )


def _last_words(connection: sa.Connection, customer_id: int) -> dict[_Key, Any]:
    """Return the entry that speaks for each channel, purpose and topic."""
    rows = connection.execute(
        sa.select(_consents)
        .where(_consents.c.customer_id == customer_id)
        .order_by(_consents.c.at, _consents.c.id)
    )
    # The last of each stays.
    return {(row.channel, row.purpose, row.topic): row for row in rows}


def _suppress_as(connection: sa.Connection, customer: Any, into: Any, *, source: str, now: int) -> None:
    for kind, column in ADDRESS_COLUMNS.items():
        old, new = getattr(customer, f"{column}_hash"), getattr(into, f"{column}_hash")
        if old is None or new is None or old == new:
            continue
        reason = connection.execute(
            sa.select(_suppressions.c.reason).where(
                _suppressions.c.channel == kind,
                _suppressions.c.address_hash == old,
                _suppressions.c.lifted_at.is_(None),
                _suppressions.c.reason.in_(_OF_THE_PERSON),
            )
        ).scalar()
        if reason is not None:
            suppress(connection, kind, new, reason, source, now)
