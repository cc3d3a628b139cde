"""Prism: a mock that answers only what a provider's published contract allows, and says what breaks it."""

from __future__ import annotations

import atexit
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.components import missing
from support.node import node_package
from support.smtp_servers import free_port

_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Prism:
    """A running mock; `log` is what it has printed so far."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


def contract(name: str) -> Path:
    """Return the path of a published contract; skip where the machine has none."""
    named = os.environ.get("TIDINGS_CONTRACTS")
    data = os.environ.get("TIDINGS_REFERENCE_DATA")
    folder = Path(named) if named else Path(data).parent / "contracts" if data else None
    if folder is None:
        pytest.skip("TIDINGS_REFERENCE_DATA does not name a folder, so there are no contracts beside it")
    path = folder / name
    if not path.is_file():
        missing(f"the contract {name} is not in {folder}")
    return path


_running: dict[Path, Prism] = {}


def shared_prism(contract_path: Path) -> Prism:
    """Return the mock of a contract, started once for this test process and stopped at its end."""
    if contract_path not in _running:
        manager = prism(contract_path)
        _running[contract_path] = manager.__enter__()
        atexit.register(manager.__exit__, None, None, None)
    return _running[contract_path]


@contextmanager
def prism(contract_path: Path) -> Iterator[Prism]:
    """Run the mock of a contract on a free port; requests that break the contract are refused, not mocked."""
    program = node_package("@stoplight/prism-cli") / "dist" / "index.js"
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="prism-") as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [
                    "node",
                    str(program),
                    "mock",
                    "--errors",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(port),
                    str(contract_path),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        running = Prism(f"http://127.0.0.1:{port}", process, log_file)
        try:
            _wait(running)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _wait(running: Prism) -> None:
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        if running.process.poll() is not None:
            pytest.fail(f"Prism ended by itself:\n{running.log[-2000:]}")
        try:
            urllib.request.urlopen(running.url, timeout=2).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"Prism did not start within {_SECONDS:g} s:\n{running.log[-2000:]}")
