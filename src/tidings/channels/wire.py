"""The lines of an SMTP dialogue on one socket that never blocks; anything odd is a lost connection.

`put`, `flush`, `fill` and `take` move what is possible at once, for whoever drives many connections in one thread;
`exchange` waits for it, each answer with its time limit.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections.abc import Sequence

_MOST_REPLY = 65_536
_CHUNK = 16_384
# What may stand between a code and its text; nothing where the line ends there.
_BEHIND_CODE = (b" ", b"-", b"")
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WireLost(Exception):
    """The other side is gone, silent too long, or says what is no SMTP; the sentence says which."""


class Wire:
    """Sends command lines and reads replies on an open socket, plain or TLS.

    `given` counts the bytes of the last `put` that were handed to the machine's network; over TLS it does not count
    what may have left in part.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.tls = isinstance(sock, ssl.SSLSocket)
        self.given = 0
        self._unsent = b""
        self._rest = b""
        self._lines: list[str] = []
        self._size = 0
        # The final dot is a small packet behind a large one: without this it waits for the other side's ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the socket's number, for those who wait for many; -1 when it is closed."""
        return self._sock.fileno()

    def put(self, content: bytes) -> None:
        """Take bytes to be sent by `flush`; earlier ones must be gone."""
        self._unsent = content
        self.given = 0

    def flush(self) -> bool:
        """Send what can be sent now; return whether all of it is gone. Raises WireLost."""
        unsent = self._unsent
        while unsent:
            try:
                count = self._sock.send(unsent)
            except _NOT_NOW:
                self._unsent = unsent
                return False
            except OSError as error:
                raise WireLost(_why(error)) from error
            self.given += count
            unsent = unsent[count:]
        self._unsent = unsent
        return True

    def fill(self) -> bool:
        """Read what has come; return False when there was nothing. Raises WireLost at the end of the connection."""
        try:
            chunk = self._sock.recv(_CHUNK)
        except _NOT_NOW:
            return False
        except OSError as error:
            raise WireLost(_why(error)) from error
        if not chunk:
            raise WireLost("the server closed the connection")
        self._size += len(chunk)
        if self._size > _MOST_REPLY:
            raise WireLost("the server's answer does not end")
        self._rest += chunk
        return True

    def take(self) -> tuple[int, str] | None:
        """Return code and text of the next reply, its lines joined by a space; None while it is not all there."""
        while self._rest:
            line, found, rest = self._rest.partition(b"\n")
            if not found:
                return None
            self._rest, line = rest, line.rstrip(b"\r")
            code, more = line[:3], line[3:4]
            # Bytes are digits in ASCII alone.
            if not code.isdigit() or len(code) < 3 or more not in _BEHIND_CODE:
                said = line.decode("utf-8", "replace")
                raise WireLost(f"the server says {said[:60]!r}, which is no SMTP")
            text = line[4:].decode("utf-8", "replace")
            if more != b"-" and not self._lines:
                self._size = 0
                return int(code), text
            self._lines.append(text)
            if more != b"-":
                lines, self._lines, self._size = self._lines, [], 0
                return int(code), " ".join(lines)
        return None

    def take_all(self, replies: re.Pattern[bytes]) -> bool:
        """Take whole replies of one line each that are as described, and say so; else leave everything to `take`."""
        found = None if self._lines else replies.match(self._rest)
        if found is None:
            return False
        self._rest, self._size = self._rest[found.end() :], 0
        return True

    def late(self, seconds: float) -> WireLost:
        """Return what is to be said when `seconds` have passed without the whole of what was waited for."""
        if self._rest or self._lines:
            return WireLost(f"the server did not finish its answer within {seconds:g} s")
        return WireLost(f"the server did not answer within {seconds:g} s")

    def commands(self, lines: Sequence[bytes], seconds: float) -> None:
        """Send command lines in one write, each of which is answered; waits at most `seconds`."""
        self.send(grouped(lines), seconds)

    def send(self, content: bytes, seconds: float) -> None:
        """Send bytes; waits at most `seconds`. Raises WireLost."""
        self.put(content)
        self._wait_sent(seconds)

    def exchange(self, content: bytes, seconds: float) -> tuple[int, str]:
        """Send bytes (none, to hear one more answer) and return the next reply; waits `seconds` for each of the two.

        Raises WireLost.
        """
        if content:
            self.send(content, seconds)
        until = time.monotonic() + seconds
        while (answer := self.take()) is None:
            if not self.fill():
                self._wait(select.POLLIN, until, seconds)
        return answer

    def _wait_sent(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.flush():
            self._wait(select.POLLOUT, until, seconds)

    def _wait(self, event: int, until: float, seconds: float) -> None:
        left = until - time.monotonic()
        poll = select.poll()
        poll.register(self._sock, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise self.late(seconds)

    def close(self) -> None:
        """Close the socket; never raises."""
        try:
            self._sock.close()
        except OSError:
            return


def grouped(lines: Sequence[bytes]) -> bytes:
    """Return command lines as one group; raises WireLost where one of them would hold a line break."""
    group = b"\r\n".join(lines) + b"\r\n"
    if not group.count(b"\r") == group.count(b"\n") == len(lines):
        raise WireLost("a command would hold a line break")
    return group


def _why(error: OSError) -> str:
    return f"the connection broke: {error.strerror or error}"
