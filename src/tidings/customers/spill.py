"""Memory on disk: what an import must remember about a whole file, in a private temporary database.

SQLite keeps a database without a name in a file that is already deleted when it is opened: nothing is left behind,
however the process ends. A small cache keeps memory flat for any length of file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Self

from tidings.errors import TidingsError

_BATCH = 5000


class _Spill:
    _make = ""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16384"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(self._make)
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


class Ordinals(_Spill):
    """How often each text was met before."""

    _make = "CREATE TABLE met (what BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID"

    def next(self, what: bytes) -> int:
        """Return how often this was asked before: 0 the first time."""
        row = self._database.execute(
            "INSERT INTO met VALUES (?, 0) ON CONFLICT (what) DO UPDATE SET times = times + 1 RETURNING times",
            (what,),
        ).fetchone()
        return int(row[0])


class Groups(_Spill):
    """Rows put into groups by name, given back group by group, in each in the order they came.

    A row is a tuple of `width` texts, whole numbers and None.
    """

    _make = "CREATE TABLE lines (name TEXT NOT NULL, place INTEGER PRIMARY KEY, line BLOB)"

    def __init__(self, width: int) -> None:
        columns = ", ".join(f"v{number}" for number in range(width))
        self._make = f"CREATE TABLE lines (name TEXT NOT NULL, place INTEGER PRIMARY KEY, {columns})"
        self._insert = f"INSERT INTO lines VALUES (?, NULL, {', '.join('?' * width)})"
        self._columns = columns
        super().__init__()

    def fill(self, rows: Iterable[tuple[Any, ...]]) -> int:
        """Put in rows that begin with the name of their group, and return how many."""
        rows, count = iter(rows), 0
        try:
            while batch := list(islice(rows, _BATCH)):
                self._database.executemany(self._insert, batch)
                count += len(batch)
        except sqlite3.Error as error:
            raise TidingsError(
                f"sorting the file failed: {error}",
                what_to_do="Make room in the folder for temporary files, or name another one in SQLITE_TMPDIR.",
            ) from error
        return count

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, name first, sorted by name and then as they came."""
        yield from self._database.execute(f"SELECT name, {self._columns} FROM lines ORDER BY name, place")
