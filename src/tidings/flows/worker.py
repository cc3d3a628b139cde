"""The worker child: drains the spool every half second and delivers the runs that are due.

Runs take turns in one thread rather than a thread each: two runs by one channel at once would hand over at twice the
rate that the channel allows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tidings.campaigns.runs import enrol
from tidings.clock import Clock, to_micros
from tidings.config.settings import Settings
from tidings.delivery.running import deliver_run
from tidings.delivery.work import Delivered
from tidings.errors import TidingsError
from tidings.flows.supervisor import Say
from tidings.responses.drain import Drainer
from tidings.responses.spool import spool_folder
from tidings.store.database import Store
from tidings.store.tables import sending

_DRAIN_SECONDS = 0.5
_LOOK_SECONDS = 1.0
# A run that could send nothing just now is looked at again after this; one that failed, later.
_IDLE_SECONDS = 5.0
_TROUBLE_SECONDS = 30.0
# A run that has had this long makes room as soon as another one waits; how often a turn is looked at.
_TURN_SECONDS = 15.0
_TICK_SECONDS = 0.1
# Trouble that may pass: the store or the provider is away, the disk is full.
_PASSING = (TidingsError, OSError)


def run_worker(settings: Settings, store: Store, *, clock: Clock, stop: threading.Event, say: Say) -> None:
    """Drain and deliver until `stop` is set. Trouble that may pass is said once and tried again."""
    folder = spool_folder(settings.data_dir, settings.environment.name)
    drainer = Drainer(store, folder, salt=settings.definitions.workspace.salt)
    draining = _Draining(drainer, stop, say)
    draining.start()
    try:
        _Delivering(settings, store, drainer, clock=clock, stop=stop, say=say).run()
    finally:
        stop.set()
        draining.join()
    if draining.failure is not None:
        raise draining.failure


class _Draining(threading.Thread):
    """Drains while messages go out, so that an unsubscribe holds before the next batch is claimed."""

    def __init__(self, drainer: Drainer, stop: threading.Event, say: Say) -> None:
        super().__init__(name="drain")
        self._drainer = drainer
        self._stopping = stop
        self._say = say
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Drain every half second; end the whole worker on anything unforeseen, the supervisor starts it again."""
        said = ""
        try:
            while True:
                try:
                    self._drainer.drain()
                    said = ""
                except _PASSING as error:
                    if _words(error) != said:
                        said = _words(error)
                        self._say(f"what came in waits in the spool: {said}")
                if self._stopping.wait(_DRAIN_SECONDS):
                    return
        except BaseException as error:
            self.failure = error
            self._stopping.set()


class _Delivering:
    """Takes up every run that is sending and due, in turns."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        drainer: Drainer,
        *,
        clock: Clock,
        stop: threading.Event,
        say: Say,
    ) -> None:
        self._settings = settings
        self._store = store
        self._drainer = drainer
        self._clock = clock
        self._stop = stop
        self._say = say
        self._not_before: dict[int, float] = {}
        self._last_turn: dict[int, float] = {}
        self._said: dict[int | None, str] = {}

    def run(self) -> None:
        """Give the run that waited longest its turn, until told to stop; look every second while none waits."""
        while not self._stop.is_set():
            try:
                due = self._waiting()
                self._said.pop(None, None)
            except _PASSING as error:
                self._tell(None, _words(error))
                due = []
            if due:
                self._deliver(*due[0])
            if len(due) < 2:
                self._stop.wait(_LOOK_SECONDS)

    def _waiting(self) -> list[tuple[int, str]]:
        """Return the runs that are due and need not be left alone for now, the one that waited longest first."""
        now = self._clock.monotonic()
        found = [one for one in self._due() if self._not_before.get(one[0], now) <= now]
        return sorted(found, key=lambda one: self._last_turn.get(one[0], -1.0))

    def _due(self) -> list[tuple[int, str]]:
        runs = sending.runs
        now = to_micros(self._clock.now())
        with self._store.read() as connection:
            rows = connection.execute(
                sa.select(runs.c.id, runs.c.campaign)
                .where(
                    runs.c.state.in_(["enrolling", "sending"]),
                    runs.c.kind == "campaign",
                    runs.c.anchor_at <= now,
                )
                .order_by(runs.c.anchor_at, runs.c.id)
            )
            return [(row.id, row.campaign) for row in rows]

    def _deliver(self, run_id: int, campaign: str) -> None:
        wait = 0.0
        try:
            # A start that was interrupted; enrolling beside the one who began it does no harm.
            enrol(self._store, run_id)
            with _turn(self._clock, self._stop, lambda: self._others(run_id)) as over:
                delivered = deliver_run(
                    self._settings,
                    self._store,
                    run_id,
                    clock=self._clock,
                    stop=over,
                    before_claim=self._drainer.drain_pending,
                )
            if delivered.state == "finished":
                self._say(_outcome(campaign, delivered))
            elif not delivered.sent_now:
                wait = _IDLE_SECONDS
            if not over.is_set() or self._stop.is_set():
                self._tell(run_id, f"{campaign}: {delivered.reason}" if delivered.reason else "")
        except _PASSING as error:
            self._tell(run_id, f"{campaign}: {_words(error)}")
            wait = _TROUBLE_SECONDS
        self._last_turn[run_id] = self._clock.monotonic()
        self._not_before[run_id] = self._last_turn[run_id] + wait

    def _others(self, run_id: int) -> bool:
        """Tell whether another run waits for its turn; no when the store cannot say just now."""
        try:
            return any(other != run_id for other, _ in self._waiting())
        except _PASSING:
            return False

    def _tell(self, about: int | None, sentence: str) -> None:
        """Say a sentence once, not every second."""
        if sentence and self._said.get(about) != sentence:
            self._say(sentence)
        self._said[about] = sentence


@contextmanager
def _turn(clock: Clock, stop: threading.Event, others: Callable[[], bool]) -> Iterator[threading.Event]:
    """Give an event that is set when `stop` is, or when the turn has lasted long enough and others wait."""
    over, done = threading.Event(), threading.Event()
    if stop.is_set():
        over.set()
    ends = clock.monotonic() + _TURN_SECONDS

    def watch() -> None:
        look = ends
        while not done.wait(_TICK_SECONDS):
            now = clock.monotonic()
            if stop.is_set():
                over.set()
                return
            if now >= look:
                look = now + _LOOK_SECONDS
                if others():
                    over.set()
                    return

    watching = threading.Thread(target=watch, name="turn")
    watching.start()
    try:
        yield over
    finally:
        done.set()
        watching.join()


def _words(error: TidingsError | OSError) -> str:
    return error.message if isinstance(error, TidingsError) else str(error)


def _outcome(campaign: str, delivered: Delivered) -> str:
    parts = {
        "accepted": delivered.accepted,
        "rejected": delivered.rejected,
        "refused": delivered.refused,
        "in doubt": delivered.in_doubt,
    }
    told = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    return f"{campaign} is out: {told or 'nobody was left to write to'}"
