"""Processor time of this process and of others, for benchmarks and limits by test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def processor(pids: Callable[[], Iterator[int]] = lambda: iter(())) -> float:
    """Return the processor seconds of this process and of others."""
    total = time.process_time()
    for pid in pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # With what its ended children took: a session ends with its connection.
        total += sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


def children(parent: int) -> Iterator[int]:
    """Give a process and its children."""
    yield parent
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(folder.name)
        except OSError:
            continue
