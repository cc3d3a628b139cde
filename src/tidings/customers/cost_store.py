"""Write costs: a later file of a day and source takes the place of the earlier one, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.customers.cost_rows import CostDay
from tidings.customers.knowing import listed, one_of
from tidings.store.batches import insert_rows
from tidings.store.tables import money

_costs = money.costs
_COLUMNS = (
    "mapping",
    "day",
    "source",
    "medium",
    "label",
    "campaign",
    "amount",
    "currency",
    "clicks",
    "impressions",
    "import_id",
    "line",
)


class CostStore:
    """Stores whole days of one import; `__call__` handles one batch inside the caller's transaction.

    `adding`: rows that were rejected and repaired stand beside the others of their day instead of in their place.
    """

    def __init__(self, mapping: str, import_id: int, currency: str, *, adding: bool) -> None:
        self._mapping, self._import, self._currency, self._adding = mapping, import_id, currency, adding

    def __call__(self, connection: sa.Connection, days: Sequence[CostDay], now: int) -> dict[str, int]:
        """Replace the days and return counts: rows, days, and of days that were known what they held before and hold now."""
        counts: Counter[str] = Counter(days=len(days))
        known: set[tuple[str, str]] = set()
        if not self._adding:
            known = self._take_away(connection, days, counts)
        rows: list[tuple[Any, ...]] = []
        for one in days:
            rows += [
                (
                    self._mapping,
                    one.day,
                    one.source,
                    cost.medium,
                    cost.label,
                    cost.campaign,
                    cost.amount,
                    self._currency,
                    cost.clicks,
                    cost.impressions,
                    self._import,
                    cost.line,
                )
                for cost in one.rows
            ]
            if (one.source, one.day) in known:
                counts[f"after {self._currency}"] += sum(cost.amount for cost in one.rows)
        counts["cost_rows"] = insert_rows(connection, _costs, rows, _COLUMNS, ignore_conflicts=self._adding)
        return dict(counts)

    def _take_away(
        self, connection: sa.Connection, days: Sequence[CostDay], counts: Counter[str]
    ) -> set[tuple[str, str]]:
        """Delete what is known of these days; return which were known."""
        dialect = connection.dialect.name
        known: set[tuple[str, str]] = set()
        for source in dict.fromkeys(one.source for one in days):
            of_source = [one.day for one in days if one.source == source]
            there = sa.and_(_costs.c.source == source, one_of(_costs.c.day, dialect))
            amount = sa.cast(sa.func.sum(_costs.c.amount), sa.BigInteger)
            sums = sa.select(_costs.c.day, _costs.c.currency, amount).where(there)
            found = connection.execute(
                sums.group_by(_costs.c.day, _costs.c.currency), listed(dialect, of_source)
            ).all()
            if not found:
                continue
            for day, currency, total in found:
                counts[f"before {currency}"] += total
                known.add((source, day))
            connection.execute(sa.delete(_costs).where(there), listed(dialect, of_source))
        counts["days_replaced"] = len(known)
        return known
