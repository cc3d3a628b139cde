"""The tree that `where`, `except`, `any`, `all` and `none` become."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from tidings.definitions.values import Duration, Test
from tidings.errors import Position


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """A fixed column or a declared attribute of the customer passes a test."""

    attribute: str
    test: Test
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StartPropertyCondition:
    """A property of the event that started the flow (or of the latest such event) passes a test.

    Only conditions of flows have it. `event` names the event, whose declaration says the property's type.
    """

    event: str
    property: str
    test: Test
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Times:
    """How many events: from `least` to `most`, both included; `most` None means no upper limit."""

    least: int = 1
    most: int | None = None


@dataclass(frozen=True, slots=True)
class WithinLast:
    """Looks back from now: calendar days on the workspace clock, exact hours and minutes."""

    duration: Duration


@dataclass(frozen=True, slots=True)
class BetweenDays:
    """From the first minute of `first` through the last of `last`, on the workspace clock."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class DidCondition:
    """The customer did (or, negated, did not do) an event so many times in a window.

    The events counted are those of the name, not after now, in the window, whose properties pass `with_`.
    Zero events count as zero. With `measure`, the sum, average or largest of a property over
    those events must pass its test as well; over no events it is 0 for a sum and unknown for the other two.
    `negated` is the plain complement of the whole.
    """

    event: str
    times: Times = Times()
    window: WithinLast | BetweenDays | None = None
    with_: tuple[tuple[str, Test], ...] = ()
    measure: Measure | None = None
    negated: bool = False
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Measure:
    """`total`, `average` or `largest` of a numeric or money property over the events counted."""

    how: str
    property: str
    test: Test


@dataclass(frozen=True, slots=True)
class SegmentCondition:
    """The customer is a stored member of another segment."""

    segment: str
    at: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AllOfThese:
    """Every part holds; an empty one holds for everybody."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOfThese:
    """At least one part holds; an empty one holds for nobody."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NoneOfThese:
    """No part holds: the complement, so unknown is included."""

    parts: tuple[Condition, ...]


Condition = (
    AttributeCondition
    | StartPropertyCondition
    | DidCondition
    | SegmentCondition
    | AllOfThese
    | AnyOfThese
    | NoneOfThese
)
