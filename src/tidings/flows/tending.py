"""What the worker does beside sending: takes events in, matches them, answers, and passes on to the next channel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.delivery.fallback import waiting_runs
from tidings.delivery.hearing import Heard
from tidings.delivery.kept import Kept
from tidings.delivery.notices import Carrier, send_notices
from tidings.delivery.running import follow_up
from tidings.errors import TidingsError
from tidings.flows.collecting import Collector
from tidings.flows.journeys.task_mails import tend_tasks
from tidings.flows.supervisor import Say
from tidings.responses.incoming import Incoming
from tidings.store.database import Store
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter

# Trouble that may pass: the store or a provider is away, the disk is full.
PASSING = (TidingsError, OSError)
_DEEP_SECONDS = 300.0
# Who was not reached is looked for when receipts came, else in this interval (patience ends without any).
_FOLLOW_SECONDS = 15.0
# After looking, at least so many times as long as it took, and at least a second.
_REST_SHARE, _LEAST_REST = 10.0, 1.0


class Repeating(threading.Thread):
    """Does one thing again and again until `stop` is set; trouble that may pass is said once and tried again.

    Anything unforeseen ends the whole worker, and the supervisor starts it again: `failure` then says why.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        work: Callable[[], object],
        stop: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(name=name)
        self._seconds = seconds
        self._work = work
        self._stopping = stop
        self._say = say
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Work, wait, work again."""
        said = ""
        try:
            while True:
                try:
                    self._work()
                    said = ""
                except PASSING as error:
                    words = error.message if isinstance(error, TidingsError) else str(error)
                    if words != said:
                        said = words
                        self._say(words)
                if self._stopping.wait(self._seconds):
                    return
        except BaseException as error:
            self.failure = error
            self._stopping.set()


class Tending:
    """One round of everything that is no sending; for one thread. `only`: the one run whose next legs are written.

    `heard` tells how far the spool is drained; without it no patience ends with channels that report by a hook.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        adapters: Mapping[str, Adapter],
        incoming: Incoming,
        *,
        clock: Clock,
        say: Say,
        only: int | None = None,
        heard: Heard | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._kept = kept or Kept()
        self._settings = settings
        self._store = store
        self._only = only
        self._adapters = adapters
        self._incoming = incoming
        self._clock = clock
        self._say = say
        self._salt = settings.definitions.workspace.salt
        self._title = settings.definitions.workspace.title
        self._heard = heard or Heard()
        self._collector = Collector(
            store, adapters, incoming, clock, salt=self._salt, say=say, heard=self._heard
        )
        self._deep_at = self._follow_at = self._rest_until = clock.monotonic()
        self._newest_receipt = 0

    def once(self) -> None:
        """Do one round. Raises what the first part that cannot go on raises, after the others had their turn."""
        trouble: list[TidingsError | OSError] = []
        for part in (self._collector.collect, self._match, self._answer, self._tasks, self._follow):
            try:
                part()
            except PASSING as error:
                trouble.append(error)
        if trouble:
            raise trouble[0]

    def _match(self) -> None:
        now = self._clock.monotonic()
        deep = now >= self._deep_at
        if deep:
            self._deep_at = now + _DEEP_SECONDS
        self._incoming.look_again(now=self._clock.now(), deep=deep)

    def _answer(self) -> None:
        channels = self._settings.definitions.channels
        carriers = {
            channel: Carrier(adapter, channels[channel].sender) for channel, adapter in self._adapters.items()
        }
        send_notices(self._store, carriers, self._clock, salt=self._salt, title=self._title)

    def _tasks(self) -> None:
        """Mail the tasks of the staff by the first e-mail channel."""
        channels = self._settings.definitions.channels
        carrier = next(
            (
                Carrier(self._adapters[one.id], one.sender)
                for one in channels.values()
                if one.kind == "email" and one.id in self._adapters
            ),
            None,
        )
        tend_tasks(self._store, carrier, self._clock, salt=self._salt, kept=self._kept)

    def _follow(self) -> None:
        """Write the next legs of runs with several channels, for those whom one did not reach."""
        began = self._clock.monotonic()
        if began < self._rest_until:
            return
        with self._store.read() as connection:
            newest = connection.execute(sa.select(sa.func.max(sending.receipts.c.id))).scalar() or 0
        if newest == self._newest_receipt and began < self._follow_at:
            return
        try:
            self._write_legs()
            self._newest_receipt = newest
        finally:
            now = self._clock.monotonic()
            self._rest_until = now + max(_REST_SHARE * (now - began), _LEAST_REST)
            self._follow_at = now + _FOLLOW_SECONDS

    def _write_legs(self) -> None:
        for run_id in waiting_runs(self._store, now=self._clock.now()):
            if self._only not in (None, run_id):
                continue
            written = follow_up(
                self._settings,
                self._store,
                run_id,
                clock=self._clock,
                adapters=self._adapters,
                heard=self._heard,
                kept=self._kept,
            )
            if written:
                self._say(f"{written:,} go on by the next channel (run {run_id})")
