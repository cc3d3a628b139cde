"""The messages to a customer, leg after leg: what became of each, what the provider said, how people answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.steps import PARTY
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.flows.explaining.facts import AGAINST, PASSED, Fact, Inquiry
from tidings.flows.explaining.rules import gate_facts
from tidings.flows.explaining.words import (
    attempt_words,
    by_channel,
    receipt_words,
    response_words,
    state_words,
)
from tidings.store.tables import answers, keeping, people, sending
from tidings.store.tables.journeys import message_subjects

_messages, _attempts, _receipts = sending.messages, sending.attempts, sending.receipts
_responses = answers.responses
_GOOD = ("accepted", "delivered")
_BAD = ("rejected", "refused", "bounced", "complained", "cancelled")


def messages_of(ask: Inquiry, enrolment_ids: Sequence[int]) -> list[Any]:
    """Return the messages of enrolments in the order in which they were due, legs of one step together."""
    if not enrolment_ids:
        return []
    return list(
        ask.connection.execute(
            sa.select(_messages)
            .where(_messages.c.enrolment_id.in_(list(enrolment_ids)))
            .order_by(_messages.c.enrolment_id, _messages.c.step, _messages.c.leg, _messages.c.id)
        )
    )


def messages_about(ask: Inquiry, enrolment_id: int) -> list[Any]:
    """Return the messages to other parties that are about an enrolment, each with the key of who was written to."""
    return list(
        ask.connection.execute(
            sa.select(_messages, people.customers.c.key)
            .join(message_subjects, message_subjects.c.message_id == _messages.c.id)
            .join(people.customers, people.customers.c.id == _messages.c.customer_id)
            .where(message_subjects.c.enrolment_id == enrolment_id)
            .order_by(_messages.c.id)
        )
    )


def leg_facts(
    ask: Inquiry, campaign: Campaign, purpose: Purpose | None, legs: Sequence[Any], *, run: Any, first: int | None
) -> list[Fact]:  # fmt: skip
    """Say the legs of one message, each with the rules that it was held against, and why the next one followed."""
    found: list[Fact] = []
    before = None
    for leg in legs:
        why = "" if before is None else f", because {_gone_wrong(ask, before)}"
        wording = f", wording “{leg.variant}”" if leg.variant else ""
        found.append(
            Fact(
                "message",
                f"{by_channel(ask.definitions, leg.channel)}{wording}{why}: {state_words(leg.state)}{_times(ask, leg)}",
                PASSED if leg.state in _GOOD else AGAINST if leg.state in _BAD else "",
                leg.accepted_at or leg.finished_at or leg.due_at,
                {
                    "message": leg.id,
                    "step": leg.step,
                    "leg": leg.leg,
                    "channel": leg.channel,
                    "variant": leg.variant,
                    "state": leg.state,
                    "refusal": leg.refusal_code,
                    "provider_ref": leg.provider_ref,
                },
            )
        )
        if purpose is not None:
            start = first if before is None else (before.finished_at or leg.due_at)
            found += gate_facts(ask, campaign, purpose, leg.channel, run=run, message=leg, first=start)
        if leg.state in ("planned", "deferred"):
            found += _paused(ask, leg, run)
        found += provider_facts(ask, leg)
        before = leg
    return found


def provider_facts(ask: Inquiry, message: Any) -> list[Fact]:
    """Say the tries to hand a message over, what its provider said of it, and how people answered."""
    found = []
    for row in ask.connection.execute(
        sa.select(_attempts).where(_attempts.c.message_id == message.id).order_by(_attempts.c.ended_at, _attempts.c.id)
    ):  # fmt: skip
        said = f": {row.detail}" if row.detail else ""
        found.append(
            Fact("try", f"try {row.number}: {attempt_words(row.outcome)}{said}", at=row.ended_at, data={"outcome": row.outcome})
        )  # fmt: skip
    for row in ask.connection.execute(
        sa.select(_receipts).where(_receipts.c.message_id == message.id).order_by(_receipts.c.at, _receipts.c.id)
    ):  # fmt: skip
        said = ": ".join(filter(None, (row.code, row.detail)))
        text = f"the provider {receipt_words(row.kind)}{f' ({said})' if said else ''}"
        found.append(Fact("provider", text, at=row.at, data={"kind": row.kind, "provider": row.provider, "code": row.code}))  # fmt: skip
    for row in ask.connection.execute(
        sa.select(_responses)
        .where(_responses.c.message_id == message.id)
        .order_by(_responses.c.at, _responses.c.id)
    ):
        text = response_words(row.kind, row.judged)
        found.append(Fact("response", text, at=row.at, data={"kind": row.kind, "judged": row.judged, "reason": row.reason}))  # fmt: skip
    return found


def is_party(arm: str) -> bool:
    """Tell whether an enrolment is of somebody who is written to about other customers."""
    return arm == PARTY


def _paused(ask: Inquiry, leg: Any, run: Any) -> list[Fact]:
    """Say what holds a message up that is no rule: its run, its channel or the whole store is paused."""
    pauses, identity = sending.channel_pauses, keeping.identity
    found = []
    if run is not None and run.state == "paused":
        found.append(
            Fact("paused", f"its run is paused: {run.pause_reason or 'no reason is stored'}", AGAINST)
        )
    channel = ask.connection.execute(sa.select(pauses).where(pauses.c.channel == leg.channel)).first()
    if channel is not None:
        text = f"the channel {leg.channel} is paused since {ask.when(channel.at)}: {channel.reason}"
        found.append(Fact("paused", text, AGAINST, channel.at))
    store = ask.connection.execute(sa.select(identity.c.pause_reason).where(identity.c.paused)).first()
    if store is not None:
        found.append(
            Fact("paused", f"all sending is paused: {store.pause_reason or 'no reason is stored'}", AGAINST)
        )
    return found


def _gone_wrong(ask: Inquiry, leg: Any) -> str:
    """Say why a leg did not reach, so that the next one followed."""
    by = by_channel(ask.definitions, leg.channel)
    words = {
        "rejected": f"the message {by} was rejected",
        "bounced": f"the message {by} bounced",
        "unconfirmed": f"no receipt came for the message {by} in time",
        "cancelled": f"the message {by} was taken back",
    }
    if leg.state == "refused":
        return f"it may not go {by} ({leg.refusal_code})"
    return words.get(leg.state, f"the message {by} {state_words(leg.state)}")


def _times(ask: Inquiry, leg: Any) -> str:
    if leg.state in ("planned", "deferred"):
        return f", due on {ask.when(leg.due_at)}"
    at = leg.accepted_at or leg.finished_at or leg.started_at
    said = "" if at is None else f" on {ask.when(at)}"
    return said + (f" (reference {leg.provider_ref})" if leg.provider_ref else "")
