"""When a campaign goes out, how often, and how often to the same customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time

from tidings.definitions.values import Duration, Share, Test

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often: `unit` is day, week or month, `at` the hour on the campaign's clock.

    A week names its `weekdays` (0 is Monday). A month names a `day` (1 to 31; 31 is the last day of a shorter
    month; -1 always the last), or the `nth` of one weekday (1 to 4, -1 the last).
    """

    unit: str
    at: time
    weekdays: tuple[int, ...] = ()
    day: int | None = None
    nth: int | None = None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A campaign that comes again, from a day through a day; `on_holidays`: send, skip or next workday."""

    every: Rhythm
    first: date | datetime | None = None
    last: date | datetime | None = None
    on_holidays: str = "send"


@dataclass(frozen=True, slots=True)
class Again:
    """Whether the same customer gets a recurring campaign again.

    `how`: always, never, `after` (a length of time since the last one) or `each` (once for each of `each`, such as a contract).
    """

    how: str
    after: Duration | None = None
    each: str = ""


@dataclass(frozen=True, slots=True)
class SendBetween:
    """The hours in which messages may leave; the second is no longer one of them."""

    first: time
    last: time


@dataclass(frozen=True, slots=True)
class Pilot:
    """A part goes first: `on` a share or a number of units; the rest only if the test holds after `judge`.

    `measure` is what is counted: an event, or `orders` for the event of the goal.
    """

    on: Share | int
    judge: Duration
    measure: str
    test: Test


@dataclass(frozen=True, slots=True)
class WinnerTest:
    """A share gets the variants first; after `decide` the one with more of `by` goes to the rest."""

    on: Share
    decide: Duration
    by: str
    if_unclear: str | None = None


@dataclass(frozen=True, slots=True)
class Holidays:
    """config/holidays.yaml: days off by date, each with its name, and the weekend days that are worked in exchange.

    A workday of the list is one even where it is a day off in the same file or at the weekend.
    """

    days: Mapping[date, str] = field(default_factory=dict)
    workdays: frozenset[date] = frozenset()
