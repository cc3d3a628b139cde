"""Rows that hold the sums of a file: checked against the sums of the others, and then left out.

The check reads the file once before anything is stored: a file whose sums differ is cut off, or is read wrongly, and
storing a part of it would be worse than storing nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tidings.customers.cells import CellError, exact_reader
from tidings.customers.columns import Cell
from tidings.customers.matching import RowsTest, all_of, any_row_test
from tidings.customers.reading import Table
from tidings.customers.rejects import ADDED
from tidings.definitions.kinds.importing import (
    Column,
    CostsImport,
    Layout,
    NumbersImport,
    ProductsImport,
    StockImport,
    TouchesImport,
)
from tidings.definitions.money import exponent
from tidings.errors import TidingsError

LaidOut = CostsImport | TouchesImport | ProductsImport | StockImport | NumbersImport
LAID_OUT = (CostsImport, TouchesImport, ProductsImport, StockImport, NumbersImport)


class Body:
    """The rows of a table without those that hold sums; `line` is where the row given last begins, `sums` are those left out."""

    def __init__(self, rows: Table, is_sum: RowsTest | None = None) -> None:
        self._rows, self._is_sum = rows, is_sum
        self.line = 0
        self.sums: list[tuple[int, list[str]]] = []

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line on which each row begins, and its cells."""
        width = len(self._rows.header)
        self.sums = []
        for line, cells in self._rows:
            self.line = line
            if self._is_sum is not None and len(cells) <= width:
                # Rows of sums often end where their numbers do.
                padded = cells + [""] * (width - len(cells))
                if self._is_sum(padded):
                    self.sums.append((line, padded))
                    continue
            yield line, cells

    @property
    def header(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self._rows.header

    @property
    def with_nul(self) -> set[int]:
        """The lines read so far that hold a NUL sign."""
        return self._rows.with_nul

    @property
    def text_bytes(self) -> int:
        """The bytes of text read so far."""
        return self._rows.text_bytes

    @property
    def size(self) -> int:
        """What `done` is at the end."""
        return self._rows.size

    @property
    def done(self) -> int:
        """How far it was read."""
        return self._rows.done

    @property
    def read_as(self) -> str:
        """Its encoding, or its sheet, in words."""
        return self._rows.read_as


@dataclass(slots=True)
class _Sum:
    """The sum of one column: of the rows that count, and of those that the mapping skips."""

    name: str
    cell: Cell
    decimals: int
    kept: Decimal = Decimal(0)
    skipped: Decimal = Decimal(0)
    unreadable: list[str] = field(default_factory=list)

    def agrees(self, told: Decimal) -> bool:
        """Tell whether a number is the sum, rounded as it is written; skipped rows may be in it or not."""
        places = max(self.decimals, -int(told.as_tuple().exponent))
        near = Decimal(5).scaleb(-places - 1)
        return any(abs(total - told) <= near for total in (self.kept, self.kept + self.skipped))


def layout_of(mapping: object, path: Path) -> Layout:
    """Return how a file is laid out; a file of rejects has a layout of its own, whatever that of its source was."""
    layout = getattr(mapping, "layout", None) or Layout()
    try:
        with path.open("rb") as raw:
            ours = raw.read(64).startswith(",".join(ADDED).encode())
    except OSError:
        # Opening it to be read says what is wrong.
        return layout
    return Layout() if ours else layout


def body_of(rows: Table, layout: Layout) -> Body:
    """Return the rows of a file without those that hold sums."""
    places = {name: place for place, name in enumerate(rows.header)}
    return Body(rows, all_of(layout.total.tests, places) if layout.total else None)


def check_totals(
    mapping: LaidOut, layout: Layout, opened: Callable[[], AbstractContextManager[Table]], file: str
) -> None:
    """Read a file and compare its rows of sums with the sums of the other rows.

    Raises TidingsError that says both, with the line. `opened` opens the file anew.
    """
    if layout.total is None:
        return
    with opened() as rows:
        places = {name: place for place, name in enumerate(rows.header)}
        sums = [
            _Sum(column.name or "", Cell(column, exact_reader(column), places), decimals)
            for column, decimals in _summed(mapping)
        ]
        if not sums:
            return
        skip = any_row_test(mapping.skip, places)
        body = body_of(rows, layout)
        for line, cells in body:
            _add(sums, line, cells, len(rows.header), skipped=skip is not None and _safely(skip, cells))
        _compare(sums, body.sums, file)


def _safely(skip: RowsTest, cells: Sequence[str]) -> bool:
    try:
        return skip(cells)
    except IndexError:
        return False


def _add(sums: list[_Sum], line: int, cells: list[str], width: int, *, skipped: bool) -> None:
    for one in sums:
        if len(cells) != width:
            if not skipped:
                one.unreadable.append(f"line {line} has {len(cells)} cells instead of {width}")
            continue
        try:
            value = one.cell(cells) or Decimal(0)
        except CellError as error:
            if not skipped:
                one.unreadable.append(f"line {line}: {error}")
            continue
        if skipped:
            one.skipped += value
        else:
            one.kept += value


def _compare(sums: list[_Sum], told: list[tuple[int, list[str]]], file: str) -> None:
    if not told:
        raise TidingsError(
            f"no row of {file} holds the sums that `total:` speaks of; the file may be cut off",
            what_to_do="Nothing was imported. Export it again, or take `total:` out of the mapping.",
        )
    for line, cells in told:
        for place, one in enumerate(sums):
            try:
                value = one.cell(cells)
            except CellError as error:
                raise TidingsError(
                    f"{file}, line {line}: the sum of {one.name} cannot be read: {error}",
                    what_to_do="Nothing was imported.",
                ) from error
            if value is None and place:
                # Not every export sums every column; the first of them it must.
                continue
            if value is None or not one.agrees(value):
                raise _differ(one, file, line, value)


def _differ(one: _Sum, file: str, line: int, told: Decimal | None) -> TidingsError:
    says = "says nothing" if told is None else f"says {_plain(told)}"
    what = f"{file}, line {line}: the row of sums {says} in {one.name}, but the other rows add up to {_plain(one.kept)}"
    if one.skipped:
        what += f" (and those that the mapping skips to {_plain(one.skipped)})"
    if one.unreadable:
        count = len(one.unreadable)
        rows = "1 row" if count == 1 else f"{count:,} rows"
        what += f"; {rows} could not be read ({one.unreadable[0]})"
    return TidingsError(
        what,
        what_to_do="Nothing was imported. Is a part of the file missing, are numbers written otherwise than `numbers:` "
        "says, or are there rows of sums in between that `skip:` should name?",
    )


def _plain(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _summed(mapping: LaidOut) -> list[tuple[Column, int]]:
    """Return the columns whose sums are checked, each with the decimals that a sum has at least."""
    columns: list[tuple[Column | None, int]] = []
    if isinstance(mapping, CostsImport):
        cents = exponent(mapping.amount.money or "EUR")
        columns = [(mapping.amount, cents), (mapping.clicks, 0), (mapping.impressions, 0)]
    elif isinstance(mapping, TouchesImport) and mapping.cost is not None:
        columns = [(mapping.cost, exponent(mapping.cost.money or "EUR"))]
    elif isinstance(mapping, StockImport):
        columns = [(mapping.quantity, 0)]
    return [(column, places) for column, places in columns if column is not None and column.name is not None]
