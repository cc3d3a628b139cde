"""The hands: one thread that renders, has groups of messages marked, hands them over and tells how it went.

It drives all connections of a channel. Each has at most one batch on its way (one message for SMTP, a window where the
adapter takes several), and nothing is handed over before the commit that marked it and wrote every outcome told
before. So at any instant at most connections x window messages have an outcome that the store does not know.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from tidings.channels.protocol import NotLetIn
from tidings.clock import Clock
from tidings.delivery.lanes import Batch, Inbox, Lane, State
from tidings.delivery.making import Maker, Render, RenderMany, remedy_of, sentence_of
from tidings.delivery.marks import Marker
from tidings.delivery.opening import Opening
from tidings.delivery.outcomes import Ended
from tidings.delivery.pace import Pace
from tidings.delivery.starting import Word
from tidings.delivery.suspects import Suspects
from tidings.delivery.watching import Watch, reusable
from tidings.delivery.work import Claimed, Job, Refusal

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, Outcome, Outgoing

T = TypeVar("T")

_GIVEN_BACK = "planned"
# How long a mark waits for those of other connections; an answer of a server on the network takes longer than that.
_GATHER_SECONDS = 0.001
_IDLE_SECONDS = 1.0
# How often is looked for answers overdue.
_EXPIRE_SECONDS = 0.01
# When an answer is waited for so long, what was to follow on the same connection may go out by another.
_LATE_SECONDS = 1.0


class Hands:
    """All connections to one channel. `trouble` says in one sentence why they had to stop, empty while they work.

    `wrong_set_up`: every message by this channel would meet it until somebody mends the channel or its credentials.
    A connection that cannot be opened is tried again while the others go on. When none is open, the channel is in
    trouble after `connect_seconds`, or `reconnect_seconds` when it has worked before.
    """

    def __init__(
        self,
        job: Job,
        adapter: Adapter,
        render: Render,
        marker: Marker,
        clock: Clock,
        *,
        connections: int,
        rate_per_second: float | None = None,
        connect_seconds: float = 5.0,
        reconnect_seconds: float = 30.0,
        render_many: RenderMany | None = None,
    ) -> None:
        self._job = job
        self._marker = marker
        self._window = max(adapter.capabilities.window, 1)
        self._opening = Opening(connect_seconds, reconnect_seconds)
        self._watch = Watch(job.channel, connections)
        self._pace = Pace(rate_per_second, self._window)
        self._queue: deque[Claimed] = deque()
        self._made: deque[tuple[Claimed, Outgoing]] = deque()
        self._ended: list[Ended] = []
        self._taken: list[Lane] = []
        self._busy = 0
        self._gathering_since = 0.0
        self._expire_at = 0.0
        self._stopping = False
        self._closing = False
        self.trouble = ""
        self.wrong_set_up = False
        self._suspects = Suspects(job, clock.now)
        self._inbox = Inbox()
        self._maker = Maker(render, render_many, self._take_made, self._not_made, self._inbox.leave)
        self._lanes = [
            Lane(number, adapter, self._window, self._inbox, self._opened, self._told)
            for number in range(connections)
        ]
        # Those that tried to open while others had to wait, one at a time.
        self._again: set[Lane] = set()
        self._thread = threading.Thread(target=self._work, name="tidings-hands", daemon=True)
        self._thread.start()

    def give(self, messages: Sequence[Claimed]) -> None:
        """Queue claimed messages."""
        self._queue.extend(messages)
        self._inbox.wake()

    def between(self, work: Callable[[], T]) -> T:
        """Do work in the thread of the connections, where it does not compete with them; return what it returns."""
        return self._inbox.ask(work, self._thread.is_alive)

    @property
    def queued(self) -> int:
        """How many messages wait for a connection."""
        following = sum(lane.following is not None for lane in self._lanes)
        return len(self._queue) + self._maker.pending + len(self._made) + following

    @property
    def stopping(self) -> bool:
        """Tell whether the connections only give back what is queued."""
        return self._stopping

    def stop(self) -> None:
        """Hand over nothing more: messages in flight end, queued ones are given back."""
        self._stopping = True
        self._inbox.wake()

    def close(self) -> None:
        """Work off the queue (or give it back, after `stop`) and end the connections."""
        self._closing = True
        self._inbox.wake()
        self._thread.join()
        self._maker.close()
        for lane in self._lanes:
            lane.end()
        self._inbox.hear(0.0)
        for lane in self._lanes:
            lane.close_late()
        self._inbox.close()

    def _work(self) -> None:
        try:
            while not self._finished():
                made = self._make_some()
                self._inbox.hear(0.0 if made else self._pause())
                self._expire()
                self._judge()
                if self._stopping:
                    self._give_back()
                else:
                    self._open()
                    self._assign()
                if self._marker.failure is None:
                    self._mark()
        except Exception as error:
            # Ours, not the channel's: what is claimed is taken over when its lease has run out.
            self._fail(f"the sender failed: {sentence_of(error)}")
            with suppress(Exception):
                # Only what is in flight is left to its lease.
                self._give_back()
                if self._marker.failure is None:
                    self._marker.write([], self._ended)

    def _finished(self) -> bool:
        if self._busy:
            return False
        if self._marker.failure is not None:
            return True
        left = self._queue or self._ended or self._taken or self.queued or self._suspects.waiting
        return self._closing and not left

    def _pause(self) -> float:
        """Return for how long there is nothing to do unless somebody calls."""
        now = time.monotonic()
        until = now + (_GATHER_SECONDS * 50 if self._suspects.waiting else _IDLE_SECONDS)
        if (renew_at := self._marker.renew_at()) is not None:
            until = min(until, renew_at)
        states = [lane.state for lane in self._lanes]
        if self._ended or self._taken:
            if not self._busy and (self._ended or now >= self._pace.slow_until):
                return 0.0
            wait = self._gathering_since + _GATHER_SECONDS
            until = min(until, wait if self._ended else max(wait, self._pace.slow_until))
        if self._made and State.IDLE in states:
            until = min(until, max(self._pace.next_at, self._pace.slow_until))
        if self.queued and State.CLOSED in states:
            until = min(until, self._opening.open_at)
        until = min(until, *(max(lane.deadline, self._expire_at) for lane in self._lanes))
        return max(until - now, 0.0)

    def _make_some(self) -> bool:
        """Render messages ahead of their turn, as many as the connections will soon want; say whether there were any."""
        if self._stopping or not self._queue:
            return False
        open_lanes = sum(lane.state is not State.CLOSED for lane in self._lanes)
        # Twice as many where a connection is told what comes next.
        room = open_lanes * (self._window if self._window > 1 else 2) - len(self._made)
        return self._maker.make(self._queue, room)

    def _take_made(self, message: Claimed, made: Outgoing | Refusal) -> None:
        if self._stopping:
            self._end(Ended(message, _GIVEN_BACK))
        elif isinstance(made, Refusal):
            self._end(Ended(message, "refused", made.code, made.detail, code=made.code, rule=made.rule))
            self._fail(self._watch.judged(unusable=True, detail=made.detail))
        else:
            self._made.append((message, made))

    def _not_made(self, batch: Sequence[Claimed], why: str) -> None:
        self._fail(f"no message can be written: {why}")
        for message in batch:
            self._end(Ended(message, _GIVEN_BACK))

    def _open(self) -> None:
        """Open as many connections as there is work for."""
        # Mostly all are open: to count the work then would cost more than to look.
        if all(lane.state is not State.CLOSED for lane in self._lanes) or not self.queued:
            return
        wanted = -(-self.queued // self._window)
        for lane in self._lanes:
            if lane.state in (State.OPENING, State.IDLE):
                wanted -= 1
        for lane in self._lanes:
            if wanted <= 0:
                return
            if lane.state is State.CLOSED:
                again = self._opening.struggling
                if not self._opening.may_try():
                    return
                if again:
                    self._again.add(lane)
                lane.open()
                wanted -= 1

    def _assign(self) -> None:
        """Give connections that are free what is made, in turn and no faster than the channel's rate."""
        now = time.monotonic()
        if now < self._pace.slow_until:
            return
        for lane in self._lanes:
            if lane.state is not State.IDLE:
                continue
            batch = self._next_for(lane, now)
            if batch:
                lane.batch = batch
                self._gather()
                lane.state = State.TAKEN
                self._taken.append(lane)

    def _next_for(self, lane: Lane, now: float) -> Batch:
        """Take what a free connection is to hand over next."""
        if lane.following is not None:
            batch, lane.following = [lane.following], None
            return batch
        if now < self._pace.next_at:
            return []
        if not (self._queue or self._made or self._maker.pending):
            # Nothing else is left: what waits behind a server that does not answer need not wait for that.
            late = now - _LATE_SECONDS
            stuck = next((one for one in self._lanes if one.following is not None and one.since < late), None)
            if stuck is None or stuck.following is None:
                return []
            batch, stuck.following = [stuck.following], None
            return batch
        # A window is filled as far as there are messages.
        if not self._made or (len(self._made) < self._pace.batch and self._queue):
            return []
        batch = [self._made.popleft() for _ in range(min(self._pace.batch, len(self._made)))]
        self._pace.taken(len(batch), now)
        return batch

    def _mark(self) -> None:
        """Write what is due in one commit: outcomes first, then the marks; hand over what may go."""
        now = time.monotonic()
        waiting = self._taken if now >= self._pace.slow_until else []
        if not waiting and not self._ended:
            self._marker.keep()
            return
        if self._busy and not self._stopping and now < self._gathering_since + _GATHER_SECONDS:
            return
        words = self._marker.write([message for lane in waiting for message, _ in lane.batch], self._ended)
        self._ended = []
        if words is None:
            return
        if waiting:
            self._taken = []
        if Word.HELD in words.values():
            self._stopping = True
        self._gathering_since = time.monotonic()
        for lane in waiting:
            self._hand_over(lane, words)

    def _hand_over(self, lane: Lane, words: dict[int, Word]) -> None:
        """Hand over what of a batch was marked and is still ours in this instant."""
        go = []
        for one in lane.batch:
            message = one[0]
            word = words.get(message.message_id, Word.LOST)
            if word is Word.GO and self._marker.in_time(message.claim_id):
                go.append(one)
            elif word in (Word.GO, Word.HELD):
                self._end(Ended(message, _GIVEN_BACK))
        lane.batch = go
        if not go:
            lane.state = State.IDLE
            return
        if self._made and lane.looks_ahead and not (self._pace.limited or self._stopping):
            lane.following = self._made.popleft()
        self._busy += 1
        lane.hand_over()

    def _told(self, lane: Lane, told: Sequence[Outcome] | Exception) -> None:
        """Take note of how a hand-over ended."""
        batch, lane.batch = lane.batch, []
        self._busy -= 1
        if len(batch) == 1 and type(told) is list and len(told) == 1 and told[0].kind == "accepted":
            self._gather()
            self._ended.append(Ended(batch[0][0], "accepted", provider_ref=told[0].provider_ref))
            self._end(*self._suspects.accepted(lane.since))
            self._watch.accepted()
            lane.state = State.IDLE
            return
        if not isinstance(told, Exception) and len(told) != len(batch):
            told = ValueError(f"{len(told)} outcomes for {len(batch)} messages")
        if isinstance(told, Exception):
            # It was begun and we do not know how far it came.
            detail = sentence_of(told)
            for message, _ in batch:
                self._end(Ended(message, "in_doubt", "in_doubt", detail))
            self._fail(self._watch.raised(detail))
            self._drop(lane)
            return
        for (message, _), outcome in zip(batch, told, strict=True):
            self._end(*self._suspects.heard(message, outcome, lane.since))
            self._pace.heard(outcome)
            unusable = outcome.kind == "rejected" and outcome.scope in ("content", "config")
            self._fail(self._watch.judged(unusable=unusable, detail=outcome.detail))
        self._fail(self._watch.answered(told))
        if reusable(told):
            lane.state = State.IDLE
        else:
            self._drop(lane)

    def _judge(self) -> None:
        """Decide whether it is the channel's set-up that was refused, or only a recipient."""
        dry = not (self._busy or self._taken or self.queued)
        self._end(*self._suspects.decide(dry=dry, closing=self._closing))
        self._fail(self._suspects.why, wrong_set_up=True)

    def _end(self, *ended: Ended) -> None:
        if ended:
            self._gather()
            self._ended += ended

    def _gather(self) -> None:
        """Remember since when there is something to be written."""
        if not self._ended and not self._taken:
            self._gathering_since = time.monotonic()

    def _give_back(self) -> None:
        for lane in self._taken:
            for message, _ in lane.batch:
                self._end(Ended(message, _GIVEN_BACK))
            lane.batch, lane.state = [], State.IDLE
        self._taken = []
        self._end(*self._suspects.give_back())
        for lane in self._lanes:
            if lane.following is not None:
                self._made.append(lane.following)
                lane.following = None
        while self._made:
            self._end(Ended(self._made.popleft()[0], _GIVEN_BACK))
        while self._queue:
            self._end(Ended(self._queue.popleft(), _GIVEN_BACK))

    def _expire(self) -> None:
        now = time.monotonic()
        if now < self._expire_at:
            return
        self._expire_at = now + _EXPIRE_SECONDS
        for lane in self._lanes:
            if lane.deadline <= now:
                lane.expire()

    def _opened(self, lane: Lane, error: Exception | None) -> None:
        again = lane in self._again
        self._again.discard(lane)
        if error is None:
            self._opening.opened()
        elif self._opening.failed(again=again):
            why = f"the channel {self._job.channel} cannot be used: {sentence_of(error)}{remedy_of(error)}"
            self._fail(why, wrong_set_up=isinstance(error, NotLetIn))

    def _drop(self, lane: Lane) -> None:
        self._opening.dropped()
        if lane.following is not None:
            self._made.appendleft(lane.following)
            lane.following = None
        lane.drop()

    def _fail(self, why: str, *, wrong_set_up: bool = False) -> None:
        if why:
            self.wrong_set_up = self.wrong_set_up or (wrong_set_up and not self.trouble)
            self.trouble = self.trouble or why
            self.stop()
