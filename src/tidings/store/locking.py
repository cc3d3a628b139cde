"""One writer at a time in a process, how long each purpose held the lock, and bulk work that rests.

SQLite has one write lock a file and waits for it unfairly, so threads of one process queue here instead and only
processes contend. Bulk work takes chunks and rests at least as long as it held the lock, so that marks of
messages under way wait no longer than one chunk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter, thread_time
from typing import TypeVar

from tidings.clock import Clock
from tidings.errors import StoreError

Row = TypeVar("Row")

CHUNK_ROWS = 1_000
# The same where a single statement copies them from one table to another, some microseconds each.
COPIED_ROWS = 4_000
# No transaction may hold the lock longer than 200 ms; a chunk that took half of that halves the next one.
LONG_SECONDS = 0.1
FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True)
class LockUse:
    """How often and how long one purpose held the write lock since the store was opened, in milliseconds.

    `longest_busy_ms` is the most processor time of one hold: what the work itself costs, however crowded the
    machine is. The rest of `longest_ms` is waiting for the disk or for a processor.
    """

    purpose: str
    count: int
    total_ms: float
    longest_ms: float
    longest_busy_ms: float = 0.0


class LockAccount:
    """Adds up how long each purpose held the write lock; every thread also knows its own sum."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._uses: dict[str, Holds] = {}
        self._owned: list[tuple[str, Holds]] = []
        self._mine = threading.local()

    @contextmanager
    def counted(self, purpose: str) -> Iterator[None]:
        """Account the time until the block ends under `purpose`."""
        started, started_clock, busy = perf_counter(), self._clock.monotonic(), thread_time()
        try:
            yield
        finally:
            seconds, busy = perf_counter() - started, thread_time() - busy
            self._mine.seconds = self.held_here()[0] + seconds
            # The injected clock's own seconds: a clock that stands still is not moved by resting.
            self._mine.rest = self.held_here()[1] + self._clock.monotonic() - started_clock
            self._count(purpose, seconds, busy)

    def own(self, purpose: str) -> Holds:
        """Give one thread an account of its own for very short holds, to which adding costs next to nothing.

        All of such a hold counts as busy: asking for the processor time of a thread costs as much as a short transaction.
        """
        with self._guard:
            holds = Holds()
            self._owned.append((purpose, holds))
        return holds

    def disown(self, purpose: str, holds: Holds) -> None:
        """Take back what `own` gave; its sums are kept."""
        with self._guard:
            if (purpose, holds) in self._owned:
                self._owned.remove((purpose, holds))
                self._uses.setdefault(purpose, Holds()).take(holds)

    def held_here(self) -> tuple[float, float]:
        """Return the seconds this thread held the lock so far: real ones, and by the injected clock."""
        return getattr(self._mine, "seconds", 0.0), getattr(self._mine, "rest", 0.0)

    def report(self) -> tuple[LockUse, ...]:
        """Return the uses, the longest hold first."""
        sums: dict[str, Holds] = {}
        with self._guard:
            for purpose, holds in [*self._uses.items(), *self._owned]:
                sums.setdefault(purpose, Holds()).take(holds)
        uses = [
            LockUse(purpose, use.count, use.total * 1000, use.longest * 1000, use.longest_busy * 1000)
            for purpose, use in sums.items()
        ]
        return tuple(sorted(uses, key=lambda use: -use.longest_ms))

    def _count(self, purpose: str, seconds: float, busy: float) -> None:
        with self._guard:
            self._uses.setdefault(purpose, Holds()).add(seconds, busy)


class Holds:
    """What a LockUse is made of, in seconds."""

    __slots__ = ("count", "longest", "longest_busy", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = self.longest = self.longest_busy = 0.0

    def add(self, seconds: float, busy: float) -> None:
        """Add one hold, with the processor time of it that counts."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self.longest_busy = max(self.longest_busy, busy)

    def take(self, other: Holds) -> None:
        """Add all holds of another."""
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)
        self.longest_busy = max(self.longest_busy, other.longest_busy)


class WriterLock:
    """The process-wide lock of one SQLite file."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._owner: int | None = None

    def acquire(self, timeout: float) -> None:
        """Take the lock; wait up to `timeout` seconds for other threads. Raise StoreError when they take longer."""
        own = threading.get_ident()
        if self._owner == own:
            raise RuntimeError("a thread that is writing to the store cannot begin a second transaction")
        # Mostly it is free, and to say how long one would wait costs more than to take it.
        if not (self._lock.acquire(False) or self._lock.acquire(timeout=timeout)):
            raise StoreError(
                f"{self._place} is locked: another part of this command has been writing for {timeout:g} seconds",
                what_to_do="stop the command and start it again; what was committed is kept",
                code="store-locked",
            )
        self._owner = own

    def release(self) -> None:
        """Give back what `acquire` took."""
        self._owner = None
        self._lock.release()

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold the lock until the block ends; see `acquire`."""
        self.acquire(timeout)
        try:
            yield
        finally:
            self.release()


_locks: dict[Path, WriterLock] = {}
_locks_guard = threading.Lock()


def writer_lock(path: Path) -> WriterLock:
    """Return the one lock of this process for a SQLite file, however often the store is opened."""
    real = path.resolve()
    with _locks_guard:
        return _locks.setdefault(real, WriterLock(str(path)))


class Paced:
    """Cuts bulk work into chunks and rests after each as long as this thread held the write lock in it.

    Chunks have at most 1,000 rows; stretches, and spans that ask for it, 4,000, where one statement copies them.
    Inside the loop write with `store.durable(...)`. Chunks shrink when the machine is slow, so that the lock is
    never held for 200 ms; `rests` is False on PostgreSQL, where writers do not wait for each other.
    """

    def __init__(self, account: LockAccount, clock: Clock, *, rests: bool) -> None:
        self._account = account
        self._clock = clock
        self._rests = rests

    def chunks(self, rows: Iterable[Row], size: int = CHUNK_ROWS) -> Iterator[Sequence[Row]]:
        """Yield `rows` in lists of at most `size` (never more than 1,000), resting after each."""
        rows, size = iter(rows), _bounded(size)
        limit = size
        while chunk := list(islice(rows, size)):
            with self._resting() as took:
                yield chunk
            size = _next_size(size, limit, took[0])

    def spans(
        self, low: int, high: int, size: int = CHUNK_ROWS, *, most: int = CHUNK_ROWS
    ) -> Iterator[tuple[int, int]]:
        """Yield pairs (first, last) of ids that cover low to high, both included, resting after each."""
        limit = size = _bounded(size, most)
        while low <= high:
            last = min(low + size - 1, high)
            with self._resting() as took:
                yield low, last
            low = last + 1
            size = _next_size(size, limit, took[0])

    def stretches(
        self, following: Callable[[int], int | None], size: int = COPIED_ROWS, *, most: int = COPIED_ROWS
    ) -> Iterator[int]:
        """Yield the last ids of stretches of ids that have gaps, resting after each.

        `following(size)` returns the last id of the next `size`, or fewer, that are left; None when none is.
        """
        limit = size = _bounded(size, most)
        while (last := following(size)) is not None:
            with self._resting() as took:
                yield last
            size = _next_size(size, limit, took[0])

    @contextmanager
    def _resting(self) -> Iterator[list[float]]:
        before, before_clock = self._account.held_here()
        took = [0.0]
        yield took
        held, held_clock = self._account.held_here()
        took[0] = held - before
        if self._rests and held_clock > before_clock:
            self._clock.sleep(held_clock - before_clock)


def _bounded(size: int, most: int = CHUNK_ROWS) -> int:
    if size < 1:
        raise ValueError("a chunk has at least one row")
    return min(size, most)


def _next_size(size: int, limit: int, held: float) -> int:
    if held > LONG_SECONDS:
        return max(size // 2, min(FEWEST_ROWS, limit))
    if held < LONG_SECONDS / 2:
        return min(size * 2, limit)
    return size
