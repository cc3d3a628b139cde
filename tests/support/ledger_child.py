"""A sender in a process of its own, to be killed.

`room` is how much any file of it may still grow, as on a disk that is nearly full. Errors end it as they end a command.
"""

from __future__ import annotations

import resource
import signal
import sys
from datetime import datetime
from pathlib import Path

from support.ledger_senders import SENDERS
from support.stores import ENVIRONMENT, START, WORKSPACE
from tidings.clock import SystemClock
from tidings.errors import TidingsError
from tidings.store.database import Store

CONNECTIONS = 8


class RunningTime(SystemClock):
    """Real seconds, counted from the instant at which the tests' stores stand."""

    def __init__(self) -> None:
        self._offset = START - super().now()

    def now(self) -> datetime:
        return super().now() + self._offset


def main(kind: str, url: str, run_id: str, port: str, lease: str, room: str = "") -> int:
    clock = RunningTime()
    try:
        with Store.open(url, clock=clock, workspace=WORKSPACE, environment=ENVIRONMENT) as store:
            if room:
                limit_files(Path(url.removeprefix("sqlite:///")), int(room))
            print("open", flush=True)
            SENDERS[kind](store, int(run_id), int(port), float(lease), clock)
    except TidingsError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


def limit_files(path: Path, room: int) -> None:
    """Let no file grow beyond the larger of the store's files and some room."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    largest = max(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, resource.RLIM_INFINITY))
