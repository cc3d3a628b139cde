"""A definition compiled to ONE select with the same members on SQLite and PostgreSQL.

Every value is a bound parameter; table, column and property names come from the vocabulary alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from tidings.customers.alive import alive
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
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Known, Not, Test, Unknown
from tidings.segments.comparing import Clause, either, every, holds, none_of
from tidings.segments.doing import did, property_of
from tidings.segments.having import attribute_holds, customers, needs_attributes, stored_membership
from tidings.segments.ranking import Order, highest, is_score, order_of
from tidings.segments.scope import Scope, refused
from tidings.store.vocabulary import attributes_table


@dataclass(slots=True)
class Compiled:
    """Conditions as one clause over one row a customer, and the tables it needs beside `customers`.

    Comparisons of the attribute `turned` come out as they would not for an unknown value: what that changes
    is what the unknown value causes.
    """

    scope: Scope
    attributes: sa.Table
    turned: str | None = None
    did_turn: bool = False
    used: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    @classmethod
    def under(cls, scope: Scope) -> Compiled:
        """Return the start of a statement in a scope."""
        return cls(scope, attributes_table(scope.attributes))

    @property
    def rows(self) -> sa.FromClause:
        """One row a customer: with the attributes beside it when one of them is used."""
        if not any(name in self.attributes.c for name in self.used if needs_attributes(name)):
            return customers
        return customers.outerjoin(self.attributes, self.attributes.c.customer_id == customers.c.id)

    def members(self, where: Sequence[Condition], except_: Sequence[Condition] = ()) -> Clause:
        """Return the clause that everything under `where` holds and nothing under `except` does."""
        clauses = [self.clause(one) for one in where]
        if except_:
            clauses.append(none_of([self.clause(one) for one in except_]))
        return every(clauses)

    def clause(self, condition: Condition) -> Clause:
        """Return one condition as a clause; where it is NULL it does not hold."""
        match condition:
            case AttributeCondition(name, test):
                if name not in self.used:
                    self.used.append(name)
                if name == self.turned and (answer := _when_unknown(test)) is not None:
                    self.did_turn = True
                    return sa.false() if answer else sa.true()
                return attribute_holds(condition, self.scope, self.attributes)
            case StartPropertyCondition():
                return self._of_start(condition)
            case DidCondition():
                return did(condition, self.scope)
            case SegmentCondition(name):
                return self._reference(name, condition)
            case AllOfThese(parts):
                return every([self.clause(one) for one in parts])
            case AnyOfThese(parts):
                return either([self.clause(one) for one in parts])
            case NoneOfThese(parts):
                return none_of([self.clause(one) for one in parts])

    def _of_start(self, condition: StartPropertyCondition) -> Clause:
        event = self.scope.events.get(condition.event)
        rows = self.scope.journey.event if self.scope.journey is not None else None
        if event is None or rows is None:
            raise refused(
                f'"{condition.property}" belongs to an event that starts a flow, and none does here',
                condition.at,
            )
        return holds(property_of(event, condition.property, rows, condition.at), condition.test, self.scope)

    def _reference(self, name: str, condition: SegmentCondition) -> Clause:
        inline = self.scope.inline
        if inline is None:
            return stored_membership(name)
        if name not in inline:
            raise refused(f'there is no segment "{name}"', condition.at)
        if name in self.inside:
            circle = " → ".join([*self.inside[self.inside.index(name) :], name])
            raise refused(f"these segments refer to each other in a circle: {circle}", condition.at)
        return self.of_segment(inline[name])

    def of_segment(self, segment: Segment) -> Clause:
        """Return the clause that a customer is in a segment, by its rules as they are now; a listed one reads its members."""
        if segment.members == "listed":
            return stored_membership(segment.id)
        if segment.rank is not None:
            order, left = self.ranked(segment)
            return customers.c.id.in_(highest(order, segment.rank, left))
        self.inside.append(segment.id)
        clause = self.members(segment.where, segment.except_)
        self.inside.pop()
        return clause

    def ranked(self, segment: Segment) -> tuple[Order, Clause]:
        """Return what a segment with a rank puts in order, and the clause of those left after `where` and `except`.

        They stand in a select of their own, which looks at all customers and is of no journey.
        """
        assert segment.rank is not None
        inner = Compiled(
            replace(self.scope, journey=None),
            self.attributes,
            self.turned,
            used=self.used,
            inside=self.inside,
        )
        inner.inside.append(segment.id)
        left = inner.members(segment.where, segment.except_)
        inner.inside.pop()
        self.did_turn = self.did_turn or inner.did_turn
        if not is_score(segment.rank, self.scope) and segment.rank.by not in self.used:
            self.used.append(segment.rank.by)
        return order_of(segment, segment.rank, self.scope, self.attributes, inner.rows), left


def _when_unknown(test: Test) -> bool | None:
    """Return how a comparison comes out for an unknown value; None for `known` and `unknown`, which ask for it."""
    match test:
        case Not(inner):
            answer = _when_unknown(inner)
            return None if answer is None else not answer
        case Known() | Unknown():
            return None
        case _:
            return False


def select_members(compiled: Compiled, clause: Clause) -> sa.Select[tuple[int]]:
    """Return the ids of the customers a clause holds for; whoever was erased is nobody's member."""
    return sa.select(customers.c.id).select_from(compiled.rows).where(alive(), clause).correlate(None)


def compile_conditions(
    conditions: Sequence[Condition], *, scope: Scope, except_: Sequence[Condition] = ()
) -> sa.Select[tuple[int]]:
    """Return one select of `customers.id`: all conditions hold and no line of `except_` does.

    Raises DefinitionErrors where a condition cannot be compiled (unknown name, wrong type, no currency).
    """
    compiled = Compiled.under(scope)
    return select_members(compiled, compiled.members(conditions, except_))


def compile_segment(segment: Segment, scope: Scope) -> sa.Select[tuple[int]]:
    """Return one select of the members of a segment; a listed one reads its stored members."""
    compiled = Compiled.under(scope)
    return select_members(compiled, segment_clause(compiled, segment))


def segment_clause(compiled: Compiled, segment: Segment) -> Clause:
    """Return the clause that a customer is in a segment."""
    return compiled.of_segment(segment)


__all__ = ["Compiled", "Scope", "compile_conditions", "compile_segment", "segment_clause", "select_members"]
