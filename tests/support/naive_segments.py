"""A second opinion on membership: definitions read literally, one customer at a time, no SQL.

Written from the docstrings of the definitions alone. Days are told by turning instants into local dates, sums are
exact fractions, months are counted one by one: none of it shares a line with the compiler.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tidings.definitions import conditions as c
from tidings.definitions import values as v
from tidings.definitions.kinds.rules import FIXED_COLUMNS, Attributes, Events
from tidings.definitions.kinds.segment import Segment

_PLACES = {"JPY": 0, "KWD": 3}


@dataclass
class Happening:
    name: str
    at: datetime
    amount: int | None = None
    currency: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    items: list[str] = field(default_factory=list)


@dataclass
class Receipt:
    """What a provider said about the message number so and so of a person; `part` names one of several of it."""

    message: int
    kind: str
    at: datetime
    part: str | None = None


@dataclass
class Person:
    id: int
    fixed: dict[str, str | None]
    attributes: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, set[str]] = field(default_factory=dict)
    events: list[Happening] = field(default_factory=list)
    listed_in: set[str] = field(default_factory=set)
    receipts: list[Receipt] = field(default_factory=list)
    erased: bool = False


@dataclass
class World:
    people: list[Person] = field(repr=False)
    attributes: Attributes
    events: Events
    currency: str
    segments: Mapping[str, Segment]
    now: datetime
    zone: ZoneInfo
    scores: dict[str, dict[int, float]] = field(default_factory=dict)
    # Who a rank keeps is one answer for everybody, found once for each moment.
    kept: dict[tuple[Any, ...], set[int]] = field(default_factory=dict, repr=False)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def members(self, where: tuple[c.Condition, ...], except_: tuple[c.Condition, ...] = ()) -> set[int]:
        return {
            person.id for person in self.people if not person.erased and self.fits(person, where, except_)
        }

    def fits(
        self, person: Person, where: tuple[c.Condition, ...], except_: tuple[c.Condition, ...] = ()
    ) -> bool:
        return all(self.meets(person, one) for one in where) and not any(
            self.meets(person, one) for one in except_
        )

    def meets(self, person: Person, one: c.Condition) -> bool:
        if isinstance(one, c.AllOfThese):
            return all(self.meets(person, part) for part in one.parts)
        if isinstance(one, c.AnyOfThese):
            return any(self.meets(person, part) for part in one.parts)
        if isinstance(one, c.NoneOfThese):
            return not any(self.meets(person, part) for part in one.parts)
        if isinstance(one, c.SegmentCondition):
            segment = self.segments[one.segment]
            if segment.members == "listed":
                return segment.id in person.listed_in
            if segment.rank is not None:
                return person.id in self.ranked(segment)
            return self.fits(person, segment.where, segment.except_)
        if isinstance(one, c.DidCondition):
            return self.did(person, one) is not one.negated
        name = one.attribute
        if name in FIXED_COLUMNS:
            return self.passes(person.fixed.get(name), one.test)
        declared = self.attributes.get(name)
        assert declared is not None
        if declared.type == "list":
            return self.some_pass(person.lists.get(name, set()), one.test)
        value = person.attributes.get(name)
        if declared.type == "money" and value is not None:
            value = (value, declared.currency)
        return self.passes(value, one.test)

    def ranked(self, segment: Segment) -> set[int]:
        """Those left after where and except, put in order one by one until enough are kept."""
        assert segment.rank is not None
        known = (id(segment), self.now, self.zone)
        if known not in self.kept:
            left = [
                one
                for one in self.people
                if not one.erased and self.fits(one, segment.where, segment.except_)
            ]
            best: list[tuple[Any, int]] = []
            for person in left:
                value = self.ranked_by(person, segment.rank.by)
                if value is not None:
                    place = 0
                    while place < len(best) and (
                        best[place][0] > value or (best[place][0] == value and best[place][1] < person.id)
                    ):
                        place += 1
                    best.insert(place, (value, person.id))
            keep = segment.rank.keep
            if isinstance(keep, v.Share):
                # A part of a customer is a whole one.
                exactly = Fraction(keep.basis_points, 10_000) * len(left)
                keep = exactly.numerator // exactly.denominator + (exactly.denominator > 1)
            self.kept[known] = {number for _, number in best[:keep]}
        return self.kept[known]

    def ranked_by(self, person: Person, by: str) -> Any:
        if self.attributes.get(by) is not None:
            return person.attributes.get(by)
        return self.scores.get(by, {}).get(person.id)

    def some_pass(self, values: Any, test: v.Test) -> bool:
        if isinstance(test, v.Not):
            return not self.some_pass(values, test.test)
        if isinstance(test, v.Known):
            return bool(values)
        if isinstance(test, v.Unknown):
            return not values
        if isinstance(test, v.AllOf):
            return set(test.values) <= set(values)
        return any(self.passes(value, test) for value in values)

    def heard(self, person: Person, name: str) -> list[datetime]:
        """When each message of a person was delivered (whole), bounced or was reported, as far as anybody said so."""
        kind = {"spam_reported": "complained"}.get(name, name)
        found = []
        for message in {one.message for one in person.receipts}:
            about = [one for one in person.receipts if one.message == message]
            said = [one for one in about if one.kind == kind]
            parts = {one.part for one in about if one.part}
            told = {one.part for one in said if one.part}
            if kind == "delivered" and not any(one.part is None for one in said) and told < parts:
                continue
            if said:
                whole = max if kind == "delivered" and len(told) > 1 else min
                found.append(whole(one.at for one in said))
        return found

    def did(self, person: Person, one: c.DidCondition) -> bool:
        if one.event in ("delivered", "bounced", "spam_reported"):
            at = [
                at for at in self.heard(person, one.event) if at <= self.now and self.inside(at, one.window)
            ]
            return one.times.least <= len(at) and (one.times.most is None or len(at) <= one.times.most)
        event = self.events.get(one.event)
        assert event is not None
        kinds = {declared.name: declared.type for declared in event.properties}
        counted = []
        for happened in person.events:
            if (
                happened.name != one.event
                or happened.at > self.now
                or not self.inside(happened.at, one.window)
            ):
                continue
            if all(
                self.property_passes(happened, name, kinds, event.revenue, test) for name, test in one.with_
            ):
                counted.append(happened)
        often = one.times.least <= len(counted) and (one.times.most is None or len(counted) <= one.times.most)
        if one.measure is None or not often:
            return often
        values = [self.read(happened, one.measure.property, kinds, event.revenue) for happened in counted]
        test = one.measure.test
        money = kinds[one.measure.property] == "money"
        own = next(
            declared.currency for declared in event.properties if declared.name == one.measure.property
        )
        currency = (self.currency_of(test) or own or self.currency) if money else ""
        if money:
            numbers = [Fraction(value[0]) for value in values if value and value[1] == currency]
        else:
            numbers = [Fraction(Decimal(repr(value))) for value in values if value is not None]
        result: Fraction | None
        if one.measure.how == "total":
            result = sum(numbers, Fraction(0))
        elif not numbers:
            result = None
        elif one.measure.how == "average":
            result = sum(numbers, Fraction(0)) / len(numbers)
        else:
            result = max(numbers)
        return self.passes(
            (result, currency) if money and result is not None else result, test, currency or None
        )

    def currency_of(self, test: v.Test) -> str | None:
        if isinstance(test, v.Not):
            return self.currency_of(test.test)
        return getattr(test, "currency", None)

    def inside(self, at: datetime, window: c.WithinLast | c.BetweenDays | None) -> bool:
        if window is None:
            return True
        if isinstance(window, c.BetweenDays):
            return window.first <= at.astimezone(self.zone).date() <= window.last
        if window.duration.unit in (v.Unit.HOUR, v.Unit.MINUTE):
            return self.now - at <= exact(window.duration)
        return at.astimezone(self.zone).date() >= step(self.today, window.duration, -1)

    def read(self, happened: Happening, name: str, kinds: dict[str, str], revenue: str | None) -> Any:
        value = happened.amount if name == revenue else happened.properties.get(name)
        if value is None or kinds[name] != "money":
            return value
        return (value, happened.currency)

    def property_passes(
        self, happened: Happening, name: str, kinds: dict[str, str], revenue: str | None, test: v.Test
    ) -> bool:
        if name == "item":
            return self.some_pass(happened.items, test)
        event = self.events.get(happened.name)
        own = next((one.currency for one in event.properties if one.name == name), None)
        return self.passes(self.read(happened, name, kinds, revenue), test, own)

    def passes(self, value: Any, test: v.Test, own: str | None = None) -> bool:
        if isinstance(test, v.Not):
            return not self.passes(value, test.test, own)
        if isinstance(test, v.Known):
            return value is not None
        if isinstance(test, v.Unknown):
            return value is None
        if value is None:
            return False
        if isinstance(test, v.OneOf):
            return any(self.passes(value, v.Is(one), own) for one in test.values)
        if isinstance(test, v.AllOf):
            return all(self.passes(value, v.Is(one), own) for one in test.values)
        if isinstance(test, v.Is):
            return self.stands(value, test.value, own, lambda a, b: a == b)
        if isinstance(test, v.TextMatch):
            found = {
                "starts with": value.startswith,
                "ends with": value.endswith,
                "contains": value.__contains__,
            }
            return bool(found[test.place.value](test.text))
        if isinstance(test, v.Compared):
            return self.stands(value, test.value, test.currency or own, ORDERS[test.order])
        if isinstance(test, v.Between):
            return self.stands(
                value, test.low, test.currency or own, ORDERS[v.Order.AT_LEAST]
            ) and self.stands(value, test.high, test.currency or own, ORDERS[v.Order.AT_MOST])
        if isinstance(test, v.Anniversary):
            return self.has_anniversary(value, test.days)
        return self.relates(value, test)

    def stands(self, value: Any, limit: Any, currency: str | None, compare: Any) -> bool:
        if isinstance(value, tuple):
            minor, own = value
            if own != (currency or self.currency):
                return False
            return bool(compare(Fraction(minor) / 10 ** _PLACES.get(own, 2), Fraction(limit)))
        if isinstance(value, datetime):
            if isinstance(limit, datetime):
                return bool(
                    compare(value, limit if limit.tzinfo else limit.replace(tzinfo=self.zone).astimezone(UTC))
                )
            return bool(compare(value.astimezone(self.zone).date(), limit))
        if isinstance(value, date):
            return bool(compare(value, limit.date() if isinstance(limit, datetime) else limit))
        if isinstance(value, float | Fraction) and isinstance(limit, int | Decimal):
            exactly = Fraction(Decimal(repr(value))) if isinstance(value, float) else value
            return bool(compare(exactly, Fraction(limit)))
        return bool(compare(value, limit))

    def relates(self, value: Any, test: v.RelativeDate) -> bool:
        past = test.relation in (v.DateRelation.IN_THE_LAST, v.DateRelation.MORE_THAN_AGO)
        within = test.relation in (v.DateRelation.IN_THE_LAST, v.DateRelation.IN_THE_NEXT)
        if test.duration.unit in (v.Unit.HOUR, v.Unit.MINUTE):
            border: Any = self.now - exact(test.duration) if past else self.now + exact(test.duration)
            here: Any = self.now
            if not isinstance(value, datetime):
                border, here = border.astimezone(self.zone).date(), self.today
            return self.between(value, border, here, past, within)
        border = step(self.today, test.duration, -1 if past else 1)
        if not isinstance(value, datetime):
            return self.between(value, border, self.today, past, within)
        local = value.astimezone(self.zone).date()
        if within:
            on_this_side = value <= self.now if past else value >= self.now
            return on_this_side and (local >= border if past else local <= border)
        return local < border if past else local > border

    @staticmethod
    def between(value: Any, border: Any, here: Any, past: bool, within: bool) -> bool:
        if within:
            return bool(border <= value <= here) if past else bool(here <= value <= border)
        return bool(value < border) if past else bool(value > border)

    def has_anniversary(self, value: Any, days: int) -> bool:
        born = value.astimezone(self.zone).date() if isinstance(value, datetime) else value
        for ahead in range(days + 1):
            day = self.today + timedelta(days=ahead)
            celebrated = (
                28 if (born.month, born.day) == (2, 29) and not calendar.isleap(day.year) else born.day
            )
            if (day.month, day.day) == (born.month, celebrated):
                return True
        return False


ORDERS = {
    v.Order.AT_LEAST: lambda a, b: a >= b,
    v.Order.AT_MOST: lambda a, b: a <= b,
    v.Order.MORE_THAN: lambda a, b: a > b,
    v.Order.LESS_THAN: lambda a, b: a < b,
}


def exact(duration: v.Duration) -> timedelta:
    return (
        timedelta(hours=duration.amount)
        if duration.unit is v.Unit.HOUR
        else timedelta(minutes=duration.amount)
    )


def step(day: date, duration: v.Duration, direction: int) -> date:
    """Count days one by one, months one by one on the first of the month, then clip the day."""
    if duration.unit in (v.Unit.DAY, v.Unit.WEEK):
        days = duration.amount * (7 if duration.unit is v.Unit.WEEK else 1)
        return date.fromordinal(day.toordinal() + direction * days)
    first = day.replace(day=1)
    for _ in range(duration.amount * (12 if duration.unit is v.Unit.YEAR else 1)):
        first = (
            (first + timedelta(days=31)).replace(day=1)
            if direction > 0
            else (first - timedelta(days=1)).replace(day=1)
        )
    return first.replace(day=min(day.day, calendar.monthrange(first.year, first.month)[1]))
