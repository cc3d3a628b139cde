"""Flows in an English sentence."""

from __future__ import annotations

from tidings.definitions.aloud.english import English
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, Step, WaitFor
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Duration, Test

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


class EnglishFlows(English):
    """Says a flow in English: what starts it, then step after step."""

    def flow(self, one: Flow) -> str:
        """Return the sentence of a flow."""
        parts = [
            f"“{one.title}” starts {self._start(one.starts)}",
            self._walked(one.again),
            f"its purpose is “{one.purpose}”",
        ]
        if one.clock == "recipient":
            parts.append("its hours are those of the recipient")
        parts.append(self._held_out(one))
        if one.leave_when:
            parts.append(
                f"a customer leaves it as soon as {' or '.join(map(self._condition, one.leave_when))}"
            )
        parts += [f"step {number} {self._step(step)}" for number, step in enumerate(one.steps, 1)]
        if one.goal:
            parts.append(f"it succeeds when {self._goal(one.goal)}")
        if one.serves:
            parts.append(f"it serves the goal “{self.names.aim(one.serves)}”")
        if one.owner:
            parts.append(f"{one.owner} answers for it")
        return "; ".join(parts) + "."

    def _start(self, one: Start) -> str:
        if one.kind == "event":
            late = (
                f", unless it comes in more than {one.catch_up} late"
                if isinstance(one.catch_up, Duration)
                else ""
            )
            return f"when “{self.names.event(one.event)}” happens{self._with(one.event, one.with_)}{late}"
        if one.day is not None:
            also = {"nobody": "", "everybody": ", also where that day is past at the beginning"}
            late = (
                f", also up to {one.catch_up} late"
                if isinstance(one.catch_up, Duration)
                else also[one.catch_up]
            )
            return self._day(one.day) + late
        word = "comes into" if one.kind == "enters" else "goes out of"
        inside = ", and at once for those who are in it" if one.catch_up == "everybody" else ""
        return f"when a customer {word} the segment “{self.names.segment(one.segment)}”{inside}"

    def _with(self, event: str, tests: tuple[tuple[str, Test], ...]) -> str:
        return "".join(
            f", where {self._test(f'“{name}”', test, self.names.property_type(event, name), self.names.property_currency(event, name))}"
            for name, test in tests
        )

    @staticmethod
    def _walked(one: Again) -> str:
        return {
            "always": "the same customer walks it every time",
            "never": "the same customer walks it only once",
            "after": f"the same customer walks it again after {one.after} at the earliest",
            "each": f"the same customer walks it once for each “{one.each}”",
        }[one.how]

    def _held_out(self, one: Flow) -> str:
        share = self.names.holdout(one)
        if share is None:
            return "the plan decides whether anybody is held out for comparison"
        if share.basis_points == 0:
            return "nobody is held out for comparison"
        return f"{share} walk it silently and get nothing, for comparison"

    def _day(self, one: DayOffset) -> str:
        name = f"“{self.names.attribute(one.date)}”"
        at = f"at {one.at:%H:%M}"
        if one.days == 0:
            return f"on the day of {name} {at}"
        days = f"{abs(one.days)} day{'s' if abs(one.days) != 1 else ''}"
        return f"{days} {'before' if one.days < 0 else 'after'} {name} {at}"

    def _step(self, one: Step) -> str:
        due = "at once"
        if one.after:
            due = f"{one.after} after the last such event" if one.quiet else f"{one.after} later"
        elif one.wait_until:
            due = self._day(one.wait_until)
        place = f", in place of “{one.instead_of}” where that is passed over" if one.instead_of else ""
        whom = f", only where {' and '.join(map(self._condition, one.when))}" if one.when else ""
        on = (
            ", and then it ends"
            if one.then == "end"
            else f", and goes on to “{one.then}”"
            if one.then
            else ""
        )
        return f"“{one.name}” ({due}{place}{whom}): {self._does(one)}{on}"

    def _does(self, one: Step) -> str:
        match one.verb:
            case "send":
                return self._sends(one)
            case "notify":
                due = f", due in {one.due}" if one.due else ""
                if one.due_workdays:
                    due = f", due in {one.due_workdays} workday{'s' if one.due_workdays != 1 else ''}"
                return f"a task for “{self.names.person(one.notify)}”{due}"
            case "set":
                said = [
                    f"“{self.names.attribute(name)}” "
                    + (
                        "loses its value"
                        if value is None
                        else f"becomes {self._value(value, self.names.currency(name))}"
                    )
                    for name, value in one.values
                ]
                return " and ".join(said)
            case "add_to" | "remove_from":
                word = "comes on" if one.verb == "add_to" else "goes off"
                return f"the customer {word} the list “{self.names.segment(one.segment)}”"
            case "split":
                return "by lot, " + " and ".join(f"{share} go on to “{name}”" for name, share in one.split)
            case "offer":
                return f"it offers {one.offer.gives}{self._ends(one.offer.ends)}" if one.offer else ""
        if one.wait_for:
            return self._waits(one.wait_for)
        return "it ends" if one.verb == "end" else "nothing is sent"

    def _sends(self, one: Step) -> str:
        text = f"the message “{one.send}” goes out {self._via(one)}"
        if one.to:
            text += f", to the customer whom “{self.names.attribute(one.to)}” names"
            text += ", one message for each with all the customers it is about" if one.group else ""
        if one.purpose:
            text += f", with the purpose “{one.purpose}”"
        if one.offer:
            text += f", and offers {one.offer.gives}{self._ends(one.offer.ends)}"
        if one.send_between:
            text += f", only between {one.send_between.first:%H:%M} and {one.send_between.last:%H:%M}"
        if one.weekdays:
            text += f", only on {', '.join(_DAYS[day] for day in one.weekdays)}"
        if one.expires:
            text += f", at most {one.expires} late"
        return text

    def _waits(self, one: WaitFor) -> str:
        of = f" in answer to “{one.of}”" if one.of else ""
        kind = self.names.kind(one.by)[0] or one.by
        by = f" by {kind}" if one.by else ""
        other = (
            "ends it"
            if one.if_not == "end"
            else f"goes on to “{one.if_not}”"
            if one.if_not
            else "goes on as well"
        )
        event = self.names.event(one.event)
        return f"waits at most {one.up_to} for “{event}”{self._with(one.event, one.with_)}{of}{by}; who has not done it by then {other}"
