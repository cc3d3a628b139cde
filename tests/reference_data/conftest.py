"""Public data sets, read in place, and workspaces that the command line works in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from reference_data.command_line import CommandLine
from support.components import missing
from support.stores import Stores


@pytest.fixture
def data(tmp_path: Path) -> Callable[[str], Path]:
    """Give a data set by its file name, or skip with the reason."""

    def find(name: str) -> Path:
        folder = os.environ.get("TIDINGS_REFERENCE_DATA")
        if not folder:
            pytest.skip("TIDINGS_REFERENCE_DATA does not name the folder of the public data sets")
        source = Path(folder).resolve() / name
        if not source.is_file():
            missing(f"TIDINGS_REFERENCE_DATA names {folder}, and there is no {name} in it")
        # Read where it stands; what an import writes beside its file lands beside the link.
        link = tmp_path / name
        link.symlink_to(source)
        return link

    return find


@pytest.fixture
def command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stores: Callable[[str], Stores],
) -> Callable[..., CommandLine]:
    """Make a workspace as `tidings init` does, with more files, and give a command line in it, at an instant if asked."""

    def make(dialect: str = "sqlite", *, now: datetime | None = None, **files: str) -> CommandLine:
        line = CommandLine(tmp_path / "shop", monkeypatch, capsys)
        if now is not None:
            # From the first command on: a store does not plan with a clock behind what it has seen.
            line.set_clock(now)
        for name in [name for name in os.environ if name.startswith("TIDINGS_")]:
            if name != "TIDINGS_REQUIRE_ALL":
                monkeypatch.delenv(name)
        assert line("init", str(line.root)) == 0, line.err
        monkeypatch.setenv("TIDINGS_WORKSPACE", str(line.root))
        # The starter's flows speak of euros and of its own people; these data have neither. Its goals are in euros, too.
        for path in (line.root / "flows").glob("*.yaml"):
            path.unlink()
        goals, own = line.root / "config" / "goals.yaml", files.get("config__workspace", "")
        if goals.exists() and (currency := re.search(r"^currency: (\w+)", own, re.MULTILINE)):
            goals.write_text(goals.read_text(encoding="utf-8").replace("EUR", currency[1]), encoding="utf-8")
        for name, text in files.items():
            line.write(name.replace("__", "/") + ".yaml", text)
        if dialect == "postgresql":
            monkeypatch.setenv("TIDINGS_ENVIRONMENT", "production")
            monkeypatch.setenv("TIDINGS_STORE", stores(dialect).empty(dialect))
        line.data("migrate", "--yes", "--json")
        return line

    return make
