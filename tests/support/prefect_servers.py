"""A Prefect server on its own PostgreSQL database and process workers, all stopped by pid however a test ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.components import missing
from support.serving import children_of
from support.smtp_servers import free_port

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # Nobody looks at its pages here, and making them takes seconds.
    "PREFECT_SERVER_UI_ENABLED": "false",
    "NO_COLOR": "1",
    "PYTHONWARNINGS": "ignore",
}
READY_SECONDS = 240.0


def tree_of(pid: int) -> list[int]:
    """Return a process and all below it, the parents first."""
    found = [pid]
    for one in found:
        found += children_of(one)
    return found


def kill_tree(pid: int) -> list[int]:
    """Kill a process and all below it at once, as a machine that goes dark does; return whom."""
    pids = tree_of(pid)
    for one in pids:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return pids


@dataclass
class Prefect:
    """A running server: its address, the folder for logs, and what its workers get."""

    url: str
    folder: Path
    variables: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("TIDINGS_", "PREFECT_"))
        }
        return {**kept, **self.variables, **(more or {})}

    def start(self, name: str, command: list[str], cwd: Path, more: Mapping[str, str] | None = None) -> int:
        """Start a process in a group of its own, with its words in a file; return its pid."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=self.environment(more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self.processes[name] = process
        return process.pid

    def worker(self, name: str, cwd: Path, more: Mapping[str, str], *, limit: int = 2) -> int:
        """Start a worker of the pool "tidings" that runs flows as processes; return its pid."""
        command = [
            sys.executable,
            "-m",
            "prefect",
            "worker",
            "start",
            "--pool",
            "tidings",
            "--type",
            "process",
        ]
        command += ["--name", name, "--limit", str(limit)]
        own = self.folder / f"home-{name}"
        own.mkdir(exist_ok=True)
        return self.start(
            name, command, cwd, {**more, "PREFECT_HOME": str(own), "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        )

    def ready(self) -> None:
        """Wait until the server answers; skips the test where it cannot be started at all."""
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(self.url):
            if self.processes["server"].poll() is not None:
                missing(f"the Prefect server does not start here: {self.log('server')[-800:]}")
            assert time.monotonic() < deadline, self.log("server")[-2000:]
            time.sleep(0.3)

    def ask(self, path: str, body: Any = None) -> Any:
        """Return what the server answers to a POST with a body, or to a GET without one; None for what is not there."""
        asked = urllib.request.Request(
            f"{self.url}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def log(self, name: str) -> str:
        """Return what a process said so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Ask all to end, and end by force, with everything below them, whoever does not."""
        below = {pid for process in self.processes.values() for pid in tree_of(process.pid)}
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 8
        for process in self.processes.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                continue
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes.values():
            process.wait(10)


@contextmanager
def prefect_server(database: str, folder: Path) -> Iterator[Prefect]:
    """Run a server on a PostgreSQL database (an address as SQLAlchemy takes it, with asyncpg).

    It is given while it still starts, so that other things can be prepared meanwhile: see `ready`.
    """
    port = free_port()
    home = folder / "home-server"
    home.mkdir(parents=True, exist_ok=True)
    variables = {**QUIET, "PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    server = Prefect(variables["PREFECT_API_URL"], folder, variables)
    try:
        command = [sys.executable, "-m", "tidings.flows.prefect_serving"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        server.start("server", command, folder, {"PREFECT_API_DATABASE_CONNECTION_URL": database})
        yield server
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
