"""Making finished messages of claimed ones: at once, or in a thread of its own where one message may take seconds.

A template with a loop in a loop is rendered in a process that can be stopped (`tidings.templates.worker`), and waiting
for that may take as long as it is given. Meanwhile the connections must go on, outcomes be written and leases be kept.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tidings.channels.protocol import NotLetIn
from tidings.delivery.work import Claimed, Refusal
from tidings.errors import TidingsError

if TYPE_CHECKING:
    from tidings.channels.protocol import Outgoing

Render = Callable[[Claimed], "Outgoing | Refusal"]
RenderMany = Callable[[Sequence[Claimed]], "Sequence[Outgoing | Refusal]"]
# Both are called in the thread of the connections: once for each message, and for a batch that nobody could make.
Made = Callable[[Claimed, "Outgoing | Refusal"], None]
Failed = Callable[[Sequence[Claimed], str], None]

# How long messages are rendered before the connections are looked at again.
_SECONDS = 0.002
# So many go to the process at once; what comes back of them all is heard together.
_BATCH = 16


class Maker:
    """Makes messages ahead of their turn and tells of each.

    With `render_many` batches are made in a thread of its own; `leave` then carries what they became to the thread of
    the connections. Otherwise `render` makes them one by one in the thread that asks. `failed` hears of a batch that
    could not be made for a reason that is none of its customers'.
    """

    def __init__(
        self,
        render: Render,
        render_many: RenderMany | None,
        made: Made,
        failed: Failed,
        leave: Callable[[Callable[[], None]], None],
    ) -> None:
        self._render, self._many, self._leave = render, render_many, leave
        self._made, self._failed = made, failed
        self.pending = 0
        self._batches: queue.SimpleQueue[list[Claimed]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def make(self, waiting: deque[Claimed], room: int) -> bool:
        """Make up to `room` of those who wait, or begin to; say whether any are made now."""
        if self._many is not None:
            if room > 0 and waiting and not self.pending:
                self._begin([waiting.popleft() for _ in range(min(_BATCH, len(waiting)))])
            return False
        until = time.monotonic() + _SECONDS
        made = 0
        while made < room and waiting:
            message = waiting.popleft()
            self._made(message, self._one(message))
            made += 1
            if time.monotonic() > until:
                break
        return made > 0

    def close(self) -> None:
        """End the thread when what it has begun is done."""
        if self._thread is not None:
            self._batches.put([])
            self._thread.join()

    def _begin(self, batch: list[Claimed]) -> None:
        self.pending = len(batch)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tidings-making", daemon=True)
            self._thread.start()
        self._batches.put(batch)

    def _work(self) -> None:
        while batch := self._batches.get():
            self._leave(partial(self._tell, batch, self._several(batch)))

    def _tell(self, batch: Sequence[Claimed], results: Sequence[Outgoing | Refusal] | str) -> None:
        self.pending = 0
        if isinstance(results, str):
            self._failed(batch, results)
            return
        for message, made in zip(batch, results, strict=True):
            self._made(message, made)

    def _one(self, message: Claimed) -> Outgoing | Refusal:
        try:
            return self._render(message)
        except Exception as error:
            # One customer's data must not stop everybody else's message.
            return Refusal("render_error", sentence_of(error))

    def _several(self, batch: Sequence[Claimed]) -> Sequence[Outgoing | Refusal] | str:
        assert self._many is not None
        try:
            results = self._many(batch)
        except Exception as error:
            return sentence_of(error)
        return results if len(results) == len(batch) else f"{len(results)} messages made of {len(batch)}"


def remedy_of(error: BaseException) -> str:
    """Return what to do about a channel that does not let us in, as the end of a sentence; empty for all else."""
    return f"; {error.what_to_do}" if isinstance(error, NotLetIn) and error.what_to_do else ""


def sentence_of(error: BaseException) -> str:
    """Return what happened in one sentence."""
    if isinstance(error, TidingsError):
        return error.message
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
