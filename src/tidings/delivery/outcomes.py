"""The statements that write outcomes: each settles a group of messages of one claim, under its fence.

A row that is no longer ours (its lease was lost and another sender took the claim over) is left alone, save
for one thing: an answer that arrives late for a message that the other put in doubt settles the doubt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.channels.statuses import status_in, verdict
from tidings.clock import to_micros
from tidings.delivery import budget, caps, offers
from tidings.delivery.doubt import reopen, settle_by_policy
from tidings.delivery.effects import Refused, refused_at_hand_over
from tidings.delivery.work import Claimed, Job
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Outcome


@dataclass(slots=True)
class Ended:
    """How one hand-over ended, as the ledger keeps it.

    `kind`: accepted, rejected, deferred, in_doubt, refused, or planned (given back unsent). `outcome` is the word for the
    attempts table, empty when there was no attempt; `due_at` is when a deferred one is tried again. `said` is the provider's
    code, `permanent` whether the next message to the address would be rejected as well.
    """

    message: Claimed
    kind: str
    outcome: str = ""
    detail: str = ""
    provider_ref: str | None = None
    due_at: int | None = None
    code: str = ""
    rule: str = ""
    said: str = ""
    permanent: bool = False


def ended_by(job: Job, message: Claimed, outcome: Outcome, now: datetime) -> Ended:
    """Turn an adapter's word about a message into the ledger's."""
    if outcome.kind == "accepted":
        return Ended(message, "accepted", provider_ref=outcome.provider_ref)
    detail = outcome.detail or ""
    attempt = message.attempt + 1
    if outcome.kind == "in_doubt":
        return Ended(message, "in_doubt", outcome="in_doubt", detail=detail)
    if outcome.kind == "rejected":
        if outcome.scope == "config":
            return Ended(message, "planned", outcome="rejected_config", detail=detail)
        scope = outcome.scope or "recipient"
        gone = outcome.permanent or (job.kind == "email" and verdict(status_in(detail), detail)[1])
        return Ended(
            message,
            "rejected",
            outcome=f"rejected_{scope}",
            detail=detail,
            said=outcome.code,
            permanent=scope == "recipient" and gone,
        )
    retry = job.retry
    if outcome.kind == "throttled":
        # The channel asked for time; that says nothing about this message and is no attempt at it.
        delay = retry.delay(attempt) if outcome.retry_after is None else outcome.retry_after
    elif attempt >= retry.attempts:
        gave_up = f"gave up after {attempt} attempts: {detail}"
        return Ended(message, "rejected", outcome="transient_exhausted", detail=gave_up)
    else:
        delay = max(outcome.retry_after or 0.0, retry.delay(attempt))
    due = to_micros(now) + int(delay * 1_000_000)
    return Ended(message, "deferred", outcome=str(outcome.kind), detail=detail, due_at=due)


def write(
    connection: sa.Connection, job: Job, ended: Sequence[Ended], now: int, *, keep_refs: bool = False
) -> dict[str, int]:
    """Write outcomes in a handful of statements; return how many rows of each kind really changed.

    `keep_refs`: receipts will name the message only by the provider's reference, so each is kept with its message.
    """
    changed: dict[str, int] = defaultdict(int)
    accepted = [one for one in ended if one.kind == "accepted"]
    if accepted:
        for group in _by(accepted, _claim):
            changed["accepted"] += _accept(connection, group, now)
        if keep_refs:
            _keep_refs(connection, job, accepted)
        if len(accepted) == len(ended):
            return changed
    others = [one for one in ended if one.kind != "accepted"]
    rows: list[dict[str, Any]] = []
    for group in _by(others, _alike):
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
            told = [one for one in group if one.message.message_id in settled]
            refused_at_hand_over(connection, [_refused(one) for one in told], job.channel, job.kind, now)
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


def _claim(one: Ended) -> int:
    return one.message.claim_id


def _alike(one: Ended) -> Hashable:
    # A message given back, or asked to wait by a channel that was throttled, is no attempt.
    return one.message.claim_id, one.kind, one.due_at, one.code, one.rule, _is_attempt(one)


def _is_attempt(one: Ended) -> bool:
    return one.kind != "planned" and one.outcome != "throttled"


def accepting(dialect: str, group: Sequence[Ended], now: int) -> tuple[str, list[Any]]:
    """Return the statement, and its values, that marks a group of one claim accepted with the provider's references."""
    sqlite = dialect == "sqlite"
    values: list[Any] = [now]
    for one in group:
        values += (one.message.message_id, one.provider_ref)
    values.append(group[0].message.claim_id)
    return _accepting(sqlite, len(group)), values


@cache
def _accepting(sqlite: bool, size: int) -> str:
    mark = "?" if sqlite else "%s"
    row = "(?, ?)" if sqlite else "(%s::bigint, %s::text)"
    return (
        f"UPDATE messages SET state = 'accepted', accepted_at = {mark}, provider_ref = given.column2 "
        f"FROM (VALUES {', '.join([row] * size)}) AS given "
        f"WHERE messages.id = given.column1 AND messages.claim_id = {mark} "
        "AND messages.state IN ('started', 'in_doubt')"
    )


def _accept(connection: sa.Connection, group: Sequence[Ended], now: int) -> int:
    text, values = accepting(connection.dialect.name, group, now)
    return connection.exec_driver_sql(text, tuple(values)).rowcount


def _keep_refs(connection: sa.Connection, job: Job, accepted: Sequence[Ended]) -> None:
    """Keep the provider's names of messages; a long SMS has one for each of its parts, separated by commas."""
    refs = {
        ref: one.message.message_id for one in accepted for ref in (one.provider_ref or "").split(",") if ref
    }
    values: list[Any] = []
    # In one order, so that two senders never wait for each other.
    for ref in sorted(refs):
        values += (job.channel, ref, refs[ref])
    if refs:
        connection.exec_driver_sql(_keeping(connection.dialect.name == "sqlite", len(refs)), tuple(values))


@cache
def _keeping(sqlite: bool, size: int) -> str:
    row = "(?, ?, ?)" if sqlite else "(%s, %s, %s)"
    # A gateway that was restarted counts from the beginning again: from now on the name is that of the newer message.
    return (
        f"INSERT INTO provider_refs (channel, provider_ref, message_id) VALUES {', '.join([row] * size)} "
        "ON CONFLICT (channel, provider_ref) DO UPDATE SET message_id = excluded.message_id"
    )


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
    if not _is_attempt(alike):
        # A mark that was made for it is taken back.
        values["attempt"] = sa.case(
            (messages.c.state == "claimed", messages.c.attempt), else_=messages.c.attempt - 1
        )
    if alike.due_at is not None:
        values["due_at"] = alike.due_at
    if alike.kind in ("rejected", "refused"):
        values |= {**sending.in_state(alike.kind), "finished_at": now}
    if alike.kind == "refused":
        values |= {
            "refusal_code": alike.code,
            "refusal_rule": alike.rule,
            "policy_hash": job.policy_hash or None,
        }
    settled = set(
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
    # A deferred message keeps its place under the caps; what nobody was charged for comes back to the budget.
    if job.terms.counted and alike.kind in ("planned", "refused", "rejected"):
        caps.release(connection, settled, now)
    if job.terms.budget and alike.kind in ("planned", "refused", "deferred"):
        budget.give_back(connection, settled)
    if job.terms.promise:
        offers.release(
            connection,
            [
                one.message.message_id
                for one in group
                if _unseen(job, one) and one.message.message_id in settled
            ],
        )
    return settled


def _unseen(job: Job, one: Ended) -> bool:
    """Tell whether nobody can have seen the message: it was refused here, or its recipient was, before the body was sent.

    Some pages of a fax may have arrived.
    """
    if one.kind == "rejected":
        return (
            job.kind != "fax" and one.outcome == "rejected_recipient" and not one.detail.startswith("BODY ")
        )
    return one.kind == "refused"


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


def _refused(one: Ended) -> Refused:
    return Refused(
        one.message.message_id, one.message.customer_id, one.message.address, one.said, one.permanent
    )
