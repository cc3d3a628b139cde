"""Processes for tests that kill them: forked from one that has loaded what they need, they begin at once.

Started as programs, each would first load for most of a second what the one before it had loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["support.ledger_child", "support.import_process", "psycopg"])
_TESTS = str(Path(__file__).resolve().parents[1])


class Forked:
    """A function at work in a process of its own; in use like a `Popen` with pipes of text for what it prints."""

    def __init__(self, main: Callable[..., int], *arguments: str) -> None:
        out, print_here = _CONTEXT.Pipe(duplex=False)
        err, complain_here = _CONTEXT.Pipe(duplex=False)
        with patch.dict(os.environ, {"PYTHONPATH": _TESTS}):
            forkserver.ensure_running()
        self._process = _CONTEXT.Process(target=_begin, args=(print_here, complain_here, main, arguments))
        self._process.start()
        for end in (print_here, complain_here):
            end.close()
        self.stdout, self.stderr = (os.fdopen(os.dup(end.fileno())) for end in (out, err))
        for end in (out, err):
            end.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    poll = returncode.fget

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it with -9."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        self._process.join(timeout)
        code = self.returncode
        assert code is not None, f"it did not end within {timeout} seconds"
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end and return what it printed and what it complained of: less than a pipe holds."""
        self.wait(timeout)
        with self.stdout, self.stderr:
            return self.stdout.read(), self.stderr.read()


def _begin(
    print_here: Connection, complain_here: Connection, main: Callable[..., int], arguments: tuple[str, ...]
) -> None:
    for end, number in ((print_here, 1), (complain_here, 2)):
        os.dup2(end.fileno(), number)
        end.close()
    sys.exit(main(*arguments))
