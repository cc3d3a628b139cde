"""What shows that a person was there after all: an order of the same customer, or somebody who acts on the page, after a click."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from tidings.responses.landing import BY_SERVER, VISIT
from tidings.store.tables import answers, people

# How long after a click an order, or a visit, still proves that a person followed the link.
ORDER_SPAN = 30 * 60 * 1_000_000

_AT_ONCE = 1_000
_hits, _responses, _events = answers.hits, answers.responses, people.events

# Written once: to put a statement together costs more than a small batch takes to be read.
_OF_MESSAGES = sa.select(
    _hits.c.id, _hits.c.message_id, _hits.c.at, _hits.c.user_agent, _hits.c.detail
).where(
    _hits.c.message_id.in_(sa.bindparam("messages", expanding=True)),
    _hits.c.kind == sa.bindparam("of"),
    _hits.c.at.between(sa.bindparam("earliest"), sa.bindparam("latest")),
)


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


def visited_hits(
    connection: sa.Connection, messages: Collection[int], earliest: int, latest: int
) -> set[int]:
    """Return the stored clicks from `earliest` to `latest` (microseconds) on whose pages somebody acted within 30 minutes.

    It was the last click of the message before, by the same program: a filter that comes in between proves nothing of itself.
    What a server tells has no program, and tells of the last click.
    """
    wanted = sorted(messages)
    found: set[int] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        span = {
            "messages": wanted[start : start + _AT_ONCE],
            "earliest": earliest,
            "latest": latest + ORDER_SPAN,
        }
        visits = connection.execute(_OF_MESSAGES, span | {"of": VISIT}).all()
        if not visits:
            continue
        span["messages"] = sorted({visit.message_id for visit in visits})
        clicks: dict[int, list[Any]] = {}
        for click in connection.execute(_OF_MESSAGES, span | {"of": "click"}):
            clicks.setdefault(click.message_id, []).append(click)
        for visit in visits:
            by_server = (visit.detail or {}).get("by") == BY_SERVER
            before = [
                (click.at, click.id)
                for click in clicks.get(visit.message_id, ())
                if 0 <= visit.at - click.at <= ORDER_SPAN
                and (by_server or click.user_agent == visit.user_agent)
            ]
            if before:
                found.add(max(before)[1])
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
