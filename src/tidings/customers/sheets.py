"""The rows of one sheet of an XLSX workbook, as text, in the manner of a CSV."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from tidings.errors import TidingsError, UsageError

# A workbook is an archive: this bounds what it may unpack to.
_MOST_BYTES = 4 << 30
_MOST_RATIO = 100
_FREE_BYTES = 8 << 20


class SheetRows:
    """The rows of a sheet: the first one that is not empty, from `header_line` on, names the columns.

    `formats` says for a column (by the name in the header) how its mapping writes days and times, so that cells that
    hold a real date read like those that hold a text. A percentage is the number that Excel keeps, 0.1 for 10%.
    """

    def __init__(
        self,
        path: Path,
        *,
        sheet: str | None,
        formats: Mapping[str, str],
        most_columns: int,
        header_line: int = 1,
    ) -> None:
        from openpyxl import load_workbook

        _refuse_bomb(path)
        with _damaged(path.name):
            # By its stream: the library judges a path by its ending.
            self._raw = path.open("rb")
            self._book = load_workbook(self._raw, read_only=True, data_only=True)
        self.sheets = tuple(self._book.sheetnames)
        self.sheet = self._chosen(sheet, path.name)
        self.name = path.name
        with _damaged(path.name):
            page = self._book[self.sheet]
            # Excel often remembers a size that is not true; then openpyxl would stop early.
            page.reset_dimensions()
        self.with_nul: set[int] = set()
        self.text_bytes = 0
        self.size = 0
        self.done = 0
        self._rows = enumerate(page.iter_rows(values_only=True), 1)
        self.header = self._header(most_columns, header_line)
        self._shapes = [formats.get(name) for name in self.header]

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (number of the row in the sheet, cells as text) of every row that is not blank."""
        width = len(self.header)
        for number, cells in self._numbered():
            row = list(cells)
            while len(row) > width and row[-1] is None:
                row.pop()
            row += [None] * (width - len(row))
            if all(cell is None for cell in row):
                continue
            shapes = self._shapes if len(row) == width else [None] * len(row)
            texts = [_text(cell, shape) for cell, shape in zip(row, shapes, strict=True)]
            self.text_bytes += sum(map(len, texts))
            self.done = number
            yield number, texts

    @property
    def read_as(self) -> str:
        """Return the sheet in words."""
        return f'sheet "{self.sheet}"'

    def close(self) -> None:
        """Close the workbook."""
        self._book.close()
        self._raw.close()

    def _numbered(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        with _damaged(self.name):
            yield from self._rows

    def _chosen(self, sheet: str | None, name: str) -> str:
        listed = ", ".join(self.sheets)
        if sheet is not None and sheet not in self.sheets:
            raise UsageError(f'{name} has no sheet "{sheet}"', what_to_do=f"its sheets are: {listed}")
        visible = [one.title for one in self._book.worksheets if one.sheet_state == "visible"]
        if sheet is None and not visible:
            raise UsageError(f"{name} shows no sheet", what_to_do=f"name one with --sheet: {listed}")
        return sheet or visible[0]

    def _header(self, most_columns: int, header_line: int) -> tuple[str, ...]:
        for number, cells in self._numbered():
            if number < header_line:
                continue
            names = [unicodedata.normalize("NFC", _text(cell, None).strip()) for cell in cells]
            while names and not names[-1]:
                names.pop()
            if len(names) > most_columns:
                raise TidingsError(
                    f"{self.name} has {len(names):,} columns; at most {most_columns:,} are read"
                )
            if names:
                return tuple(names)
        raise TidingsError(
            f"the sheet {self.sheet} of {self.name} is empty",
            what_to_do=f"its sheets are: {', '.join(self.sheets)}; name one with --sheet",
        )


def _text(cell: Any, shape: str | None) -> str:
    """Return a cell as the text that a CSV of the same table would hold."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        if shape is not None:
            return written(cell, shape)
        midnight = cell.time() == time(0)
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ", timespec="seconds")
    if isinstance(cell, date):
        return written(datetime.combine(cell, time()), shape) if shape else cell.isoformat()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        # Phone numbers and ids are kept as floating numbers.
        return str(int(cell))
    return str(cell)


def written(at: datetime, shape: str) -> str:
    """Return an instant in a format such as DD.MM.YYYY HH:MM; the MM after HH are minutes."""
    date_part, hours, rest = shape.partition("HH")
    parts = {"YYYY": f"{at.year:04d}", "MM": f"{at.month:02d}", "DD": f"{at.day:02d}"}
    clock = {
        "MM": f"{at.minute:02d}",
        "mm": f"{at.minute:02d}",
        "SS": f"{at.second:02d}",
        "ss": f"{at.second:02d}",
    }
    for token, value in parts.items():
        date_part = date_part.replace(token, value)
    for token, value in clock.items():
        rest = rest.replace(token, value)
    return f"{date_part}{f'{at.hour:02d}' if hours else ''}{rest}"


@contextmanager
def _damaged(name: str) -> Iterator[None]:
    """Say in words what the library raises on a damaged workbook, which may be anything."""
    try:
        yield
    except TidingsError:
        raise
    except Exception as error:
        raise TidingsError(
            f"{name} cannot be read as an Excel workbook: {type(error).__name__}",
            what_to_do="Open it in Excel and save it again, or save the sheet as CSV UTF-8.",
        ) from error


def is_workbook(path: Path) -> bool:
    """Tell whether a file is an XLSX workbook, whatever its name is."""
    with path.open("rb") as raw:
        if raw.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return path.suffix.lower() in (".xlsx", ".xlsm")


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile as error:
        raise TidingsError(
            f"{path.name} is damaged: it is no Excel workbook", what_to_do="Copy or save it again."
        ) from error
    packed = max(path.stat().st_size, 1)
    if unpacked > _MOST_BYTES or (unpacked > _FREE_BYTES and unpacked > _MOST_RATIO * packed):
        raise TidingsError(
            f"{path.name} unpacks to {unpacked >> 20:,} MB, far more than a workbook of its size holds",
            what_to_do="Save the sheet as CSV UTF-8 if you trust it.",
        )
