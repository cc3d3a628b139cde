"""The client protocol of HylaFAX: an FTP dialogue with jobs (hfaxd(8), RFC 959 in its bones)."""

from __future__ import annotations

import ftplib
import io
import re
import socket
from dataclasses import dataclass

# Job, our tag, state, pages sent, pages in all, dials, tries, and the words of the last failure, which may hold anything.
_FORMAT = "%j|%J|%a|%p|%y|%d|%t|%s"
_SAFE = re.compile(r"[A-Za-z0-9 .,:+*#@_/=-]*")
ERRORS = (ftplib.Error, OSError, EOFError)


class Refused(Exception):
    """The server said no to a command; `reply` starts with its three digits."""

    def __init__(self, command: str, reply: str) -> None:
        super().__init__(reply)
        self.command, self.reply = command, reply


class Lost(Exception):
    """The connection broke or the server fell silent. `submitted`: after the job may have been taken."""

    def __init__(self, words: str, *, submitted: bool = False) -> None:
        super().__init__(words)
        self.submitted = submitted


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the queues: `state` is one of T suspended, P pending, S sleeping, B blocked, W waiting, R running, D done, F failed."""

    number: str
    tag: str
    state: str
    pages: int
    dials: int
    status: str
    done: bool


class Dialogue:
    """One session with hfaxd. Raises Refused and Lost; the password stands in no message."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        # The protocol of HylaFAX knows no encryption: the server stands on this machine or behind a tunnel.
        self._ftp = ftplib.FTP(encoding="utf-8")  # noqa: S321
        self._host, self._port, self._timeout = host, port, timeout

    def open(self, user: str, password: str) -> None:
        """Connect and log in."""
        try:
            self._ftp.connect(self._host, self._port, self._timeout)
        except ERRORS as error:
            raise Lost(_words(error)) from error
        reply = self.command(f"USER {_plain(user)}")
        if reply.startswith("331"):
            self.command(f"PASS {_plain(password)}")
        self.command("TYPE I")
        self.command(f'JOBFMT "{_FORMAT}"')

    def command(self, line: str, *, submits: bool = False) -> str:
        """Send one command and return the reply."""
        name = line.partition(" ")[0]
        try:
            return self._ftp.sendcmd(line)
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise Refused(name, str(error)[:200]) from error
        except ERRORS as error:
            raise Lost(_words(error), submitted=submits) from error

    def store(self, content: bytes) -> str:
        """Hand over a document and return the name under which the server keeps it for this session."""
        try:
            reply = self._ftp.storbinary("STOT", io.BytesIO(content))
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise Refused("STOT", str(error)[:200]) from error
        except ERRORS as error:
            raise Lost(_words(error)) from error
        found = re.search(r"FILE: (/?[A-Za-z0-9_./-]+)\)", reply)
        if found is None:
            raise Refused("STOT", f"500 the server named no document: {reply[:100]}")
        return found[1]

    def parameter(self, name: str, value: str, *, quoted: bool = True) -> None:
        """Set a parameter of the current job; a value that could start another command is refused here."""
        if not _SAFE.fullmatch(value):
            raise Refused(name, "501 the value holds signs that may not stand in a job")
        try:
            self.command(f'JPARM {name} "{value}"' if quoted else f"JPARM {name} {value}")
        except Refused as refused:
            raise Refused(name, refused.reply) from refused

    def jobs(self) -> list[Job]:
        """Return the jobs of both queues, those still to be sent first."""
        found = [job for line in self._list("sendq") if (job := _job(line, done=False))]
        return found + [job for line in self._list("doneq") if (job := _job(line, done=True))]

    def _list(self, queue: str) -> list[str]:
        lines: list[str] = []
        try:
            # LIST travels in ASCII and leaves the session so.
            self._ftp.retrlines(f"LIST {queue}", lines.append)
            self._ftp.voidcmd("TYPE I")
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise Refused("LIST", str(error)[:200]) from error
        except (*ERRORS, UnicodeDecodeError) as error:
            raise Lost(_words(error)) from error
        return lines

    def close(self) -> None:
        """Leave; never raises."""
        try:
            self._ftp.quit()
        except Exception:
            self._ftp.close()


def _job(line: str, *, done: bool) -> Job | None:
    parts = [part.strip() for part in line.split("|", 7)]
    if len(parts) != 8 or not parts[0].isdecimal():
        return None
    number, tag, state, pages, _, dials, _, status = parts
    return Job(number, tag, state, _whole(pages), _whole(dials), status, done)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _plain(text: str) -> str:
    if not text or re.search(r"[\x00-\x20\x7f]", text):
        raise Refused("USER", "501 user and password may hold no blanks and control signs")
    return text


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError | socket.timeout):
        return "the server said nothing in time"
    return str(getattr(error, "strerror", None) or str(error) or "the connection broke")[:150]
