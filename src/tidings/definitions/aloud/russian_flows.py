"""Flows in a Russian sentence."""

from __future__ import annotations

from tidings.definitions.aloud.russian import Russian, quoted, share_of
from tidings.definitions.aloud.russian_words import ON_DAYS, length, plural
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, Step, WaitFor
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Duration, Test


class RussianFlows(Russian):
    """Says a flow in Russian: what starts it, then step after step."""

    def flow(self, one: Flow) -> str:
        """Return the sentence of a flow."""
        parts = [
            f"Цепочка {quoted(one.title)} начинается{self._start(one.starts)}",
            self._walked(one.again),
            f"назначение: «{one.purpose}»",
        ]
        if one.clock == "recipient":
            parts.append("часы считаются по часам получателя")
        share = self.names.holdout(one)
        if share is None:
            parts.append("нужна ли контрольная группа, решит план")
        elif share.basis_points == 0:
            parts.append("контрольной группы нет")
        else:
            parts.append(f"{share_of(share)} проходят её молча, ничего не получают и служат для сравнения")
        if one.leave_when:
            parts.append(
                f"клиент выходит из неё, как только {' или '.join(map(self._condition, one.leave_when))}"
            )
        parts += [f"шаг {number} {self._step(step)}" for number, step in enumerate(one.steps, 1)]
        if one.goal:
            parts.append(self._goal(one.goal))
        parts += [f"это ради цели «{self.names.aim(one.serves)}»"] if one.serves else []
        if one.owner:
            parts.append(f"отвечает {one.owner}")
        return "; ".join(parts) + "."

    def _start(self, one: Start) -> str:
        if one.kind == "event":
            late = f", если оно дошло не позже чем через {length(one.catch_up)}" if isinstance(one.catch_up, Duration) else ""  # fmt: skip
            return f" с события {quoted(self.names.event(one.event))}{self._with(one.event, one.with_)}{late}"
        if one.day is not None:
            also = {"nobody": "", "everybody": ", даже если к запуску этот день прошёл"}
            late = f", даже с опозданием до {length(one.catch_up, genitive=True)}" if isinstance(one.catch_up, Duration) else also[one.catch_up]  # fmt: skip
            return f" {self._day(one.day)}{late}"
        word = "входит в сегмент" if one.kind == "enters" else "выходит из сегмента"
        inside = ", и сразу для тех, кто уже в нём" if one.catch_up == "everybody" else ""
        return f", когда клиент {word} {quoted(self.names.segment(one.segment))}{inside}"

    def _with(self, event: str, tests: tuple[tuple[str, Test], ...]) -> str:
        return "".join(
            f", где {self._test(quoted(name), test, self.names.property_type(event, name), self.names.property_currency(event, name))}"
            for name, test in tests
        )

    @staticmethod
    def _walked(one: Again) -> str:
        after = length(one.after) if one.after else ""
        return {
            "always": "один и тот же клиент проходит её каждый раз",
            "never": "один и тот же клиент проходит её только один раз",
            "after": f"один и тот же клиент проходит её снова не раньше чем через {after}",
            "each": f"один и тот же клиент проходит её по одному разу на каждое значение «{one.each}»",
        }[one.how]

    def _day(self, one: DayOffset) -> str:
        name = quoted(self.names.attribute(one.date))
        at = f"в {one.at:%H:%M}"
        if one.days == 0:
            return f"в день {name} {at}"
        count = abs(one.days)
        days = f"{count} {plural(count, 'день', 'дня', 'дней')}"
        return f"за {days} до даты {name} {at}" if one.days < 0 else f"через {days} после даты {name} {at}"

    def _step(self, one: Step) -> str:
        due = "сразу"
        if one.after:
            due = f"через {length(one.after)}" + (" после последнего такого события" if one.quiet else "")
        elif one.wait_until:
            due = self._day(one.wait_until)
        place = f", вместо шага «{one.instead_of}», если тот пропущен" if one.instead_of else ""
        whom = f", только если {' и '.join(map(self._condition, one.when))}" if one.when else ""
        on = ", и на этом конец" if one.then == "end" else f", дальше шаг «{one.then}»" if one.then else ""
        return f"«{one.name}» ({due}{place}{whom}): {self._does(one)}{on}"

    def _does(self, one: Step) -> str:
        match one.verb:
            case "send":
                return self._sends(one)
            case "notify":
                due = f", срок {length(one.due)}" if one.due else ""
                if one.due_workdays:
                    days = plural(one.due_workdays, "рабочий день", "рабочих дня", "рабочих дней")
                    due = f", срок {one.due_workdays} {days}"
                return f"задача сотруднику {quoted(self.names.person(one.notify))}{due}"
            case "set":
                said = [
                    f"{quoted(self.names.attribute(name))} "
                    + (
                        "теряет значение"
                        if value is None
                        else f"становится {self._value(value, self.names.currency(name))}"
                    )
                    for name, value in one.values
                ]
                return " и ".join(said)
            case "add_to" | "remove_from":
                word = "попадает в список" if one.verb == "add_to" else "уходит из списка"
                return f"клиент {word} {quoted(self.names.segment(one.segment))}"
            case "split":
                return "по жребию " + " и ".join(
                    f"{share_of(share)} идут на «{name}»" for name, share in one.split
                )
            case "offer":
                return f"предложение: {one.offer.gives}{self._ends(one.offer.ends)}" if one.offer else ""
        if one.wait_for:
            return self._waits(one.wait_for)
        return "конец" if one.verb == "end" else "ничего не отправляется"

    def _sends(self, one: Step) -> str:
        text = f"сообщение «{one.send}» уходит {self._via(one)}"
        if one.to:
            text += f", тому клиенту, кого называет {quoted(self.names.attribute(one.to))}"
            text += ", одно сообщение каждому со всеми клиентами, о которых речь" if one.group else ""
        if one.purpose:
            text += f", назначение: «{one.purpose}»"
        if one.offer:
            text += f", предложение: {one.offer.gives}{self._ends(one.offer.ends)}"
        if one.send_between:
            text += f", только с {one.send_between.first:%H:%M} до {one.send_between.last:%H:%M}"
        if one.weekdays:
            text += f", только {', '.join(ON_DAYS[day] for day in one.weekdays)}"
        if one.expires:
            text += f", с опозданием не больше {length(one.expires, genitive=True)}"
        return text

    def _waits(self, one: WaitFor) -> str:
        of = f" в ответ на «{one.of}»" if one.of else ""
        by = f" по каналу «{one.by}»" if one.by else ""
        other = (
            "выходит"
            if one.if_not == "end"
            else f"идёт на «{one.if_not}»"
            if one.if_not
            else "тоже идёт дальше"
        )
        event = quoted(self.names.event(one.event))
        limit = length(one.up_to, genitive=True)
        return f"ждёт события {event}{self._with(one.event, one.with_)}{of}{by} не дольше {limit}; кто не успел, {other}"
