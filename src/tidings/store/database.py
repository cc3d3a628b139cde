"""The store: opened once by a command, asked for connections by purpose.

`read()` sees one consistent state and cannot write; `durable()` is one transaction that survives a power cut once
it returned; `marks()` is one that survives a killed process but not a power cut; `workbench()` may fill temporary
tables without the write lock and apply them in chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.errors import StoreError
from tidings.store import identity
from tidings.store.engines import (
    READERS,
    check_file,
    copy_file,
    parse_url,
    place_of,
    postgresql_engine,
    sqlite_engine,
    trust,
)
from tidings.store.explain import TRANSLATED, explain
from tidings.store.locking import LockAccount, LockUse, Paced, WriterLock, writer_lock
from tidings.store.quick import QuickWriter
from tidings.store.workbench import Workbench

_LEASE_SQLITE = (
    "SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
    " + CAST(round((strftime('%f', 'now') - strftime('%S', 'now')) * 1000) AS INTEGER) * 1000"
)
_LEASE_POSTGRESQL = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"


class Store:
    """One workspace's data in one environment. Threads may share it; close it at the end."""

    def __init__(
        self, url: str, *, clock: Clock, workspace: str, environment: str, busy_seconds: float, create: bool
    ) -> None:
        self.url = url
        self.clock = clock
        self.workspace = workspace
        self.environment = environment
        self._parsed = parse_url(url)
        self.place = place_of(self._parsed)
        self._busy_seconds = busy_seconds
        self._lock_seconds = max(busy_seconds * 6, 1.0)
        self._account = LockAccount(clock)
        self._writer: WriterLock | None = None
        self.dialect: Literal["sqlite", "postgresql"]
        if self._parsed.get_backend_name() == "sqlite":
            self.dialect = "sqlite"
            check_file(self._parsed, create=create)
            self._writer = writer_lock(Path(str(self._parsed.database)))
            self._durable = self._sqlite("FULL", "BEGIN IMMEDIATE")
            self._marks = self._sqlite("NORMAL", "BEGIN IMMEDIATE")
            self._quick = self._sqlite("NORMAL", "BEGIN IMMEDIATE", size=READERS)
            self._bench = self._sqlite("FULL", "BEGIN", size=2)
            self._read = self._sqlite("NORMAL", "BEGIN", size=READERS, query_only=True)
        else:
            self.dialect = "postgresql"
            self._durable = postgresql_engine(
                self._parsed, synchronous_commit="on", size=4, pool_pre_ping=True
            )
            self._marks = postgresql_engine(self._parsed, synchronous_commit="off", size=1)
            self._bench = self._quick = self._durable
            # One state for all statements of a block, as a SQLite reader has it.
            self._read = postgresql_engine(
                self._parsed, synchronous_commit="on", size=READERS, pool_pre_ping=True
            ).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def _sqlite(self, synchronous: str, begin: str, *, size: int = 1, query_only: bool = False) -> sa.Engine:
        return sqlite_engine(
            self._parsed,
            synchronous=synchronous,
            begin=begin,
            busy_seconds=self._busy_seconds,
            size=size,
            query_only=query_only,
        )

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock,
        workspace: str,
        environment: str,
        salt: str | None = "",
        create: bool = False,
        busy_seconds: float = 10.0,
    ) -> Self:
        """Open the store of a workspace and environment; with `create`, make and migrate an empty one first.

        Raises StoreError when the store is missing, unreachable, read-only, locked for longer than
        `busy_seconds`, no database, not migrated, made by a newer tidings, or of another workspace,
        environment or salt. A salt of None is not asked for.
        """
        store = cls.unchecked(
            url,
            clock=clock,
            workspace=workspace,
            environment=environment,
            create=create,
            busy_seconds=busy_seconds,
        )
        try:
            if create:
                from tidings.store.migrations import prepare

                prepare(store, salt=salt or "")
            with store.read() as connection:
                identity.check(
                    connection,
                    place=store.place,
                    workspace=workspace,
                    environment=environment,
                    salt=salt,
                )
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def unchecked(
        cls,
        url: str,
        *,
        clock: Clock,
        workspace: str,
        environment: str,
        create: bool = False,
        busy_seconds: float = 10.0,
    ) -> Self:
        """Open a store that may be empty, older or somebody else's; only migrations need that."""
        return cls(
            url,
            clock=clock,
            workspace=workspace,
            environment=environment,
            busy_seconds=busy_seconds,
            create=create,
        )

    def close(self) -> None:
        """Close every connection; the store cannot be used afterwards."""
        for engine in (self._read, self._bench, self._quick, self._marks, self._durable):
            engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self.place} ({self.workspace}, {self.environment})>"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one consistent state and refuses to write."""
        with self.translated(), self._read.connect() as connection:
            yield connection

    @contextmanager
    def durable(self, purpose: str) -> Iterator[sa.Connection]:
        """Give a connection in ONE transaction: committed and synced at the end, rolled back by an exception.

        `purpose` is a word for the accounting of the write lock. On SQLite one thread of the process writes
        at a time; beginning a second transaction inside the first is a RuntimeError.
        """
        with self._writing(self._durable, purpose) as connection:
            yield connection

    @contextmanager
    def marks(self, purpose: str = "marks") -> Iterator[sa.Connection]:
        """Give a connection in one transaction that is not synced: a power cut may lose it, a kill does not.

        On SQLite that means the machine; on PostgreSQL (`synchronous_commit` off, a connection of its own) a
        crash of the server. Use it only for what may be lost without harm.
        """
        with self._writing(self._marks, purpose) as connection:
            yield connection

    def quick_writer(self) -> QuickWriter | None:
        """Give one connection for all writing of a sender, to be closed; None on PostgreSQL, where it saves nothing."""
        if self._writer is None:
            return None
        return QuickWriter(self._quick, self._writer, self._lock_seconds, self._account, self.place)

    @contextmanager
    def workbench(self, purpose: str, *, trusted: bool = False) -> Iterator[Workbench]:
        """Give a connection that keeps temporary tables between its transactions; see Workbench.

        `trusted`: SQLite does not look up every id that is written, because all of them are read, in the same transaction,
        from rows that were looked up when they were written. That is a third of the cost of a row of the ledger.
        """
        with self.translated(), self._bench.connect() as connection:
            try:
                if trusted and self.dialect == "sqlite":
                    trust(connection)
                yield Workbench(connection, self, purpose)
            finally:
                # Temporary tables end with the connection, not with the block.
                connection.rollback()
                connection.invalidate()

    @contextmanager
    def write_lock(self, purpose: str, connection: sa.Connection) -> Iterator[None]:
        """Run one transaction on `connection` while holding the write lock, accounted under `purpose`."""
        with self.translated(), self._queued():
            transaction = connection.begin()
            # Counted from here to the end of the commit: that is how long others wait.
            with self._account.counted(purpose), transaction:
                yield

    @contextmanager
    def _writing(self, engine: sa.Engine, purpose: str) -> Iterator[sa.Connection]:
        with self.translated(), self._queued(), engine.connect() as connection:
            transaction = connection.begin()
            with self._account.counted(purpose), transaction:
                yield connection

    @contextmanager
    def _queued(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        with self._writer.held(self._lock_seconds):
            yield

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of drivers and files into StoreError with a sentence; the cause stays attached."""
        try:
            yield
        except TRANSLATED as error:
            raise explain(error, self.place) from error

    def lock_report(self) -> tuple[LockUse, ...]:
        """Return how long each purpose held the write lock since the store was opened, the longest first."""
        return self._account.report()

    def paced(self, purpose: str) -> Paced:
        """Return what cuts bulk work into chunks of at most 1,000 rows and rests after each on SQLite."""
        return Paced(self._account, self.clock, rests=self.dialect == "sqlite")

    def copy_to(self, target: Path) -> None:
        """Write a complete, synced copy of a SQLite store to a new file; writers go on meanwhile."""
        if self.dialect != "sqlite":
            raise StoreError("a PostgreSQL store is copied with pg_dump", code="store-copy")
        with self.translated():
            copy_file(self._parsed, target)

    def lease_now(self, connection: sa.Connection) -> int:
        """Return microseconds since 1970 by the store's own clock, the only one that leases are measured by."""
        statement = _LEASE_SQLITE if self.dialect == "sqlite" else _LEASE_POSTGRESQL
        return int(connection.exec_driver_sql(statement).scalar_one())

    def note_time(self, connection: sa.Connection, now: datetime) -> None:
        """Remember, in a transaction that plans or sends, that business time has reached `now`."""
        identity.note_time(connection, now)

    def check_clock(self, now: datetime) -> None:
        """Raise StoreError when `now` is over 5 minutes before a time that the store has already seen."""
        with self.read() as connection:
            identity.check_clock(connection, now, self.place)
