"""`tidings serve` as a real process on a free port, for tests that end it in every way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tidings.cli.session import target_of
from tidings.clock import SystemClock
from tidings.config.settings import load_settings
from tidings.store.database import Store
from tidings.store.upgrading import migrate

KEYS = {"TIDINGS_KEYS": "k1:" + "7e" * 32}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}


def command(*options):
    return [sys.executable, "-m", "tidings.cli.main", "serve", *options]


def children_of(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def serving(workspace, *options, **variables):
    """Run `tidings serve` on a free port; give the process, its address and the lines it says."""
    process = subprocess.Popen(
        command("--port", "0", *options),
        cwd=workspace,
        env={**CLEAN, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")))
    reader.start()
    try:
        greeting = until(lambda: [line for line in lines if line.startswith(("Tracker", "http"))])
        yield process, greeting[0].split()[-1], lines
    except BaseException:
        print("".join(lines))
        raise
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


@contextmanager
def production_of(workspace, stores, dialect):
    """Make a migrated production store of a workspace; give the variables that name it, and the store."""
    variables = {**KEYS, "TIDINGS_STORE": stores.empty(dialect), "TIDINGS_ENVIRONMENT": "production"}
    settings = load_settings(workspace, variables=variables)
    target = target_of(settings, SystemClock())
    migrate(target)
    store = Store.open(
        target.url,
        clock=target.clock,
        workspace=target.workspace,
        environment=target.environment,
        salt=target.salt,
    )
    try:
        yield variables, store
    finally:
        store.close()
        stores.drop(target.url)
