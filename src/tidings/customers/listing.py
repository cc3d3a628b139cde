"""Listed segments: the customers of an imported file become members, or cease to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.customers.customer_rows import CustomerItem
from tidings.customers.knowing import listed, one_of
from tidings.store.tables import people

Apply = Callable[[sa.Connection, Sequence[CustomerItem], int], dict[str, int]]


@dataclass(frozen=True, slots=True)
class Lists:
    """What to do with the customers of a file: put them `into` a listed segment, or take them `out_of` one."""

    into: str = ""
    out_of: str = ""


def listing(apply: Apply, lists: Lists) -> Apply:
    """Return what stores a chunk and then moves its customers; part of the same transaction, and repeatable."""

    def both(connection: sa.Connection, items: Sequence[CustomerItem], now: int) -> dict[str, int]:
        counts = dict(apply(connection, items, now))
        keys = {item.key for item in items}
        if lists.into:
            counts["listed"] = counts.get("listed", 0) + _put(connection, lists.into, keys, now)
        if lists.out_of:
            counts["unlisted"] = counts.get("unlisted", 0) + _take(connection, lists.out_of, keys, now)
        return counts

    return both


def _put(connection: sa.Connection, segment: str, keys: set[str], now: int) -> int:
    """Open an interval of membership for those who have none; return how many."""
    customers, members = people.customers, people.segment_members
    there = (
        sa.select(sa.literal_column("1"))
        .where(
            members.c.segment == segment,
            members.c.customer_id == customers.c.id,
            members.c.valid_to.is_(None),
        )
        .exists()
    )
    new = sa.select(sa.literal(segment), customers.c.id, sa.literal(now, sa.BigInteger)).where(
        one_of(customers.c.key, connection.dialect.name), ~there
    )
    return connection.execute(
        members.insert().from_select(["segment", "customer_id", "valid_from"], new),
        listed(connection.dialect.name, keys),
    ).rowcount


def _take(connection: sa.Connection, segment: str, keys: set[str], now: int) -> int:
    """End the membership of those who have one; return how many."""
    customers, members = people.customers, people.segment_members
    chosen = sa.select(customers.c.id).where(one_of(customers.c.key, connection.dialect.name))
    return connection.execute(
        sa.update(members)
        .where(members.c.segment == segment, members.c.valid_to.is_(None), members.c.customer_id.in_(chosen))
        .values(valid_to=now),
        listed(connection.dialect.name, keys),
    ).rowcount
