"""HylaFAX for tests: the real faxq and hfaxd over a spool of their own, and a scripted server that misbehaves on demand.

What the scripted server says was recorded from hfaxd 6.0.7 (Debian 12).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from support.components import missing
from support.smtp_servers import free_port

_FOLDERS = "archive bin client config dev docq doneq etc info log pollq recvq sendq status tmp".split()
_FILES = (
    "config",
    "hfaxd.conf",
    "setup.cache",
    "setup.modem",
    "pagesizes",
    "typerules",
    "dialrules",
    "lutRS18.pcf",
)


@dataclass(frozen=True)
class Spool:
    """A running HylaFAX without modems: jobs wait for ever."""

    port: int
    folder: Path

    def jobs(self, queue: str = "sendq") -> list[dict[str, str]]:
        """Return the job files of a queue as written by the server."""
        found = []
        for path in sorted((self.folder / queue).glob("q*")):
            lines = path.read_text("utf-8", "replace").splitlines()
            found.append(dict(line.partition(":")[::2] for line in lines))
        return found


@contextmanager
def hylafax() -> Iterator[Spool]:
    """Start faxq and hfaxd over a new spool; stop them by pid."""
    programs = [shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("faxq", "hfaxd")]
    if not all(programs) or not Path("/etc/hylafax/setup.cache").exists():
        missing("HylaFAX (Debian package hylafax-server) is not installed")
    if os.geteuid() != 0:
        missing("faxq and hfaxd run only for root, who lends them the user uucp")
    # Not below pytest's own folder: that one is closed to the user of the servers.
    folder = Path(tempfile.mkdtemp(prefix="tidings-fax-"))
    folder.chmod(0o755)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name in _FOLDERS:
            (folder / name).mkdir()
        shutil.copytree("/var/spool/hylafax/bin", folder / "bin", dirs_exist_ok=True, symlinks=True)
        for name in _FILES:
            if Path("/etc/hylafax", name).exists():
                shutil.copy(Path("/etc/hylafax", name), folder / "etc")
        hosts = folder / "etc" / "hosts.hfaxd"
        hosts.write_text("127.0.0.1\nlocalhost\n")
        hosts.chmod(0o600)
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "uucp", "uucp")
        port = free_port()
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running.append(subprocess.Popen([str(programs[0]), "-D", "-q", str(folder)], **quiet))
        _wait((folder / "FIFO").exists)
        command = [str(programs[1]), "-d", "-l", "127.0.0.1", "-i", str(port), "-q", str(folder)]
        running.append(subprocess.Popen(command, **quiet))
        _wait(lambda: _answers(port))
        yield Spool(port, folder)
    finally:
        for process in reversed(running):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as probe:
            return probe.recv(3) == b"220"
    except OSError:
        return False


def _wait(holds: object, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "HylaFAX did not start"
        time.sleep(0.05)


@dataclass
class FakeJob:
    """One job of the scripted server, in either queue."""

    number: str
    tag: str
    state: str = "W"
    pages: int = 0
    dials: int = 0
    status: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    document: bytes = b""

    def line(self) -> str:
        return f"{self.number}|{self.tag}|{self.state}|{self.pages}|0|{self.dials}|0|{self.status}"


class FakeHfaxd:
    """Answers as hfaxd does. `answers`: replies by the start of a command instead of the usual ones; `cut` and `silent`:
    commands at which the connection breaks or nothing more is said (`start`: before the greeting, `body`: within
    a document, `idle`: after each job)."""

    def __init__(
        self, *, answers: dict[str, str] | None = None, cut: str = "", silent: str = "", password: str = ""
    ) -> None:
        self.answers, self.cut, self.silent, self.password = answers or {}, cut, silent, password
        self.jobs: list[FakeJob] = []
        self.commands: list[str] = []
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(one)
            thread = threading.Thread(target=self._serve, args=(one,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            _Session(self, one).run()
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def wait(self) -> None:
        """Stay silent until the test is over."""
        self._stop.wait(30)


class _Session:
    def __init__(self, server: FakeHfaxd, one: socket.socket) -> None:
        self.server, self.one = server, one
        self.lines = one.makefile("rb")
        self.data: socket.socket | None = None
        self.document = b""
        self.parameters: dict[str, str] = {}

    def say(self, reply: str) -> None:
        self.one.sendall(reply.encode() + b"\r\n")

    def run(self) -> None:
        server = self.server
        if server.silent == "start":
            server.wait()
            return
        self.say("220 vm server (HylaFAX (tm) Version 6.0.7) ready.")
        for raw in self.lines:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            server.commands.append(line)
            if server.silent and line.startswith(server.silent):
                server.wait()
                return
            if server.cut and line.startswith(server.cut):
                return
            told = next((reply for start, reply in server.answers.items() if line.startswith(start)), None)
            if told is not None:
                self.say(told)
                if told.startswith("421"):
                    return
            elif not self.usual(line):
                return

    def usual(self, line: str) -> bool:
        name, _, rest = line.partition(" ")
        if name == "USER":
            self.say(
                "331 Password required for tidings."
                if self.server.password
                else "230 User tidings logged in."
            )
        elif name == "PASS":
            good = rest == self.server.password
            self.say("230 User tidings logged in." if good else "530 Login incorrect.")
        elif name == "PASV":
            self.data = socket.create_server(("127.0.0.1", 0))
            port = self.data.getsockname()[1]
            self.say(f"227 Entering passive mode (127,0,0,1,{port >> 8},{port & 255})")
        elif name == "STOT":
            return self.stot()
        elif name == "LIST":
            done = rest == "doneq"
            self.give([job.line() for job in self.server.jobs if (job.state in "DF") == done])
        elif name == "JNEW":
            self.parameters = {}
            number = len(self.server.jobs) + 1
            self.say(f"200 New job created: jobid: {number} groupid: {number}.")
        elif name == "JPARM":
            key, _, value = rest.partition(" ")
            self.parameters[key] = value.strip('"')
            self.say("200 Added document." if key == "DOCUMENT" else f"213 {key} set to {value}.")
        elif name == "JSUBM":
            self.submit()
            return self.server.cut != "idle"
        elif name == "JKILL":
            self.kill(rest)
        elif name == "QUIT":
            self.say("221 Goodbye.")
            return False
        else:
            self.say("200 Command successful.")
        return True

    def stot(self) -> bool:
        assert self.data is not None
        self.say("150 FILE: /tmp/doc1.ps (Opening new data connection).")
        taken, _ = self.data.accept()
        with taken:
            if self.server.cut == "body":
                taken.recv(4096)
                # Unread bytes make the close a reset, as a killed server does.
                return False
            parts = []
            while part := taken.recv(65536):
                parts.append(part)
        self.data.close()
        self.document = b"".join(parts)
        self.say("226 Transfer complete (FILE: /tmp/doc1.ps).")
        return True

    def give(self, lines: list[str]) -> None:
        assert self.data is not None
        self.say("150 Opening new data connection.")
        taken, _ = self.data.accept()
        with taken:
            taken.sendall("".join(f"{line}\r\n" for line in lines).encode())
        self.data.close()
        self.say("226 Transfer complete.")

    def submit(self) -> None:
        number = str(len(self.server.jobs) + 1)
        tag = self.parameters.get("JOBINFO", "")
        self.server.jobs.append(
            FakeJob(number, tag, parameters=dict(self.parameters), document=self.document)
        )
        self.say(f"200 Job {number} submitted.")

    def kill(self, number: str) -> None:
        job = next((one for one in self.server.jobs if one.number == number and one.state not in "DF"), None)
        if job is None:
            self.say(f"500 Cannot kill job {number}; job does not exist (No such file or directory).")
            return
        job.state, job.status = "F", "Job aborted by request"
        self.say(f"200 Job {number} killed.")
