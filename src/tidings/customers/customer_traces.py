"""What stands beside a customer's row: values of lists, the history of changes, consents that came with the file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tidings.customers.consent import grant, latest_states, without_basis
from tidings.customers.knowing import listed, one_of
from tidings.store.batches import insert_rows
from tidings.store.tables import people

_NOTHING: dict[str, tuple[str, ...]] = {}
Lists = tuple[tuple[str, tuple[str, ...]], ...]
_lists, _changes = people.customer_lists, people.attribute_changes


class State:
    """A customer while a chunk is worked on; `before` is None for one that is not stored yet.

    Nothing of it is changed in place, so that new customers share what their rows hold.
    """

    __slots__ = (
        "attributes_there",
        "before",
        "created_at",
        "grants",
        "id",
        "lists",
        "lists_before",
        "values",
    )

    def __init__(self, values: tuple[Any, ...], lists: Lists = (), grants: tuple[int, ...] = ()) -> None:
        self.id = 0
        self.created_at = 0
        self.attributes_there = False
        self.before: tuple[Any, ...] | None = None
        self.values = values
        self.lists = dict(lists) if lists else _NOTHING
        self.lists_before = _NOTHING
        self.grants = grants

    def take(self, values: tuple[Any, ...], lists: Lists, grants: tuple[int, ...]) -> bool:
        """Put what another row says over what is known; return whether that changed anything. None says nothing."""
        self.grants += grants
        changed = False
        if values != self.values:
            over = tuple(old if new is None else new for old, new in zip(self.values, values, strict=True))
            changed = over != self.values
            self.values = over
        for name, some in lists:
            if self.lists.get(name, ()) != some:
                self.lists = {**self.lists, name: some}
                changed = True
        return changed

    def fill(self, values: tuple[Any, ...], lists: Lists, grants: tuple[int, ...]) -> bool:
        """Put what a row says where nothing is known yet, and return whether that changed anything.

        So speaks a row about a merged record: of what two rows of one person say, that of the own key holds, and importing
        both again changes nothing.
        """
        self.grants += grants
        over = tuple(new if old is None else old for old, new in zip(self.values, values, strict=True))
        changed = over != self.values
        self.values = over
        for name, some in lists:
            if some and not self.lists.get(name):
                self.lists = {**self.lists, name: some}
                changed = True
        return changed


def read_lists(connection: sa.Connection, names: Sequence[str], states: Iterable[State]) -> None:
    """Fill in the lists that are stored."""
    by_id = {state.id: state for state in states}
    rows = connection.execute(
        sa.select(_lists.c.customer_id, _lists.c.attribute, _lists.c.value).where(
            one_of(_lists.c.customer_id, connection.dialect.name), _lists.c.attribute.in_(names)
        ),
        listed(connection.dialect.name, by_id),
    )
    found: dict[int, dict[str, list[str]]] = {}
    for number, attribute, value in rows.all():
        found.setdefault(number, {}).setdefault(attribute, []).append(value)
    for number, lists in found.items():
        # Sorted here: databases sort texts in their own ways.
        by_id[number].lists = by_id[number].lists_before = {
            name: tuple(sorted(values)) for name, values in lists.items()
        }


def write_lists(connection: sa.Connection, states: Iterable[State]) -> None:
    """Add the values that came and take away those that went."""
    gone: list[dict[str, Any]] = []
    come: list[tuple[int, str, str]] = []
    for state in states:
        for name, values in state.lists.items():
            before = state.lists_before.get(name, ())
            if values != before:
                come += [(state.id, name, value) for value in values if value not in before]
                gone += [{"of": state.id, "a": name, "v": value} for value in before if value not in values]
    if gone:
        where = (
            _lists.c.customer_id == sa.bindparam("of"),
            _lists.c.attribute == sa.bindparam("a"),
            _lists.c.value == sa.bindparam("v"),
        )
        connection.execute(sa.delete(_lists).where(*where), gone)
    insert_rows(connection, _lists, come, ("customer_id", "attribute", "value"))


def write_history(
    connection: sa.Connection,
    old: Iterable[State],
    names: dict[str, int],
    lists: Sequence[str],
    about: tuple[str, int],
) -> None:
    """Append the changes of tracked attributes; before the first one stands what was there since the customer is known.

    `names` maps tracked attributes to their places in the values, `lists` are the tracked lists, `about` is the source and
    the instant of the change.
    """
    source, now = about
    found: list[tuple[State, str, str | None, str | None]] = []
    for state in old:
        assert state.before is not None
        for name, place in names.items():
            if state.values[place] != state.before[place]:
                found.append((state, name, _said(state.before[place]), _said(state.values[place])))
        for name in lists:
            was, value = state.lists_before.get(name, ()), state.lists.get(name, ())
            if value != was:
                found.append((state, name, _said(was), _said(value)))
    if not found:
        return
    known = set(
        connection.execute(
            sa.select(_changes.c.customer_id, _changes.c.attribute)
            .where(_changes.c.customer_id.in_({state.id for state, *_ in found}))
            .distinct()
        ).all()
    )
    rows = []
    for state, name, before, after in found:
        if (state.id, name) not in known:
            rows.append((state.id, name, before, state.created_at, source))
        rows.append((state.id, name, after, now, source))
    insert_rows(connection, _changes, rows, ("customer_id", "attribute", "value", "changed_at", "source"))


def write_consents(
    connection: sa.Connection,
    states: Sequence[State],
    consents: Sequence[tuple[str, str, str]],
    about: tuple[str, int],
    lasting: Collection[str] = (),
) -> Counter[str]:
    """Grant where nothing was said yet; what a customer withdrew, or did not confirm, no file gives back.

    Of the purposes in `lasting` consent grows old: there a basis that a customer has not agreed on yet is agreement anew.
    `consents` are (channel kind, purpose, basis); a state's `grants` are places in it.
    """
    source, now = about
    counts: Counter[str] = Counter()
    for place, (channel, purpose, basis) in enumerate(consents):
        given = [state for state in states if place in state.grants]
        known = [state.id for state in given if state.before is not None]
        said = latest_states(connection, channel, purpose, known) if known else {}
        silent = [state.id for state in given if state.id not in said]
        if purpose in lasting:
            granted = [number for number, state in said.items() if state == "granted"]
            silent += without_basis(connection, (channel, purpose), basis, granted)
        counts["consents"] += grant(
            connection, silent, (channel, purpose), basis=basis, source=source, now=now
        )
        for state in given if said else ():
            latest = said.get(state.id, "granted")
            if latest != "granted":
                # By row, not by customer: how rows fall into chunks must not show in the totals.
                name = "withdrawals_kept" if latest == "withdrawn" else "pending_kept"
                counts[name] += state.grants.count(place)
    return counts


def _said(value: Any) -> str | None:
    """Return a value as the history keeps it: texts as they are, dates as ISO, lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
