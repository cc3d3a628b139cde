"""How far each import came: one row of `imports`, moved forward in the transaction of every chunk.

An import is a mapping and a fingerprint (the file's bytes and every definition that decides how they are read). A
finished one is not done again; one that was interrupted or killed goes on behind the last chunk that was kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.errors import TidingsError
from tidings.store.database import Store
from tidings.store.tables import people

_imports = people.imports


class ImportedElsewhere(TidingsError):
    """Another process has moved the same import forward: this one leaves it alone."""


@dataclass(slots=True)
class Entry:
    """One import: `rows_done` rows of it are in the store, with what was `counted` for them."""

    id: int
    file: str
    rows_done: int = 0
    finished: bool = False
    counted: dict[str, Any] = field(default_factory=dict)

    def advance(self, connection: sa.Connection, rows_done: int, counted: dict[str, Any], now: int) -> None:
        """Move the row forward in the chunk's own transaction.

        Raises ImportedElsewhere when another process imports the same file at the same time.
        """
        moved = connection.execute(
            sa.update(_imports)
            .where(_imports.c.id == self.id, _imports.c.rows_done == self.rows_done)
            .values(rows_done=rows_done, counts=counted, updated_at=now)
        )
        if moved.rowcount != 1:
            raise ImportedElsewhere(
                f"another process is importing {self.file} at the same time",
                what_to_do="Wait until it has ended; importing again then changes nothing.",
            )

    def end(self, connection: sa.Connection, state: str, counted: dict[str, Any], now: int) -> None:
        """Write down how it ended: finished or interrupted."""
        connection.execute(
            sa.update(_imports)
            .where(_imports.c.id == self.id)
            .values(state=state, counts=counted, updated_at=now)
        )


def begin(store: Store, mapping: str, file: str, fingerprint: str, *, again: bool) -> Entry:
    """Return the import's entry, new or as it was left; `again` starts a finished one anew."""
    now = to_micros(store.clock.now())
    with store.durable("import") as connection:
        found = connection.execute(
            sa.select(_imports).where(_imports.c.mapping == mapping, _imports.c.fingerprint == fingerprint)
        ).one_or_none()
        if found is None:
            made = connection.execute(
                sa.insert(_imports).values(
                    mapping=mapping,
                    file=file,
                    fingerprint=fingerprint,
                    state="running",
                    rows_done=0,
                    counts={},
                    started_at=now,
                    updated_at=now,
                )
            )
            return Entry(_id(made), file)
        finished = found.state == "finished"
        if finished and not again:
            return Entry(found.id, file, found.rows_done, True, dict(found.counts))
        fresh = {"rows_done": 0, "counts": {}} if finished else {}
        connection.execute(
            sa.update(_imports)
            .where(_imports.c.id == found.id)
            .values(state="running", file=file, updated_at=now, **fresh)
        )
        if finished:
            return Entry(found.id, file)
        return Entry(found.id, file, found.rows_done, False, dict(found.counts))


def _id(made: sa.CursorResult[tuple[()]]) -> int:
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])
