"""Whom and what a question is about: a customer by key or address, a campaign or flow by name; else the nearest names."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa

from tidings.customers.identity import ADDRESS_COLUMNS, normalise_email
from tidings.customers.phones import normalise_phone
from tidings.customers.zones import area_column
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.flows.explaining.facts import Person
from tidings.store.tables import people, sending

_customers = people.customers
_other = people.customers.alias("other")
# So many keys that begin alike are compared with a misspelled one.
_COMPARED = 500


def find_person(connection: sa.Connection, text: str, definitions: Definitions) -> Person:
    """Return the customer with this key, e-mail address, telephone or fax number.

    Raises UsageError with the nearest ones where there is none, and with their keys where an address belongs to several.
    """
    text = text.strip()
    found = _rows(connection, _customers.c.key == text)
    if not found:
        found = _rows(connection, sa.or_(*_addressed(text, definitions)))
        # Of one person's records the one that is written to.
        found = [row for row in found if row.merged_into is None] or found
    if len(found) > 1:
        keys = ", ".join(row.key for row in found[:5]) + (" …" if len(found) > 5 else "")
        raise UsageError(
            f'{len(found)} customers have the address "{text}"', what_to_do=f"name one by its key: {keys}"
        )
    if not found:
        near = _nearest(connection, text)
        raise UsageError(
            f'there is no customer "{text}"',
            what_to_do=f"did you mean {' or '.join(near)}?"
            if near
            else "name a customer by key, e-mail address or telephone number",
        )
    return _person(found[0])


def person_of(connection: sa.Connection, customer_id: int) -> Person:
    """Return a customer by id."""
    return _person(_rows(connection, _customers.c.id == customer_id)[0])


def find_subject(connection: sa.Connection, definitions: Definitions, name: str) -> str:
    """Return whether a name is that of a `flow` or a `campaign`, also of one whose file is gone.

    Raises UsageError with the nearest names for one that there never was.
    """
    if name in definitions.flows:
        return "flow"
    if name in definitions.campaigns:
        return "campaign"
    runs = sending.runs
    kind = connection.execute(
        sa.select(runs.c.kind).where(runs.c.campaign == name).order_by(runs.c.id.desc()).limit(1)
    ).scalar()
    if kind is not None:
        return "flow" if kind == "flow" else "campaign"
    known = {
        *definitions.flows,
        *definitions.campaigns,
        *connection.execute(sa.select(runs.c.campaign).distinct()).scalars(),
    }
    raise UsageError(f'there is no campaign or flow "{name}"', what_to_do=_meant(name, known))


def _meant(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=3)
    if near:
        return "did you mean " + " or ".join(f'"{one}"' for one in near) + "?"
    return f"there are: {', '.join(names)}" if names else "campaigns/ and flows/ are empty"


def _addressed(text: str, definitions: Definitions) -> list[sa.ColumnElement[bool]]:
    tests: list[sa.ColumnElement[bool]] = [sa.false()]
    with suppress(ValueError):
        tests.append(_customers.c.email == normalise_email(text))
    with suppress(ValueError):
        number = normalise_phone(text, definitions.workspace.country)
        tests += [_customers.c.phone == number, _customers.c.fax == number]
    return tests


def _rows(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Any]:
    return list(
        connection.execute(
            sa.select(
                _customers,
                area_column().label("area"),
                _other.c.key.label("merged_key"),
                people.merges.c.at.label("merged_at"),
            )
            .select_from(
                _customers.outerjoin(_other, _other.c.id == _customers.c.merged_into).outerjoin(
                    people.merges,
                    sa.and_(
                        people.merges.c.customer_id == _customers.c.id, people.merges.c.undone_at.is_(None)
                    ),
                )
            )
            .where(where)
            .order_by(_customers.c.id)
            .limit(50)
        )
    )


def _nearest(connection: sa.Connection, text: str) -> list[str]:
    """Return up to three keys (or addresses) like a text, looking at those that begin as it does."""
    column = _customers.c.email if "@" in text else _customers.c.key
    for length in range(len(text) - 1, -1, -1):
        names = connection.execute(
            sa.select(column)
            .where(column.is_not(None), column.startswith(text[:length], autoescape=True))
            .order_by(column)
            .limit(_COMPARED)
        ).scalars()
        near = get_close_matches(text, [str(one) for one in names], n=3)
        if near:
            return near
    return []


def _person(row: Any) -> Person:
    return Person(
        id=row.id,
        key=row.key,
        u=row.u,
        account=row.account,
        account_u=row.account_u,
        addresses={kind: getattr(row, name) for kind, name in ADDRESS_COLUMNS.items()},
        hashes={kind: getattr(row, f"{name}_hash") for kind, name in ADDRESS_COLUMNS.items()},
        locale=row.locale,
        zone=row.zone,
        country=row.country,
        created_at=row.created_at,
        tombstoned_at=row.tombstoned_at,
        area=row.area,
        merged_into=row.merged_key,
        merged_at=row.merged_at,
    )
