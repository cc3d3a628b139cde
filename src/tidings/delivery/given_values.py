"""The values that the event which started a journey gives to its messages, in the form in which attributes are stored.

A property that is missing or of another type than declared is unknown, and so is an amount in another currency than the one
that the message would print: it is never shown as what it is not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.given import ITEMS, Given
from tidings.definitions.kinds.rules import Attribute
from tidings.store.tables import journeys, people, sending

_events, _names, _items = people.events, people.event_names, people.event_items
_LARGEST = 10**18


def of_messages(
    connection: sa.Connection, given: Given, names: Collection[str], message_ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return the named values for each message of a flow; one whose journey no event started has none but unknown ones."""
    messages, walks = sending.messages, journeys.journeys
    query = (
        sa.select(messages.c.id, walks.c.event_id)
        .select_from(messages.outerjoin(walks, walks.c.enrolment_id == messages.c.enrolment_id))
        .where(messages.c.id.in_(message_ids))
    )
    return _values(connection, given, names, _pairs(connection, query))


def of_journeys(
    connection: sa.Connection, given: Given, names: Collection[str], enrolment_ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return the named values for each journey, by its enrolment."""
    walks = journeys.journeys
    query = sa.select(walks.c.enrolment_id, walks.c.event_id).where(walks.c.enrolment_id.in_(enrolment_ids))
    found = dict.fromkeys(enrolment_ids) | _pairs(connection, query)
    return _values(connection, given, names, found)


def of_customers(
    connection: sa.Connection, given: Given, names: Collection[str], customer_ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return the named values of the latest such event of each customer; customers who never had one are left out.

    This is what a preview shows, before there is a journey.
    """
    place = sa.func.row_number().over(
        partition_by=_events.c.customer_id, order_by=(_events.c.occurred_at.desc(), _events.c.id.desc())
    )
    ranked = (
        sa.select(_events.c.customer_id, _events.c.id, place.label("place"))
        .join(_names, _names.c.id == _events.c.name_id)
        .where(_names.c.name == given.event, _events.c.customer_id.in_(customer_ids))
        .subquery()
    )
    query = sa.select(ranked.c.customer_id, ranked.c.id).where(ranked.c.place == 1)
    return _values(connection, given, names, _pairs(connection, query))


def _pairs(connection: sa.Connection, query: sa.Select[Any]) -> dict[int, int | None]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _values(
    connection: sa.Connection, given: Given, names: Collection[str], events: Mapping[int, int | None]
) -> dict[int, dict[str, Any]]:
    """Return the values for each key of `events`, which says the event of each."""
    wanted = [one for one in given.names if one.name in names]
    ids = sorted({event_id for event_id in events.values() if event_id is not None})
    read: dict[int, dict[str, Any]] = {}
    lines = _lines(connection, ids) if any(_is_items(one) for one in wanted) else {}
    rows = connection.execute(
        sa.select(_events.c.id, _events.c.properties, _events.c.amount, _events.c.currency).where(
            _events.c.id.in_(ids)
        )
    )
    for row in rows:
        read[row.id] = {
            one.name: lines.get(row.id, []) if _is_items(one) else _value(one, given, row) for one in wanted
        }
    unknown: dict[str, Any] = {one.name: [] if _is_items(one) else None for one in wanted}
    return {key: read.get(event_id or 0, unknown) for key, event_id in events.items()}


def _is_items(one: Attribute) -> bool:
    return one.name == ITEMS and one.type == "list"


def _lines(connection: sa.Connection, event_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the lines of each order as people call them, in their order."""
    found: dict[int, list[str]] = {}
    rows = connection.execute(
        sa.select(_items.c.event_id, sa.func.coalesce(_items.c.name, _items.c.item))
        .where(_items.c.event_id.in_(event_ids))
        .order_by(_items.c.event_id, _items.c.position)
    )
    for event_id, name in rows:
        found.setdefault(event_id, []).append(name)
    return found


def _value(one: Attribute, given: Given, row: Any) -> Any:
    value = row.amount if one.name == given.revenue else (row.properties or {}).get(one.name)
    match one.type:
        case "money":
            known = type(value) is int and abs(value) < _LARGEST and row.currency in (None, one.currency)
        case "number":
            known = type(value) in (int, float)
            if type(value) is float and value.is_integer():
                value = int(value)
        case "flag":
            known = type(value) is bool
        case "date":
            known = type(value) is str and _is_date(value)
        case _:
            known = type(value) is str
    return value if known else None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
