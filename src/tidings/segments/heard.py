"""What providers said about messages, as happenings of a customer: one a message, out of the stored receipts.

A receipt that came several times is one happening, at its first; a message that was delivered and bounced afterwards did
both. A message whose receipts contradict its state all the same counts by its receipts.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.store.tables import sending

# The names that conditions ask by, and the kind of receipt that proves each.
HEARD = {"delivered": "delivered", "bounced": "bounced", "spam_reported": "complained"}
_receipts, _refs = sending.receipts, sending.provider_refs


def heard_at(name: str, messages: sa.FromClause = sending.messages) -> sa.ColumnElement[Any]:
    """Return the instant at which that became known to have happened to a row of `messages`; NULL where it has not.

    A text of several parts is delivered when all of them are: with the last one.
    """
    kind = HEARD[name]
    first: sa.ColumnElement[Any] = sa.func.min(_receipts.c.at)
    own = [_receipts.c.message_id == messages.c.id, _receipts.c.kind == kind, _receipts.c.state == "applied"]
    if kind == "delivered":
        parts = sa.func.count(_receipts.c.provider_ref.distinct())
        first = sa.case((parts > 1, sa.func.max(_receipts.c.at)), else_=first)
        own.append(sa.or_(_receipts.c.provider_ref.is_(None), ~_untold(messages)))
    return sa.select(first).where(*own).correlate(messages).scalar_subquery()


def _untold(messages: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a part of the message was not said to be delivered."""
    told = _receipts.alias("told")
    of_part: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        told.c.message_id == _refs.c.message_id,
        told.c.kind == "delivered",
        told.c.provider_ref == _refs.c.provider_ref,
    )
    return (
        sa.select(sa.literal_column("1"))
        .select_from(_refs)
        .where(_refs.c.message_id == messages.c.id, ~of_part.correlate(_refs).exists())
        .correlate(messages)
        .exists()
    )
