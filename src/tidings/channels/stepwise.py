"""Hand-overs in steps: what a connection wants next, so that one thread can drive many of them.

A connection that offers `steps` describes one hand-over as a generator. It yields what it needs (send and hear, hear one
more answer, open anew) and is resumed with the answer, or with the error that took its place; in the end it returns the
outcome. Whoever drives it decides how to wait: `run` for one connection alone, the sender for all of a channel at once.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tidings.channels.protocol import Connection, Outcome, Outgoing
from tidings.channels.wire import Wire, WireLost


@dataclass(slots=True)
class Say:
    """Send `content` (nothing, to hear one more answer) and hear the next reply, each within `seconds`."""

    content: bytes
    seconds: float
    # False where no answer belongs to it, as between a text and its final dot over TLS.
    answered: bool = True


@dataclass(slots=True)
class Open:
    """Open the connection anew; this may block. Answered with nothing, or with ChannelUnavailable."""


Steps = Generator[Say | Open, tuple[int, str], Outcome]
NOTHING = (0, "")


@runtime_checkable
class Stepwise(Connection, Protocol):
    """A connection whose hand-overs can be driven in steps."""

    @property
    def wire(self) -> Wire | None:
        """The dialogue, None while it is closed."""
        ...

    def open(self) -> None:
        """Connect; raises ChannelUnavailable."""
        ...

    def steps(self, outgoing: Outgoing, following: Outgoing | None = None) -> Steps:
        """Hand over one message; the generator never raises.

        `following` is what this connection will be given next, so that its envelope may go out together with the
        text of this one. Its own text goes out in its own hand-over, which may never come.
        """
        ...


def run(connection: Stepwise, outgoing: Outgoing, following: Outgoing | None = None) -> Outcome:
    """Drive one hand-over to its end, waiting for each step; never raises where the generator does not."""
    steps = connection.steps(outgoing, following)
    try:
        need = next(steps)
        while True:
            try:
                answer = _done(connection, need)
            except Exception as error:
                need = steps.throw(error)
            else:
                need = steps.send(answer)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


def _done(connection: Stepwise, need: Say | Open) -> tuple[int, str]:
    if isinstance(need, Open):
        connection.open()
        return NOTHING
    wire = connection.wire
    if wire is None:
        raise WireLost("the connection is closed")
    if not need.answered:
        wire.send(need.content, need.seconds)
        return NOTHING
    return wire.exchange(need.content, need.seconds)
