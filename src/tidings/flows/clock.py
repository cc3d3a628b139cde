"""The clock of one machine: APScheduler inside the worker of `tidings serve`.

Its jobs live in memory alone; what is to be done, and what was done, stands in our own tables. One clock a store: a second
one waits, says who is at work, and takes over when that one is gone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Any

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.errors import UsageError
from tidings.flows.clock_lock import EMBEDDED, PREFECT, RENEW_SECONDS, ClockLock
from tidings.flows.night_shift import LOOK_SECONDS as NIGHT_SECONDS
from tidings.flows.night_shift import NightShift
from tidings.flows.pace import Pace
from tidings.flows.reloading import Reloading
from tidings.flows.round import Part, Resting, do_round, words_of
from tidings.flows.supervisor import Say
from tidings.flows.tending import PASSING
from tidings.flows.work_runs import ROUND, Work, mark_lost, owner_name, prune
from tidings.store.database import Store

LOOK_SECONDS = 1.0
_TIDY_SECONDS = 30.0
_PRUNE = timedelta(hours=6)


@contextmanager
def waking(
    settings: Settings, store: Store, *, clock: Clock, stop: threading.Event, say: Say
) -> Iterator[bool]:
    """Let the clock of this workspace run beside a worker until the block ends; tell whether the worker is to send.

    Where Prefect owns the clock nothing runs here and its workers send: this process takes in what comes back.
    """
    if settings.definitions.workspace.clock == PREFECT:
        say("Scheduled work and sending are left to the workers of Prefect; here what comes in is taken in")
        yield False
        return
    night = NightShift(settings, store, clock=clock)
    one = EmbeddedClock(settings, store, clock=clock, stop=stop, say=say, night=night)
    with one.running():
        yield True
    if one.failure is not None:
        raise one.failure


class EmbeddedClock:
    """Wakes rounds while it holds the store's clock; `failure` is what nobody foresaw, and ends the worker."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        clock: Clock,
        stop: threading.Event,
        say: Say,
        parts: Sequence[Part] | None = None,
        lock: ClockLock | None = None,
        night: NightShift | None = None,
    ) -> None:
        """Make a clock that does not run yet. Raises UsageError where Prefect owns the clock."""
        if settings.definitions.workspace.clock == PREFECT:
            raise UsageError(
                "Prefect owns the clock of this workspace (`clock: prefect` in config/workspace.yaml)",
                what_to_do="`tidings deploy` registers the schedules; for a clock inside `tidings serve` write `clock: embedded`",
                code="prefect-owns-clock",
            )
        self._files = Reloading(settings, say)
        self._store = store
        self._clock = clock
        self._stop = stop
        self._say = say
        self._parts = parts
        self._lock = lock or ClockLock(store, clock, kind=EMBEDDED)
        self._night = night
        self._pace = Pace(store, clock)
        self._resting = Resting(clock)
        self._owner = owner_name()
        self._under_way: Work | None = None
        self._waits_for = ""
        self._said: dict[str, str] = {}
        self._pruned = clock.now() - _PRUNE
        self.failure: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the clock run until the block ends; the round under way ends at its next stop."""
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.jobstores.memory import MemoryJobStore
        from apscheduler.schedulers.background import BackgroundScheduler

        # A round that takes longer than a second is nothing to warn of; our own jobs say what goes wrong.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        jobs: list[tuple[str, float, Callable[[], None]]] = [
            ("lock", RENEW_SECONDS, self._hold),
            ("round", LOOK_SECONDS, self._round),
            ("tidy", _TIDY_SECONDS, self._tidy),
            ("night", NIGHT_SECONDS, self._tonight),
        ]
        self._guarded("lock", self._hold)
        for name, seconds, work in jobs:
            scheduler.add_job(self._guarded, "interval", args=(name, work), seconds=seconds, id=name)
        scheduler.start()
        try:
            yield
        finally:
            self._stop.set()
            scheduler.shutdown(wait=True)
            self._guarded("lock", self._lock.release)

    def _guarded(self, name: str, work: Callable[[], Any]) -> None:
        """Do a job; trouble that may pass is said once and tried again, anything else ends the worker."""
        try:
            work()
            self._said.pop(name, None)
        except PASSING as error:
            words = words_of(error)
            if self._said.get(name) != words:
                self._said[name] = words
                self._say(f"scheduled work waits: {words}")
        except BaseException as error:
            self.failure = error
            self._stop.set()

    def _hold(self) -> None:
        """Take or prolong the lock; say who has it when it is not ours, and when it comes to us."""
        other = self._lock.take()
        if other is not None and other.owner != self._waits_for:
            self._say(
                f"the clock of this store is held by {other.words()}; scheduled work waits here, messages go out all the same"
            )
        elif other is None and self._waits_for:
            self._say("the clock of this store is ours now: scheduled work runs here")
        self._waits_for = "" if other is None else other.owner
        work = self._under_way
        if work is not None and work.seconds >= RENEW_SECONDS / 2:
            work.beat()

    def _round(self) -> None:
        if self._stop.is_set() or not self._lock.mine or not self._pace.due():
            return
        work = Work(self._store, self._clock, self._owner, ROUND)
        began = self._clock.monotonic()
        self._under_way = work
        try:
            result = do_round(
                self._files.current(),
                self._store,
                clock=self._clock,
                owner=self._owner,
                stop=self._stop,
                parts=self._parts,
                say=self._say,
                resting=self._resting,
                work=work,
            )
        finally:
            self._under_way = None
        self._pace.did(result, self._clock.monotonic() - began)

    def _tonight(self) -> None:
        if self._night is not None and self._lock.mine and not self._stop.is_set():
            self._night.look(self._stop)

    def _tidy(self) -> None:
        if not self._lock.mine:
            return
        now = self._clock.now()
        mark_lost(self._store, now)
        if now - self._pruned >= _PRUNE:
            self._pruned = now
            prune(self._store, now)
