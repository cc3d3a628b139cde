"""What a sender asks the ledger before a claim: which messages are due, and what the gate says of each of them.

The statements are put together once for all senders whose rules are the same, and their rows come as the driver gives
them: to compile one takes longer than a batch of a thousand does, and for that SQLAlchemy's way there and back costs as
much as the database itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from tidings.customers.knowing import listed, one_of
from tidings.customers.permission import address_columns
from tidings.customers.zones import area_column
from tidings.delivery import gate
from tidings.delivery.work import Job
from tidings.store.quick import Asked, dialect_of, driver_of
from tidings.store.tables import people, sending

T = TypeVar("T")

_messages = sending.messages
_NOW: sa.BindParameter[int] = sa.bindparam("now", type_=sa.BigInteger)


class Candidate(NamedTuple):
    """One message that is due, with what the gate says of it (`code`, None for nothing against it) and whom it goes to.

    `area` is the postal area of the customer where the channel has hours, empty otherwise.
    """

    code: str | None
    id: int
    customer_id: int
    variant: str | None
    step: str
    attempt: int
    version: int
    key: str
    locale: str | None
    address: str
    enrolment_id: int
    due_at: int
    expires_at: int | None
    area: str | None


_first = itemgetter(0)
# As `Candidate._make` does, which counts the columns of each row again.
_candidate = partial(tuple.__new__, Candidate)


class Asking:
    """The questions of one job; used by one thread at a time, on connections of one store."""

    def __init__(self, job: Job) -> None:
        self._alike = _Alike(job)
        self._of_job = {
            "run_id": job.run_id,
            "channel": job.channel,
            "of_version": job.version,
            "from_id": job.first,
        }

    def due(self, connection: Asked, *, after: int, now: int, limit: int) -> tuple[int, ...]:
        """Return up to `limit` ids above `after` of messages that are due, in order."""
        asked = _due(self._alike, dialect_of(connection))
        return tuple(
            asked.all(connection, {**self._of_job, "after": after, "now": now, "limit": limit}, _first)
        )

    def judged(self, connection: Asked, *, after: int, now: int, limit: int) -> list[Candidate]:
        """Return what `due` and then `candidates` would, in one look at an unchanged state."""
        asked = _judged(self._alike, dialect_of(connection))
        return asked.all(connection, {**self._of_job, "after": after, "now": now, "limit": limit}, _candidate)

    def candidates(self, connection: sa.Connection, found: Sequence[int], now: int) -> list[Candidate]:
        """Return those of the messages found that are still due, in order, each with what the gate says of it.

        On PostgreSQL they are locked, passing over those that another sender is looking at.
        """
        dialect = connection.dialect.name
        asked = _candidates(self._alike, dialect, spanned=is_span(found))
        return asked.all(connection, {**self._of_job, **given(dialect, found), "now": now}, _candidate)


class Question:
    """A statement compiled once for a dialect and then given to the driver as it is; it may also be one that writes.

    For values and results of numbers and texts alone: what a driver returns is what the statement's types would be.
    `columns`: those that an INSERT names.
    """

    def __init__(
        self, statement: sa.ClauseElement, dialect: str, columns: Sequence[str] | None = None
    ) -> None:
        self._compiled: Any = statement.compile(dialect=_dialect(dialect), column_keys=columns)
        # The text with its lists written out, the values that are always the same, and the names in the order of the text.
        self._ready: tuple[str, dict[str, Any], Sequence[str] | None] | None = None

    def all(self, connection: Asked, values: Mapping[str, Any], make: Callable[[Any], T]) -> list[T]:
        """Return what `make` makes of each row for these values, given by name; the same names each time."""
        text, bound = self._given(values)
        driver = driver_of(connection)
        if driver is not None:
            return list(map(make, driver.execute(text, bound)))
        assert isinstance(connection, sa.Connection)
        result = connection.exec_driver_sql(text, bound)
        cursor: Any = result.cursor
        try:
            # Rows of the result itself would cost more; and the driver's are gone again one by one.
            return list(map(make, cursor))
        finally:
            result.close()

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> None:
        """Execute the statement, which returns no rows, for these values, given by name; the same names each time."""
        text, bound = self._given(values)
        driver = driver_of(connection)
        if driver is not None:
            driver.execute(text, bound)
        else:
            connection.exec_driver_sql(text, bound)

    def _given(self, values: Mapping[str, Any]) -> tuple[str, Any]:
        if self._ready is None:
            state = self._compiled.construct_expanded_state(values, escape_names=False)
            self._ready = (state.statement, dict(state.parameters), state.positiontup)
        text, fixed, order = self._ready
        named = {**fixed, **values}
        return text, named if order is None else tuple([named[name] for name in order])


class _Alike:
    """What of a job the statements depend on: two that are equal share them.

    All terms, also those that no statement asks for today: a rule that were left out would be asked for one run and not for
    the next.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._of: Hashable = (job.kind, job.purpose, job.terms, job.steps, bool(job.first))

    def __eq__(self, other: object) -> bool:
        """Tell whether the same statements serve both."""
        return isinstance(other, _Alike) and self._of == other._of

    def __hash__(self) -> int:
        """Return what equal ones have in common."""
        return hash(self._of)


@lru_cache(maxsize=100)
def _due(alike: _Alike, dialect: str) -> Question:
    return Question(_due_statement(alike.job), dialect)


@lru_cache(maxsize=100)
def _judged(alike: _Alike, dialect: str) -> Question:
    return Question(_judged_statement(alike.job), dialect)


@lru_cache(maxsize=200)
def _candidates(alike: _Alike, dialect: str, *, spanned: bool) -> Question:
    return Question(_candidates_statement(alike.job, dialect, spanned=spanned), dialect)


@lru_cache
def _dialect(name: str) -> sa.Dialect:
    driver = {"sqlite": "pysqlite", "postgresql": "psycopg"}[name]
    dialect: sa.Dialect = sa.dialects.registry.load(f"{name}.{driver}")()
    return dialect


def is_span(ids: Sequence[int]) -> bool:
    """Tell whether ids are all those from the lowest to the highest, as those of a run mostly are."""
    return bool(ids) and max(ids) - min(ids) == len(set(ids)) - 1


def among(dialect: str, *, spanned: bool) -> sa.ColumnElement[bool]:
    """Return the condition that a message is one of those bound as `given`: found from the first to the last, or by a list."""
    if not spanned:
        return one_of(_messages.c.id, dialect)
    first, last = (sa.bindparam(name, type_=sa.BigInteger) for name in ("first_id", "last_id"))
    return _messages.c.id.between(first, last)


def given(dialect: str, ids: Sequence[int]) -> dict[str, object]:
    """Return the parameters of `among` for ids of which `is_span` says whether they are `spanned`."""
    return {"first_id": min(ids), "last_id": max(ids)} if is_span(ids) else listed(dialect, ids)


def _due_statement(job: Job) -> sa.Select[Any]:
    return _next_due(sa.select(_messages.c.id), job)


def _judged_statement(job: Job) -> sa.Select[Any]:
    return _next_due(_with_verdict(job), job)


def _next_due(statement: sa.Select[Any], job: Job) -> sa.Select[Any]:
    return (
        statement.where(
            _messages.c.run_id == sa.bindparam("run_id", job.run_id, type_=sa.BigInteger),
            _messages.c.id > sa.bindparam("after", type_=sa.BigInteger),
            *_is_due(job),
        )
        .order_by(_messages.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _candidates_statement(job: Job, dialect: str, *, spanned: bool) -> sa.Select[Any]:
    return (
        _with_verdict(job)
        .where(among(dialect, spanned=spanned), *_is_due(job))
        .order_by(_messages.c.id)
        .with_for_update(skip_locked=True, of=_messages)
    )


def _with_verdict(job: Job) -> sa.Select[Any]:
    customers = people.customers
    address, _ = address_columns(job.kind)
    area = area_column() if job.terms.window else sa.literal_column("''", sa.Text)
    # In the order of Candidate.
    return sa.select(
        gate.verdict(job, _NOW, claiming=True),
        _messages.c.id,
        _messages.c.customer_id,
        _messages.c.variant,
        _messages.c.step,
        _messages.c.attempt,
        _messages.c.version,
        customers.c.key,
        customers.c.locale,
        address,
        _messages.c.enrolment_id,
        _messages.c.due_at,
        _messages.c.expires_at,
        area,
    ).select_from(_messages.join(customers, customers.c.id == _messages.c.customer_id))


def _is_due(job: Job) -> tuple[sa.ColumnElement[bool], ...]:
    # The values of the job are given anew with each question.
    mine: list[sa.ColumnElement[bool]] = []
    if job.steps is not None:
        version = sa.bindparam("of_version", job.version, type_=sa.SmallInteger)
        mine += [_messages.c.version == version, _messages.c.step.in_(job.steps)]
    if job.first:
        mine.append(_messages.c.id >= sa.bindparam("from_id", job.first, type_=sa.BigInteger))
    return (
        _messages.c.channel == sa.bindparam("channel", job.channel, type_=sa.Text),
        _messages.c.state.in_(["planned", "deferred"]),
        _messages.c.due_at <= _NOW,
        *mine,
    )
