"""Many rows in one call, as fast as the driver can take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_rows(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[tuple[Any, ...]],
    columns: Sequence[str],
    *,
    ignore_conflicts: bool = False,
) -> int:
    """Insert tuples in the order of `columns` and return how many rows were inserted.

    Values are converted as the columns' types say (JSON, dates, quantities); columns left out take the default
    of the database, not that of Python. With `ignore_conflicts` rows that break a unique key are passed over.
    """
    if not rows:
        return 0
    dialect = connection.dialect
    chosen = [table.c[name] for name in columns]
    converters = [_converter(column, dialect) for column in chosen]
    if any(converters):
        rows = _converted(rows, converters)
    quote = dialect.identifier_preparer
    into = f"{quote.format_table(table)} ({', '.join(quote.quote(column.name) for column in chosen)})"
    if dialect.name == "sqlite":
        tail = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
        marks = ", ".join("?" * len(chosen))
        statement = f"INSERT INTO {into} VALUES ({marks}){tail}"
        return connection.exec_driver_sql(statement, list(rows)).rowcount
    if ignore_conflicts:
        # One array a column: a single statement of fixed text, whatever the number of rows.
        arrays = ", ".join(f"%s::{column.type.compile(dialect)}[]" for column in chosen)
        statement = f"INSERT INTO {into} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
        values = tuple(list(column) for column in zip(*rows, strict=True))
        return connection.exec_driver_sql(statement, values).rowcount
    return _copy(connection, f"COPY {into} FROM STDIN", rows)


def next_ids(connection: sa.Connection, table: sa.Table, count: int) -> list[int]:
    """Return `count` new ids of a table for this transaction, ascending, never given to anyone else.

    On SQLite call it inside the transaction that inserts the rows.
    """
    if count < 1:
        return []
    if connection.dialect.name == "postgresql":
        statement = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
        return list(connection.exec_driver_sql(statement, (table.name, count)).scalars())
    highest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
    if table.dialect_options["sqlite"]["autoincrement"]:
        # Ids of deleted rows are not used again: the sequence remembers them.
        used = connection.exec_driver_sql(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)
        ).scalar()
        highest = max(highest, used or 0)
    return list(range(highest + 1, highest + 1 + count))


def _converter(column: sa.Column[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _converted(
    rows: Sequence[tuple[Any, ...]], converters: Sequence[Callable[[Any], Any] | None]
) -> list[tuple[Any, ...]]:
    columns = [
        [convert(value) for value in column] if convert else column
        for column, convert in zip(zip(*rows, strict=True), converters, strict=True)
    ]
    return list(zip(*columns, strict=True))


def _copy(connection: sa.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
            return int(cursor.rowcount)
    except raw_error() as error:
        dialect = connection.dialect
        raise sa.exc.DBAPIError.instance(
            statement, None, error, dialect.loaded_dbapi.Error, dialect=dialect
        ) from error


def raw_error() -> type[Exception]:
    """Return the base class of the PostgreSQL driver's errors; imported only where PostgreSQL is used."""
    import psycopg

    return psycopg.Error


def insert_ignoring(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return an insert into the table that leaves alone what is there already under one of its unique keys."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
