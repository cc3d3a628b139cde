"""What would change in the store so that it has exactly the attributes of config/attributes.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.errors import StoreError
from tidings.store.tables import keeping, people
from tidings.store.vocabulary.columns import TABLE, TYPES, column_name, vocabulary_hash
from tidings.store.vocabulary.values import convert


@dataclass(frozen=True, slots=True)
class Applied:
    """What the store has for one attribute; `hidden` after its removal."""

    type: str
    currency: str | None
    hidden: bool


@dataclass(frozen=True, slots=True)
class VocabularyPlan:
    """What `tidings migrate` would change for the attributes, in sentences; `problems` forbid it without --prune."""

    sentences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    steps: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)

    @property
    def empty(self) -> bool:
        """Tell whether the store already has exactly these attributes."""
        return not self.steps


def plan(connection: sa.Connection, attributes: Attributes, *, prune: bool) -> VocabularyPlan:
    """Return the plan; nothing is changed. Raise StoreError for attributes that cannot be kept side by side."""
    return _Planner(connection, attributes, prune=prune).plan()


def first_plan(attributes: Attributes) -> VocabularyPlan:
    """Return the plan for a store that does not exist yet."""
    _check_names([one.name for one in attributes.attributes], [])
    return VocabularyPlan(
        tuple(_adding(one) for one in attributes.attributes),
        (),
        (("create", "", ""), *(("add", one.name, "") for one in attributes.attributes)),
    )


def _adding(one: Attribute) -> str:
    return f'add the attribute "{one.name}" ({_described(one)})'


class _Planner:
    """Compares what the store has with what is wanted: first what leaves and what is renamed, then the rest."""

    def __init__(self, connection: sa.Connection, attributes: Attributes, *, prune: bool) -> None:
        self._connection = connection
        self._attributes = attributes
        self._prune = prune
        self._applied = _applied(connection)
        # The name a column still has while the plan is made.
        self._stored_as = {name: name for name in self._applied}
        self._sentences: list[str] = []
        self._problems: list[str] = []
        self._steps: list[tuple[str, str, str]] = []

    def plan(self) -> VocabularyPlan:
        if not sa.inspect(self._connection).has_table(TABLE):
            self._step("create", "", "", "make the table for the attributes of customers")
        self._renames()
        self._removals()
        _check_names([one.name for one in self._attributes.attributes], list(self._applied))
        for one in self._attributes.attributes:
            self._one(one)
        stored = self._connection.execute(sa.select(keeping.identity.c.vocabulary_hash)).scalar()
        if not self._steps and stored != vocabulary_hash(self._attributes):
            self._step("record", "", "", "note that the attributes are those of config/attributes.yaml")
        return VocabularyPlan(tuple(self._sentences), tuple(self._problems), tuple(self._steps))

    def _step(self, kind: str, name: str, extra: str, sentence: str) -> None:
        self._steps.append((kind, name, extra))
        self._sentences.append(sentence)

    def _renames(self) -> None:
        for one in self._attributes.attributes:
            if one.was and one.was in self._applied and one.name not in self._applied:
                self._applied[one.name] = self._applied.pop(one.was)
                self._stored_as[one.name] = self._stored_as.pop(one.was)
                self._step(
                    "rename",
                    one.was,
                    one.name,
                    f'rename the attribute "{one.was}" to "{one.name}", with all its values',
                )

    def _removals(self) -> None:
        for name in [name for name in self._applied if self._attributes.get(name) is None]:
            have = self._applied[name]
            if self._prune:
                count = _values(self._connection, name, have)
                self._step(
                    "drop",
                    name,
                    have.type,
                    f'delete the attribute "{name}" with its {_some(count)} and its history, for ever',
                )
                del self._applied[name]
            elif not have.hidden:
                self._step(
                    "hide",
                    name,
                    "",
                    f'hide the attribute "{name}"; its values stay until `tidings migrate --prune` deletes them',
                )

    def _one(self, one: Attribute) -> None:
        have = self._applied.get(one.name)
        if have is None:
            self._step("add", one.name, "", _adding(one))
        elif (have.type, have.currency) != (one.type, one.currency):
            good, lost = converted(self._connection, self._stored_as[one.name], have, one)
            change = f'change the attribute "{one.name}" from {_kind(have.type, have.currency)} to {_described(one)}'
            loss = f"; {_some(lost)} cannot be and will be lost" if lost else ""
            self._step(
                "convert", one.name, have.type, f"{change}: {_some(len(good))} will be converted{loss}"
            )
            if lost:
                self._problems.append(f'{_some(lost)} of "{one.name}" cannot be read as {_described(one)}')
        elif have.hidden:
            self._step("show", one.name, "", f'take the attribute "{one.name}" back, with the values it had')


def _some(count: int) -> str:
    return f"{count:,} value{'' if count == 1 else 's'}"


def _check_names(wanted: list[str], applied: list[str]) -> None:
    """Raise StoreError where two columns would be one: SQLite does not tell upper from lower case in their names."""
    columns = {"customer_id": "customer_id"}
    for name in dict.fromkeys([*applied, *wanted]):
        other = columns.setdefault(column_name(name).lower(), name)
        if other != name or name == "customer_id":
            raise StoreError(
                f'the attribute "{name}" cannot be kept beside "{other}": their columns would be the same',
                what_to_do="choose another name in config/attributes.yaml (with `was:` if it is a new spelling of an old one)",
                code="store-vocabulary-name",
            )


def _applied(connection: sa.Connection) -> dict[str, Applied]:
    rows = connection.execute(sa.select(people.vocabulary_columns).order_by(people.vocabulary_columns.c.name))
    return {row.name: Applied(row.type, row.currency, row.hidden) for row in rows}


def _kind(type_: str, currency: str | None) -> str:
    word = {"flag": "yes/no", "list": "a list", "instant": "a point in time"}.get(type_, type_)
    return f"{word} in {currency}" if currency else word


def _described(attribute: Attribute) -> str:
    return _kind(attribute.type, attribute.currency)


def _values(connection: sa.Connection, name: str, have: Applied) -> int:
    if have.type == "list":
        lists = people.customer_lists
        query = sa.select(sa.func.count(sa.distinct(lists.c.customer_id))).where(lists.c.attribute == name)
    else:
        query = sa.select(sa.func.count(sa.column(column_name(name)))).select_from(sa.table(TABLE))
    return int(connection.execute(query).scalar_one())


def _old_values(connection: sa.Connection, name: str, have: Applied) -> sa.CursorResult[Any]:
    if have.type == "list":
        lists = people.customer_lists
        query: sa.Select[Any] = (
            sa.select(lists.c.customer_id, lists.c.value)
            .where(lists.c.attribute == name)
            .order_by(lists.c.customer_id, lists.c.value)
        )
    else:
        column = sa.column(column_name(name), TYPES[have.type]())
        query = (
            sa.select(sa.column("customer_id"), column.label("value"))
            .select_from(sa.table(TABLE))
            .where(column.is_not(None))
        )
    return connection.execute(query)


def converted(
    connection: sa.Connection, source: str, have: Applied, want: Attribute
) -> tuple[list[tuple[int, Any]], int]:
    """Return (customer id, new value) of what converts, and how many values do not."""
    found: dict[int, list[Any]] = {}
    for row in _old_values(connection, source, have):
        found.setdefault(row.customer_id, []).append(row.value)
    good: list[tuple[int, Any]] = []
    lost = 0
    for customer_id, values in found.items():
        new = convert(values, (have.type, have.currency), (want.type, want.currency))
        if new is None:
            lost += len(values)
        else:
            good.append((customer_id, new))
    return good, lost
