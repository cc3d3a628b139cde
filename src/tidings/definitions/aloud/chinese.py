"""Definitions in a Chinese sentence, in the words and characters of Taiwan or of the mainland."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from tidings.definitions.aloud.chinese_words import (
    DATED,
    DAYS,
    KINDS,
    NTH,
    ORDER,
    PAID,
    PLACE,
    QUOTE,
    RELATIVE,
    SIMPLE_NTH,
    UNITS,
    WORDS,
)
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
    Duration,
    Is,
    Known,
    Money,
    Not,
    OneOf,
    Price,
    RelativeDate,
    Scalar,
    Share,
    Test,
    TextMatch,
    Unknown,
)


class Chinese:
    """Says a definition in Chinese."""

    def __init__(self, names: Names, *, traditional: bool) -> None:
        self.names = names
        self.side = 0 if traditional else 1

    def sentence(self, one: Segment | Campaign | Channel) -> str:
        """Return the sentence of a definition."""
        if isinstance(one, Segment):
            text = self._segment(one)
        else:
            text = self._campaign(one) if isinstance(one, Campaign) else self._channel(one)
        return f"{text}。"

    def _say(self, word: str, *parts: object, **named: object) -> str:
        return WORDS[word][self.side].format(*parts, **named)

    def _quote(self, text: str) -> str:
        return QUOTE[self.side].format(text)

    def _joined(self, items: Sequence[str], word: str) -> str:
        joined = "、".join(items[:-1])
        return items[0] if len(items) == 1 else f"{joined}{self._say(word)}{items[-1]}"

    def _segment(self, one: Segment) -> str:
        if one.members == "listed":
            return self._say("listed", one.title)
        conditions = "；".join(map(self._condition, one.where))
        text = self._say("selects one" if len(one.where) == 1 else "selects all", one.title, conditions)
        if one.except_:
            text += self._say("except", "；".join(map(self._condition, one.except_)))
        if one.rank:
            keep = one.rank.keep
            shown = str(keep) if isinstance(keep, Share) else figure(keep, ",") + self._say("people")
            text += self._say("rank", self.names.ranked(one.rank.by), shown)
        if one.owner:
            text += "；" + self._say("owner", one.owner)
        return text

    def _condition(self, one: Condition) -> str:
        if isinstance(one, AttributeCondition):
            name = one.attribute
            return self._test(
                self._quote(self.names.attribute(name)), one.test, self.names.attribute_type(name), self.names.currency(name)
            )  # fmt: skip
        if isinstance(one, StartPropertyCondition):
            kind = self.names.property_type(one.event, one.property)
            return self._test(
                self._quote(one.property),
                one.test,
                kind,
                self.names.property_currency(one.event, one.property),
            )
        if isinstance(one, SegmentCondition):
            return self._say("in segment", self.names.segment(one.segment))
        if isinstance(one, DidCondition):
            return self._did(one)
        parts = [self._condition(part) for part in one.parts]
        if isinstance(one, AllOfThese):
            return "，且".join(parts)
        if isinstance(one, AnyOfThese):
            return self._say("any", "；".join(parts))
        assert isinstance(one, NoneOfThese)
        return self._say("none", "；".join(parts))

    def _did(self, one: DidCondition) -> str:
        event = self.names.event(one.event)
        window = self._window(one.window)
        if one.with_:
            tests = "，且".join(
                self._test(self._quote(name), test, self.names.property_type(one.event, name), self.names.property_currency(one.event, name))
                for name, test in one.with_
            )  # fmt: skip
            with_ = self._say("where", spaced(tests))
        else:
            with_ = ""
        measure = ""
        if one.measure:
            name = one.measure.property
            measure = self._say(
                one.measure.how,
                self._test(self._quote(name), one.measure.test, self.names.property_type(one.event, name), self.names.property_currency(one.event, name)),
            )  # fmt: skip
        if one.times == Times():
            word = "not happened" if one.negated else "happened"
            return f"{window}{self._say(word, event=event, times='')}{with_}{measure}"
        said = f"{window}{self._say('happened times', event=event, times=self._times(one.times))}{with_}{measure}"
        return self._say("not so", said) if one.negated else said

    def _times(self, times: Times) -> str:
        happen = self._say("happen")
        if times.most is None:
            return f"至少{happen} {times.least} 次"
        if times.most == 0:
            return self._say("never")
        if times.least == times.most:
            return f"正好{happen} {times.least} 次"
        if times.least == 0:
            return f"至多{happen} {times.most} 次"
        return f"{happen} {times.least} 到 {times.most} 次"

    def _window(self, window: WithinLast | BetweenDays | None) -> str:
        if isinstance(window, WithinLast):
            return self._say("last", self._length(window.duration))
        if isinstance(window, BetweenDays):
            return self._say("between days", self._date(window.first), self._date(window.last))
        return ""

    def _length(self, one: Duration) -> str:
        return f"{one.amount} {UNITS[one.unit][self.side]}"

    def _test(self, name: str, test: Test, kind: str, currency: str) -> str:
        is_ = "有" if kind == "list" else "是"
        if isinstance(test, Is):
            if isinstance(test.value, bool):
                return f"{name}為{self._say('yes' if test.value else 'no')}" if self.side == 0 else f"{name}为{self._say('yes' if test.value else 'no')}"  # fmt: skip
            return f"{name}{is_} {self._value(test.value, currency)}"
        if isinstance(test, OneOf):
            return f"{name}{is_} {self._or(test.values, currency)}"
        if isinstance(test, AllOf):
            values = [self._value(one, currency) for one in test.values]
            return f"{name}{'同時有' if self.side == 0 else '同时有'} {' 和 '.join(values)}"
        if isinstance(test, Compared):
            table = DATED if isinstance(test.value, date) else ORDER
            return name + table[test.order][self.side].format(
                self._value(test.value, test.currency or currency)
            )
        if isinstance(test, Between):
            own = test.currency or currency
            return f"{name}在 {self._value(test.low, own)} 到 {self._value(test.high, own)} 之{'間' if self.side == 0 else '间'}"
        if isinstance(test, TextMatch):
            return name + PLACE[test.place][self.side].format(self._quote(test.text))
        if isinstance(test, RelativeDate):
            return name + RELATIVE[test.relation][self.side].format(self._length(test.duration))
        if isinstance(test, Anniversary):
            when = "今天" if test.days == 0 else f"{'未來' if self.side == 0 else '未来'} {test.days} 天內"
            when = when if self.side == 0 else when.replace("內", "内")
            return f"{name}的週年日在{when}" if self.side == 0 else f"{name}的周年日在{when}"
        if isinstance(test, (Known, Unknown)):
            return f"{name}{'已知' if isinstance(test, Known) else '未知'}"
        assert isinstance(test, Not)
        if isinstance(test.test, Is) and not isinstance(test.test.value, bool) and kind != "list":
            return f"{name}不是 {self._value(test.test.value, currency)}{self._say('not known too')}"
        if isinstance(test.test, OneOf) and kind != "list":
            return f"{name}不是 {self._or(test.test.values, currency)}{self._say('not known too')}"
        return self._say("not so", self._test(name, test.test, kind, currency)) + self._say("unknown counts")

    def _or(self, values: Sequence[Scalar], currency: str) -> str:
        return " 或 ".join(self._value(one, currency) for one in values)

    def _value(self, value: Scalar, currency: str) -> str:
        if isinstance(value, bool):
            return self._say("yes" if value else "no")
        if isinstance(value, (date, datetime)):
            return self._date(value)
        if isinstance(value, (Decimal, int)):
            return f"{figure(value, ',', currency)}{' ' + currency if currency else ''}"
        return value

    @staticmethod
    def _date(value: date | datetime) -> str:
        day, hour = day_of(value), hour_of(value)
        return f"{day.year} 年 {day.month} 月 {day.day} 日{' ' + hour if hour else ''}"

    def _campaign(self, one: Campaign) -> str:
        head = self._say(
            "sends",
            title=one.title,
            when=self._when(one),
            via=self._via(one),
            send=one.send,
            to=self._audience(one),
        )
        parts = [head, self._say("purpose", one.purpose), *self._times_of(one)]
        if one.group or one.unit == "account":
            parts.append(self._say("one an account" if one.group else "drawn by account"))
        if one.patience:
            parts.append(self._say("patience", self._length(one.patience)))
        share = self.names.holdout(one)
        if share is None:
            parts.append(self._say("auto"))
        else:
            parts.append(self._say("holdout", share) if share.basis_points else self._say("no holdout"))
        if one.variants:
            names = [self._quote(v.name) + (f"（{v.share}）" if v.share else "") for v in one.variants]
            equal = self._say("equal") if equal_shares(one) else ""
            parts.append(self._say("variants", len(names), "、".join(names)) + equal)
        if one.offer:
            parts.append(self._say("offer", one.offer.gives) + self._ends(one.offer.ends))
        if one.budget:
            parts.append(self._say("budget", _money(one.budget)))
        if one.copies_to:
            parts.append(self._say("copies", self._segments(one.copies_to, "and")))
        if one.goal:
            parts.append(self._goal(one.goal))
        if one.serves:
            parts.append(self._say("serves", self.names.aim(one.serves)))
        if one.owner:
            parts.append(self._say("owner", one.owner))
        return "；".join(parts)

    def _times_of(self, one: Campaign) -> list[str]:
        """Return when messages may leave, what holidays change, and whether the same customer gets it again."""
        said = []
        if one.send_between:
            said.append(
                self._say("send between", f"{one.send_between.first:%H:%M}", f"{one.send_between.last:%H:%M}")
            )
        if one.weekdays:
            said.append(self._say("weekdays", "、".join(DAYS[day] for day in one.weekdays)))
        if one.recurrence and one.recurrence.on_holidays != "send":
            said.append(self._say(f"holidays {one.recurrence.on_holidays}"))
        if one.misfire:
            said.append(self._say(f"misfire {one.misfire}"))
        if one.again:
            after = self._length(one.again.after) if one.again.after else ""
            said.append(self._say(f"again {one.again.how}", after or self._quote(one.again.each)))
        return said

    def _segments(self, names: Sequence[str], word: str) -> str:
        return self._joined([self._quote(self.names.segment(name)) for name in names], word)

    def _via(self, one: Campaign | Step) -> str:
        said = []
        for name in one.via:
            if name == "preferred":
                said.append(self._say("preferred"))
                continue
            kind, own = self.names.kind(name)
            said.append((KINDS[kind][self.side] if kind else "") + (f"（{own}）" if own else ""))
        text = self._say("via", said[0])
        in_order = ("依序" if self.side == 0 else "依次") if len(said) > 2 else ""
        return text + (self._say("else", in_order, "、".join(said[1:])) if len(said) > 1 else "")

    def _when(self, one: Campaign) -> str:
        clock = self._say("recipient clock" if one.clock == "recipient" else "workspace clock")
        if one.recurrence:
            return f"{self._recurrence(one.recurrence)}{clock}，"
        word = "在" if self.side == 0 else "于"
        return f"{word} {self._date(one.at.value)}{clock}" if one.at else self._say("when run")

    def _recurrence(self, one: Recurrence) -> str:
        parts = []
        if one.first:
            parts.append(self._say("since", self._date(one.first)))
        if one.last:
            parts.append(self._say("through", self._date(one.last)))
        return "，".join([*parts, self._rhythm(one.every)])

    def _rhythm(self, one: Rhythm) -> str:
        at = f"{one.at:%H:%M}"
        if one.unit == "day":
            return self._say("every day", at)
        if one.unit == "week":
            return self._say("every week", "、".join(DAYS[day] for day in one.weekdays), at)
        if one.nth:
            nth = (NTH if self.side == 0 else SIMPLE_NTH)[one.nth]
            return self._say("nth", nth, DAYS[one.weekdays[0]], at)
        return self._say("last day", at) if one.day == -1 else self._say("day", one.day, at)

    def _audience(self, one: Campaign) -> str:
        to = one.to
        if to.where:
            text = self._say("customers where", "，且".join(map(self._condition, to.where)))
        else:
            text = self._say("members", self._segments(to.segments, "or"))
        if to.except_:
            text += self._say("who are not in", self._segments(to.except_, "or"))
        return text + (self._say("sample", one.sample) if one.sample else "")

    def _ends(self, ends: date | datetime | Duration | None) -> str:
        if ends is None:
            return ""
        if isinstance(ends, Duration):
            return self._say("after sending", self._length(ends))
        return self._say("until", self._date(ends))

    def _goal(self, goal: Goal) -> str:
        tests = "，且".join(
            self._test(self._quote(name), test, self.names.property_type(goal.did, name), self.names.property_currency(goal.did, name))
            for name, test in goal.with_
        )  # fmt: skip
        with_ = f"{spaced(tests)}的" if tests else ""
        text = self._say("goal", self._length(goal.within), with_, self.names.event(goal.did))
        word, name = self.names.worth(goal)
        return text + (
            self._say("worth", self._say(word) if word else self._quote(name)) if goal.worth else ""
        )

    def _channel(self, one: Channel) -> str:
        text = self._say("carries", one.title, one.adapter, KINDS[one.kind][self.side])
        if one.sender:
            text += self._say("from", one.sender)
        if one.cost:
            text += self._say("cost", PAID[one.cost_unit][self.side], _money(one.cost))
        if one.rate_per_second:
            text += self._say("rate", figure(one.rate_per_second * 3600, ","))
        if one.patience:
            text += "，" + self._say("patience", self._length(one.patience))
        return text


def spaced(text: str) -> str:
    """Return a text that Chinese may follow, with a space after Latin letters and figures."""
    return f"{text} " if text[-1:].isascii() and text[-1:].isalnum() else text


def _money(money: Money | Price) -> str:
    return f"{figure(amount(money), ',', money.currency)} {money.currency}"
