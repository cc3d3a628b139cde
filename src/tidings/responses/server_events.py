"""Events that a server sent become rows of `events`; customers they name first are made, visitors kept by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.customers.identity import Drawer
from tidings.customers.knowing import find_customers
from tidings.customers.orders import write_lines
from tidings.customers.unnamed import STRANGER, mark_of
from tidings.customers.who import Identities
from tidings.responses.judging import note_orders
from tidings.responses.spool import Record
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import people

_COLUMNS = (
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


def store_events(
    connection: sa.Connection,
    arrived: Sequence[tuple[str, Record]],
    *,
    salt: str,
    country: str | None,
    now: int,
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
    customers, added = _customers(
        connection, {one["customer"] for one in records if "customer" in one}, salt, now
    )
    known = Identities(salt, country)
    # Nobody known: by what the site calls them, else by what the event says, else as a stranger who came this once.
    visitors = {
        key: record.get("visitor") or mark_of(known, record["properties"]) or f"={STRANGER}:{key}"
        for key, record in arrived
        if "customer" not in record
    }
    rows = [
        (
            names[record["event"]],
            customers[record["customer"]] if "customer" in record else None,
            record.get("visitor") if "customer" in record else visitors[key],
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
    plain = [row for row, record in zip(rows, records, strict=True) if not record.get("lines")]
    stored = insert_rows(connection, people.events, plain, _COLUMNS, ignore_conflicts=True)
    stored += _store_orders(
        connection,
        [(row, record["lines"]) for row, record in zip(rows, records, strict=True) if record.get("lines")],
    )
    note_orders(
        connection,
        [
            (customers[one["customer"]], one["occurred"])
            for one in records
            # Who ordered unnamed is nobody whose hits could be judged by it.
            if "customer" in one and one.get("amount", 0) > 0
        ],
    )
    return stored, added


def _store_orders(
    connection: sa.Connection, orders: Sequence[tuple[tuple[Any, ...], list[list[Any]]]]
) -> int:
    """Store events that have lines, with them; those of an event that was known already are passed over with it."""
    if not orders:
        return 0
    events = people.events
    ids = next_ids(connection, events, len(orders))
    rows = [(number, *row) for number, (row, _) in zip(ids, orders, strict=True)]
    stored = insert_rows(connection, events, rows, ("id", *_COLUMNS), ignore_conflicts=True)
    # What came twice, or was known, did not get the number that was meant for it.
    new = set(connection.execute(sa.select(events.c.id).where(events.c.id.in_(ids))).scalars())
    write_lines(
        connection,
        [(number, 0, lines) for number, (_, lines) in zip(ids, orders, strict=True) if number in new],
    )
    return stored


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
