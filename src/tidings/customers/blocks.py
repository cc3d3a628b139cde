"""Many rows of a file at once, column by column: a value that stands in row after row is read once a block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tidings.customers.columns import Cell

Read = TypeVar("Read")
_UNREADABLE: Any = object()


class Block:
    """Rows of equal width turned into columns; `bad` are the places of those in which something cannot be read."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.size = len(rows)
        self.bad: set[int] = set()
        self._columns = list(zip(*rows, strict=True))

    def beside(self, places: Sequence[int]) -> Sequence[tuple[str, ...]]:
        """Return, for each row, its cells at these positions."""
        return list(zip(*(self._columns[place] for place in places), strict=True))

    def texts(self, cell: Cell) -> list[str]:
        """Return the column's cells without blanks around them, or the constant for every row."""
        if cell.place < 0:
            return [cell.constant] * self.size
        return [text.strip() for text in self._columns[cell.place]]

    def values(self, keys: Sequence[Any], read: Callable[[Any], Read]) -> list[Read | None]:
        """Return what `read` makes of each key (a text, or what `read` needs); None for one that is empty.

        A row for which `read` raises ValueError becomes one of the bad ones.
        """
        distinct = set(keys)
        if 2 * len(distinct) <= self.size:
            known = {key: _value(key, read) for key in distinct}
            values = [known[key] for key in keys]
            clean = _UNREADABLE not in known.values()
        else:
            try:
                values = [read(key) if key else None for key in keys]
                clean = True
            except ValueError:
                values = [_value(key, read) for key in keys]
                clean = False
        if not clean:
            for place, value in enumerate(values):
                if value is _UNREADABLE:
                    self.bad.add(place)
                    values[place] = None
        return values


def made(keys: Sequence[Any], make: Callable[[Any], Read]) -> list[Read]:
    """Return what `make` returns for each key, called once for those that are equal."""
    known = {key: make(key) for key in set(keys)}
    return [known[key] for key in keys]


def _value(key: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(key) if key else None
    except ValueError:
        return _UNREADABLE
