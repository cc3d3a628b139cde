"""From the spool into the store, in order, in transactions of at most 1,000 records, any number of times.

A hit's `spool_key` (file and place) is unique, and how far a file is drained is written in the transaction that
stores its records; so being killed at any moment, or draining twice, changes nothing. A file is deleted after everything
in it was committed and no writer holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.errors import StoreError
from tidings.responses.hook_events import HOOK, bears_on_consent, read_event
from tidings.responses.inbound import House
from tidings.responses.incoming import Incoming
from tidings.responses.spool import Chunk, Record, clear_unfinished, read_chunk, waiting_files
from tidings.responses.storing import Arrived, apply, prepare
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import keeping

if TYPE_CHECKING:
    from tidings.channels.protocol import ChannelEvent

_AT_ONCE = 1_000
# Of orders, in one transaction.
_MOST_LINES = 10_000
_HOUR = 3_600_000_000
_LOCK_SECONDS = 30.0
_LOCK_LOOK = 0.02
# How often a row that the store refused is tried again before it is set aside, and how long after.
_AGAIN = 2
_AGAIN_SECONDS = 0.05
REFUSED_FILE = "refused.jsonl"

_progress = keeping.spool_progress
_DRAINED = sa.select(_progress.c.drained).where(_progress.c.file == sa.bindparam("name"))
_GO_ON = (
    sa.update(_progress)
    .where(_progress.c.file == sa.bindparam("name"))
    .values(drained=sa.bindparam("to"), updated_at=sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class DrainResult:
    """What one drain did: rows stored by kind, records passed over because they were torn, and refused ones.

    `receipts` and `answers` count what providers told about messages, and what people wrote back.
    """

    hits: int = 0
    responses: int = 0
    unsubscribed: int = 0
    events: int = 0
    customers: int = 0
    torn: int = 0
    refused: int = 0
    receipts: int = 0
    answers: int = 0

    def __add__(self, other: DrainResult) -> DrainResult:
        return DrainResult(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(DrainResult))
        )

    @property
    def anything(self) -> bool:
        """Tell whether there was anything at all."""
        return self != DrainResult()


class Drainer:
    """Drains one spool folder into one store; threads may share it, and only one process drains at a time.

    `salt` is the workspace's, for customers that an event names first; `house` says who answers people who write back,
    and what kinds the channels are. Remembers how far it came, so that a call
    with nothing new costs one look into the folder and no statement.
    """

    def __init__(self, store: Store, folder: Path, *, salt: str, house: House | None = None) -> None:
        self._store = store
        self._folder = folder
        self._salt = salt
        house = house or House(salt)
        self._kinds, self._country = house.kinds, house.country
        self._networks = house.networks
        self._incoming = Incoming(store, house)
        self._guard = threading.Lock()
        self._known: dict[str, int] = {}
        self._drained: datetime | None = None

    def pending(self) -> bool:
        """Tell whether something came in since the last drain."""
        for path in waiting_files(self._folder):
            with suppress(FileNotFoundError):
                if path.stat().st_size != self._known.get(path.name, 0):
                    return True
        return False

    def drain_pending(self) -> DrainResult:
        """Drain when something came in; what a sender calls before each claim."""
        began = self._store.clock.now()
        if self.pending():
            return self.drain()
        self._drained = began
        return DrainResult()

    def drained_up_to(self) -> datetime | None:
        """Return up to which instant everything that came in is stored, None before the first drain came to its end."""
        return self._drained

    def drain(self) -> DrainResult:
        """Store everything that is readable and delete finished files; raises StoreError and then goes on next time."""
        result = DrainResult()
        with self._guard, self._alone():
            began = self._store.clock.now()
            files = waiting_files(self._folder)
            for path in files:
                with suppress(FileNotFoundError):
                    result += self._file(path)
            self._known = {
                name: place for name, place in self._known.items() if (self._folder / name).exists()
            }
            clear_unfinished(self._folder, to_micros(self._store.clock.now()) - _HOUR)
            self._drained = began
        return result

    def _file(self, path: Path) -> DrainResult:
        result, offset = DrainResult(), self._known.get(path.name, 0)
        size = path.stat().st_size
        if size != offset:
            offset = self._stored(path.name)
        while True:
            chunk = read_chunk(path, offset, _AT_ONCE)
            if chunk.next_offset != offset:
                result += self._chunk(path.name, chunk)
                offset = self._known[path.name] = chunk.next_offset
            # What comes in meanwhile is left for the next time: to follow a busy writer is a transaction a record.
            if not chunk.records or chunk.ended or offset >= size:
                break
        if chunk.ended:
            path.unlink()
            self._known.pop(path.name, None)
            self._forget(path.name)
        return result

    def _chunk(self, name: str, chunk: Chunk) -> DrainResult:
        result = DrainResult(torn=chunk.torn)
        ends = [place for place, _ in chunk.records[1:]] + [chunk.next_offset]
        arrived = [
            Arrived(f"{name}:{place}", end, record)
            for (place, record), end in zip(chunk.records, ends, strict=False)
        ]
        for part in self._store.paced("drain").chunks(arrived, _AT_ONCE):
            for section in _in_order(part):
                result += self._part(name, section)
        if not arrived:
            with self._store.durable("drain") as connection:
                self._note(connection, name, chunk.next_offset)
        return result

    def _part(self, name: str, part: Sequence[Arrived], *, again: int = _AGAIN) -> DrainResult:
        now = to_micros(self._store.clock.now())
        try:
            # In transactions of their own before the place is noted: told again after a kill, they change nothing.
            hooked = self._take_hooks([one for one in part if one.record["k"] == HOOK])
            rest = [one for one in part if one.record["k"] != HOOK]
            with self._store.read() as connection:
                prepared = prepare(connection, rest, now=now, networks=self._networks)
            with self._store.durable("drain") as connection:
                counts = apply(
                    connection, prepared, salt=self._salt, country=self._country, now=now, kinds=self._kinds
                )
                self._note(connection, name, part[-1].end)
            return DrainResult(**counts) + hooked
        except (StoreError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
            # A store that is locked, full or away takes all of them later; a row it refuses, never.
            refused = (sa.exc.IntegrityError, sa.exc.DataError)
            if isinstance(error, StoreError) and not isinstance(error.__cause__, refused):
                raise
            if len(part) > 1:
                half = len(part) // 2
                return self._part(name, part[:half]) + self._part(name, part[half:])
            # Somebody else may have stored the same customer in between: read again and see.
            if isinstance(error, StoreError) and again:
                self._store.clock.sleep(_AGAIN_SECONDS)
                return self._part(name, part, again=again - 1)
            self._set_aside(part[0], error)
        with self._store.durable("drain") as connection:
            self._note(connection, name, part[-1].end)
        return DrainResult(refused=1)

    def _take_hooks(self, arrived: Sequence[Arrived]) -> DrainResult:
        """Take in what providers told; the events of one channel that came one behind the other together."""
        result = DrainResult()
        for (channel, provider, kind), group in groupby(
            arrived, key=lambda one: (one.record["ch"], one.record["p"], one.record["kind"])
        ):
            events: list[ChannelEvent] = []
            source: list[tuple[Arrived, Record]] = []
            refused: list[tuple[Arrived, Record, Exception]] = []
            for one in group:
                for told in one.record["ev"]:
                    event = read_event(one.record, told)
                    if isinstance(event, Exception):
                        refused.append((one, told, event))
                    else:
                        events.append(event)
                        source.append((one, told))
            came, bad = self._incoming.take_each(
                channel, provider, events, now=self._store.clock.now(), kind=kind
            )
            reasons = {id(event): error for event, error in bad}
            refused += [
                (*whence, reasons[id(event)])
                for event, whence in zip(events, source, strict=True)
                if id(event) in reasons
            ]
            for one, told, error in refused:
                self._set_aside(replace(one, record=one.record | {"ev": [told]}), error)
            receipts, answers = came.receipts, came.answers
            result += DrainResult(
                receipts=receipts.applied + receipts.waiting + receipts.ignored,
                answers=answers.stopped + answers.started + answers.helped + answers.replies,
                refused=len(refused),
            )
        return result

    def _set_aside(self, arrived: Arrived, error: Exception) -> None:
        """Keep a record that the store can never take beside the spool, so that those behind it are not held up."""
        line = json.dumps({"spool_key": arrived.key, "error": str(error), "record": arrived.record})
        with (self._folder / REFUSED_FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _stored(self, name: str) -> int:
        with self._store.read() as connection:
            return connection.execute(_DRAINED, {"name": name}).scalar() or 0

    def _note(self, connection: sa.Connection, name: str, drained: int) -> None:
        now = to_micros(self._store.clock.now())
        written = connection.execute(_GO_ON, {"name": name, "to": drained, "now": now})
        if not written.rowcount:
            insert_rows(connection, _progress, [(name, drained, now)], ("file", "drained", "updated_at"))

    def _forget(self, name: str) -> None:
        with self._store.durable("drain") as connection:
            connection.execute(sa.delete(_progress).where(_progress.c.file == name))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process drains this folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "drain.lock").open("ab") as lock:
            for _ in range(int(_LOCK_SECONDS / _LOCK_LOOK)):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._store.clock.sleep(_LOCK_LOOK)
            else:
                raise StoreError(
                    f"another process has been draining {self._folder} for {_LOCK_SECONDS:g} seconds",
                    what_to_do="stop the other process, or wait for it; nothing that came in is lost",
                    code="drain-locked",
                )
            yield


def _in_order(part: Sequence[Arrived]) -> Iterator[list[Arrived]]:
    """Part records where a wish told by a provider and one made on a page would change places.

    In each section what providers told is taken first. Orders of many lines are parted too: each section is one transaction.
    """
    section: list[Arrived] = []
    wishes: set[bool] = set()
    rows = 0
    for one in part:
        lines = one.record.get("lines")
        rows += len(lines) if isinstance(lines, list) else 0
        if rows > _MOST_LINES and section:
            yield section
            section, wishes, rows = [], set(), len(lines or ())
        told = one.record.get("k") == HOOK
        if told:
            wish = isinstance(one.record.get("ev"), list) and _bears_on_consent(one.record)
        else:
            wish = one.record.get("k") in ("unsubscribe", "resubscribe")
        if wish and (not told) in wishes:
            yield section
            section, wishes = [], set()
        if wish:
            wishes.add(told)
        section.append(one)
    if section:
        yield section


def _bears_on_consent(record: Record) -> bool:
    try:
        return bears_on_consent(record)
    except (TypeError, AttributeError):
        return False


def drain(store: Store, folder: Path, *, salt: str, house: House | None = None) -> DrainResult:
    """Drain a spool folder once; who drains often keeps a Drainer."""
    return Drainer(store, folder, salt=salt, house=house).drain()
