"""Folders in memory for databases of tests: hundreds are copied, and hundreds of commits would wait for a disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "tidings-stores-"


def fastest_folder() -> str:
    """Return memory where there is plenty and programs may stand; else the usual place.

    A database for each test is copied ten times faster there.
    """
    memory = Path("/dev/shm")
    if (
        memory.is_dir()
        and os.access(memory, os.W_OK)
        # Some tests write small programs and start them.
        and not os.statvfs(memory).f_flag & os.ST_NOEXEC
        and shutil.disk_usage(memory).free > 3 * 1024**3
    ):
        return str(memory)
    return "/tmp"


@contextmanager
def fast_folder() -> Iterator[Path]:
    """Make a folder there and remove it with all that is in it; folders of test runs that were killed go as well."""
    for left in Path(fastest_folder()).glob(f"{_PREFIX}*"):
        owner = left.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=fastest_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
