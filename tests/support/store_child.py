"""A process that kills itself in the middle of work on a store: `python -m support.store_child WHAT URL NUMBER`."""

from __future__ import annotations

import os
import signal
import sys

import sqlalchemy as sa
from sqlalchemy import event

from support.stores import ATTRIBUTES, ENVIRONMENT, START, WORKSPACE, open_store
from tidings.clock import FixedClock
from tidings.store import upgrading
from tidings.store.tables.people import event_names


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def migrate(url: str, number: int) -> None:
    """Die before the statement `number` that any connection of this process runs."""
    seen = [0]

    @event.listens_for(sa.Engine, "before_cursor_execute")
    def _count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            _die()

    upgrading.migrate(upgrading.Target(url, FixedClock(START), WORKSPACE, ENVIRONMENT, "", ATTRIBUTES))


def write(url: str, _number: int) -> None:
    """Commit one row each way, then die in a third transaction."""
    store = open_store(url)
    with store.marks() as connection:
        connection.execute(event_names.insert().values(name="marked"))
    with store.durable("test") as connection:
        connection.execute(event_names.insert().values(name="durable"))
    with store.marks() as connection:
        connection.execute(event_names.insert().values(name="marked last"))
    with store.durable("test") as connection:
        connection.execute(event_names.insert().values(name="never committed"))
        _die()


if __name__ == "__main__":
    {"migrate": migrate, "write": write}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
