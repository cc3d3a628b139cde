"""What a name stands for in a journey: an attribute of the customer, else a property of the event that started it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from tidings.definitions.kinds.rules import FIXED_COLUMNS, Event
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.flows.journeys.due import DAY, day_number, instant_wall
from tidings.segments.properties import property_value
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table


class IsoDay(FunctionElement[str]):
    """A date column as text `2027-03-02`, whatever way the database keeps and shows dates."""

    inherit_cache = True
    type = sa.Text()


@compiles(IsoDay, "sqlite")
def _on_sqlite(element: IsoDay, compiler: SQLCompiler, **more: Any) -> str:
    return compiler.process(element.clauses, **more)


@compiles(IsoDay, "postgresql")
def _on_postgresql(element: IsoDay, compiler: SQLCompiler, **more: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **more)}, 'YYYY-MM-DD')"


def start_event(definitions: Definitions, name: str) -> Event | None:
    """Return the declared event that starts a flow, or None where none does."""
    return definitions.events.get(name) if name else None


def typed_value(
    name: str,
    definitions: Definitions,
    event: Event | None,
    customer_id: sa.ColumnElement[int],
    event_id: sa.ColumnElement[int],
) -> tuple[sa.ColumnElement[Any], str]:
    """Return the value of a name for a customer and a start event, with its type; dates come as text.

    `event` declares the properties. Raises UsageError for a name that is neither, and for a list.
    """
    customers, events = people.customers, people.events
    if name in FIXED_COLUMNS:
        return _one(customers.c[name], customers.c.id == customer_id, customer_id), "text"
    declared = definitions.attributes.get(name)
    if declared is not None and declared.type != "list":
        attributes = attributes_table(definitions.attributes)
        column: sa.ColumnElement[Any] = attributes.c[name]
        if declared.type == "date":
            column = IsoDay(column)
        return _one(column, attributes.c.customer_id == customer_id, customer_id), declared.type
    property_ = event.property(name) if event is not None else None
    if event is None or property_ is None:
        raise UsageError(
            f'"{name}" is neither an attribute with one value nor a property of what starts the flow'
        )
    if property_.type == "money" and name == event.revenue:
        found: sa.ColumnElement[Any] = events.c.amount
    else:
        found = property_value(events.c.properties, name, property_.type)
    return _one(found, events.c.id == event_id, event_id), property_.type


def subject_of(
    name: str,
    definitions: Definitions,
    event: Event | None,
    customer_id: sa.ColumnElement[int],
    event_id: sa.ColumnElement[int],
) -> sa.ColumnElement[str]:
    """Return the value of a name as text, to tell journeys of one customer apart; NULL when it is not known."""
    value, kind = typed_value(name, definitions, event, customer_id, event_id)
    if kind in ("text", "date"):
        return sa.cast(value, sa.Text)
    if kind == "flag":
        return sa.case((value.is_(sa.true()), "true"), (value.is_(sa.false()), "false"))
    if kind == "number":
        whole = sa.cast(value, sa.BigInteger)
        return sa.case((value == whole, sa.cast(whole, sa.Text)), else_=sa.cast(value, sa.Text))
    return sa.cast(value, sa.Text)


def local_day_of(
    name: str,
    definitions: Definitions,
    event: Event | None,
    customer_id: sa.ColumnElement[int],
    event_id: sa.ColumnElement[int],
    lowest: int,
    highest: int,
) -> sa.ColumnElement[int]:
    """Return the days from 1970-01-01 to the date that a name stands for, on the workspace's clock; NULL when unknown.

    An instant is the day it falls on; that is exact for instants from `lowest` through `highest`.
    """
    value, kind = typed_value(name, definitions, event, customer_id, event_id)
    if kind == "date":
        return day_number(value)
    if kind == "instant":
        wall = instant_wall(value, ZoneInfo(definitions.workspace.zone), lowest, highest)
        # Rounded towards zero by both databases, and no instant here lies before 1970 by much.
        day = sa.literal(DAY, sa.BigInteger)
        return sa.case((wall >= 0, wall // day), else_=(wall - day + 1) // day)
    raise UsageError(f'"{name}" is of type {kind}; a day is counted from a date')


def _one(
    value: sa.ColumnElement[Any], where: sa.ColumnElement[bool], asked: sa.ColumnElement[int]
) -> sa.ColumnElement[Any]:
    chosen = sa.select(value).where(where)
    table = getattr(asked, "table", None)
    if table is not None:
        chosen = chosen.correlate(table)
    return chosen.scalar_subquery()
