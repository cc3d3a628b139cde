"""What the rules want to know of messages: whose they are, when they reached somebody, what links they have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.responses.crowds import NO_LINKS, Wording
from tidings.responses.wording_links import read_wordings
from tidings.store.tables import sending

_messages, _receipts = sending.messages, sending.receipts
_AT_ONCE = 1_000

# Written once: to put a statement together costs more than a small batch takes to be read.
_MESSAGES = sa.select(
    _messages.c.id,
    _messages.c.customer_id,
    _messages.c.accepted_at,
    _messages.c.run_id,
    _messages.c.step,
    _messages.c.version,
    _messages.c.variant,
).where(_messages.c.id.in_(sa.bindparam("ids", expanding=True)))
_DELIVERED = (
    sa.select(_receipts.c.message_id, sa.func.min(_receipts.c.at))
    .where(_receipts.c.message_id.in_(sa.bindparam("ids", expanding=True)), _receipts.c.kind == "delivered")
    .group_by(_receipts.c.message_id)
)


@dataclass(frozen=True, slots=True)
class Facts:
    """A message: its customer, when it was accepted and (told by its provider) delivered, the links of its words."""

    customer_id: int
    accepted_at: int | None
    delivered_at: int | None
    wording: Wording


def read_facts(connection: sa.Connection, ids: Collection[int]) -> dict[int, Facts]:
    """Return the facts of those ids that are messages of this store; a token may come from a store that was restored."""
    ordered = sorted(ids)
    rows: list[Any] = []
    delivered: dict[int, int] = {}
    for start in range(0, len(ordered), _AT_ONCE):
        some = {"ids": ordered[start : start + _AT_ONCE]}
        rows += connection.execute(_MESSAGES, some).all()
        delivered.update({message: at for message, at in connection.execute(_DELIVERED, some)})  # noqa: C416
    wordings = read_wordings(connection, sorted({row.run_id for row in rows}))
    return {
        row.id: Facts(
            row.customer_id,
            row.accepted_at,
            delivered.get(row.id),
            wordings.get((row.run_id, row.step, row.version, row.variant), NO_LINKS),
        )
        for row in rows
    }
