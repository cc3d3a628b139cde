"""Results leave for spreadsheets and notebooks as what they are: numbers as numbers, text never as a formula."""

from __future__ import annotations

import csv
import io
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from openpyxl import load_workbook

from support.measured import AFTERWARDS, run_seeded
from tidings.errors import TidingsError, UsageError
from tidings.measurement.report import make_report
from tidings.papers.tables.asking import Questions
from tidings.papers.tables.csv_file import CsvForm, csv_bytes
from tidings.papers.tables.frame import frame
from tidings.papers.tables.table import Cell, Column, Table
from tidings.papers.tables.xlsx_file import sheet_name, xlsx_bytes
from tidings.store.database import Store

AT = datetime(2027, 3, 20, 9, 30, tzinfo=UTC)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
COLUMNS = (
    Column("who", "text", "whoever it is"),
    Column("n", "whole", "how many"),
    Column("x", "number", "a number"),
    Column("money", "money", "an amount"),
    Column("yes", "flag", "whether"),
    Column("at", "instant", "when"),
    Column("day", "day", "which day"),
)
ROWS: list[tuple[Cell, ...]] = [
    ('東; Весна, "q"\nnext', 12, -1.5, Decimal("1234.50"), True, AT, date(2027, 3, 20)),
    (None, None, None, None, None, None, None),
]
FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u00a0=1+1", "\ufeff=1+1",
    "\uff1d1+1", "\u200b@x", '=HYPERLINK("http://evil.example","x")', "-cmd|' /C calc'!A0",
]  # fmt: skip


def cells_of(content: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def table(*texts: str) -> Table:
    return Table("t", (Column("a", "text", ""), Column("b", "whole", "")), [(text, -5) for text in texts])


def test_csv_keeps_numbers_bare_and_texts_in_quotes() -> None:
    content = csv_bytes(Table("t", COLUMNS, ROWS)).decode()
    head, first, *_ = cells_of(content.encode())
    assert head == [column.name for column in COLUMNS]
    assert first == [
        '東; Весна, "q"\nnext',
        "12",
        "-1.5",
        "1234.50",
        "TRUE",
        "2027-03-20T09:30:00Z",
        "2027-03-20",
    ]
    assert content.endswith("\r\n,,,,,,\r\n")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_of_a_csv_begins_a_formula_and_negative_numbers_stay_numbers(text: str) -> None:
    for form in (CsvForm(), CsvForm.of("ru"), CsvForm.of("en", "\t")):
        _, (cell, number) = cells_of(csv_bytes(table(text), form), form.delimiter)
        assert cell == "'" + text
        assert number == "-5"


@pytest.mark.parametrize("text", ["a=1", "5 % off", "O'Brien", "e-mail", "", "2+2"])
def test_harmless_texts_are_left_alone(text: str) -> None:
    _, (cell, _) = cells_of(csv_bytes(table(text)))
    assert cell == text


def test_a_cell_cannot_be_cut_into_a_formula_by_another_delimiter() -> None:
    # A spreadsheet that expects semicolons splits where no quotation mark protects.
    content = csv_bytes(table("a;=1+1")).decode()
    assert '"a;=1+1"' in content
    assert cells_of(content.encode(), ";")[1][0].startswith("a;=1+1")


def test_russian_spreadsheets_get_semicolons_decimal_commas_and_a_mark() -> None:
    content = csv_bytes(Table("t", COLUMNS, ROWS), CsvForm.of("ru-RU"))
    assert content.startswith(b"\xef\xbb\xbf")
    assert cells_of(content, ";")[1][1:4] == ["12", "-1,5", "1234,50"]
    assert not csv_bytes(Table("t", COLUMNS, ROWS), CsvForm.of("ru", bom=False)).startswith(b"\xef\xbb\xbf")
    assert csv_bytes(Table("t", COLUMNS, ROWS), CsvForm.of("en", bom=True)).startswith(b"\xef\xbb\xbf")
    with pytest.raises(UsageError, match="same comma"):
        CsvForm.of("ru", ",")


def test_a_workbook_keeps_types_and_is_made_to_be_read() -> None:
    content = xlsx_bytes([Table("mine", COLUMNS, ROWS, ("read this",))], zone=STOCKHOLM, made_at=AT)
    book = load_workbook(io.BytesIO(content))
    sheet = book["mine"]
    assert [cell.value for cell in sheet[2]] == [
        ROWS[0][0], 12, -1.5, 1234.5, True, datetime(2027, 3, 20, 10, 30), datetime(2027, 3, 20),
    ]  # fmt: skip
    assert [cell.value for cell in sheet[3]] == [None] * 7
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.bold
    assert sheet.auto_filter.ref == "A1:G3"
    assert sheet["D2"].number_format == "#,##0.00"
    assert sheet.column_dimensions["F"].width > 18
    said = [cell.value for cell in book["about"]["C"]]
    assert {"whoever it is", "read this", "Instants are on the clock of Europe/Stockholm."} <= set(said)


def test_no_text_of_a_workbook_is_a_formula_or_an_error() -> None:
    texts = [*FORMULAS, "#N/A", "#REF!", "bell \x07 and \ud800", "x" * 40_000]
    book = load_workbook(io.BytesIO(xlsx_bytes([table(*texts)], zone=STOCKHOLM, made_at=AT)))
    rows = list(book["t"].iter_rows(min_row=2))
    assert {row[0].data_type for row in rows} == {"s"}
    assert [row[0].number_format for row in rows] == ["@"] * len(texts)
    assert rows[0][0].value == "=1+1"
    assert rows[0][1].value == -5
    assert len(rows[-1][0].value) == 32_767


def test_a_workbook_says_when_a_table_is_too_long_for_a_sheet() -> None:
    long = Table("t", (Column("a", "whole", ""),), [(1,)] * 1_048_576)
    with pytest.raises(UsageError, match="a sheet of Excel holds 1,048,575"):
        xlsx_bytes([long], zone=STOCKHOLM, made_at=AT)
    assert sheet_name("a/b:[c]" + "x" * 40) == "a-b--c-" + "x" * 24


def test_a_frame_has_types_that_know_what_is_not_known() -> None:
    found = frame(Table("t", COLUMNS, ROWS, ("read this",)))
    types = {name: str(kind) for name, kind in found.dtypes.items()}
    assert types["n"] == "Int64" and types["money"] == "Float64" and types["yes"] == "boolean"
    assert str(found["at"].dt.tz) == "UTC"
    assert found["at"][0] == pd.Timestamp(AT)
    assert found["n"].sum() == 12
    assert found.iloc[1].isna().all()
    assert found.attrs == {"words": ["read this"], "columns": {one.name: one.says for one in COLUMNS}}
    assert list(frame(Table("t", COLUMNS, [])).columns) == [one.name for one in COLUMNS]


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(TidingsError, match="need pandas") as raised:
        frame(Table("t", COLUMNS, ROWS))
    assert "tidings[notebook]" in (raised.value.what_to_do or "")


def test_the_tables_of_a_report_say_what_the_report_says(store: Store) -> None:
    _, definitions = run_seeded(store, n=500)
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    effects, funnel, refusals, *_ = Questions(store, definitions, AFTERWARDS).report("spring")
    named = [dict(zip((one.name for one in effects.columns), row, strict=True)) for row in effects.rows]
    assert len(named) == len(report.effects) > 2
    for row, effect in zip(named, report.effects, strict=True):
        assert row["estimate"] == effect.difference.estimate
        assert (row["low"], row["high"]) == effect.difference.interval
        assert row["total"] == (effect.total[0] if effect.total else None)
    assert [row[0] for row in funnel.rows] == [row.arm for row in report.funnel]
    assert len(refusals.rows) == len(report.refusals)
    assert set(report.notes) <= set(effects.words)
    for one in (effects, funnel, refusals):
        assert len(frame(one)) == len(one.rows)
        csv_bytes(one)
    xlsx_bytes([effects, funnel, refusals], zone=STOCKHOLM, made_at=AT)


@pytest.mark.parametrize(
    ("locale", "form"),
    [
        ("hu", CsvForm(";", ",")),
        ("tr_TR", CsvForm(";", ",")),
        ("el", CsvForm(";", ",", bom=True)),
        ("de-AT", CsvForm(";", ",")),
        ("de-CH", CsvForm(",", ".")),
        ("es-MX", CsvForm(",", ".")),
        ("zh-TW", CsvForm(",", ".", bom=True)),
        ("en-GB", CsvForm(",", ".")),
    ],
)
def test_a_csv_is_written_as_spreadsheets_of_the_country_open_it(locale: str, form: CsvForm) -> None:
    assert CsvForm.of(locale) == form
