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
    sorted_goods = [names[one.event] for one in question.sources if one.category and one.event in names]
    if "categories" in question.columns and sorted_goods:
        parts.append(_categories(question, cut, sorted_goods, first, last))
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


def _of_kinds(kinds: list[int]) -> sa.ColumnElement[bool]:
    """Return the condition that an event is of one of these kinds, in a form for which no index of kinds is looked up.

    Such an index would be gone through from end to end for every span of customers, each time for a few of its events.
    """
    return (_events.c.name_id + 0).in_(kinds)


def _before(column: sa.ColumnElement[Any], cut: Cut) -> sa.ColumnElement[bool]:
    return sa.and_(column >= cut.opens, column < cut.at)


def _traces(
    question: Question, cut: Cut, names: dict[str, int], own: list[int], first: int, last: int
) -> sa.Select[Any]:
    """Return one row a customer with the sums of their events before the cut-off.

    Events are added up by customer and name first, which is the order of an index that holds all that is looked at here; what
    the columns take of them is then chosen among a few sums instead of once more for every event.
    """
    listed = [names[one.event] for one in question.sources if one.listed and one.event in names]
    returned = [names[one.returns] for one in question.sources if one.returns and one.returns in names]
    windows = sorted({int(one.split(":")[2]) for one in question.columns if one.count(":") == 2})
    each = _by_name(question, cut, sorted({*own, *returned}), windows, first, last)
    kind = each.c.name_id
    columns: dict[str, sa.ColumnElement[Any]] = {
        "own": sa.func.sum(sa.case((kind.in_(listed), each.c.times), else_=0)),
        "first": sa.func.min(sa.case((kind.in_(own), each.c.first))),
    }
    read = set(question.columns)

    def put(name: str, value: sa.ColumnElement[Any]) -> None:
        if name in read:
            columns[name] = value

    for one in question.sources:
        # A number that no event has: nothing of it ever came in.
        mine = kind == names.get(one.event, 0)
        put(f"last:{one.event}", sa.func.max(sa.case((mine, each.c.last))))
        put(f"first:{one.event}", sa.func.min(sa.case((mine, each.c.first))))
        put(f"gross:{one.event}", sa.func.sum(sa.case((mine, each.c.gross), else_=0)))
        put(f"priced:{one.event}", sa.func.sum(sa.case((mine, each.c.priced), else_=0)))
        net: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]] = [(mine, each.c.gross)]
        if one.returns and one.returns in names:
            # A shop writes a return as a positive or as a negative amount; taken off it is in both cases.
            net.append((kind == names[one.returns], -each.c.absolute))
        put(f"net:{one.event}", sa.func.sum(sa.case(*net, else_=0)))
    for name in question.columns:
        if name.startswith("count:"):
            _, event, *days = name.split(":")
            times = each.c[f"times_{days[0]}"] if days else each.c.times
            put(name, sa.func.sum(sa.case((kind == names.get(event, 0), times), else_=0)))
    return sa.select(
        each.c.customer_id,
        *(sa.cast(value, sa.Double()).label(name) for name, value in columns.items()),
    ).group_by(each.c.customer_id)


def _by_name(
    question: Question, cut: Cut, kinds: list[int], windows: list[int], first: int, last: int
) -> sa.Subquery:
    """Return what customers did of each kind of event before the cut-off: when, how often, and what it was worth."""
    at, amount = _events.c.occurred_at, _events.c.amount
    in_currency = sa.or_(_events.c.currency == question.currency, _events.c.currency.is_(None))
    money = sa.and_(amount.is_not(None), in_currency)
    return (
        sa.select(
            _events.c.customer_id,
            _events.c.name_id,
            sa.func.count().label("times"),
            sa.func.min(at).label("first"),
            sa.func.max(at).label("last"),
            sa.func.sum(sa.case((money, amount), else_=0)).label("gross"),
            sa.func.sum(sa.case((money, sa.func.abs(amount)), else_=0)).label("absolute"),
            sa.func.sum(sa.case((money, 1), else_=0)).label("priced"),
            *(
                sa.func.sum(sa.case((at >= cut.at - days * DAY, 1), else_=0)).label(f"times_{days}")
                for days in windows
            ),
        )
        .where(
            _span(_events.c.customer_id, question, first, last),
            _of_kinds(kinds),
            _before(at, cut),
        )
        .group_by(_events.c.customer_id, _events.c.name_id)
        .subquery("each")
    )


def _categories(question: Question, cut: Cut, kinds: list[int], first: int, last: int) -> sa.Select[Any]:
    """Return how many different categories were bought; the one part for which the JSON of events is opened."""
    category = property_value(_events.c.properties, "category", "text")
    return (
        sa.select(
            _events.c.customer_id,
            sa.cast(sa.func.count(sa.distinct(category)), sa.Double()).label("categories"),
        )
        .where(
            _span(_events.c.customer_id, question, first, last),
            _of_kinds(kinds),
            _before(_events.c.occurred_at, cut),
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
        own = _of_kinds([names.get(did, 0)])
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
            _of_kinds(own),
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
