"""What an offer gives with a message: its code, its end, and that it was promised; taken in the transaction that claims it.

One statement pairs the messages of a claim with the lowest free codes of the pool. A message that is tried again keeps its
code, and the next channel takes over that of the one before. A code goes back to the pool only when no message that
showed it can have left: whatever is in doubt keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.promises import Promise
from tidings.customers.knowing import listed, one_of
from tidings.definitions.kinds.offer import PRICE, PRODUCT, Offer
from tidings.store.batches import insert_ignoring
from tidings.store.tables import money, sending

# What the gate says of a message whose offer has run out, is sold out, or was given to the customer before.
EXHAUSTED, SOLD_OUT, BEFORE = "offer_exhausted", "out_of_stock", "again"
_codes, _given, _messages, _products = money.codes, money.offers_given, sending.messages, money.products
_FREE = _codes.c.state == sa.literal_column("'free'")
_RESERVED = _codes.c.state == sa.literal_column("'reserved'")


@dataclass(slots=True)
class Promised:
    """What became of the messages of a claim: the `values` of those that go, ids `refused` by code, ids `undecided`.

    Undecided are those for whom a code may come back in a moment, from what is in somebody's hands.
    """

    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    undecided: list[int] = field(default_factory=list)


def promise_all(connection: sa.Connection, promise: Promise, rows: Sequence[Any], now: int) -> Promised:
    """Promise its offer to the messages of a claim (rows with `id` and `customer_id`), as far as there is one."""
    found, ids = Promised(), [row.id for row in rows]
    ends_at = promise.ends_at(now)
    if ends_at is not None and ends_at <= now:
        found.refused[EXHAUSTED] = ids
        return found
    if _sold_out(connection, promise):
        found.refused[SOLD_OUT] = ids
        return found
    if promise.offer.at_most is not None:
        before = _given_before(connection, promise, rows, now)
        if before:
            found.refused[BEFORE] = before
            ids = [one for one in ids if one not in set(before)]
    codes: dict[int, str] = {}
    if promise.offer.pool and ids:
        codes = _take_codes(connection, promise, ids, now, ends_at)
        missing = [one for one in ids if one not in codes]
        if missing:
            if _may_come_back(connection, promise.offer.pool):
                found.undecided = missing
            else:
                found.refused[EXHAUSTED] = missing
            ids = [one for one in ids if one in codes]
    if ids:
        _record(connection, promise, ids, now, ends_at)
        product = product_values(connection, promise.offer)
        found.values = {one: promise.values(now, codes.get(one)) | product for one in ids}
    return found


def release(connection: sa.Connection, message_ids: Collection[int]) -> int:
    """Take back what was promised by messages that surely did not leave; return how many codes are free again.

    One that was ever in doubt keeps its code, and so does one that took over from another channel: the customer may
    have seen it.
    """
    if not message_ids:
        return 0
    dialect = connection.dialect.name
    these = listed(dialect, message_ids)
    connection.execute(_FORGET[dialect], these)
    return connection.execute(_GIVE_BACK[dialect], these).rowcount


def _sold_out(connection: sa.Connection, promise: Promise) -> bool:
    least = promise.offer.stop_below
    if least is None:
        return False
    stock = stock_of(connection, promise.offer.product)
    return stock is not None and stock < least


def product_values(connection: sa.Connection, offer: Offer) -> dict[str, Any]:
    """Return what messages may name of the product of an offer, as the last import told it; unknown (None) is what none told.

    A price in another currency than messages print is unknown: it is never shown as what it is not.
    """
    if not offer.product:
        return {}
    row = connection.execute(
        sa.select(_products.c.name, _products.c.price, _products.c.currency).where(
            _products.c.item == offer.product
        )
    ).first()
    if row is None:
        return {PRODUCT: None, PRICE: None}
    return {PRODUCT: row.name, PRICE: row.price if row.currency == offer.currency else None}


def stock_of(connection: sa.Connection, item: str) -> int | None:
    """Return the stock of a product, of all together for an empty name; None where nothing is known."""
    which = [_products.c.item == item] if item else []
    told = connection.execute(sa.select(sa.func.sum(_products.c.stock)).where(*which)).scalar()
    return None if told is None else int(told)


def _given_before(connection: sa.Connection, promise: Promise, rows: Sequence[Any], now: int) -> list[int]:
    """Return the messages whose customer was promised the offer as often as `at_most` allows; the same step counts once."""
    at_most = promise.offer.at_most
    assert at_most is not None
    dialect = connection.dialect.name
    if dialect == "postgresql":
        # Two claims at once would not see each other's rows.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(promise.name))))
    theirs = _messages.alias("theirs")
    since = promise.since(now)
    counts: dict[int, int] = dict(
        connection.execute(
            sa.select(_messages.c.id, sa.func.count())
            .select_from(
                _messages.join(_given, _given.c.customer_id == _messages.c.customer_id).join(
                    theirs, theirs.c.id == _given.c.message_id
                )
            )
            .where(
                one_of(_messages.c.id, dialect),
                _given.c.offer == promise.name,
                *([_given.c.at >= since] if since is not None else []),
                sa.or_(theirs.c.enrolment_id != _messages.c.enrolment_id, theirs.c.step != _messages.c.step),
            )
            .group_by(_messages.c.id),
            listed(dialect, [row.id for row in rows]),
        ).all()
    )
    # Of a flow one customer may stand at the step twice.
    here: dict[int, int] = defaultdict(int)
    before = []
    for row in rows:
        if counts.get(row.id, 0) + here[row.customer_id] >= at_most.count:
            before.append(row.id)
        else:
            here[row.customer_id] += 1
    return before


def _take_codes(
    connection: sa.Connection, promise: Promise, ids: Sequence[int], now: int, ends_at: int | None
) -> dict[int, str]:
    """Return the code of each message that has one now: its own, that of the channel before, or a free one."""
    dialect = connection.dialect.name
    these = listed(dialect, ids)
    connection.execute(_DROP_WITHDRAWN[dialect], these)
    connection.execute(_TAKE_OVER[dialect], these)
    kept = {row.message_id: row.code for row in connection.execute(_KEPT[dialect], these)}
    if kept:
        connection.execute(_PROLONG[dialect], {**listed(dialect, list(kept)), "ends": ends_at})
    wanted = [one for one in ids if one not in kept]
    if wanted:
        rows = connection.execute(
            _reserve(dialect),
            {
                **listed(dialect, wanted),
                "of_pool": promise.offer.pool,
                "most": len(wanted),
                "now": now,
                "ends": ends_at,
            },
        )
        kept |= {row.message_id: row.code for row in rows}
    return kept


@cache
def _reserve(dialect: str) -> Any:
    """Return the statement that pairs the messages given, in order, with the lowest free codes of a pool."""
    lowest = (
        sa.select(_codes.c.id)
        .where(_codes.c.pool == sa.bindparam("of_pool", type_=sa.Text), _FREE)
        .order_by(_codes.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
    if dialect == "postgresql":
        lowest = lowest.with_for_update(skip_locked=True)
    free = lowest.cte("free")
    numbered = sa.select(free.c.id, sa.func.row_number().over(order_by=free.c.id).label("place")).subquery(
        "numbered"
    )
    wanted = (
        sa.select(
            _messages.c.id,
            _messages.c.customer_id,
            sa.func.row_number().over(order_by=_messages.c.id).label("place"),
        )
        .where(one_of(_messages.c.id, dialect))
        .subquery("wanted")
    )
    pairs = (
        sa.select(
            numbered.c.id.label("code_id"),
            wanted.c.id.label("for_message"),
            wanted.c.customer_id.label("whose"),
        )
        .select_from(numbered.join(wanted, wanted.c.place == numbered.c.place))
        .subquery("pairs")
    )
    return (
        sa.update(_codes)
        .where(_codes.c.id == pairs.c.code_id)
        .values(
            state="reserved",
            message_id=pairs.c.for_message,
            customer_id=pairs.c.whose,
            reserved_at=sa.bindparam("now", type_=sa.BigInteger),
            ends_at=sa.bindparam("ends", type_=sa.BigInteger),
        )
        .returning(_codes.c.message_id, _codes.c.code)
    )


def _may_come_back(connection: sa.Connection, pool: str) -> bool:
    """Tell whether a code of the pool may be free in a moment: another claim is being made, or has not handed over yet."""
    claims = sending.claims
    free = connection.execute(sa.select(_codes.c.id).where(_codes.c.pool == pool, _FREE).limit(1)).first()
    if free is not None:
        return True
    in_hand = (
        sa.select(_codes.c.id)
        .select_from(
            claims.join(_messages, _messages.c.claim_id == claims.c.id).join(
                _codes, _codes.c.message_id == _messages.c.id
            )
        )
        .where(
            claims.c.state == "open",
            _messages.c.state.in_(["claimed", "started"]),
            _codes.c.pool == pool,
            _RESERVED,
        )
        .limit(1)
    )
    return connection.execute(in_hand).first() is not None


def _record(
    connection: sa.Connection, promise: Promise, ids: Sequence[int], now: int, ends_at: int | None
) -> None:
    """Write down who was promised what; of one step the message that goes out last stands for all."""
    dialect = connection.dialect.name
    these = listed(dialect, ids)
    connection.execute(_REPLACE[dialect], these)
    connection.execute(
        insert_ignoring(connection, _given).from_select(
            ["message_id", "offer", "customer_id", "at", "ends_at"],
            sa.select(
                _messages.c.id,
                sa.literal(promise.name, sa.Text),
                _messages.c.customer_id,
                sa.literal(now, sa.BigInteger),
                sa.literal(ends_at, sa.BigInteger) if ends_at is not None else sa.null(),
            ).where(one_of(_messages.c.id, dialect)),
        ),
        these,
    )


_DIALECTS = ("sqlite", "postgresql")
_other, _mine = _messages.alias("other_leg"), _messages.alias("mine")
# Another message of the same step that was handed over, whatever became of it.
_SHOWN: sa.Select[Any] = (
    sa.select(sa.literal_column("1"))
    .select_from(
        _mine.join(
            _other, sa.and_(_other.c.enrolment_id == _mine.c.enrolment_id, _other.c.step == _mine.c.step)
        )
    )
    .where(_other.c.id != _mine.c.id, _other.c.attempt > 0)
)
_DOUBTED: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
    sa.or_(sending.attempts.c.outcome == "in_doubt", sending.attempts.c.outcome.startswith("resolved"))
)


def _surely_unseen(message_id: sa.ColumnElement[int]) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        ~_SHOWN.where(_mine.c.id == message_id).exists(),
        ~_DOUBTED.where(sending.attempts.c.message_id == message_id).exists(),
    )


_GIVE_BACK = {
    dialect: sa.update(_codes)
    .where(one_of(_codes.c.message_id, dialect), _RESERVED, *_surely_unseen(_codes.c.message_id))
    .values(state="free", message_id=None, customer_id=None, reserved_at=None, ends_at=None)
    for dialect in _DIALECTS
}
_FORGET = {
    dialect: sa.delete(_given).where(
        one_of(_given.c.message_id, dialect), *_surely_unseen(_given.c.message_id)
    )
    for dialect in _DIALECTS
}
_DROP_WITHDRAWN = {
    dialect: sa.update(_codes)
    .where(one_of(_codes.c.message_id, dialect), _codes.c.state == "withdrawn")
    .values(message_id=None)
    for dialect in _DIALECTS
}
_KEPT = {
    dialect: sa.select(_codes.c.message_id, _codes.c.code).where(
        one_of(_codes.c.message_id, dialect), _RESERVED
    )
    for dialect in _DIALECTS
}
_PROLONG = {
    dialect: sa.update(_codes)
    .where(one_of(_codes.c.message_id, dialect))
    .values(ends_at=sa.bindparam("ends", type_=sa.BigInteger))
    for dialect in _DIALECTS
}


def _earlier(dialect: str) -> sa.Subquery:
    """Return pairs of a message given and one of the same step by a channel before it."""
    return (
        sa.select(_mine.c.id.label("taker"), _other.c.id.label("former"))
        .select_from(
            _mine.join(
                _other,
                sa.and_(
                    _other.c.enrolment_id == _mine.c.enrolment_id,
                    _other.c.step == _mine.c.step,
                    _other.c.leg < _mine.c.leg,
                ),
            )
        )
        .where(one_of(_mine.c.id, dialect))
        .subquery("earlier")
    )


def _taking_over(dialect: str) -> sa.Update:
    earlier = _earlier(dialect)
    return (
        sa.update(_codes)
        .where(_codes.c.message_id == earlier.c.former, _RESERVED)
        .values(message_id=earlier.c.taker)
    )


def _replacing(dialect: str) -> sa.Delete:
    earlier = _earlier(dialect)
    return sa.delete(_given).where(
        sa.or_(one_of(_given.c.message_id, dialect), _given.c.message_id.in_(sa.select(earlier.c.former)))
    )


_TAKE_OVER = {dialect: _taking_over(dialect) for dialect in _DIALECTS}
_REPLACE = {dialect: _replacing(dialect) for dialect in _DIALECTS}
