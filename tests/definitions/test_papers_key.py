"""`papers` of config/workspace.yaml: read, or refused where it stands."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from support.workspaces import WORKSPACE, problems_of, small_workspace
from tidings.definitions.kinds.rules import Papers
from tidings.definitions.kinds.timing import Rhythm
from tidings.definitions.loader import load

FILE = "config/workspace.yaml"


def with_papers(text: str) -> dict[str, str | bytes | None]:
    return {FILE: f"{WORKSPACE.rstrip()}\n{text}\n"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("papers: {every: week on Mon at 08:00}", Papers(Rhythm("week", time(8), weekdays=(0,)))),
        (
            "papers:\n  every: day at 07:30\n  to: anna@shop.example",
            Papers(Rhythm("day", time(7, 30)), ("anna@shop.example",)),
        ),
        (
            "papers:\n  every: month on the 1st at 09:00\n  to: [anna@shop.example, bo@shop.example]",
            Papers(Rhythm("month", time(9), day=1), ("anna@shop.example", "bo@shop.example")),
        ),
    ],
)
def test_it_is_read(tmp_path: Path, written: str, meant: Papers) -> None:
    assert load(small_workspace(tmp_path, with_papers(written))).workspace.papers == meant


def test_without_it_nothing_is_mailed(tmp_path: Path) -> None:
    assert load(small_workspace(tmp_path)).workspace.papers is None


@pytest.mark.parametrize(
    ("written", "code", "words"),
    [
        ("papers: {to: [anna@shop.example]}", "KEY02", "every"),
        ("papers: {every: Mondays}", "PHR10", "Mondays"),
        ("papers: {every: week on Mon at 8:00}", "PHR04", "08:00"),
        ("papers: {every: week on Mon at 08:00, to: [anna]}", "VAL", "anna"),
        ("papers: {every: week on Mon at 08:00, to: []}", "KEY03", "empty"),
        ("papers: {every: week on Mon at 08:00, when: now}", "KEY", "when"),
        ("papers: yes", "KEY", ""),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, written: str, code: str, words: str) -> None:
    (problem,) = problems_of(tmp_path, with_papers(written))
    assert problem.code.startswith(code[:3])
    assert words in problem.render()
    line = WORKSPACE.rstrip().count("\n") + 2
    assert problem.at.path == FILE and problem.at.line == line
