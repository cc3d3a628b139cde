"""Keeps child processes alive: starts them, starts them again after a death, and stops them all together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidings.clock import Clock
from tidings.flows.lifeline import GRACE_SECONDS

_LOOK_SECONDS = 0.1
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 10.0
# A child that lived this long had a good start: its next death is a new story.
_SETTLED_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Child:
    """One child: the name people see, its command, descriptors that it inherits, variables set for it.

    The number of the lifeline's descriptor is put in for each `{lifeline}` of the command.
    """

    name: str
    command: tuple[str, ...]
    descriptors: tuple[int, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


class _Kept:
    """A child with its process and when it may be started again."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.deaths = 0
        self.again_at = 0.0


class Supervisor:
    """Runs children until it is told to stop; `say` gets one line for each death."""

    def __init__(self, children: Sequence[Child], *, clock: Clock, say: Say) -> None:
        self._kept = [_Kept(child) for child in children]
        self._clock = clock
        self._say = say
        self._lifeline, self._writing_end = os.pipe()

    def run(self, stop: threading.Event) -> None:
        """Keep all children running until `stop` is set, then stop them within five seconds."""
        try:
            while not stop.is_set():
                for kept in self._kept:
                    self._look_after(kept)
                stop.wait(_LOOK_SECONDS)
        finally:
            self._end()

    def _look_after(self, kept: _Kept) -> None:
        now = self._clock.monotonic()
        if kept.process is not None:
            code = kept.process.poll()
            if code is None:
                return
            kept.deaths = 1 if now - kept.started > _SETTLED_SECONDS else kept.deaths + 1
            delay = min(_FIRST_DELAY * 2 ** (kept.deaths - 1), _LONGEST_DELAY)
            kept.process, kept.again_at = None, now + delay
            self._say(f"the {kept.child.name} ended ({_how(code)}); it is started again in {delay:g} s")
        elif now >= kept.again_at:
            kept.process, kept.started = self._start(kept.child), now

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        command = [part.replace("{lifeline}", str(self._lifeline)) for part in child.command]
        # A process group of its own: Ctrl-C reaches the supervisor alone, which then stops both in order.
        return subprocess.Popen(
            command,
            pass_fds=(self._lifeline, *child.descriptors),
            env={**os.environ, **dict(child.variables)},
            process_group=0,
            stdin=subprocess.DEVNULL,
        )

    def _end(self) -> None:
        alive = [
            kept.process for kept in self._kept if kept.process is not None and kept.process.poll() is None
        ]
        for process in alive:
            process.send_signal(signal.SIGTERM)
        deadline = self._clock.monotonic() + GRACE_SECONDS
        for process in alive:
            try:
                process.wait(max(deadline - self._clock.monotonic(), 0.05))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self._writing_end)
        os.close(self._lifeline)


def _how(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
