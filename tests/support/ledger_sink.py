"""An SMTP server in its own process: it writes down every message that it takes, before it says so.

Run as a program it prints its port. The log has one line of nine bytes per accepted message: the number in front of
the recipient's @, so its size alone tells how many were taken. No sync: the process outlives the senders.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LINE = 9


class Session(asyncio.Protocol):
    """One connection; commands may come pipelined."""

    def __init__(self, log: int) -> None:
        self.log = log
        self.buffer = bytearray()
        self.recipient = b""
        self.in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n.\r\n" if self.in_body else b"\r\n")
            if end < 0:
                return
            line = bytes(self.buffer[:end])
            del self.buffer[: end + (5 if self.in_body else 2)]
            self.transport.write(self.taken() if self.in_body else self.answer(line))

    def taken(self) -> bytes:
        self.in_body = False
        os.write(self.log, b"%08d\n" % int(self.recipient.partition(b"@")[0]))
        return b"250 2.0.0 Ok: queued as %s\r\n" % self.recipient.partition(b"@")[0]

    def answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250 PIPELINING\r\n"
        if verb == b"RCPT":
            self.recipient = line.partition(b"<")[2].partition(b">")[0]
        if verb == b"DATA":
            self.in_body = True
            return b"354 go on\r\n"
        if verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 2.1.0 Ok\r\n"


class Calls(asyncio.Protocol):
    """One connection of an API or an SMS centre: each line is a call with numbers, answered by one line."""

    def __init__(self, log: int) -> None:
        self.log = log
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            os.write(self.log, b"".join([b"%08d\n" % int(one) for one in line.split(b",")]))
            self.transport.write(line + b"\n")


async def serve(path: str, kind: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    session = {"smtp": Session, "calls": Calls}[kind]
    server = await asyncio.get_running_loop().create_server(lambda: session(log), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Sink:
    """The log of a running sink."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self.port = port

    @property
    def count(self) -> int:
        """How many messages were taken so far, copies included."""
        return self.path.stat().st_size // LINE

    def copies(self) -> Counter[int]:
        """Customer id to how many copies were taken."""
        return Counter(int(line) for line in self.path.read_bytes().split())


@contextmanager
def running_sink(folder: Path, kind: str = "smtp") -> Iterator[Sink]:
    """Start a sink (smtp, or calls that take several messages), yield it, stop it."""
    path = folder / "sink.log"
    path.touch()
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, str(path), kind], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            port = int(process.stdout.readline())
        yield Sink(path, port)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
