"""Lanes: each keeps one connection of a channel and hands over what it is given, without ever holding up the others.

A connection that is driven in steps is moved on in the thread of the sender whenever its socket is ready. One that
blocks (a call of an API, a file, somebody else's adapter) has a thread of its own. Opening and closing always do.
"""

from __future__ import annotations

import queue
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, TypeVar, cast

from tidings.channels.stepwise import NOTHING, Open, Say, Steps, Stepwise
from tidings.channels.wire import Wire, WireLost
from tidings.delivery.work import Claimed

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, Connection, Outcome, Outgoing, WindowConnection

Batch = list[tuple[Claimed, "Outgoing"]]
# Called in the sender's thread: with the outcomes of a batch in its order, or with what was raised instead.
Told = Callable[["Lane", "Sequence[Outcome] | Exception"], None]
Opened = Callable[["Lane", Exception | None], None]

T = TypeVar("T")

_READ, _WRITE = select.POLLIN, select.POLLOUT
_NEVER = float("inf")
_LISTEN_SECONDS = 1.0


class State(Enum):
    """closed: may be opened. idle: can take a batch. taken: has one that waits for its mark. busy: hands it over."""

    CLOSED = "closed"
    OPENING = "opening"
    IDLE = "idle"
    TAKEN = "taken"
    BUSY = "busy"


class Inbox:
    """Where threads leave what the sender's thread has to do next, and its alarm clock for sockets."""

    def __init__(self) -> None:
        import socket

        self._left: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._poll = select.poll()
        self._hear, self._call = socket.socketpair()
        self._hear.setblocking(False)
        self._call.setblocking(False)
        self._called = False
        self._lanes: dict[int, Lane] = {}
        self._poll.register(self._hear, _READ)

    def leave(self, work: Callable[[], None]) -> None:
        """Leave something to be done in the sender's thread; from any thread."""
        self._left.put(work)
        self.wake()

    def ask(self, work: Callable[[], T], heard: Callable[[], bool]) -> T:
        """Have something done in the sender's thread, wait for it and return what it returns.

        Once `heard` says that this thread listens no more, it is done here.
        """
        done = threading.Event()
        results: list[T] = []
        raised: list[BaseException] = []
        given_up = threading.Event()

        def do() -> None:
            if given_up.is_set():
                return
            try:
                results.append(work())
            except BaseException as error:
                raised.append(error)
            done.set()

        self.leave(do)
        while not done.wait(_LISTEN_SECONDS):
            if not heard() and not done.is_set():
                given_up.set()
                return work()
        if raised:
            raise raised[0]
        return results[0]

    def wake(self) -> None:
        """Let the sender's thread look up; from any thread."""
        if not self._called:
            self._called = True
            # Full: then it is being called already.
            with suppress(OSError):
                self._call.send(b"!")

    def watch(self, lane: Lane, number: int, events: int) -> None:
        """Call `lane.ready` when its socket can be read or written."""
        self._lanes[number] = lane
        self._poll.register(number, events)

    def forget(self, number: int) -> None:
        """Watch a socket no longer; it may be closed already."""
        if self._lanes.pop(number, None) is not None:
            self._poll.unregister(number)

    def hear(self, seconds: float) -> None:
        """Wait up to `seconds` for something to do, and do all of it."""
        for number, _ in self._poll.poll(max(seconds * 1000, 0)):
            lane = self._lanes.get(number)
            if lane is not None:
                lane.ready()
            elif number == self._hear.fileno():
                with suppress(OSError):
                    self._hear.recv(64)
                # After the call was taken and before the queue is looked at: what is left from now on calls again.
                self._called = False
        while not self._left.empty():
            self._left.get()()

    def close(self) -> None:
        """Free the sockets; nobody may call any more."""
        self._called = True
        self._hear.close()
        self._call.close()


class Lane:
    """One connection, used from the sender's thread alone."""

    def __init__(
        self, number: int, adapter: Adapter, window: int, inbox: Inbox, opened: Opened, told: Told
    ) -> None:
        self.state = State.CLOSED
        self.batch: Batch = []
        # What this connection is given next: its envelope may have gone out with the batch before.
        self.following: tuple[Claimed, Outgoing] | None = None
        # The monotonic second at which the other side is given up.
        self.deadline = _NEVER
        # The monotonic second at which the last hand-over began.
        self.since = 0.0
        self._adapter = adapter
        self._window = window
        self._inbox = inbox
        self._opened = opened
        self._told = told
        self._connection: Connection | None = None
        self._stepwise: Stepwise | None = None
        self._steps: Steps | None = None
        self._need: Say | None = None
        self._sending = False
        # What the inbox watches for us: the wire, its socket's number, and for what.
        self._wire: Wire | None = None
        self._number = -1
        self._events = 0
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._labour, name=f"tidings-lane-{number}", daemon=True)

    def open(self) -> None:
        """Begin to open the connection; `opened` is called when it is or cannot be."""
        self.state = State.OPENING
        self._ask(self._adapter.connect, self._connected)

    @property
    def looks_ahead(self) -> bool:
        """Tell whether the connection can use what it is given next."""
        return self._stepwise is not None

    def hand_over(self) -> None:
        """Begin to hand over the batch, whose messages are marked; `told` is called at its end."""
        self.state = State.BUSY
        self.since = time.monotonic()
        connection = self._connection
        assert connection is not None
        if self._stepwise is not None:
            following = self.following
            self._steps = self._stepwise.steps(self.batch[0][1], following and following[1])
            self._drive()
        elif self._window > 1:
            many = cast("WindowConnection", connection)
            made = [one for _, one in self.batch]
            self._ask(lambda: many.submit_many(made), self._answered)
        else:
            only = self.batch[0][1]
            self._ask(lambda: [connection.submit(only)], self._answered)

    def drop(self) -> None:
        """Throw the connection away; another may be opened afterwards."""
        connection, self._connection, self._stepwise = self._connection, None, None
        self._unwatch()
        self.state = State.CLOSED
        if connection is not None:
            # Whatever it says now changes nothing.
            self._ask(connection.close, lambda _result, _error: None)

    def ready(self) -> None:
        """Go on with a hand-over whose socket can be read or written."""
        wire = self._wire
        if wire is None or self._steps is None or self._need is None:
            # The other side closes a connection that nobody uses: found out when it is used.
            self._unwatch()
            return
        try:
            if self._sending:
                if not wire.flush():
                    return
                self._sending = False
                self._watch(wire, _READ)
                self.deadline = time.monotonic() + self._need.seconds
                if not self._need.answered:
                    self._drive(NOTHING)
                return
            answer = None
            while answer is None and wire.fill():
                answer = wire.take()
        except WireLost as lost:
            self._drive(error=lost)
            return
        if answer is not None:
            self._drive(answer)

    def expire(self) -> None:
        """Give up waiting for the other side: the time of this step is over."""
        wire, need = self._wire, self._need
        self.deadline = _NEVER
        if wire is not None and need is not None:
            self._drive(error=wire.late(need.seconds))

    def end(self) -> None:
        """Close the connection and end the thread; waits for both."""
        self.drop()
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join()

    def close_late(self) -> None:
        """Close a connection that was still being opened when its lane ended."""
        late, self._connection = self._connection, None
        if late is not None:
            with suppress(Exception):
                late.close()

    def _drive(self, answer: tuple[int, str] | None = None, error: Exception | None = None) -> None:
        """Move the hand-over on until it has to wait or has ended."""
        steps, stepwise = self._steps, self._stepwise
        assert steps is not None
        assert stepwise is not None
        while True:
            try:
                # None begins it.
                need = steps.send(cast("tuple[int, str]", answer)) if error is None else steps.throw(error)
            except StopIteration as end:
                self._ended(stepwise, [end.value])
                return
            except Exception as raised:
                # It promised not to; nobody knows how far it came, and the other connections must go on.
                self._ended(stepwise, raised)
                return
            answer = error = None
            wire = stepwise.wire
            if wire is not self._wire:
                self._unwatch()
            if isinstance(need, Open):
                self.deadline = _NEVER
                self._ask(stepwise.open, self._reopened)
                return
            if wire is None:
                error = WireLost("the connection is closed")
                continue
            try:
                answer = self._say(wire, need)
            except WireLost as lost:
                error = lost
                continue
            if answer is None:
                self._need = need
                self.deadline = time.monotonic() + need.seconds
                self._watch(wire, _WRITE if self._sending else _READ)
                return

    def _ended(self, stepwise: Stepwise, told: Sequence[Outcome] | Exception) -> None:
        self._steps = self._need = None
        self._sending = False
        self.deadline = _NEVER
        if stepwise.wire is not self._wire:
            self._unwatch()
        self._told(self, told)

    def _say(self, wire: Wire, need: Say) -> tuple[int, str] | None:
        """Do what can be done of one step at once; None where it has to wait."""
        if need.content:
            wire.put(need.content)
            self._sending = not wire.flush()
            if self._sending:
                return None
            if not need.answered:
                return NOTHING
        answer = wire.take()
        if answer is None and (wire.tls or not need.content) and wire.fill():
            answer = wire.take()
        return answer

    def _watch(self, wire: Wire, events: int) -> None:
        if wire is not self._wire or events != self._events:
            self._wire, self._number, self._events = wire, wire.fileno(), events
            self._inbox.watch(self, self._number, events)

    def _unwatch(self) -> None:
        if self._wire is not None:
            self._inbox.forget(self._number)
            self._wire, self._events = None, 0

    def _connected(self, connection: object, error: Exception | None) -> None:
        self.state = State.CLOSED if error is not None else State.IDLE
        if error is None:
            self._connection = cast("Connection", connection)
            self._stepwise = (
                cast("Stepwise", connection)
                if self._window == 1 and hasattr(connection, "steps") and hasattr(connection, "wire")
                else None
            )
        self._opened(self, error)

    def _reopened(self, _nothing: object, error: Exception | None) -> None:
        self._drive(NOTHING, error)

    def _answered(self, outcomes: object, error: Exception | None) -> None:
        self._told(self, error if error is not None else cast("Sequence[Outcome]", outcomes))

    def _ask(self, work: Callable[[], object], then: Callable[[object, Exception | None], None]) -> None:
        """Have our own thread do what may block, and go on with `then` in the sender's."""

        def do() -> None:
            result: object = None
            raised: Exception | None = None
            try:
                result = work()
            except Exception as error:
                raised = error
            self._inbox.leave(lambda: then(result, raised))

        if self._thread.ident is None:
            self._thread.start()
        self._work.put(do)

    def _labour(self) -> None:
        while (work := self._work.get()) is not None:
            work()
