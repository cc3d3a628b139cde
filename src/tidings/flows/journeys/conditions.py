"""The conditions of a flow as SQL over the journeys that are asked now, and in words for the history of a journey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from tidings.definitions import values as v
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    Condition,
    DidCondition,
    NoneOfThese,
    SegmentCondition,
    StartPropertyCondition,
)
from tidings.definitions.kinds.flow import Flow
from tidings.segments.compile import Compiled
from tidings.segments.having import customers
from tidings.segments.scope import Journey, Scope
from tidings.store.tables import people, sending

Clause = sa.ColumnElement[bool]
start = people.events.alias("start_event")


@dataclass(slots=True)
class Asked:
    """The rows of a statement that asks journeys: `due` (columns of journeys) beside enrolment, customer and what else is used.

    `compiled` collects what the conditions need; read `rows` last.
    """

    flow: Flow
    scope: Scope
    due: sa.Subquery
    compiled: Compiled
    needs_start: bool = False

    @classmethod
    def of(cls, flow: Flow, scope: Scope, due: sa.Subquery) -> Asked:
        """Return the rows of journeys that `due` selects."""
        return cls(flow, scope, due, Compiled.under(scope))

    def before_every_step(self, conditions: Iterable[Condition]) -> list[Clause]:
        """Return conditions of `leave_when`: what the customer did counts from the entry on."""
        return self._clauses(conditions, sending.enrolments.c.anchor_at)

    def once(self, conditions: Iterable[Condition]) -> list[Clause]:
        """Return conditions of `when`: they mean what they mean in segments."""
        return self._clauses(conditions, None)

    def attribute(self, name: str) -> sa.ColumnElement[str]:
        """Return the column of a declared attribute."""
        if name not in self.compiled.used:
            self.compiled.used.append(name)
        column: sa.ColumnElement[str] = self.compiled.attributes.c[name]
        return column

    @property
    def rows(self) -> sa.FromClause:
        """One row a journey."""
        enrolments = sending.enrolments
        rows: sa.FromClause = self.due.join(enrolments, enrolments.c.id == self.due.c.enrolment_id).join(
            customers, customers.c.id == self.due.c.customer_id
        )
        if self.compiled.rows is not customers:
            attributes = self.compiled.attributes
            rows = rows.outerjoin(attributes, attributes.c.customer_id == customers.c.id)
        if self.needs_start:
            rows = rows.outerjoin(start, start.c.id == self.due.c.event_id)
        return rows

    def _clauses(self, conditions: Iterable[Condition], since: sa.ColumnElement[int] | None) -> list[Clause]:
        conditions = tuple(conditions)
        if any(isinstance(one, StartPropertyCondition) for one in parts(conditions)):
            self.needs_start = True
        again = self.flow.again
        self.compiled.scope = replace(
            self.scope,
            journey=Journey(
                event=start,
                since=since,
                each=again.each,
                subject=self.due.c.subject if again.how == "each" else None,
                tables=(self.due, sending.enrolments),
            ),
        )
        return [self.compiled.clause(one) for one in conditions]


def parts(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield every condition with all that stand inside it."""
    for one in conditions:
        yield one
        if isinstance(one, AllOfThese | AnyOfThese | NoneOfThese):
            yield from parts(one.parts)


def words(condition: Condition) -> str:
    """Return a condition in a few words of the definition, such as `did order_placed`."""
    match condition:
        case AttributeCondition(name, test) | StartPropertyCondition(_, name, test):
            return f"{name}: {_test(test)}"
        case DidCondition(event=event, negated=negated):
            return f"{'did_not' if negated else 'did'}: {event}"
        case SegmentCondition(name):
            return f"segment: {name}"
        case AllOfThese(inside):
            return " and ".join(words(one) for one in inside)
        case AnyOfThese(inside):
            return f"any of ({', '.join(words(one) for one in inside)})"
        case NoneOfThese(inside):
            return f"none of ({', '.join(words(one) for one in inside)})"


def _test(test: v.Test) -> str:
    match test:
        case v.Is(value):
            return _value(value)
        case v.OneOf(wanted):
            return f"[{', '.join(_value(one) for one in wanted)}]"
        case v.AllOf(wanted):
            return f"all of [{', '.join(_value(one) for one in wanted)}]"
        case v.Compared(order, value, currency):
            return " ".join(filter(None, (str(order), _value(value), currency)))
        case v.Between(low, high, currency):
            return " ".join(filter(None, ("between", _value(low), "and", _value(high), currency)))
        case v.TextMatch(place, text):
            return f"{place} {text}"
        case v.RelativeDate(relation, duration):
            said = str(relation)
            return said.replace("…", str(duration)) if "…" in said else f"{said} {duration}"
        case v.Anniversary(days):
            return f"anniversary in the next {days} days" if days else "anniversary today"
        case v.Known():
            return "known"
        case v.Unknown():
            return "unknown"
        case v.Not(inner):
            return f"not {_test(inner)}"


def _value(value: v.Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
