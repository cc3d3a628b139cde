"""The statements that write outcomes: each settles a group of messages of one claim, under its fence.

A row that is no longer ours (its lease was lost and another sender took the claim over) is left alone, save
for one thing: an answer that arrives late for a message that the other put in doubt settles the doubt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.customers.permission import address_columns
from tidings.customers.suppression import suppress_many
from tidings.delivery.doubt import reopen, settle_by_policy
from tidings.delivery.work import Claimed, Job
from tidings.store.tables import people, sending

# RFC 3463 5.1.x that say "there is no such mailbox": the address is bad for every later message too.
_BAD_ADDRESS = re.compile(r"\b5\.1\.(?:1|2|3|6|10)\b")


@dataclass(frozen=True, slots=True)
class Ended:
    """How one hand-over ended, as the ledger keeps it.

    `kind`: accepted, rejected, deferred, in_doubt, refused, or planned (given back unsent). `outcome` is the word for the
    attempts table, empty when there was no attempt; `due_at` is when a deferred one is tried again.
    """

    message: Claimed
    kind: str
    outcome: str = ""
    detail: str = ""
    provider_ref: str | None = None
    due_at: int | None = None
    code: str = ""
    rule: str = ""


def write(connection: sa.Connection, job: Job, ended: Sequence[Ended], now: int) -> dict[str, int]:
    """Write outcomes in a handful of statements; return how many rows of each kind really changed."""
    changed: dict[str, int] = defaultdict(int)
    accepted = [one for one in ended if one.kind == "accepted"]
    for group in _by(accepted, lambda one: one.message.claim_id):
        changed["accepted"] += _accept(connection, group, now)
    others = [one for one in ended if one.kind != "accepted"]
    rows: list[dict[str, Any]] = []
    for group in _by(others, lambda one: (one.message.claim_id, one.kind, one.due_at, one.code, one.rule)):
        kind = group[0].kind
        settled = _settle(connection, job, group, now)
        changed[kind] += len(settled)
        rows += [_attempt(one, now) for one in group if one.outcome and one.message.message_id in settled]
        if kind == "in_doubt":
            # The attempt must be on record before the policy resolves it.
            _record(connection, rows)
            rows = []
            settle_by_policy(connection, job, sorted(settled), now)
        if kind == "rejected":
            _suppress(connection, job, [one for one in group if one.message.message_id in settled], now)
    _record(connection, rows)
    if changed["planned"] or changed["deferred"]:
        # While we were stopped another sender may have doubted these and finished the run.
        reopen(connection, [job.run_id])
    return changed


def _by(ended: Iterable[Ended], key: Callable[[Ended], Hashable]) -> list[list[Ended]]:
    groups: dict[Hashable, list[Ended]] = defaultdict(list)
    for one in ended:
        groups[key(one)].append(one)
    return list(groups.values())


def _accept(connection: sa.Connection, group: Sequence[Ended], now: int) -> int:
    """Mark a group accepted with the provider's references, in one statement at the driver's level."""
    sqlite = connection.dialect.name == "sqlite"
    mark = "?" if sqlite else "%s"
    row = "(?, ?)" if sqlite else "(%s::bigint, %s::text)"
    values: list[Any] = [now]
    for one in group:
        values += [one.message.message_id, one.provider_ref]
    values.append(group[0].message.claim_id)
    return connection.exec_driver_sql(
        f"UPDATE messages SET state = 'accepted', accepted_at = {mark}, provider_ref = given.column2 "
        f"FROM (VALUES {', '.join([row] * len(group))}) AS given "
        f"WHERE messages.id = given.column1 AND messages.claim_id = {mark} "
        "AND messages.state IN ('started', 'in_doubt')",
        tuple(values),
    ).rowcount


def _settle(connection: sa.Connection, job: Job, group: Sequence[Ended], now: int) -> set[int]:
    """Settle messages of one claim that ended alike; return the ids that were still ours to settle."""
    messages = sending.messages
    alike = group[0]
    # Refused rows were never handed over; a late answer settles a doubt, a late doubt adds nothing to one.
    before = {"refused": ["claimed"], "in_doubt": ["claimed", "started"]}.get(
        alike.kind, ["claimed", "started", "in_doubt"]
    )
    values: dict[str, Any] = {"state": alike.kind}
    if alike.kind in ("planned", "deferred"):
        values["claim_id"] = None
    if alike.kind == "planned":
        # It did not reach the provider: a mark that was made for it is no attempt.
        values["attempt"] = sa.case(
            (messages.c.state == "claimed", messages.c.attempt), else_=messages.c.attempt - 1
        )
    if alike.due_at is not None:
        values["due_at"] = alike.due_at
    if alike.kind in ("rejected", "refused"):
        values["finished_at"] = now
    if alike.kind == "refused":
        values |= {
            "refusal_code": alike.code,
            "refusal_rule": alike.rule,
            "policy_hash": job.policy_hash or None,
        }
    return set(
        connection.execute(
            sa.update(messages)
            .where(
                messages.c.id.in_([one.message.message_id for one in group]),
                messages.c.claim_id == alike.message.claim_id,
                messages.c.state.in_(before),
            )
            .values(**values)
            .returning(messages.c.id)
        ).scalars()
    )


def _attempt(one: Ended, now: int) -> dict[str, Any]:
    return {
        "message_id": one.message.message_id,
        # A refused message was not handed over: its number is that of the hand-over it would have been.
        "number": one.message.attempt + 1,
        "claim_id": one.message.claim_id,
        "ended_at": now,
        "outcome": one.outcome,
        "detail": one.detail[:1000] or None,
    }


def _record(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(sending.attempts), rows)


def _suppress(connection: sa.Connection, job: Job, rejected: Sequence[Ended], now: int) -> None:
    """Suppress the addresses that the provider said do not exist."""
    bad = [
        one.message
        for one in rejected
        if one.outcome == "rejected_recipient" and _BAD_ADDRESS.search(one.detail)
    ]
    if not bad:
        return
    address, hashed = address_columns(job.kind)
    # The customer may have moved to another address since: only the one that was refused is suppressed.
    refused = {one.customer_id: one.address for one in bad}
    rows = connection.execute(
        sa.select(people.customers.c.id, address, hashed).where(people.customers.c.id.in_(list(refused)))
    )
    hashes = [(row[2], "bounce") for row in rows if row[1] == refused[row[0]] and row[2]]
    suppress_many(connection, job.kind, hashes, f"channel/{job.channel}", now)
