"""Orders of people whom the order does not name, matched back to customers by what it does hold.

A code that was given to one customer, a telephone number, an e-mail address, the name of a visitor or the address of the
page that an ad led to. Nothing is guessed: what several customers share matches none. Nothing is dropped: orders that
match nobody are a line with their number and amount.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from tidings.customers.unnamed import said
from tidings.customers.who import PAGE, VISITOR, WORDS, Identities, Identity, find, of_mark
from tidings.definitions.workspace import Definitions
from tidings.measurement.rematching import by_page
from tidings.store.database import Store
from tidings.store.tables import people

# What is believed first.
_ORDER = ("code", "phone", "email", VISITOR, PAGE)
_CHUNK = 500
_events, _names = people.events, people.event_names


class Match(NamedTuple):
    """One order that names nobody: whose it is and by what that is known, None where it is nobody's."""

    event_id: int
    name: str
    customer_id: int | None
    by: str | None
    at: int
    amount: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class MatchLine:
    """How many orders were matched by something (`by`, a word for people), and their amounts in minor units by currency."""

    by: str
    orders: int
    amounts: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys."""
        return {"by": self.by, "orders": self.orders, "amounts": dict(sorted(self.amounts.items()))}


@dataclass(frozen=True, slots=True)
class MatchedBack:
    """All orders that name nobody: `lines` of those that were matched, the most first, and those `unmatched`."""

    lines: tuple[MatchLine, ...]
    unmatched: MatchLine

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys."""
        return {"lines": [one.as_json() for one in self.lines], "unmatched": self.unmatched.as_json()}


def match_back(
    store: Store,
    definitions: Definitions,
    names: Sequence[str],
    *,
    opens: int | None = None,
    closes: int | None = None,
) -> MatchedBack:
    """Match the events of these names without a customer, and return what by what; nothing is written.

    `opens` and `closes` limit them to a time, half-open, in microseconds.
    """
    tally = Tally()
    for chunk in matches(store, definitions, names):
        tally.add(
            one for one in chunk if (opens is None or one.at >= opens) and (closes is None or one.at < closes)
        )
    return tally.result()


class Tally:
    """Adds up matches into lines."""

    def __init__(self) -> None:
        self._orders: Counter[str | None] = Counter()
        self._amounts: dict[str | None, Counter[str]] = {}

    def add(self, found: Iterator[Match] | Sequence[Match]) -> None:
        """Count these."""
        for one in found:
            self._orders[one.by] += 1
            if one.amount is not None:
                self._amounts.setdefault(one.by, Counter())[one.currency or ""] += one.amount

    def result(self) -> MatchedBack:
        """Return the lines."""

        def line(by: str | None, word: str) -> MatchLine:
            return MatchLine(word, self._orders[by], dict(self._amounts.get(by, {})))

        known = sorted((by for by in self._orders if by), key=lambda by: (-self._orders[by], by))
        return MatchedBack(tuple(line(by, WORDS[by]) for by in known), line(None, "nothing"))


def matches(store: Store, definitions: Definitions, names: Sequence[str]) -> Iterator[list[Match]]:
    """Yield every event of these names that has no customer, chunk by chunk, with the customer it is matched to."""
    workspace = definitions.workspace
    known = Identities(workspace.salt, workspace.country)
    after = 0
    while True:
        with store.read() as connection:
            rows = connection.execute(
                sa.select(
                    _events.c.id,
                    _names.c.name,
                    _events.c.visitor,
                    _events.c.properties,
                    _events.c.occurred_at,
                    _events.c.amount,
                    _events.c.currency,
                )
                .select_from(_events.join(_names, _names.c.id == _events.c.name_id))
                .where(_names.c.name.in_(list(names)), _events.c.customer_id.is_(None), _events.c.id > after)
                .order_by(_events.c.id)
                .limit(_CHUNK)
            ).all()
            if not rows:
                return
            told = [_identities(known, row.visitor, row.properties or {}) for row in rows]
            every = {one for those in told for one in those}
            found = find(connection, every)
            found |= by_page(connection, {one.value for one in every if one.by == PAGE}, definitions)
        after = rows[-1].id
        yield [_match(row, those, found) for row, those in zip(rows, told, strict=True)]


def _match(row: Any, said: Sequence[Identity], found: Mapping[Identity, int]) -> Match:
    best = next((one for one in said if one in found), None)
    whose, by = (None, None) if best is None else (found[best], best.by)
    return Match(row.id, row.name, whose, by, row.occurred_at, row.amount, row.currency)


def _identities(known: Identities, visitor: str | None, properties: Mapping[str, Any]) -> list[Identity]:
    """Return by what the person of an order may be known, best first; what cannot be read is passed over."""
    told: list[Identity] = []
    for by in _ORDER:
        if by != VISITOR:
            told += said(known, properties, by)
        elif visitor is not None and visitor.strip():
            # What a mark stands for is among the properties as well, but for one that a file no longer has.
            told.append(of_mark(visitor.strip()))
    return told
