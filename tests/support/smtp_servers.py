"""Mail servers for tests: aiosmtpd with scripted answers, a raw one that cuts and goes silent, Postfix smtp-sink."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from support.components import missing


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Scripted:
    """aiosmtpd's handler: answers RCPT and the end of DATA by recipient, and keeps what it accepted.

    `rcpt` and `body` map a recipient to the reply line; others are accepted. With `pipelining` it says so in its greeting.
    """

    def __init__(
        self,
        rcpt: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
        *,
        pipelining: bool = False,
    ) -> None:
        self.rcpt = dict(rcpt or {})
        self.body = dict(body or {})
        self.pipelining = pipelining
        self.mail: str | None = None
        self.envelopes: list[tuple[str, list[str], bytes]] = []

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return ["250-PIPELINING", *responses] if self.pipelining else responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail:
            return self.mail
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender noted"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.rcpt.get(address, self.rcpt.get("*", ""))
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient noted"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.body.get(envelope.rcpt_tos[0], self.body.get("*", ""))
        if answer and not answer.startswith("2"):
            return answer
        content = envelope.original_content
        assert content is not None
        self.envelopes.append((envelope.mail_from or "", list(envelope.rcpt_tos), content))
        return answer or f"250 2.0.0 Ok: queued as Q{len(self.envelopes)}"


@contextlib.contextmanager
def aiosmtpd_server(handler: Scripted, **options: Any) -> Iterator[int]:
    """Run aiosmtpd with a scripted handler; yield its port."""
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


class RawServer:
    """A server on plain sockets, strict about CRLF, that misbehaves at one point of the dialogue.

    `trouble` is one of: "" (none), "silent at start", "cut at rcpt", "silent at rcpt", "cut in body", "cut after body",
    "silent after body", "close when idle", "421 when idle", "drip", "garbage", "endless". `replies` replaces the answer at
    mail, rcpt, data or body. With `pipelining` it says so in its greeting.
    """

    def __init__(
        self,
        trouble: str = "",
        replies: Mapping[str, bytes] | None = None,
        *,
        size: int = 20_000_000,
        pipelining: bool = False,
    ) -> None:
        self.trouble = trouble
        self.replies = dict(replies or {})
        self.size = size
        self.pipelining = pipelining
        self.messages: list[bytes] = []
        self.commands: list[bytes] = []
        self.connections = 0
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in list(self._threads):
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                continue
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(0.05)
        with client, contextlib.suppress(OSError, EOFError):
            self._dialogue(client, _Lines(client, self._stop))

    def _dialogue(self, client: socket.socket, lines: _Lines) -> None:
        if self.trouble == "silent at start":
            lines.wait()
        client.sendall(b"220 raw ESMTP\r\n")
        taken = False
        while True:
            line = lines.until(b"\r\n")
            self.commands.append(line)
            verb = line[:4].upper()
            if verb == b"MAIL" and taken and self.trouble == "421 when idle":
                client.sendall(b"421 4.4.2 idle too long\r\n")
                return
            if verb == b"QUIT":
                client.sendall(b"221 2.0.0 bye\r\n")
                return
            if verb == b"EHLO":
                pipelining = b"250-PIPELINING\r\n" if self.pipelining else b""
                client.sendall(b"250-raw\r\n%s250-8BITMIME\r\n250 SIZE %d\r\n" % (pipelining, self.size))
            elif verb == b"DATA":
                if not self._body(client, lines):
                    return
                taken = True
            else:
                if verb == b"RCPT":
                    self._misbehave_at_rcpt(client, lines)
                name = {b"MAIL": "mail", b"RCPT": "rcpt"}.get(verb, "")
                client.sendall(self.replies.get(name, b"250 2.0.0 fine\r\n"))

    def _misbehave_at_rcpt(self, client: socket.socket, lines: _Lines) -> None:
        if self.trouble == "cut at rcpt":
            raise EOFError
        if self.trouble == "silent at rcpt":
            lines.wait()
        if self.trouble == "drip":
            while not self._stop.is_set():
                client.sendall(b"250-still thinking\r\n")
                time.sleep(0.05)
        if self.trouble == "endless":
            while not self._stop.is_set():
                client.sendall(b"x" * 4096)
        if self.trouble == "garbage":
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n")

    def _body(self, client: socket.socket, lines: _Lines) -> bool:
        """Take one message; return False when the connection is to be cut."""
        answer = self.replies.get("data", b"354 go on\r\n")
        client.sendall(answer)
        if not answer.startswith(b"354"):
            return True
        if self.trouble == "cut in body":
            lines.some()
            return False
        body = lines.until(b"\r\n.\r\n")
        if self.trouble == "cut after body":
            return False
        if self.trouble == "silent after body":
            lines.wait()
        reply = self.replies.get("body", b"250 2.0.0 Ok: queued as R%d\r\n" % (len(self.messages) + 1))
        if reply.startswith(b"2"):
            self.messages.append((b"\r\n" + body).replace(b"\r\n..", b"\r\n.")[2:] + b"\r\n")
        client.sendall(reply)
        return self.trouble != "close when idle"


class _Lines:
    """Reads from a socket until the server is stopped."""

    def __init__(self, client: socket.socket, stop: threading.Event) -> None:
        self._client, self._stop, self._rest = client, stop, b""

    def some(self) -> bytes:
        while not self._stop.is_set():
            try:
                chunk = self._client.recv(65536)
            except TimeoutError:
                continue
            if not chunk:
                raise EOFError
            return chunk
        raise EOFError

    def until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._rest += self.some()
        found, _, self._rest = self._rest.partition(end)
        return found

    def wait(self) -> None:
        """Say nothing until the server is stopped."""
        self._stop.wait(60)
        raise EOFError


def smtp_sink_path() -> str:
    """Return where Postfix's smtp-sink is; skip the test (fail under TIDINGS_REQUIRE_ALL=1) when it is missing."""
    found = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        missing("Postfix smtp-sink is not installed (Debian: apt install postfix)")
    return found


@contextlib.contextmanager
def smtp_sink(*options: str, backlog: int = 256) -> Iterator[int]:
    """Run smtp-sink on a free port with its own options; yield the port; stop it by its pid."""
    path = smtp_sink_path()
    port = free_port()
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [path, *user, *options, f"127.0.0.1:{port}", str(backlog)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: _listens(port) or process.poll() is not None, "smtp-sink listens")
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"smtp-sink ended: {process.stderr.read().decode()[:300]}")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        assert process.stderr is not None
        process.stderr.close()


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until something holds; fail with a sentence when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for: {what}")
        time.sleep(0.01)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a fresh self-signed certificate for 127.0.0.1 with openssl; return certificate and key."""
    certificate_file, key_file = folder / "server.pem", folder / "server.key"
    if shutil.which("openssl") is None:
        missing("openssl is not installed (on Debian and Ubuntu: apt install openssl)")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", str(key_file), "-out", str(certificate_file)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        missing(f"openssl cannot make a certificate: {made.stderr.decode()[-200:]}")
    return certificate_file, key_file
