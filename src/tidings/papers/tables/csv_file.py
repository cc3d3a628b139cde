"""A table as CSV that a spreadsheet opens as it was meant: no text becomes a formula, no number becomes a text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tidings.clock import iso
from tidings.errors import UsageError
from tidings.papers.tables.table import Cell, Table

# What spreadsheets take for the beginning of a formula, also in the full-width forms that some fold
# (OWASP, "CSV Injection"): these get an apostrophe before them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Signs that a spreadsheet drops before it looks for a formula.
_SKIPPED = " \u00a0\u200b\u200e\u200f\u2060\ufeff\x00"
DELIMITERS = (",", ";", "\t")
_DECIMAL_COMMA = frozenset(
    "be bg bs ca cs da de el es et fi fr gl hr hu is it kk lt lv mk nb nl nn no pl pt ro ru sk sl sq sr sv tr uk vi".split()
)
# Where a language writes a comma and a country a point all the same.
_DECIMAL_POINT = (
    "de-ch",
    "de-li",
    "es-do",
    "es-gt",
    "es-hn",
    "es-mx",
    "es-ni",
    "es-pa",
    "es-pe",
    "es-pr",
    "es-sv",
    "es-us",
    "it-ch",
)
# What is written in other letters than Latin ones.
_MARKED = ("be", "bg", "el", "ja", "kk", "ko", "mk", "ru", "sr", "uk", "zh")


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How a CSV is written: what stands between cells, the sign before decimals, whether a byte order mark leads."""

    delimiter: str = ","
    decimal: str = "."
    bom: bool = False

    def __post_init__(self) -> None:
        if self.delimiter == self.decimal:
            raise UsageError(
                "the same comma cannot stand between cells and before decimals",
                what_to_do="write --delimiter ';'",
            )

    @classmethod
    def of(cls, locale: str, delimiter: str | None = None, *, bom: bool | None = None) -> CsvForm:
        """Return what spreadsheets of a language open by a double click: ru writes 1,5 and puts ; between cells.

        A mark leads by itself where other signs than Latin ones would be read wrong without it (ru, el, zh).
        """
        name = locale.lower().replace("_", "-")
        language = name.split("-", maxsplit=1)[0]
        comma = language in _DECIMAL_COMMA and name not in _DECIMAL_POINT
        return cls(
            delimiter or (";" if comma else ","),
            "," if comma else ".",
            language in _MARKED if bom is None else bom,
        )


def csv_bytes(table: Table, form: CsvForm | None = None) -> bytes:
    """Return the file in UTF-8, lines ending in CR LF (RFC 4180); numbers are bare and texts in quotation marks."""
    form = form or CsvForm()
    lines = [form.delimiter.join(_quoted(column.name) for column in table.columns)]
    lines += [form.delimiter.join(_cell(cell, form) for cell in row) for row in table.rows]
    text = "".join(f"{line}\r\n" for line in lines)
    return text.encode("utf-8-sig" if form.bom else "utf-8", errors="replace")


def _cell(cell: Cell, form: CsvForm) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "TRUE" if cell else "FALSE"
        case int():
            return str(cell)
        case float():
            return repr(cell).replace(".", form.decimal)
        case Decimal():
            return f"{cell:f}".replace(".", form.decimal)
        case datetime():
            return iso(cell)
        case date():
            return cell.isoformat()
        case _:
            return _quoted(harmless(cell))


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe leads where it would be one."""
    return (
        f"'{text}"
        if text.lstrip(_SKIPPED).startswith(_FORMULA) or text.startswith(("\t", "\r", "\n"))
        else text
    )


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
