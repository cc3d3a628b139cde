"""The e-mail test of 2008 (64,000 customers, three arms), imported and reported, against scipy on the raw file."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reference_data.command_line import CommandLine

pytestmark = pytest.mark.public

MAPPING = """\
import: Hillstrom e-mail test        # a test run elsewhere
kind: experiment
campaign: hillstrom                  # `tidings report hillstrom` answers under this name
customer: customer_id
arm: {column: segment, values: {Mens E-Mail: mens, Womens E-Mail: womens, No E-Mail: holdout}}
outcomes:
  visit: visit
  conversion: conversion
  spend: {column: spend, money: USD}
before: [history]                    # measured before the test; adjusts, never filters
"""
ARMS = {"Mens E-Mail": "mens", "Womens E-Mail": "womens", "No E-Mail": "holdout"}
SIZES = {"holdout": 21_306, "mens": 21_307, "womens": 21_387}
METRICS = ("visit", "conversion", "spend")
EXACTLY: dict[str, Any] = {"rel": 1e-9, "abs": 1e-9}


def raw(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Read the file without tidings: arm, column, values."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        arm: {
            column: np.array([float(row[column]) for row in rows if row["segment"] == name])
            for column in (*METRICS, "history")
        }
        for name, arm in ARMS.items()
    }


def test_hillstrom_by_the_command_line_is_what_scipy_says(
    dialect: str, data: Callable[[str], Path], command_line: Callable[..., CommandLine]
) -> None:
    path = data("hillstrom_email.csv.gz")
    tidings = command_line(dialect, config__imports__hillstrom=MAPPING)
    assert tidings("check") == 0, tidings.out + tidings.err
    came = tidings.data("import", path, "--as", "hillstrom", "--json")
    assert (came["rows"], came["created"], came["rejected"], came["skipped"]) == (64_000, 64_000, 0, 0)
    assert came["details"] == {"enrolled": 64_000}
    report = tidings.data("report", "hillstrom", "--json")
    values = raw(path)

    assert report["campaign"] == "hillstrom"
    assert {one["arm"]: one["customers"] for one in report["arms"]} == SIZES
    assert (report["refusals"], report["warnings"]) == ([], [])
    # We sent nothing ourselves; the first outcome is what counts as converted.
    assert {row["arm"]: (row["messages"], row["converted"]) for row in report["funnel"]} == {
        arm: (0, values[arm]["visit"].sum()) for arm in SIZES
    }
    ratio = stats.chisquare(list(SIZES.values())).pvalue
    assert report["sample_ratio"]["p"] == pytest.approx(ratio, **EXACTLY)

    effects = {(one["metric"], one["arm"], one["against"]): one for one in report["effects"]}
    for metric, arm in product(METRICS, ("mens", "womens")):
        effect = effects[metric, arm, "holdout"]
        unadjusted_as_scipy_says(effect, values[arm][metric], values["holdout"][metric])
        adjusted_as_a_regression_says(effect["adjusted"], values[arm], values["holdout"], metric)

    assert tidings("report", "hillstrom") == 0
    assert tidings.out.startswith("Hillstrom e-mail test (hillstrom)")
    nothing_changes_when_imported_again(tidings, path, report)


def unadjusted_as_scipy_says(effect: dict[str, Any], treated: np.ndarray, held_out: np.ndarray) -> None:
    """The lift, its interval and p are those of Welch's test on the raw values: `before` has not touched them."""
    welch = stats.ttest_ind(treated, held_out, equal_var=False)
    interval = welch.confidence_interval()
    difference = treated.mean() - held_out.mean()
    assert effect["estimate"] == pytest.approx(difference, **EXACTLY)
    assert effect["interval"] == pytest.approx([interval.low, interval.high], **EXACTLY)
    assert effect["p"] == pytest.approx(welch.pvalue, rel=1e-9, abs=0)
    assert effect["relative"] == pytest.approx(difference / held_out.mean(), **EXACTLY)
    low, high = effect["relative_interval"]
    assert 0 < low < effect["relative"] < high
    # Fieller's limits are the ratios that a test of treated − (1 + r) · held out does not reject.
    for limit in (low, high):
        against = stats.ttest_ind(treated, (1 + limit) * held_out, equal_var=False)
        assert against.pvalue == pytest.approx(0.05, rel=0.01)


def adjusted_as_a_regression_says(
    adjusted: dict[str, Any], treated: dict[str, np.ndarray], held_out: dict[str, np.ndarray], metric: str
) -> None:
    """The adjusted lift is the coefficient of the arm in a least-squares regression on arm and history."""
    y = np.concatenate([treated[metric], held_out[metric]])
    history = np.concatenate([treated["history"], held_out["history"]])
    arm = np.concatenate([np.ones(len(treated[metric])), np.zeros(len(held_out[metric]))])
    (_, lift, slope), *_ = np.linalg.lstsq(np.column_stack([np.ones_like(y), arm, history]), y, rcond=None)
    assert adjusted["covariates"] == ["history"]
    assert adjusted["estimate"] == pytest.approx(lift, **EXACTLY)
    left = [one[metric] - slope * one["history"] for one in (treated, held_out)]
    interval = stats.ttest_ind(*left, equal_var=False).confidence_interval()
    # One slope was fitted: one degree of freedom less for the variance that is left.
    reach = (interval.high - interval.low) / 2 * np.sqrt((len(y) - 2) / (len(y) - 3))
    assert adjusted["interval"] == pytest.approx([lift - reach, lift + reach], **EXACTLY)
    assert 0 < adjusted["reduction"] < 0.05


def nothing_changes_when_imported_again(tidings: CommandLine, path: Path, before: dict[str, Any]) -> None:
    assert tidings.data("import", path, "--as", "hillstrom", "--json")["already"]
    again = tidings.data("import", path, "--as", "hillstrom", "--again", "--json")
    assert (again["rows"], again["created"], again["updated"]) == (64_000, 0, 0)
    assert again["unchanged"] == 64_000
    after = tidings.data("report", "hillstrom", "--json")
    assert {**after, "as_of": None} == {**before, "as_of": None}
