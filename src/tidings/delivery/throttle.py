"""A channel's rate, kept by all processes together: a bucket of tokens in the store that every claim takes from.

Beside the pace inside a process, which spreads messages evenly, this holds the sum. It goes by the store's own clock:
rates are promises to a provider, and a clock that was set has nothing to do with them.
"""

from __future__ import annotations

import math

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.store.database import Store
from tidings.store.tables import sending

# A bucket holds so many seconds' worth; a claim is worth its transaction from half a second's on.
_FULL_SECONDS, _LEAST_SECONDS = 2.0, 0.5
_MICROS = 1_000_000


def most(rate: float) -> float:
    """Return how many tokens a bucket holds: what may go at once after a rest."""
    return max(rate * _FULL_SECONDS, 1.0)


def look(store: Store, connection: sa.Connection, channel: str, rate: float) -> tuple[int, float]:
    """Return how many messages may be claimed now, and where there are none, the seconds until a claim is worth it."""
    tokens = _tokens(connection, channel, rate, store.lease_now(connection))
    least = min(max(rate * _LEAST_SECONDS, 1.0), most(rate))
    if tokens >= least:
        return math.floor(tokens), 0.0
    return 0, (least - tokens) / rate


def reserve(store: Store, connection: sa.Connection, channel: str, rate: float, wanted: int) -> int:
    """Take up to `wanted` tokens, in the transaction of the claim; return how many there were."""
    buckets = sending.rate_buckets
    name = _name(channel)
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Made first and then locked, so that two who are the first take one after the other.
    connection.execute(
        insert(buckets)
        .values(name=name, tokens=most(rate), refilled_at=store.lease_now(connection))
        .on_conflict_do_nothing()
    )
    connection.execute(sa.select(buckets.c.name).where(buckets.c.name == name).with_for_update())
    now = store.lease_now(connection)
    tokens = _tokens(connection, channel, rate, now)
    granted = min(wanted, math.floor(tokens))
    if granted > 0:
        connection.execute(
            sa.update(buckets)
            .where(buckets.c.name == name)
            .values(
                tokens=tokens - granted,
                refilled_at=sa.case((buckets.c.refilled_at > now, buckets.c.refilled_at), else_=now),
            )
        )
    return max(granted, 0)


def _tokens(connection: sa.Connection, channel: str, rate: float, now: int) -> float:
    buckets = sending.rate_buckets
    row = connection.execute(
        sa.select(buckets.c.tokens, buckets.c.refilled_at).where(buckets.c.name == _name(channel))
    ).first()
    if row is None:
        return most(rate)
    # Never backwards: on PostgreSQL a transaction that began earlier may come later.
    passed = max(now - row.refilled_at, 0) / _MICROS
    return float(min(most(rate), row.tokens + passed * rate))


def _name(channel: str) -> str:
    return f"channel/{channel}"
