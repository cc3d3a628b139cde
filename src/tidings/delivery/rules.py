"""The rules of the ledger, each a query for rows that break it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.store.tables import answers, sending

# Clocks of a machine are corrected by seconds now and then; more than this is no correction.
TOLERANCE = 60 * 1_000_000
_EXAMPLES = 5
_NOT_ENROLLING = ("sending", "paused", "finished", "cancelled")


@dataclass(frozen=True, slots=True)
class Broken:
    """One rule that does not hold: how many rows break it, and a few of their ids."""

    check: str
    sentence: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name; `sentence` tells, after the number of rows, what is wrong with them."""

    name: str
    sentence: str
    find: Callable[[sa.Connection], list[Any]]

    def broken(self, connection: sa.Connection) -> list[Broken]:
        """Return the one finding when rows break the rule, else nothing."""
        found = self.find(connection)
        if not found:
            return []
        examples = tuple(str(one) for one in found[:_EXAMPLES])
        return [Broken(self.name, f"{len(found):,} {self.sentence}", len(found), examples)]


runs, enrolments, messages = sending.runs, sending.enrolments, sending.messages
claims, attempts = sending.claims, sending.attempts
_plain_runs = sa.select(runs.c.id).where(runs.c.kind == "campaign", runs.c.state.in_(_NOT_ENROLLING))


def all_ids(statement: sa.Select[Any]) -> Callable[[sa.Connection], list[Any]]:
    """Return what finds the first column of all rows of a statement."""
    return lambda connection: list(connection.execute(statement).scalars())


def _plan_and_enrolments(connection: sa.Connection) -> list[Any]:
    """Return the runs whose enrolments by arm are not those that their plan stored."""
    members = sending.plan_members
    planned = (
        sa.select(runs.c.id.label("run_id"), members.c.arm, sa.func.count().label("people"))
        .select_from(runs.join(members, members.c.plan_id == runs.c.plan_id))
        .where(runs.c.id.in_(_plain_runs), members.c.arm.in_(["treated", "holdout"]))
        .group_by(runs.c.id, members.c.arm)
    )
    enrolled = (
        sa.select(enrolments.c.run_id, enrolments.c.arm, sa.func.count().label("people"))
        .select_from(enrolments.join(runs, runs.c.id == enrolments.c.run_id))
        .where(runs.c.id.in_(_plain_runs), runs.c.plan_id.is_not(None), enrolments.c.entry == 0)
        .group_by(enrolments.c.run_id, enrolments.c.arm)
    )
    one = {(row.run_id, row.arm): row.people for row in connection.execute(planned)}
    other = {(row.run_id, row.arm): row.people for row in connection.execute(enrolled)}
    return sorted(
        {
            run_id
            for run_id, arm in one.keys() | other.keys()
            if one.get((run_id, arm)) != other.get((run_id, arm))
        }
    )


def _artifacts(connection: sa.Connection) -> list[Any]:
    """Return the artifacts whose bytes are not what their name says."""
    rows = connection.execute(
        sa.select(sending.artifacts.c.sha256, sending.artifacts.c.bytes).execution_options(yield_per=100)
    )
    return [row.sha256 for row in rows if hashlib.sha256(row.bytes).hexdigest() != row.sha256]


def _without(table: sa.Table, reference: sa.Column[int], *more: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the ids of rows that name a message which is not there."""
    there = sa.select(messages.c.id).where(messages.c.id == reference).exists()
    return sa.select(table.c.id).where(reference.is_not(None), ~there, *more).order_by(table.c.id)


# Somebody else of the account gets the message: enrolled, with no channel of their own.
_covered = (
    sa.select(sending.plan_members.c.customer_id)
    .select_from(runs.join(sending.plan_members, sending.plan_members.c.plan_id == runs.c.plan_id))
    .where(
        runs.c.id == enrolments.c.run_id,
        sending.plan_members.c.customer_id == enrolments.c.customer_id,
        sending.plan_members.c.channel.is_(None),
        sending.plan_members.c.refusal_code.is_(None),
    )
    .correlate(enrolments)
    .exists()
)
_has_message = sa.select(messages.c.id).where(messages.c.enrolment_id == enrolments.c.id).exists()
_has_attempt = sa.select(attempts.c.id).where(attempts.c.message_id == messages.c.id).exists()
_open_claim = (
    sa.select(claims.c.id).where(claims.c.id == messages.c.claim_id, claims.c.state == "open").exists()
)

RULES: tuple[Rule, ...] = (
    Rule("plan", "run(s) enrolled other people than their plan stored", _plan_and_enrolments),
    Rule(
        "treated",
        "treated enrolment(s) have no message, sent or refused",
        all_ids(
            sa.select(enrolments.c.id)
            .where(
                enrolments.c.arm == "treated",
                enrolments.c.run_id.in_(_plain_runs),
                ~_has_message,
                ~_covered,
            )
            .order_by(enrolments.c.id)
        ),
    ),
    Rule(
        "holdout",
        "enrolment(s) held out for comparison have a message",
        all_ids(
            sa.select(enrolments.c.id)
            .where(enrolments.c.arm == "holdout", _has_message)
            .order_by(enrolments.c.id)
        ),
    ),
    Rule(
        "one message",
        "enrolment(s) have two open messages for one step",
        all_ids(
            sa.select(messages.c.enrolment_id)
            .where(messages.c.state.in_(sending.OPEN_STATES))
            .group_by(messages.c.enrolment_id, messages.c.step)
            .having(sa.func.count() > 1)
            .order_by(messages.c.enrolment_id)
        ),
    ),
    Rule(
        "enrolment",
        "message(s) are of another customer or run than their enrolment",
        all_ids(
            sa.select(messages.c.id)
            .select_from(messages.outerjoin(enrolments, enrolments.c.id == messages.c.enrolment_id))
            .where(
                sa.or_(
                    enrolments.c.id.is_(None),
                    enrolments.c.customer_id != messages.c.customer_id,
                    enrolments.c.run_id != messages.c.run_id,
                )
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "claims",
        "message(s) are claimed or started, and nobody holds their claim",
        all_ids(
            sa.select(messages.c.id)
            .where(messages.c.state.in_(["claimed", "started"]), ~_open_claim)
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "handed over",
        "message(s) were accepted or are in doubt without having been started",
        all_ids(
            sa.select(messages.c.id)
            .where(
                messages.c.state.in_(
                    ["started", "accepted", "in_doubt", "delivered", "complained", "unconfirmed"]
                ),
                sa.or_(messages.c.started_at.is_(None), messages.c.attempt < 1),
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "accepted",
        "accepted message(s) do not say when",
        all_ids(
            sa.select(messages.c.id)
            .where(
                messages.c.state.in_(["accepted", "delivered", "complained"]),
                messages.c.accepted_at.is_(None),
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "order",
        "message(s) were started before they were claimed",
        all_ids(
            sa.select(messages.c.id)
            .select_from(messages.join(claims, claims.c.id == messages.c.claim_id))
            .where(
                messages.c.state.in_(["started", "accepted", "rejected", "in_doubt"]),
                messages.c.started_at < claims.c.claimed_at - TOLERANCE,
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "refused",
        "refused message(s) do not say why",
        all_ids(
            sa.select(messages.c.id)
            .where(
                messages.c.state == "refused",
                sa.or_(messages.c.refusal_code.is_(None), messages.c.refusal_rule.is_(None)),
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "attempts",
        "message(s) were rejected, deferred or doubted without an attempt on record",
        all_ids(
            sa.select(messages.c.id)
            .where(messages.c.state.in_(["rejected", "deferred", "in_doubt"]), ~_has_attempt)
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "attempt numbers",
        "attempt(s) are numbered beyond what their message counted",
        all_ids(
            sa.select(attempts.c.id)
            .select_from(attempts.join(messages, messages.c.id == attempts.c.message_id))
            .where(attempts.c.number > messages.c.attempt + 1)
            .order_by(attempts.c.id)
        ),
    ),
    Rule(
        "finished",
        "finished run(s) have messages still to send",
        all_ids(
            sa.select(runs.c.id)
            .where(
                runs.c.state == "finished",
                sa.select(messages.c.id)
                .where(
                    messages.c.run_id == runs.c.id,
                    messages.c.state.in_(["planned", "claimed", "started", "deferred"]),
                )
                .exists(),
            )
            .order_by(runs.c.id)
        ),
    ),
    Rule(
        "hits",
        "hit(s) are of messages that are not there",
        all_ids(_without(answers.hits, answers.hits.c.message_id)),
    ),
    Rule(
        "responses",
        "response(s) are of messages that are not there",
        all_ids(_without(answers.responses, answers.responses.c.message_id)),
    ),
    Rule(
        "receipts",
        "receipt(s) are of messages that are not there",
        all_ids(_without(sending.receipts, sending.receipts.c.message_id)),
    ),
    Rule(
        "never sent",
        "response(s) are to messages that were never handed over",
        all_ids(
            sa.select(answers.responses.c.id)
            .select_from(answers.responses.join(messages, messages.c.id == answers.responses.c.message_id))
            .where(messages.c.started_at.is_(None))
            .order_by(answers.responses.c.id)
        ),
    ),
    Rule("artifacts", "recorded file(s) are not what was recorded", _artifacts),
)
