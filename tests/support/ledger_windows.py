"""Channels that take several messages at once, for the harness: one call of an API, and a window as SMPP has it."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tidings.channels.protocol import Capabilities, Form, Kind, Outcome, Outgoing

CONNECTIONS = 4


class Windowed:
    """Talks to a sink of calls: `together` in one line, otherwise a line each, all on their way before the first answer."""

    def __init__(self, port: int, window: int, *, together: bool) -> None:
        self.port = port
        self.together = together
        self.capabilities = Capabilities(
            "email", window=window, connections=CONNECTIONS, form=Form.TEXT, by_provider_ref=not together
        )

    def connect(self) -> WindowedConnection:
        return WindowedConnection(self)


class WindowedConnection:
    """One connection to the sink."""

    def __init__(self, adapter: Windowed) -> None:
        self.adapter = adapter
        self.socket = socket.create_connection(("127.0.0.1", adapter.port), timeout=30)
        self.answers = self.socket.makefile("rb")

    def submit(self, outgoing: Outgoing) -> Outcome:
        return self.submit_many([outgoing])[0]

    def submit_many(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        assert 0 < len(batch) <= self.adapter.capabilities.window
        numbers = [one.recipient.partition("@")[0] for one in batch]
        lines = [",".join(numbers)] if self.adapter.together else numbers
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())
        for line in lines:
            if self.answers.readline().decode() != f"{line}\n":
                raise ConnectionResetError("the answer did not come")
        return [Outcome(Kind.ACCEPTED, provider_ref=f"a{number},b{number}") for number in numbers]

    def close(self) -> None:
        self.answers.close()
        self.socket.close()


def api(port: int) -> Windowed:
    """A provider that takes a hundred messages a call."""
    return Windowed(port, 100, together=True)


def centre(port: int) -> Windowed:
    """An SMS centre that lets ten messages be on their way."""
    return Windowed(port, 10, together=False)
