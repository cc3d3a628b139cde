"""Messages written in a process of their own, which is stopped when one of them takes too long or too much memory.

What a template may do is bounded already: no calls, lists of 200, loops two deep, 256 KB a part. What is left is a message
that is slow rather than endless (a loop in a loop over full lists), and whatever nobody has thought of yet. The process
renders; links, encoding and headers are put in here, so that it never sees a key, and its environment is empty.

A batch goes there in one piece and comes back message by message. When nothing comes for `seconds`, or the process dies,
it is killed and the batch is cut at the message that was being written. That one is tried once more, alone, in a
fresh process: only what fails alone is refused, so a slow machine or the memory of its neighbours refuse nobody.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any, Self, TypeVar

from tidings.errors import TidingsError
from tidings.templates.email import CompiledEmail, MessageUrls, Recipient, Rendered
from tidings.templates.parts import Parts
from tidings.templates.spec import EmailSpec
from tidings.templates.values import RenderError

Made = TypeVar("Made")

START_SECONDS = 60.0
ANSWER = struct.Struct(">cIII")
"""What kind of answer, and how many octets subject, text and HTML (or field, reason and nothing) have."""
LENGTH = struct.Struct(">I")
NO_HTML = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class RenderFailure:
    """Why one message cannot be written: the refusal `render_error`, the value or header, and a sentence."""

    field: str
    reason: str
    code: str = "render_error"


class _Lost(Exception):
    """The process is gone or was killed; the sentence says why."""


class BatchRenderer:
    """Writes messages as `email.fill` does, byte for byte, but renders them in a process with limits.

    `seconds` is the longest one message may take, `memory` how many octets it may use beyond those of the process at rest.
    Use it as a context; one batch at a time goes through it, whichever thread asks. `kills` counts stopped processes.
    """

    def __init__(
        self,
        spec: EmailSpec,
        email: CompiledEmail,
        *,
        seconds: float = 5.0,
        memory: int = 256 * 1024 * 1024,
    ) -> None:
        self.kills = 0
        self._spec = spec
        self._email = email
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; closing twice is allowed, and the next batch would start another."""
        with self._lock:
            self._stop()

    def render_many(self, rows: Sequence[tuple[Recipient, MessageUrls]]) -> list[bytes | RenderFailure]:
        """Return the whole message of each row, or why it cannot be written, in order.

        TidingsError when no process can be started, and for nothing that concerns a single row.
        """
        return self._all(rows, self._email.finish)

    def render_parts(self, rows: Sequence[tuple[Recipient, MessageUrls]]) -> list[Parts | RenderFailure]:
        """Return the fields of each row's message, or why it cannot be written, in order."""
        return self._all(rows, self._email.finish_parts)

    def _all(
        self,
        rows: Sequence[tuple[Recipient, MessageUrls]],
        finish: Callable[[Recipient, Rendered, MessageUrls], Made],
    ) -> list[Made | RenderFailure]:
        with self._lock:
            rendered = self._rendered([self._asked(recipient, urls) for recipient, urls in rows])
        results: list[Made | RenderFailure] = []
        for (recipient, urls), one in zip(rows, rendered, strict=True):
            if isinstance(one, RenderFailure):
                results.append(one)
                continue
            try:
                results.append(finish(recipient, one, urls))
            except RenderError as error:
                results.append(RenderFailure(error.field, error.reason))
        return results

    def _asked(self, recipient: Recipient, urls: MessageUrls) -> list[Any]:
        unsubscribe = self._email.unsubscribe_of(recipient, urls)
        return [
            recipient.message_id,
            recipient.key,
            recipient.address,
            recipient.locale,
            dict(recipient.variables),
            unsubscribe,
        ]

    def _rendered(self, asked: list[list[Any]]) -> list[Rendered | RenderFailure]:
        """Return what the process makes of the rows; each cut leaves a shorter rest, so this ends."""
        done: list[Rendered | RenderFailure] = []
        alone = False
        while len(done) < len(asked):
            rest = asked[len(done) :]
            batch = rest[:1] if alone else rest
            answered, why = self._batch(batch)
            done += answered
            if len(answered) == len(batch):
                alone = False
            elif len(batch) == 1:
                done.append(RenderFailure("message", why))
                alone = False
            else:
                alone = True
        return done

    def _batch(self, batch: list[list[Any]]) -> tuple[list[Rendered | RenderFailure], str]:
        """Return the answers until all are there or the process was lost, and why it was."""
        answered: list[Rendered | RenderFailure] = []
        self._running()
        try:
            self._send(batch)
            for _ in batch:
                answered.append(self._answer())
        except _Lost as lost:
            self._stop()
            self.kills += 1
            return answered, str(lost)
        return answered, ""

    def _running(self) -> None:
        if self._process is not None:
            return
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tidings.templates.rendering"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            close_fds=True,
        )
        self._read = b""
        start = {"spec": self._spec.as_json(), "seconds": self._seconds, "memory": self._memory}
        try:
            self._send(start)
            (length,) = LENGTH.unpack(self._take(LENGTH.size, START_SECONDS))
            trouble = self._take(length, START_SECONDS).decode()
        except _Lost as lost:
            trouble = str(lost)
        if trouble:
            self._stop()
            raise TidingsError(
                f"the process that renders messages does not start: {trouble}",
                what_to_do="run `tidings check`; see whether the machine has memory left",
            )

    def _send(self, what: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        content = json.dumps(what, ensure_ascii=False, default=_plain).encode("utf-8", "surrogatepass")
        try:
            self._process.stdin.write(LENGTH.pack(len(content)) + content)
            self._process.stdin.flush()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _Lost("the process ended") from error

    def _answer(self) -> Rendered | RenderFailure:
        kind, first, second, third = ANSWER.unpack(self._take(ANSWER.size, self._seconds))
        body = self._take(first + second + (0 if third == NO_HTML else third), self._seconds)
        texts = body[:first].decode(), body[first : first + second].decode()
        if kind == b"f":
            return RenderFailure(*texts)
        return Rendered(*texts, None if third == NO_HTML else body[first + second :].decode())

    def _take(self, count: int, seconds: float) -> bytes:
        """Return that many octets of the process, waiting at most so many seconds; raises _Lost."""
        assert self._process is not None
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        until = time.monotonic() + seconds
        while len(self._read) < count:
            left = until - time.monotonic()
            if left <= 0 or not select.select([source], [], [], left)[0]:
                raise _Lost(f"takes longer than {seconds:g} seconds to write")
            piece = os.read(source, 1 << 20)
            if not piece:
                raise _Lost("takes more time or memory than a message may")
            self._read += piece
        taken, self._read = self._read[:count], self._read[count:]
        return taken

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    # What was still to be written is of no use to anybody.
                    continue


def _plain(value: object) -> str:
    """Return a value that JSON has no form for as the text that its attribute's reader takes."""
    return value.isoformat() if isinstance(value, date) else str(value)
