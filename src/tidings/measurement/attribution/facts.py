"""Touches and conversions as arrays of integers, read once; nothing but these two tables decides about credit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from tidings.segments.properties import property_value
from tidings.statistics.credit import Integers
from tidings.store.integers import read_integers
from tidings.store.tables import answers, people

_touches, _conversions = answers.touches, answers.conversions


@dataclass(frozen=True, slots=True)
class Kind:
    """What touches have in common: channel, campaign (None where none is known) and kind."""

    channel: str
    campaign: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Touches sorted by customer and time, conversions by time; one array for each column, instants in microseconds.

    `kind` is a place in `kinds`; `message` is 0 for what is of no message of ours. `currency` and `sales` are places in
    `currencies` and `sales_channels`, which begin with "" for what says none. `amount` is in minor units of its currency.
    """

    kinds: tuple[Kind, ...]
    customer: Integers
    at: Integers
    message: Integers
    kind: Integers
    currencies: tuple[str, ...]
    sales_channels: tuple[str, ...]
    event: Integers
    buyer: Integers
    bought_at: Integers
    amount: Integers
    currency: Integers
    sales: Integers


def read_facts(
    connection: sa.Connection,
    versions: Mapping[str, str],
    *,
    opens: int,
    closes: int,
    back: int,
    sales_property: str = "",
    customer: int | None = None,
) -> Facts:
    """Return the conversions in [opens, closes), by goal and its version, and the touches from `back` earlier on.

    With `customer` those of one alone. `sales_property` names the property of the events that says through which sales
    channel the order came.
    """
    kinds, touches = _read_touches(connection, opens - back, closes, customer)
    bought, currencies, sales_channels = _read_conversions(
        connection, versions, opens, closes, sales_property, customer
    )
    touches = touches[np.lexsort((touches[:, 0], touches[:, 2], touches[:, 1]))]
    bought = bought[np.lexsort((bought[:, 0], bought[:, 2]))]
    return Facts(
        kinds=kinds,
        customer=touches[:, 1],
        at=touches[:, 2],
        message=touches[:, 3],
        kind=touches[:, 4],
        currencies=currencies,
        sales_channels=sales_channels,
        event=bought[:, 0],
        buyer=bought[:, 1],
        bought_at=bought[:, 2],
        amount=bought[:, 3],
        currency=bought[:, 4],
        sales=bought[:, 5],
    )


def _read_touches(
    connection: sa.Connection, since: int, until: int, customer: int | None
) -> tuple[tuple[Kind, ...], Integers]:
    these: list[sa.ColumnElement[bool]] = [
        _touches.c.customer_id.is_not(None),
        _touches.c.at >= since,
        _touches.c.at < until,
    ]
    if customer is not None:
        these.append(_touches.c.customer_id == customer)
    # Texts stay in the database: with each touch comes the number of what it is.
    campaign = sa.func.coalesce(_touches.c.campaign, "").label("campaign")
    different = (
        sa.select(_touches.c.channel, campaign, _touches.c.kind)
        .where(*these)
        .distinct()
        .subquery("different")
    )
    number = sa.func.row_number().over(order_by=(different.c.channel, different.c.kind, different.c.campaign))
    codes = sa.select((number - 1).label("code"), different).cte("codes")
    found = connection.execute(sa.select(codes).order_by(codes.c.code))
    kinds = [Kind(one.channel, one.campaign or None, one.kind) for one in found]
    if not kinds:
        return (), np.zeros((0, 5), dtype=np.int64)
    same = sa.and_(
        codes.c.channel == _touches.c.channel, codes.c.kind == _touches.c.kind, codes.c.campaign == campaign
    )
    # An outer join, so that SQLite looks up each touch among the few codes and not the other way round.
    statement = (
        sa.select(
            _touches.c.id,
            _touches.c.customer_id,
            _touches.c.at,
            sa.func.coalesce(_touches.c.message_id, 0),
            codes.c.code,
        )
        .join_from(_touches, codes, same, isouter=True)
        .where(*these)
    )
    return tuple(kinds), read_integers(connection, statement, 5)


def _read_conversions(
    connection: sa.Connection,
    versions: Mapping[str, str],
    opens: int,
    closes: int,
    sales_property: str,
    customer: int | None,
) -> tuple[Integers, tuple[str, ...], tuple[str, ...]]:
    these: list[sa.ColumnElement[bool]] = [
        sa.or_(
            sa.false(),
            *(
                sa.and_(_conversions.c.goal == goal, _conversions.c.goal_version == version)
                for goal, version in versions.items()
            ),
        ),
        _conversions.c.enrolment_id.is_(None),
        _conversions.c.at >= opens,
        _conversions.c.at < closes,
    ]
    if customer is not None:
        these.append(_conversions.c.customer_id == customer)
    currency = sa.func.coalesce(_conversions.c.currency, "")
    sales: sa.ColumnElement[str] = sa.literal("")
    source: sa.FromClause = _conversions
    if sales_property:
        source = _conversions.join(people.events, people.events.c.id == _conversions.c.event_id)
        sales = sa.func.coalesce(property_value(people.events.c.properties, sales_property, "text"), "")
    named = sa.select(currency.label("currency"), sales.label("sales")).select_from(source).where(*these)
    pairs = connection.execute(named.distinct()).all()
    currencies = ("", *sorted({str(one.currency) for one in pairs} - {""}))
    channels = ("", *sorted({str(one.sales) for one in pairs} - {""}))
    statement = (
        sa.select(
            _conversions.c.event_id,
            _conversions.c.customer_id,
            _conversions.c.at,
            sa.func.coalesce(_conversions.c.amount, 0),
            _place(currency, currencies),
            _place(sales, channels),
        )
        .select_from(source)
        .where(*these)
    )
    return read_integers(connection, statement, 6), currencies, channels


def _place(value: sa.ColumnElement[str], known: Sequence[str]) -> sa.ColumnElement[int]:
    if len(known) == 1:
        return sa.literal(0)
    return sa.case({one: place for place, one in enumerate(known)}, value=value, else_=0)
