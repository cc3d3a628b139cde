"""The gate in the hot path: may this message still go out, asked inside the claim and again before each hand-over.

The order is fixed: expiry, then consent and suppression (`customers.permission`). The first refusal wins and
is stored with its code, the rule behind it and the hash of the policies.
"""

from __future__ import annotations

import sqlalchemy as sa

from tidings.customers.permission import refusal
from tidings.delivery.work import Job
from tidings.store.tables import keeping, people, sending

EXPIRED = "expired"


def verdict(job: Job, now: sa.ColumnElement[int]) -> sa.ColumnElement[str | None]:
    """Return the refusal code for a row of messages joined with its customer, or NULL; `now` in microseconds."""
    expires = sending.messages.c.expires_at
    return sa.case(
        (sa.and_(expires.is_not(None), expires <= now), sa.literal_column("'expired'", sa.Text)),
        else_=refusal(job.kind, job.purpose),
    )


def passes(job: Job, now: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Return the condition on a row of messages, without its customer joined, that nothing speaks against it."""
    messages, customers = sending.messages, people.customers
    expires = messages.c.expires_at
    permitted = (
        sa.select(sa.literal_column("1"))
        .select_from(customers)
        .where(customers.c.id == messages.c.customer_id, refusal(job.kind, job.purpose).is_(None))
        .correlate(messages)
        .exists()
    )
    return sa.and_(sa.or_(expires.is_(None), expires > now), permitted)


def sending_allowed(run_id: int, channel: str) -> sa.ColumnElement[bool]:
    """Return the condition that neither the run nor the channel nor the whole store is paused or at its end."""
    runs, identity, pauses = sending.runs, keeping.identity, sending.channel_pauses
    return sa.and_(
        sa.select(sa.literal_column("1"))
        .select_from(runs)
        .where(runs.c.id == run_id, runs.c.state == "sending")
        .correlate(None)
        .exists(),
        ~sa.select(sa.literal_column("1"))
        .select_from(identity)
        .where(identity.c.paused.is_(True))
        .correlate(None)
        .exists(),
        ~sa.select(sa.literal_column("1"))
        .select_from(pauses)
        .where(pauses.c.channel == channel)
        .correlate(None)
        .exists(),
    )


def rule_of(code: str, job: Job) -> str:
    """Return the rule behind a refusal, as stored beside its code."""
    if code == EXPIRED:
        return "expires"
    if code == "no_address":
        return f"address/{job.kind}"
    if code.startswith("suppressed_"):
        return "suppressions"
    return f"consent/{job.kind}/{job.purpose.name}"
