"""Checks that every adapter must pass, over a stage that plays the other side.

A test module makes a `Stage` for its adapter and runs `checks()` over it; a check raises NotConforming with a sentence.
What the other side of an adapter cannot do (a folder never hangs) is left out of `Stage.behaviours`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from tidings.channels.protocol import Adapter, ChannelUnavailable, Connection, Kind, Outcome, Outgoing, Scope


class Behaviour(StrEnum):
    """What the other side does with the next message."""

    ACCEPTS = "accepts"
    REJECTS_RECIPIENT = "rejects the recipient"
    REJECTS_CONTENT = "rejects the content"
    REJECTS_CONFIG = "rejects us"
    THROTTLES = "throttles"
    FAILS_FOR_NOW = "fails for now"
    CUTS_BEFORE_BODY = "cuts the connection before the body"
    CUTS_IN_BODY = "cuts the connection within the body"
    CUTS_AFTER_BODY = "cuts the connection after the body"
    SILENT_BEFORE_BODY = "says nothing before the body"
    SILENT_AFTER_BODY = "says nothing after the body"
    CLOSES_WHEN_IDLE = "closes the connection between two messages"
    DOWN = "is not there"
    HANGS = "takes the connection and says nothing"


class Stage(Protocol):
    """The other side of one adapter, played."""

    behaviours: frozenset[Behaviour]

    def adapter(self, behaviour: Behaviour) -> Adapter:
        """Return the adapter, with timeouts of about a second, against the other side behaving so."""
        ...

    def received(self) -> list[bytes]:
        """Return the messages that the other side took responsibility for since `adapter` was called."""
        ...


class NotConforming(AssertionError):
    """The adapter breaks the protocol."""


Check = Callable[[Stage], None]

_BODY = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/RgNC40LLQtdGC\r\n"
)
_SENDER = "shop@example.com"


def outgoing(number: int = 1, *, recipient: str = "anna@example.com", payload: bytes = _BODY) -> Outgoing:
    """Return a message to submit."""
    return Outgoing(number, _SENDER, recipient, payload)


def _need(holds: bool, sentence: str) -> None:
    if not holds:
        raise NotConforming(sentence)


def _submit(stage: Stage, behaviour: Behaviour, message: Outgoing | None = None) -> Outcome:
    connection = stage.adapter(behaviour).connect()
    try:
        return connection.submit(message or outgoing())
    finally:
        connection.close()


def _expect(stage: Stage, behaviour: Behaviour, kind: Kind, scope: Scope | None = None) -> Outcome:
    outcome = _submit(stage, behaviour)
    _need(outcome.kind == kind, f"when the other side {behaviour}, the outcome is {kind}, not {outcome}")
    if scope is not None:
        _need(outcome.scope == scope, f"when the other side {behaviour}, the scope is {scope}, not {outcome}")
    if kind != Kind.ACCEPTED:
        _need(bool(outcome.detail), f"{kind} needs a detail that says why")
        _need("anna@example.com" not in outcome.detail, "a detail may not hold the recipient's address")
    return outcome


def accepts(stage: Stage) -> None:
    """An accepted message arrived once, byte for byte up to its line ends, and has a reference."""
    outcome = _expect(stage, Behaviour.ACCEPTS, Kind.ACCEPTED)
    _need(bool(outcome.provider_ref), "an accepted message has a provider_ref")
    taken = stage.received()
    _need(len(taken) == 1, f"one message was submitted, {len(taken)} arrived")
    _need(taken[0].rstrip() == _BODY.rstrip(), "the message did not arrive as it was submitted")


def keeps_a_connection(stage: Stage) -> None:
    """Many messages go over one connection, each of them once."""
    connection = stage.adapter(Behaviour.ACCEPTS).connect()
    outcomes = [connection.submit(outgoing(number)) for number in range(1, 8)]
    connection.close()
    _need(
        all(one.kind == Kind.ACCEPTED for one in outcomes), f"seven messages over one connection: {outcomes}"
    )
    _need(len(stage.received()) == 7, f"seven were accepted, {len(stage.received())} arrived")


def rejects_recipient(stage: Stage) -> None:
    """A refused address is about the recipient, and the connection goes on."""
    _expect(stage, Behaviour.REJECTS_RECIPIENT, Kind.REJECTED, Scope.RECIPIENT)


def rejects_content(stage: Stage) -> None:
    """A refused text is about the content."""
    _expect(stage, Behaviour.REJECTS_CONTENT, Kind.REJECTED, Scope.CONTENT)


def rejects_config(stage: Stage) -> None:
    """A refusal of us (login, policy, sender) is about the configuration, never about the recipient."""
    _expect(stage, Behaviour.REJECTS_CONFIG, Kind.REJECTED, Scope.CONFIG)


def throttles(stage: Stage) -> None:
    """A throttle says how long to wait."""
    outcome = _expect(stage, Behaviour.THROTTLES, Kind.THROTTLED)
    _need((outcome.retry_after or 0) > 0, "a throttle says after how many seconds to ask again")


def fails_for_now(stage: Stage) -> None:
    """A temporary failure is transient."""
    _expect(stage, Behaviour.FAILS_FOR_NOW, Kind.TRANSIENT)


def _nothing_handed_over(stage: Stage, behaviour: Behaviour) -> None:
    _expect(stage, behaviour, Kind.TRANSIENT)
    _need(not stage.received(), "what is called transient was not taken")


def cut_before_body(stage: Stage) -> None:
    """A connection lost before the body hands nothing over."""
    _nothing_handed_over(stage, Behaviour.CUTS_BEFORE_BODY)


def cut_in_body(stage: Stage) -> None:
    """A connection lost within the body hands nothing over."""
    connection = stage.adapter(Behaviour.CUTS_IN_BODY).connect()
    # Larger than the buffers between, so that the cut is felt while the body is written.
    outcome = connection.submit(outgoing(payload=_BODY + b"QUJD\r\n" * 1_000_000))
    connection.close()
    _need(outcome.kind == Kind.TRANSIENT, f"a body cut short is transient, not {outcome}")
    _need(not stage.received(), "what is called transient was not taken")


def silent_before_body(stage: Stage) -> None:
    """Silence before the body ends at the timeout and hands nothing over."""
    _nothing_handed_over(stage, Behaviour.SILENT_BEFORE_BODY)


def cut_after_body(stage: Stage) -> None:
    """A connection lost after the body leaves the message in doubt."""
    _expect(stage, Behaviour.CUTS_AFTER_BODY, Kind.IN_DOUBT)


def silent_after_body(stage: Stage) -> None:
    """Silence after the body ends at the timeout and leaves the message in doubt."""
    _expect(stage, Behaviour.SILENT_AFTER_BODY, Kind.IN_DOUBT)


def closes_when_idle(stage: Stage) -> None:
    """A connection closed between two messages costs neither of them."""
    connection = stage.adapter(Behaviour.CLOSES_WHEN_IDLE).connect()
    outcomes = [connection.submit(outgoing(number)) for number in (1, 2, 3)]
    connection.close()
    _need(all(one.kind == Kind.ACCEPTED for one in outcomes), f"three messages, closed between: {outcomes}")
    _need(len(stage.received()) == 3, f"three were accepted, {len(stage.received())} arrived")


def _unavailable(stage: Stage, behaviour: Behaviour) -> None:
    try:
        stage.adapter(behaviour).connect().close()
    except ChannelUnavailable as error:
        _need(
            "\n" not in error.message and len(error.message) > 10, "ChannelUnavailable is one clear sentence"
        )
        _need(bool(error.what_to_do), "ChannelUnavailable says what to do")
        return
    raise NotConforming(f"when the other side {behaviour}, connect raises ChannelUnavailable")


def down(stage: Stage) -> None:
    """A server that is not there is one clear sentence."""
    _unavailable(stage, Behaviour.DOWN)


def hangs(stage: Stage) -> None:
    """A server that says nothing is one clear sentence after the timeout."""
    _unavailable(stage, Behaviour.HANGS)


def refuses_injection(stage: Stage) -> None:
    """An address that would start another command or header is refused and says nothing to the other side."""
    for address in (
        "a@b.example\r\nRCPT TO:<c@d.example>",
        "a@b.example>\n",
        "a b@c.example",
        "a@b\0.example",
        "",
    ):
        outcome = _submit(stage, Behaviour.ACCEPTS, outgoing(recipient=address))
        wanted = outcome.kind == Kind.REJECTED and outcome.scope == Scope.RECIPIENT
        _need(wanted, f"the address {address!r} is rejected for the recipient, not {outcome}")
        _need(not stage.received(), f"the address {address!r} let a message through")


def does_not_smuggle(stage: Stage) -> None:
    """No end of message within a body is one on the wire."""
    for trick in (b"\n.\n", b"\r.\r", b"\r\n.\r\n", b"\n.\r\n", b"\r\n.\n"):
        outcome = _submit(
            stage, Behaviour.ACCEPTS, outgoing(payload=_BODY + trick + b"MAIL FROM:<x@y.example>\r\n")
        )
        taken = stage.received()
        _need(
            outcome.kind == Kind.ACCEPTED and len(taken) == 1,
            f"a body with {trick!r}: {outcome}, {len(taken)} taken",
        )
        _need(b"MAIL FROM:<x@y.example>" in taken[0], f"the body was cut at {trick!r}")


def carries_unicode(stage: Stage) -> None:
    """A domain outside ASCII is written in punycode; a local part outside ASCII is refused for the recipient."""
    outcome = _submit(stage, Behaviour.ACCEPTS, outgoing(recipient="anna@bücher.example"))
    _need(outcome.kind == Kind.ACCEPTED, f"anna@bücher.example is accepted, not {outcome}")
    outcome = _submit(stage, Behaviour.ACCEPTS, outgoing(recipient="аня@example.com"))
    _need(outcome.kind == Kind.REJECTED and outcome.scope == Scope.RECIPIENT, f"аня@example.com: {outcome}")


def refuses_oversize(stage: Stage) -> None:
    """A message over the limit is refused for its content before it is sent."""
    adapter = stage.adapter(Behaviour.ACCEPTS)
    connection: Connection = adapter.connect()
    outcome = connection.submit(outgoing(payload=b"x" * (adapter.capabilities.max_bytes + 1)))
    connection.close()
    _need(outcome.kind == Kind.REJECTED and outcome.scope == Scope.CONTENT, f"an oversize message: {outcome}")
    _need(not stage.received(), "an oversize message was sent")


def closes_twice(stage: Stage) -> None:
    """Closing again does nothing."""
    connection = stage.adapter(Behaviour.ACCEPTS).connect()
    connection.close()
    connection.close()


# Each check with the behaviour that the other side must be able to show.
CHECKS: dict[str, tuple[Behaviour, Check]] = {
    check.__name__: (behaviour, check)
    for behaviour, check in (
        (Behaviour.ACCEPTS, accepts),
        (Behaviour.ACCEPTS, keeps_a_connection),
        (Behaviour.REJECTS_RECIPIENT, rejects_recipient),
        (Behaviour.REJECTS_CONTENT, rejects_content),
        (Behaviour.REJECTS_CONFIG, rejects_config),
        (Behaviour.THROTTLES, throttles),
        (Behaviour.FAILS_FOR_NOW, fails_for_now),
        (Behaviour.CUTS_BEFORE_BODY, cut_before_body),
        (Behaviour.CUTS_IN_BODY, cut_in_body),
        (Behaviour.SILENT_BEFORE_BODY, silent_before_body),
        (Behaviour.CUTS_AFTER_BODY, cut_after_body),
        (Behaviour.SILENT_AFTER_BODY, silent_after_body),
        (Behaviour.CLOSES_WHEN_IDLE, closes_when_idle),
        (Behaviour.DOWN, down),
        (Behaviour.HANGS, hangs),
        (Behaviour.ACCEPTS, refuses_injection),
        (Behaviour.ACCEPTS, does_not_smuggle),
        (Behaviour.ACCEPTS, carries_unicode),
        (Behaviour.ACCEPTS, refuses_oversize),
        (Behaviour.ACCEPTS, closes_twice),
    )
}


def checks(behaviours: frozenset[Behaviour]) -> dict[str, Check]:
    """Return the checks that a stage with these behaviours can run, by name."""
    return {name: check for name, (needed, check) in CHECKS.items() if needed in behaviours}
