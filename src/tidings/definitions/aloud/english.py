"""Definitions in an English sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from tidings.definitions.aloud.names import Names, amount, day_of, equal_shares, figure, hour_of
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    BetweenDays,
    Condition,
    DidCondition,
    NoneOfThese,
    SegmentCondition,
    StartPropertyCondition,
    Times,
    WithinLast,
)
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Step
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.kinds.timing import Recurrence, Rhythm
from tidings.definitions.values import (
    AllOf,
    Anniversary,
    Between,
    Compared,
    DateRelation,
    Duration,
    Is,
    Known,
    Money,
    Not,
    OneOf,
    Order,
    Price,
    RelativeDate,
    Scalar,
    Share,
    Test,
    TextMatch,
    Unknown,
)

_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}
_BY = {"email": "by e-mail", "sms": "by SMS", "fax": "by fax", "call": "by telephone", "letter": "by letter"}
_CARRIES = {"email": "e-mails", "sms": "SMS", "fax": "faxes", "call": "telephone calls", "letter": "letters"}
_DATED = {Order.AT_LEAST: "on or after", Order.AT_MOST: "on or before", Order.MORE_THAN: "after", Order.LESS_THAN: "before"}  # fmt: skip
_RELATIVE = {
    DateRelation.MORE_THAN_AGO: "is more than {} ago",
    DateRelation.IN_THE_LAST: "is in the last {}",
    DateRelation.IN_THE_NEXT: "is in the next {}",
    DateRelation.MORE_THAN_FROM_NOW: "is more than {} from now",
}


class English:
    """Says a definition in English."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def sentence(self, one: Segment | Campaign | Channel) -> str:
        """Return the sentence of a definition."""
        if isinstance(one, Segment):
            return self._segment(one)
        return self._campaign(one) if isinstance(one, Campaign) else self._channel(one)

    def _segment(self, one: Segment) -> str:
        if one.members == "listed":
            return f"“{one.title}” is a list of customers kept by import."
        if len(one.where) == 1:
            text = (
                f"“{one.title}” selects every customer for whom this holds: {self._condition(one.where[0])}"
            )
        else:
            text = f"“{one.title}” selects every customer for whom all of this holds: {'; '.join(map(self._condition, one.where))}"
        if one.except_:
            what = "this" if len(one.except_) == 1 else "any of this"
            text += f"; left out is every customer for whom {what} holds: {'; '.join(map(self._condition, one.except_))}"
        if one.rank:
            keep = (
                str(one.rank.keep) if isinstance(one.rank.keep, Share) else f"{figure(one.rank.keep, ',')} customers"
            )  # fmt: skip
            text += f"; of those left, the {keep} with the highest “{self.names.ranked(one.rank.by)}” stay"
        if one.owner:
            text += f"; {one.owner} answers for it"
        return f"{text}."

    def _condition(self, one: Condition) -> str:
        if isinstance(one, AttributeCondition):
            name = one.attribute
            return self._test(
                f"“{self.names.attribute(name)}”", one.test, self.names.attribute_type(name), self.names.currency(name)
            )  # fmt: skip
        if isinstance(one, StartPropertyCondition):
            kind = self.names.property_type(one.event, one.property)
            return self._test(
                f"“{one.property}”", one.test, kind, self.names.property_currency(one.event, one.property)
            )
        if isinstance(one, SegmentCondition):
            return f"the customer is in the segment “{self.names.segment(one.segment)}”"
        if isinstance(one, DidCondition):
            return self._did(one)
        parts = [self._condition(part) for part in one.parts]
        if isinstance(one, AllOfThese):
            return " and ".join(parts) if len(parts) < 3 else f"({'; '.join(parts)})"
        if isinstance(one, AnyOfThese):
            return f"at least one of these holds ({'; or '.join(parts)})"
        assert isinstance(one, NoneOfThese)
        return f"none of these holds ({'; '.join(parts)})"

    def _did(self, one: DidCondition) -> str:
        event = f"“{self.names.event(one.event)}”"
        window = self._window(one.window)
        with_ = "".join(
            f", where {self._test(f'“{name}”', test, self.names.property_type(one.event, name), self.names.property_currency(one.event, name))}"
            for name, test in one.with_
        )
        measure = ""
        if one.measure:
            how = {"total": "total", "average": "average", "largest": "largest"}[one.measure.how]
            kind = self.names.property_type(one.event, one.measure.property)
            currency = self.names.property_currency(one.event, one.measure.property)
            measure = f", and their {how} {self._test(f'“{one.measure.property}”', one.measure.test, kind, currency)}"
        if one.negated and one.times == Times():
            return f"{event} did not happen{window}{with_}{measure}"
        times = self._times(one.times)
        if one.negated:
            return f"it is not so that {event} happened {times}{window}{with_}{measure}"
        return f"{event} happened {times}{window}{with_}{measure}"

    @staticmethod
    def _times(times: Times) -> str:
        def often(count: int) -> str:
            return {1: "once", 2: "twice"}.get(count, f"{count} times")

        if times.most is None:
            return f"at least {often(times.least)}"
        if times.most == 0:
            return "not once"
        if times.least == times.most:
            return f"exactly {often(times.least)}"
        return (
            f"at most {often(times.most)}"
            if times.least == 0
            else f"between {times.least} and {times.most} times"
        )

    def _window(self, window: WithinLast | BetweenDays | None) -> str:
        if isinstance(window, WithinLast):
            return f" in the last {_short(window.duration)}"
        if isinstance(window, BetweenDays):
            return f" between {self._date(window.first)} and {self._date(window.last)}"
        return ""

    def _test(self, name: str, test: Test, kind: str, currency: str) -> str:
        if isinstance(test, Is):
            if isinstance(test.value, bool):
                return f"{name} is {'yes' if test.value else 'no'}"
            return f"{name} {'has' if kind == 'list' else 'is'} {self._value(test.value, currency)}"
        if isinstance(test, OneOf):
            verb = "has" if kind == "list" else "is"
            return f"{name} {verb} {_joined([self._value(one, currency) for one in test.values], 'or')}"
        if isinstance(test, AllOf):
            return f"{name} has {_joined([self._value(one, currency) for one in test.values], 'and')}"
        if isinstance(test, Compared):
            order = _DATED[test.order] if isinstance(test.value, date) else test.order.value
            return f"{name} is {order} {self._value(test.value, test.currency or currency)}"
        if isinstance(test, Between):
            own = test.currency or currency
            return f"{name} is between {self._value(test.low, own)} and {self._value(test.high, own)}"
        if isinstance(test, TextMatch):
            return f"{name} {test.place.value} “{test.text}”"
        if isinstance(test, RelativeDate):
            return f"{name} {_RELATIVE[test.relation].format(_short(test.duration) if 'the ' in _RELATIVE[test.relation] else test.duration)}"
        if isinstance(test, Anniversary):
            when = "today" if test.days == 0 else f"in the next {test.days} days"
            return f"{name} has its anniversary {when}"
        if isinstance(test, (Known, Unknown)):
            return f"{name} is {'known' if isinstance(test, Known) else 'not known'}"
        assert isinstance(test, Not)
        if isinstance(test.test, Is) and not isinstance(test.test.value, bool) and kind != "list":
            return f"{name} is not {self._value(test.test.value, currency)} (or not known)"
        if isinstance(test.test, OneOf) and kind != "list":
            values = _joined([self._value(one, currency) for one in test.test.values], "nor")
            return f"{name} is neither {values} (or not known)"
        return f"it is not so that {self._test(name, test.test, kind, currency)} (unknown counts as not)"

    def _value(self, value: Scalar, currency: str) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (date, datetime)):
            return self._date(value)
        if isinstance(value, (Decimal, int)):
            return f"{figure(value, ',', currency)}{' ' + currency if currency else ''}"
        return value

    @staticmethod
    def _date(value: date | datetime) -> str:
        day, hour = day_of(value), hour_of(value)
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}{' at ' + hour if hour else ''}"

    def _campaign(self, one: Campaign) -> str:
        parts = [
            f"“{one.title}” sends the message “{one.send}” {self._via(one)}{self._when(one)} to {self._audience(one)}",
            f"its purpose is “{one.purpose}”",
            *self._times_of(one),
        ]
        if one.group or one.unit == "account":
            parts.append("every account gets one message" if one.group else "arms are drawn by account")
        if one.patience:
            parts.append(f"the next channel is tried after {one.patience} without a receipt")
        share = self.names.holdout(one)
        if share is None:
            parts.append("the plan decides whether anybody is held out for comparison")
        elif share.basis_points == 0:
            parts.append("nobody is held out for comparison")
        else:
            parts.append(f"{share} of them get nothing, for comparison")
        if one.variants:
            names = [f"“{v.name}”{f' ({v.share})' if v.share else ''}" for v in one.variants]
            shares = ", in equal shares" if equal_shares(one) and len(names) > 1 else ""
            many = "is one wording" if len(names) == 1 else f"are {len(names)} wordings"
            parts.append(f"there {many}, {_joined(names, 'and')}{shares}")
        if one.offer:
            parts.append(f"it offers {one.offer.gives}{self._ends(one.offer.ends)}")
        if one.budget:
            parts.append(f"it never costs more than {_money(one.budget)}")
        if one.copies_to:
            parts.append(
                f"copies go to {_joined([f'“{self.names.segment(n)}”' for n in one.copies_to], 'and')}"
            )
        if one.goal:
            parts.append(f"it succeeds when {self._goal(one.goal)}")
        if one.serves:
            parts.append(f"it serves the goal “{self.names.aim(one.serves)}”")
        if one.owner:
            parts.append(f"{one.owner} answers for it")
        return "; ".join(parts) + "."

    def _times_of(self, one: Campaign) -> list[str]:
        """Return when messages may leave, what holidays change, and whether the same customer gets it again."""
        said = []
        if one.send_between:
            said.append(
                f"messages leave only between {one.send_between.first:%H:%M} and {one.send_between.last:%H:%M}"
            )
        if one.weekdays:
            said.append(
                f"messages leave only on {_joined([f'{_DAYS[day]}s' for day in one.weekdays], 'and')}"
            )
        if one.recurrence and one.recurrence.on_holidays != "send":
            skip = one.recurrence.on_holidays == "skip"
            said.append(
                "on a holiday nothing is sent" if skip else "on a holiday it waits for the next workday"
            )
        if one.misfire:
            said.append(
                {
                    "skip": "an hour missed by more than 12 hours is skipped",
                    "catch_up": "an hour missed by more than 12 hours is made up for at once",
                    "reschedule": "an hour missed by more than 12 hours is put off to the next day's",
                }[one.misfire]
            )
        if one.again:
            said.append(
                {
                    "always": "the same customer gets it every time",
                    "never": "the same customer gets it only once",
                    "after": f"the same customer gets it again after {one.again.after} at the earliest",
                    "each": f"the same customer gets it once for each “{one.again.each}”",
                }[one.again.how]
            )
        return said

    def _via(self, one: Campaign | Step) -> str:
        said = []
        for name in one.via:
            if name == "preferred":
                said.append("by the channel that the customer prefers")
                continue
            kind, own = self.names.kind(name)
            said.append(f"{_BY.get(kind, 'by')}{f' ({own})' if own else ''}")
        return said[0] + "".join(f", else {word}" for word in said[1:])

    def _when(self, one: Campaign) -> str:
        clock = f" on the clock of the {'recipient' if one.clock == 'recipient' else 'workspace'}"
        pause = "," if len(one.via) > 1 else ""
        if one.recurrence:
            return f"{pause} {self._rhythm(one.recurrence.every)}{clock}{self._span(one.recurrence)},"
        return f"{pause} on {self._date(one.at.value)}{clock}{pause}" if one.at else ", when it is run,"

    def _span(self, one: Recurrence) -> str:
        text = f" from {self._date(one.first)}" if one.first else ""
        return text + (f" through {self._date(one.last)}" if one.last else "")

    @staticmethod
    def _rhythm(one: Rhythm) -> str:
        at = f"at {one.at:%H:%M}"
        if one.unit == "day":
            return f"every day {at}"
        if one.unit == "week":
            return f"every {_joined([_DAYS[day] for day in one.weekdays], 'and')} {at}"
        if one.nth:
            return f"on the {_NTH[one.nth]} {_DAYS[one.weekdays[0]]} of every month {at}"
        return f"on {'the last day' if one.day == -1 else f'day {one.day}'} of every month {at}"

    def _audience(self, one: Campaign) -> str:
        to = one.to
        if to.where:
            text = f"every customer for whom {' and '.join(map(self._condition, to.where))}"
        else:
            text = f"everybody in {_joined([f'“{self.names.segment(n)}”' for n in to.segments], 'or')}"
        if to.except_:
            text += f" who is not in {_joined([f'“{self.names.segment(n)}”' for n in to.except_], 'or')}"
        return text + (f" ({one.sample} of them)" if one.sample else "")

    def _ends(self, ends: date | datetime | Duration | None) -> str:
        if ends is None:
            return ""
        return f" for {ends} after sending" if isinstance(ends, Duration) else f" until {self._date(ends)}"

    def _goal(self, goal: Goal) -> str:
        with_ = "".join(
            f", where {self._test(f'“{name}”', test, self.names.property_type(goal.did, name), self.names.property_currency(goal.did, name))},"
            for name, test in goal.with_
        )
        word, name = self.names.worth(goal)
        worth = f", worth its {word or f'“{name}”'}" if goal.worth else ""
        return f"“{self.names.event(goal.did)}”{with_} happens within {goal.within}{worth}"

    def _channel(self, one: Channel) -> str:
        text = f"“{one.title}” carries {_CARRIES[one.kind]} through {one.adapter}"
        if one.sender:
            text += f", from {one.sender}"
        if one.cost:
            unit = {"message": "a message", "segment": "a segment", "page": "a page"}[one.cost_unit]
            text += f", for {_money(one.cost)} {unit}"
        if one.rate_per_second:
            text += f", at most {figure(one.rate_per_second * 3600, ',')} an hour"
        if one.patience:
            text += f"; the next channel is tried after {one.patience} without a receipt"
        return f"{text}."


def _joined(items: Sequence[str], word: str) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def _short(duration: Duration) -> str:
    """Return a length after "the last": `the last day`, `the last 30 days`."""
    return str(duration.unit) if duration.amount == 1 else str(duration)


def _money(money: Money | Price) -> str:
    return f"{figure(amount(money), ',', money.currency)} {money.currency}"
