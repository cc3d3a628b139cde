"""Tables as one XLSX workbook: a sheet each, numbers as numbers, days as days, and text that stays text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tidings.errors import UsageError
from tidings.papers.charts.ink import width_of
from tidings.papers.tables.table import Cell, Column, Table

if TYPE_CHECKING:
    from openpyxl import Workbook

# What a sheet of Excel can hold (its published limits).
_MOST_ROWS, _MOST_SIGNS = 1_048_576, 32_767
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NAME = re.compile(r"[\[\]:*?/\\']")
_FORMATS = {
    "whole": "#,##0",
    "number": "#,##0.######",
    "share": "0.0 %",
    "money": "#,##0.00",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "day": "yyyy-mm-dd",
    "text": "@",
}
# So many rows are looked at for the width of a column.
_LOOKED_AT = 200


def xlsx_bytes(tables: Sequence[Table], *, zone: ZoneInfo, made_at: datetime) -> bytes:
    """Return a workbook with a sheet for each table, and one that says what each column holds.

    Instants are on the clock of `zone`, for a sheet knows none. Raises UsageError for more rows than a sheet holds.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for table in tables:
        _sheet(book, table, zone)
    _about(book, tables, zone)
    book.properties.creator = "tidings"
    book.properties.created = book.properties.modified = made_at.replace(microsecond=0, tzinfo=None)
    into = BytesIO()
    book.save(into)
    return into.getvalue()


def _sheet(book: Workbook, table: Table, zone: ZoneInfo) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    if len(table.rows) >= _MOST_ROWS:
        raise UsageError(
            f"{table.name} has {len(table.rows):,} rows, and a sheet of Excel holds {_MOST_ROWS - 1:,}",
            what_to_do="write a .csv",
        )
    sheet = book.create_sheet(sheet_name(table.name))
    sheet.freeze_panes = "A2"
    for place, width in enumerate(_widths(table), 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    head = []
    for column in table.columns:
        cell = WriteOnlyCell(sheet, value=column.name)
        cell.font = Font(bold=True)
        head.append(cell)
    sheet.append(head)
    for row in table.rows:
        sheet.append(
            [_cell(sheet, value, column, zone) for value, column in zip(row, table.columns, strict=True)]
        )
    if table.columns:
        last = get_column_letter(len(table.columns))
        sheet.auto_filter.ref = f"A1:{last}{len(table.rows) + 1}"


def _cell(sheet: Any, value: Cell, column: Column, zone: ZoneInfo) -> Any:
    from openpyxl.cell import WriteOnlyCell

    if value is None:
        return None
    if isinstance(value, str):
        cell = WriteOnlyCell(sheet, value=_UNWRITABLE.sub("\ufffd", value)[:_MOST_SIGNS])
        # Whatever it looks like (=1+1, #N/A), it is a text and stays one when somebody edits the cell.
        cell.data_type = "s"
        cell.number_format = "@"
        return cell
    if isinstance(value, datetime):
        value = value.astimezone(zone).replace(tzinfo=None)
    cell = WriteOnlyCell(sheet, value=float(value) if isinstance(value, Decimal) else value)
    if not isinstance(value, bool) and column.kind in _FORMATS:
        cell.number_format = _FORMATS[column.kind]
    return cell


def _about(book: Workbook, tables: Sequence[Table], zone: ZoneInfo) -> None:
    """Add the sheet that says what the columns hold, and what must be known to read the figures."""
    columns = (
        Column("sheet", "text", ""),
        Column("column", "text", ""),
        Column("holds", "text", ""),
    )
    rows: list[tuple[Cell, ...]] = [
        (table.name, column.name, column.says) for table in tables for column in table.columns
    ]
    said = dict.fromkeys(words for table in tables for words in table.words)
    rows += [("", "", words) for words in (*said, f"Instants are on the clock of {zone.key}.")]
    _sheet(book, Table("about", columns, rows), zone)


def sheet_name(name: str) -> str:
    """Return a name as a sheet may have it: at most 31 signs and none of those that Excel keeps for itself."""
    return _NAME.sub("-", name)[:31] or "table"


def _widths(table: Table) -> list[float]:
    found = []
    for place, column in enumerate(table.columns):
        longest = [column.name, *(_shown(row[place]) for row in table.rows[:_LOOKED_AT])]
        # One unit is about the width of a digit.
        found.append(min(max(width_of(text, 1) / 0.55 for text in longest) + 3, 60))
    return found


def _shown(value: Cell) -> str:
    if isinstance(value, float):
        return f"{value:,.6f}"
    if isinstance(value, datetime):
        return "2027-03-20 09:00:00"
    return "" if value is None else str(value)
