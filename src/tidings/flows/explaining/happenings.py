"""What a customer did, as far as it is stored: the rows of an event, or the redemptions that count."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.rules import REDEEMED
from tidings.segments.doing import named
from tidings.segments.redeemed import COUNTS, redemptions
from tidings.store.tables import people

_events = people.events


def happenings(event: str, customer_id: int) -> sa.Select[Any]:
    """Return the select of `occurred_at` and `received_at` of all that the customer did under a name; tests can be added."""
    if event != REDEEMED.name:
        return sa.select(_events.c.occurred_at, _events.c.received_at).where(
            _events.c.customer_id == customer_id, named(event)
        )
    return (
        sa.select(redemptions.c.at.label("occurred_at"), _events.c.received_at)
        .select_from(redemptions.join(_events, _events.c.id == redemptions.c.event_id))
        .where(redemptions.c.customer_id == customer_id, COUNTS)
    )
