"""What comes back while the demo sends, taken in as the worker of `tidings serve` does, until nothing comes any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.cli.demo.children import Place
from tidings.cli.session import Session
from tidings.delivery.claiming import PENDING
from tidings.delivery.fallback import waiting_runs
from tidings.delivery.hearing import Heard
from tidings.delivery.notices import Carrier, send_notices
from tidings.delivery.running import deliver_run, follow_up
from tidings.errors import TidingsError
from tidings.flows.collecting import Collector
from tidings.flows.tending import Repeating, Tending
from tidings.responses.drain import Drainer
from tidings.responses.incoming import Came, Incoming, house_of
from tidings.responses.spool import spool_folder
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter
    from tidings.delivery.sender import Progress
    from tidings.flows.supervisor import Say

_DRAIN_SECONDS, _TEND_SECONDS = 0.5, 1.0
_MOST_ROUNDS = 30


class Tide:
    """Drains the tracker's spool, collects bounces and receipts, answers who said stop, passes on to the next channel."""

    def __init__(
        self, session: Session, adapters: Mapping[str, Adapter], places: list[Place], say: Say
    ) -> None:
        self._session, self._places, self._say = session, places, say
        self.adapters = adapters
        settings, store = session.settings, session.store
        self._house = house_of(settings.definitions)
        self._incoming = Incoming(store, self._house)
        folder = spool_folder(settings.data_dir, settings.environment.name)
        self.drainer = Drainer(store, folder, salt=self._house.salt, house=self._house)
        self._heard = Heard(spool=self.drainer.drained_up_to)

    @contextmanager
    def coming_in(self) -> Iterator[None]:
        """Take things in beside whatever is done meanwhile; raises what stopped it."""
        session, stop = self._session, threading.Event()
        tending = Tending(
            session.settings,
            session.store,
            self.adapters,
            self._incoming,
            clock=session.clock,
            say=self._quiet,
            heard=self._heard,
        )
        beside = [
            Repeating("drain", _DRAIN_SECONDS, self.drainer.drain_pending, stop, self._say),
            Repeating("tend", _TEND_SECONDS, tending.once, stop, self._say),
        ]
        for one in beside:
            one.start()
        try:
            yield
        finally:
            stop.set()
            for one in beside:
                one.join()
        for one in beside:
            if one.failure is not None:
                raise one.failure

    def settle(self) -> None:
        """Go on until nobody has anything left to say and nobody is left to write to."""
        session = self._session
        for _ in range(_MOST_ROUNDS):
            for place in self._places:
                place.settled()
            drained = self.drainer.drain()
            came = self._collected()
            self._incoming.look_again(now=session.clock.now(), deep=True)
            confirmed = self._confirmed()
            went_on = [self._went_on(run) for run in waiting_runs(session.store, now=session.clock.now())]
            if not (any(went_on) or confirmed or drained.anything or came != Came()):
                return
        raise TidingsError(f"after {_MOST_ROUNDS} rounds something still comes in")

    def _collected(self) -> Came:
        """Ask at once: a collector of its own has not asked anybody yet."""
        session = self._session
        return Collector(
            session.store,
            self.adapters,
            self._incoming,
            session.clock,
            salt=self._house.salt,
            say=self._say,
            heard=self._heard,
        ).collect()

    def _confirmed(self) -> int:
        session, channels = self._session, self._session.settings.definitions.channels
        carriers = {name: Carrier(one, channels[name].sender) for name, one in self.adapters.items()}
        done = send_notices(
            session.store, carriers, session.clock, salt=self._house.salt, title=self._house.title
        )
        return done.accepted

    def _went_on(self, run_id: int) -> bool:
        """Send the next legs of a run; tell whether there were any."""
        session, messages = self._session, sending.messages
        follow_up(
            session.settings,
            session.store,
            run_id,
            clock=session.clock,
            adapters=self.adapters,
            heard=self._heard,
        )
        # What was taken in beside a sender that was through already has written some before.
        due = (
            sa.select(messages.c.id)
            .where(messages.c.run_id == run_id, messages.c.state.in_(PENDING))
            .limit(1)
        )
        with session.store.read() as connection:
            found = connection.execute(due).first() is not None
        if found:
            self.deliver(run_id)
        return found

    def deliver(self, run_id: int, progress: Progress | None = None) -> None:
        """Send what is due of a run."""
        session = self._session
        deliver_run(
            session.settings,
            session.store,
            run_id,
            clock=session.clock,
            adapters=self.adapters,
            progress=progress,
            before_claim=self.drainer.drain_pending,
            heard=self._heard,
        )

    def _quiet(self, words: str) -> None:
        """What the worker says of single steps the demo shows in sums."""
