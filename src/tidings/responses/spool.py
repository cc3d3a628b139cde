"""The spool: files to which the tracker appends what came in, and from which the drain reads.

One record is one line of text:

    length of the JSON in bytes (8 hexadecimal digits) · blank · CRC-32 of it (8) · blank · JSON · line feed

JSON holds no raw line feed, so after a torn record reading goes on behind the next one. A writer holds a lock on its
file as long as it lives; the kernel gives it up even after kill -9, and then the drain knows that nothing is
added any more. After any failed write a file is left and never written again: what stands behind the last record that
was answered may be torn, and a place in a file is never used twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from tidings.clock import Clock, to_micros

SUFFIX = ".spool"
_UNNAMED = ".new"
_HEAD = 18
_ROTATE_AT = 16 * 1024 * 1024
_READ_AT_ONCE = 4 * 1024 * 1024
LONGEST_RECORD = 256 * 1024

# An empty line: tries whether the disk takes anything, and is passed over when reading.
PROBE = b"\n"

_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

Record = dict[str, Any]
Sync = Callable[[int], None]
Write = Callable[[int, bytes], int]


def spool_folder(data_dir: Path, environment: str) -> Path:
    """Return where an environment keeps its spool; two environments of one workspace never share one."""
    return data_dir / "spool" / environment


def encode(record: Record) -> bytes:
    """Return a record as its line; raises ValueError when it is larger than 256 KiB or no plain JSON."""
    body = _JSON.encode(record).encode("ascii")
    if len(body) > LONGEST_RECORD:
        raise ValueError("the record is larger than 256 KiB")
    return _head(body) + body + b"\n"


class SpoolWriter:
    """Appends lines to a file of its own and makes them durable. For one thread at a time.

    `write` and `sync` are the operating system's; tests bring ones that fail.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        rotate_at: int = _ROTATE_AT,
        write: Write = os.write,
        sync: Sync = os.fdatasync,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._rotate_at = rotate_at
        self._write = write
        self._sync = sync
        self._file: int | None = None
        self._path = folder
        self._size = 0

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines and return when the disk has them; raises OSError, and then none of them counts as kept."""
        if self._file is None:
            self._open()
        file = self._file
        assert file is not None
        data = b"".join(lines)
        try:
            left = memoryview(data)
            while left:
                left = left[self._write(file, bytes(left)) :]
            self._sync(file)
        except OSError:
            self._leave()
            raise
        self._size += len(data)
        if self._size >= self._rotate_at:
            self.close()

    def close(self) -> None:
        """Give the file up; the next append begins another one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def free_bytes(self) -> int:
        """Return how many bytes the disk of the spool still takes; raises OSError when the folder is not writable."""
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise OSError(f"{self._folder} is not writable")
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def _open(self) -> None:
        name = f"{to_micros(self._clock.now()):017d}-{secrets.token_hex(4)}"
        path, aside = self._folder / f"{name}{SUFFIX}", self._folder / f"{name}{_UNNAMED}"
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            # Locked before it has its name: the drain never meets a file that only seems to be finished.
            fcntl.flock(file, fcntl.LOCK_EX)
            aside.rename(path)
            _sync_folder(self._folder)
        except OSError:
            os.close(file)
            with suppress(OSError):
                aside.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
            raise
        self._file, self._path, self._size = file, path, 0

    def _leave(self) -> None:
        """Never write to this file again; without one kept record it need not stay either."""
        if self._size == 0:
            with suppress(OSError):
                self._path.unlink()
        self.close()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read: records with the place where each begins, where to go on, and torn ones passed over.

    `ended` tells that nothing readable is left and no writer holds the file: it can be deleted once stored.
    """

    records: tuple[tuple[int, Record], ...]
    next_offset: int
    torn: int
    ended: bool


def waiting_files(folder: Path) -> list[Path]:
    """Return the spool files of a folder, oldest first."""
    with suppress(FileNotFoundError):
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.name.endswith(SUFFIX))
    return []


def read_chunk(path: Path, offset: int, limit: int) -> Chunk:
    """Read up to `limit` records from `offset` on; a record is whole and its CRC right, or it is passed over."""
    with path.open("rb") as file:
        # Asked before reading: what a writer adds between the two questions is then left for the next time.
        finished = _no_writer(file.fileno())
        file.seek(offset)
        data = file.read(_READ_AT_ONCE)
        at_end = len(data) < _READ_AT_ONCE
    records: list[tuple[int, Record]] = []
    place = torn = 0
    while len(records) < limit:
        end = data.find(b"\n", place)
        if end < 0:
            break
        record = _decode(data[place:end])
        if place == end:
            pass  # PROBE
        elif record is None:
            torn += 1
        else:
            records.append((offset + place, record))
        place = end + 1
    rest = len(data) - place
    stopped_early = len(records) == limit and rest > 0
    if rest and not stopped_early and (finished or rest > LONGEST_RECORD + _HEAD) and (at_end or not place):
        torn, place, rest = torn + 1, len(data), 0
    return Chunk(tuple(records), offset + place, torn, finished and at_end and rest == 0)


def _head(body: bytes) -> bytes:
    return b"%08x %08x " % (len(body), crc32(body))


def _decode(line: bytes) -> Record | None:
    body = line[_HEAD:]
    if line[:_HEAD] != _head(body):
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _no_writer(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_unfinished(folder: Path, before: int) -> None:
    """Delete files begun before an instant (microseconds) that never got their name; they never held a record."""
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            begun = entry.name.partition("-")[0]
            if entry.name.endswith(_UNNAMED) and begun.isdigit() and int(begun) < before:
                with suppress(OSError):
                    Path(entry.path).unlink()
