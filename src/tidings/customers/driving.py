"""The loop that every import runs: rows in, checked; items out, stored in paced chunks that can be taken up again.

What a row says is decided without the store, so that an import taken up again reads the file from its start, counts and
rejects the same rows once more, and stores only those behind the last chunk that was kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.cells import CellError
from tidings.customers.ledger import Entry
from tidings.customers.matching import RowsTest
from tidings.customers.reading import Table
from tidings.customers.rejects import Rejects, is_rejects, unguarded
from tidings.definitions.workspace import Definitions
from tidings.errors import StoreError, TidingsError
from tidings.store.database import Store
from tidings.store.table_statistics import Growing

Item = TypeVar("Item")
Numbered = tuple[int, Item | None]

# What reading alone decides, and is counted afresh when an import is taken up again.
SEEN = ("rows", "skipped", "no_customer")
_LOOK_EVERY = 1000
_TRIES = 3
# A block of rows read together is bounded in signs too: a row may have megabytes.
_BLOCK_ROWS = 500
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: `phase` is reading or storing, `done` of `total` (bytes when reading, rows when storing)."""

    phase: str
    done: int
    total: int
    rows: int


@dataclass(slots=True)
class Job:
    """One import at work. `seen` counts what reading alone decides, `kept` what was stored, `lost` money kept out.

    `tables` are the names of those that it fills, `answer` is what its kind says at the end beside its counts.
    """

    store: Store
    definitions: Definitions
    entry: Entry
    rows: Table
    rejects: Rejects
    tables: tuple[str, ...]
    progress: Callable[[Progress], None] | None = None
    stop: Callable[[], bool] | None = None
    seen: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    lost: dict[str, Decimal] = field(default_factory=dict)
    stopped: bool = False
    answer: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept.update(
            {name: count for name, count in self.entry.counted.items() if isinstance(count, int)}
        )

    def places(self) -> dict[str, int]:
        """Return the position of each column."""
        return {name: place for place, name in enumerate(self.rows.header)}

    def tell(self, phase: str, done: int, total: int) -> None:
        """Tell whoever watches how far it is, and notice a wish to stop."""
        if self.progress is not None:
            self.progress(Progress(phase, done, total, self.seen["rows"]))
        if self.stop is not None and self.stop():
            self.stopped = True


def parsed(
    job: Job, parse: Callable[[list[str]], Item | None], skip: RowsTest | None
) -> Iterator[Numbered[Item]]:
    """Yield (number of the row, what it says) for every row; None for a row that is skipped, kept out or rejected.

    `parse` returns None for a row that it counted itself, and raises CellError for one that cannot be read.
    """
    rows, seen = job.rows, job.seen
    read = _one_row(job, parse, skip)
    number = 0
    for line, cells in rows:
        number += 1
        if number % _LOOK_EVERY == 0:
            seen["rows"] = number
            job.tell("reading", rows.done, rows.size)
        yield number, read(line, cells)
        if job.stopped:
            break
    seen["rows"] = number


def parsed_together(
    job: Job,
    parse: Callable[[list[str]], Item | None],
    skip: RowsTest | None,
    many: Callable[[Sequence[list[str]]], Sequence[Item | None]],
) -> Iterator[Numbered[Item]]:
    """Yield what `parsed` does, quicker: `many` reads the rows of a block at once, and None says that `parse` has to."""
    rows, seen = job.rows, job.seen
    read = _one_row(job, parse, skip)
    number = 0
    source, failed = iter(rows), None
    while failed is None and not job.stopped:
        block: list[tuple[int, list[str]]] = []
        end = rows.text_bytes + _BLOCK_BYTES
        try:
            for row in source:
                block.append(row)
                if len(block) == _BLOCK_ROWS or rows.text_bytes > end:
                    break
        except TidingsError as error:
            # What stands before the damage is read, and rejected, all the same.
            failed = error
        if not block:
            break
        if (number + len(block)) // _LOOK_EVERY > number // _LOOK_EVERY:
            seen["rows"] = number + len(block)
            job.tell("reading", rows.done, rows.size)
        for (line, cells), item in zip(block, _together(rows, block, skip, many), strict=True):
            number += 1
            yield number, read(line, cells) if item is None else item
    seen["rows"] = number
    if failed is not None:
        raise failed


def _together(
    rows: Table,
    block: Sequence[tuple[int, list[str]]],
    skip: RowsTest | None,
    many: Callable[[Sequence[list[str]]], Sequence[Item | None]],
) -> Sequence[Item | None]:
    """Return what the rows of a block say, None for each that has to be looked at alone."""
    width = len(rows.header)
    wanted = [
        place
        for place, (_, cells) in enumerate(block)
        if len(cells) == width and not (skip is not None and skip(cells))
    ]
    items: list[Item | None] = [None] * len(block)
    if wanted and not rows.with_nul and not is_rejects(rows.header):
        found = many([block[place][1] for place in wanted])
        if len(wanted) == len(block):
            return found
        for place, item in zip(wanted, found, strict=True):
            items[place] = item
    return items


def _one_row(
    job: Job, parse: Callable[[list[str]], Item | None], skip: RowsTest | None
) -> Callable[[int, list[str]], Item | None]:
    """Return what reads one row, or counts or rejects it and returns None."""
    rejects, seen = job.rejects, job.seen
    width, with_nul = len(job.rows.header), job.rows.with_nul
    repaired = is_rejects(job.rows.header)

    def read(line: int, cells: list[str]) -> Item | None:
        try:
            if len(cells) != width:
                raise CellError("wrong number of cells", f"{len(cells)} cells instead of {width}")
            if with_nul and any("\0" in cell for cell in cells):
                raise CellError("NUL sign", "a cell holds a NUL sign")
            if repaired:
                cells = [unguarded(cell) for cell in cells]
            if skip is None or not skip(cells):
                return parse(cells)
            seen["skipped"] += 1
        except CellError as error:
            rejects.add(line, error.column, error.kind, str(error), cells)
        return None

    return read


def store_items(
    job: Job,
    items: Iterator[Numbered[Item]],
    apply: Callable[[sa.Connection, Sequence[Item], int], dict[str, int]],
    *,
    size: int = 500,
    total: int = 0,
) -> bool:
    """Store the items behind what is stored already, chunk by chunk; return whether the end was reached.

    `apply` gets a connection in a transaction, the items of a chunk and the instant, and returns what to
    count. `size` is how many rows make a transaction (fewer on a slow machine), `total` the number of rows when they
    were all read before.
    """
    entry, store = job.entry, job.store
    left = ((number, item) for number, item in items if number > entry.rows_done)
    growing = Growing(store, *job.tables)
    for chunk in store.paced("import").chunks(left, size):
        last = chunk[-1][0]
        _store_chunk(job, [item for _, item in chunk if item is not None], last, apply)
        growing.add(len(chunk))
        if total:
            job.tell("storing", last, total)
        if job.stopped:
            return False
    return not job.stopped


def store_batches(
    job: Job,
    batches: Iterator[tuple[int, Sequence[Item]]],
    apply: Callable[[sa.Connection, Sequence[Item], int], dict[str, int]],
    *,
    total: int,
) -> bool:
    """Store whole batches, each in one transaction; return whether the end was reached.

    A batch is (number of its last row, its items): what must not be torn apart stands in one. `total` is the number of rows.
    """
    left = (batch for batch in batches if batch[0] > job.entry.rows_done)
    growing = Growing(job.store, *job.tables)
    before = job.entry.rows_done
    for ((last, items),) in job.store.paced("import").chunks(left, 1):
        _store_chunk(job, items, last, apply)
        growing.add(last - before)
        before = last
        job.tell("storing", last, total)
        if job.stopped:
            return False
    return not job.stopped


def _store_chunk(
    job: Job,
    chunk: Sequence[Item],
    last: int,
    apply: Callable[[sa.Connection, Sequence[Item], int], dict[str, int]],
) -> None:
    for tried in range(1, _TRIES + 1):
        now = to_micros(job.store.clock.now())
        try:
            with job.store.durable("import") as connection:
                counts = apply(connection, chunk, now) if chunk else {}
                kept = Counter(job.kept)
                # Not `+`, which loses what is below zero: a day of refunds.
                kept.update(counts)
                job.entry.advance(connection, last, dict(kept), now)
        except StoreError as error:
            # Somebody else created one of the customers in the meantime: reading again sees it.
            if tried == _TRIES or not isinstance(error.__cause__, sa.exc.IntegrityError):
                raise
        else:
            job.kept = kept
            job.entry.rows_done = last
            return
