"""The sender: claims batches of one channel of one run, keeps the connections busy and ends with the truth.

It may be killed at any instant and run any number of times, by several processes at once: what was accepted is
never sent again, what was not begun is sent, and what was in flight is in doubt, each message by name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from tidings.clock import Clock, to_micros
from tidings.delivery import gate
from tidings.delivery.claiming import PENDING, Found, Taken
from tidings.delivery.garbage import heap_set_aside
from tidings.delivery.handing import Hands
from tidings.delivery.making import Render, RenderMany
from tidings.delivery.marks import Marker
from tidings.delivery.ownership import own_name
from tidings.delivery.patience import persist, wait_for_drain
from tidings.delivery.pause import pause_channel, pause_run
from tidings.delivery.portion import Portion
from tidings.delivery.recovery import Recovered, recover
from tidings.delivery.resting import LONGEST, SHORT, next_in
from tidings.delivery.standing import conclude, run_counts
from tidings.delivery.work import Delivered, Job
from tidings.store.boot import boot_id
from tidings.store.database import Store

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter

Progress = Callable[[int, int], None]
BeforeClaim = Callable[[], object]
# While all that is due is in somebody's hands: seconds until the run is looked through again, and at least so many
# times as long as it took to look.
_LOOK_AGAIN, _LOOK_SHARE = 0.25, 20
_SETTLED = ("accepted", "rejected", "refused", "in_doubt")


def deliver(
    store: Store,
    job: Job,
    *,
    adapter: Adapter,
    render: Render,
    clock: Clock,
    connections: int = 8,
    batch: int = 2_000,
    rate_per_second: float | Decimal | None = None,
    lease_seconds: float = 60.0,
    wait_seconds: float = 0.0,
    patience_seconds: float = 30.0,
    connect_seconds: float = 5.0,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
    before_claim: BeforeClaim | None = None,
    render_many: RenderMany | None = None,
    pauses_run: bool = True,
) -> Delivered:
    """Send what is due of one channel of a run and return where the run stands.

    `batch`: the most messages in hand; a slow channel claims fewer (`portion`). `rate_per_second`: the most messages a
    second that this call hands over, None for no limit.
    `wait_seconds`: how long to wait altogether for deferred messages and for claims of other senders before
    leaving them to a later call. `patience_seconds`: how long the database, or a channel that has worked, may
    be away; `connect_seconds`: how long a channel that has not. `stop` ends the sender after the messages in
    flight. `progress` is called with (settled, all) messages of the channel. `before_claim` is called before each
    claim: it brings unsubscribes that wait in the spool into the store. `render_many` makes messages in batches in
    a thread of its own, where one may take seconds; `render` makes them one by one.
    A channel whose set-up is refused is paused for all runs. Other trouble pauses the run, unless `pauses_run` is False:
    then the caller does, when the other channels are through.
    Raises StoreError when the clock was set back or the database cannot go on; nothing is lost then.
    """
    store.check_clock(clock.now())
    capabilities = adapter.capabilities
    lanes = max(min(connections, capabilities.connections), 1)
    in_flight = lanes * max(capabilities.window, 1)
    sender = _Sender(
        store,
        job,
        clock,
        # A power cut takes the marks since the last claim: no more may be in hand than a batch, or than fills the connections.
        portion=Portion(
            least=in_flight + in_flight // 4,
            most=batch,
            rate=float(rate_per_second) if rate_per_second else None,
        ),
        lease_seconds=lease_seconds,
        wait_seconds=wait_seconds,
        patience_seconds=patience_seconds,
        stop=stop or threading.Event(),
        progress=progress,
        before_claim=before_claim,
    )
    marker = Marker(
        store,
        job,
        lease_seconds=lease_seconds,
        patience_seconds=patience_seconds,
        keep_refs=capabilities.by_provider_ref,
    )
    hands = Hands(
        job,
        adapter,
        render,
        marker,
        clock,
        connections=lanes,
        rate_per_second=float(rate_per_second) if rate_per_second else None,
        connect_seconds=connect_seconds,
        reconnect_seconds=max(patience_seconds, connect_seconds),
        render_many=render_many,
    )
    try:
        reason = sender.work_off(hands, marker)
        return _ended(sender, hands, marker, reason, patience_seconds, pauses_run=pauses_run)
    finally:
        marker.close()


def _ended(
    sender: _Sender, hands: Hands, marker: Marker, reason: str, patience_seconds: float, *, pauses_run: bool
) -> Delivered:
    """Pause or finish what has to be when the connections are closed; return where the run stands."""
    store, job, clock = sender.store, sender.job, sender.clock
    if marker.failure is not None:
        raise marker.failure
    if hands.trouble:
        reason = hands.trouble
        if hands.wrong_set_up:
            why = reason.replace(f"the channel {job.channel} ", "it ", 1)
            persist(
                lambda: pause_channel(store, job.channel, reason=why, actor="sender", now=clock.now()),
                patience_seconds,
            )
        elif pauses_run:
            persist(lambda: pause_run(store, job.run_id, reason=reason, now=clock.now()), patience_seconds)
    read, durable = marker.reading, marker.durable
    sent, reason = marker.counts["accepted"], reason or marker.held
    delivered = persist(
        lambda: conclude(
            store,
            job.run_id,
            now=to_micros(clock.now()),
            sent_now=sent,
            reason=reason,
            first=job.first,
            read=read,
            durable=durable,
        ),
        patience_seconds,
    )
    sender.tell(marker, force=True)
    return replace(delivered, troubled=bool(hands.trouble) and not hands.wrong_set_up)


class _Sender:
    """The loop that claims."""

    def __init__(
        self,
        store: Store,
        job: Job,
        clock: Clock,
        *,
        portion: Portion,
        lease_seconds: float,
        wait_seconds: float,
        patience_seconds: float,
        stop: threading.Event,
        progress: Progress | None,
        before_claim: BeforeClaim | None,
    ) -> None:
        self.store = store
        self.job = job
        self.clock = clock
        self.portion = portion
        self.lease_seconds = lease_seconds
        self.wait_left = wait_seconds
        self.patience = patience_seconds
        self.stop = stop
        self.progress = progress
        self.before_claim = before_claim
        self.owner = own_name()
        self.boot = boot_id()
        self._told = 0.0
        self._before: tuple[int, int] | None = None
        self._refused = 0
        self._undecided = False

    def work_off(self, hands: Hands, marker: Marker) -> str:
        """Send what can be sent now and close the connections; return why it ended early, empty when it did not."""
        try:
            with heap_set_aside():
                return self.feed(hands, marker)
        except BaseException:
            hands.stop()
            raise
        finally:
            hands.close()

    def feed(self, hands: Hands, marker: Marker) -> str:
        """Claim until nothing is left that can be sent now; return why it ended early, empty when it did not."""
        after, rest_until = 0, 0.0
        self._recover(marker)
        while True:
            if self.stop.is_set():
                hands.stop()
                return "it was asked to stop"
            if hands.stopping or marker.failure is not None:
                return ""
            in_flight = bool(marker.fences)
            queued, enough = hands.queued, self.portion.few
            resting = rest_until - time.monotonic() if in_flight else 0.0
            if queued > enough or resting > 0:
                # At nothing queued it is told when nothing is under way either, and may come back.
                hands.few.wait(*((enough, LONGEST) if queued > enough else (0, resting)))
                self.tell(marker)
                continue
            self.portion.fit(self._settled(marker), time.monotonic())
            room = self.portion.size - marker.unsettled
            if in_flight and room < max(enough, 1):
                self.stop.wait(SHORT)
                self.tell(marker)
                continue
            began = time.monotonic()
            found = hands.between(partial(persist, partial(self._look, after, room, marker), self.patience))
            if found.held:
                hands.stop()
                return found.held
            if found.ids:
                held = self._claim(found, hands, marker)
                if held:
                    hands.stop()
                    return held
                after = found.ids[-1]
            elif found.wait:
                # The rate of the channel is kept with other processes, and they have used it up for a moment.
                self.stop.wait(min(found.wait, _LOOK_AGAIN))
                self.tell(marker)
            elif in_flight:
                # Nothing new; what is in flight may still come back as planned or deferred.
                ended = time.monotonic()
                after, rest_until = 0, ended + max(_LOOK_AGAIN, (ended - began) * _LOOK_SHARE)
            elif after:
                after = 0
            elif not self._wait_for_more(marker):
                return ""

    def _look(self, after: int, limit: int, marker: Marker) -> Found:
        return marker.look(after=after, limit=limit)

    def _claim(self, found: Found, hands: Hands, marker: Marker) -> str:
        """Claim what was found and queue it; return why nothing may go out now, empty when it may."""
        if self.before_claim is not None:
            waited = wait_for_drain(
                self.before_claim, self.patience, self.clock, lambda: self.stop.is_set() or hands.stopping
            )
            if not waited:
                return ""
        taken = hands.between(partial(persist, partial(self._take, found, marker), self.patience))
        self._refused += taken.refused
        self._undecided |= taken.undecided
        if taken.lease is not None:
            marker.hold(taken.lease, len(taken.messages))
            hands.give(taken.messages)
        return taken.held

    def _take(self, found: Found, marker: Marker) -> Taken:
        return marker.take(found.ids, owner=self.owner, boot_id=self.boot)

    def _recover(self, marker: Marker) -> Recovered:
        return persist(
            lambda: recover(self.store, self.job, owner=self.owner, boot_id=self.boot, holding=marker.fences),
            self.patience,
        )

    def _wait_for_more(self, marker: Marker) -> bool:
        """Wait for the next deferred message or a claim to run out; return False when that is not worth it."""
        recovered = self._recover(marker)
        if recovered.planned or recovered.in_doubt:
            # Doubts too: the purpose may have put them back.
            return True
        if self._undecided:
            # Somebody holds what these hang on, and lets go of it in a moment.
            self._undecided = False
            self.clock.sleep(gate.MOMENT / 1e6)
            return True
        if self.wait_left <= 0:
            return False
        seconds = persist(partial(next_in, self.store, self.job, self.clock), self.patience)
        if seconds is None or seconds > self.wait_left:
            return False
        pause = min(max(seconds, 0.05), 1.0)
        self.wait_left -= pause
        # The injected clock waits, so that a simulated one moves on; the stop event is looked at every second.
        self.clock.sleep(pause)
        return True

    def tell(self, marker: Marker, *, force: bool = False) -> None:
        """Call the progress callback, at most four times a second."""
        if self.progress is None or (not force and self.clock.monotonic() - self._told < 0.25):
            return
        self._told = self.clock.monotonic()
        if self._before is None or force:
            # Counted from the ledger at the beginning and the end; between them the marker's own sums do.
            counts = run_counts(self.store, self.job.run_id, self.job.channel)
            total = sum(counts.values())
            settled = total - sum(counts[state] for state in PENDING)
            self._before = (settled - self._settled(marker), total)
        base, total = self._before
        self.progress(base + self._settled(marker), total)

    def _settled(self, marker: Marker) -> int:
        """Count what this call settled: in the connections, and refused in its claims."""
        return self._refused + sum(marker.counts[kind] for kind in _SETTLED)
