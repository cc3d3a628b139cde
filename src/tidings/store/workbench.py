"""A connection that computes into temporary tables without the write lock and applies them in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from tidings.store.database import Store


class Workbench:
    """Temporary tables that live as long as the workbench, for set-based work over many rows.

    Fill them under `computing()`, which blocks no writer; apply them under `durable()`, a chunk of ids at a
    time (`store.paced(...).spans`), so that no transaction holds the write lock for long.
    """

    def __init__(self, connection: sa.Connection, store: Store, purpose: str) -> None:
        self._connection = connection
        self._store = store
        self._purpose = purpose

    @contextmanager
    def computing(self) -> Iterator[sa.Connection]:
        """Give the connection in a transaction that may read everything and write temporary tables only."""
        self._connection.execution_options(begin_statement="BEGIN")
        with self._connection.begin():
            yield self._connection

    @contextmanager
    def durable(self) -> Iterator[sa.Connection]:
        """Give the connection in one durable transaction, like `Store.durable`."""
        self._connection.execution_options(begin_statement="BEGIN IMMEDIATE")
        with self._store.write_lock(self._purpose, self._connection):
            yield self._connection
