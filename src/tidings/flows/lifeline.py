"""No child outlives its supervisor: each holds the reading end of a pipe that only the supervisor can write to.

The kernel closes the writing end however the supervisor ends, even by kill -9; the child sees the end of the pipe and
stops itself as SIGTERM would, and by force when that takes longer than the grace.
"""

from __future__ import annotations

import os
import signal
import threading

GRACE_SECONDS = 4.0


def hold(descriptor: int) -> None:
    """Watch the supervisor from a thread of its own; returns at once."""
    threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    # Nobody ever writes: reading returns when the supervisor is gone.
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)
