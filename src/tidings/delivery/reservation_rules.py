"""Rules of the ledger about what messages have reserved: a place under the caps, and money of the budget."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.definitions.values import MILLION
from tidings.delivery.rules import Rule, all_ids, messages, runs
from tidings.store.tables import sending

_use = sending.cap_use


def _overspent(connection: sa.Connection) -> list[Any]:
    """Return the runs that have reserved more than their budget."""
    rows = connection.execute(sa.select(runs.c.id, runs.c.bounds, runs.c.spent).order_by(runs.c.id))
    return [
        run_id
        for run_id, bounds, spent in rows.all()
        if bounds.get("budget") is not None
        and spent > max((bounds["budget"] - bounds.get("fixed", 0)) * MILLION, 0)
    ]


RESERVATION_RULES = (
    Rule(
        "reservations",
        "place(s) under a cap are kept by messages that did not go out",
        all_ids(
            sa.select(_use.c.id)
            .join(messages, messages.c.id == _use.c.message_id)
            .where(
                _use.c.released_at.is_(None),
                sa.or_(
                    messages.c.state.in_(["refused", "rejected", "cancelled"]),
                    sa.and_(messages.c.state == "planned", messages.c.attempt == 0),
                ),
            )
            .order_by(_use.c.id)
        ),
    ),
    Rule("budgets", "run(s) have spent more than their budget", _overspent),
)
