"""The next channel of `via`, only after evidence that the one before did not reach the customer.

Evidence is a rejection, a bounce, a refusal that is about the channel (no address, no consent for it), or the end of the
patience with a channel that has receipts and gave none. What was accepted or is in doubt counts as reached.

Each place of `via` is one statement. Two legs of one customer are never open at once: workers take the run's row one
after the other, and the unique index on open messages stands behind that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from tidings.campaigns.legs import Leg, choice_column, legs_of
from tidings.campaigns.snapshot import COPY
from tidings.campaigns.staging import approximate
from tidings.clock import to_micros
from tidings.customers.house import house_of
from tidings.customers.permission import address_columns, refusal
from tidings.customers.refusals import CHANNEL_CODES
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.workspace import Definitions
from tidings.delivery.doubt import reopen
from tidings.delivery.merging import another_leg_counts, climb_again, told_delivered
from tidings.delivery.recorded import Recorded
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import people, sending

_CHUNK = 500
_MAY = ("sending", "finished")
_messages, _runs, _enrolments, _customers = (
    sending.messages,
    sending.runs,
    sending.enrolments,
    people.customers,
)
_FAILED = sa.or_(
    _messages.c.state.in_(["rejected", "bounced", "unconfirmed"]),
    sa.and_(_messages.c.state == "refused", _messages.c.refusal_code.in_(CHANNEL_CODES)),
)


@dataclass(frozen=True, slots=True)
class _Search:
    """What all statements of one call have in common."""

    run_id: int
    campaign: Campaign
    definitions: Definitions
    purpose: Purpose
    legs: tuple[Leg, ...]
    at: int
    # Conditions on messages that they are of the step that this is about; none for a campaign.
    of_step: tuple[sa.ColumnElement[bool], ...] = ()


def fall_back(
    store: Store,
    run: Recorded,
    run_id: int,
    *,
    now: datetime,
    receipts: Mapping[str, datetime] | None = None,
    first: int = 0,
) -> int:
    """Write the next leg of every message of a run that is known not to have reached its customer; return how many.

    A leg is written where a later channel may reach the customer, was not tried yet, and (`one_each: address`) nobody else
    of the run is written to at that address. `receipts` names the channels that report what became of a message, each with
    the instant up to which all of its reports are in the store: messages that had been accepted for longer than `patience`
    at that instant become `unconfirmed`, if another channel can take over. Nothing is written after the message expired. A
    finished run with new legs is sending again; one that is paused or cancelled is left alone.

    Of a flow `run` is one step (`Recorded.of_step`), and each step falls back by itself. Messages with an id below `first`
    are not looked at.
    """
    campaign = run.campaign_of()
    purpose = run.definitions.policies.purpose(campaign.purpose)
    legs = legs_of(campaign, run.definitions)
    if purpose is None or len(campaign.via) < 2 or len(legs) < 2:
        return 0
    of_step: tuple[sa.ColumnElement[bool], ...] = ()
    if run.is_flow:
        of_step = (_messages.c.step == run.step, _messages.c.version == run.version, _messages.c.id >= first)
    search = _Search(run_id, campaign, run.definitions, purpose, legs, to_micros(now), of_step)
    impatient = _impatient(search, receipts or {})
    _count_again(store, search)
    written = 0
    for leg in legs:
        if leg.position:
            written += _write(store, search, leg, _FAILED)
            if impatient is not None:
                written += _write(store, search, leg, impatient)
    return written


def waiting_runs(store: Store, *, now: datetime) -> list[int]:
    """Return the runs that are out or going out, have more than one channel and have not expired: `fall_back` is for them.

    A flow is always among them, for each of its steps has channels of its own.
    """
    at = to_micros(now)
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_runs.c.id, _runs.c.kind, _runs.c.bounds)
            .where(_runs.c.kind.in_(["campaign", "flow"]), _runs.c.state.in_(_MAY))
            .order_by(_runs.c.id)
        ).all()
    return [
        row.id
        for row in rows
        if row.kind == "flow"
        or (len(row.bounds.get("via", ())) > 1 and (row.bounds.get("expires_at") or at + 1) > at)
    ]


def patience_of(campaign: Campaign, definitions: Definitions, channel: str) -> timedelta | None:
    """Return how long a channel may leave an accepted message unconfirmed: the campaign's word, else the channel's."""
    bound = definitions.channels.get(channel)
    written = campaign.patience or (bound.patience if bound is not None else None)
    return None if written is None else approximate(written)


def _count_again(store: Store, search: _Search) -> None:
    """Let legs that were given up, and arrived after all, count where the ones that took over have failed."""
    with store.read() as connection:
        arrived = list(
            connection.execute(
                sa.select(_messages.c.id)
                .where(
                    _messages.c.run_id == search.run_id,
                    *search.of_step,
                    _messages.c.state == "unconfirmed",
                    told_delivered(_messages),
                    ~another_leg_counts(),
                )
                .order_by(_messages.c.id)
            ).scalars()
        )
    for part in store.paced("fallback").chunks(arrived, _CHUNK):
        with store.durable("fallback") as connection:
            climb_again(connection, part)


def _impatient(search: _Search, receipts: Mapping[str, datetime]) -> sa.ColumnElement[bool] | None:
    """Return the condition that a message was accepted too long ago, or None where no channel has receipts and patience."""
    conditions = []
    for channel in dict.fromkeys(leg.channel for leg in search.legs):
        patience = patience_of(search.campaign, search.definitions, channel)
        if channel in receipts and patience is not None:
            heard = min(search.at, to_micros(receipts[channel]))
            longest = heard - patience // timedelta(microseconds=1)
            conditions.append(sa.and_(_messages.c.channel == channel, _messages.c.accepted_at <= longest))
    if not conditions:
        return None
    # No receipt is awaited of what somebody saw arrive, or what a purpose treats as sent.
    resolved = (
        sa.select(sa.literal_column("1"))
        .select_from(sending.attempts)
        .where(sending.attempts.c.message_id == _messages.c.id, sending.attempts.c.outcome == "resolved_sent")
        .correlate(_messages)
        .exists()
    )
    # A receipt that waits for the sender's own mark is looked at before it is missed.
    waits = (
        sa.select(sa.literal_column("1"))
        .select_from(sending.receipts)
        .where(sending.receipts.c.message_id == _messages.c.id, sending.receipts.c.state == "waiting")
        .correlate(_messages)
        .exists()
    )
    return sa.and_(_messages.c.state == "accepted", sa.or_(*conditions), ~resolved, ~waits)


def _write(store: Store, search: _Search, leg: Leg, why: sa.ColumnElement[bool]) -> int:
    """Write one leg for all whose last message failed (or waits too long), in chunks; return how many."""
    with store.read() as connection:
        found = list(connection.execute(_candidates(search, leg, why)).scalars())
    written = 0
    for part in store.paced("fallback").chunks(found, _CHUNK):
        with store.durable("fallback") as connection:
            state = connection.execute(
                sa.select(_runs.c.state).where(_runs.c.id == search.run_id).with_for_update()
            ).scalar()
            if state not in _MAY:
                return written
            if why is not _FAILED:
                _give_up(connection, search, leg, why, part)
            count = len(connection.execute(_insert(connection, search, leg, part)).all())
            if count:
                reopen(connection, [search.run_id])
            written += count
    return written


def _give_up(
    connection: sa.Connection, search: _Search, leg: Leg, why: sa.ColumnElement[bool], part: Sequence[Any]
) -> None:
    """Mark those unconfirmed whose next leg can be written; a receipt may have come since they were found."""
    still = _candidates(search, leg, why, part).subquery()
    connection.execute(
        sa.update(_messages)
        .where(_messages.c.id.in_(sa.select(still.c.id)), _messages.c.state == "accepted")
        .values(**sending.in_state("unconfirmed"), finished_at=search.at)
    )


def _candidates(
    search: _Search, leg: Leg, why: sa.ColumnElement[bool], part: Sequence[Any] | None = None
) -> sa.Select[tuple[int]]:
    """Return the ids of messages (those of `part`, or of the run) after which this leg is next, for it reaches."""
    chosen = _chosen(search, leg, why, part).subquery()
    return sa.select(chosen.c.id).where(chosen.c.place == 1).order_by(chosen.c.id)


def _chosen(
    search: _Search, leg: Leg, why: sa.ColumnElement[bool], part: Sequence[Any] | None = None
) -> sa.Select[Any]:
    hashed = address_columns(leg.kind)[1]
    source: sa.FromClause = _messages.join(_customers, _customers.c.id == _messages.c.customer_id).join(
        _enrolments, _enrolments.c.id == _messages.c.enrolment_id
    )
    of_run = _messages.c.run_id == search.run_id
    if part is not None:
        # By their ids: the index of the run would lead through all of it for every part.
        of_run = sa.and_(_messages.c.run_id + 0 == search.run_id, _messages.c.id.in_(part))
    house = house_of(search.definitions, search.purpose, leg.kind, [leg.channel])
    conditions = [
        of_run,
        *search.of_step,
        why,
        _messages.c.leg < leg.position,
        sa.or_(_messages.c.expires_at.is_(None), _messages.c.expires_at > search.at),
        _enrolments.c.arm != COPY,
        ~_tried(leg),
        refusal(leg.kind, search.purpose, search.campaign.topic, now=search.at, house=house).is_(None),
    ]
    if not leg.for_everybody:
        choice = choice_column(search.definitions)
        source = source.outerjoin(choice.table, choice.table.c.customer_id == _customers.c.id)
        conditions.append(leg.meant(choice))
    place: sa.ColumnElement[int] = sa.literal(1)
    if search.campaign.one_each == "address":
        conditions.append(~_address_used(search, leg))
        # Two who share an address may fail at once: the lower id gets the message.
        place = sa.func.row_number().over(partition_by=hashed, order_by=(_customers.c.id, _messages.c.id))
    return sa.select(_messages, place.label("place")).select_from(source).where(*conditions)


def _tried(leg: Leg) -> sa.ColumnElement[bool]:
    """Return the condition that the step has gone on already, has tried this channel, or has reached the customer."""
    other = _messages.alias("other")
    return (
        sa.select(sa.literal_column("1"))
        .select_from(other)
        .where(
            other.c.enrolment_id == _messages.c.enrolment_id,
            other.c.step == _messages.c.step,
            sa.or_(
                other.c.leg > _messages.c.leg,
                other.c.channel == leg.channel,
                # A leg that was given up may have got its receipt after the next one failed.
                sa.and_(sa.or_(other.c.is_open, other.c.state == "complained"), other.c.id != _messages.c.id),
                sa.and_(other.c.state == "unconfirmed", told_delivered(other)),
            ),
        )
        .correlate(_messages)
        .exists()
    )


def _address_used(search: _Search, leg: Leg) -> sa.ColumnElement[bool]:
    """Return the condition that another customer of the run is, or was, written to at the address."""
    hashed = address_columns(leg.kind)[1]
    other, sharer, theirs = (
        _messages.alias("their_message"),
        _customers.alias("sharer"),
        _enrolments.alias("their_enrolment"),
    )
    channels = sorted({one.channel for one in search.legs if one.kind == leg.kind})
    return (
        sa.select(sa.literal_column("1"))
        .select_from(
            sharer.join(other, other.c.customer_id == sharer.c.id).join(
                theirs, theirs.c.id == other.c.enrolment_id
            )
        )
        .where(
            sharer.c[hashed.name] == hashed,
            # Looked for by the address, never by the run: in a big run that is the difference of hours.
            other.c.run_id + 0 == search.run_id,
            other.c.channel.in_(channels),
            other.c.enrolment_id != _messages.c.enrolment_id,
            # What was accepted and not heard of may have arrived all the same.
            sa.or_(other.c.is_open, other.c.state.in_(["complained", "unconfirmed"])),
            theirs.c.arm != COPY,
        )
        .correlate(_messages, _customers)
        .exists()
    )


def _insert(
    connection: sa.Connection, search: _Search, leg: Leg, part: Sequence[Any]
) -> ReturningInsert[tuple[int]]:
    """Return the statement that writes the leg; what another worker wrote meanwhile is left alone."""
    chosen = _chosen(search, leg, _FAILED, part).subquery()
    kept = ("run_id", "enrolment_id", "customer_id", "step", "variant", "expires_at", "version")
    given: dict[str, sa.ColumnElement[Any]] = {
        "leg": sa.literal(leg.position),
        "channel": sa.literal(leg.channel, sa.Text),
        "state": sa.literal("planned", sa.Text),
        "due_at": sa.literal(search.at, sa.BigInteger),
        "attempt": sa.literal(0),
    }
    insert = insert_ignoring(connection, _messages).from_select(
        [*kept, *given],
        sa.select(*(chosen.c[name] for name in kept), *given.values())
        .where(chosen.c.place == 1)
        .order_by(chosen.c.customer_id),
    )
    return insert.returning(_messages.c.id)
