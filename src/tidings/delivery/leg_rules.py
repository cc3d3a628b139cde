"""The rules of the ledger about several channels: legs in order and with evidence, receipts that agree with states."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.customers.refusals import CHANNEL_CODES
from tidings.delivery.merging import RUNGS, parts_told, told_delivered
from tidings.delivery.rules import Rule, all_ids
from tidings.store.tables import sending

messages, receipts, refs = sending.messages, sending.receipts, sending.provider_refs
_later = messages.alias("later")
_same_step = sa.and_(_later.c.enrolment_id == messages.c.enrolment_id, _later.c.step == messages.c.step)
# What may stand before another leg. One that was given up counts again when the leg after it failed as well.
_evidence = sa.or_(
    messages.c.state.in_(["rejected", "bounced", "unconfirmed", "complained"]),
    sa.and_(messages.c.state == "refused", messages.c.refusal_code.in_(CHANNEL_CODES)),
    sa.and_(messages.c.state.in_(["accepted", "delivered"]), ~_later.c.is_open),
)


def _behind_receipts() -> sa.Select[Any]:
    """Return the messages that stand below what a receipt applied to them says."""
    proved = {name: rung for name, rung in RUNGS.items() if name != "accepted"}
    return (
        sa.select(messages.c.id)
        .select_from(receipts.join(messages, messages.c.id == receipts.c.message_id))
        .where(
            receipts.c.state == "applied",
            receipts.c.kind.in_(sorted(proved)),
            sa.or_(receipts.c.kind != "delivered", parts_told()),
            messages.c.state.in_(sorted(RUNGS)),
            sa.case(proved, value=receipts.c.kind) > sa.case(RUNGS, value=messages.c.state),
        )
        .distinct()
        .order_by(messages.c.id)
    )


def _needless() -> sa.Select[Any]:
    """Return the messages that were known to have arrived when a leg after them failed, and were followed by another."""
    failed = messages.alias("failed")
    known_at = (
        sa.select(sa.func.max(receipts.c.received_at))
        .where(
            receipts.c.message_id == messages.c.id,
            receipts.c.state == "applied",
            receipts.c.kind == "delivered",
        )
        .correlate(messages)
        .scalar_subquery()
    )
    return (
        sa.select(messages.c.id)
        .where(
            told_delivered(messages),
            sa.select(failed.c.id)
            .join(
                _later, sa.and_(_later.c.enrolment_id == failed.c.enrolment_id, _later.c.leg > failed.c.leg)
            )
            .where(
                failed.c.enrolment_id == messages.c.enrolment_id,
                failed.c.step == messages.c.step,
                _later.c.step == messages.c.step,
                failed.c.leg > messages.c.leg,
                failed.c.finished_at > known_at,
            )
            .correlate(messages)
            .exists(),
        )
        .order_by(messages.c.id)
    )


LEG_RULES: tuple[Rule, ...] = (
    Rule(
        "legs",
        "message(s) have a later leg that was written before them",
        all_ids(
            sa.select(messages.c.id)
            .where(
                sa.select(_later.c.id)
                .where(_same_step, _later.c.leg > messages.c.leg, _later.c.id < messages.c.id)
                .correlate(messages)
                .exists()
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "evidence",
        "message(s) have a later leg, and nothing says that they did not reach the customer",
        all_ids(
            sa.select(messages.c.id)
            .where(
                sa.select(_later.c.id)
                .where(_same_step, _later.c.leg > messages.c.leg, ~_evidence)
                .correlate(messages)
                .exists()
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "channels",
        "message(s) try a channel again that an earlier leg tried",
        all_ids(
            sa.select(messages.c.id)
            .where(
                sa.select(_later.c.id)
                .where(_same_step, _later.c.leg < messages.c.leg, _later.c.channel == messages.c.channel)
                .correlate(messages)
                .exists()
            )
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "unconfirmed",
        "message(s) wait for no receipt any more and were never accepted",
        all_ids(
            sa.select(messages.c.id)
            .where(messages.c.state == "unconfirmed", messages.c.accepted_at.is_(None))
            .order_by(messages.c.id)
        ),
    ),
    Rule(
        "provider references",
        "reference(s) of a provider lead to a message of another channel",
        all_ids(
            sa.select(refs.c.provider_ref)
            .select_from(refs.outerjoin(messages, messages.c.id == refs.c.message_id))
            .where(sa.or_(messages.c.id.is_(None), messages.c.channel != refs.c.channel))
            .order_by(refs.c.provider_ref)
        ),
    ),
    Rule("arrived", "message(s) had arrived, and two more legs were written", all_ids(_needless())),
    Rule("merged", "message(s) stand below what their receipts say", all_ids(_behind_receipts())),
)
