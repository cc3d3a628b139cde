"""Touches of people nobody knew, looked for again: a visitor who ordered, a lead who became a customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.customers.unnamed import PAGE_PROPERTIES
from tidings.customers.who import PAGE, VISITOR, Identity, find, of_mark
from tidings.definitions.workspace import Definitions
from tidings.segments.properties import property_value
from tidings.store.database import Store
from tidings.store.tables import answers, people

_CHUNK = 1_000
_touches, _events, _names = answers.touches, people.events, people.event_names


def rematch(store: Store, definitions: Definitions | None = None) -> int:
    """Give touches without a customer the one who is known by now; return how many found theirs."""
    matched, after = 0, ""
    waiting = sa.and_(_touches.c.customer_id.is_(None), _touches.c.visitor.is_not(None))
    while True:
        with store.read() as connection:
            marks = list(
                connection.execute(
                    sa.select(_touches.c.visitor)
                    .distinct()
                    .where(waiting, _touches.c.visitor > after)
                    .order_by(_touches.c.visitor)
                    .limit(_CHUNK)
                ).scalars()
            )
            if not marks:
                return matched
            known = {mark: of_mark(mark) for mark in marks}
            found = find(connection, known.values(), guests=True)
            found |= by_page(connection, {one.value for one in known.values() if one.by == PAGE}, definitions)
        after = marks[-1]
        moves = [
            {"of": mark, "whose": found[one], "how": one.by} for mark, one in known.items() if one in found
        ]
        for chunk in store.paced("touches").chunks(moves, 200):
            with store.marks("touches") as connection:
                for move in chunk:
                    statement = (
                        sa.update(_touches)
                        .where(_touches.c.customer_id.is_(None), _touches.c.visitor == move["of"])
                        .values(customer_id=move["whose"], matched_by=move["how"])
                    )
                    matched += connection.execute(statement).rowcount


def by_page(
    connection: sa.Connection, pages: Collection[str], definitions: Definitions | None
) -> dict[Identity, int]:
    """Return who came to these addresses, for those to which only one customer came.

    An ad that puts an id of its own into the address is found so. Whom only the name of a visitor tells is looked for by that.
    """
    if not pages or definitions is None:
        return {}
    dialect = connection.dialect.name
    customers: dict[str, set[int]] = defaultdict(set)
    visitors: dict[str, set[str]] = defaultdict(set)
    for event in definitions.events.events:
        for name in PAGE_PROPERTIES:
            declared = event.property(name)
            if declared is None or declared.type != "text":
                continue
            page = property_value(_events.c.properties, name, "text")
            rows = connection.execute(
                sa.select(page, _events.c.customer_id, _events.c.visitor)
                .select_from(_events.join(_names, _names.c.id == _events.c.name_id))
                .where(_names.c.name == event.name, one_of(page, dialect)),
                listed(dialect, pages),
            )
            for address, customer, visitor in rows:
                if customer is not None:
                    customers[address].add(customer)
                elif visitor is not None:
                    visitors[address].add(visitor)
    named = find(
        connection, {of_mark(one) for those in visitors.values() for one in those if not one.startswith("=")}
    )
    found: dict[Identity, int] = {}
    for address in customers.keys() | visitors.keys():
        those = set(customers[address])
        strangers = False
        for visitor in visitors[address]:
            customer = named.get(Identity(VISITOR, visitor))
            strangers = strangers or customer is None
            those |= {customer} if customer is not None else set()
        # Somebody unknown came to the same address: it may have been their touch.
        if len(those) == 1 and not strangers:
            found[Identity(PAGE, address)] = those.pop()
    return found
