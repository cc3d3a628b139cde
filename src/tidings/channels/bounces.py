"""Bounces and complaints that arrive in a Maildir: read from new/, and moved to cur/ only once they are stored."""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from tidings.channels.protocol import ChannelEvent
from tidings.channels.reports import receipts_in

MAX_BYTES = 10_000_000
MAX_FILES = 500


def read_report(raw: bytes) -> list[ChannelEvent]:
    """Return what one mail reports about a message of ours; nothing for any other mail. Never raises."""
    if len(raw) > MAX_BYTES:
        return []
    try:
        return list(receipts_in(message_from_bytes(raw)))
    except Exception:
        # Strangers write these mails: one that confuses a parser may cost itself, never those behind it.
        return []


def read_maildir(path: Path) -> list[ChannelEvent]:
    """Return what the mails in `path`/new report; reports stay there. Raises OSError where the folder cannot be read."""
    return MaildirReader(path).events()


@dataclass(slots=True)
class _Given:
    """A mail whose events were handed out; `left` of them are not stored yet."""

    name: str
    left: int


class MaildirReader:
    """Reads a Maildir for one thread; what is handed out stays in new/ until it is said to be stored.

    After a crash the same mails are read again, with the same event ids. Mail that is no report is moved to cur/ unread,
    where a mail program shows it.
    """

    def __init__(self, path: Path) -> None:
        self._new, self._cur = path / "new", path / "cur"
        self._given: deque[_Given] = deque()

    def events(self) -> list[ChannelEvent]:
        """Return the events of mails that were not handed out yet, at most 500 mails; raises OSError."""
        known = {one.name for one in self._given}
        found: list[ChannelEvent] = []
        names = sorted(one.name for one in self._new.iterdir() if one.name not in known)
        for name in names[:MAX_FILES]:
            raw = _read(self._new / name)
            if raw is None:
                continue
            events = read_report(raw)
            self._given.append(_Given(name, len(events)))
            found += events
        self._move()
        return found

    def done(self, count: int | None = None) -> None:
        """Say that the first `count` events handed out and not yet said so are stored; None means all of them."""
        for one in self._given:
            stored = one.left if count is None else min(one.left, count)
            one.left -= stored
            if count is not None:
                count -= stored
        self._move()

    def _move(self) -> None:
        """Move mails whose events are all stored, in order."""
        while self._given and not self._given[0].left:
            name = self._given[0].name
            self._cur.mkdir(exist_ok=True)
            # Another reader may have been faster: nothing is lost by that, for the events have ids.
            with suppress(FileNotFoundError):
                # The flags after the colon are none: not seen by a person.
                (self._new / name).rename(self._cur / (name if ":" in name else f"{name}:2,"))
            self._given.popleft()


def _read(path: Path) -> bytes | None:
    """Return a mail, None where there is none any more or it is no plain file (links are not followed)."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        return file.read(MAX_BYTES + 1)
