"""Messages in doubt: handed over, answer unknown. Each is named, none is sent again unless policy or a person says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, iso, to_micros
from tidings.delivery.caps import release
from tidings.delivery.work import Job
from tidings.errors import UsageError
from tidings.store.audit import append
from tidings.store.database import Store
from tidings.store.tables import people, sending

HOW = ("sent", "resend", "not sent")
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Doubt:
    """One message in doubt; `attempted_at` is when it was handed over, `detail` what is known about the attempt."""

    message_id: int
    customer: str
    campaign: str
    run_id: int
    channel: str
    attempted_at: datetime | None
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return the doubt with the stable keys of `tidings in-doubt --json`."""
        return {
            "message": self.message_id,
            "customer": self.customer,
            "campaign": self.campaign,
            "run": self.run_id,
            "channel": self.channel,
            "attempted_at": iso(self.attempted_at) if self.attempted_at else None,
            "detail": self.detail,
        }


def doubts(connection: sa.Connection, of: str = "") -> list[Doubt]:
    """List the messages in doubt, of one campaign (its id) or run (its number), or all; oldest first.

    Raises UsageError when `of` names neither a campaign that was run nor a run.
    """
    messages, runs, attempts = sending.messages, sending.runs, sending.attempts
    detail = (
        sa.select(attempts.c.detail)
        .where(attempts.c.message_id == messages.c.id)
        .order_by(attempts.c.id.desc())
        .limit(1)
        .correlate(messages)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            messages.c.id,
            people.customers.c.key,
            runs.c.campaign,
            messages.c.run_id,
            messages.c.channel,
            messages.c.started_at,
            detail.label("detail"),
        )
        .select_from(
            messages.join(runs, runs.c.id == messages.c.run_id).join(
                people.customers, people.customers.c.id == messages.c.customer_id
            )
        )
        .where(messages.c.state == "in_doubt", messages.c.run_id.in_(runs_of(connection, of)))
        .order_by(messages.c.id)
    )
    return [
        Doubt(
            row.id,
            row.key,
            row.campaign,
            row.run_id,
            row.channel,
            None if row.started_at is None else from_micros(row.started_at),
            row.detail or "",
        )
        for row in rows
    ]


def runs_of(connection: sa.Connection, of: str) -> list[int]:
    """Return the ids of the runs of a campaign, of one run given by number, or of all when `of` is empty."""
    runs = sending.runs
    statement = sa.select(runs.c.id).order_by(runs.c.id)
    if of:
        number = int(of) if of.isdecimal() else -1
        statement = statement.where(sa.or_(runs.c.campaign == of, runs.c.id == number))
    found = list(connection.execute(statement).scalars())
    if of and not found:
        known = list(connection.execute(sa.select(runs.c.campaign).distinct().limit(20)).scalars())
        raise UsageError(
            f'no run of "{of}" is in the store',
            what_to_do=f"campaigns that were run: {', '.join(known)}" if known else "nothing was run yet",
        )
    return found


def resolve(
    store: Store, message_ids: Sequence[int], how: str, *, actor: str, now: datetime
) -> tuple[list[int], list[int]]:
    """Resolve doubts: `sent` (somebody saw that it arrived), `resend`, or `not sent` (and it shall not be).

    Returns the ids resolved and those that were not in doubt. Each gets a row in attempts, the whole one
    in the audit trail. A message to resend opens its run again, with as long to live as it had at first.
    """
    if how not in HOW:
        raise ValueError(f"{how!r} is no way to resolve a doubt")
    at = to_micros(now)
    done: list[int] = []
    for begin in range(0, len(message_ids), _CHUNK):
        part = list(message_ids[begin : begin + _CHUNK])
        with store.durable("in doubt") as connection:
            changed = _settle(connection, part, how, at, f"{actor} resolved it as {how}")
            if changed:
                append(
                    connection,
                    at,
                    actor,
                    "doubt resolved",
                    f"{len(changed)} message{'s' if len(changed) != 1 else ''}",
                    {"how": how, "messages": changed},
                )
        done += changed
    settled = set(done)
    return done, [one for one in message_ids if one not in settled]


def settle_by_policy(connection: sa.Connection, job: Job, message_ids: Sequence[int], at: int) -> None:
    """Apply the purpose's `in_doubt` policy to messages that just came into doubt: hold leaves them there.

    In a flow each step has a purpose of its own. `resend` is a retry like any other: after the same pause, at most as often, and never beyond the expiry. What
    cannot be tried again stays in doubt, for a person to decide: it may have arrived.
    """
    for policy, of_policy in _by_policy(connection, job, message_ids).items():
        why = f"the purpose says in_doubt: {policy}"
        if policy == "treat as sent":
            _settle(connection, of_policy, "sent", at, why)
        elif policy == "resend":
            for attempt, ids in _by_attempt(connection, of_policy).items():
                if attempt >= job.retry.attempts:
                    continue
                due_at = at + int(job.retry.delay(max(attempt, 1)) * 1_000_000)
                _settle(connection, ids, "resend", at, why, {"state": "deferred", "due_at": due_at})


def _by_policy(
    connection: sa.Connection, job: Job, message_ids: Sequence[int]
) -> Mapping[str, Sequence[int]]:
    """Group messages by what their purpose says of a doubt; a claim of another step may be taken over with this job's."""
    if len(set(job.doubts.values()) | {job.when_in_doubt}) == 1:
        return {job.when_in_doubt: message_ids}
    messages = sending.messages
    groups: dict[str, list[int]] = defaultdict(list)
    for row in connection.execute(
        sa.select(messages.c.id, messages.c.version, messages.c.step).where(
            messages.c.id.in_(list(message_ids))
        )
    ):
        groups[job.doubts.get((row.version, row.step), job.when_in_doubt)].append(row.id)
    return groups


def _by_attempt(connection: sa.Connection, message_ids: Sequence[int]) -> dict[int, list[int]]:
    """Group messages by the number of times they were handed over."""
    messages = sending.messages
    groups: dict[int, list[int]] = defaultdict(list)
    for row in connection.execute(
        sa.select(messages.c.id, messages.c.attempt).where(messages.c.id.in_(list(message_ids)))
    ):
        groups[row.attempt].append(row.id)
    return groups


def _settle(
    connection: sa.Connection,
    message_ids: Sequence[int],
    how: str,
    at: int,
    why: str,
    later: dict[str, Any] | None = None,
) -> list[int]:
    """Settle doubts, each with a row in attempts. `later`: when a resend is a retry that keeps its expiry."""
    messages = sending.messages
    doubted = [messages.c.id.in_(list(message_ids)), messages.c.state == "in_doubt"]
    values: dict[str, Any]
    if how == "sent":
        values = {"state": "accepted", "accepted_at": sa.func.coalesce(messages.c.started_at, at)}
    elif how == "not sent":
        values = {**sending.in_state("cancelled"), "finished_at": at}
    elif later is not None:
        values = {"claim_id": None, **later}
        doubted.append(sa.or_(messages.c.expires_at.is_(None), messages.c.expires_at > later["due_at"]))
    else:
        life = _life(connection, message_ids)
        values = {"state": "planned", "claim_id": None, "due_at": at, "expires_at": at + life}
    rows = connection.execute(
        sa.update(messages)
        .where(*doubted)
        .values(**values)
        .returning(messages.c.id, messages.c.attempt, messages.c.claim_id, messages.c.run_id)
    ).all()
    if not rows:
        return []
    connection.execute(
        sa.insert(sending.attempts),
        [
            {
                "message_id": row.id,
                "number": max(row.attempt, 1),
                "claim_id": row.claim_id,
                "ended_at": at,
                "outcome": f"resolved_{how.replace(' ', '_')}",
                "detail": why,
            }
            for row in rows
        ],
    )
    if how == "resend":
        reopen(connection, sorted({row.run_id for row in rows}))
    if how == "not sent":
        release(connection, [row.id for row in rows], at)
    return sorted(row.id for row in rows)


def _life(connection: sa.Connection, message_ids: Sequence[int]) -> sa.ColumnElement[int]:
    """Return how long a message had to live when its run began, in microseconds, NULL for one without an end."""
    messages, runs = sending.messages, sending.runs
    # A deferral moved due_at and nothing else: the run's own bounds still know the first length.
    since_due: sa.ColumnElement[int] = messages.c.expires_at - messages.c.due_at
    rows = connection.execute(
        sa.select(runs.c.id, runs.c.anchor_at, runs.c.bounds).where(
            runs.c.id.in_(sa.select(messages.c.run_id).where(messages.c.id.in_(list(message_ids))))
        )
    ).all()
    lengths = [
        (
            sa.and_(messages.c.run_id == row.id, messages.c.expires_at.is_not(None)),
            sa.literal(row.bounds.get("lifetime") or row.bounds["expires_at"] - row.anchor_at, sa.BigInteger),
        )
        for row in rows
        if row.bounds and row.bounds.get("expires_at") is not None
    ]
    return sa.case(*lengths, else_=since_due) if lengths else since_due


def reopen(connection: sa.Connection, run_ids: Sequence[int]) -> None:
    """Let finished runs send again, in the transaction that gave them something to send.

    The rows of the runs are locked first: whoever is finishing one right now sees the message, or we see it finished.
    """
    runs = sending.runs
    connection.execute(
        sa.select(runs.c.id).where(runs.c.id.in_(run_ids)).order_by(runs.c.id).with_for_update()
    )
    connection.execute(
        sa.update(runs)
        .where(runs.c.id.in_(run_ids), runs.c.state == "finished")
        .values(state="sending", finished_at=None)
    )
