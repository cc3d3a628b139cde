"""What is known of one customer and not of the other: addresses, place and attributes fill what is empty, nothing else."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attributes
from tidings.store.batches import insert_ignoring
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

_customers, _lists = people.customers, people.customer_lists
# Columns that go together: an address is nothing without its hash.
_TOGETHER = (
    ("email", "email_hash"),
    ("phone", "phone_hash"),
    ("fax", "fax_hash"),
    ("locale",),
    ("zone",),
    ("country",),
    ("account", "account_u"),
)


def fill(connection: sa.Connection, attributes: Attributes, customer: Any, into: Any) -> dict[str, list[str]]:
    """Fill what is empty of a customer by what the other has, and return the names of what was filled."""
    fixed = {
        name: getattr(customer, name)
        for names in _TOGETHER
        if getattr(into, names[0]) is None and getattr(customer, names[0]) is not None
        for name in names
    }
    if fixed:
        connection.execute(sa.update(_customers).where(_customers.c.id == into.id).values(**fixed))
    table = attributes_table(attributes)
    rows = {row.customer_id: row for row in connection.execute(_both(table, customer.id, into.id))}
    mine, theirs = rows.get(customer.id), rows.get(into.id)
    named: dict[str, Any] = {}
    if mine is not None and theirs is not None:
        columns = [one.name for one in table.columns if one.name != "customer_id"]
        named = {
            name: getattr(mine, name)
            for name in columns
            if getattr(theirs, name) is None and getattr(mine, name) is not None
        }
        if named:
            connection.execute(sa.update(table).where(table.c.customer_id == into.id).values(**named))
    return {
        "fixed": sorted(fixed),
        "attributes": sorted(named),
        "lists": _fill_lists(connection, customer, into),
    }


def empty(
    connection: sa.Connection, attributes: Attributes, into_id: int, filled: dict[str, list[str]]
) -> None:
    """Empty again what was filled."""
    if filled["fixed"]:
        connection.execute(
            sa.update(_customers).where(_customers.c.id == into_id).values(**dict.fromkeys(filled["fixed"]))
        )
    table = attributes_table(attributes)
    names = [name for name in filled["attributes"] if name in table.c]
    if names:
        connection.execute(
            sa.update(table).where(table.c.customer_id == into_id).values(**dict.fromkeys(names))
        )
    if filled["lists"]:
        connection.execute(
            sa.delete(_lists).where(_lists.c.customer_id == into_id, _lists.c.attribute.in_(filled["lists"]))
        )


def _both(table: sa.Table, customer_id: int, into_id: int) -> sa.Select[Any]:
    return sa.select(table).where(table.c.customer_id.in_([customer_id, into_id]))


def _fill_lists(connection: sa.Connection, customer: Any, into: Any) -> list[str]:
    rows = connection.execute(
        sa.select(_lists.c.customer_id, _lists.c.attribute)
        .where(_lists.c.customer_id.in_([customer.id, into.id]))
        .distinct()
    ).all()
    theirs = {name for owner, name in rows if owner == into.id}
    names = sorted({name for owner, name in rows if owner == customer.id} - theirs)
    if names:
        connection.execute(
            insert_ignoring(connection, _lists).from_select(
                ["customer_id", "attribute", "value"],
                sa.select(sa.literal(into.id), _lists.c.attribute, _lists.c.value).where(
                    _lists.c.customer_id == customer.id, _lists.c.attribute.in_(names)
                ),
            )
        )
    return names
