"""The demo's tracker as a process of its own, on the calendar of the demo: what is followed was followed when it was sent.

Started as `python -m tidings.cli.demo.tracker FOLDER PORT SECONDS DESCRIPTOR`: a workspace, where to listen, how long its calendar
runs behind, and the reading end of a pipe that ends with whoever began it. Prints its port once it listens.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tidings.cli.demo.shop import ENVIRONMENT, ClockBehind
from tidings.config.settings import load_settings
from tidings.errors import TidingsError
from tidings.flows.lifeline import GRACE_SECONDS, hold


@contextmanager
def tracker(folder: Path, port: int, behind: timedelta) -> Iterator[None]:
    """Run a tracker on a port of this machine until the end of the block."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tidings.cli.demo.tracker"]
    command += [str(folder.resolve()), str(port), str(round(behind.total_seconds())), str(reading)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(reading,), text=True)
    os.close(reading)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise TidingsError(f"the demo's tracker did not start (exit code {process.wait(GRACE_SECONDS)})")
        yield
    finally:
        os.close(writing)
        try:
            process.wait(GRACE_SECONDS + 2)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


def _main(folder: str, port: str, seconds: str, lifeline: str) -> None:
    from tidings.flows.web import run_web

    hold(int(lifeline))
    listening = socket.create_server(("127.0.0.1", int(port)), backlog=512)
    print(f"port {port}", flush=True)
    run_web(
        load_settings(Path(folder), ENVIRONMENT),
        listening.detach(),
        clock=ClockBehind(timedelta(seconds=int(seconds))),
    )


if __name__ == "__main__":
    _main(*sys.argv[1:])
