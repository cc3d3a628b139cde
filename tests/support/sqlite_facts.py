"""What the tables of a SQLite file mean, whatever words made them: two stores are alike when these are equal.

`ALTER TABLE … ADD COLUMN` leaves other text behind than `CREATE TABLE` would have; the columns, keys and checks are the same.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

Fact = tuple[object, ...]
_CLAUSE = re.compile(r"(?:CONSTRAINT\s+(\S+)\s+)?(CHECK|GENERATED ALWAYS AS)\s*(?=\()", re.IGNORECASE)


def sqlite_facts(connection: sqlite3.Connection, leave_out: frozenset[str] = frozenset()) -> set[Fact]:
    """Return columns, checks, computed columns, keys, foreign keys and indexes as comparable rows."""
    found: set[Fact] = set()
    tables = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall()
    kinds = {row[1]: row[3:6] for row in connection.execute("PRAGMA table_list")}
    for name, sql in tables:
        if name in leave_out:
            continue
        found.add(("table", name, *kinds[name], "AUTOINCREMENT" in sql.upper()))
        for _, *column in connection.execute(f'PRAGMA table_xinfo("{name}")'):
            found.add(("column", name, *column))
        for key in connection.execute(f'PRAGMA foreign_key_list("{name}")'):
            found.add(("foreign key", name, key[0] if key[1] else "", *key[1:]))
        found |= {("clause", name, *clause) for clause in _clauses(sql)}
        for _, index, unique, origin, partial in connection.execute(f'PRAGMA index_list("{name}")'):
            columns = tuple(
                row[2:6] for row in connection.execute(f'PRAGMA index_xinfo("{index}")') if row[5]
            )
            # The key of a table without rowid has no row of its own in the schema.
            made = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).fetchone()
            words = (made and made[0]) or ""
            condition = re.split(r"\bWHERE\b", words, maxsplit=1, flags=re.IGNORECASE)[1:]
            shown = index if origin == "c" else ""
            found.add(("index", name, shown, unique, origin, partial, columns, *map(_plain, condition)))
    others = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE type IN ('view', 'trigger')")
    found |= {(kind, name, _plain(sql)) for kind, name, sql in others}
    return found


def _clauses(sql: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and expression of every CHECK and computed column in the text of a table."""
    for match in _CLAUSE.finditer(sql):
        depth, end = 0, match.end()
        while True:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
            if depth == 0:
                break
        yield match[1] or "", match[2].upper(), _plain(sql[match.end() : end])


def _plain(sql: str) -> str:
    return " ".join(sql.split())
