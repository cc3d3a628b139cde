"""The commands as people and programs run them, in one workspace."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tidings.cli.main import execute
from tidings.clock import SystemClock


class CommandLine:
    """Runs commands in the workspace at `root`; `out` and `err` are what the last one printed."""

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.root, self.out, self.err = root, "", ""
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path) -> int:
        """Run one command and return its exit code."""
        self._capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        self.out, self.err = self._capsys.readouterr()
        return code

    def data(self, *arguments: str | Path) -> Any:
        """Run one command that must succeed and return the JSON that it prints."""
        assert self(*arguments) == 0, self.out + self.err
        return json.loads(self.out)

    def tell(self, text: str) -> None:
        """Print a measured figure, past the capturing of output."""
        with self._capsys.disabled():
            print(f"\n{text}")

    def write(self, path: str, text: str) -> None:
        """Write one file of the workspace."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def set_clock(self, instant: datetime) -> None:
        """Let every command from now on believe that it is this instant."""
        self._monkeypatch.setattr(SystemClock, "now", lambda _: instant)
