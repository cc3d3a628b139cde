"""E-mail through an SMTP server, with or without TLS and login; kept connections, one recipient a transaction."""

from __future__ import annotations

import ipaddress
import os
import smtplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tidings.channels import replies
from tidings.channels.protocol import (
    Capabilities,
    ChannelEvent,
    ChannelUnavailable,
    NotLetIn,
    Option,
    Outstanding,
)
from tidings.channels.smtp_connection import SmtpConnection
from tidings.channels.wire import Wire
from tidings.definitions.kinds.channel import Channel
from tidings.errors import DefinitionErrors, Position, Problem

_QUIT_SECONDS = 2.0

if TYPE_CHECKING:
    from tidings.channels.bounces import MaildirReader


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
        Option("dkim_domain", "text", "sign for this domain; needs a selector and the key", default=""),
        Option("dkim_selector", "text", "the name under which the public key stands in the DNS", default=""),
        Option("dkim_key", "text", "the private key for DKIM, as PEM text", secret=True),
        Option("bounces", "text", "the Maildir into which bounces and complaints arrive", default=""),
    )

    def __init__(self, channel: Channel, values: Mapping[str, Any]) -> None:
        self._values = {option.name: option.default for option in self.options} | dict(values)
        self._path = channel.path
        domain = channel.sender.rpartition("@")[2].strip("> ")
        # Asking the machine for its full name may ask DNS and hang; the sender's domain is always there.
        greeting = str(self._values["helo"] or domain or "localhost")
        self._helo = greeting if greeting.isascii() else greeting.encode("idna").decode("ascii")
        self._bounces = self._reader()
        self._sign: Callable[[bytes], bytes] | None = self._signer()
        self.capabilities = Capabilities(
            kind="email",
            connections=channel.connections,
            # Bounces alone confirm nothing: nobody may wait for a word that a message arrived.
            receipts="none",
            max_bytes=int(self._values["max_bytes"]),
        )

    def poll(self, outstanding: Sequence[Outstanding]) -> list[ChannelEvent]:
        """Return nothing, but raise ChannelUnavailable when the Maildir of bounces cannot be read; see `take_events`."""
        if self._bounces is not None:
            folder = Path(str(self._values["bounces"])) / "new"
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise ChannelUnavailable(
                    f"the bounces in {folder} cannot be read",
                    what_to_do=f"make the folder readable and writable, or correct `bounces` in {self._path}",
                )
        return []

    def take_events(self) -> list[ChannelEvent]:
        """Return the bounces and complaints that came into the Maildir since the last call, at most 500 mails of them."""
        if self._bounces is None:
            return []
        try:
            return self._bounces.events()
        except OSError:
            # `poll` says why.
            return []

    def events_stored(self, count: int) -> None:
        """Say that the first `count` events taken are stored: their mails leave `new`."""
        if self._bounces is not None:
            self._bounces.done(count)

    def _reader(self) -> MaildirReader | None:
        if not self._values["bounces"]:
            return None
        from tidings.channels.bounces import MaildirReader

        return MaildirReader(Path(str(self._values["bounces"])))

    def _signer(self) -> Callable[[bytes], bytes] | None:
        """Return what signs a message, None without DKIM; raises DefinitionErrors when only a part of it is set."""
        names = ("dkim_domain", "dkim_selector", "dkim_key")
        missing = [name for name in names if not self._values[name]]
        if len(missing) == len(names):
            return None
        if missing:
            sentence = f"DKIM needs {', '.join(names)}; missing: {', '.join(missing)}"
            hint = "set all three (dkim_key under `secrets:`), or none"
            raise DefinitionErrors([Problem("CHN04", sentence, Position(self._path), hint)])
        from tidings.channels.dkim import Signer

        domain, selector, key = (str(self._values[name]) for name in names)
        return Signer(domain, selector, key).sign

    @property
    def place(self) -> str:
        """Return `host:port`, for sentences."""
        return f"{self._values['host']}:{self._values['port']}"

    def connect(self) -> SmtpConnection:
        """Open a connection, greet, protect and log in; raises ChannelUnavailable with one sentence."""
        connection = SmtpConnection(
            self._dial,
            command_seconds=float(self._values["command_timeout"]),
            data_seconds=float(self._values["data_timeout"]),
            recycle_after=int(self._values["recycle_after"]),
            max_bytes=self.capabilities.max_bytes,
            sign=self._sign,
        )
        connection.open()
        return connection

    def option(self, name: str) -> Any:
        """Return the value of an option."""
        return self._values[name]

    def _dial(self) -> tuple[Wire, dict[str, str]]:
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
            # A 4xx is the server's trouble, not ours.
            refused = NotLetIn if error.smtp_code >= 500 else ChannelUnavailable
            return refused(
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
