"""What shows that a person was there after all: an order of the same customer right after a click."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection

import sqlalchemy as sa

from tidings.store.tables import answers, people

# How long after a click an order still proves that a person followed the link.
ORDER_SPAN = 30 * 60 * 1_000_000

_AT_ONCE = 1_000
_responses, _events = answers.responses, people.events


def ordered_hits(
    connection: sa.Connection, customers: Collection[int], earliest: int, latest: int
) -> set[int]:
    """Return the hits of stored clicks from `earliest` to `latest` (microseconds) that an order within 30 minutes proves.

    Of several clicks before one order the last one counts: what a filter did an hour before a person came proves nothing.
    An order is an event with an amount above zero.
    """
    wanted = sorted(customers)
    found: set[int] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        orders = connection.execute(
            sa.select(_events.c.customer_id, _events.c.occurred_at).where(
                _events.c.customer_id.in_(some),
                _events.c.amount > 0,
                _events.c.occurred_at.between(earliest, latest + ORDER_SPAN),
            )
        ).all()
        if orders:
            found |= _last_before(connection, [(customer, at) for customer, at in orders], earliest)
    return found


def _last_before(connection: sa.Connection, orders: Collection[tuple[int, int]], earliest: int) -> set[int]:
    clicks = connection.execute(
        sa.select(_responses.c.customer_id, _responses.c.at, _responses.c.hit_id)
        .where(
            _responses.c.customer_id.in_({customer for customer, _ in orders}),
            _responses.c.kind == "clicked",
            _responses.c.hit_id.is_not(None),
            _responses.c.at.between(earliest, max(at for _, at in orders)),
        )
        .order_by(_responses.c.at, _responses.c.hit_id)
    )
    by_customer: dict[int, list[tuple[int, int]]] = {}
    for customer, at, hit_id in clicks:
        by_customer.setdefault(customer, []).append((at, hit_id))
    found = set()
    for customer, at in orders:
        theirs = by_customer.get(customer, [])
        place = bisect_right(theirs, at, key=lambda click: click[0])
        if place and at - theirs[place - 1][0] <= ORDER_SPAN:
            found.add(theirs[place - 1][1])
    return found
