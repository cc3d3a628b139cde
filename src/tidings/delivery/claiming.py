"""Claims: the next messages of a run, gated and taken under a lease in one durable transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.knowing import listed, one_of
from tidings.customers.zones import area_column
from tidings.delivery import budget, caps, gate, offers, throttle
from tidings.delivery.asking import Asking, Candidate, Question, among, given
from tidings.delivery.hours import Hour, hours_of
from tidings.delivery.room import long_for_a_moment, makes_room, short_again
from tidings.delivery.work import Claimed, Job
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.engines import to_json
from tidings.store.quick import Asked, dialect_of
from tidings.store.tables import keeping, people, sending

# Begins a durable transaction for a purpose, and one that reads.
Durable = Callable[[str], AbstractContextManager[sa.Connection]]
Read = Callable[[], AbstractContextManager[sa.Connection]]
Look = Callable[[], AbstractContextManager[Asked]]

MICROS = 1_000_000
# The values of a message without any.
_NOTHING: Mapping[str, Any] = MappingProxyType({})
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
    `judged`: what the gate said of each of them at the instant `at`, where it was asked.
    """

    ids: tuple[int, ...] = ()
    held: str = ""
    wait: float = 0.0
    judged: tuple[Candidate, ...] = ()
    at: int = 0


def look(
    store: Store,
    job: Job,
    *,
    after: int,
    limit: int,
    asking: Asking | None = None,
    read: Look | None = None,
    judging: bool = False,
) -> Found:
    """Find up to `limit` messages that are due with ids above `after`, without the write lock.

    A big run is looked through more often than there is something to claim, and nobody must wait for that.
    `asking` is that of the job, for those who look more than once. `read` gives the connection, `store.read` when left
    out; the driver's will do where the job has no rate. `judging`: ask the gate as well, for somebody who can tell in the
    claim that nothing has changed.
    """
    now = to_micros(store.clock.now())
    with (read or store.read)() as connection:
        held = why_held(connection, job.run_id, job.channel)
        if held:
            return Found(held=held)
        wait = 0.0
        if job.terms.rate:
            assert isinstance(connection, sa.Connection)
            tokens, wait = throttle.look(store, connection, job.channel, job.terms.rate)
            limit = min(limit, max(tokens, 1))
        asking = asking or Asking(job)
        if judging and not wait:
            judged = tuple(asking.judged(connection, after=after, now=now, limit=limit))
            return Found(tuple([row[1] for row in judged]), judged=judged, at=now)
        ids = asking.due(connection, after=after, now=now, limit=limit)
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
    asking: Asking | None = None,
    known: Callable[[int], Sequence[Candidate] | None] | None = None,
) -> Taken:
    """Claim those of the messages found that are still due; those that the gate refuses or puts off are settled here.

    The whole is one durable transaction: after a kill either the claim stands or nothing happened. `durable` begins
    it, `store.durable` when left out. `asking` is that of the job, for those who claim more than once. `known` is asked,
    inside the transaction and for the instant, what the gate says of them and whether anything may go out at all: the
    answer of `look` where nobody has written since, None where they are to be asked anew.
    """
    now = to_micros(store.clock.now())
    hours = _hours(store, job, found, now) if job.terms.window else None
    # Measured before the store reads its own clock, so our idea of the end is never later than the store's.
    lease_begins = time.monotonic()
    with (durable or store.durable)("claim") as connection:
        rows = known(now) if known is not None else None
        if rows is None:
            held = why_held(connection, job.run_id, job.channel)
            if held:
                return Taken(held=held)
            rows = (asking or Asking(job)).candidates(connection, found, now)
        store.note_time(connection, store.clock.now())
        dialect = connection.dialect.name
        judged = gate.judge(store, connection, job, rows, now, hours)
        mine, refused_count = judged.go, judged.refusals
        _settle(connection, job, judged, now)
        if not mine:
            return Taken(refused=refused_count, undecided=judged.undecided)
        claim = {
            "run_id": job.run_id,
            "owner": owner,
            "boot_id": boot_id,
            "claimed_at": now,
            "leased_until": store.lease_now(connection) + int(lease_seconds * MICROS),
            "size": len(mine),
            "state": "open",
        }
        ((fence,),) = _open_claim(dialect, tuple(claim)).all(connection, claim, tuple)
        ids = [row[1] for row in mine]
        bound, roomy = given(dialect, ids), makes_room(dialect, len(ids))
        spanned = "first_id" in bound
        _claim(dialect, spanned=spanned, roomy=roomy).run(connection, {**bound, "fence": fence})
        if roomy:
            short_again(spanned=spanned).run(connection, bound)
        values = job.variables(connection, mine) if job.variables else {}
        if judged.offered:
            values = {one: {**values.get(one, {}), **given} for one, given in judged.offered.items()}
        if job.variables or judged.offered:
            # A template that names nothing needs nothing kept.
            _write_variables(connection, [(row[1], own) for row in mine if (own := values.get(row[1]))])
    channel, value, closes = job.channel, values.get, judged.closes.get
    # In the order of Candidate.
    taken = tuple(
        [
            Claimed(
                one, fence, customer, key, address, locale, channel, variant, step, attempt,
                value(one, _NOTHING), version, closes(one),
            )
            for _, one, customer, variant, step, attempt, version, key, locale, address, _, _, _, _ in mine
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


def why_held(connection: Asked, run_id: int, channel: str = "") -> str:
    """Return one sentence why nothing of the run (by a channel) may go out now, or an empty text.

    Raises UsageError for no such run.
    """
    found = _held(dialect_of(connection)).all(connection, {"run_id": run_id, "channel": channel}, tuple)
    if not found:
        raise UsageError(f"there is no run {run_id} in the store")
    all_paused, why_all, state, why_run, why_channel = found[0]
    if all_paused:
        return f"all sending is paused{_because(why_all)}"
    if state == "paused":
        return f"the run is paused{_because(why_run)}"
    if state == "sending":
        return "" if why_channel is None else f"the channel {channel} is paused{_because(why_channel)}"
    return {
        "enrolling": "the run is not completely enrolled yet",
        "finished": "the run is finished",
        "cancelled": "the run was cancelled",
    }[state]


def refuse(connection: sa.Connection, job: Job, refused: Mapping[str, Sequence[int]], now: int) -> None:
    """Settle messages in our hands that the gate refuses: code to message ids; what was reserved for them is given back."""
    ids = [one for some in refused.values() for one in some]
    caps.release(connection, ids, now)
    if job.terms.budget:
        budget.give_back(connection, ids)
    if job.terms.promise:
        offers.release(connection, ids)
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
    if job.terms.promise:
        offers.release(connection, ids)
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
_OPEN_CLAIM = sa.insert(sending.claims).returning(sending.claims.c.id)
# Everything that may hold a run back, in one row.
_HELD = (
    sa.select(
        keeping.identity.c.paused.label("all_paused"),
        keeping.identity.c.pause_reason.label("why_all"),
        sending.runs.c.state,
        sending.runs.c.pause_reason.label("why_run"),
        sa.select(sending.channel_pauses.c.reason)
        .where(sending.channel_pauses.c.channel == sa.bindparam("channel", type_=sa.Text))
        .scalar_subquery()
        .label("why_channel"),
    )
    .select_from(sending.runs.outerjoin(keeping.identity, sa.true()))
    .where(sending.runs.c.id == sa.bindparam("run_id", type_=sa.BigInteger))
)
_ids: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
_REFUSE = (
    sa.update(_messages)
    .where(_messages.c.id.in_(_ids), _messages.c.state.in_(["planned", "deferred", "claimed"]))
    .values(
        **sending.in_state("refused"),
        refusal_code=sa.bindparam("code"),
        refusal_rule=sa.bindparam("rule"),
        policy_hash=sa.bindparam("policy"),
        finished_at=sa.bindparam("now"),
    )
)


@cache
def _held(dialect: str) -> Question:
    return Question(_HELD, dialect)


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
def _open_claim(dialect: str, columns: tuple[str, ...]) -> Question:
    return Question(_OPEN_CLAIM, dialect, columns)


@cache
def _claim(dialect: str, *, spanned: bool, roomy: bool) -> Question:
    fence: sa.BindParameter[int] = sa.bindparam("fence", type_=sa.BigInteger)
    statement = (
        sa.update(_messages)
        .where(among(dialect, spanned=spanned))
        .values(state="claimed", claim_id=fence, **(long_for_a_moment() if roomy else {}))
    )
    return Question(statement, dialect)


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
