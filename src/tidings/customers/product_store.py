"""Write products and stock: by item, and never an older count over a newer one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.customers.knowing import listed, one_of
from tidings.customers.product_rows import ProductItem, StockItem
from tidings.store.batches import insert_rows
from tidings.store.tables import money

_products = money.products
_FIELDS = ("name", "category", "price", "cost", "currency", "url", "picture")


class ProductStore:
    """Stores products; `__call__` handles one chunk inside the caller's transaction. Of one item the last row holds."""

    def __call__(self, connection: sa.Connection, items: Sequence[ProductItem], now: int) -> dict[str, int]:
        """Store one chunk; return how many products were new, changed and as they were."""
        counts: Counter[str] = Counter()
        last = {one.item: one for one in items}
        known = {row.item: row for row in _known(connection, last, _FIELDS)}
        rows: list[tuple[Any, ...]] = []
        for item, one in last.items():
            said: tuple[Any, ...] = one[1:]
            before = known.get(item)
            if before is None:
                counts["products"] += 1
            else:
                said = tuple(old if new is None else new for old, new in zip(before[1:], said, strict=True))
                if said == tuple(before[1:]):
                    counts["products_known"] += 1
                    continue
                counts["products_changed"] += 1
            rows.append((item, *said, now))
        _upsert(connection, rows, (*_FIELDS, "updated_at"))
        return dict(counts)


class StockStore:
    """Stores stock; an item that no file of products has named yet is made under its own name."""

    def __call__(self, connection: sa.Connection, items: Sequence[StockItem], now: int) -> dict[str, int]:
        """Store one chunk; return how many counts were taken, were known, or are older than what is stored."""
        counts: Counter[str] = Counter()
        newest: dict[str, tuple[int, int]] = {}
        for one in items:
            at = now if one.at is None else one.at
            # Of two counts of the same moment the later row holds.
            if one.item not in newest or newest[one.item][0] <= at:
                newest[one.item] = (at, one.stock)
        known = {row.item: row for row in _known(connection, newest, ("stock", "stock_at"))}
        made: list[tuple[Any, ...]] = []
        changed: list[dict[str, Any]] = []
        for item, (at, stock) in newest.items():
            before = known.get(item)
            if before is None:
                made.append((item, item, stock, at, now))
            elif before.stock_at is not None and before.stock_at > at:
                counts["stock_older"] += 1
                continue
            elif (before.stock, before.stock_at) == (stock, at):
                counts["stock_known"] += 1
                continue
            else:
                changed.append({"of": item, "pieces": stock, "counted": at, "now": now})
            counts["stock"] += 1
        counts["products"] += len(made)
        insert_rows(connection, _products, made, ("item", "name", "stock", "stock_at", "updated_at"))
        if changed:
            connection.execute(
                sa.update(_products)
                .where(_products.c.item == sa.bindparam("of"))
                .values(
                    stock=sa.bindparam("pieces"),
                    stock_at=sa.bindparam("counted"),
                    updated_at=sa.bindparam("now"),
                ),
                changed,
            )
        return {name: count for name, count in counts.items() if count}


def _known(connection: sa.Connection, items: Any, columns: Sequence[str]) -> Sequence[Any]:
    dialect = connection.dialect.name
    wanted = [_products.c.item, *(_products.c[name] for name in columns)]
    return connection.execute(
        sa.select(*wanted).where(one_of(_products.c.item, dialect)), listed(dialect, list(items))
    ).all()


def _upsert(connection: sa.Connection, rows: list[tuple[Any, ...]], columns: Sequence[str]) -> None:
    if not rows:
        return
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(_products)
    names = ("item", *columns)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["item"], set_={name: insert.excluded[name] for name in columns}
        ),
        [dict(zip(names, row, strict=True)) for row in rows],
    )
