"""What an SMS centre delivered and nobody has stored yet: told once, acknowledged when it is safe, never twice by a repeat.

A centre repeats what it gets no acknowledgement for, over the same session when it is impatient, over the next one when
the session broke. A repeat is the same event: it costs no memory, and a START told again does not undo the STOP after it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tidings.channels.protocol import ChannelEvent

# Beyond this many the socket is not read: TCP makes the centre wait, and it keeps them for us.
MOST = 10_000
# How many acknowledged messages of people are remembered, and for how many seconds after their session ended.
_REMEMBERED, _REPEATS_SECONDS = 1_000, 600.0


class Acknowledging(Protocol):
    """The session that a unit came over."""

    @property
    def alive(self) -> bool:
        """Tell whether it still is."""
        ...

    def answer(self, command: int, sequence: int, body: bytes = b"") -> None:
        """Acknowledge a unit."""
        ...


@dataclass(slots=True)
class _Waiting:
    """One event with every unit that told it."""

    event: ChannelEvent
    content: bytes
    told: list[tuple[Acknowledging, int]] = field(default_factory=list)


class Inbox:
    """Thread-safe: sessions put in, one taker takes out. `acknowledge` writes the answer to a unit."""

    def __init__(self, acknowledge: Callable[[Acknowledging, int], None]) -> None:
        self._acknowledge = acknowledge
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._given = 0
        self._known: OrderedDict[bytes, tuple[str, Acknowledging, float]] = OrderedDict()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def name_of(self, content: bytes, session: Acknowledging, fresh: str) -> str:
        """Return the id of a message that somebody wrote: that of its first telling when this is a repeat of a broken session.

        `content` is the unit without its sequence number.
        """
        now = time.monotonic()
        with self._changed:
            for one in self._waiting.values():
                if one.content == content and all(other is not session for other, _ in one.told):
                    return one.event.event_id
            known = self._known.get(content)
            if (
                known is not None
                and known[1] is not session
                and not known[1].alive
                and now - known[2] < _REPEATS_SECONDS
            ):
                return known[0]
        return fresh

    def put(self, event: ChannelEvent, content: bytes, session: Acknowledging, sequence: int) -> None:
        """Keep an event until it is stored; waits while there are too many."""
        with self._changed:
            while len(self._waiting) >= MOST and event.event_id not in self._waiting and session.alive:
                self._changed.wait(0.5)
            entry = self._waiting.get(event.event_id)
            if entry is None:
                entry = self._waiting[event.event_id] = _Waiting(event, content)
            entry.told.append((session, sequence))

    def take(self) -> list[ChannelEvent]:
        """Return the events that were not given out yet."""
        with self._changed:
            events = [one.event for one in self._waiting.values()][self._given :]
            self._given = len(self._waiting)
            return events

    def stored(self, count: int) -> None:
        """Acknowledge the first `count` of the events given out, every unit that told them."""
        with self._changed:
            names = list(self._waiting)[: min(count, self._given)]
            safe = [self._waiting.pop(name) for name in names]
            self._given -= len(safe)
            for one in safe:
                self._known[one.content] = (one.event.event_id, one.told[-1][0], time.monotonic())
                self._known.move_to_end(one.content)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            self._changed.notify_all()
        for one in safe:
            for session, sequence in one.told:
                self._acknowledge(session, sequence)
