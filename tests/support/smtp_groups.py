"""A mail server that answers MAIL, RCPT and DATA together, as a script says: whole, byte by byte, or cut short."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class GroupServer(socketserver.ThreadingTCPServer):
    """Reads MAIL, RCPT and DATA before it answers the first of them, so only a client that pipelines gets on.

    `script` holds for each transaction what is answered to the three, the last of them again and again. `after` is
    answered to a text, `byte_by_byte` sends every byte by itself, `cut` is after how many bytes of an answer to a group
    the connection is closed. Without `pipelining` each command is answered by itself and none is offered.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        *script: Sequence[bytes],
        after: bytes = b"250 2.0.0 kept",
        byte_by_byte: bool = False,
        cut: int | None = None,
        pipelining: bool = True,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.script = list(script)
        self.after, self.byte_by_byte, self.cut, self.pipelining = after, byte_by_byte, cut, pipelining
        self.port = int(self.server_address[1])
        self.connections = 0
        self.chunks: list[bytes] = []
        self.texts: list[bytes] = []
        self.resets = 0


class _Session(socketserver.BaseRequestHandler):
    server: GroupServer

    def handle(self) -> None:
        self.server.connections += 1
        self.rest = b""
        try:
            self.request.sendall(b"220 groups\r\n")
            while self._once():
                pass
        except (EOFError, OSError):
            return

    def _once(self) -> bool:
        line = self._line()
        if line.startswith(b"ehlo"):
            self.request.sendall(
                b"250-groups\r\n250 PIPELINING\r\n" if self.server.pipelining else b"250 groups\r\n"
            )
        elif line.startswith(b"MAIL"):
            return self._transaction()
        else:
            self.server.resets += line == b"RSET"
            self.request.sendall(b"250 2.0.0 fine\r\n")
        return line != b"QUIT"

    def _transaction(self) -> bool:
        server = self.server
        replies = server.script.pop(0) if len(server.script) > 1 else server.script[0]
        if server.pipelining:
            assert self._line().startswith(b"RCPT")
            assert self._line() == b"DATA"
            if not self._say(b"".join(reply + b"\r\n" for reply in replies)):
                return False
        else:
            for reply, verb in zip(replies, (b"RCPT", b"DATA", b""), strict=True):
                self.request.sendall(reply + b"\r\n")
                if not reply.startswith((b"2", b"3")):
                    return True
                assert not verb or self._line().startswith(verb)
        if replies[-1].startswith(b"354"):
            text = b""
            while (line := self._line()) != b".":
                text += line + b"\r\n"
            server.texts.append(text)
            self.request.sendall(server.after + b"\r\n")
        return True

    def _say(self, answer: bytes) -> bool:
        said = answer if self.server.cut is None else answer[: self.server.cut]
        for at in range(0, len(said), 1 if self.server.byte_by_byte else max(len(said), 1)):
            self.request.sendall(said[at:] if not self.server.byte_by_byte else said[at : at + 1])
        return self.server.cut is None

    def _line(self) -> bytes:
        while b"\r\n" not in self.rest:
            chunk = self.request.recv(65_536)
            if not chunk:
                raise EOFError
            self.server.chunks.append(chunk)
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line


@contextmanager
def group_server(server: GroupServer) -> Iterator[GroupServer]:
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
