"""Which products each of many customers is recommended, and why: one statement for all of them, and one for those of whom too little is known.

What goes with what somebody bought comes first. Each of their latest products speaks for its nearest, and what several speak
for adds up (Sarwar et al. 2001; Deshpande, Karypis 2004). What is missing is filled up with the best sellers of the category that
they bought most products of, then with those of all. Never what they bought lately, what is out of stock, has no price in the
currency that messages print, or lacks what the message shows of it. Ties go by the item, so that the same store always says the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.bought_together import purchase_ids
from tidings.clock import to_micros
from tidings.customers.knowing import listed, one_of
from tidings.definitions.kinds.recommending import BECAUSE, in_days
from tidings.definitions.workspace import Definitions
from tidings.store.tables import money, people

TOGETHER, IN_CATEGORY, OF_ALL = 1, 2, 3
# The rules by name, for whoever asks why.
RULES = {TOGETHER: "together", IN_CATEGORY: "best_in_category", OF_ALL: "best"}
# So many of the products that somebody bought last speak.
_LATEST = 20
# What a product must have for it to be shown; `item` and `name` it always has.
_MAY_LACK = ("category", "url", "picture")
_events, _lines, _products = people.events, people.event_items, money.products
_pairs, _sellers = money.bought_together, money.best_sellers


@dataclass(frozen=True, slots=True)
class Recommended:
    """One product for one customer, and the rule that chose it.

    `rule` is TOGETHER (`people` bought it and `with_item`, which the customer has), IN_CATEGORY or OF_ALL (so many bought it lately).
    `because` is what `with_item` is called.
    """

    item: str
    name: str
    category: str | None
    price: int
    currency: str
    url: str | None
    picture: str | None
    stock: int | None
    rule: int
    people: int | None
    score: float
    with_item: str | None
    because: str | None

    def values(self, fields: Collection[str]) -> dict[str, Any]:
        """Return what a message keeps of it, in the form in which attributes are stored; what is unknown is left out."""
        return {name: value for name in sorted(fields) if (value := getattr(self, name)) is not None}


def recommended(
    connection: sa.Connection,
    definitions: Definitions,
    customer_ids: Sequence[int],
    *,
    now: datetime,
    fields: Collection[str] = ("name", "price", BECAUSE),
    without: str = "",
) -> dict[int, list[Recommended]]:
    """Return the products of each customer, the best first; whoever is recommended nothing has an empty list.

    `fields` are those that a message shows; why a product was chosen is looked up only for one that shows `because`.
    `without` is an item that it offers already.
    """
    wanted = definitions.workspace.recommendations
    found: dict[int, list[Recommended]] = {one: [] for one in customer_ids}
    names = tuple(purchase_ids(connection, definitions))
    if not found:
        return found
    dialect = connection.dialect.name
    needed = tuple(name for name in _MAY_LACK if name in fields)
    given = {
        "learnt": to_micros(now - timedelta(days=in_days(wanted.learnt_from))),
        "again": to_micros(now - timedelta(days=in_days(wanted.not_again_within))),
        "until": to_micros(now),
        "currency": definitions.workspace.currency,
        "without": without,
        "show": wanted.show,
    }
    together = _together(dialect, names, needed, why=BECAUSE in fields)
    for customer_id, *row in connection.execute(together, given | listed(dialect, list(found))):
        found[customer_id].append(Recommended(*row))
    short = [one for one, those in found.items() if len(those) < wanted.show]
    if short:
        for customer_id, *row in connection.execute(
            _filling(dialect, names, needed), given | listed(dialect, short)
        ):
            those = found[customer_id]
            if len(those) < wanted.show and all(one.item != row[0] for one in those):
                those.append(Recommended(*row))
    return found


_OF_PRODUCT = ("name", "category", "price", "currency", "url", "picture", "stock")


@cache
def _together(dialect: str, names: tuple[int, ...], needed: tuple[str, ...], *, why: bool) -> sa.Select[Any]:
    """Return the statement for what goes with what customers bought."""
    bought = _bought(dialect, names)
    late = sa.func.row_number().over(
        partition_by=bought.c.customer_id, order_by=(bought.c.at.desc(), _bytes(bought.c.item, dialect))
    )
    placed_late = sa.select(bought, late.label("late")).where(bought.c.at >= _instant("learnt")).subquery()
    latest = sa.select(placed_late).where(placed_late.c.late <= _LATEST).cte("latest")
    scored = (
        sa.select(
            latest.c.customer_id, _pairs.c.other.label("item"), sa.func.sum(_pairs.c.score).label("score")
        )
        .join(_pairs, _pairs.c.item == latest.c.item)
        .group_by(latest.c.customer_id, _pairs.c.other)
        .cte("scored")
    )
    placed = _placed(dialect, scored, bought, needed, (scored.c.score.desc(),)).cte("placed")
    products = (placed.c.customer_id, placed.c.item, *(placed.c[name] for name in _OF_PRODUCT))
    shown = placed.c.place <= sa.bindparam("show", type_=sa.Integer)
    if not why:
        nothing = sa.null()
        return (
            sa.select(*products, sa.literal(TOGETHER), nothing, placed.c.score, nothing, nothing)
            .where(shown)
            .order_by(placed.c.customer_id, placed.c.place)
        )
    nearest = sa.func.row_number().over(
        partition_by=(placed.c.customer_id, placed.c.item),
        order_by=(_pairs.c.score.desc(), _bytes(latest.c.item, dialect)),
    )
    reasons = (
        sa.select(
            placed,
            latest.c.item.label("with_item"),
            latest.c.called,
            _pairs.c.people,
            nearest.label("nearest"),
        )
        .join(latest, latest.c.customer_id == placed.c.customer_id)
        .join(_pairs, sa.and_(_pairs.c.item == latest.c.item, _pairs.c.other == placed.c.item))
        .where(shown)
        .subquery("reasons")
    )
    source = _products.alias("source")
    return (
        sa.select(
            reasons.c.customer_id,
            reasons.c.item,
            *(reasons.c[name] for name in _OF_PRODUCT),
            sa.literal(TOGETHER),
            reasons.c.people,
            reasons.c.score,
            reasons.c.with_item,
            sa.func.coalesce(source.c.name, reasons.c.called),
        )
        .select_from(reasons.outerjoin(source, source.c.item == reasons.c.with_item))
        .where(reasons.c.nearest == 1)
        .order_by(reasons.c.customer_id, reasons.c.place)
    )


@cache
def _filling(dialect: str, names: tuple[int, ...], needed: tuple[str, ...]) -> sa.Select[Any]:
    """Return the statement for the best sellers: of the category that each customer bought most products of, and of all."""
    bought, customers = _bought(dialect, names), people.customers
    liked = (
        sa.select(bought.c.customer_id, _products.c.category, sa.func.count().label("times"))
        .join(_products, _products.c.item == bought.c.item)
        .where(_products.c.category != "")
        .group_by(bought.c.customer_id, _products.c.category)
        .subquery("liked")
    )
    most = sa.func.row_number().over(
        partition_by=liked.c.customer_id, order_by=(liked.c.times.desc(), _bytes(liked.c.category, dialect))
    )
    favourite = sa.select(liked, most.label("most")).subquery("favourite")
    sold = (_sellers.c.item, _sellers.c.people, _sellers.c.place.label("seller"))
    candidates = sa.union_all(
        sa.select(favourite.c.customer_id, *sold, sa.literal(IN_CATEGORY).label("rule"))
        .join(_sellers, _sellers.c.category == favourite.c.category)
        .where(favourite.c.most == 1),
        sa.select(customers.c.id, *sold, sa.literal(OF_ALL))
        .join(_sellers, _sellers.c.category == "")
        .where(one_of(customers.c.id, dialect)),
    ).cte("candidates")
    placed = _placed(dialect, candidates, bought, needed, (candidates.c.rule, candidates.c.seller)).subquery(
        "placed"
    )
    nothing = sa.null()
    # One product may be among both; and some may be recommended already.
    most_shown = 3 * sa.bindparam("show", type_=sa.Integer)
    return (
        sa.select(
            placed.c.customer_id,
            placed.c.item,
            *(placed.c[name] for name in _OF_PRODUCT),
            placed.c.rule,
            placed.c.people,
            sa.cast(placed.c.people, sa.Double),
            nothing,
            nothing,
        )
        .where(placed.c.place <= most_shown)
        .order_by(placed.c.customer_id, placed.c.place)
    )


def _bought(dialect: str, names: tuple[int, ...]) -> sa.CTE:
    """Return which products the customers asked about bought in the time that matters, and when last."""
    learnt, again = _instant("learnt"), _instant("again")
    return (
        sa.select(
            _events.c.customer_id,
            _lines.c.item,
            sa.func.max(_events.c.occurred_at).label("at"),
            sa.func.max(_lines.c.name).label("called"),
        )
        .join(_lines, _lines.c.event_id == _events.c.id)
        .where(
            one_of(_events.c.customer_id, dialect),
            _events.c.name_id.in_(names or (-1,)),
            _events.c.occurred_at >= sa.case((learnt < again, learnt), else_=again),
            _events.c.occurred_at < _instant("until"),
            _lines.c.quantity > 0,
        )
        .group_by(_events.c.customer_id, _lines.c.item)
        .cte("bought")
    )


def _placed(
    dialect: str, candidates: sa.CTE, bought: sa.CTE, needed: tuple[str, ...], by: Sequence[Any]
) -> sa.Select[Any]:
    """Return the candidates that may be shown, with their product and their place for each customer."""
    mine = bought.alias("mine")
    place = sa.func.row_number().over(
        partition_by=candidates.c.customer_id, order_by=(*by, _bytes(candidates.c.item, dialect))
    )
    return (
        sa.select(*candidates.c, *(_products.c[name] for name in _OF_PRODUCT), place.label("place"))
        .join(_products, _products.c.item == candidates.c.item)
        .where(
            _products.c.price.is_not(None),
            _products.c.currency == sa.bindparam("currency", type_=sa.Text),
            sa.or_(_products.c.stock.is_(None), _products.c.stock > 0),
            _products.c.item != sa.bindparam("without", type_=sa.Text),
            *(_products.c[name] != "" for name in needed),
            ~sa.select(sa.literal_column("1"))
            .where(
                mine.c.customer_id == candidates.c.customer_id,
                mine.c.item == candidates.c.item,
                mine.c.at >= _instant("again"),
            )
            .exists(),
        )
    )


def _instant(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _bytes(column: Any, dialect: str) -> Any:
    """Return a text column that sorts by its bytes, as SQLite does: no two databases sort words alike."""
    return sa.collate(column, "C") if dialect == "postgresql" else column
