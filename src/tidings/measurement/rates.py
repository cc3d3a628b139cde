"""Rates of exchange of config/rates.csv: without them amounts in several currencies are never added up."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidings.clock import local_midnight, to_micros
from tidings.definitions.currencies import CURRENCIES
from tidings.definitions.money import exponent
from tidings.errors import TidingsError

RATES_FILE = "config/rates.csv"
_COLUMNS = ("day", "from", "to", "rate")


@dataclass(frozen=True, slots=True)
class Rates:
    """For each pair of currencies the instants from which a rate holds, ascending, and the rates in major units."""

    known: dict[tuple[str, str], list[tuple[int, Decimal]]] = field(default_factory=dict)

    def convert(
        self, amounts: NDArray[np.int64], at: NDArray[np.int64], from_: str, to: str
    ) -> NDArray[np.int64] | None:
        """Return minor units of `from_` as minor units of `to`, by the last rate of or before each instant.

        The rate the other way round serves where there is none. Halves go to the even cent. None when an instant has no rate.
        """
        if from_ == to or not amounts.size:
            return amounts
        found = self.known.get((from_, to))
        turned = found is None
        if found is None:
            found = self.known.get((to, from_))
        if found is None:
            return None
        place = np.searchsorted(np.array([since for since, _ in found]), at, side="right") - 1
        if (place < 0).any():
            return None
        factors = np.array([float(1 / rate if turned else rate) for _, rate in found])
        scale = 10.0 ** (exponent(to) - exponent(from_))
        converted: NDArray[np.int64] = np.rint(amounts * factors[place] * scale).astype(np.int64)
        return converted


def read_rates(root: str, zone: ZoneInfo) -> Rates:
    """Return the rates of a workspace, none where it has no such file. Raises TidingsError with the line that is wrong.

    A rate holds from the first minute of its day on the workspace clock until a later one.
    """
    path = Path(root) / RATES_FILE
    if not root or not path.is_file():
        return Rates()
    rates = Rates()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise TidingsError(
                    f"{RATES_FILE}:1: the column {missing[0]} is missing",
                    what_to_do=f"a file of rates has the columns {', '.join(_COLUMNS)}",
                )
            for row in reader:
                pair, since, rate = _row(row, reader.line_num, zone)
                rates.known.setdefault(pair, []).append((since, rate))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TidingsError(
            f"{RATES_FILE}: this is no CSV in UTF-8", what_to_do="save it as CSV in UTF-8"
        ) from error
    for found in rates.known.values():
        found.sort()
    return rates


def _row(row: dict[str, str], line: int, zone: ZoneInfo) -> tuple[tuple[str, str], int, Decimal]:
    cells = {name: (row[name] or "").strip() for name in _COLUMNS}
    for name in ("from", "to"):
        if cells[name] not in CURRENCIES:
            raise TidingsError(
                f'{RATES_FILE}:{line}: "{cells[name]}" is no currency',
                what_to_do="write its code, such as EUR",
            )
    try:
        rate = Decimal(cells["rate"])
        since = to_micros(local_midnight(date.fromisoformat(cells["day"]), zone))
    except (InvalidOperation, ValueError) as error:
        raise TidingsError(
            f"{RATES_FILE}:{line}: the day or the rate cannot be read",
            what_to_do="write 2027-03-02 and 1.0842",
        ) from error
    if not rate.is_finite() or rate <= 0:
        raise TidingsError(f"{RATES_FILE}:{line}: a rate is more than 0", what_to_do="write it as 1.0842")
    return (cells["from"], cells["to"]), since, rate
