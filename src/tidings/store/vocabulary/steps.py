"""The steps of a vocabulary plan, run one after the other inside the caller's transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.store.tables import people
from tidings.store.vocabulary.columns import TABLE, TYPES, attributes_table, column_name
from tidings.store.vocabulary.planning import Applied, VocabularyPlan, converted

_BATCH = 5_000


class Migrator:
    """Runs the steps of a plan on one connection."""

    def __init__(self, connection: sa.Connection, attributes: Attributes) -> None:
        self._connection = connection
        self._attributes = attributes
        self._quote = connection.dialect.identifier_preparer.quote

    def run(self, plan: VocabularyPlan) -> None:
        """Run every step in order."""
        for kind, name, extra in plan.steps:
            if kind != "record":
                getattr(self, f"_{kind}")(name, extra)

    def _create(self, _name: str, _extra: str) -> None:
        attributes_table(Attributes()).create(self._connection)

    def _alter(self, clause: str) -> None:
        self._connection.exec_driver_sql(f"ALTER TABLE {TABLE} {clause}")

    def _add(self, name: str, _extra: str) -> None:
        one = self._wanted(name)
        self._add_column(one)
        self._connection.execute(
            people.vocabulary_columns.insert().values(
                name=name, type=one.type, currency=one.currency, hidden=False
            )
        )

    def _add_column(self, one: Attribute) -> None:
        if one.type != "list":
            kind = TYPES[one.type]().compile(self._connection.dialect)
            self._alter(f"ADD COLUMN {self._quote(column_name(one.name))} {kind}")

    def _drop_values(self, name: str, type_: str) -> None:
        if type_ == "list":
            lists = people.customer_lists
            self._connection.execute(lists.delete().where(lists.c.attribute == name))
        else:
            self._alter(f"DROP COLUMN {self._quote(column_name(name))}")

    def _rename(self, old: str, new: str) -> None:
        vocabulary, lists, changes = (
            people.vocabulary_columns,
            people.customer_lists,
            people.attribute_changes,
        )
        type_ = self._connection.execute(
            sa.select(vocabulary.c.type).where(vocabulary.c.name == old)
        ).scalar_one()
        if type_ != "list":
            before, after = self._quote(column_name(old)), self._quote(column_name(new))
            self._alter(f"RENAME COLUMN {before} TO {after}")
        for table, column in ((lists, lists.c.attribute), (changes, changes.c.attribute)):
            self._connection.execute(table.update().where(column == old).values({column: new}))
        self._connection.execute(
            vocabulary.update().where(vocabulary.c.name == old).values(name=new, hidden=False)
        )

    def _convert(self, name: str, old_type: str) -> None:
        vocabulary = people.vocabulary_columns
        row = self._connection.execute(sa.select(vocabulary).where(vocabulary.c.name == name)).one()
        one = self._wanted(name)
        values, _ = converted(self._connection, name, Applied(row.type, row.currency, row.hidden), one)
        self._drop_values(name, old_type)
        self._add_column(one)
        self._write(one, values)
        self._connection.execute(
            vocabulary.update()
            .where(vocabulary.c.name == name)
            .values(type=one.type, currency=one.currency, hidden=False)
        )

    def _write(self, one: Attribute, values: list[tuple[int, Any]]) -> None:
        if not values:
            return
        if one.type == "list":
            rows = [
                {"customer_id": customer, "attribute": one.name, "value": value}
                for customer, found in values
                for value in found
            ]
            statement: sa.Executable = people.customer_lists.insert()
        else:
            table = attributes_table(Attributes((one,)))
            statement = (
                table.update()
                .where(table.c.customer_id == sa.bindparam("for_customer"))
                .values({table.c[one.name]: sa.bindparam("new_value")})
            )
            rows = [{"for_customer": customer, "new_value": value} for customer, value in values]
        for start in range(0, len(rows), _BATCH):
            self._connection.execute(statement, rows[start : start + _BATCH])

    def _show(self, name: str, _extra: str) -> None:
        self._set_hidden(name, False)

    def _hide(self, name: str, _extra: str) -> None:
        self._set_hidden(name, True)

    def _set_hidden(self, name: str, hidden: bool) -> None:
        vocabulary = people.vocabulary_columns
        self._connection.execute(vocabulary.update().where(vocabulary.c.name == name).values(hidden=hidden))

    def _drop(self, name: str, type_: str) -> None:
        vocabulary, changes = people.vocabulary_columns, people.attribute_changes
        self._drop_values(name, type_)
        self._connection.execute(changes.delete().where(changes.c.attribute == name))
        self._connection.execute(vocabulary.delete().where(vocabulary.c.name == name))

    def _wanted(self, name: str) -> Attribute:
        one = self._attributes.get(name)
        assert one is not None
        return one
