"""Conditions on what a customer did: events and responses, how often, when, with what, worth how much.

Each becomes one seek per customer on the index (customer, name, instant, amount): measured level with or ahead of
grouping all events first, on both databases, unless the event is very rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions import values as v
from tidings.definitions.conditions import BetweenDays, DidCondition, Measure, WithinLast
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, RECORDED_RESPONSES, REDEEMED, Event
from tidings.errors import Position
from tidings.segments.comparing import Clause, Value, complement, holds
from tidings.segments.days import after_micros, first_micros, shift_day, shift_instant
from tidings.segments.having import customers, has_any, item_rows
from tidings.segments.heard import heard_at
from tidings.segments.properties import property_value
from tidings.segments.redeemed import COUNTS, redeemed_value, redemptions
from tidings.segments.scope import Scope, refused
from tidings.store.tables import answers, people, sending

events = people.events
# Numbers are summed as whole millionths: exact in a double up to nine thousand million, in whatever order.
_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the happenings of a name stand, and which rows are its own."""

    table: sa.Table
    customer: sa.ColumnElement[int]
    at: sa.ColumnElement[int]
    own: tuple[Clause, ...]
    event: Event | None = None


def did(condition: DidCondition, scope: Scope) -> Clause:
    """Return the condition that the customer did it so often, or its complement when negated. Never NULL."""
    source = _source(condition, scope)
    counted = [
        *source.own,
        *_window(condition, source.at, scope),
        *event_tests(source.event, condition.with_, scope, at=condition.at),
        *_of_journey(condition, source, scope),
    ]
    least, most = max(condition.times.least, 0), condition.times.most
    if condition.measure is not None:
        clause = _measured(condition, condition.measure, source, counted, scope)
    elif most is None and least <= 1:
        clause = _exists(source, counted, scope) if least else sa.true()
    elif most == 0 and least == 0:
        clause = sa.not_(_exists(source, counted, scope))
    else:
        number = _one(source, counted, sa.func.count(), scope)
        clause = number >= least if most is None else number.between(least, most)
    return complement(clause) if condition.negated else clause


def event_tests(
    event: Event | None,
    with_: tuple[tuple[str, v.Test], ...],
    scope: Scope,
    *,
    at: Position | None = None,
) -> list[Clause]:
    """Return the conditions of a `with:` on rows of `events`, one a line; goals use them too. Of `redeemed`, on rows of `redemptions`.

    Amounts compare within one currency, the written one, else that of the property or the workspace: an event in another
    passes no comparison. `item` looks at the lines of an order unless the event declares a property of that name.
    """
    clauses = []
    for name, test in with_:
        if name == "item" and event not in (None, REDEEMED) and event.property("item") is None:
            clauses.append(has_any(item_rows(), test, scope, name, at))
        else:
            clauses.append(holds(_property(event, name, at), test, scope))
    return clauses


def named(event: str) -> Clause:
    """Return the condition that a row of `events` has this name; nothing has a name that never came in."""
    names = people.event_names
    return (
        events.c.name_id
        == sa.select(names.c.id).where(names.c.name == event).correlate(None).scalar_subquery()
    )


def _source(condition: DidCondition, scope: Scope) -> _Source:
    event = scope.events.get(condition.event)
    if event is not None:
        return _Source(events, events.c.customer_id, events.c.occurred_at, (named(event.name),), event)
    responses, messages = answers.responses, sending.messages
    own: tuple[Clause, ...]
    match condition.event:
        case "sent":
            own = (messages.c.accepted_at.is_not(None),)
            return _Source(messages, messages.c.customer_id, messages.c.accepted_at, own)
        case "opened" | "clicked" | "replied":
            # Machines open and click too; what a rule judged as one is no act of the customer.
            own = (responses.c.kind == condition.event, responses.c.judged != "machine")
            return _Source(responses, responses.c.customer_id, responses.c.at, own)
        case "delivered" | "bounced" | "spam_reported":
            at = heard_at(condition.event)
            return _Source(messages, messages.c.customer_id, at, (at.is_not(None),))
        case REDEEMED.name:
            return _Source(redemptions, redemptions.c.customer_id, redemptions.c.at, (COUNTS,), REDEEMED)
        case "unsubscribed":
            own = (responses.c.kind == condition.event,)
            return _Source(responses, responses.c.customer_id, responses.c.at, own)
        case name if name in BUILT_IN_RESPONSES:
            raise refused(
                f'segments cannot select by "{name}"',
                condition.at,
                f"they can by {', '.join(RECORDED_RESPONSES)}, and by every event of config/events.yaml",
            )
        case name:
            raise refused(
                f'"{name}" is not an event of config/events.yaml', condition.at, "declare it there first"
            )


def _property(event: Event | None, name: str, at: Position | None, rows: sa.FromClause = events) -> Value:
    if event is REDEEMED:
        return redeemed_value(name, at)
    declared = event.property(name) if event else None
    if event is None or declared is None:
        raise refused(
            f'{event.name if event else "a response"} has no property "{name}"',
            at,
            "declare it in config/events.yaml",
        )
    if declared.type == "money":
        amount = rows.c.amount if name == event.revenue else property_value(rows.c.properties, name, "money")
        return Value(amount, "money", name, currency=declared.currency, currency_sql=rows.c.currency, at=at)
    sql = property_value(rows.c.properties, name, declared.type)
    return Value(sql, declared.type, name, iso=declared.type == "date", at=at)


def _window(condition: DidCondition, at: sa.ColumnElement[int], scope: Scope) -> list[Clause]:
    """Return the borders in time. What is dated after now never counts."""
    now, today = to_micros(scope.now), scope.today
    match condition.window:
        case None:
            return [at <= now]
        case WithinLast(duration):
            first = (
                shift_instant(scope.now, duration, -1)
                if duration.unit.exact
                else first_micros(shift_day(today, duration, -1), scope.zone)
            )
            return [at.between(first, now)]
        case BetweenDays(first_day, last_day):
            last = min(after_micros(last_day, scope.zone) - 1, now)
            return [at.between(first_micros(first_day, scope.zone), last)]


def about_subject(event: Event | None, scope: Scope) -> list[Clause]:
    """Return the condition that a row of `events` is about the subject of the journey, where the event says what it is about."""
    journey = scope.journey
    if event is None or journey is None or journey.subject is None or event.property(journey.each) is None:
        return []
    value = _property(event, journey.each, None)
    return [as_text(value.sql, value.type) == journey.subject]


def as_text(value: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[str]:
    """Return a property of an event as the text that tells journeys of one customer apart."""
    if kind == "flag":
        return sa.case((value.is_(sa.true()), "true"), (value.is_(sa.false()), "false"))
    if kind == "number":
        whole = sa.cast(value, sa.BigInteger)
        return sa.case((value == whole, sa.cast(whole, sa.Text)), else_=sa.cast(value, sa.Text))
    return sa.cast(value, sa.Text)


def property_of(event: Event, name: str, rows: sa.FromClause, at: Position | None = None) -> Value:
    """Return a declared property of an event out of `rows`, the table of events or an alias of it."""
    return _property(event, name, at, rows)


def _of_journey(condition: DidCondition, source: _Source, scope: Scope) -> list[Clause]:
    """Return what a flow adds: events count since the journey began, and only those about its subject."""
    journey = scope.journey
    if journey is None:
        return []
    since: list[Clause] = []
    if condition.window is None and journey.since is not None:
        since = [source.at >= journey.since]
    return [*since, *about_subject(source.event, scope)]


def _around(scope: Scope) -> tuple[sa.FromClause, ...]:
    return (customers, *(scope.journey.tables if scope.journey else ()))


def _exists(source: _Source, counted: list[Clause], scope: Scope) -> Clause:
    return sa.exists(
        sa.select(sa.literal_column("1"))
        .select_from(source.table)
        .where(source.customer == customers.c.id, *counted)
        .correlate(*_around(scope))
    )


def _one(
    source: _Source, counted: list[Clause], what: sa.ColumnElement[Any], scope: Scope
) -> sa.ColumnElement[Any]:
    return (
        sa.select(what)
        .select_from(source.table)
        .where(source.customer == customers.c.id, *counted)
        .correlate(*_around(scope))
        .scalar_subquery()
    )


def _measured(
    condition: DidCondition, measure: Measure, source: _Source, counted: list[Clause], scope: Scope
) -> Clause:
    """Return the condition that count and total (or average, largest) pass their tests, from one seek."""
    value = _property(source.event, measure.property, condition.at)
    if value.type not in ("money", "number"):
        raise refused(
            f'"{measure.property}" is of type {value.type}: there is no {measure.how} of it', condition.at
        )
    known: sa.ColumnElement[Any] = value.sql
    currency = None
    if value.type == "money":
        currency = _written_currency(measure.test) or value.currency or scope.currency
        if currency is None:
            raise refused(
                f'no currency is known for "{measure.property}"',
                condition.at,
                "write one, such as 500 EUR",
            )
        # Other currencies are left out, never added up.
        assert value.currency_sql is not None
        known = sa.case((value.currency_sql == currency, value.sql))
    summed: sa.ColumnElement[Any]
    if measure.how == "largest":
        summed = sa.func.max(known)
    elif value.type == "money":
        summed = sa.func.coalesce(sa.func.sum(known), 0)
        if measure.how == "average":
            summed = sa.cast(sa.func.sum(known), sa.Double()) / sa.func.count(known)
    else:
        parts = sa.func.sum(sa.func.round(known * float(_PARTS)))
        summed = sa.func.coalesce(parts, 0.0) / float(_PARTS)
        if measure.how == "average":
            summed = parts / (sa.func.count(known) * float(_PARTS))
    result = Value(
        summed,
        value.type,
        f"{measure.how} of {measure.property}",
        currency=currency,
        fractional=measure.how == "average",
        at=value.at,
    )
    number = sa.func.count()
    clauses: list[Clause] = [holds(result, measure.test, scope)]
    least, most = condition.times.least, condition.times.most
    if least > 0:
        clauses.append(number >= least)
    if most is not None:
        clauses.append(number <= most)
    # A test that nothing passes shrinks to a constant; the count beside it keeps this one row a customer.
    return _one(source, counted, sa.case((sa.and_(*clauses), number >= 0), else_=sa.false()), scope)


def _written_currency(test: v.Test) -> str | None:
    match test:
        case v.Not(inner):
            return _written_currency(inner)
        case v.Compared(currency=currency) | v.Between(currency=currency):
            return currency
        case _:
            return None
