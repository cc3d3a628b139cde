"""Claims: the next messages of a run, gated and taken under a lease in one durable transaction."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.knowing import listed, one_of
from tidings.customers.permission import address_columns
from tidings.delivery import gate
from tidings.delivery.work import Claimed, Job
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.engines import to_json
from tidings.store.tables import keeping, people, sending

# Begins a durable transaction for a purpose.
Durable = Callable[[str], AbstractContextManager[sa.Connection]]

MICROS = 1_000_000
PENDING = ("planned", "claimed", "started", "deferred")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease on a claim: `fence` is the claim's id; `until` the monotonic second after which it must not be used."""

    fence: int
    until: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What one claim brought: its lease and messages (none when there was nothing to take), and how many were refused.

    `held` says why nothing may go out now (the run or the store is paused, or the run is over), empty otherwise.
    """

    lease: Lease | None = None
    messages: tuple[Claimed, ...] = ()
    refused: int = 0
    held: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of messages that are due, in order, or why nothing may go out now."""

    ids: tuple[int, ...] = ()
    held: str = ""


def look(store: Store, job: Job, *, after: int, limit: int) -> Found:
    """Find up to `limit` messages that are due with ids above `after`, without the write lock.

    A big run is looked through more often than there is something to claim, and nobody must wait for that.
    """
    now = to_micros(store.clock.now())
    with store.read() as connection:
        held = why_held(connection, job.run_id, job.channel)
        if held:
            return Found(held=held)
        statement = (
            sa.select(_messages.c.id)
            .where(_messages.c.run_id == job.run_id, _messages.c.id > after, *_due(job, now))
            .order_by(_messages.c.id)
            .limit(limit)
        )
        return Found(tuple(connection.execute(statement).scalars()))


def take(
    store: Store,
    job: Job,
    *,
    owner: str,
    boot_id: str | None,
    found: Sequence[int],
    lease_seconds: float,
    durable: Durable | None = None,
) -> Taken:
    """Claim those of the messages found that are still due; those that the gate refuses are settled here.

    The whole is one durable transaction: after a kill either the claim stands or nothing happened. `durable` begins
    it, `store.durable` when left out.
    """
    now = to_micros(store.clock.now())
    # Measured before the store reads its own clock, so our idea of the end is never later than the store's.
    lease_begins = time.monotonic()
    with (durable or store.durable)("claim") as connection:
        held = why_held(connection, job.run_id, job.channel)
        if held:
            return Taken(held=held)
        store.note_time(connection, store.clock.now())
        dialect = connection.dialect.name
        rows = connection.execute(_rows_statement(job, dialect), {**listed(dialect, found), "now": now}).all()
        refused: dict[str, list[int]] = defaultdict(list)
        mine: list[Any] = []
        for row in rows:
            if row[0] is None:
                mine.append(row)
            else:
                refused[row[0]].append(row[1])
        refuse(connection, job, refused, now)
        refused_count = len(rows) - len(mine)
        if not mine:
            return Taken(refused=refused_count)
        fence = connection.execute(
            sa.insert(sending.claims)
            .values(
                run_id=job.run_id,
                owner=owner,
                boot_id=boot_id,
                claimed_at=now,
                leased_until=store.lease_now(connection) + int(lease_seconds * MICROS),
                size=len(mine),
                state="open",
            )
            .returning(sending.claims.c.id)
        ).scalar_one()
        connection.execute(_claim(dialect), {**listed(dialect, [row[1] for row in mine]), "fence": fence})
        values = job.variables(connection, [row[2] for row in mine]) if job.variables else {}
        if job.variables:
            # A template that names nothing needs nothing kept.
            _write_variables(connection, [(row[1], own) for row in mine if (own := values.get(row[2]))])
    channel = job.channel
    # In the order of _rows_statement.
    taken = tuple(
        [
            Claimed(
                message_id, fence, customer_id, key, address, locale, channel, variant, step, attempt,
                values.get(customer_id, {}),
            )
            for _, message_id, customer_id, variant, step, attempt, key, locale, address in mine
        ]
    )  # fmt: skip
    lease = Lease(fence, lease_begins + lease_seconds)
    return Taken(lease, taken, refused_count)


def renew(
    store: Store, leases: Sequence[Lease], lease_seconds: float, durable: Durable | None = None
) -> list[Lease]:
    """Prolong leases that have not run out; those missing from the answer are lost. `durable` as for `take`."""
    if not leases:
        return []
    begins = time.monotonic()
    claims = sending.claims
    with (durable or store.durable)("lease") as connection:
        now = store.lease_now(connection)
        kept = connection.execute(
            sa.update(claims)
            .where(
                claims.c.id.in_([lease.fence for lease in leases]),
                claims.c.state == "open",
                claims.c.leased_until > now,
            )
            .values(leased_until=now + int(lease_seconds * MICROS))
            .returning(claims.c.id)
        ).scalars()
        return [Lease(fence, begins + lease_seconds) for fence in kept]


def why_held(connection: sa.Connection, run_id: int, channel: str = "") -> str:
    """Return one sentence why nothing of the run (by a channel) may go out now, or an empty text.

    Raises UsageError for no such run.
    """
    identity, runs = keeping.identity, sending.runs
    whole = connection.execute(sa.select(identity.c.paused, identity.c.pause_reason)).first()
    if whole is not None and whole.paused:
        return f"all sending is paused{_because(whole.pause_reason)}"
    run = connection.execute(sa.select(runs.c.state, runs.c.pause_reason).where(runs.c.id == run_id)).first()
    if run is None:
        raise UsageError(f"there is no run {run_id} in the store")
    if run.state == "paused":
        return f"the run is paused{_because(run.pause_reason)}"
    if run.state == "sending":
        pauses = sending.channel_pauses
        reason = connection.execute(sa.select(pauses.c.reason).where(pauses.c.channel == channel)).scalar()
        return "" if reason is None else f"the channel {channel} is paused{_because(reason)}"
    return {
        "enrolling": "the run is not completely enrolled yet",
        "finished": "the run is finished",
        "cancelled": "the run was cancelled",
    }[run.state]


def refuse(connection: sa.Connection, job: Job, refused: Mapping[str, Sequence[int]], now: int) -> None:
    """Settle messages that the gate refuses: code to message ids; one statement a code."""
    for code, ids in refused.items():
        connection.execute(
            _REFUSE,
            {
                "ids": list(ids),
                "code": code,
                "rule": gate.rule_of(code, job),
                "policy": job.policy_hash or None,
                "now": now,
            },
        )


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


_messages = sending.messages
_ids: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
_REFUSE = (
    sa.update(_messages)
    .where(_messages.c.id.in_(_ids), _messages.c.state.in_(["planned", "deferred", "claimed"]))
    .values(
        state="refused",
        refusal_code=sa.bindparam("code"),
        refusal_rule=sa.bindparam("rule"),
        policy_hash=sa.bindparam("policy"),
        finished_at=sa.bindparam("now"),
    )
)


def _due(job: Job, now: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _messages.c.channel == job.channel,
        _messages.c.state.in_(["planned", "deferred"]),
        _messages.c.due_at <= now,
    )


@cache
def _claim(dialect: str) -> sa.Update:
    return (
        sa.update(_messages)
        .where(one_of(_messages.c.id, dialect))
        .values(state="claimed", claim_id=sa.bindparam("fence"))
    )


def _rows_statement(job: Job, dialect: str) -> sa.Select[Any]:
    """Select those of the messages found that are still due, in order, each with what the gate says of it.

    On PostgreSQL they are locked, passing over those that another sender is looking at.
    """
    customers = people.customers
    address, _ = address_columns(job.kind)
    now: sa.BindParameter[int] = sa.bindparam("now", type_=sa.BigInteger)
    return (
        sa.select(
            gate.verdict(job, now),
            _messages.c.id,
            _messages.c.customer_id,
            _messages.c.variant,
            _messages.c.step,
            _messages.c.attempt,
            customers.c.key,
            customers.c.locale,
            address,
        )
        .select_from(_messages.join(customers, customers.c.id == _messages.c.customer_id))
        .where(
            one_of(_messages.c.id, dialect),
            _messages.c.channel == job.channel,
            _messages.c.state.in_(["planned", "deferred"]),
            _messages.c.due_at <= now,
        )
        .order_by(_messages.c.id)
        .with_for_update(skip_locked=True, of=_messages)
    )


def _write_variables(connection: sa.Connection, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Keep what each message will be filled with, so that its body can be rendered again."""
    if not rows:
        return
    stored = [(message_id, to_json(values)) for message_id, values in rows]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "UPDATE messages SET variables = given.variables::jsonb "
            "FROM unnest(%s::bigint[], %s::text[]) AS given(id, variables) WHERE messages.id = given.id",
            ([one for one, _ in stored], [text for _, text in stored]),
        )
        return
    connection.exec_driver_sql(
        "UPDATE messages SET variables = ? WHERE id = ?", [(text, one) for one, text in stored]
    )
