"""The state of messages as a fold over everything their provider said: any order, any repetition, the same end.

A ladder: accepted < delivered < bounced < complained. A message stands on the highest rung that any of its receipts
names, and never comes down. Everything that shows that the provider has the message is worth `accepted`, which is
how receipts settle doubts. What was never handed over, was rejected at hand-over or is being handed over just now is
left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.store.tables import sending

_messages, _receipts, _attempts = sending.messages, sending.receipts, sending.attempts
_refs = sending.provider_refs

RUNGS = {"accepted": 1, "delivered": 2, "bounced": 3, "complained": 4}
# What each kind of receipt proves; `other` proves nothing.
_PROVES = {
    **dict.fromkeys(
        ["queued", "sent", "deferred", "opened", "clicked", "unsubscribed", "resubscribed"], RUNGS["accepted"]
    ),
    "delivered": RUNGS["delivered"],
    "bounced": RUNGS["bounced"],
    "complained": RUNGS["complained"],
}
# Nobody holds them and their provider may have them all the same.
_DOUBTED = ("in_doubt", "planned", "deferred")
# Given up: another leg may have taken over, so only what is final for the recipient moves them.
_GIVEN_UP = ("unconfirmed", "cancelled")
_IN_HAND = ("claimed", "started")


def lock(connection: sa.Connection, message_ids: Sequence[int]) -> dict[int, Any]:
    """Lock messages and return those that receipts may settle now, by id.

    Left out: what is in the hands of a sender (its own mark comes first), what was never handed over, and on
    PostgreSQL what another transaction holds; their receipts wait.
    """
    rows = connection.execute(
        sa.select(
            _messages.c.id,
            _messages.c.state,
            _messages.c.attempt,
            _messages.c.claim_id,
            _messages.c.customer_id,
            _messages.c.run_id,
            _messages.c.channel,
            _messages.c.started_at,
        )
        .where(
            _messages.c.id.in_(list(message_ids)),
            _messages.c.state.not_in(_IN_HAND),
            _messages.c.attempt > 0,
            _messages.c.started_at.is_not(None),
        )
        .order_by(_messages.c.id)
        .with_for_update(skip_locked=True)
    )
    return {row.id: row for row in rows}


def merge(connection: sa.Connection, before: dict[int, Any], at: int) -> int:
    """Move locked messages (as `lock` returned them) to where their receipts say; return how many moved."""
    moved = _climb(connection, list(before))
    stood_aside = [row.id for row in before.values() if row.state in _GIVEN_UP]
    if stood_aside and _withdraw_planned(connection, stood_aside, at):
        moved += _climb(connection, stood_aside)
    closed = [row.id for row in moved if row.state in ("bounced", "complained")]
    if closed:
        # A leg that was given up counts again when the one that took over has failed.
        moved += _climb(connection, list(lock(connection, _given_up_before(connection, closed))))
    settled = [row for row in moved if row.id in before and before[row.id].state in _DOUBTED]
    if settled:
        connection.execute(
            sa.insert(_attempts),
            [
                {
                    "message_id": row.id,
                    "number": max(before[row.id].attempt, 1),
                    "claim_id": before[row.id].claim_id,
                    "ended_at": at,
                    "outcome": "resolved_by_receipt",
                    "detail": f"it was {before[row.id].state}; by the word of the provider it is {row.state}",
                }
                for row in settled
            ],
        )
    return len(moved)


def parts_told() -> sa.ColumnElement[bool]:
    """Return the condition that what `delivered` in a row of the inbox says holds for the whole message.

    A long SMS is one message of several parts, each with a reference and a fate of its own.
    """
    told = _receipts.alias("told")
    untold = (
        sa.select(sa.literal_column("1"))
        .select_from(_refs)
        .where(
            _refs.c.message_id == _receipts.c.message_id,
            ~sa.select(sa.literal_column("1"))
            .select_from(told)
            .where(
                told.c.message_id == _refs.c.message_id,
                told.c.kind == "delivered",
                told.c.provider_ref == _refs.c.provider_ref,
            )
            .correlate(_refs)
            .exists(),
        )
        .correlate(_receipts)
        .exists()
    )
    return sa.or_(_receipts.c.provider_ref.is_(None), ~untold)


def told_delivered(messages: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that the receipts of a message say `delivered` for all of it, and nothing worse."""
    worse = _receipts.alias("worse")
    return sa.and_(
        sa.select(sa.literal_column("1"))
        .select_from(_receipts)
        .where(
            _receipts.c.message_id == messages.c.id,
            _receipts.c.state == "applied",
            _receipts.c.kind == "delivered",
            parts_told(),
        )
        .correlate(messages)
        .exists(),
        ~sa.select(sa.literal_column("1"))
        .select_from(worse)
        .where(
            worse.c.message_id == messages.c.id,
            worse.c.state == "applied",
            worse.c.kind.in_(["bounced", "complained"]),
        )
        .correlate(messages)
        .exists(),
    )


def climb_again(connection: sa.Connection, message_ids: Sequence[int]) -> int:
    """Let legs that were given up count again by what their receipts say, where no other leg does; return how many."""
    return len(_climb(connection, list(lock(connection, message_ids))))


def _withdraw_planned(connection: sa.Connection, given_up: Sequence[int], at: int) -> int:
    """Cancel the legs that took over from these and were never handed over, where these have arrived after all."""
    earlier = _messages.alias("earlier")
    needless = (
        sa.select(sa.literal_column("1"))
        .select_from(earlier)
        .where(
            earlier.c.id.in_(list(given_up)),
            earlier.c.enrolment_id == _messages.c.enrolment_id,
            earlier.c.step == _messages.c.step,
            earlier.c.leg < _messages.c.leg,
            earlier.c.state == "unconfirmed",
            told_delivered(earlier),
        )
        .correlate(_messages)
        .exists()
    )
    enrolments = sa.select(earlier.c.enrolment_id).where(earlier.c.id.in_(list(given_up)))
    return connection.execute(
        sa.update(_messages)
        .where(
            _messages.c.enrolment_id.in_(enrolments),
            _messages.c.state == "planned",
            _messages.c.started_at.is_(None),
            _messages.c.attempt == 0,
            needless,
        )
        .values(**sending.in_state("cancelled"), finished_at=at)
    ).rowcount


def _climb(connection: sa.Connection, message_ids: Sequence[int]) -> list[Any]:
    """Set state and instants of messages from all their receipts; return id and new state of those that moved."""
    if not message_ids:
        return []
    kind, at = _receipts.c.kind, _receipts.c.at
    said = (
        sa.select(
            _receipts.c.message_id,
            sa.func.max(
                sa.case(
                    (sa.and_(kind == "delivered", ~parts_told()), RUNGS["accepted"]),
                    else_=sa.case(_PROVES, value=kind, else_=0),
                )
            ).label("rung"),
            # Of several parts the last one makes the message whole; what is told again changes nothing.
            sa.case(
                (
                    sa.func.count(sa.case((kind == "delivered", _receipts.c.provider_ref)).distinct()) > 1,
                    sa.func.max(sa.case((kind == "delivered", at))),
                ),
                else_=sa.func.min(sa.case((kind == "delivered", at))),
            ).label("delivered"),
            *(sa.func.min(sa.case((kind == name, at))).label(name) for name in ("bounced", "complained")),
        )
        .where(_receipts.c.message_id.in_(list(message_ids)))
        .group_by(_receipts.c.message_id)
        .subquery("said")
    )
    names = {rung: name for name, rung in RUNGS.items()}
    now_on = sa.case(
        RUNGS | dict.fromkeys(_DOUBTED, 0) | dict.fromkeys(_GIVEN_UP, RUNGS["accepted"]),
        value=_messages.c.state,
        # Rejected and refused: ended before the provider could say anything that counts.
        else_=9,
    )
    statement = (
        sa.update(_messages)
        .where(
            _messages.c.id == said.c.message_id,
            said.c.rung > now_on,
            sa.or_(
                _messages.c.state.not_in(_GIVEN_UP), said.c.rung > RUNGS["delivered"], ~another_leg_counts()
            ),
        )
        .values(
            state=sa.case(names, value=said.c.rung),
            is_open=said.c.rung.in_([rung for rung, name in names.items() if name in sending.OPEN_STATES]),
            accepted_at=sa.func.coalesce(_messages.c.accepted_at, _messages.c.started_at),
            finished_at=sa.case(
                (said.c.rung == RUNGS["complained"], said.c.complained),
                (said.c.rung == RUNGS["bounced"], said.c.bounced),
                (said.c.rung == RUNGS["delivered"], said.c.delivered),
                else_=_messages.c.finished_at,
            ),
        )
        .returning(_messages.c.id, _messages.c.state)
    )
    return list(connection.execute(statement).all())


def another_leg_counts() -> sa.Exists:
    """Two legs of one step are never open at once; of two that were given up, the newer one counts."""
    other = _messages.alias("other")
    return (
        sa.select(sa.literal_column("1"))
        .where(
            other.c.enrolment_id == _messages.c.enrolment_id,
            other.c.step == _messages.c.step,
            other.c.id != _messages.c.id,
            sa.or_(
                other.c.state.in_(sending.OPEN_STATES),
                sa.and_(
                    other.c.leg > _messages.c.leg,
                    other.c.state.in_(_GIVEN_UP),
                    # What was cancelled before it was handed over reached nobody.
                    other.c.started_at.is_not(None),
                ),
            ),
        )
        .correlate(_messages)
        .exists()
    )


def _given_up_before(connection: sa.Connection, closed: Sequence[int]) -> list[int]:
    """Return the legs given up before these ones."""
    newer = _messages.alias("newer")
    return list(
        connection.execute(
            sa.select(_messages.c.id)
            .join(
                newer,
                sa.and_(
                    newer.c.enrolment_id == _messages.c.enrolment_id,
                    newer.c.step == _messages.c.step,
                    newer.c.leg > _messages.c.leg,
                ),
            )
            .where(newer.c.id.in_(list(closed)), _messages.c.state.in_(_GIVEN_UP))
        ).scalars()
    )
