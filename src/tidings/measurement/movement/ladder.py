"""On which step of the ladder every customer stood at the start of a time and stands at its end: one statement.

Conditions on events and on what people answered are asked as of either instant. Attributes and addresses have no
history: their values of today count at both ends, which is said. Who was erased is in no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tidings.clock import to_micros
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    Condition,
    DidCondition,
    Measure,
    NoneOfThese,
    SegmentCondition,
    Times,
    WithinLast,
)
from tidings.definitions.kinds.measuring import Ladder, Rung
from tidings.definitions.values import Compared, Duration, Order, Unit
from tidings.definitions.workspace import Definitions
from tidings.measurement.movement.purchases import Integers, Trade, Truths
from tidings.measurement.movement.span import Span
from tidings.segments.comparing import Clause, either, every
from tidings.segments.compile import Compiled
from tidings.segments.having import customers
from tidings.segments.scope import Scope
from tidings.store.integers import read_integers
from tidings.store.tables import people

_YEAR = WithinLast(Duration(365, Unit.DAY))
# Before they were known, and on no step.
NOT_YET, NOWHERE = -1, 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Customers by id, the step of each at the two instants (1 the lowest; NOWHERE, NOT_YET), and who was active earlier.

    `once` is kept for those alone who come on an active step between the two.
    """

    ladder: Ladder
    customer: Integers
    before: NDArray[np.int8]
    after: NDArray[np.int8]
    once: Truths
    words: tuple[str, ...] = ()
    made_up: bool = False

    @property
    def active(self) -> Truths:
        """Which steps count as active, by their number from 1; the two others do not."""
        return np.array([False, *(one.active for one in self.ladder.rungs), False])


def default_ladder(trade: Trade) -> Ladder:
    """Return the ladder of a workspace that says none: known, lapsed, bought once, bought again, by purchases."""

    def bought(**more: Any) -> Condition:
        parts = tuple(DidCondition(one.name, **more) for one in trade.placed)
        return parts[0] if len(parts) == 1 else AnyOfThese(parts)

    return Ladder(
        (
            Rung("known", "Known, has not bought yet", (), active=False),
            Rung("lapsed", "Bought, but not within a year", (bought(),), active=False),
            Rung("one_time", "Bought once, within a year", (bought(window=_YEAR),)),
            Rung(
                "repeat",
                "Bought more than once, the last time within a year",
                (bought(window=_YEAR), bought(times=Times(2))),
            ),
        )
    )


def find_standing(connection: sa.Connection, definitions: Definitions, span: Span, trade: Trade) -> Standing:
    """Return where every customer stands at both ends of a time."""
    own = definitions.goals.ladder if definitions.goals is not None else None
    ladder = own or default_ladder(trade)
    scope = Scope.of(definitions, span.before, looking=True)
    start = Compiled.under(scope)
    end = Compiled(replace(scope, now=span.end), start.attributes, used=start.used)
    before, after = (_step(compiled, ladder) for compiled in (start, end))
    once = either(
        [every([start.clause(_ever(one)) for one in rung.where]) for rung in ladder.rungs if rung.active]
    )
    came = sa.and_(_there(start), once)
    statement = (
        sa.select(customers.c.id, before, after, sa.case((came, 1), else_=0))
        .select_from(start.rows)
        .where(customers.c.tombstoned_at.is_(None))
    )
    rows = read_integers(connection, statement, 4)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return Standing(
        ladder,
        customer=rows[:, 0],
        before=rows[:, 1].astype(np.int8),
        after=rows[:, 2].astype(np.int8),
        once=rows[:, 3] == 1,
        words=_words(definitions, ladder, start.used),
        made_up=own is None,
    )


def _step(compiled: Compiled, ladder: Ladder) -> sa.ColumnElement[int]:
    """Return the number of the highest step that fits; NOT_YET for whom nobody knew by then."""
    cases: list[tuple[Clause, int]] = [(sa.not_(_there(compiled)), NOT_YET)]
    for place in range(len(ladder.rungs), 0, -1):
        cases.append((compiled.members(ladder.rungs[place - 1].where), place))
    return sa.case(
        *[(clause, sa.literal_column(str(place))) for clause, place in cases], else_=sa.literal_column("0")
    )


def _there(compiled: Compiled) -> Clause:
    """Tell whether a customer was known by then: came into the store, or did something that was told later."""
    now = to_micros(compiled.scope.now)
    did = sa.exists(
        sa.select(sa.literal_column("1"))
        .select_from(people.events)
        .where(people.events.c.customer_id == customers.c.id, people.events.c.occurred_at <= now)
        .correlate(customers)
    )
    return sa.or_(customers.c.created_at <= now, did)


def _ever(condition: Condition) -> Condition:
    """Return a condition as one that holds once it has held at any time before: windows open, upper limits gone.

    What asks that something did not happen has held for everybody at some time. Attributes stay as they are today.
    """
    match condition:
        case DidCondition(negated=True):
            return AllOfThese(())
        case DidCondition(times=times, measure=measure, window=window):
            return replace(
                condition,
                times=Times(max(times.least, 0)),
                window=None if isinstance(window, WithinLast) else window,
                measure=measure if measure is not None and _grows(measure) else None,
            )
        case AllOfThese(parts):
            return AllOfThese(tuple(_ever(one) for one in parts))
        case AnyOfThese(parts):
            return AnyOfThese(tuple(_ever(one) for one in parts))
        case NoneOfThese():
            return AllOfThese(())
        case _:
            return condition


def _grows(measure: Measure) -> bool:
    """Tell whether a sum or largest that passed the test passes it for ever once windows are open."""
    at_least = isinstance(measure.test, Compared) and measure.test.order in (Order.AT_LEAST, Order.MORE_THAN)
    return measure.how != "average" and at_least


def _words(definitions: Definitions, ladder: Ladder, used: Sequence[str]) -> tuple[str, ...]:
    said = []
    if used:
        names = ", ".join(dict.fromkeys(used))
        said.append(f"Steps go by {names} as they are today: earlier values are not kept.")
    listed = {
        one.segment
        for rung in ladder.rungs
        for one in _leaves(rung.where)
        if isinstance(one, SegmentCondition)
        and (found := definitions.segments.get(one.segment)) is not None
        and found.members == "listed"
    }
    if listed:
        said.append(f"The lists {', '.join(sorted(listed))} count as they are today.")
    return tuple(said)


def _leaves(conditions: Sequence[Condition]) -> list[Condition]:
    found: list[Condition] = []
    for one in conditions:
        if isinstance(one, AllOfThese | AnyOfThese | NoneOfThese):
            found += _leaves(one.parts)
        else:
            found.append(one)
    return found
