"""What a message is filled with: the values of many customers at once, as plain JSON.

A value has the form in which it is stored: money in minor units, a date as ISO text, an instant in
microseconds, a list as texts in order; an unknown value is None. The renderer knows the types.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.recommending import recommended
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.given import Given, split_names
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attributes
from tidings.definitions.workspace import Definitions
from tidings.delivery.given_values import of_customers
from tidings.store.tables import journeys, people, sending
from tidings.store.vocabulary import attributes_table

_MEMBERS = 5_000


def load(
    connection: sa.Connection, attributes: Attributes, customer_ids: Sequence[int], names: Collection[str]
) -> dict[int, dict[str, Any]]:
    """Return the named values of each customer: one statement for columns, one for lists, whatever the batch.

    A name is an attribute of config/attributes.yaml or a fixed column (key, email, locale, …).
    Raises KeyError for another name.
    """
    wanted = sorted(names)
    lists = [name for name in wanted if _type(attributes, name) == "list"]
    columns = [name for name in wanted if name not in lists]
    values: dict[int, dict[str, Any]] = {customer_id: dict.fromkeys(columns) for customer_id in customer_ids}
    if columns and values:
        table = attributes_table(attributes)
        picked = [
            people.customers.c[name] if _type(attributes, name) == "fixed" else table.c[name]
            for name in columns
        ]
        source = people.customers.outerjoin(table, table.c.customer_id == people.customers.c.id)
        rows = connection.execute(
            sa.select(people.customers.c.id, *picked)
            .select_from(source)
            .where(people.customers.c.id.in_(customer_ids))
        )
        for row in rows:
            values[row[0]] = {name: _plain(value) for name, value in zip(columns, row[1:], strict=True)}
    if lists and values:
        for one in values.values():
            one.update({name: [] for name in lists})
        table = people.customer_lists
        entries = connection.execute(
            sa.select(table.c.customer_id, table.c.attribute, table.c.value)
            .where(table.c.customer_id.in_(customer_ids), table.c.attribute.in_(lists))
            .order_by(table.c.customer_id, table.c.attribute, table.c.value)
        )
        for customer_id, name, value in entries:
            values[customer_id][name].append(value)
    return values


def load_products(
    connection: sa.Connection,
    definitions: Definitions,
    campaign: Campaign,
    customer_ids: Sequence[int],
    fields: Collection[str],
    now: datetime,
) -> dict[int, list[dict[str, Any]]]:
    """Return these fields of the products that each customer is recommended, never the one that the campaign offers."""
    without = campaign.offer.product if campaign.offer is not None else ""
    found = recommended(connection, definitions, customer_ids, now=now, fields=fields, without=without)
    return {customer_id: [one.values(fields) for one in those] for customer_id, those in found.items()}


def load_for(
    connection: sa.Connection,
    attributes: Attributes,
    customer_ids: Sequence[int],
    names: Collection[str],
    group_names: Collection[str] | None,
    given: Given | None = None,
) -> dict[int, dict[str, Any]]:
    """Return what a message is shown with before there is a run: `group` is then everybody of the customer's account.

    What the event that starts a flow gives is that of the customer's latest such event; of those who had none it is left out.
    """
    own, of_event = split_names(names, given)
    values = load(connection, attributes, customer_ids, own)
    if given is not None and of_event:
        for customer_id, found in of_customers(connection, given, of_event, customer_ids).items():
            values[customer_id] |= found
    if group_names is not None:
        for customer_id, members in load_groups(
            connection, attributes, None, customer_ids, group_names
        ).items():
            values[customer_id]["group"] = members
    return values


def load_groups(
    connection: sa.Connection,
    attributes: Attributes,
    run_id: int | None,
    customer_ids: Sequence[int],
    names: Collection[str],
) -> dict[int, list[dict[str, Any]]]:
    """Return, for each customer who stands for an account, the values of all its members in the run, the lowest id first.

    Without a run these are all customers of the account. Each member has `key` and the names asked for. A customer without an account is a group of one.
    """
    mine, member, enrolled = people.customers.alias("mine"), people.customers, sending.enrolments
    source: sa.FromClause = mine.join(
        member, sa.or_(member.c.id == mine.c.id, member.c.account == mine.c.account)
    )
    which: list[sa.ColumnElement[bool]] = [mine.c.id.in_(customer_ids)]
    if run_id is not None:
        source = source.join(enrolled, enrolled.c.customer_id == member.c.id)
        which += [enrolled.c.run_id == run_id, sa.or_(enrolled.c.arm == "treated", member.c.id == mine.c.id)]
    rows = connection.execute(
        sa.select(mine.c.id, member.c.id)
        .select_from(source)
        .where(*which)
        .distinct()
        .order_by(mine.c.id, member.c.id)
    ).all()
    return _members(connection, attributes, [(row[0], row[1]) for row in rows], names)


def load_subjects(
    connection: sa.Connection, attributes: Attributes, message_ids: Sequence[int], names: Collection[str]
) -> dict[int, list[dict[str, Any]]]:
    """Return, for each message to another party, the values of the customers that it is about, the lowest id first.

    Each has `key` and the names asked for; a customer who came to the step twice is there once. By another channel the
    message is about the same customers as by the first.
    """
    subjects, enrolments, mine = journeys.message_subjects, sending.enrolments, sending.messages
    first = mine.alias("first_leg")
    rows = connection.execute(
        sa.select(mine.c.id, enrolments.c.customer_id)
        .select_from(
            mine.join(
                first, sa.and_(first.c.enrolment_id == mine.c.enrolment_id, first.c.step == mine.c.step)
            )
            .join(subjects, subjects.c.message_id == first.c.id)
            .join(enrolments, enrolments.c.id == subjects.c.enrolment_id)
        )
        .where(mine.c.id.in_(message_ids))
        .distinct()
        .order_by(mine.c.id, enrolments.c.customer_id)
    ).all()
    return _members(connection, attributes, [(row[0], row[1]) for row in rows], names)


def _members(
    connection: sa.Connection,
    attributes: Attributes,
    rows: Sequence[tuple[int, int]],
    names: Collection[str],
) -> dict[int, list[dict[str, Any]]]:
    """Return the values of the members of each group; `rows` are pairs of group and customer, in order."""
    # A big account has more members than one statement should name.
    members = sorted({member_id for _, member_id in rows})
    values: dict[int, dict[str, Any]] = {}
    for start in range(0, len(members), _MEMBERS):
        values |= load(connection, attributes, members[start : start + _MEMBERS], {"key", *names})
    groups: dict[int, list[dict[str, Any]]] = {}
    for group, member_id in rows:
        groups.setdefault(group, []).append(values[member_id])
    return groups


def _type(attributes: Attributes, name: str) -> str:
    attribute = attributes.get(name)
    if attribute is not None:
        return attribute.type
    if name in FIXED_COLUMNS:
        return "fixed"
    raise KeyError(name)


def _plain(value: Any) -> Any:
    """Return a column's value as JSON can hold it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
