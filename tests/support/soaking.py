"""What processes use while they run for long: memory of their own, files and threads, looked at every second."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from support.serving import children_of


@dataclass(frozen=True)
class Look:
    """One look at one process: its own memory in KiB (what the kernel counts as RssAnon), open files, threads."""

    memory: int
    files: int
    threads: int


def look(pid: int) -> Look | None:
    """Return what a process uses now; None when it has ended."""
    try:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    if "RssAnon" not in status:
        return None
    return Look(int(status["RssAnon"].split()[0]), files, int(status["Threads"]))


@contextmanager
def watched(pid: int, every: float = 1.0) -> Iterator[dict[int, list[Look]]]:
    """Look at a process and its children until the block ends; give the looks of each by pid, in their order."""
    found: dict[int, list[Look]] = defaultdict(list)
    stop = threading.Event()

    def go() -> None:
        while not stop.wait(every):
            for one in (pid, *children_of(pid)):
                seen = look(one)
                if seen is not None:
                    found[one].append(seen)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def grown(looks: list[Look], *, memory: int, files: int = 4, threads: int = 1) -> list[str]:
    """Return what the last quarter of the time used more of than the second quarter, past what is allowed.

    Of memory (KiB) the medians are held against each other; of files and threads, which come and go with the work, the most.

    The first quarter fills caches. A leak of a kilobyte a message shows after some ten thousand messages.
    """
    quarter = len(looks) // 4
    if quarter < 5:
        raise ValueError(f"{len(looks)} looks are too few to tell whether anything grows")
    early, late = looks[quarter : 2 * quarter], looks[-quarter:]
    told = []
    for what, of, more in (("memory", median, memory), ("files", max, files), ("threads", max, threads)):
        before, after = (of(getattr(one, what) for one in part) for part in (early, late))
        if after > before + more:
            told.append(f"{what}: {before:,.0f}, later {after:,.0f}")
    return told
