"""SMS centres on loopback: the npm one, and a raw one that misbehaves."""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support.node import node_package
from tidings.channels.smpp import SmppAdapter
from tidings.definitions.kinds.channel import Channel

CHANNEL = Channel("sms", "SMS", "channels/sms.yaml", "smpp", kind="sms", sender="NordicGardn")


def adapter(port: int, **options: Any) -> SmppAdapter:
    """Return an adapter to a centre on loopback."""
    usual = {"host": "127.0.0.1", "port": port, "system_id": "shop", "password": "secret", "timeout": 2.0}
    return SmppAdapter(CHANNEL, usual | options)


class Centre:
    """The npm SMS centre: `events` are what it said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.until(lambda one: one["event"] == "listening")["port"])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20.0) -> dict[str, Any]:
        """Return the first event from now on that is wanted."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                event = self._lines.get(timeout=left)
                self.events.append(event)
                if wanted(event):
                    return event
        raise AssertionError(f"the centre did not say it in {seconds} s; it said {self.events}")

    def submitted(self, count: int) -> list[dict[str, Any]]:
        """Return all submits as soon as there are `count`."""
        while len(found := [one for one in self.events if one["event"] == "submitted"]) < count:
            self.until(lambda one: one["event"] == "submitted")
        return found

    def settle(self, seconds: float = 0.3) -> None:
        """Read what it says within a moment."""
        with suppress(AssertionError):
            self.until(lambda _: False, seconds)

    def tell(self, **command: Any) -> None:
        """Give it a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()


@contextmanager
def npm_centre(port: int = 0) -> Iterator[Centre]:
    """Start the npm SMS centre."""
    package = node_package("smpp")
    process = subprocess.Popen(
        ["node", str(Path(__file__).with_name("smpp_centre.js")), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SMPP_MODULE": str(package)},
    )
    try:
        yield Centre(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class RawCentre:
    """A centre that binds everybody and then does what `manner` says with the first submit_sm.

    manner: "cut before submit" | "cut at submit" | "silent at submit" | "silent at bind" | "nack" | "garbage" |
    "silent to enquire". `taken` holds the submit_sm units it read.
    """

    def __init__(self, manner: str) -> None:
        self.manner = manner
        self.taken: list[bytes] = []
        self.enquired = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._server, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection.makefile("rb") as stream:
            while len(head := stream.read(16)) == 16:
                length, command, _, sequence = struct.unpack(">IIII", head)
                body = stream.read(length - 16)
                if not self._answer(connection, command, sequence, head + body):
                    return

    def _answer(self, connection: socket.socket, command: int, sequence: int, whole: bytes) -> bool:
        def send(command: int, body: bytes = b"", status: int = 0) -> None:
            connection.sendall(struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)

        if command in (1, 2, 9):
            if self.manner != "silent at bind":
                send(command | 0x80000000, b"raw\0")
            if self.manner == "cut before submit":
                connection.shutdown(socket.SHUT_RDWR)
                return False
        elif command == 0x15:
            self.enquired += 1
            if self.manner != "silent to enquire":
                send(0x80000015)
        elif command == 6:
            send(0x80000006)
        elif command == 4:
            self.taken.append(whole)
            if self.manner == "cut at submit":
                connection.shutdown(socket.SHUT_RDWR)
                return False
            if self.manner == "nack":
                send(0x80000000, status=3)
            elif self.manner == "garbage":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            elif self.manner not in ("silent at submit",):
                send(0x80000004, f"r{sequence}\0".encode())
        return True


@contextmanager
def raw_centre(manner: str) -> Iterator[RawCentre]:
    """Start a centre that misbehaves."""
    centre = RawCentre(manner)
    try:
        yield centre
    finally:
        centre.close()
