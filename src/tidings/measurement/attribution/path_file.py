"""A file of aggregated paths, as other tools write it, and what the models say about it.

Columns `path` (channels joined by ` > `), `total_conversions`, `total_conversion_value` and `total_null`; CSV with a
header, plain or gzipped. Others are passed over.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tidings.errors import TidingsError, UsageError
from tidings.measurement.attribution.answer import NEGATIVE
from tidings.measurement.attribution.models import Tuning, give_credit
from tidings.statistics.credit import Credit, Paths, largest_remainder

_COLUMNS = ("path", "total_conversions", "total_conversion_value", "total_null")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class PathsAnswer:
    """What the models say about the paths of a file; values in the unit of the file, credited to its hundredth."""

    paths: Paths
    credits: dict[str, Credit]
    order: int

    @property
    def names(self) -> tuple[str, ...]:
        """Return the channels in alphabetical order."""
        return self.paths.names

    def values(self, model: str) -> list[float]:
        """Return the value credited to each channel, to the hundredth; together the value of the file so rounded."""
        total = round(float(self.paths.values.sum()) * 100)
        return [int(one) / 100 for one in largest_remainder(self.credits[model].values * 100, total)]

    def words(self) -> list[str]:
        """Return what has to be said before anybody reads the numbers."""
        lost = float(self.paths.nulls.sum())
        if not self.paths.lengths.size or not self.paths.total + lost:
            return ["There is no path in this file that anybody went, so there is no credit and no rate."]
        said = []
        if not self.paths.total:
            said.append("None of these paths ended in a conversion, so there is no credit to give.")
        elif not lost:
            said.append(
                "Every path ended in a conversion: nothing is known of people who did not convert, and a rate of "
                "100% says how the file was made, not how good the channels are."
            )
        if any((one.conversions < 0).any() for one in self.credits.values()):
            said.append(NEGATIVE)
        return said

    def as_json(self) -> dict[str, Any]:
        """Return the answer with stable keys: conversions by model and channel, and the same for values."""
        found: dict[str, Any] = {
            "models": {
                model: dict(zip(self.names, one.conversions.tolist(), strict=True))
                for model, one in self.credits.items()
            },
            "observed_rate": self.paths.rate,
            "values": {
                model: dict(zip(self.names, self.values(model), strict=True)) for model in self.credits
            },
            "conversions": self.paths.total,
            "nulls": float(self.paths.nulls.sum()),
            "order": self.order,
            "words": self.words(),
        }
        sampled = self.credits.get("shapley")
        if sampled is not None and sampled.error is not None:
            found["standard_errors"] = {"shapley": dict(zip(self.names, sampled.error.tolist(), strict=True))}
        return found


def answer_paths(path: Path, models: tuple[str, ...], tuning: Tuning) -> PathsAnswer:
    """Return what the models say about a file of paths. Raises UsageError or TidingsError with the place."""
    paths = read_paths(path)
    try:
        return PathsAnswer(paths, give_credit(paths, models, tuning), tuning.order)
    except ValueError as error:
        raise UsageError(f"{path}: {error}", what_to_do="ask for a lower --order") from error


def read_paths(path: Path) -> Paths:
    """Return the paths of a file. Raises TidingsError naming the column or the line that is wrong."""
    codes: dict[str, int] = {}
    steps: list[int] = []
    starts, counts = [0], []
    for line, row in _rows(path):
        # A file of a spreadsheet may end in rows of nothing but commas.
        if not any(row):
            continue
        names = [name.strip() for name in row[0].split(">")]
        if not all(names):
            raise _wrong(
                path, line, f'"{row[0]}" is no path', "write channels joined by ` > `, each with a name"
            )
        steps += [codes.setdefault(name, len(codes)) for name in names]
        starts.append(len(steps))
        counts.append([_number(path, line, *cell) for cell in zip(_COLUMNS[1:], row[1:], strict=True)])
    order = sorted(codes)
    place = np.empty(len(codes), dtype=np.int64)
    for number, name in enumerate(order):
        place[codes[name]] = number
    table = np.array(counts, dtype=np.float64).reshape(-1, 3)
    return Paths.of(
        tuple(order),
        place[np.array(steps, dtype=np.int64)],
        starts,
        conversions=table[:, 0],
        values=table[:, 1],
        nulls=table[:, 2],
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the four cells of each row with its line."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw.startswith(_GZIP) else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TidingsError(f"{path}: this is not UTF-8", what_to_do="save it as CSV in UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TidingsError(f"{path}: this gzip file is broken", what_to_do="make or copy it anew") from error
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise _wrong(
                path,
                1,
                f"the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing",
                f"a file of paths has the columns {', '.join(_COLUMNS)}, separated by commas",
            )
        places = [header.index(name) for name in _COLUMNS]
        for row in reader:
            if not row:
                continue
            if len(row) < len(header):
                raise _wrong(path, reader.line_num, "this row has fewer cells than the header", "")
            yield reader.line_num, [row[place].strip() for place in places]
    except csv.Error as error:
        raise _wrong(path, reader.line_num, f"this is no CSV: {error}", "") from error


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (value < 0 and column != "total_conversion_value"):
        raise _wrong(path, line, f'"{text}" is no number for {column}', "write a number such as 3 or 3.5")
    return value


def _wrong(path: Path, line: int, what: str, what_to_do: str) -> TidingsError:
    return TidingsError(f"{path}:{line}: {what}", what_to_do=what_to_do)
