"""A table: columns that know what they hold, and rows. Spreadsheets and notebooks are filled from the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

# What a column holds: whole numbers, numbers, shares of 1, amounts in major units, instants (aware, UTC), days.
Kind = Literal["text", "whole", "number", "share", "money", "flag", "instant", "day"]
Cell = str | int | float | Decimal | bool | datetime | date | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `name` is the stable key, `says` what stands in it."""

    name: str
    kind: Kind
    says: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a result. None in a cell is what is not known; `words` must be known to read the figures."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    words: tuple[str, ...] = ()


def ends(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    """Return the two ends of an interval, None for both where there is none."""
    return (None, None) if interval is None else interval
