"""Which customer is meant by a key, an address, a code or a visitor's name: found set by set, never guessed.

Who is not known yet is kept under a mark (`=email:HASH`, `=code:SPRING-7`, or the plain name of a visitor) under which a later
look finds them. An address or visitor that several customers share belongs to none of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import sqlalchemy as sa

from tidings.customers.addresses import readings
from tidings.customers.alive import alive
from tidings.customers.cells import CellError
from tidings.customers.identity import AddressHasher
from tidings.customers.knowing import listed, one_of, read_key
from tidings.store.tables import answers, money, people

VISITOR, PAGE = "visitor", "landing_page"
# By what, and how it is told to people.
WORDS = {
    "key": "key",
    "phone": "phone",
    "email": "e-mail",
    "code": "code",
    VISITOR: "visitor",
    PAGE: "landing page",
}
_KINDS = {"email": "email", "phone": "sms"}
_NAMES = {"email": "an e-mail address", "phone": "a telephone number"}
_LONGEST = 2000


class Identity(NamedTuple):
    """One thing by which somebody may be known: `by` is a word of WORDS, `value` a key, a hash, a code, a name or an address."""

    by: str
    value: str

    @property
    def mark(self) -> str:
        """Return the text under which somebody unknown is kept: what `of_mark` reads again."""
        if self.by == VISITOR and not self.value.startswith("="):
            return self.value
        return f"={self.by}:{self.value}"


def of_mark(mark: str) -> Identity:
    """Return the identity that a mark stands for."""
    by, colon, value = mark[1:].partition(":")
    if mark.startswith("=") and colon and by in WORDS:
        return Identity(by, value)
    return Identity(VISITOR, mark)


class Identities:
    """Reads what a file or an event writes into an identity; addresses become their keyed hash at once."""

    def __init__(self, salt: str, country: str | None) -> None:
        self._hashers = {by: AddressHasher(salt, kind) for by, kind in _KINDS.items()}
        self._country = country

    def reader(self, by: str) -> Callable[[str], Identity]:
        """Return what reads a text of that kind; it raises CellError for one that cannot be read."""
        if by in _KINDS:
            return lambda text: self._address(by, text)
        if by == "key":
            return lambda text: Identity("key", read_key(text))
        return lambda text: Identity(by, _short(text))

    def _address(self, by: str, text: str) -> Identity:
        found = readings(_KINDS[by], text, self._country)
        if not found:
            raise CellError(f"not {_NAMES[by]}", f'"{text[:60]}" is not {_NAMES[by]}')
        return Identity(by, self._hashers[by].of(found[0]))


def find(
    connection: sa.Connection, wanted: Collection[Identity], *, guests: bool = False
) -> dict[Identity, int]:
    """Return the customer of each identity that is known and belongs to one customer only; for one chunk of rows.

    With `guests` a visitor is also known by an order that named nobody and was matched back by what else it said.
    """
    by: dict[str, set[str]] = defaultdict(set)
    for one in wanted:
        by[one.by].add(one.value)
    found: dict[Identity, int] = {}
    dialect = connection.dialect.name
    for name, values in by.items():
        statement = _statement(name, dialect, guests)
        if statement is None:
            continue
        customers: dict[str, set[int]] = defaultdict(set)
        for row in connection.execute(statement, listed(dialect, values)):
            customers[row[0]].add(row[1])
        for value, those in customers.items():
            if len(those) == 1:
                found[Identity(name, value)] = next(iter(those))
    return found


def _statement(by: str, dialect: str, guests: bool) -> sa.Select[Any] | sa.CompoundSelect[Any] | None:
    """Return the select of value and customer, with the values bound as `listed`; None for what is not looked up so."""
    customers, living = people.customers, alive()
    if by == "key":
        return sa.select(customers.c.key, customers.c.id).where(one_of(customers.c.key, dialect), living)
    if by in _KINDS:
        column = customers.c.email_hash if by == "email" else customers.c.phone_hash
        # The indexes are of those that have such an address.
        return sa.select(column, customers.c.id).where(column.is_not(None), one_of(column, dialect), living)
    if by == "code":
        codes, redeemed = money.codes, money.redemptions
        return sa.union(
            sa.select(codes.c.code, codes.c.customer_id).where(
                one_of(codes.c.code, dialect), codes.c.customer_id.is_not(None)
            ),
            sa.select(redeemed.c.code, redeemed.c.customer_id).where(
                one_of(redeemed.c.code, dialect),
                redeemed.c.customer_id.is_not(None),
                redeemed.c.judged == "good",
                sa.exists().where(codes.c.code == redeemed.c.code),
            ),
        )
    if by == VISITOR:
        events, orders = people.events, answers.conversions
        theirs = (events.c.visitor.is_not(None), one_of(events.c.visitor, dialect))
        named = (
            sa.select(events.c.visitor, events.c.customer_id)
            .distinct()
            .where(*theirs, events.c.customer_id.is_not(None))
        )
        if not guests:
            return named
        matched = (
            sa.select(events.c.visitor, orders.c.customer_id)
            .select_from(events.join(orders, orders.c.event_id == events.c.id))
            .where(*theirs, events.c.customer_id.is_(None))
        )
        return sa.union(named, matched)
    return None


def _short(text: str) -> str:
    if len(text) > _LONGEST:
        raise CellError("too long", f"{len(text):,} signs; at most {_LONGEST:,} are kept")
    return text
