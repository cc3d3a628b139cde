"""Claims: the next messages of a run, gated and taken under a lease in one durable transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.knowing import listed, one_of
from tidings.customers.permission import address_columns
from tidings.customers.zones import area_column
from tidings.delivery import budget, caps, gate, throttle
from tidings.delivery.hours import Hour, hours_of
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
    `undecided`: some were put off for a moment, until what is in somebody's hands has gone or come back.
    """

    lease: Lease | None = None
    messages: tuple[Claimed, ...] = ()
    refused: int = 0
    held: str = ""
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of messages that are due, in order, or why nothing may go out now.

    `wait`: the seconds until the channel's rate, which all processes keep together, has something left.
    """

    ids: tuple[int, ...] = ()
    held: str = ""
    wait: float = 0.0


def look(store: Store, job: Job, *, after: int, limit: int) -> Found:
    """Find up to `limit` messages that are due with ids above `after`, without the write lock.

    A big run is looked through more often than there is something to claim, and nobody must wait for that.
    """
    now = to_micros(store.clock.now())
    with store.read() as connection:
        held = why_held(connection, job.run_id, job.channel)
        if held:
            return Found(held=held)
        wait = 0.0
        if job.terms.rate:
            tokens, wait = throttle.look(store, connection, job.channel, job.terms.rate)
            limit = min(limit, max(tokens, 1))
        statement = (
            sa.select(_messages.c.id)
            .where(_messages.c.run_id == job.run_id, _messages.c.id > after, *_due(job, now))
            .order_by(_messages.c.id)
            .limit(limit)
        )
        ids = tuple(connection.execute(statement).scalars())
        return Found(wait=wait) if ids and wait else Found(ids)


def take(
    store: Store,
    job: Job,
    *,
    owner: str,
    boot_id: str | None,
    found: Sequence[int],
    lease_seconds: float,
    durable: Durable | None = None,
    asking: sa.Select[Any] | None = None,
) -> Taken:
    """Claim those of the messages found that are still due; those that the gate refuses or puts off are settled here.

    The whole is one durable transaction: after a kill either the claim stands or nothing happened. `durable` begins
    it, `store.durable` when left out. `asking` is `rows_statement` of the job, for those who claim more than once.
    """
    now = to_micros(store.clock.now())
    hours = _hours(store, job, found, now) if job.terms.window else None
    # Measured before the store reads its own clock, so our idea of the end is never later than the store's.
    lease_begins = time.monotonic()
    with (durable or store.durable)("claim") as connection:
        held = why_held(connection, job.run_id, job.channel)
        if held:
            return Taken(held=held)
        store.note_time(connection, store.clock.now())
        dialect = connection.dialect.name
        statement = rows_statement(job, dialect) if asking is None else asking
        rows = connection.execute(statement, {**listed(dialect, found), "now": now}).all()
        judged = gate.judge(store, connection, job, rows, now, hours)
        mine, refused_count = judged.go, judged.refusals
        _settle(connection, job, judged, now)
        if not mine:
            return Taken(refused=refused_count, undecided=judged.undecided)
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
        values = job.variables(connection, mine) if job.variables else {}
        if job.variables:
            # A template that names nothing needs nothing kept.
            _write_variables(connection, [(row[1], own) for row in mine if (own := values.get(row[1]))])
    channel, closes = job.channel, judged.closes
    # In the order of rows_statement.
    taken = tuple(
        [
            Claimed(
                message_id, fence, customer_id, key, address, locale, channel, variant, step, attempt,
                values.get(message_id, {}), version, closes.get(message_id),
            )
            for _, message_id, customer_id, variant, step, attempt, version, key, locale, address, *_ in mine
        ]
    )  # fmt: skip
    lease = Lease(fence, lease_begins + lease_seconds)
    return Taken(lease, taken, refused_count, undecided=judged.undecided)


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
    """Settle messages in our hands that the gate refuses: code to message ids; what was reserved for them is given back."""
    ids = [one for some in refused.values() for one in some]
    caps.release(connection, ids, now)
    if job.terms.budget:
        budget.give_back(connection, ids)
    _refuse(connection, job, refused, now)


def put_back(connection: sa.Connection, job: Job, messages: Sequence[Claimed], now: int) -> None:
    """Let go of messages in our hands that must not leave any more for today: the next claim asks when they may."""
    for message in messages:
        free = connection.execute(
            sa.update(_messages)
            .where(
                _messages.c.id == message.message_id,
                _messages.c.claim_id == message.claim_id,
                _messages.c.state == "claimed",
            )
            .values(state="planned", claim_id=None)
        )
        if free.rowcount:
            caps.release(connection, [message.message_id], now)
            if job.terms.budget:
                budget.give_back(connection, [message.message_id])


def _refuse(connection: sa.Connection, job: Job, refused: Mapping[str, Sequence[int]], now: int) -> None:
    for code, ids in refused.items():
        if ids:
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


def _settle(connection: sa.Connection, job: Job, judged: gate.Judged, now: int) -> None:
    """Write what the gate says of messages that do not go: refused, or put off for as long as they live."""
    ids = [one for some in judged.refused.values() for one in some]
    if job.terms.counted:
        # One that was tried before has kept its place until now.
        caps.release(connection, ids, now)
    _refuse(connection, job, judged.refused, now)
    dialect = connection.dialect.name
    for until, some in judged.until.items():
        connection.execute(_put_off(dialect), {**listed(dialect, some), "until": until})


def _hours(store: Store, job: Job, found: Sequence[int], now: int) -> Mapping[str, Hour]:
    """Look up, before the write lock, which hour it is for the recipients of messages."""
    assert job.terms.window is not None
    customers = people.customers
    with store.read() as connection:
        dialect = connection.dialect.name
        areas = connection.execute(
            sa.select(area_column())
            .select_from(_messages.join(customers, customers.c.id == _messages.c.customer_id))
            .where(one_of(_messages.c.id, dialect))
            .distinct(),
            listed(dialect, found),
        ).scalars()
        return hours_of(connection, list(areas), job.terms.window, job.kind, job.terms.zone, now)


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
        *job.mine(),
    )


@cache
def _put_off(dialect: str) -> sa.Update:
    until: sa.BindParameter[int] = sa.bindparam("until", type_=sa.BigInteger)
    expires = _messages.c.expires_at
    return (
        sa.update(_messages)
        .where(one_of(_messages.c.id, dialect), _messages.c.state.in_(["planned", "deferred"]))
        .values(state="planned", due_at=sa.case((expires < until, expires), else_=until))
    )


@cache
def _claim(dialect: str) -> sa.Update:
    return (
        sa.update(_messages)
        .where(one_of(_messages.c.id, dialect))
        .values(state="claimed", claim_id=sa.bindparam("fence"))
    )


def rows_statement(job: Job, dialect: str) -> sa.Select[Any]:
    """Select those of the messages found that are still due, in order, each with what the gate says of it.

    On PostgreSQL they are locked, passing over those that another sender is looking at.
    """
    customers = people.customers
    address, _ = address_columns(job.kind)
    now: sa.BindParameter[int] = sa.bindparam("now", type_=sa.BigInteger)
    return (
        sa.select(
            gate.verdict(job, now, claiming=True),
            _messages.c.id,
            _messages.c.customer_id,
            _messages.c.variant,
            _messages.c.step,
            _messages.c.attempt,
            _messages.c.version,
            customers.c.key,
            customers.c.locale,
            address,
            _messages.c.enrolment_id,
            _messages.c.due_at,
            _messages.c.expires_at,
            *([area_column().label("area")] if job.terms.window else []),
        )
        .select_from(_messages.join(customers, customers.c.id == _messages.c.customer_id))
        .where(
            one_of(_messages.c.id, dialect),
            _messages.c.channel == job.channel,
            _messages.c.state.in_(["planned", "deferred"]),
            _messages.c.due_at <= now,
            *job.mine(),
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
