"""Rules of the ledger about offers: a code of a pool is one person's, and whoever was promised one has it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.offer import CODE
from tidings.delivery.rules import Rule, all_ids, messages
from tidings.segments.properties import property_value
from tidings.store.tables import money

_codes, _given = money.codes, money.offers_given
_SEEN = ("accepted", "delivered", "complained", "bounced", "in_doubt", "unconfirmed")
_shown: sa.ColumnElement[str] = property_value(messages.c.variables, CODE, "text")
# Messages that left with an offer; of one step the one that went out last stands for all.
_left = _given.join(messages, messages.c.id == _given.c.message_id)
_with_code = _left.join(_codes, _codes.c.code == _shown)


def _given_twice() -> sa.Select[Any]:
    return (
        sa.select(_codes.c.code)
        .select_from(_with_code)
        .where(messages.c.state.in_(_SEEN))
        .group_by(_codes.c.code)
        .having(sa.func.count() > 1)
        .order_by(_codes.c.code)
    )


def _of_another() -> sa.Select[Any]:
    return (
        sa.select(_codes.c.id)
        .select_from(_codes.outerjoin(messages, messages.c.id == _codes.c.message_id))
        .where(
            _codes.c.state == "reserved",
            sa.or_(messages.c.id.is_(None), messages.c.customer_id != _codes.c.customer_id),
        )
        .order_by(_codes.c.id)
    )


def _not_kept() -> sa.Select[Any]:
    return (
        sa.select(messages.c.id)
        .select_from(_with_code)
        .where(
            messages.c.state.in_(_SEEN),
            sa.or_(_codes.c.message_id.is_(None), _codes.c.message_id != messages.c.id),
        )
        .order_by(messages.c.id)
    )


def _without() -> sa.Select[Any]:
    """Return what left without a code although others of the same step, in the same words, got one from a pool."""
    others, theirs = messages.alias("others"), _codes.alias("theirs")
    # Gathered once, from the codes: asked per message it would look through the whole run for each.
    promised = (
        sa.select(others.c.run_id, others.c.step, others.c.version)
        .join(theirs, theirs.c.message_id == others.c.id)
        .distinct()
        .subquery("promised")
    )
    in_these_words = sa.and_(
        promised.c.run_id == messages.c.run_id,
        promised.c.step == messages.c.step,
        promised.c.version == messages.c.version,
    )
    return (
        sa.select(messages.c.id)
        .select_from(_left.join(promised, in_these_words))
        .where(
            messages.c.state.in_(_SEEN),
            _shown.is_(None),
            ~sa.select(_codes.c.id).where(_codes.c.message_id == messages.c.id).correlate(messages).exists(),
        )
        .order_by(messages.c.id)
    )


OFFER_RULES = (
    Rule("codes", "code(s) of a pool were given twice", all_ids(_given_twice())),
    Rule("whose code", "code(s) are kept for another customer than their message", all_ids(_of_another())),
    Rule("kept codes", "message(s) showed a code that is not kept for them", all_ids(_not_kept())),
    Rule("missing codes", "message(s) left without the code that was promised", all_ids(_without())),
)
