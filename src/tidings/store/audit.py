"""Who did what: an append-only trail in which each row's hash covers the row before it.

A row that is changed, removed or put in between breaks the chain, and `verify` names it. Whoever may rewrite the
whole table can cut its end off or forge a new chain: keep the last hash elsewhere if that matters to you.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.errors import StoreError
from tidings.store.tables.keeping import audit

_FIRST = "0" * 64
_LOCK = 7236190328


def append(
    connection: sa.Connection,
    at: datetime | int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
) -> None:
    """Add one row in the caller's transaction. `at` is an instant or microseconds; `detail` plain JSON values.

    Never put addresses or names of people in: the trail is not erased.
    """
    if connection.dialect.name == "postgresql":
        # One appender at a time until its commit, or two rows would follow the same one.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    micros = to_micros(at) if isinstance(at, datetime) else at
    last = connection.execute(sa.select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar()
    previous = last or _FIRST
    connection.execute(
        audit.insert().values(
            at=micros,
            actor=actor,
            action=action,
            subject=subject,
            detail=dict(detail),
            previous_hash=previous,
            hash=_hash(previous, micros, actor, action, subject, dict(detail)),
        )
    )


def verify(connection: sa.Connection) -> int:
    """Return how many rows the trail has, all of them in an unbroken chain. Raise StoreError at the first that is not."""
    previous, count = _FIRST, 0
    query = sa.select(audit).order_by(audit.c.id).execution_options(yield_per=1_000)
    for row in connection.execute(query):
        expected = _hash(previous, row.at, row.actor, row.action, row.subject, row.detail)
        if row.previous_hash != previous or row.hash != expected:
            raise StoreError(
                f"the audit trail is broken at row {row.id}: it, or the row before it, was changed or removed",
                what_to_do="compare with a backup; rows up to the one before it are as they were written",
                code="audit-broken",
            )
        previous, count = row.hash, count + 1
    return count


def _hash(previous: str, *parts: Any) -> str:
    text = json.dumps(
        [previous, *(_plain(part) for part in parts)],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    # Databases give 1e22 back as a whole number and 2.0 as either: one form of a number, whatever came back.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
