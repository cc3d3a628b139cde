"""Codes at a till: is this one good, redeem it, and take that back.

What is redeemed here becomes an event of the customer, and is judged as the codes of orders are, by the same rules and in the same
table: reports, `at_most` and the touches count both alike. What would not count is refused and leaves nothing, unless
the shop says that it gave the discount all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.code_signs import SHORTEST, SIGNS, as_typed, checks_out
from tidings.campaigns.steps import send_steps
from tidings.clock import from_micros, to_micros
from tidings.customers.knowing import find_customers, listed, one_of
from tidings.definitions.kinds.offer import Offer
from tidings.definitions.kinds.rules import REDEMPTION
from tidings.definitions.values import Duration
from tidings.definitions.workspace import Definitions
from tidings.measurement.redemptions import (
    Came,
    came_of,
    judge,
    naming,
    refresh,
    telling,
    what_of,
    write,
)
from tidings.measurement.shared_codes import Shared, shared_codes
from tidings.responses.redemptions_told import GOOD, KeyTaken, Redemption, Verdict
from tidings.responses.server_events import store_events
from tidings.segments.properties import property_value
from tidings.store.audit import append
from tidings.store.database import Store
from tidings.store.tables import answers, money, people

_BLOCK = 8192
_HIGHEST = 2**62
# What is only asked about is nobody's order.
_ASKED = "(asked)"
_events, _names, _table, _blocks = (
    people.events,
    people.event_names,
    money.redemptions,
    answers.measured_blocks,
)
_codes = money.codes


class _Refused(Exception):
    """Ends the transaction, which then changed nothing."""


def check(
    store: Store, definitions: Definitions, code: str, *, customer: str | None = None, now: datetime
) -> Verdict:
    """Say what a code would be worth now, for a customer if one is named; nothing is redeemed."""
    _read_once(store, definitions)
    shared = shared_codes(definitions)
    with store.read() as connection:
        whose = None if customer is None else find_customers(connection, [customer]).get(customer, _HIGHEST)
        mine = Came(code.strip(), whose, _HIGHEST, to_micros(now), None, None, _ASKED, told=True)
        came, known = judge(connection, [*_unread(connection, definitions, code), mine], shared)
        return _verdict(connection, definitions, came, known, mine, shared)


def redeem(store: Store, definitions: Definitions, told: Redemption, *, now: datetime) -> Verdict:
    """Redeem a code, once for each key; raises KeyTaken for a key under which another code was redeemed.

    What does not count is refused and changes nothing, unless the redemption says `anyway`. Two that redeem one code at once are
    put in order: the second is told that it was redeemed before.
    """
    _read_once(store, definitions)
    shared = shared_codes(definitions)
    verdict = Verdict(told.code, "unknown")
    try:
        with store.durable("redemptions") as connection:
            if connection.dialect.name == "postgresql":
                lock = sa.func.pg_advisory_xact_lock(sa.func.hashtext(told.code.strip().upper()))
                connection.execute(sa.select(lock))
            number = _event_of(connection, told)
            if number is not None:
                return _as_before(connection, definitions, number, told, shared)
            unread = _unread(connection, definitions, told.code)
            _store(connection, definitions, told, to_micros(now))
            number = _event_of(connection, told)
            assert number is not None
            mine = _came(connection, definitions, number)
            came, known = judge(connection, [*unread, mine], shared)
            verdict = _verdict(connection, definitions, came, known, mine, shared)
            if not verdict.good and mine.judged != "order" and not told.anyway:
                raise _Refused
            write(connection, came, known)
    except _Refused:
        return verdict
    # What its order told already is redeemed, whoever tells it now.
    ordered = mine.judged == "order"
    return replace(verdict, answer=GOOD if ordered else verdict.answer, kept=True, already=ordered)


def undo(
    store: Store, definitions: Definitions, source: str, key: str, *, actor: str, now: datetime
) -> Verdict | None:
    """Take back what was redeemed under a key; None where nothing was. The code is good again, as far as its offer allows."""
    shared = shared_codes(definitions)
    with store.durable("redemptions") as connection:
        number = _event_of(connection, Redemption("", source, key, 0))
        if number is None:
            return None
        mine = _came(connection, definitions, number)
        row = _table.c.dedupe_key == mine.key
        code = connection.execute(sa.select(_table.c.code).where(row)).scalar()
        done = connection.execute(
            sa.update(_table).where(row, _table.c.judged != "undone").values(judged="undone")
        )
        if done.rowcount:
            append(
                connection,
                to_micros(now),
                actor,
                "redemption taken back",
                code or mine.code,
                {"source": source, "key": key},
            )
        # Others that came with it are judged without it.
        came, known = judge(connection, [mine], shared)
        write(connection, came, known)
        return Verdict(code or mine.code, "undone", kept=True, already=not done.rowcount)


def _read_once(store: Store, definitions: Definitions) -> None:
    """Read the codes of all orders where that was never done: from then on the latest orders are enough."""
    with store.read() as connection:
        found = telling(connection, definitions)
        names = {what_of(event) for event in found.values() if event is not REDEMPTION}
        read = set(
            connection.execute(
                sa.select(_blocks.c.what).where(_blocks.c.what.in_(names)).distinct()
            ).scalars()
        )
    if names - read:
        refresh(store, definitions, now=store.clock.now())


def _unread(connection: sa.Connection, definitions: Definitions, code: str) -> list[Came]:
    """Return the events with the code that came since the orders were read last."""
    spellings, dialect = {one.upper() for one in as_typed(code)}, connection.dialect.name
    found = []
    for number, event in telling(connection, definitions).items():
        if event is REDEMPTION:
            # What was redeemed here was judged in the same transaction.
            continue
        assert event.code is not None
        last = connection.execute(
            sa.select(sa.func.max(_blocks.c.block)).where(_blocks.c.what == what_of(event))
        ).scalar()
        named = property_value(_events.c.properties, event.code, "text")
        rows = connection.execute(
            naming(event, number).where(one_of(sa.func.upper(sa.func.trim(named), type_=sa.Text), dialect)),
            {"low": (last or 0) * _BLOCK, "high": _HIGHEST, **listed(dialect, spellings)},
        )
        found += [came_of(row, event, definitions) for row in rows.all()]
    return found


def _event_of(connection: sa.Connection, told: Redemption) -> int | None:
    return connection.execute(
        sa.select(_events.c.id)
        .join(_names, _names.c.id == _events.c.name_id)
        .where(
            _events.c.source == told.source,
            _events.c.dedupe_key == f"id:{told.key}",
            _names.c.name == REDEMPTION.name,
        )
    ).scalar()


def _store(connection: sa.Connection, definitions: Definitions, told: Redemption, now: int) -> None:
    record: dict[str, Any] = {
        "event": REDEMPTION.name, "occurred": told.at, "at": now, "source": told.source, "id": told.key,
        "properties": told.properties(),
    }  # fmt: skip
    if told.customer is not None:
        record["customer"] = told.customer
    if told.discount is not None:
        record["currency"] = told.currency or definitions.workspace.currency
    workspace = definitions.workspace
    place = f"{told.source}:{told.key}"
    stored, _ = store_events(
        connection, [(place, record)], salt=workspace.salt, country=workspace.country, now=now
    )
    if not stored:
        raise KeyTaken


def _came(connection: sa.Connection, definitions: Definitions, number: int) -> Came:
    name = sa.select(_events.c.name_id).where(_events.c.id == number)
    row = connection.execute(
        naming(REDEMPTION, connection.execute(name).scalar_one()), {"low": number, "high": number}
    ).one()
    return came_of(row, REDEMPTION, definitions)


def _as_before(
    connection: sa.Connection,
    definitions: Definitions,
    number: int,
    told: Redemption,
    shared: Mapping[str, Shared],
) -> Verdict:
    mine = _came(connection, definitions, number)
    if mine.code.upper() != told.code.strip().upper():
        raise KeyTaken
    row = connection.execute(sa.select(_table).where(_table.c.dedupe_key == mine.key)).first()
    if row is not None:
        mine.code, mine.judged, mine.offer = (
            row.code,
            GOOD if row.judged == "order" else row.judged,
            row.offer,
        )
    return replace(_verdict(connection, definitions, (), {}, mine, shared), kept=True, already=True)


def _takes_over(came: Sequence[Came], known: Mapping[str, Any], mine: Came) -> bool:
    """Tell whether a redemption would count in the place of one that counted: it is told late of an earlier hour."""
    before = {key for key, row in known.items() if row.judged == GOOD and row.code == mine.code}
    return mine.judged == GOOD and any(one.key in before and one.judged == "again" for one in came)


def _verdict(
    connection: sa.Connection,
    definitions: Definitions,
    came: Sequence[Came],
    known: Mapping[str, Any],
    mine: Came,
    shared: Mapping[str, Shared],
) -> Verdict:
    offer = _offers(definitions).get(mine.offer or "")
    ends_at = connection.execute(sa.select(_codes.c.ends_at).where(_codes.c.code == mine.code)).scalar()
    if ends_at is None and mine.code in shared and len(shared[mine.code].promises) == 1:
        promise = shared[mine.code].promises[0]
        ends_at = promise.ends_at(mine.at) if not isinstance(promise.offer.ends, Duration) else None
    return Verdict(
        mine.code,
        "again" if _takes_over(came, known, mine) else mine.judged,
        mistyped=mine.judged == "unknown" and _mistyped(mine.code),
        offer=mine.offer,
        gives=offer.gives if offer else None,
        ends_at=None if ends_at is None else from_micros(ends_at),
    )


def _offers(definitions: Definitions) -> dict[str, Offer]:
    found = {one.id: one.offer for one in definitions.campaigns.values() if one.offer}
    for flow in definitions.flows.values():
        found |= {f"{flow.id}.{step.name}": step.offer for step in send_steps(flow) if step.offer}
    return found


def _mistyped(code: str) -> bool:
    """Tell whether a code looks like one of ours and its check does not fit: the signs after the last that is none of ours."""
    last = max((place for place, sign in enumerate(code.upper()) if sign not in SIGNS), default=-1)
    tail = code.upper()[last + 1 :]
    return len(tail) >= SHORTEST and not checks_out(tail)
