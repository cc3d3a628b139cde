"""The connections: threads that render a message, have it marked started, hand it over and tell how it went."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from tidings.clock import Clock, to_micros
from tidings.delivery.marks import Marker
from tidings.delivery.outcomes import Ended
from tidings.delivery.starting import Word
from tidings.delivery.work import Claimed, Job, Refusal
from tidings.errors import TidingsError

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, Connection, Outcome, Outgoing

Render = Callable[[Claimed], "Outgoing | Refusal"]

# Of the last 500 messages more than 5 % and at least 25 unusable: something is wrong with the message, not with people.
_WINDOW, _FEWEST, _SHARE = 500, 25, 0.05
_GIVEN_BACK = "planned"
# Seconds between attempts to open a connection: the first, and the longest while none and while others are open.
_FIRST_PAUSE, _PAUSE_ALONE, _PAUSE_BESIDE = 0.5, 1.0, 30.0
# A pause ends early when another connection could be opened: how often one that rests looks for that.
_REST = 0.25
# A doubt costs a message for good, a temporary failure only time: as many doubts as connections are enough to stop.
_DOUBT_WEIGHT = 3


class Hands:
    """A pool of connections to one channel. `trouble` says in one sentence why it had to stop, empty while it works.

    A connection that cannot be opened leaves its message to the others and is tried again. When none is open,
    the channel is in trouble after `connect_seconds`, or `reconnect_seconds` when it has worked before.
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
    ) -> None:
        self._job = job
        self._adapter = adapter
        self._render = render
        self._marker = marker
        self._clock = clock
        self._connect_seconds = connect_seconds
        self._reconnect_seconds = reconnect_seconds
        self._worked = False
        self._alone_since: float | None = None
        self._pause = _FIRST_PAUSE
        self._open_at = time.monotonic()
        self._between = 1.0 / rate_per_second if rate_per_second else 0.0
        self._next_at = time.monotonic()
        self._queue: queue.SimpleQueue[Claimed | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._connected = 0
        self._failing = 0
        self._unusable: deque[bool] = deque(maxlen=_WINDOW)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.trouble = ""
        self._threads = [
            threading.Thread(target=self._work, name=f"tidings-connection-{number}", daemon=True)
            for number in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def give(self, messages: Sequence[Claimed]) -> None:
        """Queue claimed messages."""
        for message in messages:
            self._queue.put(message)

    @property
    def queued(self) -> int:
        """How many messages wait for a connection."""
        return self._queue.qsize()

    @property
    def stopping(self) -> bool:
        """Tell whether the connections only give back what is queued."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Hand over nothing more: messages in flight end, queued ones are given back."""
        self._stopping.set()
        self._wake.set()

    def close(self) -> None:
        """Work off the queue (or give it back, after `stop`) and end the connections."""
        self._wake.set()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        # A connection that could not be opened put its message back behind the end of the queue: it is still here.
        while not self._queue.empty():
            message = self._queue.get()
            if message is not None:
                self._marker.end(Ended(message, _GIVEN_BACK))

    def _work(self) -> None:
        connection: Connection | None = None
        try:
            while (message := self._next(rest=connection is None)) is not None:
                if self._stopping.is_set():
                    self._marker.end(Ended(message, _GIVEN_BACK))
                    continue
                made = self._made(message)
                if isinstance(made, Refusal):
                    self._refused(message, made)
                    continue
                if connection is None:
                    connection = self._connect()
                    if connection is None:
                        self._queue.put(message)
                        continue
                self._keep_pace()
                if self._stopping.is_set():
                    # Woken before its turn: to hand over now would break the rate.
                    self._marker.end(Ended(message, _GIVEN_BACK))
                    continue
                word = self._marker.start(message)
                if word is Word.HELD:
                    self.stop()
                if word is Word.HELD or (word is Word.GO and not self._marker.in_time(message.claim_id)):
                    self._marker.end(Ended(message, _GIVEN_BACK))
                elif word is Word.GO and not self._hand_over(connection, message, made):
                    self._drop(connection)
                    connection = None
        except Exception as error:
            self._fail(f"the sender failed: {type(error).__name__}: {error}")
        finally:
            if connection is not None:
                self._drop(connection)

    def _next(self, *, rest: bool) -> Claimed | None:
        """Return the next message, None at the end; a connection that is not open waits until it may be tried."""
        while rest and not self._wake.is_set() and (wait := self._open_at - time.monotonic()) > 0:
            self._wake.wait(min(wait, _REST))
        return self._queue.get()

    def _keep_pace(self) -> None:
        """Wait for this connection's turn under the channel's rate."""
        if not self._between:
            return
        with self._guard:
            turn = max(self._next_at, time.monotonic())
            self._next_at = turn + self._between
        self._stopping.wait(max(turn - time.monotonic(), 0.0))

    def _made(self, message: Claimed) -> Outgoing | Refusal:
        try:
            return self._render(message)
        except Exception as error:
            # One customer's data must not stop everybody else's message.
            return Refusal("render_error", _sentence(error))

    def _refused(self, message: Claimed, refusal: Refusal) -> None:
        self._marker.end(
            Ended(
                message,
                "refused",
                outcome=refusal.code,
                detail=refusal.detail,
                code=refusal.code,
                rule=refusal.rule,
            )
        )
        self._judge(unusable=True, detail=refusal.detail)

    def _connect(self) -> Connection | None:
        """Open a connection, or return None when that has to wait; then the message belongs to the others."""
        with self._guard:
            now = time.monotonic()
            if now < self._open_at:
                return None
            again = self._pause > _FIRST_PAUSE
            if again:
                # One at a time tries, not all of them.
                self._open_at = now + self._pause
        try:
            connection = self._adapter.connect()
        except Exception as error:
            self._not_opened(_sentence(error), again=again)
            return None
        with self._guard:
            self._connected += 1
            self._worked = True
            self._alone_since = None
            self._pause, self._open_at = _FIRST_PAUSE, time.monotonic()
        return connection

    def _not_opened(self, detail: str, *, again: bool) -> None:
        """Put the next attempt off; when no connection has been open for long, the channel is in trouble."""
        with self._guard:
            now = time.monotonic()
            alone = self._connected == 0
            self._alone_since = (self._alone_since or now) if alone else None
            allowed = self._reconnect_seconds if self._worked else self._connect_seconds
            left = allowed - (now - (self._alone_since or now))
            # Several that failed together at the beginning are one failure.
            if again or now >= self._open_at:
                pause = min(self._pause, _PAUSE_ALONE if alone else _PAUSE_BESIDE)
                self._open_at = now + (min(pause, max(left, 0.0)) if alone else pause)
                self._pause = pause * 2
        if alone and left <= 0:
            self._fail(f"the channel {self._job.channel} cannot be used: {detail}")

    def _drop(self, connection: Connection) -> None:
        with self._guard:
            self._connected -= 1
        # It is being thrown away: whatever it says now changes nothing.
        with suppress(Exception):
            connection.close()

    def _hand_over(self, connection: Connection, message: Claimed, made: Outgoing) -> bool:
        """Submit a started message and tell how it went; return whether the connection can be used again."""
        try:
            outcome = connection.submit(made)
        except Exception as error:
            # It was begun and we do not know how far it came.
            detail = _sentence(error)
            self._marker.end(Ended(message, "in_doubt", outcome="in_doubt", detail=detail))
            self._watch(_DOUBT_WEIGHT, detail)
            return False
        self._marker.end(self._ended(message, outcome))
        if outcome.kind == "rejected" and outcome.scope == "config":
            self._fail(f"the channel {self._job.channel} refuses to send: {outcome.detail}")
        self._judge(
            unusable=outcome.kind == "rejected" and outcome.scope == "content", detail=outcome.detail or ""
        )
        troubling = {"in_doubt": _DOUBT_WEIGHT, "transient": 0 if outcome.scope == "recipient" else 1}
        self._watch(troubling.get(outcome.kind), outcome.detail or "")
        if outcome.kind == "throttled":
            self._stopping.wait(min(outcome.retry_after or 1.0, 30.0))
        return outcome.kind not in troubling or outcome.scope == "recipient"

    def _ended(self, message: Claimed, outcome: Outcome) -> Ended:
        """Turn the adapter's word into the ledger's."""
        detail = outcome.detail or ""
        attempt = message.attempt + 1
        if outcome.kind == "accepted":
            return Ended(message, "accepted", provider_ref=outcome.provider_ref)
        if outcome.kind == "in_doubt":
            return Ended(message, "in_doubt", outcome="in_doubt", detail=detail)
        if outcome.kind == "rejected":
            if outcome.scope == "config":
                return Ended(message, _GIVEN_BACK, outcome="rejected_config", detail=detail)
            return Ended(
                message, "rejected", outcome=f"rejected_{outcome.scope or 'recipient'}", detail=detail
            )
        retry = self._job.retry
        if outcome.kind == "transient" and attempt >= retry.attempts:
            gave_up = f"gave up after {attempt} attempts: {detail}"
            return Ended(message, "rejected", outcome="transient_exhausted", detail=gave_up)
        delay = max(outcome.retry_after or 0.0, retry.delay(attempt))
        due = to_micros(self._clock.now()) + int(delay * 1_000_000)
        return Ended(message, "deferred", outcome=str(outcome.kind), detail=detail, due_at=due)

    def _watch(self, weight: int | None, detail: str) -> None:
        """Stop when nothing but trouble comes back: otherwise every message of the run would be spent on it.

        `weight` None: the channel worked.
        """
        with self._guard:
            self._failing = 0 if weight is None else self._failing + weight
            failing = self._failing
        if failing >= _DOUBT_WEIGHT * max(len(self._threads), 3):
            self._fail(f"the channel {self._job.channel} does not work: {detail}")

    def _judge(self, *, unusable: bool, detail: str) -> None:
        with self._guard:
            self._unusable.append(unusable)
            count, size = sum(self._unusable), len(self._unusable)
        if unusable and count >= _FEWEST and count > _SHARE * size:
            self._fail(
                f"{count} of the last {size} messages could not be made or were refused for their content: {detail}"
            )

    def _fail(self, why: str) -> None:
        with self._guard:
            self.trouble = self.trouble or why
        self.stop()


def _sentence(error: BaseException) -> str:
    if isinstance(error, TidingsError):
        return error.message
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
