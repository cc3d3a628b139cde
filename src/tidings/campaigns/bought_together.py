"""What is bought together, and what sells best: learnt from the lines of orders, set by set, into two small tables.

Two products are near each other when many people bought both, and few bought only one of them. Of n(a) and n(b) people who
bought each and n(a, b) who bought both, it is the cosine of the two columns of customers,

    n(a, b) / sqrt(n(a) n(b))      (Sarwar, Karypis, Konstan, Riedl 2001; Linden, Smith, York 2003),

so that what everybody buys is near to nothing in particular, times n(a, b) / (n(a, b) + 10), so that three people who bought two rare
things prove less than three hundred (shrinking by support: Bell, Koren 2007). Fewer people than `at_least` prove nothing.
Of each product its ten nearest are kept (more than ten add little: Deshpande, Karypis 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.recommending import MOST, in_days
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.table_statistics import analyse
from tidings.store.tables import money, people
from tidings.store.tables.base import Key
from tidings.store.workbench import Workbench

NEAREST = 10
# Of one customer so many products are looked at, the latest: the pairs of a dealer who buys everything say nothing.
_BASKET = 100
_SHRINK = 10.0
# More than one message takes: some were bought before, or are sold out.
_SELLERS = 2 * MOST
_ITEMS = 50
_PURPOSE = "recommendations"
_events, _names, _lines, _products = people.events, people.event_names, people.event_items, money.products
_pairs, _sellers, _runs = money.bought_together, money.best_sellers, money.recommendation_runs

_temporary = sa.MetaData()
_baskets = sa.Table(
    "learning_baskets",
    _temporary,
    sa.Column("customer_id", Key, primary_key=True, autoincrement=False),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
_numbered = sa.Table(
    "learning_numbered",
    _temporary,
    sa.Column("customer_id", Key, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
_items = sa.Table(
    "learning_items",
    _temporary,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.Text, nullable=False, unique=True),
    # One by the square root of how many people bought it.
    sa.Column("weight", sa.Double, nullable=False),
    prefixes=["TEMPORARY"],
)
_found = sa.Table(
    "learning_found",
    _temporary,
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("second", sa.Integer, nullable=False),
    sa.Column("people", sa.BigInteger, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    prefixes=["TEMPORARY"],
)
_nearest = sa.Table(
    "learning_nearest",
    _temporary,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("other", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("people", sa.BigInteger, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt, from orders before `as_of`: from how many customers, of how many products, how many pairs."""

    as_of: datetime
    customers: int
    items: int
    pairs: int


def purchase_names(definitions: Definitions) -> list[str]:
    """Return the events that are purchases: those with `revenue` that take nothing back."""
    found = definitions.events.events
    returning = {one.returns for one in found}
    return [one.name for one in found if one.revenue and one.name not in returning]


def purchase_ids(connection: sa.Connection, definitions: Definitions) -> list[int]:
    """Return the ids of the names of purchases, as far as there was ever one."""
    names = purchase_names(definitions)
    return list(
        connection.execute(
            sa.select(_names.c.id).where(_names.c.name.in_(names)).order_by(_names.c.id)
        ).scalars()
    )


def last_learnt(connection: sa.Connection) -> Learnt | None:
    """Return what was learnt last; None before the first time."""
    row = connection.execute(sa.select(_runs).order_by(_runs.c.id.desc()).limit(1)).first()
    return None if row is None else Learnt(from_micros(row.as_of), row.customers, row.items, row.pairs)


def is_due(connection: sa.Connection, now: datetime, older: timedelta) -> bool:
    """Tell whether it is time to learn: there is something to recommend, and it was learnt longer ago than `older`."""
    last = last_learnt(connection)
    if last is not None and last.as_of > now - older:
        return False
    priced = sa.select(_products.c.item).where(_products.c.price.is_not(None)).limit(1)
    return connection.execute(priced).first() is not None


def learn(store: Store, definitions: Definitions, *, now: datetime) -> Learnt:
    """Learn anew from the orders before `now`; what was learnt before is replaced product by product, and can be read all the time."""
    wanted = definitions.workspace.recommendations
    with store.workbench(_PURPOSE, trusted=True) as bench:
        with bench.computing() as connection:
            for table in (_baskets, _numbered, _items, _found, _nearest):
                table.create(connection)
            ids = purchase_ids(connection, definitions)
            since = to_micros(now - timedelta(days=in_days(wanted.learnt_from)))
            customers, items = _fill(connection, ids, since, to_micros(now))
            pairs = _compare(connection, wanted.at_least)
            best = _best(
                connection,
                ids,
                to_micros(now - timedelta(days=in_days(wanted.best_sellers_of))),
                to_micros(now),
            )
        _keep_pairs(store, bench, items)
        _keep_sellers(store, best)
        with bench.durable() as connection:
            connection.execute(
                _runs.insert().values(
                    as_of=to_micros(now),
                    customers=customers,
                    items=items,
                    pairs=pairs,
                    finished_at=to_micros(store.clock.now()),
                )
            )
    analyse(store, _pairs.name, _sellers.name)
    return Learnt(now, customers, items, pairs)


def _fill(connection: sa.Connection, ids: list[int], since: int, until: int) -> tuple[int, int]:
    """Write down who bought what, each product once a customer, by number; return how many customers and products."""
    bought = (
        sa.select(_events.c.customer_id, _lines.c.item, sa.func.max(_events.c.occurred_at).label("at"))
        .join(_lines, _lines.c.event_id == _events.c.id)
        .where(
            # Nearly all of them are wanted: read as they stand.
            (_events.c.name_id + 0).in_(ids or [-1]),
            _events.c.occurred_at + 0 >= since,
            _events.c.occurred_at + 0 < until,
            _events.c.customer_id.is_not(None),
            _lines.c.quantity > 0,
        )
        .group_by(_events.c.customer_id, _lines.c.item)
        .subquery()
    )
    place = sa.func.row_number().over(
        partition_by=bought.c.customer_id, order_by=(bought.c.at.desc(), bought.c.item)
    )
    placed = sa.select(bought.c.customer_id, bought.c.item, place.label("place")).subquery()
    connection.execute(
        _baskets.insert().from_select(
            ["customer_id", "item"],
            sa.select(placed.c.customer_id, placed.c.item).where(placed.c.place <= _BASKET),
        )
    )
    counted = connection.execute(sa.select(_baskets.c.item, sa.func.count()).group_by(_baskets.c.item)).all()
    # Numbered here: no two databases sort texts alike.
    rows = [(number, item, count**-0.5) for number, (item, count) in enumerate(sorted(counted), 1)]
    insert_rows(connection, _items, rows, ("number", "item", "weight"))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {_baskets.name}, {_items.name}")
    connection.execute(
        _numbered.insert().from_select(
            ["customer_id", "number"],
            sa.select(_baskets.c.customer_id, _items.c.number).join(_items, _items.c.item == _baskets.c.item),
        )
    )
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {_numbered.name}")
    customers = connection.execute(sa.select(sa.func.count(_baskets.c.customer_id.distinct()))).scalar_one()
    return customers, len(rows)


def _compare(connection: sa.Connection, at_least: int) -> int:
    """Compare every two products that enough people bought; keep the nearest of each, and return how many pairs that makes."""
    one, two = _numbered.alias("one"), _numbered.alias("two")
    both = (
        sa.select(one.c.number.label("first"), two.c.number.label("second"), sa.func.count().label("people"))
        .join(two, sa.and_(two.c.customer_id == one.c.customer_id, two.c.number > one.c.number))
        .group_by(one.c.number, two.c.number)
        .having(sa.func.count() >= at_least)
        .subquery()
    )
    mine, other = _items.alias("mine"), _items.alias("other")
    number = sa.cast(both.c.people, sa.Double)
    connection.execute(
        _found.insert().from_select(
            ["first", "second", "people", "score"],
            sa.select(
                both.c.first,
                both.c.second,
                both.c.people,
                number * mine.c.weight * other.c.weight * (number / (number + _SHRINK)),
            )
            .join(mine, mine.c.number == both.c.first)
            .join(other, other.c.number == both.c.second),
        )
    )
    ways: sa.Subquery = sa.union_all(
        sa.select(
            _found.c.first.label("number"), _found.c.second.label("other"), _found.c.people, _found.c.score
        ),
        sa.select(_found.c.second, _found.c.first, _found.c.people, _found.c.score),
    ).subquery()
    # Only what can be shown is worth a place among the nearest.
    sold = _items.join(_products, _products.c.item == _items.c.item)
    place = sa.func.row_number().over(
        partition_by=ways.c.number, order_by=(ways.c.score.desc(), ways.c.people.desc(), ways.c.other)
    )
    ranked = (
        sa.select(ways, place.label("place"))
        .where(
            ways.c.other.in_(
                sa.select(_items.c.number).select_from(sold).where(_products.c.price.is_not(None))
            )
        )
        .subquery()
    )
    connection.execute(
        _nearest.insert().from_select(
            ["number", "other", "people", "score"],
            sa.select(ranked.c.number, ranked.c.other, ranked.c.people, ranked.c.score).where(
                ranked.c.place <= NEAREST
            ),
        )
    )
    return connection.execute(sa.select(sa.func.count()).select_from(_nearest)).scalar_one()


def _best(
    connection: sa.Connection, ids: list[int], since: int, until: int
) -> list[tuple[str, int, str, int]]:
    """Return the best sellers of each category and of all ("") as rows: category, place, item, people."""
    bought = (
        sa.select(_lines.c.item, sa.func.count(_events.c.customer_id.distinct()).label("people"))
        .join(_lines, _lines.c.event_id == _events.c.id)
        .where(
            _events.c.name_id.in_(ids or [-1]),
            _events.c.occurred_at >= since,
            _events.c.occurred_at < until,
            _events.c.customer_id.is_not(None),
            _lines.c.quantity > 0,
        )
        .group_by(_lines.c.item)
        .subquery()
    )
    rows = connection.execute(
        sa.select(sa.func.coalesce(_products.c.category, ""), _products.c.item, bought.c.people)
        .join(bought, bought.c.item == _products.c.item)
        .where(_products.c.price.is_not(None))
    ).all()
    found: list[tuple[str, int, str, int]] = []
    taken: dict[str, int] = {}
    for category, item, count in sorted(rows, key=lambda row: (-row[2], row[1])):
        for group in {"", category}:
            place = taken[group] = taken.get(group, 0) + 1
            if place <= _SELLERS:
                found.append((group, place, item, count))
    return sorted(found)


def _keep_pairs(store: Store, bench: Workbench, items: int) -> None:
    def of(low: int, high: int) -> sa.Select[Any]:
        return sa.select(_items.c.item).where(_items.c.number.between(low, high))

    other = _items.alias("other")
    for low, high in store.paced(_PURPOSE).spans(1, items, _ITEMS, most=_ITEMS):
        with bench.durable() as connection:
            connection.execute(sa.delete(_pairs).where(_pairs.c.item.in_(of(low, high))))
            connection.execute(
                _pairs.insert().from_select(
                    ["item", "other", "people", "score"],
                    sa.select(_items.c.item, other.c.item, _nearest.c.people, _nearest.c.score)
                    .join(_nearest, _nearest.c.number == _items.c.number)
                    .join(other, other.c.number == _nearest.c.other)
                    .where(_items.c.number.between(low, high)),
                )
            )
    with bench.computing() as connection:
        gone = list(
            connection.execute(
                sa.select(_pairs.c.item).where(_pairs.c.item.not_in(sa.select(_items.c.item))).distinct()
            ).scalars()
        )
    for part in store.paced(_PURPOSE).chunks(gone, _ITEMS):
        with store.durable(_PURPOSE) as connection:
            connection.execute(sa.delete(_pairs).where(_pairs.c.item.in_(part)))


def _keep_sellers(store: Store, best: list[tuple[str, int, str, int]]) -> None:
    with store.read() as connection:
        known = {(row.category, row.place): tuple(row) for row in connection.execute(sa.select(_sellers))}
    wanted = {row[:2]: row for row in best}
    places = [one for one in sorted({*known, *wanted}) if known.get(one) != wanted.get(one)]
    for part in store.paced(_PURPOSE).chunks(places):
        with store.durable(_PURPOSE) as connection:
            gone = [{"of": category, "at": place} for category, place in part if (category, place) in known]
            if gone:
                connection.execute(
                    sa.delete(_sellers).where(
                        _sellers.c.category == sa.bindparam("of"), _sellers.c.place == sa.bindparam("at")
                    ),
                    gone,
                )
            rows = [wanted[one] for one in part if one in wanted]
            insert_rows(connection, _sellers, rows, ("category", "place", "item", "people"))
