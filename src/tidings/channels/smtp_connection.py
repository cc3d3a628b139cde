"""One connection to an SMTP server: its dialogue, and what each answer means for the message.

The order of a submit decides what a failure means. Until the final dot is written the other side cannot have the
message (RFC 5321 section 4.1.1.4), so every failure before it is transient; from the moment we begin to write the dot,
only a reply tells, and without one the message is in doubt.

Where the server offers PIPELINING (RFC 2920), MAIL, RCPT and DATA go out in one write, and as its section 3.1 allows,
behind the text of the message before when that is known by then; the text still waits until all three are answered.
Without a text nothing can be delivered, so a message that is held back in the meantime costs only the connection.
Where it is not offered each command waits for the answer to the one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import lru_cache

from tidings.channels import replies
from tidings.channels.envelope import envelope_address, stuffed
from tidings.channels.protocol import ChannelUnavailable, Kind, Outcome, Outgoing, Scope
from tidings.channels.stepwise import Open, Say, Steps, run
from tidings.channels.wire import Wire, WireLost, grouped

_QUIT_SECONDS = 2.0
# Room for a DKIM-Signature.
_SIGNED = 4_096
# Sender, recipient and DATA were taken, each in a reply of one line.
_TAKES_ALL = re.compile(rb"2\d\d(?: .*)?\r?\n2\d\d(?: .*)?\r?\n3\d\d(?: .*)?\r?\n")


class SmtpConnection:
    """One kept connection; it is made anew by itself after a loss and after `recycle_after` messages."""

    def __init__(
        self,
        dial: Callable[[], tuple[Wire, dict[str, str]]],
        *,
        command_seconds: float,
        data_seconds: float,
        recycle_after: int,
        max_bytes: int,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._dial = dial
        self._command = command_seconds
        self._data = data_seconds
        self._recycle_after = recycle_after
        self._most = max_bytes
        self._sign = sign
        self.wire: Wire | None = None
        self._limit = 0
        # Of this size a message goes out whatever its signature adds.
        self._fits = 0
        self._eight_bit = False
        self._pipelining = False
        self._sent = 0
        # Whose MAIL, RCPT and DATA went out behind the last text.
        self._ahead: Outgoing | None = None
        # How many bytes of the last write come before the final dot; None while no dot is on its way.
        self._before_dot: int | None = None

    def open(self) -> None:
        """Connect; raises ChannelUnavailable."""
        self.wire, features = self._dial()
        announced = features.get("size", "").strip()
        self._limit = int(announced) if announced.isascii() and announced.isdigit() else 0
        self._fits = min(self._most, self._limit or self._most) - _SIGNED
        self._eight_bit = "8bitmime" in features
        self._pipelining = "pipelining" in features
        self._sent = 0
        self._ahead = None

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one message; never raises. See the module for what a failure means when."""
        return run(self, outgoing)

    def steps(self, outgoing: Outgoing, following: Outgoing | None = None) -> Steps:
        """Hand over one message in steps that somebody else waits for; the generator never raises.

        `following` is what this connection is given next: its envelope goes out behind this text.
        """
        self._before_dot = None
        try:
            if self._is_awaited(outgoing):
                self._ahead = None
                return (yield from self._text(outgoing, outgoing.payload, following))
            sender, to = _sender_path(outgoing.sender), _path(outgoing.recipient)
            payload = outgoing.payload if self._sign is None else self._sign(outgoing.payload)
            unfit = self._unfit(payload, sender, to)
            if unfit is not None:
                return unfit
            return (yield from self._transaction(outgoing, payload, sender, to, following))
        except WireLost as lost:
            return self._lost(str(lost), outgoing)
        except Exception as error:
            # An adapter that raises would leave the sender guessing; the dot decides what we know.
            return self._lost(f"{type(error).__name__}: {error}", outgoing)

    def close(self) -> None:
        """Say goodbye and close; never raises, and may be called twice."""
        wire, self.wire = self.wire, None
        if wire is None:
            return
        if self._ahead is not None:
            # It waits for a text: a QUIT would be one.
            wire.close()
            return
        try:
            wire.exchange(b"QUIT\r\n", _QUIT_SECONDS)
        except WireLost:
            pass
        finally:
            wire.close()

    def _unfit(self, payload: bytes, sender: bytes, to: bytes) -> Outcome | None:
        """Refuse what may not travel, before anything is said."""
        if not sender:
            return Outcome(
                Kind.REJECTED, Scope.CONFIG, "the sender's address cannot stand in an SMTP envelope"
            )
        if not to:
            return Outcome(
                Kind.REJECTED, Scope.RECIPIENT, "5.1.3 the address cannot stand in an SMTP envelope"
            )
        if b"\0" in payload:
            return Outcome(Kind.REJECTED, Scope.CONTENT, "the message holds a NUL")
        if len(payload) > self._most:
            sentence = f"the message has {len(payload):,} bytes; {self._most:,} is the most"
            return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
        return None

    def _transaction(
        self, outgoing: Outgoing, payload: bytes, sender: bytes, to: bytes, following: Outgoing | None
    ) -> Steps:
        rcpt = b"RCPT TO:" + to
        refused = yield from self._begin(outgoing, payload, b"MAIL FROM:" + sender, rcpt)
        if refused is not None:
            return refused
        for phase, line, good in (("rcpt", rcpt, 2), ("data", b"DATA", 3)):
            answer = self._already() if self._pipelining else None
            code, text = answer or (yield Say(b"" if self._pipelining else grouped((line,)), self._command))
            if code // 100 != good:
                return (yield from self._refused(phase, code, text, outgoing.recipient))
        return (yield from self._text(outgoing, payload, following))

    def _is_awaited(self, outgoing: Outgoing) -> bool:
        """Tell whether the server has taken the envelope of this message already and waits for its text, as it mostly does.

        Nothing is to be looked at any more then: it was when the envelope went out. What is signed has changed since.
        """
        wire = self.wire
        return (
            self._ahead is outgoing and self._sign is None and wire is not None and wire.take_all(_TAKES_ALL)
        )

    def _text(self, outgoing: Outgoing, payload: bytes, following: Outgoing | None) -> Steps:
        """Say the text, and behind it the envelope of the message that follows; answer what became of this one."""
        content = stuffed(payload)
        end = b".\r\n" + self._group_of(following)
        if self.wire is not None and self.wire.tls:
            # What of an encrypted record has left when a write fails is not known: so the dot is one of its own.
            yield Say(content, self._data, answered=False)
            self._before_dot = -1
            code, text = yield Say(end, self._data)
        else:
            self._before_dot = len(content)
            code, text = yield Say(content + end, self._data)
        self._sent += 1
        if code // 100 == 2:
            return Outcome(Kind.ACCEPTED, detail="", provider_ref=replies.reference(text))
        if not 400 <= code < 600 or code == 421:
            self._drop()
        return replies.outcome_of("body", code, text, outgoing.recipient)

    def _group_of(self, following: Outgoing | None) -> bytes:
        """Return MAIL, RCPT and DATA of the message behind this one, nothing where that is to wait."""
        if following is None or not self._pipelining or self._sent + 1 >= self._recycle_after:
            return b""
        sender, to, payload = _sender_path(following.sender), _path(following.recipient), following.payload
        # What is not signed yet has its final size only then.
        fits = len(payload) <= self._fits and payload.isascii()
        if not (sender and to and fits) or b"\0" in payload:
            return b""
        group = grouped((b"MAIL FROM:" + sender, b"RCPT TO:" + to, b"DATA"))
        self._ahead = following
        return group

    def _begin(
        self, outgoing: Outgoing, payload: bytes, mail: bytes, rcpt: bytes
    ) -> Generator[Say | Open, tuple[int, str], Outcome | None]:
        """Say MAIL, on a fresh connection when the kept one turns out to be closed; return why it went no further.

        With PIPELINING also RCPT and DATA, whose answers are then the next to come.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead is not outgoing:
            # The server waits for another message's text.
            self._drop()
        for last in (False, True):
            if self.wire is not None and self._sent >= self._recycle_after:
                yield from self._goodbye()
            if self.wire is None:
                try:
                    yield Open()
                except ChannelUnavailable as error:
                    return Outcome(Kind.TRANSIENT, detail=error.message)
                last = True
            if self._limit and len(payload) > self._limit:
                sentence = f"the message has {len(payload):,} bytes; the server takes {self._limit:,}"
                return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
            line = mail
            if not payload.isascii():
                if not self._eight_bit:
                    sentence = "the message is not ASCII and the server takes nothing else"
                    return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
                line += b" BODY=8BITMIME"
            try:
                if ahead is outgoing and self.wire is not None and not last:
                    code, text = self._already() or (yield Say(b"", self._command))
                else:
                    group = grouped((line, rcpt, b"DATA") if self._pipelining else (line,))
                    code, text = yield Say(group, self._command)
            except WireLost:
                # Servers close idle connections: nothing was handed over, so one new connection is tried.
                if last:
                    raise
                self._drop()
                continue
            if code // 100 == 2:
                return None
            if code != 421 or last:
                return (yield from self._refused("mail", code, text, outgoing.recipient))
            self._drop()
        raise WireLost("the server closed the connection")

    def _already(self) -> tuple[int, str] | None:
        """Return the next answer where it came together with the one before, as those to a group of commands do."""
        return None if self.wire is None else self.wire.take()

    def _goodbye(self) -> Generator[Say | Open, tuple[int, str], None]:
        with suppress(WireLost):
            yield Say(b"QUIT\r\n", _QUIT_SECONDS)
        self._drop()

    def _refused(self, phase: str, code: int, text: str, recipient: str) -> Steps:
        """Answer a refusal before the body, and make the connection ready for the next message."""
        gone = code == 421 or not 400 <= code < 600
        if gone or (self._pipelining and not (yield from self._caught_up(phase))):
            self._drop()
        elif self.wire is not None and phase != "mail":
            try:
                answer, _ = yield Say(b"RSET\r\n", self._command)
            except WireLost:
                answer = 0
            if answer // 100 != 2:
                self._drop()
        return replies.outcome_of(phase, code, text, recipient)

    def _caught_up(self, phase: str) -> Generator[Say | Open, tuple[int, str], bool]:
        """Hear what the server still answers after it refused `phase` of a group; False when it is out of step.

        Whatever happens here, the refusal stands: without an accepted sender and recipient nothing can be delivered.
        """
        if phase == "data":
            return True
        try:
            # A server that refuses the sender and takes the recipient may mean a sender whom we do not know.
            if phase == "mail" and not _refusal((yield Say(b"", self._command))[0]):
                return False
            code, _ = yield Say(b"", self._command)
            if code // 100 == 3:
                # It wants a text for nobody (RFC 2920 section 3.1): an empty one ends the transaction.
                code, _ = yield Say(b".\r\n", self._command)
                return code // 100 == 2 or _refusal(code)
            return _refusal(code)
        except WireLost:
            return False

    def _lost(self, why: str, outgoing: Outgoing) -> Outcome:
        dotted = self._before_dot is not None and (self.wire is None or self.wire.given > self._before_dot)
        self._drop()
        why = re.sub(re.escape(outgoing.recipient), "(recipient)", why, flags=re.IGNORECASE)[:300]
        if dotted:
            return Outcome(Kind.IN_DOUBT, detail=f"the whole message was sent, but {why}")
        return Outcome(Kind.TRANSIENT, detail=why)

    def _drop(self) -> None:
        wire, self.wire, self._ahead = self.wire, None, None
        if wire is not None:
            wire.close()


def _path(address: str) -> bytes:
    """Return an address as MAIL and RCPT write it, or nothing where it cannot stand there."""
    written = envelope_address(address)
    return b"" if written is None else f"<{written}>".encode("ascii")


# Always the same.
_sender_path = lru_cache(maxsize=256)(_path)


def _refusal(code: int) -> bool:
    """Tell whether a reply refuses and leaves the connection open."""
    return 400 <= code < 600 and code != 421
