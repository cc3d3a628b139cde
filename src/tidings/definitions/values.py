"""Typed values that phrases become: durations, money, shares, local times and tests on a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

Scalar = str | int | Decimal | bool | date | datetime


class Unit(StrEnum):
    """Units of a length of time. Minutes and hours are exact; days and longer are calendar days."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def exact(self) -> bool:
        """Tell whether the unit is a fixed number of seconds."""
        return self in (Unit.MINUTE, Unit.HOUR)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time as written, such as `14 days`; `amount` is positive."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}{'s' if self.amount != 1 else ''}"


# Single messages cost parts of the minor unit: what is spent is counted in millionths of it.
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of an ISO 4217 currency."""

    minor: int
    currency: str

    @property
    def millionths(self) -> int:
        """Return the amount in millionths of the minor unit."""
        return self.minor * MILLION


@dataclass(frozen=True, slots=True)
class Price:
    """What one of many costs, in millionths of the minor unit: a text message costs parts of a cent."""

    millionths: int
    currency: str


@dataclass(frozen=True, slots=True)
class Share:
    """A percentage as parts of 10,000, so that 12.5 % is 1250 and arithmetic stays in integers."""

    basis_points: int

    def __str__(self) -> str:
        return f"{self.basis_points / 100:g}%"


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A wall-clock moment without a zone: the workspace clock, or the recipient's, gives it one."""

    value: datetime


# Tests on one value. A comparison never holds for an unknown value; Not is the complement and includes unknown.


@dataclass(frozen=True, slots=True)
class Is:
    """Equal to the one value."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equal to any of the values; on a list attribute: has any of them."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """A list attribute has every one of the values."""

    values: tuple[Scalar, ...]


class Order(StrEnum):
    """How a value is compared."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    MORE_THAN = "more than"
    LESS_THAN = "less than"


@dataclass(frozen=True, slots=True)
class Compared:
    """Compared with a number, an amount of money (`currency` set when written) or a date."""

    order: Order
    value: Decimal | date | datetime
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """From low to high, both included; a date without hour in `high` is included through its end."""

    low: Decimal | date | datetime
    high: Decimal | date | datetime
    currency: str | None = None


class TextPlace(StrEnum):
    """Where a text is looked for."""

    STARTS = "starts with"
    ENDS = "ends with"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A text attribute starts with, ends with or contains a text (case as written)."""

    place: TextPlace
    text: str


class DateRelation(StrEnum):
    """How a date stands to now.

    In calendar days `in the last 30 days` is today − 30 … today and `more than 30 days ago` is before
    today − 30, so the two never overlap and leave no gap.
    """

    MORE_THAN_AGO = "more than … ago"
    IN_THE_LAST = "in the last"
    IN_THE_NEXT = "in the next"
    MORE_THAN_FROM_NOW = "more than … from now"


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """A date or instant attribute relative to now."""

    relation: DateRelation
    duration: Duration


@dataclass(frozen=True, slots=True)
class Anniversary:
    """The day and month of a date fall today (`days` = 0) or within the next `days` days; 29 Feb counts on 28 Feb."""

    days: int


@dataclass(frozen=True, slots=True)
class Known:
    """A value is there."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No value is there."""


@dataclass(frozen=True, slots=True)
class Not:
    """The complement of a test: holds for unknown values too."""

    test: Test


Test = (
    Is | OneOf | AllOf | Compared | Between | TextMatch | RelativeDate | Anniversary | Known | Unknown | Not
)
