"""The table of scheduled work: what ran, by whom, how far it is, what came of it; `tidings runs` prints it.

A row that says "running" is believed while it beats. When its process is gone, or silent for two minutes, the row is marked
lost: the work itself goes on from the ledger, which does not ask this table.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.clock import Clock, from_micros, to_micros
from tidings.delivery.ownership import own_name, provably_dead
from tidings.store.boot import boot_id
from tidings.store.database import Store
from tidings.store.tables import journeys

BEAT_SECONDS = 5.0
SILENT = timedelta(minutes=2)
# Rounds come every second on a busy day; what went wrong and long work is of interest for longer.
KEEP_ROUNDS, KEEP = timedelta(days=3), timedelta(days=90)
ROUND = "round"
_rows = journeys.work_runs


def owner_name() -> str:
    """Return the name of this process in the table: the boot of its machine, then who it is there."""
    return f"{boot_id() or ''}|{own_name()}"


class Work:
    """One piece of work under way. Its row is written when it first has something to tell, or with the first beat.

    The thread that works and one that beats may share it.
    """

    def __init__(self, store: Store, clock: Clock, owner: str, work: str, subject: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._values: dict[str, Any] = {"work": work, "subject": subject, "owner": owner, "state": "running"}
        self._started = to_micros(clock.now())
        self._guard = threading.Lock()
        self._id: int | None = None
        self._done = 0
        self._total: int | None = None
        self._began = self._told = clock.monotonic()
        self._over = False

    @property
    def seconds(self) -> float:
        """Return how long it has been under way."""
        return self._clock.monotonic() - self._began

    def progress(self, done: int, total: int | None = None) -> None:
        """Note how far it is; the store is told at most every few seconds."""
        self._done, self._total = done, total
        if self._clock.monotonic() - self._told >= BEAT_SECONDS:
            self.beat()

    def beat(self) -> None:
        """Say that it is alive and how far it is."""
        with self._guard:
            if not self._over:
                self._write(state="running")

    def finish(self, outcome: str, *, failed: bool = False) -> None:
        """Note what came of it; nothing after that."""
        with self._guard:
            if not self._over:
                now = to_micros(self._clock.now())
                self._write(state="failed" if failed else "done", outcome=outcome, finished_at=now)
                self._over = True

    def drop(self) -> None:
        """Keep nothing of it, unless it has told something already."""
        with self._guard:
            if self._id is None:
                self._over = True
                return
        self.finish("nothing was due")

    def _write(self, **values: Any) -> None:
        self._told = self._clock.monotonic()
        beat = {"beat_at": to_micros(self._clock.now()), "done": self._done, "total": self._total, **values}
        with self._store.marks("work") as connection:
            if self._id is None:
                row = {**self._values, "started_at": self._started, **beat}
                self._id = int(
                    connection.execute(_rows.insert().values(row).returning(_rows.c.id)).scalar_one()
                )
            else:
                # One that was believed lost and came back is running again.
                connection.execute(_rows.update().where(_rows.c.id == self._id).values(beat))


def note_trouble(store: Store, clock: Clock, owner: str, work: str, subject: str | None, words: str) -> bool:
    """Store what went wrong with a piece of work; return whether it is new.

    The same words again within a day only count up `done` in the row of the first time.
    """
    now = clock.now()
    with store.marks("work") as connection:
        last = connection.execute(
            sa.select(_rows.c.id, _rows.c.outcome, _rows.c.beat_at)
            .where(_rows.c.work == work, _of(subject), _rows.c.state.in_(["failed", "done"]))
            .where(_rows.c.started_at >= to_micros(now - KEEP))
            .order_by(_rows.c.id.desc())
            .limit(1)
        ).first()
        at = to_micros(now)
        if last is not None and last.outcome == words and last.beat_at >= to_micros(now - timedelta(days=1)):
            connection.execute(
                _rows.update()
                .where(_rows.c.id == last.id)
                .values(done=_rows.c.done + 1, beat_at=at, finished_at=at)
            )
            return False
        connection.execute(
            _rows.insert().values(
                work=work, subject=subject, owner=owner, state="failed", started_at=at, beat_at=at,
                finished_at=at, done=1, outcome=words,
            )
        )  # fmt: skip
    return True


def mark_lost(store: Store, now: datetime) -> int:
    """Mark running rows lost whose process is gone or silent; return how many."""
    here = boot_id()
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_rows.c.id, _rows.c.owner, _rows.c.beat_at).where(_rows.c.state == "running")
        ).all()
    silent = to_micros(now - SILENT)
    lost = [row.id for row in rows if row.beat_at < silent or _dead(row.owner, here)]
    if not lost:
        return 0
    with store.marks("work") as connection:
        return int(
            connection.execute(
                _rows.update()
                .where(_rows.c.id.in_(lost), _rows.c.state == "running")
                .values(
                    state="lost",
                    finished_at=to_micros(now),
                    outcome="its process ended; the next round goes on from the ledger",
                )
            ).rowcount
        )


def prune(store: Store, now: datetime) -> int:
    """Delete rows of finished work that nobody looks at any more; return how many."""
    gone = 0
    plain = sa.and_(_rows.c.work == ROUND, _rows.c.state == "done")
    old = sa.or_(
        sa.and_(plain, _rows.c.started_at < to_micros(now - KEEP_ROUNDS)),
        _rows.c.started_at < to_micros(now - KEEP),
    )
    with store.read() as connection:
        query = sa.select(_rows.c.id).where(old, _rows.c.state != "running").order_by(_rows.c.id)
        ids = list(connection.execute(query.limit(100_000)).scalars())
    for chunk in store.paced("work").chunks(ids):
        with store.marks("work") as connection:
            gone += connection.execute(_rows.delete().where(_rows.c.id.in_(chunk))).rowcount
    return gone


@dataclass(frozen=True, slots=True)
class WorkRun:
    """One row for people: `where` is the machine and process; instants are aware, in UTC."""

    id: int
    work: str
    subject: str | None
    state: str
    where: str
    started_at: datetime
    beat_at: datetime
    finished_at: datetime | None
    done: int
    total: int | None
    outcome: str | None


def recent(connection: sa.Connection, *, now: datetime, limit: int) -> list[WorkRun]:
    """Return the latest work, the newest first; a row whose process is gone or silent is shown as lost."""
    here, silent = boot_id(), to_micros(now - SILENT)
    query = sa.select(_rows).order_by(_rows.c.started_at.desc(), _rows.c.id.desc()).limit(limit)
    found = []
    for row in connection.execute(query):
        state = row.state
        if state == "running" and (row.beat_at < silent or _dead(row.owner, here)):
            state = "lost"
        found.append(
            WorkRun(
                row.id, row.work, row.subject, state, _where(row.owner), from_micros(row.started_at),
                from_micros(row.beat_at), row.finished_at and from_micros(row.finished_at), row.done, row.total,
                row.outcome,
            )
        )  # fmt: skip
    return found


def _of(subject: str | None) -> sa.ColumnElement[bool]:
    return _rows.c.subject.is_(None) if subject is None else _rows.c.subject == subject


def _dead(owner: str, here: str | None) -> bool:
    boot, _, name = owner.partition("|")
    return provably_dead(name, boot or None, here=here)


def _where(owner: str) -> str:
    name = owner.partition("|")[2] or owner
    parts = name.rsplit(":", 3)
    return f"{name.split('/', 1)[0]}:{parts[1]}" if len(parts) == 4 else name
