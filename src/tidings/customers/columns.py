"""One column of a file with its reader, called on the cells of a row."""

from __future__ import annotations

from typing import Any

from tidings.customers.cells import CellError, Reader, mapped
from tidings.definitions.kinds.importing import Column


class Cell:
    """A column of the file, or a constant. `places` maps the file's columns to their positions."""

    __slots__ = ("constant", "meant", "name", "place", "read")

    def __init__(self, column: Column, read: Reader, places: dict[str, int]) -> None:
        self.name = column.name or ""
        self.place = -1 if column.name is None else places[column.name]
        self.constant = (column.value or "").strip()
        self.meant = dict(column.values)
        self.read = mapped(column, read)

    def __call__(self, cells: list[str]) -> Any:
        """Return the value of the row's cell, None when it is empty; raises CellError naming the column."""
        text = cells[self.place].strip() if self.place >= 0 else self.constant
        if not text:
            return None
        try:
            return self.read(text)
        except CellError as error:
            error.column = self.name
            raise

    def needed(self, cells: list[str], kind: str) -> Any:
        """Return the value; an empty cell is an error of this kind too."""
        value = self(cells)
        if value is None:
            raise CellError(kind, "the cell is empty", self.name)
        return value
