"""The demo's mailboxes and telephones as processes: their ports, and what happened there so far."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidings.errors import TidingsError


class Place:
    """One such process."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self._name, self._process = name, process
        self.port = int(self._line().split()[1])

    def settled(self) -> dict[str, Any]:
        """Let everybody there finish what they are doing and return what happened so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("settle\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TidingsError(f"the demo's {self._name} ended (exit code {self._process.wait()})")
        return line


@contextmanager
def place(name: str, *given: str) -> Iterator[Place]:
    """Run `tidings.cli.demo.NAME` as a process of its own, gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tidings.cli.demo.{name}", *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Place(name, process)
    finally:
        process.kill()
        process.communicate()
