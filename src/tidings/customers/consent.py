"""The consent ledger: append-only, and the latest entry speaks.

An entry is for a channel kind (email, sms, fax) and a purpose of config/policies.yaml, or for the purpose `all`, which
stands for every purpose on that channel. Entries for a single topic speak for messages of that topic alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.store.batches import insert_rows
from tidings.store.tables import people

ALL = "all"
STATES = ("granted", "withdrawn", "pending")


class ConsentRow(NamedTuple):
    """One entry. `at` is when the customer said it, `received_at` when we heard, both microseconds since 1970."""

    customer_id: int
    channel: str
    purpose: str
    state: str
    basis: str
    source: str
    at: int
    received_at: int
    topic: str | None = None
    artifact: str | None = None


def record(connection: sa.Connection, rows: Sequence[ConsentRow]) -> int:
    """Append entries to the ledger and return how many.

    An entry dated later than it was received is dated to its receipt: a wrong clock somewhere else must not outrank what the
    customer says afterwards. Raises ValueError for an unknown state.
    """
    if not rows:
        return 0
    for row in rows:
        if row.state not in STATES:
            raise ValueError(f"{row.state!r} is no state of consent; it is {', '.join(STATES)}")
    values = [row if row.at <= row.received_at else row._replace(at=row.received_at) for row in rows]
    values += _of_the_same_person(connection, values)
    return insert_rows(connection, people.consents, values, ConsentRow._fields)


def _of_the_same_person(connection: sa.Connection, rows: Sequence[ConsentRow]) -> list[ConsentRow]:
    """Return the withdrawals of those who were merged, for the customers they are now: a person says no once."""
    withdrawn = sorted({row.customer_id for row in rows if row.state == "withdrawn"})
    if not withdrawn:
        return []
    customers, dialect = people.customers, connection.dialect.name
    merged = sa.select(customers.c.id, customers.c.merged_into).where(
        one_of(customers.c.id, dialect), customers.c.merged_into.is_not(None)
    )
    found = dict(connection.execute(merged, listed(dialect, withdrawn)).all())
    return [
        row._replace(customer_id=found[row.customer_id])
        for row in rows
        if row.state == "withdrawn" and row.customer_id in found
    ]


def grant(
    connection: sa.Connection,
    customer_ids: Collection[int],
    channel_purpose: tuple[str, str],
    *,
    basis: str,
    source: str,
    now: int,
) -> int:
    """Append the same granted entry for many customers, in one statement, and return how many."""
    if not customer_ids:
        return 0
    values = (*channel_purpose, basis, source, now, now)
    into = (
        "INSERT INTO consents (customer_id, channel, purpose, state, basis, source, at, received_at) SELECT"
    )
    if connection.dialect.name == "postgresql":
        said = "%s::text, %s::text, 'granted', %s::text, %s::text, %s::bigint, %s::bigint"
        statement = f"{into} one, {said} FROM unnest(%s::bigint[]) AS one"
        return connection.exec_driver_sql(statement, (*values, list(customer_ids))).rowcount
    # A statement for each row costs three times as much: what most of its columns hold is the same for all.
    statement = f"{into} value, ?, ?, 'granted', ?, ?, ?, ? FROM json_each(?)"
    return connection.exec_driver_sql(statement, (*values, json.dumps(list(customer_ids)))).rowcount


def latest_consent(channel_kind: str, purpose: str, *, with_all: bool = True, topic: str = "") -> sa.Subquery:
    """Return the entry that speaks now for each customer: columns customer_id, purpose, state, basis, at.

    The latest of the entries for this purpose, for this topic of it and (unless `with_all` is False) for `all` wins;
    of two of the same instant, the one recorded later. Customers without an entry are not in it.
    """
    consents = people.consents
    ranked = (
        sa.select(
            consents.c.customer_id,
            consents.c.purpose,
            consents.c.state,
            consents.c.basis,
            consents.c.at,
            sa.func.row_number()
            .over(
                partition_by=consents.c.customer_id,
                order_by=(consents.c.at.desc(), consents.c.id.desc()),
            )
            .label("place"),
        )
        .where(_speaks(channel_kind, purpose, with_all, topic))
        .subquery("ranked_consents")
    )
    return (
        sa.select(ranked.c.customer_id, ranked.c.purpose, ranked.c.state, ranked.c.basis, ranked.c.at)
        .where(ranked.c.place == 1)
        .subquery("latest_consents")
    )


def latest_of_customer(
    channel_kind: str,
    purpose: str,
    value: Callable[[sa.FromClause], sa.ColumnElement[str]],
    *,
    with_all: bool = True,
    topic: str = "",
) -> sa.ColumnElement[str]:
    """Return `value` of the entry that speaks for the customer of the outer row, NULL without one.

    `value` makes an expression, never NULL, over the columns of an entry.
    """
    own = people.consents.alias("own_word")
    latest = _latest(own, channel_kind, purpose, value, topic)
    if not with_all or purpose == ALL:
        return latest.scalar_subquery()
    # Each of the two is the last of a stretch of the index. To sort the entries of both together costs more than all else
    # that is asked of a customer, and few ever speak of everything.
    general, newer = people.consents.alias("general_word"), people.consents.alias("newer_word")
    overruled = (
        sa.select(sa.literal_column("1"))
        .where(
            newer.c.customer_id == general.c.customer_id,
            _is_about(newer, channel_kind, purpose, topic),
            newer.c.at >= general.c.at,
            sa.or_(newer.c.at > general.c.at, newer.c.id > general.c.id),
        )
        .correlate(general)
        .exists()
    )
    above = _latest(general, channel_kind, ALL, value).where(~overruled)
    return sa.func.coalesce(above.scalar_subquery(), latest.scalar_subquery(), type_=sa.Text)


def _latest(
    entry: sa.FromClause,
    channel_kind: str,
    purpose: str,
    value: Callable[[sa.FromClause], sa.ColumnElement[str]],
    topic: str = "",
) -> sa.Select[Any]:
    return (
        sa.select(value(entry))
        .where(entry.c.customer_id == people.customers.c.id, _is_about(entry, channel_kind, purpose, topic))
        .order_by(entry.c.at.desc(), entry.c.id.desc())
        .limit(1)
        .correlate(people.customers)
    )


def _is_about(
    entry: sa.FromClause, channel_kind: str, purpose: str, topic: str = ""
) -> sa.ColumnElement[bool]:
    """Return the condition that an entry speaks for this purpose, or for this topic of it."""
    about: sa.ColumnElement[bool] = entry.c.topic.is_(None)
    if topic:
        about = sa.or_(about, entry.c.topic == sa.literal(topic, sa.Text))
    return sa.and_(
        entry.c.channel == sa.literal(channel_kind, sa.Text),
        entry.c.purpose == sa.literal(purpose, sa.Text),
        about,
    )


def _speaks(channel_kind: str, purpose: str, with_all: bool, topic: str = "") -> sa.ColumnElement[bool]:
    consents = people.consents
    spoken = {purpose, ALL} if with_all else {purpose}
    about: sa.ColumnElement[bool] = consents.c.topic.is_(None)
    if topic:
        of_topic = sa.and_(consents.c.purpose == purpose, consents.c.topic == sa.literal(topic, sa.Text))
        about = sa.or_(about, of_topic)
    return sa.and_(
        consents.c.channel == sa.literal(channel_kind, sa.Text),
        consents.c.purpose.in_(sorted(spoken)),
        about,
    )


def latest_states(
    connection: sa.Connection, channel_kind: str, purpose: str, customer_ids: Collection[int]
) -> dict[int, str]:
    """Return the state that speaks now of each of these customers (one chunk of them) who said anything."""
    consents = people.consents
    rows = connection.execute(
        sa.select(consents.c.customer_id, consents.c.state)
        .where(
            one_of(consents.c.customer_id, connection.dialect.name),
            _speaks(channel_kind, purpose, with_all=True),
        )
        .order_by(consents.c.customer_id, consents.c.at, consents.c.id),
        listed(connection.dialect.name, customer_ids),
    )
    # The last of a customer's rows stays.
    return dict(rows.all())


def without_basis(
    connection: sa.Connection, channel_purpose: tuple[str, str], basis: str, customer_ids: Collection[int]
) -> list[int]:
    """Return those of the customers who never agreed to the purpose on this basis."""
    if not customer_ids:
        return []
    consents, (channel, purpose) = people.consents, channel_purpose
    agreed = set(
        connection.execute(
            sa.select(consents.c.customer_id).where(
                one_of(consents.c.customer_id, connection.dialect.name),
                consents.c.channel == channel,
                consents.c.purpose == purpose,
                consents.c.basis == basis,
                consents.c.state == "granted",
            ),
            listed(connection.dialect.name, customer_ids),
        ).scalars()
    )
    return [one for one in customer_ids if one not in agreed]
