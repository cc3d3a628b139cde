"""docs/how-to/go-live.md: its variables are the ones that are read, and its order of commands works in production."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.documents import DOCS, blocks
from tidings.cli.main import execute

PAGE = DOCS / "how-to" / "go-live.md"
SOURCES = Path(__file__).resolve().parents[2] / "src" / "tidings"


def test_the_page_names_every_variable_that_tidings_reads() -> None:
    read = set()
    for path in SOURCES.rglob("*.py"):
        read |= set(
            re.findall(r'(?m)^(?:VARIABLE|\w+_VARIABLE) = "(TIDINGS_\w+)"', path.read_text(encoding="utf-8"))
        )
    assert {"TIDINGS_KEYS", "TIDINGS_ENVIRONMENT", "TIDINGS_WORKSPACE"} <= read
    named = set(re.findall(r"(?m)^\| `(TIDINGS_\w+)` \|", PAGE.read_text(encoding="utf-8")))
    assert named >= read


def test_production_comes_up_in_the_order_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [one for one in os.environ if one.startswith("TIDINGS_") and one != "TIDINGS_REQUIRE_ALL"]:
        monkeypatch.delenv(name)
    root = tmp_path / "shop"
    assert execute(["init", str(root)]) == 0
    monkeypatch.chdir(root)
    found = blocks(PAGE)
    (workspace,) = (one.text for one in found if one.language == "yaml")
    (root / "config" / "workspace.yaml").write_text(workspace, encoding="utf-8")
    commands = [command for one in found if one.language == "console" for command, _ in one.steps]
    told = [command.split()[1] for command in commands if command.startswith("tidings")]
    assert told == ["check", "migrate", "import", "serve", "send-test", "plan", "run"]
    assert execute(["check"]) == 0

    monkeypatch.setenv("TIDINGS_STORE", f"sqlite:///{root}/production.sqlite")
    assert execute(["migrate", "--environment", "production", "--yes"]) == 0
    examples = root / "config" / "imports"
    for name in ("customers", "orders"):
        path = str(examples / f"example_{name}.csv")
        assert execute(["import", path, "--as", name, "--environment", "production"]) == 0
    assert execute(["plan", "spring_winback", "--environment", "production"]) == 0
    capsys.readouterr()
    assert execute(["run", "spring_winback", "--environment", "production", "--yes"]) != 0
    assert "TIDINGS_KEYS" in capsys.readouterr().err

    (made,) = (command for command in commands if command.startswith("python3"))
    shown = subprocess.run(
        made.replace("python3", sys.executable, 1), shell=True, capture_output=True, text=True, check=True
    )
    monkeypatch.setenv("TIDINGS_KEYS", shown.stdout.strip())
    # No mail server listens there: the keys are right, and the next sentence is about the channel.
    assert execute(["run", "spring_winback", "--environment", "production", "--yes"]) != 0
    assert "TIDINGS_KEYS" not in capsys.readouterr().err
