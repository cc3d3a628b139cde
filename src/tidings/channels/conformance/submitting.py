"""Checks of one submit after the other: every answer, every way of not answering."""

from __future__ import annotations

import time

from tidings.channels.conformance.stage import (
    BODY,
    Behaviour,
    NotConforming,
    Stage,
    expect,
    message,
    need,
    same,
)
from tidings.channels.protocol import ChannelUnavailable, Kind, Scope

# Seconds between two messages of a connection that the other side closes meanwhile.
_IDLE = 0.3


def accepts(stage: Stage) -> None:
    """An accepted message arrived once, byte for byte up to its line ends, and has a reference."""
    outcome = expect(stage, Behaviour.ACCEPTS, Kind.ACCEPTED)
    need(bool(outcome.provider_ref), "an accepted message has a provider_ref")
    taken = stage.received()
    need(len(taken) == 1, f"one message was submitted, {len(taken)} arrived")
    need(same(stage, message(stage), taken[0]), "the message did not arrive as it was submitted")


def keeps_a_connection(stage: Stage) -> None:
    """Many messages go over one connection, each of them once."""
    connection = stage.adapter(Behaviour.ACCEPTS).connect()
    outcomes = [connection.submit(message(stage, number)) for number in range(1, 8)]
    connection.close()
    need(
        all(one.kind == Kind.ACCEPTED for one in outcomes), f"seven messages over one connection: {outcomes}"
    )
    need(len(stage.received()) == 7, f"seven were accepted, {len(stage.received())} arrived")


def rejects_recipient(stage: Stage) -> None:
    """A refused address is about the recipient, and the connection goes on."""
    expect(stage, Behaviour.REJECTS_RECIPIENT, Kind.REJECTED, Scope.RECIPIENT)


def rejects_content(stage: Stage) -> None:
    """A refused text is about the content."""
    expect(stage, Behaviour.REJECTS_CONTENT, Kind.REJECTED, Scope.CONTENT)


def rejects_config(stage: Stage) -> None:
    """A refusal of us (login, policy, sender) is about the configuration, never about the recipient."""
    expect(stage, Behaviour.REJECTS_CONFIG, Kind.REJECTED, Scope.CONFIG)


def throttles(stage: Stage) -> None:
    """A throttle says how long to wait."""
    outcome = expect(stage, Behaviour.THROTTLES, Kind.THROTTLED)
    need((outcome.retry_after or 0) > 0, "a throttle says after how many seconds to ask again")


def fails_for_now(stage: Stage) -> None:
    """A temporary failure is transient."""
    expect(stage, Behaviour.FAILS_FOR_NOW, Kind.TRANSIENT)


def _nothing_handed_over(stage: Stage, behaviour: Behaviour) -> None:
    expect(stage, behaviour, Kind.TRANSIENT)
    need(not stage.received(), "what is called transient was not taken")


def cut_before_body(stage: Stage) -> None:
    """A connection lost before the body hands nothing over."""
    _nothing_handed_over(stage, Behaviour.CUTS_BEFORE_BODY)


def cut_in_body(stage: Stage) -> None:
    """A connection lost within the body hands nothing over."""
    connection = stage.adapter(Behaviour.CUTS_IN_BODY).connect()
    # Larger than the buffers between, so that the cut is felt while the body is written.
    outcome = connection.submit(message(stage, payload=BODY + b"QUJD\r\n" * 1_000_000))
    connection.close()
    need(outcome.kind == Kind.TRANSIENT, f"a body cut short is transient, not {outcome}")
    need(not stage.received(), "what is called transient was not taken")


def silent_before_body(stage: Stage) -> None:
    """Silence before the body ends at the timeout and hands nothing over."""
    _nothing_handed_over(stage, Behaviour.SILENT_BEFORE_BODY)


def cut_after_body(stage: Stage) -> None:
    """A connection lost after the body leaves the message in doubt."""
    expect(stage, Behaviour.CUTS_AFTER_BODY, Kind.IN_DOUBT)


def silent_after_body(stage: Stage) -> None:
    """Silence after the body ends at the timeout and leaves the message in doubt."""
    expect(stage, Behaviour.SILENT_AFTER_BODY, Kind.IN_DOUBT)


def closes_when_idle(stage: Stage) -> None:
    """A connection closed between two messages costs neither of them."""
    connection = stage.adapter(Behaviour.CLOSES_WHEN_IDLE).connect()
    outcomes = []
    for number in (1, 2, 3):
        outcomes.append(connection.submit(message(stage, number)))
        # Idle: what is closed while a request is on its way nobody can tell from a lost answer.
        time.sleep(_IDLE)
    connection.close()
    need(all(one.kind == Kind.ACCEPTED for one in outcomes), f"three messages, closed between: {outcomes}")
    need(len(stage.received()) == 3, f"three were accepted, {len(stage.received())} arrived")


def _unavailable(stage: Stage, behaviour: Behaviour) -> None:
    try:
        stage.adapter(behaviour).connect().close()
    except ChannelUnavailable as error:
        need(
            "\n" not in error.message and len(error.message) > 10, "ChannelUnavailable is one clear sentence"
        )
        need(bool(error.what_to_do), "ChannelUnavailable says what to do")
        return
    raise NotConforming(f"when the other side {behaviour}, connect raises ChannelUnavailable")


def down(stage: Stage) -> None:
    """A server that is not there is one clear sentence."""
    _unavailable(stage, Behaviour.DOWN)


def hangs(stage: Stage) -> None:
    """A server that says nothing is one clear sentence after the timeout."""
    _unavailable(stage, Behaviour.HANGS)


def closes_twice(stage: Stage) -> None:
    """Closing again does nothing."""
    connection = stage.adapter(Behaviour.ACCEPTS).connect()
    connection.close()
    connection.close()


def answers_for_each_of_a_window(stage: Stage) -> None:
    """A window gets one outcome for each of its messages, in their order; a bad address costs only its own."""
    adapter = stage.adapter(Behaviour.ACCEPTS)
    size = min(adapter.capabilities.window, 7)
    connection = adapter.connect()
    if size == 1:
        connection.close()
        return
    need(hasattr(connection, "submit_many"), "a window above 1 needs submit_many")
    batch = [message(stage, number) for number in range(1, size + 1)]
    batch[1] = message(stage, 2, recipient="")
    outcomes = connection.submit_many(batch)  # type: ignore[attr-defined]
    connection.close()
    need(len(outcomes) == size, f"{size} messages, {len(outcomes)} outcomes")
    wanted = [Kind.REJECTED if position == 1 else Kind.ACCEPTED for position in range(size)]
    need([one.kind for one in outcomes] == wanted, f"the second of {size} has no address: {outcomes}")
    need(len(stage.received()) == size - 1, f"{size - 1} were accepted, {len(stage.received())} arrived")
