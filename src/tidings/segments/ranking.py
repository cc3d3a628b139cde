"""`rank` of a segment: of those left after `where` and `except`, the part or the number with the highest value.

Left are counted whole, those without a value too; but whoever has none is never kept. A part is rounded up, so that
the top 40 % of three people are two. Equal values go by the customer's id, the older customer first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.customers.alive import alive
from tidings.definitions.kinds.segment import Rank, Segment
from tidings.definitions.values import Share
from tidings.segments.comparing import Clause
from tidings.segments.having import customers
from tidings.segments.scope import Scope, refused
from tidings.store.tables import people

_SORTED = ("number", "money", "date", "instant")
_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Order:
    """What customers are put in order by: the column, and the rows that it stands in beside each customer."""

    value: sa.ColumnElement[Any]
    rows: sa.FromClause


def is_score(rank: Rank, scope: Scope) -> bool:
    """Tell whether the order is that of a score, not of an attribute of this name."""
    return scope.attributes.get(rank.by) is None


def order_of(segment: Segment, rank: Rank, scope: Scope, attributes: sa.Table, rows: sa.FromClause) -> Order:
    """Return the order; `rows` are the customers, with the attributes beside them where the order is by one of those."""
    if is_score(rank, scope):
        scores = people.scores
        beside = sa.and_(scores.c.customer_id == customers.c.id, scores.c.score == rank.by)
        return Order(scores.c.value, rows.outerjoin(scores, beside))
    declared = scope.attributes.get(rank.by)
    if declared is None or declared.type not in _SORTED:
        raise refused(f'"{rank.by}" of the rank of {segment.id} has no highest value')
    return Order(attributes.c[rank.by], rows)


def highest(order: Order, rank: Rank, left: Clause) -> sa.Select[tuple[int]]:
    """Return the ids that a rank keeps of the customers for whom `left` holds."""
    placed = _placed(order, left)
    return sa.select(placed.c.id).where(placed.c.known, _first(placed, rank))


def place_of(order: Order, rank: Rank, left: Clause, customer_id: int) -> sa.Select[Any]:
    """Return for one customer: their place from 1, how many are left, whether a value is known, whether the rank keeps them.

    No row for who is not left after `where` and `except`.
    """
    placed = _placed(order, left)
    kept = sa.and_(placed.c.known, _first(placed, rank)).label("kept")
    return sa.select(placed.c.place, placed.c.left, placed.c.known, kept).where(placed.c.id == customer_id)


def _placed(order: Order, left: Clause) -> sa.Subquery:
    return (
        sa.select(
            customers.c.id.label("id"),
            order.value.is_not(None).label("known"),
            sa.func.row_number()
            .over(order_by=(order.value.is_(None), order.value.desc(), customers.c.id))
            .label("place"),
            sa.func.count().over().label("left"),
        )
        .select_from(order.rows)
        .where(alive(), left)
        .correlate(None)
        .subquery("placed")
    )


def _first(placed: sa.Subquery, rank: Rank) -> Clause:
    keep = rank.keep
    if isinstance(keep, Share):
        return (placed.c.place - 1) * _WHOLE < placed.c.left * keep.basis_points
    return placed.c.place <= keep


def without_value(order: Order, left: Clause) -> sa.Select[Any]:
    """Return how many of the customers for whom `left` holds have no value to be put in order by."""
    return (
        sa.select(sa.func.count())
        .select_from(order.rows)
        .where(alive(), left, order.value.is_(None))
        .correlate(None)
    )
