"""The rule of the ledger about ids that no foreign key watches: each must be that of a row (docs/decisions/0019)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.delivery.rules import Rule
from tidings.store.tables import metadata


def copied_columns() -> list[tuple[sa.Column[int], sa.Column[int]]]:
    """Return every column of copied ids with the column that they are copied from."""
    found: list[tuple[sa.Column[int], sa.Column[int]]] = []
    for table in metadata.sorted_tables:
        for column in table.columns:
            if "copied" in column.info:
                name, _, of = column.info["copied"].partition(".")
                found.append((column, metadata.tables[name].c[of]))
    return found


def _dangling(connection: sa.Connection) -> list[str]:
    """Return the ids that belong to no row, each with the table and the column in which it stands."""
    found: list[str] = []
    for column, parent in copied_columns():
        there: sa.Select[Any] = (
            sa.select(sa.literal_column("1")).where(parent == column).correlate(column.table)
        )
        ids = connection.execute(
            sa.select(column).where(~sa.exists(there)).distinct().order_by(column)
        ).scalars()
        found += [f"{column.table.name}.{column.name} {one}" for one in ids]
    return found


COPIED_RULES = (Rule("references", "id(s) stand in rows and belong to nothing that is stored", _dangling),)
