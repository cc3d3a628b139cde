"""The lines of an SMTP dialogue on one socket, each with a time limit; anything odd is a lost connection."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tidings.clock import Clock, SystemClock

_MOST_REPLY = 65_536


class WireLost(Exception):
    """The other side is gone, silent too long, or says what is no SMTP; the sentence says which."""


class Wire:
    """Sends command lines and reads replies on an open socket.

    `sock` may be plain or TLS. A call blocks at most twice its seconds: a reply that drips in is given up too.
    """

    def __init__(self, sock: socket.socket, clock: Clock | None = None) -> None:
        self._sock = sock
        self._clock = clock or SystemClock()
        self._timeout: float | None = None
        self._rest = b""
        # The final dot is a small packet behind a large one: without this it waits for the other side's ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def command(self, line: bytes, seconds: float) -> tuple[int, str]:
        """Send one command line (without its end) and return the reply's code and text."""
        self.commands((line,), seconds)
        return self.reply(seconds)

    def commands(self, lines: Sequence[bytes], seconds: float) -> None:
        """Send command lines in one write; each is answered by one `reply`, in this order."""
        group = b"".join([line + b"\r\n" for line in lines])
        if not group.count(b"\r") == group.count(b"\n") == len(lines):
            raise WireLost("a command would hold a line break")
        self.send(group, seconds)

    def send(self, content: bytes, seconds: float) -> None:
        """Send bytes; when this raises, the other side has at most a part of them."""
        self._limit(seconds)
        try:
            self._sock.sendall(content)
        except OSError as error:
            raise WireLost(_why(error, seconds)) from error

    def reply(self, seconds: float) -> tuple[int, str]:
        """Return code and text of the next reply, its lines joined by a space."""
        self._limit(seconds)
        lines: list[str] = []
        size, give_up = 0, None
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if not found:
                if give_up is None:
                    give_up = self._clock.monotonic() + seconds
                elif self._clock.monotonic() > give_up:
                    raise WireLost(f"the server did not finish its answer within {seconds:g} s")
                chunk = self._receive(seconds)
                size += len(chunk)
                if size > _MOST_REPLY:
                    raise WireLost("the server's answer does not end")
                self._rest += chunk
                continue
            self._rest = rest
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if not text[:3].isdigit() or not text[:3].isascii() or text[3:4] not in ("", " ", "-"):
                raise WireLost(f"the server says {text[:60]!r}, which is no SMTP")
            lines.append(text[4:])
            if text[3:4] != "-":
                return int(text[:3]), " ".join(lines)

    def close(self) -> None:
        """Close the socket; never raises."""
        try:
            self._sock.close()
        except OSError:
            return

    def _receive(self, seconds: float) -> bytes:
        try:
            chunk = self._sock.recv(4096)
        except OSError as error:
            raise WireLost(_why(error, seconds)) from error
        if not chunk:
            raise WireLost("the server closed the connection")
        return chunk

    def _limit(self, seconds: float) -> None:
        # Setting it is a system call: only when it changes.
        if seconds != self._timeout:
            try:
                self._sock.settimeout(seconds)
            except OSError as error:
                raise WireLost(_why(error, seconds)) from error
            self._timeout = seconds


def _why(error: OSError, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"the server did not answer within {seconds:g} s"
    return f"the connection broke: {error.strerror or error}"
