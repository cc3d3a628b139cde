"""Events that a server sent become rows of `events`; customers they name first are made."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tidings.customers.identity import Drawer
from tidings.customers.knowing import find_customers
from tidings.responses.spool import Record
from tidings.store.batches import insert_rows
from tidings.store.tables import people

_COLUMNS = (
    "name_id",
    "customer_id",
    "occurred_at",
    "received_at",
    "source",
    "dedupe_key",
    "amount",
    "currency",
    "properties",
)


def store_events(
    connection: sa.Connection, arrived: Sequence[tuple[str, Record]], *, salt: str, now: int
) -> tuple[int, int]:
    """Store events given as (spool key, record); return how many events and how many customers are new.

    An event is known again by its source and `id`; one without `id` by its place in the spool.
    """
    if not arrived:
        return 0, 0
    records = [record for _, record in arrived]
    names = _ids(connection, people.event_names, people.event_names.c.name, {one["event"] for one in records})
    missing = sorted({one["event"] for one in records} - set(names))
    if missing:
        insert_rows(
            connection, people.event_names, [(name,) for name in missing], ("name",), ignore_conflicts=True
        )
        names |= _ids(connection, people.event_names, people.event_names.c.name, set(missing))
    customers, added = _customers(connection, {one["customer"] for one in records}, salt, now)
    rows = [
        (
            names[record["event"]],
            customers[record["customer"]],
            record["occurred"],
            record["at"],
            record["source"],
            f"id:{record['id']}" if "id" in record else f"spool:{key}",
            record.get("amount"),
            record.get("currency"),
            record["properties"],
        )
        for key, record in arrived
    ]
    return insert_rows(connection, people.events, rows, _COLUMNS, ignore_conflicts=True), added


def _customers(connection: sa.Connection, keys: set[str], salt: str, now: int) -> tuple[dict[str, int], int]:
    customers, drawer = people.customers, Drawer(salt)
    known = find_customers(connection, keys)
    missing = sorted(keys - set(known))
    if not missing:
        return known, 0
    rows = [(key, drawer.u(key), now) for key in missing]
    added = insert_rows(connection, customers, rows, ("key", "u", "created_at"), ignore_conflicts=True)
    return known | find_customers(connection, missing), added


def _ids(
    connection: sa.Connection, table: sa.Table, column: sa.Column[str], values: set[str]
) -> dict[str, int]:
    rows = connection.execute(sa.select(column, table.c.id).where(column.in_(sorted(values))))
    return {value: number for value, number in rows}  # noqa: C416
