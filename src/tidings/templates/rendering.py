"""The process behind `BatchRenderer`: reads a spec, then batches, and writes what the templates make of each row.

It has no keys, no store and an empty environment; it may not write files, and its memory and time are limited.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from tidings.clock import FixedClock
from tidings.errors import TidingsError
from tidings.templates.email import CompiledEmail, Recipient
from tidings.templates.spec import EmailSpec
from tidings.templates.values import RenderError
from tidings.templates.worker import ANSWER, LENGTH, NO_HTML

# The Date header is put in by whoever asked.
_CLOCK = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))


def main(source: BinaryIO, target: BinaryIO) -> None:
    """Serve until the other side closes."""
    start = _frame(source)
    if start is None:
        return
    try:
        email = EmailSpec.from_json(start["spec"]).compile(_CLOCK)
        trouble = b""
    except TidingsError as error:
        trouble = str(error).encode()
    target.write(LENGTH.pack(len(trouble)) + trouble)
    target.flush()
    if trouble:
        return
    _limit_memory(start["memory"])
    while (batch := _frame(source)) is not None:
        for row in batch:
            _limit_time(start["seconds"])
            target.write(_answer(email, row))
            target.flush()


def _frame(source: BinaryIO) -> Any:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return json.loads(source.read(LENGTH.unpack(head)[0]).decode("utf-8", "surrogatepass"))


def _answer(email: CompiledEmail, row: list[Any]) -> bytes:
    *who, unsubscribe = row
    try:
        made = email.render(Recipient(*who), unsubscribe)
        pieces = [
            made.subject.encode(),
            made.text.encode(),
            None if made.html is None else made.html.encode(),
        ]
        kind = b"r"
    except RenderError as error:
        pieces, kind = [error.field.encode(), error.reason.encode("utf-8", "replace"), b""], b"f"
    except (UnicodeError, MemoryError) as error:
        pieces, kind = [b"message", f"cannot be rendered: {type(error).__name__}".encode(), b""], b"f"
    sizes = [NO_HTML if one is None else len(one) for one in pieces]
    return b"".join([ANSWER.pack(kind, *sizes), *(one for one in pieces if one is not None)])


def _limit_memory(octets: int) -> None:
    """Allow that much beyond what the process has now, and no file longer than nothing."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + octets
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_time(seconds: float) -> None:
    """End this process by itself when a row takes too long and nobody is there any more to stop it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
