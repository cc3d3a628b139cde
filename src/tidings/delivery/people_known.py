"""The people of a plan, counted by channel, wording, locale and what is known of them: one statement, whoever they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.store.tables import people, sending
from tidings.store.vocabulary import attributes_table

# What is known of a value. Empty is a nought or a list without entries: known, yet `or` passes over it.
UNKNOWN, EMPTY, KNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class People:
    """So many people with the same channel, variant and locale of whom the same is known.

    `known` says of each name whether its value is known; `spelled` holds the values themselves where there are few of them.
    """

    channel: str
    variant: str | None
    locale: str
    known: Mapping[str, int]
    spelled: Mapping[str, str | None]
    customers: int


def wordings_of_plan(connection: sa.Connection, plan_hash: str) -> list[tuple[str, str | None, str]]:
    """Return channel, variant and locale (empty: none known) of every message that a plan would write."""
    members, customers = sending.plan_members, people.customers
    locale = sa.func.coalesce(customers.c.locale, "")
    rows = connection.execute(
        _members(plan_hash)
        .add_columns(members.c.channel, members.c.variant, locale.label("locale"))
        .distinct()
        .order_by("channel", "variant", "locale")
    )
    return [(row.channel, row.variant, row.locale) for row in rows]


def people_of_plan(
    connection: sa.Connection, attributes: Attributes, plan_hash: str, names: Collection[str]
) -> list[People]:
    """Return everybody whom a plan writes to, counted by what is known of the named attributes.

    Those with a list of values in config/attributes.yaml are told apart by their value too: a title or a gender decides
    how somebody is greeted.
    """
    members, customers, table = sending.plan_members, people.customers, attributes_table(attributes)
    wanted = [one for one in attributes.attributes if one.name in names]
    few = [one.name for one in wanted if one.values and one.type == "text"]
    inner = _members(plan_hash, table).add_columns(
        members.c.channel,
        members.c.variant,
        sa.func.coalesce(customers.c.locale, "").label("locale"),
        *(_state(one, table).label(f"k{place}") for place, one in enumerate(wanted)),
        *(table.c[name].label(f"v{place}") for place, name in enumerate(few)),
    )
    # Grouped outside: PostgreSQL takes two CASE with parameters for two different things.
    found = inner.subquery()
    rows = connection.execute(sa.select(*found.c, sa.func.count().label("customers")).group_by(*found.c))
    return [
        People(
            row.channel,
            row.variant,
            row.locale,
            {one.name: row._mapping[f"k{place}"] for place, one in enumerate(wanted)},
            {name: row._mapping[f"v{place}"] for place, name in enumerate(few)},
            row.customers,
        )
        for row in rows
    ]


def _members(plan_hash: str, table: sa.Table | None = None) -> sa.Select[tuple[()]]:
    members, plans, customers = sending.plan_members, sending.plans, people.customers
    source = members.join(customers, customers.c.id == members.c.customer_id)
    if table is not None:
        source = source.outerjoin(table, table.c.customer_id == customers.c.id)
    plan_id = sa.select(plans.c.id).where(plans.c.hash == plan_hash).scalar_subquery()
    return (
        sa.select()
        .select_from(source)
        .where(members.c.plan_id == plan_id, members.c.arm == "treated", members.c.channel.is_not(None))
    )


def _state(attribute: Attribute, table: sa.Table) -> sa.ColumnElement[int]:
    if attribute.type == "list":
        lists = people.customer_lists
        entry = sa.exists().where(
            lists.c.customer_id == people.customers.c.id, lists.c.attribute == attribute.name
        )
        return sa.case((entry, KNOWN), else_=EMPTY)
    column = table.c[attribute.name]
    whens: list[tuple[sa.ColumnElement[bool], int]] = [(column.is_(None), UNKNOWN)]
    if attribute.type == "text":
        whens.append((column == "", UNKNOWN))
    elif attribute.type in ("number", "money"):
        whens.append((column == 0, EMPTY))
    return sa.case(*whens, else_=KNOWN)
