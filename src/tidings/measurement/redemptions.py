"""Codes that came back with orders: found in the events whose declaration names a `code`, and judged.

Kept up with the events: only blocks of events that hold something else are read again, and each code that came with
them is judged anew with all of its redemptions in the order in which they happened, however late a file told them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.code_signs import as_typed
from tidings.customers.knowing import listed, one_of
from tidings.definitions.kinds.rules import REDEMPTION, Event
from tidings.definitions.workspace import Definitions
from tidings.measurement.blocks import by_index, changed, spans
from tidings.measurement.redeemed_orders import tie
from tidings.measurement.shared_codes import Shared, shared_codes
from tidings.segments.properties import property_value
from tidings.segments.redeemed import asks_for_redemptions
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import money, people, sending

_PURPOSE, _WHAT = "redemptions", "redemptions: "
_LONGEST = 60
_DAY = 86_400_000_000
# The property of an event that says the number of its order.
ORDER = "order"
_events, _names = people.events, people.event_names
_codes, _given, _table = money.codes, money.offers_given, money.redemptions
_COLUMNS = (
    "code", "offer", "customer_id", "event_id", "message_id", "at", "discount", "currency", "judged", "dedupe_key", "order_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Redeemed:
    """How many redemptions were added, and how many of those known are judged otherwise now, as of `at`."""

    at: datetime
    added: int = 0
    changed: int = 0


@dataclass(slots=True)
class Came:
    """A code that came with an event, as it is to stand in the table.

    `order` is the number of its order; `told` says that a till or a shop told it alone. `order_id` is the event of that order.
    """

    code: str
    customer_id: int | None
    event_id: int
    at: int
    discount: int | None
    currency: str | None
    order: str | None = None
    told: bool = False
    order_id: int | None = None
    # Whose it is then: the customer of the event, else who was given the code.
    whose: int | None = None
    offer: str | None = None
    message_id: int | None = None
    judged: str = "unknown"

    @property
    def key(self) -> str:
        """Return what makes it one row, however often it is read."""
        return f"e{self.event_id}"

    def row(self) -> tuple[Any, ...]:
        """Return it in the order of the columns."""
        return (
            self.code, self.offer, self.whose, self.order_id or self.event_id, self.message_id, self.at, self.discount,
            self.currency, self.judged, self.key, self.order,
        )  # fmt: skip


def refresh(store: Store, definitions: Definitions, *, now: datetime, latest: bool = False) -> Redeemed:
    """Bring the redemptions up to date with the events; again at once it changes nothing.

    With `latest` only events that came since are read, once all were: what an import corrected in older ones waits for the next time.
    """
    shared = shared_codes(definitions)
    with store.read() as connection:
        found = telling(connection, definitions)
    added = changed_ = 0
    for number, event in found.items():
        more, other = _bring(store, event, number, definitions, shared, latest)
        added, changed_ = added + more, changed_ + other
    tie(store, definitions)
    return Redeemed(now, added, changed_)


def catch_up(store: Store, definitions: Definitions, *, now: datetime) -> Redeemed:
    """Read the latest events where a definition asks for redemptions, so that what it asks of is known."""
    if not asks_for_redemptions(definitions):
        return Redeemed(now)
    return refresh(store, definitions, now=now, latest=True)


def telling(connection: sa.Connection, definitions: Definitions) -> dict[int, Event]:
    """Return the events that may name a code, by the ids of their names, as far as there was ever one."""
    declared = {one.name: one for one in (*definitions.events.events, REDEMPTION) if one.code}
    rows = connection.execute(
        sa.select(_names.c.id, _names.c.name).where(_names.c.name.in_(list(declared))).order_by(_names.c.id)
    )
    return {number: declared[name] for number, name in rows}


def what_of(event: Event) -> str:
    """Return the name under which it is remembered which events of a kind were read."""
    return f"{_WHAT}{event.name} {event.code} {event.discount}"


def _bring(
    store: Store,
    event: Event,
    number: int,
    definitions: Definitions,
    shared: Mapping[str, Shared],
    latest: bool,
) -> tuple[int, int]:
    what = what_of(event)
    named = _events.c.name_id == number
    with store.read() as connection:
        cells = (_events.c.occurred_at, _events.c.customer_id)
        blocks = changed(connection, what, _events, named, cells, latest=latest)
    found = naming(event, number)
    added = other = 0
    for low, high in spans(store, what, blocks, _PURPOSE):
        with store.marks(_PURPOSE) as connection:
            by_index(connection)
            rows = connection.execute(found, {"low": low, "high": high}).all()
            if rows:
                more, fewer = _judge(connection, [came_of(one, event, definitions) for one in rows], shared)
                added, other = added + more, other + fewer
    return added, other


def naming(event: Event, number: int) -> sa.Select[Any]:
    """Return the select of the events of a kind that name a code, between the ids bound as `low` and `high`."""
    assert event.code is not None
    low, high = (sa.bindparam(name, type_=sa.BigInteger) for name in ("low", "high"))
    code = property_value(_events.c.properties, event.code, "text")
    discount: sa.ColumnElement[Any] = sa.null()
    if event.discount == event.revenue and event.discount:
        discount = _events.c.amount
    elif event.discount:
        discount = property_value(_events.c.properties, event.discount, "money")
    return (
        sa.select(
            _events.c.id,
            _events.c.customer_id,
            _events.c.occurred_at,
            _events.c.currency,
            _events.c.dedupe_key,
            code.label("code"),
            discount.label("discount"),
            property_value(_events.c.properties, ORDER, "text").label("order"),
        )
        .where(_events.c.id.between(low, high), _events.c.name_id == number, sa.func.trim(code) != "")
        .order_by(_events.c.id)
    )


def came_of(row: Any, event: Event, definitions: Definitions) -> Came:
    """Return what a row of `naming` tells."""
    currency = None
    if row.discount is not None and event.discount:
        declared = event.property(event.discount)
        currency = (declared.currency if declared else None) or row.currency or definitions.workspace.currency
    return Came(
        row.code.strip()[:_LONGEST], row.customer_id, row.id, row.occurred_at, row.discount, currency,
        row.order or (None if event is REDEMPTION else _number_of(row.dedupe_key)), event is REDEMPTION,
    )  # fmt: skip


def _number_of(key: str) -> str | None:
    """Return the number of an order from the key by which its event is known again."""
    if key.startswith("id:"):
        return key.removeprefix("id:")[:_LONGEST]
    if key.startswith('["order",'):
        return str(json.loads(key)[1])[:_LONGEST]
    return None


def _judge(connection: sa.Connection, came: Sequence[Came], shared: Mapping[str, Shared]) -> tuple[int, int]:
    return write(connection, *judge(connection, came, shared))


def judge(
    connection: sa.Connection, came: Sequence[Came], shared: Mapping[str, Shared]
) -> tuple[Sequence[Came], dict[str, Any]]:
    """Judge what came together with what came before with the same codes.

    Returns all of these, and the rows of those that are known, by their keys; nothing is written.
    """
    dialect = connection.dialect.name
    spellings = {spelling for one in came for spelling in as_typed(one.code)}
    of_pool = {
        row.code: row
        for row in connection.execute(
            sa.select(_codes.c.code, _codes.c.state, _codes.c.customer_id, _codes.c.message_id, _codes.c.ends_at)
            .where(one_of(_codes.c.code, dialect)),
            listed(dialect, spellings),
        )
    }  # fmt: skip
    for one in came:
        one.code = next(
            (found for found in as_typed(one.code) if found in of_pool or found in shared), one.code
        )
    known = {row.dedupe_key: row for row in _known(connection, came, shared)}
    for key, row in known.items():
        if all(one.key != key for one in came):
            came = [*came, again(row)]
    by_code: dict[str, list[Came]] = defaultdict(list)
    for one in sorted(came, key=lambda each: (each.at, each.event_id)):
        before = known.get(one.key)
        if before is not None and one.told:
            one.order_id = before.event_id
        if before is not None and before.judged == "undone":
            _keep(one, before)
        else:
            by_code[one.code].append(one)
    offers = _offers(connection, [row.message_id for row in of_pool.values() if row.message_id])
    for code, all_of_it in by_code.items():
        those = told_once(all_of_it, alone=code in of_pool)
        if code in of_pool:
            _of_pool(those, of_pool[code], offers, known)
        elif code in shared:
            shared[code].judge(connection, those)
        else:
            for one in those:
                one.whose = one.customer_id
    return came, known


def again(row: Any) -> Came:
    """Return a redemption that is known, with the customer of its event, as it came."""
    number = int(row.dedupe_key.removeprefix("e"))
    told = bool(row.event_name == REDEMPTION.name or row.event_id != number)
    return Came(row.code, row.event_customer, number, row.at, row.discount, row.currency, row.order_key, told)


def _keep(one: Came, before: Any) -> None:
    one.judged, one.whose, one.message_id, one.offer = (
        before.judged,
        before.customer_id,
        before.message_id,
        before.offer,
    )


def told_once(those: Sequence[Came], *, alone: bool) -> list[Came]:
    """Return the redemptions of a code without those told by a till whose order told of them as well: these are judged `order`.

    Told of the same order, or of the same customer within a day; of a code that only one customer has (`alone`) also where
    one of the two does not say whose it was.
    """
    orders = [one for one in those if not one.told]
    kept = []
    for one in those:
        if one.told and any(_same(one, order, alone=alone) for order in orders):
            one.judged, one.whose = "order", one.customer_id
        else:
            kept.append(one)
    return kept


def _same(told: Came, order: Came, *, alone: bool) -> bool:
    if told.order is not None:
        return told.order == order.order
    if abs(told.at - order.at) > _DAY:
        return False
    if told.customer_id is None or order.customer_id is None:
        return alone
    return told.customer_id == order.customer_id


def _known(connection: sa.Connection, came: Sequence[Came], shared: Mapping[str, Shared]) -> Sequence[Any]:
    """Return the redemptions that bear on those that came: of a code that all share, those of the same customers alone."""
    dialect = connection.dialect.name
    query = (
        sa.select(_table, _events.c.customer_id.label("event_customer"), _names.c.name.label("event_name"))
        .select_from(
            _table.outerjoin(_events, _events.c.id == _table.c.event_id).outerjoin(
                _names, _names.c.id == _events.c.name_id
            )
        )
        .where(_table.c.event_id.is_not(None))
    )
    alone = {one.code for one in came if one.code not in shared}
    rows = list(connection.execute(query.where(one_of(_table.c.code, dialect)), listed(dialect, alone)))
    customers = {one.customer_id for one in came if one.code in shared and one.customer_id is not None}
    if customers:
        rows += connection.execute(
            query.where(one_of(_table.c.customer_id, dialect), _table.c.code.in_(list(shared))),
            listed(dialect, customers),
        )
    numbers = {one.order for one in came if one.code in shared and one.order is not None}
    if numbers:
        # Of the same order one may say whose it was and the other not.
        rows += connection.execute(
            query.where(one_of(_table.c.order_key, dialect), _table.c.code.in_(list(shared))),
            listed(dialect, numbers),
        )
    # An event may have had another code, or another customer, when it was read before.
    mine = connection.execute(
        query.where(one_of(_table.c.dedupe_key, dialect)), listed(dialect, [one.key for one in came])
    )
    return list({row.id: row for row in [*rows, *mine]}.values())


def _of_pool(those: Sequence[Came], code: Any, offers: Mapping[int, str], known: Mapping[str, Any]) -> None:
    """Judge the redemptions of a code of a pool, in order: it counts once, for whom it was given to, before it ends."""
    used = False
    for one in those:
        one.whose = one.customer_id if one.customer_id is not None else code.customer_id
        one.message_id, one.offer = code.message_id, offers.get(code.message_id or 0)
        before = known.get(one.key)
        if code.state == "withdrawn":
            # Withdrawn after it had counted, it goes on counting.
            good = before is not None and before.judged == "good"
            one.judged = "good" if good else "withdrawn"
            if before is not None:
                one.message_id, one.offer = before.message_id, before.offer
        elif code.state == "free":
            one.judged = "unknown"
        elif one.whose != code.customer_id:
            one.judged = "other_customer"
        elif code.ends_at is not None and one.at >= code.ends_at:
            one.judged = "ended"
        else:
            one.judged = "again" if used else "good"
        used = used or one.judged == "good"


def _offers(connection: sa.Connection, message_ids: Collection[int]) -> dict[int, str]:
    dialect = connection.dialect.name
    found = {
        row.message_id: row.offer
        for row in connection.execute(
            sa.select(_given.c.message_id, _given.c.offer).where(one_of(_given.c.message_id, dialect)),
            listed(dialect, message_ids),
        )
    }
    missing = [one for one in message_ids if one not in found]
    if missing:
        # The message that showed it is not the last of its step: the offer is that of the campaign, or of the step.
        rows = connection.execute(
            sa.select(sending.messages.c.id, sending.messages.c.step, sending.runs.c.campaign, sending.runs.c.kind)
            .join(sending.runs, sending.runs.c.id == sending.messages.c.run_id)
            .where(one_of(sending.messages.c.id, dialect)),
            listed(dialect, missing),
        )  # fmt: skip
        for row in rows:
            found[row.id] = f"{row.campaign}.{row.step}" if row.kind == "flow" else row.campaign
    return found


def write(connection: sa.Connection, came: Sequence[Came], known: Mapping[str, Any]) -> tuple[int, int]:
    """Write what is new, and what is judged otherwise than it stands; return how many of each."""
    new = [one.row() for one in came if one.key not in known]
    insert_rows(connection, _table, new, _COLUMNS, ignore_conflicts=True)
    other = []
    for one in came:
        before = known.get(one.key)
        if before is not None and tuple(getattr(before, name) for name in _COLUMNS) != one.row():
            other.append({**dict(zip(_COLUMNS, one.row(), strict=True)), "number": before.id})
    if other:
        values: dict[str, Any] = {name: sa.bindparam(name) for name in _COLUMNS}
        connection.execute(
            sa.update(_table).where(_table.c.id == sa.bindparam("number")).values(**values), other
        )
    return len(new), len(other)
