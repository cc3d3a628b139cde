"""`recommendations` of config/workspace.yaml: read with its defaults, or refused where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import small_workspace
from tidings.definitions.kinds.recommending import Recommendations, in_days
from tidings.definitions.loader import load
from tidings.definitions.values import Duration, Unit
from tidings.errors import DefinitionErrors

WORKSPACE = "workspace: Shop\nid: shop\nzone: Europe/Stockholm\nsalt: shop-2027-test\ncurrency: EUR\n"


def written(tmp_path: Path, text: str) -> Path:
    """Return a workspace with these recommendations."""
    return small_workspace(tmp_path, {"config/workspace.yaml": WORKSPACE + text})


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Recommendations()),
        ("recommendations: {show: 2}", Recommendations(show=2)),
        (
            "recommendations:\n  learnt_from: 6 months\n  at_least: 5\n  not_again_within: 60 days\n  best_sellers_of: 2 weeks\n",
            Recommendations(4, Duration(6, Unit.MONTH), 5, Duration(60, Unit.DAY), Duration(2, Unit.WEEK)),
        ),
    ],
)
def test_it_is_read(tmp_path: Path, text: str, meant: Recommendations) -> None:
    assert load(written(tmp_path, text)).workspace.recommendations == meant


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("recommendations: {show: 0}", "VAL03"),
        ("recommendations: {show: 50}", "VAL03"),
        ("recommendations: {at_least: 1}", "VAL03"),
        ("recommendations: {not_again_within: 3 hours}", "PHR02"),
        ("recommendations: {learnt: 1 year}", "KEY01"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(DefinitionErrors) as refused:
        load(written(tmp_path, text))
    (problem,) = refused.value.problems
    assert (problem.code, problem.at.line) == (code, 6)


def test_lengths_of_time_are_days() -> None:
    assert [in_days(Duration(2, unit)) for unit in (Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR)] == [
        2,
        14,
        60,
        730,
    ]
