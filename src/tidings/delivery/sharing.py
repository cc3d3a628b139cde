"""Addresses that have become those of two customers since the plan was made: the one who was written to first got the message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.snapshot import COPY
from tidings.customers.knowing import listed, one_of
from tidings.customers.permission import address_columns
from tidings.delivery.work import Job
from tidings.store.tables import people, sending

# In somebody's hands, or it may have arrived.
_GONE_OUT = ("claimed", "started", "accepted", "in_doubt", "delivered", "unconfirmed", "complained")


def used_for_another(connection: sa.Connection, job: Job, rows: Sequence[Any]) -> list[int]:
    """Return the ids of messages whose address another customer of the run is, or was, written to at by the channel.

    Of two in the same claim the first goes. Copies to staff are counted nowhere.
    """
    if not _addresses_may_have_changed(connection, job.run_id):
        return []
    dialect = connection.dialect.name
    customers, messages, enrolments = people.customers, sending.messages, sending.enrolments
    hashed = address_columns(job.kind)[1]
    sharer, other, theirs = customers.alias("sharer"), messages.alias("other"), enrolments.alias("theirs")
    pairs = connection.execute(
        sa.select(customers.c.id, sharer.c.id.label("sharer"))
        .join(sharer, sa.and_(sharer.c[hashed.name] == hashed, sharer.c.id != customers.c.id))
        .where(one_of(customers.c.id, dialect)),
        listed(dialect, [row.customer_id for row in rows]),
    ).all()
    if not pairs:
        return []
    written = set(
        connection.execute(
            sa.select(other.c.customer_id)
            .join(theirs, theirs.c.id == other.c.enrolment_id)
            .where(
                one_of(other.c.customer_id, dialect),
                # Looked for by the customer, never by the run.
                other.c.run_id + 0 == job.run_id,
                other.c.channel == job.channel,
                other.c.state.in_(_GONE_OUT),
                theirs.c.arm != COPY,
            ),
            listed(dialect, sorted({pair.sharer for pair in pairs})),
        ).scalars()
    )
    copies = set(
        connection.execute(
            sa.select(enrolments.c.id).where(one_of(enrolments.c.id, dialect), enrolments.c.arm == COPY),
            listed(dialect, [row.enrolment_id for row in rows]),
        ).scalars()
    )
    sharers: dict[int, set[int]] = {}
    for customer, one in pairs:
        sharers.setdefault(customer, set()).add(one)
    found = []
    for row in rows:
        if row.enrolment_id in copies:
            continue
        if sharers.get(row.customer_id, set()) & written:
            found.append(row.id)
        else:
            written.add(row.customer_id)
    return found


def _addresses_may_have_changed(connection: sa.Connection, run_id: int) -> bool:
    """Tell whether anything was imported since the plan saw to it that each address is written to once."""
    runs, plans, imports = sending.runs, sending.plans, people.imports
    planned = (
        sa.select(sa.func.coalesce(plans.c.planned_at, runs.c.created_at))
        .select_from(runs.outerjoin(plans, plans.c.id == runs.c.plan_id))
        .where(runs.c.id == run_id)
        .scalar_subquery()
    )
    return (
        connection.execute(sa.select(imports.c.id).where(imports.c.updated_at >= planned).limit(1)).first()
        is not None
    )
