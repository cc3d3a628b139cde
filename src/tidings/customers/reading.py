"""Read a CSV or CSV.gz row by row in flat memory, and refuse in words what would eat the machine.

A file may be a bomb: one line of a gigabyte, a hundred thousand columns, an archive that unpacks a thousandfold. Each is
refused before it is in memory. Text in another encoding than UTF-8 is read through `encodings`, XLSX through `sheets`; the
separator is the comma, semicolon or tab of the header line.
"""

from __future__ import annotations

import csv
import gzip
import io
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from tidings.customers.encodings import Encoding, Transcoded, encoding_of
from tidings.customers.sheets import SheetRows, is_workbook
from tidings.errors import TidingsError, UsageError

_BUFFER = 1 << 18
_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive inside another one",
    b"SQLi": "a database",
}
_SAVE_AS = 'Save it as "CSV UTF-8 (comma delimited)", or export it so.'


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read at all. Sizes are bytes; `ratio` is unpacked to packed, looked at beyond 16 MB."""

    line: int = 1 << 20
    row: int = 4 << 20
    columns: int = 2000
    ratio: int = 100
    total: int = 64 << 30


class Table(Protocol):
    """The rows of an open file: a text or a sheet of a workbook. `done` of `size` is how far it was read (0 of 0: unknown)."""

    @property
    def header(self) -> tuple[str, ...]:
        """The names of its columns."""
        ...

    @property
    def with_nul(self) -> set[int]:
        """The lines read so far that hold a NUL sign."""
        ...

    @property
    def text_bytes(self) -> int:
        """The bytes of text read so far."""
        ...

    @property
    def size(self) -> int:
        """What `done` is at the end."""
        ...

    @property
    def done(self) -> int:
        """How far it was read."""
        ...

    @property
    def read_as(self) -> str:
        """Its encoding, or its sheet, in words."""
        ...

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line on which each row begins, and its cells."""
        ...


class Rows:
    """The rows of one open file of text.

    `header` names the columns, `with_nul` the lines read so far that hold a NUL sign, `text_bytes` the bytes of text read so
    far; `done` and `size` are bytes of the file on disk.
    """

    def __init__(
        self,
        raw: BinaryIO,
        name: str,
        size: int,
        limits: Limits,
        encoding: Encoding | None = None,
        header_line: int = 1,
    ) -> None:
        self._raw, self._name, self.size, self._limits = raw, name, size, limits
        self.encoding = encoding or Encoding("utf-8", "valid")
        self._packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        self._bytes = io.BufferedReader(_Unpacked(raw, name, limits), _BUFFER) if self._packed else raw
        if self.encoding.codec != "utf-8":
            self._bytes = io.BufferedReader(Transcoded(self._bytes, self.encoding, name), _BUFFER)
        self.with_nul: set[int] = set()
        self.text_bytes = 0
        self._row_began = 0
        self._line = 0
        self._above = header_line - 1
        first = self._header_text()
        try:
            self._reader = csv.reader(self._lines(first), delimiter=_delimiter(first))
            header = next(self._reader, [])
        except csv.Error as error:
            raise self._broken(str(error)) from error
        if len(header) > limits.columns:
            raise TidingsError(
                f"{name} has {len(header):,} columns; at most {limits.columns:,} are read",
                what_to_do="Export only the columns that the mapping names.",
            )
        self.header = tuple(unicodedata.normalize("NFC", cell.strip()) for cell in header)
        if not any(self.header):
            raise _nothing_named(name, header_line)

    @property
    def read_as(self) -> str:
        """Return the encoding in words, and whether it is a guess."""
        return self.encoding.title + (", guessed" if self.encoding.how == "guessed" else "")

    @property
    def done(self) -> int:
        """Return how many bytes of the file on disk were read."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line on which the row begins, cells) of every row that is not blank."""
        reader = self._reader
        before = reader.line_num
        try:
            for cells in reader:
                self._row_began = self.text_bytes
                if cells:
                    yield before + 1 + self._above, cells
                before = reader.line_num
        except csv.Error as error:
            raise self._broken(str(error)) from error

    def _header_text(self) -> str:
        """Return the line that names the columns; titles above it are passed over."""
        start = self._read_line()
        for magic, what in _FOREIGN.items():
            if start.startswith(magic):
                raise TidingsError(f"{self._name} is {what}, not a CSV file", what_to_do=_SAVE_AS)
        start = start.removeprefix(b"\xef\xbb\xbf")
        if not start:
            raise _nothing_named(self._name, 1)
        for _ in range(self._above):
            start = self._read_line()
        return self._decoded(start)

    def _lines(self, first: str) -> Iterator[str]:
        yield first
        limit = self._limits.row
        while line := self._read_line():
            self.text_bytes += len(line)
            if self.text_bytes - self._row_began > limit:
                raise TidingsError(
                    f"{self._name}, line {self._line}: one row is over {limit >> 20} MB; a quote may not be closed",
                )
            if b"\0" in line:
                self.with_nul.add(self._line)
            yield self._decoded(line)

    def _read_line(self) -> bytes:
        limit = self._limits.line
        try:
            line = self._bytes.readline(limit + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TidingsError(
                f"{self._name} is damaged or cut off after line {self._line}",
                what_to_do="Copy or export it again.",
            ) from error
        self._line += 1
        if len(line) > limit:
            raise TidingsError(
                f"{self._name}, line {self._line}: a line is over {limit >> 20} MB; that is no table of text",
            )
        return line

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise TidingsError(
                f"{self._name}, line {self._line}: the text is not UTF-8 (byte {error.start + 1} of the line)",
                what_to_do=_SAVE_AS,
            ) from error

    def _broken(self, reason: str) -> TidingsError:
        if "field larger" in reason:
            reason = "one cell is longer than 131,072 signs; a quote may not be closed"
        return TidingsError(f"{self._name}, line {self._line}: {reason}")


class _Unpacked(io.RawIOBase):
    """The bytes of a gzip file, refused when they are far more than the file could honestly hold."""

    def __init__(self, raw: BinaryIO, name: str, limits: Limits) -> None:
        self._raw, self._name, self._limits = raw, name, limits
        self._gzip = gzip.GzipFile(fileobj=raw, mode="rb")
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        count = self._gzip.readinto(buffer)  # type: ignore[arg-type]
        self._out += count
        bomb = self._out > 16 << 20 and self._out > self._limits.ratio * max(self._raw.tell(), 1)
        if bomb or self._out > self._limits.total:
            raise TidingsError(
                f"{self._name} unpacks to more than {self._limits.ratio} times its size or {self._limits.total >> 30} GB",
                what_to_do="Unpack it yourself and import the CSV if you trust it.",
            )
        return count


@contextmanager
def open_rows(
    path: Path,
    limits: Limits | None = None,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    formats: Mapping[str, str] | None = None,
    header_line: int = 1,
) -> Iterator[Table]:
    """Open a CSV, CSV.gz or XLSX and read its header; raises TidingsError in words for what is no such file.

    `encoding` names that of a text, otherwise it is found out; `sheet` one of a workbook, otherwise the first.
    `formats` says how the mapping writes the days of a column, for real dates of a workbook; `header_line` is the line
    that names the columns.
    """
    limits = limits or Limits()
    with _opened(path) as raw:
        if is_workbook(path):
            with closing(
                SheetRows(
                    path,
                    sheet=sheet,
                    formats=formats or {},
                    most_columns=limits.columns,
                    header_line=header_line,
                )
            ) as page:
                yield page
            return
        if sheet is not None:
            raise UsageError(f"{path.name} is no workbook and has no sheets", what_to_do="leave --sheet out")
        found = encoding_of(path, encoding)
        yield Rows(raw, path.name, path.stat().st_size, limits, found, header_line)


def fingerprint(path: Path, *about: str) -> str:
    """Return the SHA-256 of the whole file and of what decides how it is read: the identity of one import."""
    digest = sha256()
    with _opened(path) as raw:
        while block := raw.read(1 << 20):
            digest.update(block)
    for text in about:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()


def require_columns(header: tuple[str, ...], names: Iterable[str], *, file: str, mapping: str) -> None:
    """Raise one TidingsError naming every column of the mapping that the file does not have, with the nearest."""
    wanted = list(dict.fromkeys(names))
    said = []
    for name in wanted:
        count = header.count(name)
        if count == 1:
            continue
        near = get_close_matches(name, [column for column in header if column], n=1, cutoff=0.5)
        said.append(
            f'"{name}" stands there {count} times'
            if count
            else f'"{name}"' + (f' (did you mean "{near[0]}"?)' if near else "")
        )
    if said:
        shown = ", ".join(column or "(no name)" for column in header[:30])
        raise TidingsError(
            f"{file} does not have the columns that {mapping} names: {'; '.join(said)}",
            what_to_do=f"Its columns are: {shown}{', …' if len(header) > 30 else ''}",
        )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        raw = path.open("rb")
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}", what_to_do="check the name and the folder") from error
    except IsADirectoryError as error:
        raise UsageError(
            f"{path} is a folder, not a file", what_to_do="name one of the files in it"
        ) from error
    except PermissionError as error:
        raise TidingsError(f"{path} may not be read by this user") from error
    with raw:
        yield raw


def _nothing_named(name: str, header_line: int) -> TidingsError:
    """Return what is wrong with a file that has no columns on that line."""
    if header_line == 1:
        return TidingsError(f"{name} is empty", what_to_do="Its first line has to name the columns.")
    return TidingsError(
        f"line {header_line} of {name} names no columns",
        what_to_do="`header: line N` of the mapping says on which line they stand.",
    )


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)
