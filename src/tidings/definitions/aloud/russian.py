"""Definitions in a Russian sentence. Titles stand in quotes, so that nothing of theirs needs another case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from tidings.definitions.aloud.names import Names, amount, day_of, equal_shares, figure, hour_of
from tidings.definitions.aloud.russian_words import (
    BY,
    CARRIES,
    DATED,
    FEMININE,
    GENDER,
    HOW,
    MISFIRE,
    MONTHS,
    NOT_BREAKING,
    NTH,
    ON_DAYS,
    ON_HOLIDAYS,
    ONE_DAY,
    ORDER,
    PLACE,
    UNITS,
    WORTH,
    last,
    length,
    plural,
)
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
    Price,
    RelativeDate,
    Scalar,
    Share,
    Test,
    TextMatch,
    Unit,
    Unknown,
)


class Russian:
    """Says a definition in Russian."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def sentence(self, one: Segment | Campaign | Channel) -> str:
        """Return the sentence of a definition."""
        if isinstance(one, Segment):
            return self._segment(one)
        return self._campaign(one) if isinstance(one, Campaign) else self._channel(one)

    def _segment(self, one: Segment) -> str:
        title = quoted(one.title)
        if one.members == "listed":
            return f"{title}: список клиентов, который ведётся импортом."
        what = (
            "для которых выполняется условие"
            if len(one.where) == 1
            else "для которых выполняются все условия"
        )
        text = f"{title} отбирает клиентов, {what}: {'; '.join(map(self._condition, one.where))}"
        if one.except_:
            text += f"; исключаются те, для кого выполняется хотя бы одно: {'; '.join(map(self._condition, one.except_))}"
        if one.rank:
            keep = one.rank.keep
            by = f"с наибольшим значением «{self.names.ranked(one.rank.by)}»"
            if isinstance(keep, Share):
                text += f"; из оставшихся берутся {share_of(keep)} {by}"
            else:
                text += f"; из оставшихся берутся {figure(keep, NOT_BREAKING)} {plural(keep, 'клиент', 'клиента', 'клиентов')} {by}"
        if one.owner:
            text += f"; отвечает {one.owner}"
        return f"{text}."

    def _condition(self, one: Condition) -> str:
        if isinstance(one, AttributeCondition):
            name = one.attribute
            return self._test(
                quoted(self.names.attribute(name)), one.test, self.names.attribute_type(name), self.names.currency(name)
            )  # fmt: skip
        if isinstance(one, StartPropertyCondition):
            kind = self.names.property_type(one.event, one.property)
            return self._test(
                quoted(one.property), one.test, kind, self.names.property_currency(one.event, one.property)
            )
        if isinstance(one, SegmentCondition):
            return f"клиент входит в сегмент {quoted(self.names.segment(one.segment))}"
        if isinstance(one, DidCondition):
            return self._did(one)
        parts = [self._condition(part) for part in one.parts]
        if isinstance(one, AllOfThese):
            return " и ".join(parts) if len(parts) < 3 else f"({'; '.join(parts)})"
        if isinstance(one, AnyOfThese):
            return f"верно хотя бы одно ({'; или '.join(parts)})"
        assert isinstance(one, NoneOfThese)
        return f"не верно ничего из этого ({'; '.join(parts)})"

    def _did(self, one: DidCondition) -> str:
        event = quoted(self.names.event(one.event))
        window = self._window(one.window)
        with_ = "".join(
            f", где {self._test(quoted(name), test, self.names.property_type(one.event, name), self.names.property_currency(one.event, name))}"
            for name, test in one.with_
        )
        measure = ""
        if one.measure:
            name = one.measure.property
            measured = self._test(
                quoted(name), one.measure.test, self.names.property_type(one.event, name), self.names.property_currency(one.event, name)
            )  # fmt: skip
            measure = f", причём {HOW[one.measure.how]} {measured}"
        if one.times == Times():
            was = "не было события" if one.negated else "было событие"
            return f"{was} {event}{window}{with_}{measure}"
        said = f"событие {event} произошло {self._times(one.times)}{window}{with_}{measure}"
        return f"неверно, что {said}" if one.negated else said

    @staticmethod
    def _times(times: Times) -> str:
        def often(count: int) -> str:
            return f"{count} {'раза' if 2 <= count % 10 <= 4 and count % 100 not in (12, 13, 14) else 'раз'}"

        def of(count: int) -> str:
            # The genitive after "не менее".
            return f"{count} {'раза' if count % 10 == 1 and count % 100 != 11 else 'раз'}"

        if times.most is None:
            return f"не менее {of(times.least)}"
        if times.most == 0:
            return "ни разу" if times.least == 0 else "0 раз"
        if times.least == times.most:
            return f"ровно {often(times.least)}"
        return f"не более {of(times.most)}" if times.least == 0 else f"от {times.least} до {of(times.most)}"

    def _window(self, window: WithinLast | BetweenDays | None) -> str:
        if isinstance(window, WithinLast):
            return f" за {last(window.duration)}"
        if isinstance(window, BetweenDays):
            return f" с {self._date(window.first)} по {self._date(window.last)}"
        return ""

    def _test(self, name: str, test: Test, kind: str, currency: str) -> str:
        if isinstance(test, Is):
            if isinstance(test.value, bool):
                return f"{name}: {'да' if test.value else 'нет'}"
            return f"{name}{' включает' if kind == 'list' else ':'} {self._value(test.value, currency)}"
        if isinstance(test, OneOf):
            values = _joined([self._value(one, currency) for one in test.values], "или")
            return f"{name}{' включает' if kind == 'list' else ':'} {values}"
        if isinstance(test, AllOf):
            return f"{name} включает {_joined([self._value(one, currency) for one in test.values], 'и')}"
        if isinstance(test, Compared):
            order = (DATED if isinstance(test.value, date) else ORDER)[test.order]
            return f"{name} {order} {self._value(test.value, test.currency or currency)}"
        if isinstance(test, Between):
            own = test.currency or currency
            if isinstance(test.low, date):
                return f"{name} с {self._value(test.low, own)} по {self._value(test.high, own)}"
            return f"{name} от {self._value(test.low, own)} до {self._value(test.high, own)} включительно"
        if isinstance(test, TextMatch):
            return f"{name} {PLACE[test.place]} «{test.text}»"
        if isinstance(test, RelativeDate):
            return f"{name} {self._relative(test)}"
        if isinstance(test, Anniversary):
            days = Duration(test.days, Unit.DAY) if test.days else None
            return f"{name}: годовщина {'в ' + _next(days) if days else 'сегодня'}"
        if isinstance(test, (Known, Unknown)):
            return f"{name} {'известно' if isinstance(test, Known) else 'неизвестно'}"
        assert isinstance(test, Not)
        if isinstance(test.test, Is) and not isinstance(test.test.value, bool) and kind != "list":
            return f"{name}: не {self._value(test.test.value, currency)} (или неизвестно)"
        if isinstance(test.test, OneOf) and kind != "list":
            values = ", ".join(f"не {self._value(one, currency)}" for one in test.test.values)
            return f"{name}: {values} (или неизвестно)"
        return f"неверно, что {self._test(name, test.test, kind, currency)} (неизвестное подходит)"

    @staticmethod
    def _relative(test: RelativeDate) -> str:
        ago = length(test.duration, genitive=True)
        if test.relation is DateRelation.MORE_THAN_AGO:
            return f"было более {ago} назад"
        if test.relation is DateRelation.MORE_THAN_FROM_NOW:
            return f"наступит более чем через {length(test.duration)}"
        if test.relation is DateRelation.IN_THE_LAST:
            return f"приходится на {last(test.duration)}"
        return f"наступит в {_next(test.duration)}"

    def _value(self, value: Scalar, currency: str) -> str:
        if isinstance(value, bool):
            return "да" if value else "нет"
        if isinstance(value, (date, datetime)):
            return self._date(value)
        if isinstance(value, (Decimal, int)):
            shown = figure(value, NOT_BREAKING, currency).replace(".", ",")
            return f"{shown}{NOT_BREAKING + currency if currency else ''}"
        return value

    @staticmethod
    def _date(value: date | datetime) -> str:
        day, hour = day_of(value), hour_of(value)
        return f"{day.day} {MONTHS[day.month - 1]} {day.year} года{' в ' + hour if hour else ''}"

    def _campaign(self, one: Campaign) -> str:
        parts = [
            f"Кампания {quoted(one.title)} отправляет сообщение «{one.send}» {self._via(one)}{self._when(one)}; получают {self._audience(one)}",
            f"назначение: «{one.purpose}»",
            *self._times_of(one),
        ]
        if one.group or one.unit == "account":
            parts.append("каждой компании одно сообщение" if one.group else "группы делятся по компаниям")
        if one.patience:
            parts.append(f"следующий канал пробуется, если {length(one.patience)} нет подтверждения")
        share = self.names.holdout(one)
        if share is None:
            parts.append("нужна ли контрольная группа, решит план")
        elif share.basis_points == 0:
            parts.append("контрольной группы нет")
        else:
            parts.append(f"{share_of(share)} из них ничего не получают и служат для сравнения")
        if one.variants:
            names = [f"«{v.name}»{f' ({share_of(v.share)})' if v.share else ''}" for v in one.variants]
            parts.append(f"варианты текста: {_joined(names, 'и')}{', поровну' if equal_shares(one) else ''}")
        if one.offer:
            parts.append(f"предложение: {one.offer.gives}{self._ends(one.offer.ends)}")
        if one.budget:
            parts.append(f"расходы никогда не превысят {_money(one.budget)}")
        if one.copies_to:
            titles = [self.names.segment(name) for name in one.copies_to]
            parts.append(f"копии идут в {_segments(titles, accusative=True, word='и')}")
        if one.goal:
            parts.append(self._goal(one.goal))
        parts += [f"это ради цели «{self.names.aim(one.serves)}»"] if one.serves else []
        if one.owner:
            parts.append(f"отвечает {one.owner}")
        return "; ".join(parts) + "."

    def _times_of(self, one: Campaign) -> list[str]:
        """Return when messages may leave, what holidays change, and whether the same customer gets it again."""
        said = []
        if one.send_between:
            said.append(
                f"сообщения уходят только с {one.send_between.first:%H:%M} до {one.send_between.last:%H:%M}"
            )
        if one.weekdays:
            said.append(f"сообщения уходят только {_joined([ON_DAYS[day] for day in one.weekdays], 'и')}")
        if one.recurrence and one.recurrence.on_holidays != "send":
            said.append(ON_HOLIDAYS[one.recurrence.on_holidays])
        if one.misfire:
            said.append(MISFIRE[one.misfire])
        if one.again:
            said.append(
                {
                    "always": "один и тот же клиент получает её каждый раз",
                    "never": "один и тот же клиент получает её только один раз",
                    "after": f"один и тот же клиент получит её снова не раньше чем через {length(one.again.after) if one.again.after else ''}",
                    "each": f"один и тот же клиент получает её по одному разу на каждое значение «{one.again.each}»",
                }[one.again.how]
            )
        return said

    def _via(self, one: Campaign | Step) -> str:
        said = []
        for name in one.via:
            if name == "preferred":
                said.append("по каналу, который предпочитает клиент")
                continue
            kind, own = self.names.kind(name)
            said.append(f"{BY.get(kind, 'по каналу')}{f' ({own})' if own else ''}")
        if len(said) == 1:
            return said[0]
        return f"{said[0]}, а если так не связаться, {', затем '.join(said[1:])}"

    def _when(self, one: Campaign) -> str:
        clock = f" по часам {'получателя' if one.clock == 'recipient' else 'рабочей области'}"
        if one.recurrence:
            return f", {self._rhythm(one.recurrence.every)}{clock}{self._span(one.recurrence)}"
        return f", {self._date(one.at.value)}{clock}" if one.at else ", когда её запустят"

    def _span(self, one: Recurrence) -> str:
        text = f", с {self._date(one.first)}" if one.first else ""
        return text + (f" по {self._date(one.last)}" if one.last else "")

    @staticmethod
    def _rhythm(one: Rhythm) -> str:
        at = f"в {one.at:%H:%M}"
        if one.unit == "day":
            return f"каждый день {at}"
        if one.unit == "week":
            return f"{_joined([ON_DAYS[day] for day in one.weekdays], 'и')} {at}"
        if one.nth:
            day = one.weekdays[0]
            to = "во" if one.nth == 2 else "в"
            return f"{to} {NTH[one.nth][GENDER[day]]} {ONE_DAY[day]} каждого месяца {at}"
        return f"{'в последний день' if one.day == -1 else f'{one.day}-го числа'} каждого месяца {at}"

    def _audience(self, one: Campaign) -> str:
        to = one.to
        if to.where:
            text = (
                f"все клиенты, для которых выполняется условие: {' и '.join(map(self._condition, to.where))}"
            )
        else:
            text = f"все из {_segments([self.names.segment(n) for n in to.segments])}"
        if to.except_:
            text += f", кроме тех, кто входит в {_segments([self.names.segment(n) for n in to.except_], accusative=True)}"
        return text + (f" ({share_of(one.sample)} из них)" if one.sample else "")

    def _ends(self, ends: date | datetime | Duration | None) -> str:
        if ends is None:
            return ""
        if isinstance(ends, Duration):
            return f", действует {length(ends)} после отправки"
        return f", действует до {self._date(ends)} включительно"

    def _goal(self, goal: Goal) -> str:
        with_ = "".join(
            f", где {self._test(quoted(name), test, self.names.property_type(goal.did, name), self.names.property_currency(goal.did, name))},"
            for name, test in goal.with_
        )
        word, name = self.names.worth(goal)
        worth = f", его ценность: {WORTH.get(word, f'«{name}»')}" if goal.worth else ""
        within = length(goal.within, genitive=True)
        return f"успех: событие {quoted(self.names.event(goal.did))}{with_} в течение {within}{worth}"

    def _channel(self, one: Channel) -> str:
        text = f"Канал {quoted(one.title)} передаёт {CARRIES[one.kind]} через {one.adapter}"
        if one.sender:
            text += f", отправитель {one.sender}"
        if one.cost:
            unit = {"message": "сообщение", "segment": "сегмент", "page": "страницу"}[one.cost_unit]
            text += f", {_money(one.cost)} за {unit}"
        if one.rate_per_second:
            text += f", не больше {figure(one.rate_per_second * 3600, NOT_BREAKING)} в час"
        if one.patience:
            text += f"; следующий канал пробуется, если {length(one.patience)} нет подтверждения"
        return f"{text}."


def quoted(title: str) -> str:
    """Return a title in Russian quotes; those inside it become the inner ones."""
    return f"«{title.replace('«', '„').replace('»', '“')}»"


def _joined(items: Sequence[str], word: str) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def _segments(titles: Sequence[str], *, accusative: bool = False, word: str = "или") -> str:
    joined = _joined([quoted(title) for title in titles], word)
    if len(titles) == 1:
        return f"{'сегмент' if accusative else 'сегмента'} {joined}"
    return f"{'сегменты' if accusative else 'сегментов'} {joined}"


def _next(one: Duration) -> str:
    """Return `ближайшие 7 дней`, `ближайший день`, `ближайшую неделю`."""
    if one.amount == 1:
        return f"{'ближайшую' if one.unit in FEMININE else 'ближайший'} {UNITS[one.unit][0]}"
    return f"ближайшие {length(one)}"


def share_of(share: Share) -> str:
    """Return a share as Russian writes it: 12,5 %, with a space that does not break."""
    return f"{str(share).removesuffix('%').replace('.', ',')}{NOT_BREAKING}%"


def _money(money: Money | Price) -> str:
    return f"{figure(amount(money), NOT_BREAKING, money.currency).replace('.', ',')}{NOT_BREAKING}{money.currency}"
