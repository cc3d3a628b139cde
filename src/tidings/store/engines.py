"""Engines by purpose: durable, marks, reading and the workbench; and what an address of a store means.

SQLite: every connection runs WAL with foreign keys; transactions of writers begin IMMEDIATE, so that two never
deadlock while upgrading. The durable one syncs at each commit (FULL), the marks one does not (NORMAL): its frames
become durable with the next durable commit. PostgreSQL: the same split by `synchronous_commit`.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

from tidings.errors import StoreError
from tidings.store.explain import explain, missing, read_only

OLDEST_SQLITE = (3, 38, 0)
READERS = 8
# Pages of the log (16 MB) after which a bulk writer copies them into the file: a page changes several times before.
_BULK_PAGES = 4_000


def to_json(value: object) -> str:
    """Return compact JSON that keeps letters as they are; the only writer of JSON columns."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parse_url(url: str) -> sa.URL:
    """Return the address with its driver. Raise StoreError for what is neither SQLite nor PostgreSQL."""
    scheme, _, rest = url.partition(":///")
    if scheme in {"sqlite", "sqlite+pysqlite"} and rest not in {"", ":memory:"}:
        # The rest is a path, whatever signs are in it; make_url would take a `?` for the start of options.
        return sa.URL.create("sqlite+pysqlite", database=rest)
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError(
            "the address of the store cannot be read",
            what_to_do="write sqlite:///path/to/file.sqlite or postgresql://user:password@host/database",
            code="store-address",
        ) from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"tidings keeps its data in a SQLite file or in PostgreSQL, not in {parsed.render_as_string()}",
        what_to_do="write sqlite:///path/to/file.sqlite or postgresql://user:password@host/database",
        code="store-address",
    )


def place_of(url: sa.URL) -> str:
    """Return the store as people name it: the path of the file, or the address without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def file_of(url: str) -> Path | None:
    """Return the file of a SQLite store, or None for PostgreSQL."""
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def check_file(url: sa.URL, *, create: bool) -> None:
    """Raise StoreError when the file is missing, not writable or SQLite too old; with `create`, make its folder."""
    import os

    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"this Python has SQLite {sqlite3.sqlite_version}; tidings needs 3.38 or newer",
            what_to_do="use a newer Python, or PostgreSQL as the store",
            code="store-sqlite-old",
        )
    path = Path(str(url.database))
    if path.is_dir():
        raise StoreError(f"{path} is a folder, not a store", code="store-not-a-database")
    if not path.exists():
        if not create:
            raise missing(str(path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # An empty file is an empty store. It will hold addresses of people: nobody else may read it.
            path.touch(mode=0o600)
        except OSError as error:
            raise explain(error, str(path)) from error
    elif not os.access(path, os.W_OK):
        raise read_only(str(path))
    if not os.access(path.parent, os.W_OK):
        raise read_only(str(path))


def sqlite_engine(
    url: sa.URL,
    *,
    synchronous: str,
    begin: str,
    busy_seconds: float,
    size: int,
    query_only: bool = False,
) -> sa.Engine:
    """Return an engine on a SQLite file whose transactions begin with the statement `begin`."""
    path = Path(str(url.database))
    target = f"file:{quote(str(path.absolute()))}?mode=rw"

    def connect() -> sqlite3.Connection:
        # Without an isolation level the driver begins nothing by itself: `begin` below does.
        connection = sqlite3.connect(
            target, uri=True, isolation_level=None, timeout=busy_seconds, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cache_size = -65536")
            if query_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = sa.create_engine(
        "sqlite+pysqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_reset_on_return="rollback",
        json_serializer=to_json,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin_statement", begin))

    return engine


def trust(connection: sa.Connection) -> None:
    """Stop looking up foreign keys on a connection of SQLite that writes in bulk, and copy its log less often.

    The connection must be given up afterwards, not used again.
    """
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    driver.execute("PRAGMA foreign_keys = OFF")
    driver.execute(f"PRAGMA wal_autocheckpoint = {_BULK_PAGES}")


def copy_file(url: sa.URL, target: Path) -> None:
    """Copy a SQLite store, as it is at this moment, into a new file and sync it."""
    import os
    from contextlib import closing

    with closing(
        sqlite3.connect(f"file:{quote(str(Path(str(url.database)).absolute()))}?mode=rw", uri=True)
    ) as source:
        source.execute("VACUUM INTO ?", (str(target),))
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def postgresql_engine(url: sa.URL, *, synchronous_commit: str, size: int, **options: Any) -> sa.Engine:
    """Return an engine on PostgreSQL whose sessions have that `synchronous_commit` and tell the time in UTC."""
    engine = sa.create_engine(
        url,
        pool_size=size,
        max_overflow=size,
        json_serializer=to_json,
        connect_args={"connect_timeout": 10, "application_name": "tidings"},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        before, connection.autocommit = connection.autocommit, True
        connection.execute(f"SET synchronous_commit = {synchronous_commit}")
        connection.execute("SET timezone = 'UTC'")
        connection.autocommit = before

    return engine
