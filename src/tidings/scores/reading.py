"""What customers did before a cut-off, and whether they did it after: one statement for a span of customers.

Everything in the columns of features happened before the cut-off, on the border included in the answer alone. Events
of people who were erased, and of visitors who are nobody's, are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.customers.alive import alive
from tidings.definitions.workspace import Definitions
from tidings.scores.features import RESPONSES, Source
from tidings.scores.times import DAY, Cut
from tidings.segments.properties import property_value
from tidings.store.tables import answers, people, sending

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

_customers, _events = people.customers, people.events
# So many ids are looked at by one statement: some tens of megabytes.
SPAN = 20_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is read: traces of `sources` in the currency of the workspace; `did` is what the answer is about.

    `members` limits the customers (one column of ids); `share` (0 … 1) takes that part of them, by the number that each
    was given when they came.
    """

    sources: tuple[Source, ...]
    did: str
    currency: str
    columns: tuple[str, ...]
    members: sa.Select[tuple[int]] | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Customers with history at a cut-off: their ids, the columns read of them, whether they did it after (0 or 1)."""

    ids: NDArray[np.int64]
    read: dict[str, Column]
    did: Column


def name_ids(connection: sa.Connection) -> dict[str, int]:
    """Return the number of every event name that ever came in."""
    names = people.event_names
    return {row.name: row.id for row in connection.execute(sa.select(names.c.name, names.c.id))}


def begins(connection: sa.Connection, sources: tuple[Source, ...]) -> int | None:
    """Return the instant of the first event that features are made of, of a known customer; None when there is none."""
    ids = name_ids(connection)
    known = [ids[one.event] for one in sources if one.listed and one.event in ids]
    if not known:
        return None
    firsts = [
        connection.execute(
            sa.select(sa.func.min(_events.c.occurred_at)).where(_events.c.name_id == one)
        ).scalar()
        for one in known
    ]
    return min((int(one) for one in firsts if one is not None), default=None)


def last_id(connection: sa.Connection) -> int:
    """Return the highest id of a customer, 0 when there is nobody."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_customers.c.id), 0))).scalar_one())


def spans(last: int, size: int = SPAN) -> Iterator[tuple[int, int]]:
    """Yield pairs of first and last id, both included, up to the last."""
    for first in range(1, last + 1, size):
        yield first, min(first + size - 1, last)


def read_rows(
    connection: sa.Connection, question: Question, cut: Cut, names: dict[str, int], first: int, last: int
) -> Rows:
    """Return the rows of the customers in a span of ids."""
    import numpy as np

    statement = statement_of(question, cut, names, first, last)
    found = connection.execute(statement).all() if statement is not None else []
    values = np.array([tuple(row) for row in found], dtype=np.float64).reshape(
        len(found), len(question.columns) + 2
    )
    return Rows(
        values[:, 0].astype(np.int64),
        {name: values[:, place + 2] for place, name in enumerate(question.columns)},
        values[:, 1],
    )


def read_all(
    connection: sa.Connection, question: Question, cut: Cut, names: dict[str, int], last: int
) -> Rows:
    """Return the rows of all customers, read a span at a time."""
    import numpy as np

    parts = [read_rows(connection, question, cut, names, *span) for span in spans(last)]
    parts = parts or [read_rows(connection, question, cut, names, 0, 0)]
    return Rows(
        np.concatenate([one.ids for one in parts]),
        {name: np.concatenate([one.read[name] for one in parts]) for name in question.columns},
        np.concatenate([one.did for one in parts]),
    )


def statement_of(
    question: Question, cut: Cut, names: dict[str, int], first: int, last: int
) -> sa.Select[Any] | None:
    """Return the one statement: id, whether they did it, then the columns in order; None when no event ever came in."""
    own = [names[one.event] for one in question.sources if one.event in names]
    if not own:
        return None
    parts = [_traces(question, cut, names, own, first, last), _answers(question, cut, names, first, last)]
    if "items" in question.columns:
        parts.append(_items(question, cut, own, first, last))
    if "sent" in question.columns:
        parts.append(_sent(question, cut, first, last))
    if {"opened", "clicked", "last_clicked"} & set(question.columns):
        parts.append(_responses(question, cut, first, last))
    # Put below one another and then together, never joined: a database that knows nothing yet of such sums joins them row by row.
    wanted = ("own", "did", *question.columns)
    below = sa.union_all(*(_padded(one, wanted) for one in parts)).subquery("parts")
    together = (
        sa.select(below.c.customer_id, *(sa.func.max(below.c[name]).label(name) for name in wanted))
        .group_by(below.c.customer_id)
        .having(sa.func.max(below.c.own) > 0)
        .subquery("together")
    )
    chosen = (
        sa.select(
            together.c.customer_id,
            sa.func.coalesce(together.c.did, 0.0),
            *(together.c[name] for name in question.columns),
        )
        .join(_customers, _customers.c.id == together.c.customer_id)
        .where(alive())
        .order_by(together.c.customer_id)
    )
    if question.members is not None:
        chosen = chosen.where(together.c.customer_id.in_(question.members))
    return chosen


def _padded(part: sa.Select[Any], wanted: tuple[str, ...]) -> sa.Select[Any]:
    """Return a part with every column that is wanted, NULL where it has none of that name."""
    found = part.subquery()
    nothing: sa.ColumnElement[Any] = sa.cast(sa.null(), sa.Double())
    return sa.select(
        found.c.customer_id,
        *(found.c.get(name, nothing).label(name) for name in wanted),
    )


def _drawn(share: float) -> sa.ColumnElement[bool]:
    """Return the condition that a customer is in the part that is trained on: stable, and the same on every database."""
    parts = 10_000
    return (_customers.c.u % parts + parts) % parts < sa.literal(max(int(share * parts), 1), sa.BigInteger())


def _span(column: sa.ColumnElement[Any], question: Question, first: int, last: int) -> sa.ColumnElement[bool]:
    """Return the condition that a customer is read: within the span, and drawn where only a part of them is.

    It stands in every part: whoever is not drawn is not added up first and thrown away after.
    """
    within = (sa.literal(first, sa.BigInteger()), sa.literal(last, sa.BigInteger()))
    if question.share >= 1:
        return column.between(*within)
    drawn = sa.select(_customers.c.id).where(_customers.c.id.between(*within), _drawn(question.share))
    return column.in_(drawn)


def _before(column: sa.ColumnElement[Any], cut: Cut) -> sa.ColumnElement[bool]:
    return sa.and_(column >= cut.opens, column < cut.at)


def _traces(
    question: Question, cut: Cut, names: dict[str, int], own: list[int], first: int, last: int
) -> sa.Select[Any]:
    """Return one row a customer with the sums of their events before the cut-off."""
    at, kind = _events.c.occurred_at, _events.c.name_id
    in_currency = sa.or_(_events.c.currency == question.currency, _events.c.currency.is_(None))
    money = sa.and_(_events.c.amount.is_not(None), in_currency)
    listed = [names[one.event] for one in question.sources if one.listed and one.event in names]
    columns: dict[str, sa.ColumnElement[Any]] = {
        "own": sa.func.sum(sa.case((kind.in_(listed), 1), else_=0)),
        "first": sa.func.min(sa.case((kind.in_(own), at))),
    }
    read, counted = set(question.columns), set(own)

    def put(name: str, value: sa.ColumnElement[Any]) -> None:
        if name in read:
            columns[name] = value

    categories: list[int] = []
    for one in question.sources:
        # A number that no event has: nothing of it ever came in.
        number = names.get(one.event, 0)
        mine = kind == number
        put(f"last:{one.event}", sa.func.max(sa.case((mine, at))))
        put(f"first:{one.event}", sa.func.min(sa.case((mine, at))))
        gross = sa.case((sa.and_(mine, money), _events.c.amount), else_=0)
        put(f"gross:{one.event}", sa.func.sum(gross))
        put(f"priced:{one.event}", sa.func.sum(sa.case((sa.and_(mine, money), 1), else_=0)))
        net = gross
        if one.returns and one.returns in names:
            back = kind == names[one.returns]
            counted.add(names[one.returns])
            # A shop writes a return as a positive or as a negative amount; taken off it is in both cases.
            net = sa.case(
                (sa.and_(mine, money), _events.c.amount),
                (sa.and_(back, money), -sa.func.abs(_events.c.amount)),
                else_=0,
            )
        put(f"net:{one.event}", sa.func.sum(net))
        if one.category:
            categories.append(number)
    for name in question.columns:
        if name.startswith("count:"):
            _, event, *days = name.split(":")
            mine = kind == names.get(event, 0)
            if days:
                mine = sa.and_(mine, at >= cut.at - int(days[0]) * DAY)
            put(name, sa.func.sum(sa.case((mine, 1), else_=0)))
    if "categories" in read:
        category = property_value(_events.c.properties, "category", "text")
        put("categories", sa.func.count(sa.distinct(sa.case((kind.in_(categories), category)))))
    return (
        sa.select(
            _events.c.customer_id,
            *(sa.cast(value, sa.Double()).label(name) for name, value in columns.items()),
        )
        .where(
            _span(_events.c.customer_id, question, first, last), kind.in_(sorted(counted)), _before(at, cut)
        )
        .group_by(_events.c.customer_id)
    )


def _answers(question: Question, cut: Cut, names: dict[str, int], first: int, last: int) -> sa.Select[Any]:
    """Return who did it in [cut-off, end)."""
    did = question.did
    responses = answers.responses
    if did in RESPONSES and did not in names:
        whom, at = responses.c.customer_id, responses.c.at
        own = sa.and_(responses.c.kind == did, responses.c.judged == "human")
    else:
        whom, at = _events.c.customer_id, _events.c.occurred_at
        own = _events.c.name_id == names.get(did, 0)
    return (
        sa.select(whom.label("customer_id"), sa.cast(sa.literal(1.0), sa.Double()).label("did"))
        .where(_span(whom, question, first, last), own, at >= cut.at, at < cut.closes)
        .group_by(whom)
    )


def _items(question: Question, cut: Cut, own: list[int], first: int, last: int) -> sa.Select[Any]:
    lines = people.event_items
    return (
        sa.select(
            _events.c.customer_id,
            sa.cast(sa.func.count(sa.distinct(lines.c.item)), sa.Double()).label("items"),
        )
        .join(lines, lines.c.event_id == _events.c.id)
        .where(
            _span(_events.c.customer_id, question, first, last),
            _events.c.name_id.in_(own),
            _before(_events.c.occurred_at, cut),
        )
        .group_by(_events.c.customer_id)
    )


def _sent(question: Question, cut: Cut, first: int, last: int) -> sa.Select[Any]:
    messages = sending.messages
    return (
        sa.select(messages.c.customer_id, sa.cast(sa.func.count(), sa.Double()).label("sent"))
        .where(_span(messages.c.customer_id, question, first, last), _before(messages.c.accepted_at, cut))
        .group_by(messages.c.customer_id)
    )


def _responses(question: Question, cut: Cut, first: int, last: int) -> sa.Select[Any]:
    """Return opens and clicks of people; those of programs are no act of the customer."""
    rows = answers.responses

    def messages(kind: str) -> sa.ColumnElement[Any]:
        # Looking at the same letter five times is one opening.
        return sa.func.count(sa.distinct(sa.case((rows.c.kind == kind, rows.c.message_id))))

    return (
        sa.select(
            rows.c.customer_id,
            sa.cast(messages("opened"), sa.Double()).label("opened"),
            sa.cast(messages("clicked"), sa.Double()).label("clicked"),
            sa.cast(sa.func.max(sa.case((rows.c.kind == "clicked", rows.c.at))), sa.Double()).label(
                "last_clicked"
            ),
        )
        .where(
            _span(rows.c.customer_id, question, first, last),
            rows.c.judged == "human",
            rows.c.kind.in_(("opened", "clicked")),
            _before(rows.c.at, cut),
        )
        .group_by(rows.c.customer_id)
    )


def question_currency(definitions: Definitions) -> str:
    """Return the currency that amounts are read in; those in another are left out, never added up."""
    return definitions.workspace.currency
