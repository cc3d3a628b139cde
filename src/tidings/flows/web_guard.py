"""The HTTP protocol of the tracker: that of uvicorn, with an end to heads that are too long or never come to theirs.

Uvicorn waits for ever for the rest of a head and keeps all of it: with either one stranger could fill the memory or hold
every descriptor. Bodies have limits of their own, in the tracker.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Ours are links of at most 8 KiB; what browsers and proxies add to one stays far below this.
LONGEST_HEAD = 64 * 1024
HEAD_SECONDS = 10.0
# What stands around a body, beside the few signs that frame each chunk: lines after the last one, words beside their lengths.
_MOST_AROUND, _AROUND_A_BYTE = 512 * 1024, 8
_ANSWERS = {
    408: b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
}


class GuardedProtocol(HttpToolsProtocol):
    """One connection of the tracker. A head has `head_seconds`, and so has a connection between two requests."""

    head_seconds = HEAD_SECONDS

    _in_head = False
    _head_bytes = 0
    _bytes = 0
    _body_bytes = 0
    _timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a new connection, and start to count."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection that has ended."""
        self._waited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; of a head, only as many as one may have."""
        before = self._in_head
        super().data_received(data)
        if before and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self._end(431)
        self._bytes += len(data)
        if self._bytes > _MOST_AROUND and self._bytes > _MOST_AROUND + _AROUND_A_BYTE * self._body_bytes:
            self._end(None)
        # Also who goes on with a body that nobody waits for, or with empty lines, has only so long to begin anew.
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes, self._bytes, self._body_bytes = True, 0, 0, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole: the tracker answers it."""
        self._in_head = False
        self._waited()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of a body has come: whoever answers says how much of it may."""
        self._body_bytes += len(body)
        super().on_body(body)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: who asks for another protocol is answered by this one."""

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._late)

    def _waited(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self._end(408 if self._in_head else None)

    def _end(self, status: int | None) -> None:
        self._waited()
        if self.transport.is_closing():
            return
        if status is not None:
            self.transport.write(_ANSWERS[status])
        self.transport.close()
