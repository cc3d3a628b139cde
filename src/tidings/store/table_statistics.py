"""Keep what the database knows about its tables current, so that it chooses good plans right after bulk work.

PostgreSQL analyses a table about a minute after it changed a lot; a segment or plan computed in that minute would be planned
for an empty table and take quadratic time. SQLite's choices here do not depend on statistics.
"""

from __future__ import annotations

import sqlalchemy as sa

from tidings.store.database import Store

_FIRST, _GROWTH = 1_000, 4
_CHANGED = """
SELECT quote_ident(relname) FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND n_mod_since_analyze > 500 + n_live_tup / 5 ORDER BY relname
"""


def keep_current(store: Store) -> tuple[str, ...]:
    """Analyse every table of which a fifth changed since it was analysed last; return their names.

    The database's counts lag by about a second: who has just written in bulk calls `analyse`.
    """
    if store.dialect != "postgresql":
        return ()
    with store.read() as connection:
        changed = tuple(connection.execute(sa.text(_CHANGED)).scalars())
    analyse(store, *changed)
    return changed


def analyse(store: Store, *tables: str) -> None:
    """Analyse tables that a bulk write has just filled; the names are those of the store's own tables."""
    if store.dialect == "postgresql" and tables:
        with store.durable("analyse") as connection:
            connection.exec_driver_sql(f"ANALYZE {', '.join(tables)}")


class Growing:
    """Analyses tables while a bulk write fills them: at 1,000 rows, and whenever there are four times as many.

    Without it PostgreSQL keeps the plans that it made for empty tables and looks at every row for every chunk.
    """

    def __init__(self, store: Store, *tables: str) -> None:
        self._store = store
        self._tables = tables
        self._rows = 0
        self._next = _FIRST

    def add(self, rows: int) -> None:
        """Say that so many rows were written; outside any transaction."""
        self._rows += rows
        if self._rows >= self._next:
            analyse(self._store, *self._tables)
            self._next = self._rows * _GROWTH
