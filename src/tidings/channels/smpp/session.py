"""One bound SMPP session: a socket, a thread that reads it, answers that find their request by sequence number.

The protocol units of messages are packed by the library `smpp34`; the session is our own, because a receipt may be
acknowledged only when the store has it, and because each message needs to know whether it was written at all.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tidings.channels.smpp.statuses import OK

HEADER = struct.Struct(">IIII")
BIND = {"transceiver": 0x09, "transmitter": 0x02, "receiver": 0x01}
SUBMIT, DELIVER, UNBIND, ENQUIRE, NACK, ANSWER = 0x04, 0x05, 0x06, 0x15, 0x80000000, 0x80000000
_INVALID_COMMAND = 0x03
# No unit of SMPP 3.4 comes near: what claims to be longer is not SMPP.
_LONGEST = 128 * 1024
_LAST_SEQUENCE = 0x7FFFFFFF
# The reader wakes this often to ask whether the other side lives.
_MOMENT = 0.5


class SessionLost(Exception):
    """The session is over; the text says why."""


@dataclass(slots=True)
class Pending:
    """A request that waits for its answer; `status` stays None where none came."""

    sequence: int
    done: threading.Event = field(default_factory=threading.Event)
    status: int | None = None
    body: bytes = b""


def unit(command: int, sequence: int, body: bytes = b"", status: int = OK) -> bytes:
    """Return one protocol unit."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def text_field(value: str) -> bytes:
    """Return a C-octet string."""
    return value.encode("latin-1", "replace").replace(b"\0", b"") + b"\0"


class Session:
    """A session over a connected socket; `on_deliver` gets sequence number and the whole unit of each deliver_sm.

    `timeout`: seconds for an answer. `idle`: after so many silent seconds the other side is asked whether it lives.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        timeout: float,
        idle: float,
        on_deliver: Callable[[Session, int, bytes], None],
    ) -> None:
        self._socket = connection
        self._timeout = timeout
        self._idle = idle
        self._on_deliver = on_deliver
        self._write_lock = threading.Lock()
        self._guard = threading.Lock()
        self._pending: dict[int, Pending] = {}
        self._sequence = 0
        self._ended = ""
        self._heard = time.monotonic()
        self._asked: float | None = None
        self._thread = threading.Thread(target=self._read, name="tidings-smpp", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tell whether requests can be written."""
        return not self._ended

    @property
    def ended(self) -> str:
        """Why the session is over, empty while it lives."""
        return self._ended

    def sequence(self) -> int:
        """Return the next sequence number."""
        with self._guard:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            return self._sequence

    def request(self, data: bytes, sequence: int) -> Pending:
        """Write a request; raises SessionLost where it was certainly not written whole."""
        pending = Pending(sequence)
        with self._guard:
            if self._ended:
                raise SessionLost(self._ended)
            self._pending[sequence] = pending
        try:
            self._write(data)
        except OSError as error:
            self._end(f"the connection broke: {error.strerror or error}")
            # TCP may have taken some of it: a unit cut short is no message for the other side.
            raise SessionLost(self._ended) from error
        return pending

    def wait(self, pending: Pending, until: float) -> int | None:
        """Return the status of the answer, or None when there is none by the monotonic second `until`."""
        pending.done.wait(max(until - time.monotonic(), 0.0))
        with self._guard:
            self._pending.pop(pending.sequence, None)
        return pending.status

    def answer(self, command: int, sequence: int, body: bytes = b"") -> None:
        """Acknowledge a unit of the other side; a session that is over cannot, and the other side will repeat it."""
        with suppress(OSError):
            self._write(unit(ANSWER | command, sequence, body))

    def close(self) -> None:
        """Unbind within a moment and close."""
        if not self._ended:
            with suppress(SessionLost):
                sequence = self.sequence()
                self.wait(self.request(unit(UNBIND, sequence), sequence), time.monotonic() + 1.0)
        self._end("it was closed")
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _write(self, data: bytes) -> None:
        with self._write_lock:
            self._socket.sendall(data)

    def _read(self) -> None:
        """Read units until the session is over."""
        buffer = b""
        try:
            while not self._ended:
                try:
                    more = self._receive()
                except TimeoutError:
                    self._look_for_life()
                    continue
                if not more:
                    raise SessionLost("the other side closed the connection")
                self._heard, self._asked = time.monotonic(), None
                buffer = self._units(buffer + more)
        except SessionLost as error:
            self._end(str(error))
        except OSError as error:
            self._end(f"the connection broke: {error.strerror or error}")
        except Exception as error:
            # What the other side sent could not be read: nothing after it can be trusted either.
            self._end(f"the other side sent something that is not SMPP: {type(error).__name__}: {error}")

    def _receive(self) -> bytes:
        """Read what there is; raises TimeoutError when nothing came for a moment.

        A TLS connection may not be read and written at once: the lock of the writer is taken when something is there.
        """
        if not isinstance(self._socket, ssl.SSLSocket):
            return self._socket.recv(65_536)
        if not self._socket.pending() and not select.select([self._socket], [], [], _MOMENT)[0]:
            raise TimeoutError
        with self._write_lock:
            return self._socket.recv(65_536)

    def _units(self, buffer: bytes) -> bytes:
        while len(buffer) >= HEADER.size:
            length, command, status, sequence = HEADER.unpack_from(buffer)
            if not HEADER.size <= length <= _LONGEST:
                raise SessionLost("the other side sent something that is not SMPP")
            if len(buffer) < length:
                break
            self._take(command, status, sequence, buffer[:length])
            buffer = buffer[length:]
        return buffer

    def _take(self, command: int, status: int, sequence: int, whole: bytes) -> None:
        if command & ANSWER:
            with self._guard:
                pending = self._pending.pop(sequence, None)
            if pending is not None:
                pending.status = status if command != NACK or status else _INVALID_COMMAND
                pending.body = whole[HEADER.size :]
                pending.done.set()
        elif command == DELIVER:
            self._on_deliver(self, sequence, whole)
        elif command == ENQUIRE:
            self._write(unit(ANSWER | ENQUIRE, sequence))
        elif command == UNBIND:
            self._write(unit(ANSWER | UNBIND, sequence))
            raise SessionLost("the other side ended the session")
        else:
            self._write(unit(NACK, sequence, status=_INVALID_COMMAND))

    def _look_for_life(self) -> None:
        now = time.monotonic()
        if self._asked is not None and now - self._asked > self._timeout:
            raise SessionLost(f"the other side was silent for {now - self._heard:.0f} s")
        if self._asked is None and now - self._heard > self._idle:
            self._asked = now
            self._write(unit(ENQUIRE, self.sequence()))

    def _end(self, why: str) -> None:
        with self._guard:
            self._ended = self._ended or why
            waiting = list(self._pending.values())
        for one in waiting:
            one.done.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def connect(host: str, port: int, *, timeout: float, tls: bool) -> socket.socket:
    """Open the socket of a session; raises OSError."""
    connection = socket.create_connection((host, port), timeout)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=host)
        connection.settimeout(min(timeout, _MOMENT))
    except BaseException:
        connection.close()
        raise
    return connection
