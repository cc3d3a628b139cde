"""Customers by their key: found, or created when a file names one that is not known."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tidings.customers.cells import CellError
from tidings.customers.identity import Drawer
from tidings.definitions.kinds.rules import Attributes
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LONGEST_KEY = 200


def read_key(text: str) -> str:
    """Return the key of a customer as it is stored; raises CellError when it is no key."""
    if len(text) > LONGEST_KEY:
        raise CellError(
            "too long", f"a customer's key has at most {LONGEST_KEY} signs, this one {len(text):,}"
        )
    # Most are plain, which is told at once.
    if not text.isprintable() and _CONTROL.search(text):
        raise CellError(
            "invisible sign", "a customer's key holds a control sign; nobody could write it again"
        )
    return text


def one_of(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of the values bound as `listed(dialect, values)`.

    They are one parameter, so that the statement is the same for every chunk and nothing is spelt out for each value.
    """
    if dialect == "postgresql":
        return column == sa.any_(sa.bindparam("listed", type_=postgresql.ARRAY(column.type)))
    values = sa.func.json_each(sa.bindparam("listed", type_=sa.Text)).table_valued("value")
    return column.in_(sa.select(values.c.value))


def listed(dialect: str, values: Collection[Any]) -> dict[str, object]:
    """Return the parameter of `one_of`: keys or ids."""
    return {
        "listed": list(values) if dialect == "postgresql" else json.dumps(list(values), ensure_ascii=False)
    }


def find_customers(connection: sa.Connection, keys: Collection[str]) -> dict[str, int]:
    """Return key and id of those that are known; for one chunk, not for a million.

    A key that was merged into another customer is that customer's.
    """
    customers, dialect = people.customers, connection.dialect.name
    person = sa.func.coalesce(customers.c.merged_into, customers.c.id)
    statement = sa.select(customers.c.key, person).where(one_of(customers.c.key, dialect))
    return dict(connection.execute(statement, listed(dialect, keys)).all())


def ensure_customers(
    connection: sa.Connection, keys: Collection[str], drawer: Drawer, attributes: Attributes, now: int
) -> tuple[dict[str, int], int]:
    """Return the id of every key, and how many customers were created for it. Keys in order of first appearance."""
    wanted = dict.fromkeys(keys)
    known = find_customers(connection, wanted)
    missing = [key for key in wanted if key not in known]
    if missing:
        ids = next_ids(connection, people.customers, len(missing))
        insert_rows(
            connection,
            people.customers,
            [(number, key, drawer.u(key), now) for number, key in zip(ids, missing, strict=True)],
            ("id", "key", "u", "created_at"),
        )
        insert_rows(connection, attributes_table(attributes), [(number,) for number in ids], ("customer_id",))
        known.update(zip(missing, ids, strict=True))
    return known, len(missing)
