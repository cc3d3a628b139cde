"""The demo, small: everything it says about itself adds up, and what it tells people to try works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of a demo with 1,500 customers."""
    folder = tmp_path_factory.mktemp("demo") / "shop"
    return folder, run("demo", "--folder", str(folder), "--customers", "1500")


def run(*words: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tidings.cli.main", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_mailboxes_and_ledger_agree_and_nothing_came_twice(demo: tuple[Path, str]) -> None:
    found = re.search(
        r"([\d,]+) e-mails reached the mailboxes[^,]*, the ledger\s+says ([\d,]+); ([\d,]+) came twice",
        demo[1],
    )
    assert found is not None
    received, ledger, twice = (int(number.replace(",", "")) for number in found.groups())
    assert received == ledger > 1000
    assert twice == 0


def test_people_unsubscribed_midway_and_scanners_were_told_from_people(demo: tuple[Path, str]) -> None:
    assert re.search(r"unsubscribed from this\s+unsubscribed_list\s+sending", demo[1])
    programs = re.search(r"touched by programs only\s+0\s+(\d+)\s+(\d+)", demo[1])
    assert programs is not None
    assert sum(map(int, programs.groups())) > 5


def test_measured_effects_stand_beside_the_planted_truth(demo: tuple[Path, str]) -> None:
    rows = re.findall(r"^(warm|direct)\s+(order_placed|revenue)\s.*?(yes|no)\s*$", demo[1], re.MULTILINE)
    assert sorted(row[:2] for row in rows) == [
        ("direct", "order_placed"),
        ("direct", "revenue"),
        ("warm", "order_placed"),
        ("warm", "revenue"),
    ]
    # The seed is fixed: in this population all four intervals hold the truth.
    assert [row[2] for row in rows] == ["yes"] * 4


def test_every_phase_is_timed(demo: tuple[Path, str]) -> None:
    for name in ("Import customers", "Plan", "Send by SMTP", "Orders through the tracker", "Report", "all"):
        assert re.search(rf"^{name}\s+[\d.]+\s+[\d.]+", demo[1], re.MULTILINE), name


def test_what_it_says_to_try_next_works(demo: tuple[Path, str]) -> None:
    folder, said = demo
    commands = re.findall(r"^  tidings (.+?)\s{2,}", said[said.index("Try next") :], re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        run(*command.split(), cwd=folder)
    assert "The ledger holds" in run("verify", cwd=folder)


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "tidings.cli.main", "demo", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "was not made by the demo" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"
