"""What a killed process leaves behind: all of a transaction or nothing of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.stores import ATTRIBUTES, ENVIRONMENT, START, WORKSPACE, Stores, open_store
from tidings.clock import FixedClock
from tidings.store import identity, upgrading
from tidings.store.database import Store
from tidings.store.tables.people import event_names
from tidings.store.vocabulary import check_vocabulary

TESTS = Path(__file__).resolve().parents[1]


def _child(what: str, url: str, number: int = 0) -> int:
    return subprocess.run(
        [sys.executable, "-m", "support.store_child", what, url, str(number)],
        check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    ).returncode


def test_committed_rows_outlive_a_killed_process_and_others_do_not(store: Store) -> None:
    assert _child("write", store.url) == -signal.SIGKILL
    with store.read() as connection:
        names = connection.execute(sa.select(event_names.c.name).order_by(event_names.c.id)).scalars().all()
    assert names == ["marked", "durable", "marked last"]


@pytest.mark.parametrize("number", [15, 60, 80])
def test_a_killed_migration_leaves_the_old_or_the_new_and_goes_on_when_run_again(
    stores: Callable[[str], Stores], dialect: str, number: int
) -> None:
    url = stores(dialect).empty(dialect)
    assert _child("migrate", url, number) == -signal.SIGKILL
    target = upgrading.Target(url, FixedClock(START), WORKSPACE, ENVIRONMENT, "", ATTRIBUTES)
    with target.unchecked() as store, store.read() as connection:
        assert identity.revision_of(connection) in {None, identity.HEAD}
        tables = set(sa.inspect(connection).get_table_names())
        assert tables == set() or {"alembic_version", "customers", "messages", "identity"} <= tables
    upgrading.migrate(target)
    with open_store(url) as store:
        check_vocabulary(store, ATTRIBUTES)
