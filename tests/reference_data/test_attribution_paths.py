"""Ten thousand real paths over twelve channels: totals, the rate of the chain, and each model by plain code."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.paths import Path as OnePath
from support.paths import naive, naive_chain
from tidings.cli.main import execute
from tidings.measurement.attribution.path_file import read_paths
from tidings.statistics.markov import chain
from tidings.statistics.shapley import marginal_values, subset_sums

pytestmark = pytest.mark.public

CONVERSIONS, NULLS, VALUE = 19_785, 68_602, 74_802.97


@pytest.fixture
def path(data: Callable[[str], Path]) -> Path:
    return data("attribution_paths.csv.gz")


def raw(path: Path) -> tuple[list[str], list[OnePath]]:
    """Read the file without tidings."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({step for row in rows for step in row["path"].split(" > ")})
    return names, [
        OnePath(
            tuple(names.index(step) for step in row["path"].split(" > ")),
            int(row["total_conversions"]),
            0,
            int(row["total_null"]),
            (),
        )
        for row in rows
    ]


def answered(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert execute(["attribute", "--paths", str(path), "--json", *more]) == 0
    plain: dict[str, Any] = json.loads(capsys.readouterr().out)
    return plain


def test_every_model_gives_all_conversions_and_every_cent(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = answered(path, capsys)
    assert set(plain["models"]) >= {"first", "last", "linear", "markov", "shapley"}
    assert plain["observed_rate"] == CONVERSIONS / (CONVERSIONS + NULLS)
    for model, credit in plain["models"].items():
        assert len(credit) == 12, model
        assert sum(credit.values()) == pytest.approx(CONVERSIONS, rel=1e-12), model
        cents = [round(value * 100) for value in plain["values"][model].values()]
        assert sum(cents) == round(VALUE * 100), model


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_chance_of_the_chain_is_the_observed_rate(path: Path, order: int) -> None:
    found = chain(read_paths(path), order)
    assert found.rate == pytest.approx(CONVERSIONS / (CONVERSIONS + NULLS), rel=1e-12)


def test_each_model_is_what_plain_code_says(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = answered(path, capsys)["models"]
    names, paths = raw(path)
    for model in ("first", "last", "linear", "position"):
        assert list(plain[model].values()) == pytest.approx(naive(paths, model, 12), rel=1e-9), model
    whole = naive_chain(paths, 1)
    effects = np.array([1 - naive_chain(paths, 1, channel) / whole for channel in range(12)])
    assert list(plain["markov"].values()) == pytest.approx(effects / effects.sum() * CONVERSIONS, rel=1e-9)
    exactly = np.zeros(1 << 12)
    for one in paths:
        exactly[sum(1 << channel for channel in set(one.steps))] += one.conversions
    assert list(plain["shapley"].values()) == pytest.approx(marginal_values(subset_sums(exactly)), rel=1e-9)
    assert list(plain["first"]) == names


def test_a_second_order_chain_is_what_a_dense_solve_says(path: Path) -> None:
    _, paths = raw(path)
    whole = naive_chain(paths, 2)
    effects = chain(read_paths(path), 2).effects
    # Alpha, the largest, and mi, the smallest.
    assert effects[0] == pytest.approx(1 - naive_chain(paths, 2, 0) / whole, rel=1e-9)
    assert effects[9] == pytest.approx(1 - naive_chain(paths, 2, 9) / whole, rel=1e-9)
