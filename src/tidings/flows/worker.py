"""The worker child: drains the spool every half second, tends what providers say and delivers the runs that are due.

Runs take turns in one thread rather than a thread each: two runs by one channel at once would hand over at twice the
rate that the channel allows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.campaigns.runs import enrol
from tidings.channels.protocol import InBand
from tidings.clock import Clock, to_micros
from tidings.config.settings import Settings
from tidings.delivery.flow_runs import has_due
from tidings.delivery.hearing import Heard
from tidings.delivery.kept import Kept
from tidings.delivery.running import deliver_run
from tidings.delivery.work import Delivered
from tidings.errors import TidingsError
from tidings.flows.clock import waking
from tidings.flows.collecting import load_adapters
from tidings.flows.supervisor import Say
from tidings.flows.tending import PASSING, Repeating, Tending
from tidings.responses.drain import Drainer
from tidings.responses.incoming import Incoming, house_of
from tidings.responses.spool import spool_folder
from tidings.store.database import Store
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter

_DRAIN_SECONDS = 0.5
_TEND_SECONDS = 1.0
_LOOK_SECONDS = 1.0
# A run that could send nothing just now is looked at again after this; one that failed, later.
_IDLE_SECONDS = 5.0
_TROUBLE_SECONDS = 30.0
# A run that has had this long makes room as soon as another one waits; how often a turn is looked at.
_TURN_SECONDS = 15.0
_TICK_SECONDS = 0.1


def run_worker(settings: Settings, store: Store, *, clock: Clock, stop: threading.Event, say: Say) -> None:
    """Drain and deliver until `stop` is set. Trouble that may pass is said once and tried again."""
    folder = spool_folder(settings.data_dir, settings.environment.name)
    house = house_of(settings.definitions)
    adapters = load_adapters(settings, say)
    drainer = Drainer(store, folder, salt=house.salt, house=house)
    heard = Heard(spool=drainer.drained_up_to)
    kept = Kept()
    tending = Tending(
        settings, store, adapters, Incoming(store, house), clock=clock, say=say, heard=heard, kept=kept
    )
    beside = [
        # While messages go out, so that an unsubscribe holds before the next batch is claimed.
        Repeating(
            "drain",
            _DRAIN_SECONDS,
            drainer.drain,
            stop,
            lambda words: say(f"what came in waits in the spool: {words}"),
        ),
        # A provider that is slow to answer holds up no unsubscribe.
        Repeating("tend", _TEND_SECONDS, tending.once, stop, say),
    ]
    for one in beside:
        one.start()
    # Receipts come on the very connections by which messages go out. All others are made anew for each turn of a run, so
    # that a setting corrected in channels/ counts at once.
    shared = {
        channel: adapter
        for channel, adapter in adapters.items()
        if isinstance(adapter, InBand) and adapter.capabilities.receipts == "in_band"
    }
    try:
        with waking(settings, store, clock=clock, stop=stop, say=say) as sends:
            if sends:
                _Delivering(
                    settings,
                    store,
                    drainer,
                    shared,
                    clock=clock,
                    stop=stop,
                    say=say,
                    heard=heard,
                    kept=kept,
                ).run()
            else:
                stop.wait()
    finally:
        stop.set()
        for one in beside:
            one.join()
    for one in beside:
        if one.failure is not None:
            raise one.failure


class _Delivering:
    """Takes up every run that is sending and due, in turns; a flow is due while a message of it is."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        drainer: Drainer,
        adapters: Mapping[str, Adapter],
        *,
        clock: Clock,
        stop: threading.Event,
        say: Say,
        heard: Heard,
        kept: Kept,
    ) -> None:
        self._heard = heard
        self._settings = settings
        self._store = store
        self._drainer = drainer
        self._adapters = adapters
        self._clock = clock
        self._stop = stop
        self._say = say
        self._not_before: dict[int, float] = {}
        self._last_turn: dict[int, float] = {}
        self._said: dict[int | None, str] = {}
        self._kept = kept

    def run(self) -> None:
        """Give the run that waited longest its turn, until told to stop; look every second while none waits."""
        while not self._stop.is_set():
            try:
                due = self._waiting()
                self._said.pop(None, None)
            except PASSING as error:
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
            due = [(row.id, row.campaign) for row in rows]
            flows = connection.execute(
                sa.select(runs.c.id, runs.c.campaign)
                .where(runs.c.state == "sending", runs.c.kind == "flow")
                .order_by(runs.c.id)
            ).all()
        return due + [
            (row.id, row.campaign) for row in flows if has_due(self._store, row.id, now, self._kept)
        ]

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
                    adapters=self._adapters,
                    stop=over,
                    before_claim=self._drainer.drain_pending,
                    heard=self._heard,
                    kept=self._kept,
                )
            if delivered.state == "finished":
                self._say(_outcome(campaign, delivered))
            elif not delivered.sent_now:
                wait = _IDLE_SECONDS
            if not over.is_set() or self._stop.is_set():
                self._tell(run_id, f"{campaign}: {delivered.reason}" if delivered.reason else "")
        except PASSING as error:
            self._tell(run_id, f"{campaign}: {_words(error)}")
            wait = _TROUBLE_SECONDS
        self._last_turn[run_id] = self._clock.monotonic()
        self._not_before[run_id] = self._last_turn[run_id] + wait

    def _others(self, run_id: int) -> bool:
        """Tell whether another run waits for its turn; no when the store cannot say just now."""
        try:
            return any(other != run_id for other, _ in self._waiting())
        except PASSING:
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
