"""Write touches that a file tells: each once, with its customer when one is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.customers.touch_rows import TouchItem
from tidings.customers.who import VISITOR, find
from tidings.store.batches import insert_rows
from tidings.store.tables import answers

_touches = answers.touches
_COLUMNS = (
    "channel",
    "campaign",
    "customer_id",
    "kind",
    "at",
    "cost",
    "currency",
    "dedupe_key",
    "source",
    "visitor",
    "matched_by",
    "import_id",
)


class TouchStore:
    """Stores touches of one mapping; `__call__` handles one chunk inside the caller's transaction."""

    def __init__(self, mapping: str, import_id: int, currency: str) -> None:
        self._mapping, self._import, self._currency = mapping, import_id, currency

    def __call__(self, connection: sa.Connection, items: Sequence[TouchItem], now: int) -> dict[str, int]:
        """Store one chunk and return counts: touches, those known before, and by what customers were found."""
        counts: Counter[str] = Counter()
        keys = {item.key: f"i{self._mapping}/{item.key}" for item in items}
        known = self._known(connection, list(keys.values()))
        customers = find(connection, {one for item in items for one in item.who})
        rows: list[tuple[Any, ...]] = []
        for item in items:
            key = keys[item.key]
            if key in known:
                counts["touches_known"] += 1
                continue
            known.add(key)
            by = next((one for one in item.who if one in customers), None)
            # Best known is who came by the name that the site gave them: events tell it again.
            mark = next((one for one in item.who if one.by == VISITOR), item.who[0] if item.who else None)
            counts["touches"] += 1
            counts[f"matched_by_{by.by}" if by else "unmatched"] += 1
            rows.append(
                (
                    item.channel,
                    item.campaign,
                    customers[by] if by else None,
                    item.kind,
                    item.at,
                    item.cost,
                    self._currency if item.cost is not None else None,
                    key,
                    item.source,
                    _kept(mark.mark if mark else None, found=by is not None),
                    by.by if by else None,
                    self._import,
                )
            )
        insert_rows(connection, _touches, rows, _COLUMNS)
        return {name: count for name, count in counts.items() if count}

    def _known(self, connection: sa.Connection, keys: list[str]) -> set[str]:
        dialect = connection.dialect.name
        column = _touches.c.dedupe_key
        there = sa.select(column).where(one_of(column, dialect))
        return set(connection.execute(there, listed(dialect, keys)).scalars())


def _kept(mark: str | None, *, found: bool) -> str | None:
    """Return what is kept of who it was: of a known customer only the name of a visitor, which others may go by too."""
    return None if mark is None or (found and mark.startswith("=")) else mark
