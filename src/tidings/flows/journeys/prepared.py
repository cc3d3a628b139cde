"""Statements that are the same for every chunk, compiled once: to compile one anew takes as long as some hundred rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


class Prepared:
    """A statement with the values that stand in it, as text for one kind of database."""

    def __init__(self, connection: sa.Connection, statement: sa.Select[Any] | sa.UpdateBase) -> None:
        compiled: Any = statement.compile(dialect=connection.dialect)
        # Lists of `IN` are written out: they are as constant as the rest.
        written = compiled.construct_expanded_state()
        convert = {**compiled._bind_processors, **written.processors}
        values = {
            name: convert[name](value) if name in convert else value
            for name, value in written.parameters.items()
        }
        self._text = str(written.statement)
        self._values: Any = (
            tuple(values[name] for name in written.positiontup) if compiled.positional else values
        )

    def run(self, connection: sa.Connection) -> sa.CursorResult[Any]:
        """Execute it; the rowcount of an insert is known on both databases."""
        return connection.exec_driver_sql(
            self._text, self._values, execution_options={"preserve_rowcount": True}
        )
