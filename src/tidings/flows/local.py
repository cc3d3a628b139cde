"""A tracker of its own on a free port, for the demo and for tests: no worker, no store, gone with whoever began it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidings.errors import TidingsError
from tidings.flows.lifeline import GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class LocalTracker:
    """Where it answers, and the process id of its supervisor."""

    address: str
    process: int


@contextmanager
def local_tracker(
    root: Path,
    *,
    environment: str = "development",
    variables: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[LocalTracker]:
    """Run `tidings serve --web-only` for a workspace and give it once it listens; stop it at the end.

    What comes in waits in the spool of that workspace and environment until somebody drains it. `variables` are
    added to the process's own; `port` 0 takes a free one. Raises TidingsError with what it said when it does not start.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tidings.cli.main", "serve", "--web-only", "--port", str(port)]
    command += ["--environment", environment, "--lifeline", str(reading)]
    process = subprocess.Popen(
        command,
        env={**os.environ, **(variables or {}), "TIDINGS_WORKSPACE": str(root.resolve())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=(reading,),
        process_group=0,
        text=True,
    )
    os.close(reading)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise TidingsError(
                f"the tracker did not start (exit code {process.wait(GRACE_SECONDS)})",
                what_to_do="its own words stand above; `tidings serve --web-only` says them again",
                code="tracker-not-started",
            )
        yield LocalTracker(address, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS + 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        os.close(writing)
