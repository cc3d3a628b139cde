"""Everything that touched a customer, in the order of time: what they did, said, got, did not get, and were part of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tidings.flows.explaining.facts import AGAINST, PASSED, Fact, Inquiry
from tidings.flows.explaining.journeys import STEPS
from tidings.flows.explaining.permission import said_by
from tidings.flows.explaining.words import (
    by_channel,
    by_kind,
    receipt_words,
    refusal_words,
    response_words,
    state_words,
)
from tidings.store.tables import answers, people, sending
from tidings.store.tables.journeys import journey_steps, journeys, tasks

_runs, _messages, _enrolments = sending.runs, sending.messages, sending.enrolments


def everything(ask: Inquiry) -> list[Fact]:
    """Return every stored thing about a customer, the oldest first."""
    found = [
        Fact("known", "became known", at=ask.person.created_at),
        *_said(ask),
        *_did(ask),
        *_segments(ask),
        *_entered(ask),
        *_messages_to(ask),
        *_answered(ask),
        *_walked(ask),
    ]
    if ask.person.tombstoned_at is not None:
        found.append(Fact("erased", "was erased", AGAINST, ask.person.tombstoned_at))
    return sorted([*found, *_merged(ask)], key=lambda one: one.at or 0)


def _merged(ask: Inquiry) -> Iterator[Fact]:
    if ask.person.merged_into is not None:
        yield Fact("merged", f"was merged into {ask.person.merged_into}", AGAINST, ask.person.merged_at)
    merges, customers = people.merges, people.customers
    rows = ask.connection.execute(
        sa.select(customers.c.key, merges.c.at, merges.c.undone_at)
        .join(customers, customers.c.id == merges.c.customer_id)
        .where(merges.c.into_id == ask.person.id)
    )
    for row in rows:
        yield Fact("merged", f"took over what {row.key} did and was sent", at=row.at)
        if row.undone_at is not None:
            yield Fact("merged", f"was parted from {row.key} again", at=row.undone_at)


def _said(ask: Inquiry) -> Iterator[Fact]:
    consents, suppressions = people.consents, people.suppressions
    for row in ask.connection.execute(sa.select(consents).where(consents.c.customer_id == ask.person.id)):
        verdict = {"granted": PASSED, "withdrawn": AGAINST}.get(row.state, "")
        yield Fact("consent", said_by(row), verdict, row.at, {"state": row.state, "purpose": row.purpose})
    for kind, hashed in ask.person.hashes.items():
        if hashed is None:
            continue
        for row in ask.connection.execute(
            sa.select(suppressions).where(
                suppressions.c.channel == kind, suppressions.c.address_hash == hashed
            )
        ):
            yield Fact("suppression", f"the address {by_kind(kind)} was suppressed: {row.reason} (from {row.source})", AGAINST, row.at)  # fmt: skip
            if row.lifted_at is not None:
                yield Fact(
                    "suppression", f"the address {by_kind(kind)} was let go again", PASSED, row.lifted_at
                )
    changes = people.attribute_changes
    for row in ask.connection.execute(sa.select(changes).where(changes.c.customer_id == ask.person.id)):
        value = row.value if row.value is not None else "not known"
        yield Fact("attribute", f"{row.attribute}: {value} (from {row.source})", at=row.changed_at)


def _did(ask: Inquiry) -> Iterator[Fact]:
    events, names = people.events, people.event_names
    titles = {one.name: one.title for one in ask.today.events.events}
    for row in ask.connection.execute(
        sa.select(names.c.name, events.c.occurred_at, events.c.source)
        .select_from(events.join(names, names.c.id == events.c.name_id))
        .where(events.c.customer_id == ask.person.id)
    ):
        title = titles.get(row.name) or row.name
        yield Fact("did", f"{title} ({row.name}, from {row.source})", at=row.occurred_at, data={"event": row.name})  # fmt: skip


def _segments(ask: Inquiry) -> Iterator[Fact]:
    members = people.segment_members
    for row in ask.connection.execute(sa.select(members).where(members.c.customer_id == ask.person.id)):
        title = ask.today.segments[row.segment].title if row.segment in ask.today.segments else row.segment
        yield Fact(
            "segment", f"came into the segment “{title}”", at=row.valid_from, data={"segment": row.segment}
        )
        if row.valid_to is not None:
            yield Fact(
                "segment",
                f"went out of the segment “{title}”",
                at=row.valid_to,
                data={"segment": row.segment},
            )


def _entered(ask: Inquiry) -> Iterator[Fact]:
    for row in ask.connection.execute(
        sa.select(_enrolments.c.arm, _enrolments.c.variant, _enrolments.c.anchor_at, _runs.c.campaign, _runs.c.kind)
        .select_from(_enrolments.join(_runs, _runs.c.id == _enrolments.c.run_id))
        .where(_enrolments.c.customer_id == ask.person.id)
    ):  # fmt: skip
        if row.arm == "party":
            continue
        words = {
            "holdout": "held out for comparison",
            "control": "in the global control",
            "copy": "gets a copy",
        }
        how = words.get(row.arm, "treated" + (f", wording “{row.variant}”" if row.variant else ""))
        kind = "entered the flow" if row.kind == "flow" else "in the campaign"
        verdict = AGAINST if row.arm in ("holdout", "control") else ""
        yield Fact("in", f"{kind} {row.campaign}: {how}", verdict, row.anchor_at, {"campaign": row.campaign, "arm": row.arm})  # fmt: skip
    members = sending.plan_members
    # A plan that was never run touched nobody.
    for one in ask.connection.execute(
        sa.select(members.c.refusal_code, _runs.c.campaign, _runs.c.created_at)
        .select_from(_runs.join(members, members.c.plan_id == _runs.c.plan_id))
        .where(members.c.customer_id == ask.person.id, members.c.refusal_code.is_not(None))
    ):
        text = f"not in the campaign {one.campaign}: {one.refusal_code} ({_lower(refusal_words(one.refusal_code))})"  # fmt: skip
        yield Fact(
            "refused", text, AGAINST, one.created_at, {"campaign": one.campaign, "code": one.refusal_code}
        )


def _messages_to(ask: Inquiry) -> Iterator[Fact]:
    for row in ask.connection.execute(
        sa.select(_messages, _runs.c.campaign)
        .join(_runs, _runs.c.id == _messages.c.run_id)
        .where(_messages.c.customer_id == ask.person.id)
    ):
        by, name = by_channel(ask.today, row.channel), _name(row)
        if row.state == "refused":
            text = f"{name} {by} was not sent: {row.refusal_code} ({_lower(refusal_words(row.refusal_code or ''))})"
            yield Fact("message", text, AGAINST, row.finished_at or row.due_at, _data(row))
            continue
        at = row.accepted_at or row.finished_at or row.started_at or row.due_at
        bad = row.state in ("rejected", "bounced", "complained", "cancelled")
        good = row.state in ("accepted", "delivered")
        due = f" (due on {ask.when(row.due_at)})" if row.state in ("planned", "deferred") else ""
        yield Fact("message", f"{name} {by} {state_words(row.state)}{due}", PASSED if good else AGAINST if bad else "", at, _data(row))  # fmt: skip
    notices = sending.notices
    for row in ask.connection.execute(sa.select(notices).where(notices.c.customer_id == ask.person.id)):
        yield Fact(
            "notice", f"the answer to {row.kind.upper()} by {row.channel}: {row.state}", at=row.created_at
        )


def _answered(ask: Inquiry) -> Iterator[Fact]:
    receipts, responses = sending.receipts, answers.responses
    for row in ask.connection.execute(
        sa.select(receipts.c.kind, receipts.c.at, receipts.c.code, receipts.c.detail, _messages.c.step, _runs.c.campaign)
        .select_from(
            receipts.join(_messages, _messages.c.id == receipts.c.message_id).join(
                _runs, _runs.c.id == _messages.c.run_id
            )
        )
        .where(_messages.c.customer_id == ask.person.id)
    ):  # fmt: skip
        said = ": ".join(filter(None, (row.code, row.detail)))
        yield Fact("provider", f"{_name(row)}: the provider {receipt_words(row.kind)}{f' ({said})' if said else ''}", at=row.at)  # fmt: skip
    for one in ask.connection.execute(
        sa.select(responses.c.kind, responses.c.judged, responses.c.at, _messages.c.step, _runs.c.campaign)
        .select_from(
            responses.outerjoin(_messages, _messages.c.id == responses.c.message_id).outerjoin(
                _runs, _runs.c.id == _messages.c.run_id
            )
        )
        .where(responses.c.customer_id == ask.person.id)
    ):
        about = f"{_name(one)}: " if one.campaign else ""
        yield Fact("response", about + response_words(one.kind, one.judged), at=one.at)


def _walked(ask: Inquiry) -> Iterator[Fact]:
    rows = ask.connection.execute(
        sa.select(
            journey_steps.c.step,
            journey_steps.c.what,
            journey_steps.c.at,
            journey_steps.c.detail,
            _runs.c.campaign,
        )
        .select_from(
            journey_steps.join(_enrolments, _enrolments.c.id == journey_steps.c.enrolment_id).join(
                _runs, _runs.c.id == _enrolments.c.run_id
            )
        )
        .where(_enrolments.c.customer_id == ask.person.id)
    ).all()
    places = {
        (flow.id, step.name): number
        for flow in ask.today.flows.values()
        for number, step in enumerate(flow.steps)
    }
    for row in sorted(rows, key=lambda row: (row.at, places.get((row.campaign, row.step), -1))):
        why = f" ({row.detail})" if row.detail else ""
        yield Fact("step", f"{row.campaign}.{row.step}: {STEPS.get(row.what, row.what)}{why}", at=row.at)
    for one in ask.connection.execute(
        sa.select(journeys.c.outcome, journeys.c.ended_at, _runs.c.campaign)
        .select_from(
            journeys.join(_enrolments, _enrolments.c.id == journeys.c.enrolment_id).join(
                _runs, _runs.c.id == _enrolments.c.run_id
            )
        )
        .where(_enrolments.c.customer_id == ask.person.id, journeys.c.state == "ended")
    ):
        yield Fact(
            "ended", f"the journey through {one.campaign} ended: {one.outcome or 'ended'}", at=one.ended_at
        )
    for row in ask.connection.execute(sa.select(tasks).where(tasks.c.customer_id == ask.person.id)):
        yield Fact("task", f"task {row.id} for {row.person} ({row.step}): {row.state}", at=row.created_at)


def _name(row: Any) -> str:
    return str(row.campaign) if row.step == "main" else f"{row.campaign}.{row.step}"


def _data(row: Any) -> dict[str, Any]:
    return {"campaign": row.campaign, "step": row.step, "channel": row.channel, "state": row.state, "refusal": row.refusal_code}  # fmt: skip


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].removesuffix(".")
