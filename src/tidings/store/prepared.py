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
        self._by_name = {
            name: convert[name](value) if name in convert else value
            for name, value in written.parameters.items()
        }
        self._text = str(written.statement)
        self._order = written.positiontup if compiled.positional else None
        self._values = self._given({})

    def run(self, connection: sa.Connection, **numbers: int) -> sa.CursorResult[Any]:
        """Execute it; the rowcount of an insert is known on both databases.

        `numbers` are for bound parameters of these names, which differ from chunk to chunk.
        """
        return connection.exec_driver_sql(
            self._text,
            self._given(numbers) if numbers else self._values,
            execution_options={"preserve_rowcount": True},
        )

    def _given(self, numbers: dict[str, int]) -> Any:
        values = {**self._by_name, **numbers}
        return values if self._order is None else tuple(values[name] for name in self._order)
