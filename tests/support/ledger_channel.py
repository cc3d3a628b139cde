"""A channel in the process itself: answers by script, and counts what it was given."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tidings.channels.protocol import Capabilities
from tidings.channels.protocol import Outcome as Answer
from tidings.channels.protocol import Outgoing as Letter
from tidings.delivery.work import Claimed

__all__ = ["Answer", "Channel", "Letter", "render"]


def render(message: Claimed) -> Letter:
    """Make the smallest message."""
    return Letter(
        message.message_id, "shop@shop.example", message.address, b"Subject: hello\r\n\r\nhello\r\n"
    )


@dataclass
class Channel:
    """An adapter whose answers come from `answer(letter, how many times it was given it)`.

    `refuse_connections` makes the next so many connects fail; `given` counts copies by recipient.
    """

    answer: Callable[[Letter, int], Answer] = lambda _letter, _copies: Answer("accepted", provider_ref="ok")
    before: Callable[[Letter], None] = lambda _letter: None
    refuse_connections: int = 0
    given: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)
    open: int = 0
    most_open: int = 0
    capabilities: Capabilities = Capabilities("email", connections=64)

    def connect(self) -> Connected:
        with self.guard:
            if self.refuse_connections:
                self.refuse_connections -= 1
                raise ConnectionRefusedError("connection refused")
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        return Connected(self)


class Connected:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def submit(self, letter: Letter) -> Answer:
        self.channel.before(letter)
        with self.channel.guard:
            self.channel.given[letter.recipient] += 1
            copies = self.channel.given[letter.recipient]
        return self.channel.answer(letter, copies)

    def close(self) -> None:
        with self.channel.guard:
            self.channel.open -= 1
