"""Tests that were run elsewhere: the same figures as scipy on the raw values, on both databases."""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from support.measured import AFTERWARDS, Enrolled, definitions_with, enrol, outcomes
from tidings.customers.importing import import_file
from tidings.definitions.kinds.importing import Column, ExperimentImport
from tidings.measurement.report import Report, make_report
from tidings.statistics.cuped import adjust
from tidings.statistics.sums import Moments
from tidings.store.database import Store


def imported(store: Store, arms: list[str], values: dict[str, tuple[str, list[float], str | None]]) -> Report:
    """Store a test as the import does (holdout, or treated with a variant; money in minor units) and report it."""
    enrolled = [
        Enrolled(number, "holdout", None) if arm == "holdout" else Enrolled(number, "treated", arm)
        for number, arm in enumerate(arms, start=1)
    ]
    enrol(store, enrolled, campaign="trial", kind="experiment")
    outcomes(
        store,
        [
            (number, metric, phase, value * (100 if currency else 1), currency)
            for metric, (phase, column, currency) in values.items()
            for number, value in enumerate(column, start=1)
        ],
    )
    return make_report(store, definitions_with(None), "trial", as_of=AFTERWARDS)


def test_effects_and_adjustment_are_those_of_the_raw_values(store: Store) -> None:
    random = np.random.default_rng(5)
    n = 900
    arms = random.choice(["holdout", "mens", "womens"], n).tolist()
    history = random.gamma(2, 50, n).round(2)
    recency = random.integers(1, 12, n).astype(float)
    spend = ((random.random(n) < 0.3) * (history / 4 + random.gamma(2, 10, n))).round(2)
    report = imported(
        store,
        arms,
        {
            "spend": ("after", spend.tolist(), "USD"),
            "history": ("before", history.tolist(), None),
            "recency": ("before", recency.tolist(), None),
        },
    )
    effects = {(one.arm, one.against): one for one in report.effects}
    assert set(effects) == {
        ("treated", "holdout"),
        ("mens", "holdout"),
        ("womens", "holdout"),
        ("mens", "womens"),
    }
    chosen = np.array(arms)
    rows = np.column_stack([spend, history, recency])
    for (arm, against), effect in effects.items():
        mine = chosen != "holdout" if arm == "treated" else chosen == arm
        theirs = stats.ttest_ind(spend[mine], spend[chosen == against], equal_var=False)
        assert effect.difference.estimate == pytest.approx(
            spend[mine].mean() - spend[chosen == against].mean(), rel=1e-9
        )
        assert effect.difference.p == pytest.approx(theirs.pvalue, rel=1e-9)
        expected = adjust(Moments.of(rows[mine]), Moments.of(rows[chosen == against]))
        assert expected is not None
        assert effect.adjusted is not None
        assert effect.adjusted.covariates == ("history", "recency")
        assert effect.adjusted.reduction == pytest.approx(expected.reduction, rel=1e-6)
        assert effect.adjusted.difference.estimate == pytest.approx(
            expected.treated.value - expected.control.value, rel=1e-6
        )
        assert effect.metric.currency == "USD"


def test_a_metric_of_zeros_and_ones_is_a_share_and_others_are_not(store: Store) -> None:
    arms = ["holdout", "a"] * 30
    report = imported(
        store,
        arms,
        {
            "visit": ("after", [0.0, 1.0] * 15 + [1.0, 0.0] * 15, None),
            "halves": ("after", [0.5, 0.0] * 30, None),
            "pages": ("after", [3.0, 4.0] * 30, None),
        },
    )
    assert {one.metric.name: one.metric.unit for one in report.effects} == {
        "visit": "share",
        "halves": "number",
        "pages": "number",
    }


def test_customers_without_a_value_are_counted_as_zero_and_named(store: Store) -> None:
    report = imported(store, ["holdout", "a"] * 20, {"visit": ("after", [1.0] * 30, None)})
    assert "10 customers have no value for visit and count as 0." in report.notes
    assert report.effects[0].mean == pytest.approx(15 / 20)


def test_a_test_with_mixed_currencies_leaves_the_metric_out(store: Store) -> None:
    enrol(
        store,
        [Enrolled(1, "holdout", None), Enrolled(2, "treated", "a")],
        campaign="trial",
        kind="experiment",
    )
    outcomes(store, [(1, "spend", "after", 100.0, "EUR"), (2, "spend", "after", 100.0, "SEK")])
    report = make_report(store, definitions_with(None), "trial", as_of=AFTERWARDS)
    assert report.effects == ()
    assert any("not added up" in note for note in report.notes)


def test_unequal_arms_without_a_plan_are_questioned_not_condemned(store: Store) -> None:
    report = imported(store, ["holdout"] * 100 + ["a"] * 300, {"visit": ("after", [0.0, 1.0] * 200, None)})
    assert report.ratio.alarm
    assert report.ratio_assumed
    assert "if not, this is in order" in report.warnings[0]


@pytest.fixture(scope="session")
def hillstrom() -> Path:
    """The real test of 2008: 64,000 customers, two mailings and nobody-gets-mail, drawn in thirds."""
    folder = os.environ.get("TIDINGS_REFERENCE_DATA")
    if not folder:
        pytest.skip("TIDINGS_REFERENCE_DATA does not name a folder with hillstrom_email.csv.gz")
    return Path(folder) / "hillstrom_email.csv.gz"


ARMS = {"Mens E-Mail": "mens", "Womens E-Mail": "womens", "No E-Mail": "holdout"}
MAPPING = ExperimentImport(
    id="hillstrom",
    title="E-mail test of 2008",
    path="config/imports/hillstrom.yaml",
    campaign="hillstrom",
    customer=Column("customer_id"),
    arm=Column("segment", values=tuple(ARMS.items())),
    outcomes=(
        ("visit", Column("visit")),
        ("conversion", Column("conversion")),
        ("spend", Column("spend", money="USD")),
    ),
    before=(
        ("recency", Column("recency")),
        ("history", Column("history", money="USD")),
        ("mens_before", Column("mens")),
        ("womens_before", Column("womens")),
    ),
)


@pytest.mark.public
def test_the_six_lifts_of_hillstrom_are_those_of_scipy(store: Store, hillstrom: Path, tmp_path: Path) -> None:
    with gzip.open(hillstrom, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    arms = np.array([ARMS[row["segment"]] for row in rows])
    columns = {
        name: np.array([float(row[name]) for row in rows]) for name in ("visit", "conversion", "spend")
    }
    definitions = replace(definitions_with(None), imports={"hillstrom": MAPPING})
    import_file(store, definitions, MAPPING, hillstrom, data_dir=tmp_path)
    report = make_report(store, definitions, "hillstrom", as_of=AFTERWARDS)
    assert report.title == "E-mail test of 2008"
    assert list(dict.fromkeys(one.metric.name for one in report.effects)) == ["visit", "conversion", "spend"]
    assert [(arm.name, arm.customers) for arm in report.arms] == [
        ("holdout", 21_306),
        ("mens", 21_307),
        ("womens", 21_387),
    ]
    assert not report.ratio.alarm
    found = {
        (one["metric"], one["arm"]): one for one in report.as_json()["effects"] if one["against"] == "holdout"
    }
    for metric, values in columns.items():
        for arm in ("mens", "womens"):
            theirs = stats.ttest_ind(values[arms == arm], values[arms == "holdout"], equal_var=False)
            bounds = theirs.confidence_interval(0.95)
            effect = found[metric, arm]
            difference = values[arms == arm].mean() - values[arms == "holdout"].mean()
            assert effect["estimate"] == pytest.approx(difference, abs=1e-9, rel=1e-9)
            assert effect["interval"] == pytest.approx([bounds.low, bounds.high], abs=1e-9, rel=1e-9)
            assert effect["p"] == pytest.approx(theirs.pvalue, rel=1e-8, abs=0)
            assert effect["relative"] == pytest.approx(
                difference / values[arms == "holdout"].mean(), rel=1e-9
            )
            assert effect["relative_interval"][0] > 0
            assert effect["adjusted"]["reduction"] > 0
