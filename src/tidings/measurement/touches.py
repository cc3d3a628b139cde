"""The one table of touches, kept up with the ledger: what was sent, opened, clicked, answered and redeemed.

Only what reached somebody counts, only what a human did, and never copies to staff or what dealers get about their customers.
A message that bounces after all loses its touch, and so does a click that is judged a machine's later; a message in doubt
gains one when it turns out to have been taken. Touches that files told are matched to customers who became known since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.snapshot import COPY
from tidings.campaigns.steps import PARTY
from tidings.definitions.workspace import Definitions
from tidings.measurement import redemptions
from tidings.measurement.blocks import by_index, changed, spans
from tidings.measurement.rematching import rematch
from tidings.segments.properties import position
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import answers, money, sending

_messages, _enrolments, _runs = sending.messages, sending.enrolments, sending.runs
_responses, _receipts, _redemptions = answers.responses, sending.receipts, money.redemptions
_touches = answers.touches

# Who complained had got it. What bounced or was never confirmed reached nobody, as far as is known.
REACHED = ("accepted", "delivered", "complained")
ANSWERS = ("opened", "clicked", "replied")
_COLUMNS = ("channel", "campaign", "customer_id", "message_id", "kind", "at", "dedupe_key")
_PURPOSE = "touches"
_LOW, _HIGH = sa.bindparam("low", type_=sa.BigInteger), sa.bindparam("high", type_=sa.BigInteger)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many touches were added and taken away, and how many that files told found their customer, as of `at`."""

    at: datetime
    added: int = 0
    removed: int = 0
    matched: int = 0


@dataclass(frozen=True, slots=True)
class _Source:
    """Where touches come from: rows of `table` that pass `counts` have one, those that pass `lost` have none any more."""

    what: str
    table: sa.Table
    counts: sa.ColumnElement[bool]
    lost: sa.ColumnElement[bool]
    rows: sa.Select[Any]
    prefix: str
    cells: tuple[sa.ColumnElement[Any], ...] = ()


def refresh(store: Store, definitions: Definitions | None = None, *, now: datetime) -> Refreshed:
    """Bring the touches up to date with messages, responses and redemptions; again at once it changes nothing.

    `definitions` tell of which kind each channel is (a touch is by email, sms or fax) and which events hold the pages
    that ads lead to; without them a channel stands under its own name.
    """
    if definitions is not None:
        redemptions.refresh(store, definitions, now=now)
    kinds = {name: one.kind for name, one in definitions.channels.items()} if definitions else {}
    added = removed = 0
    for source in _sources(kinds):
        more, fewer = _bring(store, source)
        added, removed = added + more, removed + fewer
    _bring_costs(store)
    matched = rematch(store, definitions)
    if added + removed + matched:
        analyse(store, "touches")
    return Refreshed(now, added, removed, matched)


def _bring(store: Store, source: _Source) -> tuple[int, int]:
    with store.read() as connection:
        blocks = changed(connection, source.what, source.table, source.counts, source.cells)
    number = source.table.c.id
    lost = sa.select(_key(source.prefix, number)).where(number.between(_LOW, _HIGH), source.lost)
    take_away = sa.delete(_touches).where(_touches.c.dedupe_key.in_(lost))
    found = source.rows.where(number.between(_LOW, _HIGH), source.counts)
    added = removed = 0
    for low, high in spans(store, source.what, blocks, _PURPOSE):
        with store.marks(_PURPOSE) as connection:
            by_index(connection)
            removed += connection.execute(take_away, {"low": low, "high": high}).rowcount
            put = insert_ignoring(connection, _touches).from_select(list(_COLUMNS), found)
            put = put.execution_options(preserve_rowcount=True)
            added += connection.execute(put, {"low": low, "high": high}).rowcount
    return added, removed


def _sources(kinds: dict[str, str]) -> Sequence[_Source]:
    channel = _kind_of(_messages.c.channel, kinds)
    counted = _enrolments.c.arm.not_in((COPY, PARTY))
    sent_at = sa.func.coalesce(_messages.c.accepted_at, _messages.c.started_at, _messages.c.due_at)
    ledger = _messages.join(_enrolments, _enrolments.c.id == _messages.c.enrolment_id).join(
        _runs, _runs.c.id == _messages.c.run_id
    )
    sent = (
        sa.select(
            channel,
            _runs.c.campaign,
            _messages.c.customer_id,
            _messages.c.id,
            sa.literal("sent", sa.Text),
            sent_at,
            _key("s", _messages.c.id),
        )
        .select_from(ledger)
        .where(counted)
    )
    answered = (
        sa.select(
            channel,
            _runs.c.campaign,
            sa.func.coalesce(_responses.c.customer_id, _messages.c.customer_id),
            _messages.c.id,
            _responses.c.kind,
            _responses.c.at,
            _key("r", _responses.c.id),
        )
        .select_from(ledger.join(_responses, _responses.c.message_id == _messages.c.id))
        .where(counted)
    )
    offer, dot = _redemptions.c.offer, position(_redemptions.c.offer, ".")
    redeemed = (
        sa.select(
            sa.func.coalesce(channel, "code"),
            # An offer is named by its campaign, or by FLOW.STEP.
            sa.func.coalesce(
                _runs.c.campaign, sa.case((dot > 0, sa.func.substr(offer, 1, dot - 1)), else_=offer)
            ),
            _redemptions.c.customer_id,
            _redemptions.c.message_id,
            sa.literal("redeemed", sa.Text),
            _redemptions.c.at,
            _key("d", _redemptions.c.id),
        )
        .select_from(
            _redemptions.outerjoin(_messages, _messages.c.id == _redemptions.c.message_id)
            .outerjoin(_enrolments, _enrolments.c.id == _messages.c.enrolment_id)
            .outerjoin(_runs, _runs.c.id == _messages.c.run_id)
        )
        .where(sa.or_(_enrolments.c.id.is_(None), counted))
    )
    human = sa.and_(_responses.c.kind.in_(ANSWERS), _responses.c.judged == "human")
    good = _redemptions.c.judged == "good"
    return (
        _Source(
            "touches: messages",
            _messages,
            _messages.c.state.in_(REACHED),
            sa.and_(_messages.c.state.not_in(REACHED), _messages.c.started_at.is_not(None)),
            sent,
            "s",
        ),
        _Source(
            "touches: responses",
            _responses,
            human,
            sa.and_(_responses.c.kind.in_(ANSWERS), _responses.c.judged != "human"),
            answered,
            "r",
        ),
        _Source("touches: redemptions", _redemptions, good, ~good, redeemed, "d"),
    )


def _bring_costs(store: Store) -> None:
    """Put what providers say that a message cost to the touch that it is; parts of one message are added up."""
    priced = sa.and_(_receipts.c.cost.is_not(None), _receipts.c.message_id.is_not(None))
    what = "touches: costs"
    cells = (_receipts.c.cost, _receipts.c.message_id)
    with store.read() as connection:
        blocks = changed(connection, what, _receipts, priced, cells)
    told = _receipts.alias("told")
    these = sa.select(_receipts.c.message_id).where(_receipts.c.id.between(_LOW, _HIGH), priced)
    # Receipts of one part may each repeat its price.
    parts = (
        sa.select(
            told.c.message_id,
            sa.func.max(told.c.cost).label("cost"),
            sa.func.min(told.c.currency).label("lowest"),
            sa.func.max(told.c.currency).label("highest"),
        )
        .where(told.c.message_id.in_(these), told.c.cost.is_not(None))
        .group_by(told.c.message_id, sa.func.coalesce(told.c.provider_ref, ""))
        .subquery("parts")
    )
    sums = (
        sa.select(
            _key("s", parts.c.message_id).label("key"),
            sa.cast(sa.func.sum(parts.c.cost), sa.BigInteger).label("cost"),
            sa.func.min(parts.c.lowest).label("currency"),
        )
        .group_by(parts.c.message_id)
        .having(sa.func.min(parts.c.lowest) == sa.func.max(parts.c.highest))
    )
    for low, high in spans(store, what, blocks, _PURPOSE):
        with store.marks(_PURPOSE) as connection:
            by_index(connection)
            found = connection.execute(sums, {"low": low, "high": high}).all()
            if found:
                connection.execute(
                    sa.update(_touches)
                    .where(_touches.c.dedupe_key == sa.bindparam("of"))
                    .values(cost=sa.bindparam("paid"), currency=sa.bindparam("in_")),
                    [{"of": row.key, "paid": row.cost, "in_": row.currency} for row in found],
                )


def _key(prefix: str, number: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    return sa.literal(prefix, sa.Text) + sa.cast(number, sa.Text)


def _kind_of(channel: sa.ColumnElement[str], kinds: dict[str, str]) -> sa.ColumnElement[str]:
    others = {name: kind for name, kind in kinds.items() if name != kind}
    return sa.case(others, value=channel, else_=channel) if others else channel
