"""Claims: the next messages of a run, gated and taken under a lease in one durable transaction."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.permission import address_columns
from tidings.delivery import gate
from tidings.delivery.work import Claimed, Job
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.engines import to_json
from tidings.store.tables import keeping, people, sending

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
        held = why_held(connection, job.run_id)
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
) -> Taken:
    """Claim those of the messages found that are still due; those that the gate refuses are settled here.

    The whole is one durable transaction: after a kill either the claim stands or nothing happened.
    """
    now = to_micros(store.clock.now())
    # Measured before the store reads its own clock, so our idea of the end is never later than the store's.
    lease_begins = time.monotonic()
    with store.durable("claim") as connection:
        held = why_held(connection, job.run_id)
        if held:
            return Taken(held=held)
        store.note_time(connection, store.clock.now())
        ids = _still_due(connection, job, found, now)
        if not ids:
            return Taken()
        rows = connection.execute(_rows_statement(job), {"ids": ids, "now": now}).all()
        refused: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            if row.code is not None:
                refused[row.code].append(row.id)
        refuse(connection, job, refused, now)
        mine = [row for row in rows if row.code is None]
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
        connection.execute(_CLAIM, {"ids": [row.id for row in mine], "fence": fence})
        values = job.variables(connection, [row.customer_id for row in mine]) if job.variables else {}
        if job.variables:
            _write_variables(connection, [(row.id, values.get(row.customer_id, {})) for row in mine])
    taken = tuple(
        Claimed(
            message_id=row.id,
            claim_id=fence,
            customer_id=row.customer_id,
            key=row.key,
            address=row.address,
            locale=row.locale,
            channel=job.channel,
            variant=row.variant,
            step=row.step,
            attempt=row.attempt,
            variables=values.get(row.customer_id, {}),
        )
        for row in mine
    )
    lease = Lease(fence, lease_begins + lease_seconds)
    return Taken(lease, taken, refused_count)


def renew(store: Store, leases: Sequence[Lease], lease_seconds: float) -> list[Lease]:
    """Prolong leases that have not run out; those missing from the answer are lost."""
    if not leases:
        return []
    begins = time.monotonic()
    claims = sending.claims
    with store.durable("lease") as connection:
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


def why_held(connection: sa.Connection, run_id: int) -> str:
    """Return one sentence why nothing of the run may go out now, or an empty text; UsageError for no such run."""
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
        return ""
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
_CLAIM = (
    sa.update(_messages)
    .where(_messages.c.id.in_(_ids))
    .values(state="claimed", claim_id=sa.bindparam("fence"))
)
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


def _still_due(connection: sa.Connection, job: Job, found: Sequence[int], now: int) -> list[int]:
    """Return those still due, in order; on PostgreSQL locked, passing over those another sender is looking at."""
    statement = (
        sa.select(_messages.c.id)
        .where(_messages.c.id.in_(found), *_due(job, now))
        .order_by(_messages.c.id)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(statement).scalars())


def _rows_statement(job: Job) -> sa.Select[Any]:
    customers = people.customers
    address, _ = address_columns(job.kind)
    return (
        sa.select(
            _messages.c.id,
            _messages.c.customer_id,
            _messages.c.variant,
            _messages.c.step,
            _messages.c.attempt,
            customers.c.key,
            customers.c.locale,
            address.label("address"),
            gate.verdict(job, sa.bindparam("now", type_=sa.BigInteger)).label("code"),
        )
        .select_from(_messages.join(customers, customers.c.id == _messages.c.customer_id))
        .where(_messages.c.id.in_(_ids))
        .order_by(_messages.c.id)
    )


def _write_variables(connection: sa.Connection, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Keep what each message will be filled with, so that its body can be rendered again."""
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
