"""Write what rows of events say: new ones in a few batches, known ones left as they are, orders completed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tidings.customers.identity import Drawer
from tidings.customers.knowing import ensure_customers
from tidings.customers.orders import EventItem, Line, Sold, new_lines, sold, write_lines
from tidings.definitions.money import to_minor
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import people

_events, _items, _names = people.events, people.event_items, people.event_names
_COLUMNS = (
    "id",
    "name_id",
    "customer_id",
    "visitor",
    "occurred_at",
    "received_at",
    "source",
    "dedupe_key",
    "amount",
    "currency",
    "properties",
)


class _Stored:
    """An event while a chunk is worked on."""

    __slots__ = ("amount", "at", "id", "lines", "new", "sold")

    def __init__(self, number: int, at: int, amount: int | None, *, new: bool) -> None:
        self.id, self.at, self.amount, self.new = number, at, amount, new
        self.lines: list[Line] = []
        self.sold: Counter[Sold] = Counter()


class EventStore:
    """Stores events of one mapping (`source`); `__call__` handles one chunk inside the caller's transaction."""

    def __init__(self, definitions: Definitions, source: str) -> None:
        self._drawer = Drawer(definitions.workspace.salt)
        self._attributes = definitions.attributes
        self._source = source

    def __call__(self, connection: sa.Connection, items: Sequence[EventItem], now: int) -> dict[str, int]:
        """Store one chunk; return how many events were new, completed, known, or known to say something else."""
        counts: Counter[str] = Counter()
        customers, counts["created"] = ensure_customers(
            connection,
            [item.customer for item in items if item.customer is not None],
            self._drawer,
            self._attributes,
            now,
        )
        names = self._name_ids(connection, {item.name for item in items})
        stored = self._known(connection, items)
        ids = iter(next_ids(connection, _events, len({item.key for item in items} - stored.keys())))
        new: dict[str, EventItem] = {}
        changed: set[str] = set()
        for item in items:
            known = stored.get(item.key)
            if known is None:
                known = stored[item.key] = _Stored(next(ids), item.at, item.amount, new=True)
                known.lines = list(item.lines)
                known.sold = _sold(item.lines)
                new[item.key] = item
                counts["events"] += 1
                continue
            counts[self._meet(known, item, changed)] += 1
        rows: list[tuple[Any, ...]] = []
        for key, item in new.items():
            known = stored[key]
            rows.append(
                (
                    known.id,
                    names[item.name],
                    None if item.customer is None else customers[item.customer],
                    item.visitor,
                    known.at,
                    now,
                    self._source,
                    key,
                    known.amount,
                    item.currency,
                    item.properties or None,
                )
            )
        insert_rows(connection, _events, rows, _COLUMNS)
        self._write_lines(connection, stored.values())
        self._write_changes(connection, [stored[key] for key in changed if not stored[key].new])
        return {name: count for name, count in counts.items() if count}

    def _meet(self, known: _Stored, item: EventItem, changed: set[str]) -> str:
        """Compare a told event with the stored one; return what to count it as."""
        if not item.lines and not known.sold:
            same = known.amount == item.amount and known.at == item.at
            return "events_known" if same else "events_differ"
        added = new_lines(known.sold, list(item.lines))
        if added is None:
            return "events_differ"
        if not added:
            return "events_known"
        told = _sold(item.lines)
        if not known.sold - told:
            # The file has the whole order: its amount is exact.
            known.amount = item.amount
        else:
            value = sum((line.value for line in added), Decimal(0))
            known.amount = (known.amount or 0) + to_minor(value, item.currency or "")
        known.at = min(known.at, item.at)
        known.lines += added
        known.sold += _sold(added)
        changed.add(item.key)
        return "events_completed"

    def _known(self, connection: sa.Connection, items: Sequence[EventItem]) -> dict[str, _Stored]:
        rows = connection.execute(
            sa.select(_events.c.dedupe_key, _events.c.id, _events.c.occurred_at, _events.c.amount).where(
                _events.c.source == self._source,
                _events.c.dedupe_key.in_(list({item.key for item in items})),
            )
        )
        stored = {key: _Stored(number, at, amount, new=False) for key, number, at, amount in rows.all()}
        if stored and any(item.lines for item in items):
            by_id = {one.id: one for one in stored.values()}
            lines = connection.execute(
                sa.select(_items.c.event_id, _items.c.item, _items.c.quantity, _items.c.price).where(
                    _items.c.event_id.in_(list(by_id))
                )
            )
            for number, item, quantity, price in lines.all():
                by_id[number].sold[sold(item, quantity, price)] += 1
        return stored

    def _write_lines(self, connection: sa.Connection, stored: Any) -> None:
        firsts = ((one, 0 if one.new else one.sold.total() - len(one.lines)) for one in stored)
        write_lines(connection, ((one.id, first, one.lines) for one, first in firsts))

    def _write_changes(self, connection: sa.Connection, changed: Sequence[_Stored]) -> None:
        if changed:
            connection.execute(
                sa.update(_events)
                .where(_events.c.id == sa.bindparam("of"))
                .values(occurred_at=sa.bindparam("at"), amount=sa.bindparam("total")),
                [{"of": one.id, "at": one.at, "total": one.amount} for one in changed],
            )

    def _name_ids(self, connection: sa.Connection, names: set[str]) -> dict[str, int]:
        insert_rows(connection, _names, [(name,) for name in sorted(names)], ("name",), ignore_conflicts=True)
        rows = connection.execute(sa.select(_names.c.name, _names.c.id).where(_names.c.name.in_(names)))
        return dict(rows.all())


def _sold(lines: Sequence[Line]) -> Counter[Sold]:
    return Counter(sold(line.item, line.quantity, line.price) for line in lines)
