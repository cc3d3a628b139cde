"""Which parts of a table changed since something was made of it: blocks of ids whose contents add up to something else.

Rows of the ledger change their state long after they were written and say nowhere when. Adding up a block costs a
fraction of comparing its rows one by one with what was made of them, and needs no write lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import answers

BLOCK = 8192
# A prime: amounts and instants are added up as their remainders, so that no sum leaves 64 bits.
_REST = 1_000_003

_blocks = answers.measured_blocks


@dataclass(frozen=True, slots=True)
class Block:
    """Ids from `low` to `high`, both included, and what they hold now."""

    number: int
    held: str

    @property
    def low(self) -> int:
        """Return the first id."""
        return self.number * BLOCK

    @property
    def high(self) -> int:
        """Return the last id."""
        return self.low + BLOCK - 1


def changed(
    connection: sa.Connection,
    what: str,
    table: sa.Table,
    where: sa.ColumnElement[bool],
    cells: Sequence[sa.ColumnElement[Any]] = (),
    *,
    latest: bool = False,
) -> list[Block]:
    """Return the blocks of a table whose rows that pass `where` are others than when `what` was made of them.

    `cells` are whole numbers of a row that matter too. NULL counts as nothing. With `latest` blocks before the last one that
    is known are not looked at: rows there may have changed, and none can have been added.
    """
    last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar()
    kept = connection.execute(sa.select(sa.func.max(_blocks.c.block)).where(_blocks.c.what == what)).scalar()
    if last is None and kept is None:
        return []
    end = max((last or 0) // BLOCK, kept or 0)
    first = kept or 0 if latest else 0
    numbers = sa.select(sa.literal(first, sa.BigInteger).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < end))
    place = table.c.id - numbers.c.n * BLOCK + 1
    sums = [place, place * place * place, *(cell % _REST * place for cell in cells)]
    text: sa.ColumnElement[str] = sa.cast(sa.func.count(), sa.Text)
    for one in sums:
        # sum() of PostgreSQL is a numeric: as text it is the same digits.
        text = text + ":" + sa.cast(sa.func.coalesce(sa.func.sum(one), 0), sa.Text)
    held = (
        sa.select(sa.case((sa.func.count() == 0, ""), else_=text))
        .where(table.c.id >= numbers.c.n * BLOCK, table.c.id < (numbers.c.n + 1) * BLOCK, where)
        .correlate(numbers)
        .scalar_subquery()
    )
    now = sa.select(numbers.c.n, held.label("held")).subquery("now_held")
    before = sa.func.coalesce(_blocks.c.held, "")
    rows = connection.execute(
        sa.select(now.c.n, now.c.held)
        .select_from(now.outerjoin(_blocks, sa.and_(_blocks.c.what == what, _blocks.c.block == now.c.n)))
        .where(now.c.held != before)
        .order_by(now.c.n)
    )
    return [Block(number, held) for number, held in rows.all()]


def by_index(connection: sa.Connection) -> None:
    """Let PostgreSQL look up each row of a chunk by its key, until the transaction ends.

    For a thousand rows of a table of a hundred thousand it would rather read the whole table, once a chunk: that takes
    longer with every row of the ledger, and chunks that take long are cut smaller.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_hashjoin = off")
        connection.exec_driver_sql("SET LOCAL enable_mergejoin = off")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        # A plan for any range of ids would be made for half a percent of the table, whatever the range.
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")


def spans(store: Store, what: str, blocks: Sequence[Block], purpose: str) -> Iterator[tuple[int, int]]:
    """Yield pairs (first, last) of ids that cover the blocks, and remember each block when its last pair was worked on.

    Killed in between, the block is looked at again: what is done with a pair must be harmless to repeat.
    """
    for block in blocks:
        yield from store.paced(purpose).spans(block.low, block.high)
        with store.marks(purpose) as connection:
            gone = sa.delete(_blocks).where(_blocks.c.what == what, _blocks.c.block == block.number)
            connection.execute(gone)
            connection.execute(
                insert_ignoring(connection, _blocks).values(what=what, block=block.number, held=block.held)
            )
