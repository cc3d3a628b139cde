"""One run from a command: what `tidings serve` does beside sending, for as long as the command lasts.

Receipts are collected while messages go out and for a moment after, people who write back are answered, and whom one
channel did not reach gets the next.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.delivery.hearing import Heard
from tidings.delivery.running import deliver_run, follow_up
from tidings.delivery.work import Delivered
from tidings.flows.collecting import load_adapters
from tidings.flows.supervisor import Say
from tidings.flows.tending import PASSING, Repeating, Tending
from tidings.responses.drain import Drainer
from tidings.responses.incoming import Incoming, house_of
from tidings.responses.spool import spool_folder
from tidings.store.database import Store
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.delivery.sender import Progress

_TEND_SECONDS = 1.0
_LOOK_SECONDS = 0.5
# Channels whose adapters fetch receipts by themselves; those of the others come by a hook, which only the tracker has.
_FETCHED = ("poll", "in_band")


class OneShot:
    """Delivers runs by the channels named; for one thread."""

    def __init__(
        self, settings: Settings, store: Store, channels: Collection[str], *, clock: Clock, say: Say
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._say = say
        self._adapters = load_adapters(settings, say, only=channels)
        self._house = house_of(settings.definitions)
        folder = spool_folder(settings.data_dir, settings.environment.name)
        self._drainer = Drainer(store, folder, salt=self._house.salt, house=self._house)
        self._heard = Heard(spool=self._drainer.drained_up_to)
        self._fetched = [
            name for name, one in self._adapters.items() if one.capabilities.receipts in _FETCHED
        ]

    def deliver(self, run_id: int, *, stop: threading.Event, progress: Progress | None = None) -> Delivered:
        """Send what is due of a run, collecting beside; see `deliver_run`."""
        with self._tended(run_id):
            return deliver_run(
                self._settings,
                self._store,
                run_id,
                clock=self._clock,
                adapters=self._adapters,
                progress=progress,
                stop=stop,
                before_claim=self._drainer.drain_pending,
                heard=self._heard,
            )

    def settle(self, run_id: int, seconds: float, *, stop: threading.Event) -> int:
        """Collect for so long at most, and send the next legs; return how many messages still wait for a receipt."""
        tending = self._tending(run_id)
        deadline = self._clock.monotonic() + seconds
        while True:
            try:
                self._drainer.drain_pending()
                tending.once()
            except PASSING as error:
                self._say(getattr(error, "message", "") or str(error))
            due = follow_up(
                self._settings,
                self._store,
                run_id,
                clock=self._clock,
                adapters=self._adapters,
                heard=self._heard,
            ) or self._due(run_id)
            if due and not stop.is_set():
                done = self.deliver(run_id, stop=stop)
                if done.reason:
                    return self._waiting(run_id)
            waiting = self._waiting(run_id)
            if not waiting or stop.is_set() or self._clock.monotonic() >= deadline:
                return waiting
            stop.wait(_LOOK_SECONDS)

    @contextmanager
    def _tended(self, run_id: int) -> Iterator[None]:
        stop = threading.Event()
        thread = Repeating("tend", _TEND_SECONDS, self._tending(run_id).once, stop, self._say)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if thread.failure is not None:
            raise thread.failure

    def _tending(self, run_id: int) -> Tending:
        return Tending(
            self._settings,
            self._store,
            self._adapters,
            Incoming(self._store, self._house),
            clock=self._clock,
            say=self._say,
            only=run_id,
            heard=self._heard,
        )

    def _due(self, run_id: int) -> bool:
        """Tell whether the tending beside wrote legs when the sender was through already."""
        messages = sending.messages
        with self._store.read() as connection:
            found = connection.execute(
                sa.select(messages.c.id)
                .where(messages.c.run_id == run_id, messages.c.state == "planned", messages.c.leg > 0)
                .limit(1)
            ).first()
        return found is not None

    def _waiting(self, run_id: int) -> int:
        messages = sending.messages
        with self._store.read() as connection:
            return int(
                connection.execute(
                    sa.select(sa.func.count()).where(
                        messages.c.run_id == run_id,
                        messages.c.channel.in_(self._fetched),
                        messages.c.state.in_(["accepted", "in_doubt"]),
                    )
                ).scalar_one()
            )
