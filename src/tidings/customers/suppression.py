"""Addresses that nothing may be sent to, by keyed hash: no address is readable here."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.store.tables import people

# From the gravest down: a graver reason replaces a lighter one, never the other way round.
REASONS = ("erased", "complaint", "bounce", "manual")


def suppress(
    connection: sa.Connection, channel_kind: str, address_hash: str, reason: str, source: str, at: int
) -> bool:
    """Suppress one address on a channel kind; return whether that changed anything.

    `reason` is bounce, complaint, manual or erased; `at` microseconds since 1970. Suppressing again changes
    nothing, unless the new reason is graver. Raises ValueError for another reason.
    """
    return suppress_many(connection, channel_kind, [(address_hash, reason)], source, at) > 0


def suppress_many(
    connection: sa.Connection,
    channel_kind: str,
    addresses: Sequence[tuple[str, str]],
    source: str,
    at: int,
) -> int:
    """Suppress many addresses, given as (hash, reason), in one statement; return how many were new or graver."""
    gravest: dict[str, str] = {}
    for address, reason in addresses:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is no reason; it is {', '.join(REASONS)}")
        if address not in gravest or REASONS.index(reason) < REASONS.index(gravest[address]):
            gravest[address] = reason
    if not gravest:
        return 0
    table = people.suppressions
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    changed = 0
    # Each reason on its own statement: which stored reasons it may replace depends on it.
    for place, reason in enumerate(REASONS):
        values = [
            {"channel": channel_kind, "address_hash": address, "reason": reason, "source": source, "at": at}
            for address, given in gravest.items()
            if given == reason
        ]
        for start in range(0, len(values), 1000):
            statement = insert(table).values(values[start : start + 1000])
            statement = statement.on_conflict_do_update(
                index_elements=[table.c.address_hash, table.c.channel],
                index_where=sa.text("lifted_at IS NULL"),
                set_={"reason": reason, "source": source, "at": at},
                where=table.c.reason.in_(REASONS[place + 1 :]),
            )
            changed += len(connection.execute(statement.returning(table.c.id)).all())
    return changed


def lift(connection: sa.Connection, channel_kind: str, address_hash: str, at: int) -> bool:
    """Lift the suppression of an address; return whether one was open.

    An erased address stays suppressed for ever: otherwise the next import would bring the person back.
    """
    table = people.suppressions
    done = connection.execute(
        sa.update(table)
        .where(
            table.c.channel == channel_kind,
            table.c.address_hash == address_hash,
            table.c.lifted_at.is_(None),
            table.c.reason != "erased",
        )
        .values(lifted_at=at)
    )
    return done.rowcount > 0


def lift_own(connection: sa.Connection, channel_kind: str, address_hash: str, source: str, at: int) -> bool:
    """Lift the suppression that the owner of an address asked for by `source`; return whether it was open.

    What somebody else decided (a bounce, a complaint, a person's own entry) stays.
    """
    table = people.suppressions
    return (
        connection.execute(
            sa.update(table)
            .where(
                table.c.channel == channel_kind,
                table.c.address_hash == address_hash,
                table.c.lifted_at.is_(None),
                table.c.reason == "manual",
                table.c.source == source,
            )
            .values(lifted_at=at)
        ).rowcount
        > 0
    )
