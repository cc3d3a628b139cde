"""How many people a segment drops or keeps only because something about them is not known.

`country: RU` drops who has no country, `country: not RU` keeps them. Counted is whoever would be judged the other way
if the conditions on that one attribute, and no others, had come out the other way. A rank keeps nobody whose value it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tidings.customers.alive import alive
from tidings.definitions.conditions import AttributeCondition
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Unknown
from tidings.segments.compile import Compiled, segment_clause
from tidings.segments.ranking import without_value
from tidings.segments.scope import Scope


@dataclass(frozen=True, slots=True)
class UnknownCount:
    """Of one attribute that is unknown: how many customers are out because of it, and how many in."""

    attribute: str
    dropped: int
    kept: int

    def sentence(self) -> str:
        """Return the counts as one line for people."""
        parts = []
        if self.dropped:
            parts.append(f"{self.dropped:,} left out")
        if self.kept:
            parts.append(f"{self.kept:,} let in")
        return f"{' and '.join(parts) or 'nobody affected'} because {self.attribute} is unknown"


def unknown_counts(connection: sa.Connection, segment: Segment, scope: Scope) -> list[UnknownCount]:
    """Return the counts for every attribute that a segment compares, without those that affect nobody."""
    compiled = Compiled.under(scope)
    asked = segment_clause(compiled, segment)
    found = []
    for name in compiled.used:
        other = Compiled(scope, compiled.attributes, turned=name)
        turned = segment_clause(other, segment)
        if not other.did_turn:
            continue
        unknown = other.clause(AttributeCondition(name, Unknown()))
        was, would_be = asked.is_(sa.true()), turned.is_(sa.true())
        row = connection.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(sa.case((was, 0), else_=1)), 0),
                sa.func.coalesce(sa.func.sum(sa.case((was, 1), else_=0)), 0),
            )
            .select_from(compiled.rows)
            .where(alive(), unknown, was != would_be)
        ).one()
        if any(row):
            found.append(UnknownCount(name, int(row[0]), int(row[1])))
    if segment.rank is not None and segment.members != "listed":
        order, left = Compiled.under(scope).ranked(segment)
        if dropped := connection.execute(without_value(order, left)).scalar_one():
            found.append(UnknownCount(segment.rank.by, int(dropped), 0))
    return found
