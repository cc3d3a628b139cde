"""E-mail through an SMTP server: one kept connection per sender thread, one recipient a transaction.

The order of a submit decides what a failure means. Until the final dot is written the other side cannot have the
message (RFC 5321 section 4.1.1.4), so every failure before it is transient; from the moment we begin to write the dot,
only a reply tells, and without one the message is in doubt.

Where the server offers PIPELINING (RFC 2920), MAIL, RCPT and DATA go out in one write; the text still waits until all
three are answered. Otherwise each waits for the answer to the one before.
"""

from __future__ import annotations

import ipaddress
import re
import smtplib
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar

from tidings.channels import replies
from tidings.channels.envelope import envelope_address, stuffed
from tidings.channels.protocol import Capabilities, ChannelUnavailable, Kind, Option, Outcome, Outgoing, Scope
from tidings.channels.wire import Wire, WireLost
from tidings.definitions.kinds.channel import Channel

_QUIT_SECONDS = 2.0


class SmtpAdapter:
    """Hands messages to an SMTP server, with or without TLS and login."""

    name: ClassVar[str] = "smtp"
    options: ClassVar[tuple[Option, ...]] = (
        Option("host", "text", "the mail server's name or address", required=True),
        Option("port", "whole", "25, 587 (starttls) or 465 (tls)", default=587, lowest=1, highest=65535),
        Option(
            "tls",
            "choice",
            "how the connection is protected",
            "starttls",
            choices=("none", "starttls", "tls"),
        ),
        Option("ca_file", "text", "certificates to trust instead of the system's, as a PEM file", default=""),
        Option("helo", "text", "the name we greet with; the sender's domain when left out", default=""),
        Option("username", "text", "login name", secret=True),
        Option("password", "text", "login password", secret=True),
        Option(
            "connect_timeout", "number", "seconds to connect, greet and log in, each step", 10.0, lowest=0.1
        ),
        Option("command_timeout", "number", "seconds for each answer before the text", 30.0, lowest=0.1),
        Option(
            "data_timeout", "number", "seconds to send the text, and again for its answer", 120.0, lowest=0.1
        ),
        Option("recycle_after", "whole", "messages after which a connection is made anew", 500, lowest=1),
        Option("max_bytes", "whole", "the largest message", 10_000_000, lowest=1000),
    )

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        self._values = {option.name: option.default for option in self.options} | dict(values)
        self._path = channel.path
        domain = channel.sender.rpartition("@")[2].strip("> ")
        # Asking the machine for its full name may ask DNS and hang; the sender's domain is always there.
        greeting = str(self._values["helo"] or domain or "localhost")
        self._helo = greeting if greeting.isascii() else greeting.encode("idna").decode("ascii")
        self.capabilities = Capabilities(
            kind="email", connections=channel.connections, max_bytes=int(self._values["max_bytes"])
        )

    @property
    def place(self) -> str:
        """Return `host:port`, for sentences."""
        return f"{self._values['host']}:{self._values['port']}"

    def connect(self) -> SmtpConnection:
        """Open a connection, greet, protect and log in; raises ChannelUnavailable with one sentence."""
        connection = SmtpConnection(self)
        connection.open()
        return connection

    def option(self, name: str) -> Any:
        """Return the value of an option."""
        return self._values[name]

    def dial(self) -> tuple[Wire, dict[str, str]]:
        """Return an open dialogue and the server's extensions; raises ChannelUnavailable."""
        secure = self._values["tls"]
        if self._values["username"] and secure == "none" and not _loopback(str(self._values["host"])):
            raise ChannelUnavailable(
                f"the password would go to {self.place} in the clear",
                what_to_do=f"set `tls: starttls` or `tls: tls` in {self._path}",
            )
        client: smtplib.SMTP | None = None
        try:
            client = self._client()
            client.ehlo_or_helo_if_needed()
            if secure == "starttls":
                client.starttls(context=self._trust())
                client.ehlo_or_helo_if_needed()
            if self._values["username"]:
                client.login(str(self._values["username"]), str(self._values["password"] or ""))
            assert client.sock is not None
            return Wire(client.sock), dict(client.esmtp_features)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if client is not None:
                client.close()
            raise self._unavailable(error) from error

    def _client(self) -> smtplib.SMTP:
        host, port = str(self._values["host"]), int(self._values["port"])
        seconds = float(self._values["connect_timeout"])
        if self._values["tls"] == "tls":
            return smtplib.SMTP_SSL(host, port, self._helo, timeout=seconds, context=self._trust())
        return smtplib.SMTP(host, port, self._helo, timeout=seconds)

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._values["ca_file"]) or None)

    def _unavailable(self, error: Exception) -> ChannelUnavailable:
        seconds = f"{float(self._values['connect_timeout']):g} s"
        server = f"the mail server at {self.place}"
        correct = f"correct host, port and tls in {self._path}"
        if isinstance(error, smtplib.SMTPAuthenticationError):
            reply = _reply_text(error.smtp_code, error.smtp_error)
            return ChannelUnavailable(
                f"{server} refuses the login: {reply}",
                what_to_do=f"check the variables that `secrets:` names in {self._path}",
            )
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return ChannelUnavailable(f"{server} does not offer what is asked: {error}", what_to_do=correct)
        if isinstance(error, smtplib.SMTPResponseException):
            reply = _reply_text(error.smtp_code, error.smtp_error)
            return ChannelUnavailable(
                f"{server} refuses the connection: {reply}", what_to_do="try again later"
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            sentence = f"{server} shows a certificate that is not trusted: {error.verify_message}"
            return ChannelUnavailable(sentence, what_to_do=f"correct host or ca_file in {self._path}")
        if isinstance(error, ssl.SSLError):
            return ChannelUnavailable(f"{server} does not speak TLS there", what_to_do=correct)
        if isinstance(error, TimeoutError) or "timed out" in str(error):
            return ChannelUnavailable(
                f"{server} did not answer within {seconds}", what_to_do=f"try again later, or {correct}"
            )
        if isinstance(error, ConnectionRefusedError):
            return ChannelUnavailable(
                f"no mail server answers at {self.place}", what_to_do=f"start it, or {correct}"
            )
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ChannelUnavailable(f"{server} cannot be reached: {reason}", what_to_do=correct)


class SmtpConnection:
    """One kept connection; it is made anew by itself after a loss and after `recycle_after` messages."""

    def __init__(self, adapter: SmtpAdapter) -> None:
        self._adapter = adapter
        self._command = float(adapter.option("command_timeout"))
        self._data = float(adapter.option("data_timeout"))
        self._recycle_after = int(adapter.option("recycle_after"))
        self._most = adapter.capabilities.max_bytes
        self._wire: Wire | None = None
        self._limit = 0
        self._eight_bit = False
        self._pipelining = False
        self._sent = 0
        self._dotted = False

    def open(self) -> None:
        """Connect; raises ChannelUnavailable."""
        self._wire, features = self._adapter.dial()
        announced = features.get("size", "").strip()
        self._limit = int(announced) if announced.isascii() and announced.isdigit() else 0
        self._eight_bit = "8bitmime" in features
        self._pipelining = "pipelining" in features
        self._sent = 0

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one message; never raises. See the module for what a failure means when."""
        self._dotted = False
        try:
            sender, to = _path(outgoing.sender), _path(outgoing.recipient)
            return self._unfit(outgoing, sender, to) or self._transaction(outgoing, sender, to)
        except WireLost as lost:
            self._drop()
            return self._lost(str(lost), outgoing)
        except Exception as error:
            # An adapter that raises would leave the sender guessing; the dot decides what we know.
            self._drop()
            return self._lost(f"{type(error).__name__}: {error}", outgoing)

    def close(self) -> None:
        """Say goodbye and close; never raises, and may be called twice."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        try:
            wire.command(b"QUIT", _QUIT_SECONDS)
        except WireLost:
            pass
        finally:
            wire.close()

    def _unfit(self, outgoing: Outgoing, sender: bytes, to: bytes) -> Outcome | None:
        """Refuse what may not travel, before anything is said."""
        if not sender:
            return Outcome(
                Kind.REJECTED, Scope.CONFIG, "the sender's address cannot stand in an SMTP envelope"
            )
        if not to:
            return Outcome(
                Kind.REJECTED, Scope.RECIPIENT, "5.1.3 the address cannot stand in an SMTP envelope"
            )
        if b"\0" in outgoing.payload:
            return Outcome(Kind.REJECTED, Scope.CONTENT, "the message holds a NUL")
        if len(outgoing.payload) > self._most:
            sentence = f"the message has {len(outgoing.payload):,} bytes; {self._most:,} is the most"
            return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
        return None

    def _transaction(self, outgoing: Outgoing, sender: bytes, to: bytes) -> Outcome:
        recipient = outgoing.recipient
        rcpt = b"RCPT TO:" + to
        begun = self._begin(outgoing, b"MAIL FROM:" + sender, rcpt)
        if isinstance(begun, Outcome):
            return begun
        wire = begun
        for phase, line, good in (("rcpt", rcpt, 2), ("data", b"DATA", 3)):
            code, text = wire.reply(self._command) if self._pipelining else wire.command(line, self._command)
            if code // 100 != good:
                return self._refused(phase, code, text, recipient)
        wire.send(stuffed(outgoing.payload), self._data)
        self._dotted = True
        wire.send(b".\r\n", self._data)
        code, text = wire.reply(self._data)
        self._sent += 1
        if code // 100 == 2:
            return Outcome(Kind.ACCEPTED, detail="", provider_ref=replies.reference(text))
        if not 400 <= code < 600 or code == 421:
            self._drop()
        return replies.outcome_of("body", code, text, recipient)

    def _begin(self, outgoing: Outgoing, mail: bytes, rcpt: bytes) -> Wire | Outcome:
        """Say MAIL, on a fresh connection when the kept one turns out to be closed.

        With PIPELINING also RCPT and DATA, whose answers are then the next to come.
        """
        for last in (False, True):
            if self._wire is not None and self._sent >= self._recycle_after:
                self.close()
            if self._wire is None:
                try:
                    self.open()
                except ChannelUnavailable as error:
                    return Outcome(Kind.TRANSIENT, detail=error.message)
                last = True
            wire = self._wire
            assert wire is not None
            if self._limit and len(outgoing.payload) > self._limit:
                sentence = (
                    f"the message has {len(outgoing.payload):,} bytes; the server takes {self._limit:,}"
                )
                return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
            line = mail
            if not outgoing.payload.isascii():
                if not self._eight_bit:
                    sentence = "the message is not ASCII and the server takes nothing else"
                    return Outcome(Kind.REJECTED, Scope.CONTENT, sentence)
                line += b" BODY=8BITMIME"
            try:
                if self._pipelining:
                    wire.commands((line, rcpt, b"DATA"), self._command)
                    code, text = wire.reply(self._command)
                else:
                    code, text = wire.command(line, self._command)
            except WireLost:
                # Servers close idle connections: nothing was handed over, so one new connection is tried.
                if last:
                    raise
                self._drop()
                continue
            if code // 100 == 2:
                return wire
            if code != 421 or last:
                return self._refused("mail", code, text, outgoing.recipient)
            self._drop()
        raise WireLost("the server closed the connection")

    def _refused(self, phase: str, code: int, text: str, recipient: str) -> Outcome:
        """Answer a refusal before the body, and make the connection ready for the next message."""
        if code == 421 or not 400 <= code < 600 or (self._pipelining and not self._caught_up(phase)):
            self._drop()
        elif self._wire is not None and phase != "mail":
            try:
                answer, _ = self._wire.command(b"RSET", self._command)
            except WireLost:
                answer = 0
            if answer // 100 != 2:
                self._drop()
        return replies.outcome_of(phase, code, text, recipient)

    def _caught_up(self, phase: str) -> bool:
        """Read what the server still answers after it refused `phase` of a group; False when it is out of step.

        Whatever happens here, the refusal stands: without an accepted sender and recipient nothing can be delivered.
        """
        wire = self._wire
        if wire is None or phase == "data":
            return True
        try:
            # A server that refuses the sender and takes the recipient may mean a sender whom we do not know.
            if phase == "mail" and not _refusal(wire.reply(self._command)[0]):
                return False
            code, _ = wire.reply(self._command)
            if code // 100 == 3:
                # It wants a text for nobody (RFC 2920 section 3.1): an empty one ends the transaction.
                wire.send(b".\r\n", self._command)
                code, _ = wire.reply(self._command)
                return code // 100 == 2 or _refusal(code)
            return _refusal(code)
        except WireLost:
            return False

    def _lost(self, why: str, outgoing: Outgoing) -> Outcome:
        why = re.sub(re.escape(outgoing.recipient), "(recipient)", why, flags=re.IGNORECASE)[:300]
        if self._dotted:
            return Outcome(Kind.IN_DOUBT, detail=f"the whole message was sent, but {why}")
        return Outcome(Kind.TRANSIENT, detail=why)

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def _path(address: str) -> bytes:
    """Return an address as MAIL and RCPT write it, or nothing where it cannot stand there."""
    written = envelope_address(address)
    return b"" if written is None else f"<{written}>".encode("ascii")


def _refusal(code: int) -> bool:
    """Tell whether a reply refuses and leaves the connection open."""
    return 400 <= code < 600 and code != 421


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _reply_text(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return replies.say("", code, shown)
