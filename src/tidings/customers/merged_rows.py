"""The rows that go with a customer who is merged into another, and come back when that was a mistake.

What somebody did, what they were sent and what they answered becomes the other's. An enrolment stays where the other has one
in the same run, or where something of it is still to go out: the ledger keeps one message a customer and step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tidings.store.tables import answers, journeys, money, people, sending

Condition = Callable[[int], sa.ColumnElement[bool]]
_moves = people.merge_moves
_enrolments, _messages, _journeys = sending.enrolments, sending.messages, journeys.journeys
# Messages that may still go out, or be decided to.
_OPEN = ("planned", "deferred", "claimed", "started", "in_doubt")
_ONE: sa.ColumnElement[int] = sa.literal_column("1")


def move(connection: sa.Connection, merge_id: int, customer_id: int, into_id: int) -> dict[str, int]:
    """Give the rows of a customer to another, remember which, and return how many of each table."""
    counts: dict[str, int] = {}
    for table, key, condition in _TABLES:
        which = sa.select(sa.literal(merge_id), sa.literal(table.name), key).where(
            table.c.customer_id == customer_id, condition(merge_id), *_free_to_go(table, into_id)
        )
        connection.execute(sa.insert(_moves).from_select(["merge_id", "what", "row_id"], which))
        counts[table.name] = _hand(connection, table, key, merge_id, customer_id, into_id)
    return {name: count for name, count in counts.items() if count}


def give_back(connection: sa.Connection, merge_id: int, customer_id: int, into_id: int) -> None:
    """Give the rows back that `move` took, as far as they are there still."""
    for table, key, _ in reversed(_TABLES):
        _hand(connection, table, key, merge_id, into_id, customer_id)


def _hand(
    connection: sa.Connection, table: sa.Table, key: sa.Column[int], merge_id: int, whose: int, whom: int
) -> int:
    return connection.execute(
        sa.update(table)
        .where(table.c.customer_id == whose, key.in_(_moved(table, merge_id)))
        .values(customer_id=whom)
    ).rowcount


def _moved(table: sa.Table, merge_id: int) -> sa.Select[Any]:
    return sa.select(_moves.c.row_id).where(_moves.c.merge_id == merge_id, _moves.c.what == table.name)


def _free_to_go(table: sa.Table, into_id: int) -> list[sa.ColumnElement[bool]]:
    if table is not _enrolments:
        return []
    theirs = _enrolments.alias("theirs")
    return [
        ~sa.select(_ONE)
        .where(theirs.c.run_id == _enrolments.c.run_id, theirs.c.customer_id == into_id)
        .correlate(_enrolments)
        .exists(),
        ~sa.select(_ONE)
        .where(_messages.c.enrolment_id == _enrolments.c.id, _messages.c.state.in_(_OPEN))
        .correlate(_enrolments)
        .exists(),
        ~sa.select(_ONE)
        .where(_journeys.c.enrolment_id == _enrolments.c.id, _journeys.c.state == "walking")
        .correlate(_enrolments)
        .exists(),
    ]


def _all(merge_id: int) -> sa.ColumnElement[bool]:
    return sa.true()


def _with(column: sa.Column[int], table: sa.Table) -> Condition:
    """Return the condition that a row belongs to one of another table that went, or to none."""
    return lambda merge_id: sa.or_(column.is_(None), column.in_(_moved(table, merge_id)))


# What others of them depend on comes first.
_TABLES: tuple[tuple[sa.Table, sa.Column[int], Condition], ...] = (
    (_enrolments, _enrolments.c.id, _all),
    (_messages, _messages.c.id, _with(_messages.c.enrolment_id, _enrolments)),
    (_journeys, _journeys.c.enrolment_id, _with(_journeys.c.enrolment_id, _enrolments)),
    (journeys.tasks, journeys.tasks.c.id, _with(journeys.tasks.c.enrolment_id, _enrolments)),
    (answers.responses, answers.responses.c.id, _with(answers.responses.c.message_id, _messages)),
    (answers.touches, answers.touches.c.id, _with(answers.touches.c.message_id, _messages)),
    (money.codes, money.codes.c.id, _with(money.codes.c.message_id, _messages)),
    (money.offers_given, money.offers_given.c.message_id, _with(money.offers_given.c.message_id, _messages)),
    (money.redemptions, money.redemptions.c.id, _all),
    (sending.cap_use, sending.cap_use.c.id, _all),
    (people.events, people.events.c.id, _all),
    (answers.conversions, answers.conversions.c.id, _all),
)
