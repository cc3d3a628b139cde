"""The products that messages recommend: chosen before the claim, so that no other writer waits while they are compared."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.bought_together import is_due, learn
from tidings.clock import Clock
from tidings.customers.knowing import listed, one_of
from tidings.delivery import variables
from tidings.delivery.recorded import Recorded
from tidings.delivery.wordings import Compiled
from tidings.store.database import Store
from tidings.store.tables import sending

# What is bought together changes slowly; older than this, the night's work was not done.
_STALE = timedelta(days=2)
# So many customers are asked about in one statement, and so many are kept who were not claimed after all.
_AT_ONCE, _MOST = 500, 10_000
_messages = sending.messages


class ProductsAhead:
    """The products of the customers of one run (of a flow: of one step), with the `fields` that its wordings show."""

    def __init__(self, store: Store, run: Recorded, clock: Clock, fields: frozenset[str]) -> None:
        self._store, self._run, self._clock, self.fields = store, run, clock, fields
        self._campaign = run.campaign_of()
        self._guard = threading.Lock()
        self._chosen: dict[int, list[dict[str, Any]]] = {}

    def learn(self) -> None:
        """Learn what is bought together where that was not done for long."""
        now = self._clock.now()
        with self._store.read() as connection:
            due = is_due(connection, now, _STALE)
        if due:
            learn(self._store, self._run.definitions, now=now)

    def ahead(self, message_ids: Sequence[int]) -> None:
        """Choose the products of the customers of these messages, outside any transaction that writes."""
        with self._store.read() as connection:
            of_step = (
                [_messages.c.step == self._run.step, _messages.c.version == self._run.version]
                if self._run.is_flow
                else []
            )
            customers = list(
                connection.execute(
                    sa.select(_messages.c.customer_id)
                    .where(one_of(_messages.c.id, connection.dialect.name), *of_step)
                    .distinct(),
                    listed(connection.dialect.name, message_ids),
                ).scalars()
            )
            found: dict[int, list[dict[str, Any]]] = {}
            for start in range(0, len(customers), _AT_ONCE):
                found |= self._choose(connection, customers[start : start + _AT_ONCE])
        with self._guard:
            if len(self._chosen) > _MOST:
                self._chosen.clear()
            self._chosen |= found

    def load(self, connection: sa.Connection, customer_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        """Return the products of each customer; those who were not chosen for ahead are looked up now."""
        with self._guard:
            found = {one: self._chosen.pop(one) for one in set(customer_ids) if one in self._chosen}
        missing = sorted({*customer_ids} - {*found})
        return found | self._choose(connection, missing) if missing else found

    def _choose(
        self, connection: sa.Connection, customer_ids: Sequence[int]
    ) -> dict[int, list[dict[str, Any]]]:
        definitions = self._run.definitions
        return variables.load_products(
            connection, definitions, self._campaign, customer_ids, self.fields, self._clock.now()
        )


def products_of(
    store: Store, run: Recorded, clock: Clock, compiled: Sequence[Compiled]
) -> ProductsAhead | None:
    """Return what chooses the products of a run whose wordings recommend any, else None."""
    named = [one.product_fields for one in compiled if one.product_fields is not None]
    return ProductsAhead(store, run, clock, frozenset[str]().union(*named)) if named else None
