"""The demo's tracker as a process of its own, on the calendar of the demo: what is followed was followed when it was sent.

Started as `python -m tidings.cli.demo.tracker FOLDER SOCKET SECONDS PIPE`: a workspace, the descriptor of a socket that listens, how long
its calendar runs behind, and the reading end of a pipe that ends with whoever began it. Prints a line when it begins.
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
def tracker(folder: Path, listening: socket.socket, behind: timedelta) -> Iterator[None]:
    """Run a tracker that takes what comes in at a socket until the end of the block."""
    reading, writing = os.pipe()
    given = listening.fileno()
    command = [sys.executable, "-m", "tidings.cli.demo.tracker"]
    command += [str(folder.resolve()), str(given), str(round(behind.total_seconds())), str(reading)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(reading, given), text=True)
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


def listen() -> socket.socket:
    """Return a socket that listens on a port of this machine, so that nobody else takes it before the tracker is there."""
    return socket.create_server(("127.0.0.1", 0), backlog=512)


def address_of(listening: socket.socket) -> str:
    """Return the address of what listens at a socket."""
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def _main(folder: str, listening: str, seconds: str, lifeline: str) -> None:
    from tidings.flows.web import run_web

    hold(int(lifeline))
    print("here", flush=True)
    run_web(
        load_settings(Path(folder), ENVIRONMENT),
        int(listening),
        clock=ClockBehind(timedelta(seconds=int(seconds))),
    )


if __name__ == "__main__":
    _main(*sys.argv[1:])
