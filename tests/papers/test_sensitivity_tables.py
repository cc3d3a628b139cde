"""What the credit hangs on leaves as tables: the figures of the panel, in files and frames, read only where asked for."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from openpyxl import load_workbook

from support.credited import BEGIN, Order, Touch, fill, workspace
from tidings.definitions.kinds.measuring import MODELS
from tidings.errors import UsageError
from tidings.measurement.attribution.asking import ask, period_of
from tidings.measurement.attribution.sensitivity import sensitivity
from tidings.papers.tables.asking import Questions
from tidings.papers.tables.csv_file import csv_bytes
from tidings.papers.tables.frame import frame
from tidings.papers.tables.xlsx_file import xlsx_bytes

DAY = timedelta(days=1)
NOW = BEGIN + 20 * DAY
DAYS = ("2027-01-01", "2027-01-31")


@pytest.fixture
def questions(make_store) -> Questions:
    store, at = make_store("sqlite"), NOW - 5 * DAY
    fill(
        store,
        [
            *(Touch(n, "search", "visited", at - 3 * DAY, "=1+1") for n in range(1, 9)),
            *(Touch(n, "email", "clicked", at - DAY, "spring", 1) for n in range(1, 5)),
            *(Touch(n, "email", "clicked", at - 12 * DAY, "winter", 1) for n in range(20, 26)),
        ],
        [Order(n, at) for n in [*range(1, 9), *range(20, 23), 90]],
    )
    return Questions(store, workspace(), NOW)


def test_the_tables_are_the_panel(questions: Questions) -> None:
    tables = {one.name: one for one in questions.attribute(*DAYS, by="campaign")}
    assert list(tables) == ["credit", "lines", "effect", "sensitivity", "stability"]
    period = period_of(*DAYS, questions.definitions, NOW.date())
    asked = ask(questions.store, questions.definitions, period, stretch=2.0)
    panel = sensitivity(asked, "campaign")
    shares = frame(tables["sensitivity"])
    for one in panel.choices:
        mine = shares[(shares["model"] == one.model) & (shares["windows"] == one.windows)]
        assert list(mine["label"]) == list(one.ranking)
        assert list(mine["place"]) == list(range(1, len(one.ranking) + 1))
        assert dict(zip(mine["label"], mine["share"], strict=True)) == one.shares
        assert mine["share"].sum() == pytest.approx(1.0)
    *orders, last = tables["stability"].rows
    assert [row[:2] for row in orders] == [
        (model, windows) for model in MODELS for windows in ("half", "as set", "double")
    ]
    assert [row[2:4] for row in orders] == [(one.attributed, one.tau) for one in panel.choices]
    assert last == (
        "all",
        "all",
        None,
        None,
        panel.stability.pairs,
        panel.stability.pairs - panel.stability.kept,
    )
    assert max(row[5] for row in orders) <= last[5] <= last[4] == 3
    assert frame(tables["stability"]).attrs["words"] == list(panel.words)


def test_no_label_of_them_is_a_formula_in_a_file(questions: Questions) -> None:
    tables = questions.attribute(*DAYS, by="campaign", table="sensitivity")
    assert [one.name for one in tables] == ["sensitivity", "stability"]
    rows = list(csv.DictReader(io.StringIO(csv_bytes(tables[0]).decode())))
    labels = {row["label"] for row in rows}
    assert any("1+1" in label for label in labels)
    assert not any(label.startswith("=") for label in labels)
    book = load_workbook(io.BytesIO(xlsx_bytes(tables, zone=questions.zone, made_at=NOW)))
    cells = [cell for row in book["sensitivity"].iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert {cell.value for cell in book["about"]["A"]} >= {"sensitivity", "stability"}


def test_the_panel_is_read_only_where_it_is_asked_for(questions: Questions, monkeypatch) -> None:
    monkeypatch.setattr("tidings.measurement.attribution.sensitivity.sensitivity", None)
    assert [one.name for one in questions.attribute(*DAYS, table="credit")] == ["credit", "lines"]
    assert [one.name for one in questions.attribute(*DAYS, table="effect")] == ["credit", "lines", "effect"]


def test_a_table_that_there_is_not_names_all_that_there_are(questions: Questions) -> None:
    with pytest.raises(UsageError) as refused:
        questions.attribute(*DAYS, by="sales channel", table="effect")
    assert refused.value.what_to_do == "tables are: credit, lines, sensitivity, stability"
    events = questions.definitions.events
    silent = replace(events, events=tuple(replace(one, properties=()) for one in events.events))
    mute = replace(questions, definitions=replace(questions.definitions, events=silent))
    with pytest.raises(UsageError, match="through which sales channel"):
        mute.attribute(*DAYS, by="sales channel", table="stability")


def test_a_time_without_conversions_has_a_sentence_and_no_shares(questions: Questions) -> None:
    shares, orders = questions.attribute("2026-01-01", "2026-02-01", table="stability")
    assert not shares.rows
    assert all(row[2:] in ((0, None, 0, 0), (None, None, 0, 0)) for row in orders.rows)
    assert any("nothing hangs on the model" in words for words in orders.words)
