"""Which wordings the messages of a run still need: its variants, and the languages of those it has to write to."""

from __future__ import annotations

import sqlalchemy as sa

from tidings.delivery.claiming import PENDING
from tidings.delivery.recorded import Recorded
from tidings.store.database import Store
from tidings.store.tables import people, sending


def variants_of(run: Recorded) -> list[str | None]:
    """Return the names of the variants of a run, None where it has one alone."""
    return [one.name for one in run.campaign_of().variants] or [None]


def locales_due(store: Store, run: Recorded, channel: str) -> set[str]:
    """Return the locales of the customers that a run (or a step of a flow) still has to write to by a channel."""
    messages, customers = sending.messages, people.customers
    of_step = (messages.c.step == run.step, messages.c.version == run.version) if run.is_flow else ()
    with store.read() as connection:
        return set(
            connection.execute(
                sa.select(customers.c.locale)
                .select_from(messages.join(customers, customers.c.id == messages.c.customer_id))
                .where(
                    messages.c.run_id == run.run_id,
                    messages.c.channel == channel,
                    messages.c.state.in_(PENDING),
                    *of_step,
                    customers.c.locale.is_not(None),
                )
                .distinct()
            ).scalars()
        ) - {""}
