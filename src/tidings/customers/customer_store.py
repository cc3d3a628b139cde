"""Write what rows of customers say: one read and a few batches a chunk, and nothing where nothing differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from tidings.customers.attributes import tracked
from tidings.customers.consent import grant
from tidings.customers.customer_rows import CustomerItem, Slots
from tidings.customers.customer_traces import State, read_lists, write_consents, write_history, write_lists
from tidings.customers.identity import Drawer
from tidings.customers.knowing import listed, one_of
from tidings.definitions.kinds.importing import CustomersImport
from tidings.definitions.workspace import Definitions
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

_customers = people.customers


class CustomerStore:
    """Stores items of one mapping; `__call__` handles one chunk inside the caller's transaction."""

    def __init__(self, mapping: CustomersImport, definitions: Definitions, slots: Slots) -> None:
        self._slots = slots
        self._drawer = Drawer(definitions.workspace.salt)
        self._attributes = attributes_table(definitions.attributes)
        self._source = mapping.source or f"import {mapping.id}"
        followed = tracked(definitions)
        self._history = {
            name: place for place, name in enumerate(slots.names) if name in followed & {*slots.attributes}
        }
        self._list_history = [name for name in slots.lists if name in followed]
        kinds = {name: channel.kind for name, channel in definitions.channels.items()}
        self._consents = [
            (kinds.get(one.channel, one.channel), one.purpose, one.basis) for one in mapping.consents
        ]
        self._lasting = {one.name for one in definitions.policies.purposes if one.consent_days is not None}
        self._by_key: sa.Select[Any] | None = None
        self._by_id: sa.Select[Any] | None = None
        self._attribute_columns = ("customer_id", *slots.attributes)
        self._select = sa.select(
            _customers.c.id,
            _customers.c.key,
            _customers.c.created_at,
            _customers.c.merged_into,
            self._attributes.c.customer_id,
            *(_customers.c[name] for name in slots.fixed),
            *(self._attributes.c[name] for name in slots.attributes),
        ).select_from(
            _customers.outerjoin(self._attributes, self._attributes.c.customer_id == _customers.c.id)
        )

    def __call__(self, connection: sa.Connection, items: Sequence[CustomerItem], now: int) -> dict[str, int]:
        """Store one chunk and return how many rows created, updated or left a customer as it was."""
        often = Counter(item.key for item in items)
        states, merged = self._known(connection, often.keys())
        # Of two keys of one person there is one state.
        old = list(dict.fromkeys(states.values()))
        fresh, rest = items, []
        if states or len(often) < len(items):
            fresh = [item for item in items if often[item.key] == 1 and item.key not in states]
            rest = [item for item in items if often[item.key] > 1 or item.key in states]
        counts = self._add(connection, fresh, now)
        if not rest:
            return dict(counts)
        for item in rest:
            state = states.get(item.key)
            if state is None:
                states[item.key] = State(item.values, item.lists, item.grants)
                counts["created"] += 1
            else:
                say = state.fill if item.key in merged else state.take
                changed = say(item.values, item.lists, item.grants)
                counts["updated" if changed else "unchanged"] += 1
        new = {key: state for key, state in states.items() if state.before is None}
        ids = self._create(connection, [(key, state.values) for key, state in new.items()], now)
        for number, state in zip(ids, new.values(), strict=True):
            state.id = number
        self._update(connection, [state for state in old if state.values != state.before])
        about = (self._source, now)
        everybody = list(dict.fromkeys(states.values()))
        write_lists(connection, everybody)
        write_history(connection, old, self._history, self._list_history, about)
        counts.update(write_consents(connection, everybody, self._consents, about, self._lasting))
        return dict(counts)

    def _add(self, connection: sa.Connection, fresh: Sequence[CustomerItem], now: int) -> Counter[str]:
        """Create customers of whom nothing is known and one row speaks: there is nothing to compare with."""
        ids = self._create(connection, [(item.key, item.values) for item in fresh], now)
        numbered = list(zip(ids, fresh, strict=True))
        lists = [
            (number, name, value)
            for number, item in numbered
            for name, values in item.lists
            for value in values
        ]
        insert_rows(connection, people.customer_lists, lists, ("customer_id", "attribute", "value"))
        counts = Counter(created=len(fresh))
        for place, (channel, purpose, basis) in enumerate(self._consents):
            given = [number for number, item in numbered if place in item.grants]
            counts["consents"] += grant(
                connection, given, (channel, purpose), basis=basis, source=self._source, now=now
            )
        return counts

    def _known(
        self, connection: sa.Connection, keys: Collection[str]
    ) -> tuple[dict[str, State], frozenset[str]]:
        """Return what is known under each key, and those of the keys that were merged: their person has another one."""
        states: dict[str, State] = {}
        merged: dict[str, int] = {}
        dialect = connection.dialect.name
        # One statement object for all chunks: its compiled form is found again at once.
        if self._by_key is None:
            self._by_key = self._select.where(one_of(_customers.c.key, dialect))
        for row in connection.execute(self._by_key, listed(dialect, keys)).all():
            if row.merged_into is None:
                states[row.key] = _state(row)
            else:
                merged[row.key] = row.merged_into
        if merged:
            self._add_persons(connection, merged, states)
        if self._slots.lists and states:
            read_lists(connection, self._slots.lists, states.values())
        return states, frozenset(merged)

    def _add_persons(
        self, connection: sa.Connection, merged: dict[str, int], states: dict[str, State]
    ) -> None:
        """Add under each merged key the customer that it is now."""
        dialect = connection.dialect.name
        if self._by_id is None:
            self._by_id = self._select.where(one_of(_customers.c.id, dialect))
        persons = {state.id: state for state in states.values()}
        wanted = sorted({*merged.values()} - persons.keys())
        for row in connection.execute(self._by_id, listed(dialect, wanted)).all():
            persons[row.id] = _state(row)
        states.update({key: persons[number] for key, number in merged.items()})

    def _create(
        self, connection: sa.Connection, new: Sequence[tuple[str, tuple[Any, ...]]], now: int
    ) -> Sequence[int]:
        """Insert customers with these keys and values, and return their ids."""
        if not new:
            return ()
        ids = next_ids(connection, _customers, len(new))
        split = len(self._slots.fixed)
        draw = self._drawer.u
        numbered = list(zip(ids, new, strict=True))
        fixed = [(number, key, draw(key), now, *values[:split]) for number, (key, values) in numbered]
        attributes = [(number, *values[split:]) for number, (_, values) in numbered]
        insert_rows(connection, _customers, fixed, ("id", "key", "u", "created_at", *self._slots.fixed))
        insert_rows(connection, self._attributes, attributes, self._attribute_columns)
        return ids

    def _update(self, connection: sa.Connection, changed: Sequence[State]) -> None:
        names, split = self._slots.names, len(self._slots.fixed)
        fixed, attributes, absent = [], [], []
        for state in changed:
            assert state.before is not None
            if state.values[:split] != state.before[:split]:
                fixed.append(_bound(state, names[:split], state.values[:split]))
            if not state.attributes_there:
                absent.append((state.id, *state.values[split:]))
            elif state.values[split:] != state.before[split:]:
                attributes.append(_bound(state, names[split:], state.values[split:]))
        insert_rows(connection, self._attributes, absent, self._attribute_columns)
        for table, key, some in (
            (_customers, _customers.c.id, fixed),
            (self._attributes, self._attributes.c.customer_id, attributes),
        ):
            if some:
                columns = self._slots.fixed if table is _customers else self._attribute_columns[1:]
                connection.execute(
                    sa.update(table)
                    .where(key == sa.bindparam("of"))
                    .values({name: sa.bindparam(f"v{place}") for place, name in enumerate(columns)}),
                    some,
                )


def _state(row: Any) -> State:
    number, _, created_at, _, there = row[:5]
    state = State(row[5:])
    state.id, state.created_at, state.attributes_there = number, created_at, there is not None
    state.before = state.values
    return state


def _bound(state: State, names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {"of": state.id, **{f"v{place}": value for place, value in enumerate(values)}}
