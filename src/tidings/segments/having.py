"""Conditions on what a customer has: fixed columns, declared attributes, lists, stored membership."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.definitions import values as v
from tidings.definitions.conditions import AttributeCondition
from tidings.definitions.kinds.rules import FIXED_COLUMNS
from tidings.errors import Position
from tidings.segments.comparing import Clause, Value, complement, every, holds
from tidings.segments.scope import Scope, refused
from tidings.store.tables import people

customers = people.customers


def attribute_holds(condition: AttributeCondition, scope: Scope, attributes: sa.Table) -> Clause:
    """Return the condition that an attribute passes its test; `attributes` is the 1:1 table joined to customers."""
    name = condition.attribute
    if name in FIXED_COLUMNS:
        return holds(Value(customers.c[name], "text", name, at=condition.at), condition.test, scope)
    declared = scope.attributes.get(name)
    if declared is None:
        raise refused(
            f'"{name}" is not an attribute of config/attributes.yaml', condition.at, "declare it there first"
        )
    if declared.type == "list":
        return has_any(_list_rows(name), condition.test, scope, name, condition.at)
    value = Value(
        attributes.c[name], declared.type, name, currency=declared.currency or scope.currency, at=condition.at
    )
    return holds(value, condition.test, scope)


def needs_attributes(name: str) -> bool:
    """Tell whether an attribute stands in the 1:1 table or the list table rather than in the customer's row."""
    return name not in FIXED_COLUMNS


def _list_rows(name: str) -> tuple[sa.ColumnElement[str], sa.Select[Any]]:
    rows = people.customer_lists
    chosen: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .select_from(rows)
        .where(rows.c.customer_id == customers.c.id, rows.c.attribute == name)
        .correlate(customers)
    )
    return rows.c.value, chosen


def item_rows() -> tuple[sa.ColumnElement[str], sa.Select[Any]]:
    """Return the items of an event (correlated with `events`) and the column that names them."""
    rows = people.event_items
    chosen: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .select_from(rows)
        .where(rows.c.event_id == people.events.c.id)
        .correlate(people.events)
    )
    return rows.c.item, chosen


def has_any(
    rows: tuple[sa.ColumnElement[str], sa.Select[Any]],
    test: v.Test,
    scope: Scope,
    name: str,
    at: Position | None,
) -> Clause:
    """Return the condition that several values pass a test: some value does; `AllOf` wants each of its own.

    A list without values is unknown: it passes no comparison and every complement.
    """
    column, chosen = rows
    match test:
        case v.Not(inner):
            return complement(has_any(rows, inner, scope, name, at))
        case v.Known():
            return sa.exists(chosen)
        case v.Unknown():
            return sa.not_(sa.exists(chosen))
        case v.AllOf(wanted):
            return every([has_any(rows, v.Is(one), scope, name, at) for one in wanted])
        case v.Is() | v.OneOf() | v.TextMatch():
            return sa.exists(chosen.where(holds(Value(column, "text", name, at=at), test, scope)))
        case _:
            raise refused(
                f'"{name}" is a list; it can have values, not stand above or below one',
                at,
                "write [a, b], {all: [a, b]} or {not: [a, b]}",
            )


def stored_membership(segment: str) -> Clause:
    """Return the condition that a customer is a stored member of a segment now."""
    members = people.segment_members
    return sa.exists(
        sa.select(sa.literal_column("1"))
        .select_from(members)
        .where(
            members.c.segment == segment,
            members.c.customer_id == customers.c.id,
            members.c.valid_to.is_(None),
        )
        .correlate(customers)
    )
