"""One connection that a sender keeps on SQLite: marks at the driver's level, claims and the rest through SQLAlchemy.

The same promises as `Store.marks` and `Store.durable`. What is saved is everything between us and the driver, which
costs more than the statements themselves; and since all of a sender's own writing goes through one connection, SQLite
itself can tell whether anybody else has written anything in the meantime.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.store.explain import TRANSLATED, explain

if TYPE_CHECKING:
    from tidings.store.locking import LockAccount, WriterLock

# Pages of the log (16 MB) after which a commit here copies them into the file: a page changes several times before.
_CHECKPOINT_PAGES = 4_000
_CHECKPOINT = "wal_autocheckpoint"
_VERSION = "PRAGMA data_version"


# A connection of SQLAlchemy, or that of the driver on SQLite.
Asked = sa.Connection | sqlite3.Connection


def driver_of(connection: Asked) -> sqlite3.Connection | None:
    """Return the driver's connection behind one on SQLite that is in a transaction, None for all others.

    What is between us and it costs, when it has not been used for a moment, many times what a small statement does.
    """
    if isinstance(connection, sqlite3.Connection):
        return connection
    if connection.dialect.name != "sqlite" or not connection.in_transaction():
        return None
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def dialect_of(connection: Asked) -> str:
    """Return "sqlite" or "postgresql"."""
    return "sqlite" if isinstance(connection, sqlite3.Connection) else connection.dialect.name


class QuickWriter:
    """A connection of its own, used by one thread at a time; `close` it when something failed, `give_back` else.

    `version` is the state of the file that the last transaction here began with: another number means that somebody
    else has committed something since, the same number that nobody has.
    """

    def __init__(
        self, engine: sa.Engine, lock: WriterLock, seconds: float, account: LockAccount, place: str
    ) -> None:
        self._lock = lock
        self._seconds = seconds
        self._account = account
        self._place = place
        self._marks = account.own("marks")
        self._began = 0.0
        self._looks_up = True
        self.version = -1
        with self._translated():
            self._connection = engine.connect()
            self._driver: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]
            # Once for the connection, which may have served a sender before.
            if self._connection.info.setdefault(_CHECKPOINT, 0) != _CHECKPOINT_PAGES:
                self._driver.execute(f"PRAGMA {_CHECKPOINT} = {_CHECKPOINT_PAGES}")
                self._connection.info[_CHECKPOINT] = _CHECKPOINT_PAGES
            # One for all marks: to make another for each statement costs as much as a small statement.
            self._cursor = self._driver.cursor()
        self._transaction = _Transaction(self)
        self._look = _Look(self)

    def transaction(self) -> _Transaction:
        """Give a cursor of the driver in one transaction: committed at the end, rolled back by an exception.

        A killed process loses nothing that was committed, a power cut may. Ids of other rows are not to be written here:
        nobody looks them up.
        """
        return self._transaction

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give the connection in one transaction that sees one state of the file; it must not write, and waits for nobody.

        `version` is that of the state it sees. What the sender itself has just written is still at hand here, which
        other connections would have to read anew.
        """
        with self._translated():
            self._connection.execution_options(begin_statement="BEGIN")
            try:
                with self._connection.begin():
                    self.version = self._driver.execute(_VERSION).fetchone()[0]
                    yield self._connection
            finally:
                self._connection.execution_options(begin_statement="BEGIN IMMEDIATE")

    def looking(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give the driver's connection as `reading` gives that of SQLAlchemy."""
        return self._look

    @contextmanager
    def durable(self, purpose: str, *, trusted: bool = False) -> Iterator[sa.Connection]:
        """Give the connection in one transaction that also survives a power cut, as `Store.durable` does.

        `trusted` as for `Store.workbench`: SQLite does not look up every id that is written.
        """
        with self._translated(), self._lock.held(self._seconds):
            self._look_up_ids(not trusted)
            self._driver.execute("PRAGMA synchronous = FULL")
            try:
                with self._written(purpose) as connection:
                    yield connection
            finally:
                with suppress(sqlite3.Error):
                    self._driver.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def marks(self) -> Iterator[sa.Connection]:
        """Give the connection in one transaction that a killed process keeps and a power cut may lose."""
        with self._translated(), self._lock.held(self._seconds):
            self._look_up_ids(True)
            with self._written("marks") as connection:
                yield connection

    def give_back(self) -> None:
        """Leave the connection to the next writer, which need not read the schema again; never raises.

        The pages it keeps are freed: who knows when the next one comes. A connection on which something failed is given up.
        """
        if self._connection.closed:
            return
        try:
            self._driver.execute("PRAGMA shrink_memory")
            # What `durable` switches off, outside of a transaction alone.
            self._look_up_ids(True)
            checks = self._driver.execute("PRAGMA foreign_keys").fetchone()[0]
            sound = bool(checks) and not self._driver.in_transaction
        except TRANSLATED:
            sound = False
        if not sound:
            self.close()
            return
        self._account.disown("marks", self._marks)
        self._cursor.close()
        with suppress(*TRANSLATED):
            self._connection.close()

    def close(self) -> None:
        """Give the connection up; never raises."""
        if self._connection.closed:
            return
        self._account.disown("marks", self._marks)
        with suppress(*TRANSLATED):
            self._connection.invalidate()
            self._connection.close()

    def _look_up_ids(self, wanted: bool) -> None:
        """Have SQLite look up every id that is written, or not; outside of a transaction.

        Only when it changes: each time SQLite forgets every statement that it has prepared.
        """
        if self._looks_up != wanted:
            self._driver.execute(f"PRAGMA foreign_keys = {'ON' if wanted else 'OFF'}")
            self._looks_up = wanted

    @contextmanager
    def _written(self, purpose: str) -> Iterator[sa.Connection]:
        transaction = self._connection.begin()
        with self._account.counted(purpose), transaction:
            self.version = self._driver.execute(_VERSION).fetchone()[0]
            yield self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except TRANSLATED as error:
            raise explain(error, self._place) from error


class _Transaction:
    """What `with` needs for one short transaction after another, without the cost of a generator for each."""

    def __init__(self, quick: QuickWriter) -> None:
        self._quick = quick
        self._cursor = quick._cursor

    def __enter__(self) -> sqlite3.Cursor:
        quick, cursor = self._quick, self._cursor
        quick._lock.acquire(quick._seconds)
        try:
            cursor.execute("BEGIN IMMEDIATE")
            quick._began = perf_counter()
            quick.version = cursor.execute(_VERSION).fetchone()[0]
        except BaseException as error:
            self._undo(quick._driver)
            quick._lock.release()
            if isinstance(error, TRANSLATED):
                raise explain(error, quick._place) from error
            raise
        return cursor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        quick = self._quick
        try:
            if error is None:
                self._cursor.execute("COMMIT")
        except BaseException as failed:
            error = failed
            if not isinstance(failed, TRANSLATED):
                raise
        finally:
            if error is not None:
                self._undo(quick._driver)
            held = perf_counter() - quick._began
            quick._marks.add(held, held)
            quick._lock.release()
        if isinstance(error, TRANSLATED):
            raise explain(error, quick._place) from error

    @staticmethod
    def _undo(driver: sqlite3.Connection) -> None:
        if driver.in_transaction:
            # A rollback that fails leaves a connection that is given up next.
            with suppress(sqlite3.Error):
                driver.execute("ROLLBACK")


class _Look(AbstractContextManager[sqlite3.Connection]):
    """The same for a transaction that only reads."""

    def __init__(self, quick: QuickWriter) -> None:
        self._quick = quick

    def __enter__(self) -> sqlite3.Connection:
        quick = self._quick
        try:
            quick._driver.execute("BEGIN")
            quick.version = quick._driver.execute(_VERSION).fetchone()[0]
        except BaseException as error:
            self._end()
            if isinstance(error, TRANSLATED):
                raise explain(error, quick._place) from error
            raise
        return quick._driver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if isinstance(error, TRANSLATED):
            raise explain(error, self._quick._place) from error

    def _end(self) -> None:
        # Nothing was written: to take it back is to end it.
        _Transaction._undo(self._quick._driver)
