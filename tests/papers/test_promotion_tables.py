"""What a promotion earned leaves for spreadsheets and notebooks with the figures that the report shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook

from support.measured import ANCHOR
from support.promoted import AFTER_ALL, PROMOTION, Planted, plant, promoted
from tidings.definitions.kinds.campaign import Holdout
from tidings.definitions.values import Share
from tidings.measurement.redemptions import refresh
from tidings.measurement.report import make_report
from tidings.papers.tables.asking import Questions
from tidings.papers.tables.csv_file import CsvForm, csv_bytes
from tidings.papers.tables.frame import frame
from tidings.papers.tables.of_promotion import NAMES
from tidings.papers.tables.table import Table
from tidings.papers.tables.xlsx_file import xlsx_bytes
from tidings.store.database import Store


def rows_of(table: Table) -> list[dict[str, Any]]:
    names = [one.name for one in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


@pytest.fixture
def sqlite_store(make_store: Callable[..., Store]) -> Store:
    """One database is enough: the report itself is tested on both."""
    return make_store("sqlite")


@pytest.fixture
def tables(sqlite_store: Store) -> tuple[dict[str, Table], dict[str, Any]]:
    """The tables of a promotion whose truth was planted, and what `tidings report --json` says of it."""
    plant(sqlite_store, 400, 100, Planted(anyway=0.10, because=0.05))
    refresh(sqlite_store, promoted(), now=AFTER_ALL)
    told = make_report(sqlite_store, promoted(), "spring", as_of=AFTER_ALL).as_json()["economics"]
    found = Questions(sqlite_store, promoted(), AFTER_ALL).report("spring")
    return {one.name: one for one in found}, told


def test_what_each_arm_earned_is_a_row_with_the_figures_of_the_report(tables: Any) -> None:
    found, told = tables
    (row,), (one,) = rows_of(found["earned"]), told["earned"]
    assert (row["arm"], row["customers"], row["currency"]) == ("treated", 400, "EUR")
    for name in ("orders", "revenue", "margin"):
        assert row[name] == one[name]["incremental"]
        assert [row[f"{name}_low"], row[f"{name}_high"]] == one[name]["interval"]
        assert (row[f"{name}_per_customer"], row[f"{name}_holdout"]) == (one[name]["treated"], one[name]["holdout"])  # fmt: skip
    assert row["cost"] == one["cost"] == 400.0
    assert row["profit"] == one["profit"]["total"] == pytest.approx(row["margin"] - row["cost"])
    assert [row["profit_low"], row["profit_high"]] == one["profit"]["interval"]
    assert row["return_on_cost"] == one["return_on_cost"]["estimate"]
    assert row["doubtful"] is False


def test_single_figures_are_those_of_the_report(tables: Any) -> None:
    found, told = tables
    figures = {(row["figure"], row["of"]): row for row in rows_of(found["promotion"])}
    anyway, even, back = told["bought_anyway"], told["break_even"], told["payback"]
    assert figures["cost", "all"]["value"] == told["costs"]["total"]
    assert figures["cost", "artwork"]["value"] == told["costs"]["declared"]["artwork"]
    for who, count in told["redemptions"]["by"].items():
        assert figures["redemptions", who]["value"] == count
        assert figures["discount", who]["value"] == told["redemptions"]["discount"][who]
    shared = figures["redeemers_anyway", None]
    assert (shared["value"], shared["at_most"]) == (
        anyway["of_redeemers"]["low"],
        anyway["of_redeemers"]["high"]
        if anyway["of_redeemers"]["high"] != anyway["of_redeemers"]["low"]
        else None,
    )
    assert [shared["low"], shared["high"]] == anyway["of_redeemers"]["interval"]
    assert figures["response_break_even", None]["value"] == even["needed_response"]
    assert figures["response", None]["value"] == even["response"]
    day = figures["paid_back_on", None]["day"]
    assert (day.isoformat() if day else None) == back["paid_back_on"]
    assert figures["margin_so_far", None]["value"] == back["margin_so_far"]


def test_weeks_after_days_and_plan_have_a_row_each(tables: Any) -> None:
    found, told = tables
    assert [row["days"] for row in rows_of(found["pulled"])] == [14, 28, 56]
    for row, one in zip(rows_of(found["pulled"]), told["pull_forward"], strict=True):
        assert row["orders"] == one["orders"]["incremental"]
        assert row["net_money"] == one["net_money"]["incremental"]
        assert row["moved"] is one["moved"]
    days = rows_of(found["payback"])
    assert [row["day"].isoformat() for row in days] == [one["day"] for one in told["payback"]["days"]]
    assert days[-1]["margin"] == told["payback"]["margin_so_far"]
    assert [row["metric"] for row in rows_of(found["plan"])] == [one["metric"] for one in told["plan"]]
    assert set(told["notes"]) | set(told["words"]) <= set(found["earned"].words)


def test_every_table_becomes_a_frame_a_csv_and_a_sheet_whose_columns_are_told(tables: Any) -> None:
    found, _ = tables
    made = [found[name] for name in NAMES]
    book = load_workbook(io.BytesIO(xlsx_bytes(made, zone=ZoneInfo("UTC"), made_at=ANCHOR)))
    assert book.sheetnames == [*NAMES, "about"]
    told = {(row[0].value, row[1].value): row[2].value for row in book["about"].iter_rows(min_row=2)}
    for table in made:
        assert all(told[table.name, column.name] for column in table.columns)
        shown = frame(table)
        assert len(shown) == len(table.rows) == book[table.name].max_row - 1
        text = csv_bytes(table, CsvForm.of("ru")).decode("utf-8-sig")
        assert "nan" not in text.lower().replace("finance", "")
        assert len(list(csv.DictReader(io.StringIO(text), delimiter=";"))) == len(table.rows)
    assert book["earned"]["B2"].value == 400


def test_without_a_holdout_figures_are_empty_and_the_reason_stands_there(sqlite_store: Store) -> None:
    definitions = promoted(replace(PROMOTION, holdout=Holdout(Share(0))))
    plant(sqlite_store, 60, 0, Planted(anyway=0.2, because=0.0))
    refresh(sqlite_store, definitions, now=AFTER_ALL)
    found = {one.name: one for one in Questions(sqlite_store, definitions, AFTER_ALL).report("spring")}
    assert rows_of(found["earned"]) == []
    assert any("held out" in words for words in found["earned"].words)
    (shared,) = [row for row in rows_of(found["promotion"]) if row["figure"] == "buyers_anyway"]
    assert shared["value"] is None and "nobody was held out" in shared["reason"]
    for row in rows_of(found["pulled"]):
        assert row["known"] is False and row["orders"] is None and row["moved"] is None


def test_a_run_that_has_not_begun_has_the_same_tables_without_rows(sqlite_store: Store) -> None:
    definitions = promoted()
    plant(sqlite_store, 10, 5, Planted(anyway=0.2, because=0.0))
    early = ANCHOR - timedelta(days=3)
    for name, table in zip(NAMES, Questions(sqlite_store, definitions, early).report("spring")[3:], strict=True):  # fmt: skip
        assert table.name == name and not table.rows
        assert "has not begun" in table.words[0]
        assert list(frame(table).columns) == [one.name for one in table.columns]
