"""Waiting out a database that is away for a moment: a restart, a broken connection, a lock held for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tidings.clock import Clock
from tidings.errors import StoreError

T = TypeVar("T")

# Codes of StoreError for what a database gets over by itself.
PASSING = ("store-locked", "store-busy", "store-unreachable")

# A backlog of answers that another process takes in may be long, and it brings unsubscribes.
_DRAIN_SECONDS = 600.0


def persist(work: Callable[[], T], seconds: float) -> T:
    """Do `work`, and again with growing pauses while the database is away, for at most `seconds`.

    `work` must be safe to repeat when only the answer to its commit was lost. Raises the last StoreError.
    """
    begun, pause = time.monotonic(), 0.05
    while True:
        try:
            return work()
        except StoreError as error:
            if error.code not in PASSING or time.monotonic() - begun > seconds:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 1.0)


def wait_for_drain(
    drain: Callable[[], object], seconds: float, clock: Clock, stopping: Callable[[], bool]
) -> bool:
    """Have the spool drained, waiting up to ten minutes while another process does it.

    `seconds`: how long the database may be away. Returns False when `stopping` said so in the meantime. Raises the
    last StoreError.
    """
    begun = clock.monotonic()
    while not stopping():
        try:
            persist(drain, seconds)
        except StoreError as error:
            if error.code != "drain-locked" or clock.monotonic() - begun > _DRAIN_SECONDS:
                raise
        else:
            return True
    return False
