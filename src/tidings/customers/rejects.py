"""The rows that were not taken, in a file beside the source that can be repaired and imported again.

It has the columns line, reason and column and then those of the source as they stood. A cell that a spreadsheet would run
as a formula gets an apostrophe before it, which is taken off again when the repaired file is imported.
"""

from __future__ import annotations

import csv
import glob
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ADDED = ("line", "reason", "column")
_NUMBER = re.compile(r"[+-]?[\d.,\s]+\Z", re.ASCII)
# As spreadsheets begin a formula, also in the full-width forms that some fold (OWASP, "CSV Injection").
_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Rejects:
    """Counts rejected rows by (column, kind) and writes them; nothing is written when there is none.

    The file stands beside the source, or in `elsewhere`/rejects where that folder cannot be written to (`moved`).
    `path` is None while nothing was rejected, and after closing when no folder could be written to.
    """

    def __init__(self, source: Path, header: Sequence[str], elsewhere: Path | None = None) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.path: Path | None = None
        self.moved = False
        self._skip = len(ADDED) if is_rejects(header) else 0
        self._header = (*ADDED, *header[self._skip :])
        self._places = [source.parent, *([elsewhere / "rejects"] if elsewhere else [])]
        self._name = f"{source.name}.rejects.csv"
        self._file: IO[str] | None = None

    @property
    def total(self) -> int:
        """Return how many rows were rejected."""
        return self.counts.total()

    def add(self, line: int, column: str, kind: str, reason: str, cells: Sequence[str]) -> None:
        """Count one row and write it; `kind` groups the same mistake, `reason` says this one."""
        if not self.counts:
            self._open()
        self.counts[column, kind] += 1
        if self._file is not None:
            said = [guarded(cell) for cell in (reason, column, *cells[self._skip :])]
            csv.writer(self._file).writerow([line, *said])

    def close(self) -> None:
        """Put the file in its place; remove that of an earlier import when this one rejected nothing."""
        if self._file is not None and self.path is not None:
            self._file.close()
            self._file = None
            self._part(self.path).replace(self.path)
        elif not self.counts:
            for place in self._places:
                _remove(place / self._name)

    def discard(self) -> None:
        """Leave the file of rejects as it is: somebody else is writing it."""
        if self._file is not None and self.path is not None:
            self._file.close()
            self._part(self.path).unlink(missing_ok=True)
            self._file = self.path = None

    def _part(self, path: Path) -> Path:
        # Two imports of one file at a time do not write into each other's.
        return path.with_name(f".{path.name}.{os.getpid()}-{id(self):x}.part")

    def _open(self) -> None:
        for place in self._places:
            path = place / self._name
            try:
                place.mkdir(parents=True, exist_ok=True)
                _sweep(path)
                # What stands in a file of customers is nobody else's business.
                handle = os.open(self._part(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            except OSError:
                continue
            self.path, self.moved = path, place != self._places[0]
            self._file = os.fdopen(handle, "w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(self._header)
            return


def is_rejects(header: Sequence[str]) -> bool:
    """Tell whether a header is that of a file of rejects."""
    return tuple(header[: len(ADDED)]) == ADDED


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet runs as a formula; numbers stay as they are."""
    return f"'{cell}" if cell.startswith(_RUN) and _NUMBER.match(cell) is None else cell


def unguarded(cell: str) -> str:
    """Return a cell as it stood before it was guarded."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_RUN) else cell


def _sweep(path: Path) -> None:
    """Remove what killed imports left half-written."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        owner = part.name.removesuffix(".part").rpartition(".")[2].partition("-")[0]
        if owner.isdecimal() and not _alive(int(owner)):
            part.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    """Remove an earlier file of rejects, but never a file of that name that somebody else made."""
    try:
        with path.open(encoding="utf-8") as file:
            ours = file.readline().startswith(",".join(ADDED))
        if ours:
            path.unlink()
    except (OSError, UnicodeDecodeError):
        return
