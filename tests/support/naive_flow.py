"""A second opinion on flows: one person at a time, from lists of what happened, no SQL.

Written from what a flow means, sentence by sentence. It shares no line with the walker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tidings.definitions import conditions as c
from tidings.definitions import values as v
from tidings.definitions.kinds.flow import DayOffset, Flow, Step

HOUR = timedelta(hours=1)
REACHABLE = {"email"}


@dataclass
class Happened:
    name: str
    at: datetime
    properties: dict[str, Any] = field(default_factory=dict)
    number: int = 0


@dataclass
class Life:
    """Everything that is known of one customer."""

    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Happened] = field(default_factory=list)
    # Of messages of this journey: step, kind, instant.
    responses: list[tuple[str, str, datetime]] = field(default_factory=list)
    listed: bool = False
    reachable: bool = True


@dataclass
class Walker:
    """One journey."""

    flow: Flow
    life: Life
    zone: ZoneInfo
    anchor: datetime
    arm: str
    event: Happened
    subject: str = ""
    draw: Callable[[str], int] = len
    step: str = ""
    base: datetime = field(init=False)
    due: datetime = field(init=False)
    began: datetime | None = None
    ended: tuple[str, datetime] | None = None
    history: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    messages: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = self.flow.steps[0]
        self.step, self.base = first.name, self.anchor
        self.due = self.later(self.anchor, first.after) if first.after else self.anchor

    def tick(self, now: datetime) -> None:
        """Go on as far as it goes at an instant."""
        while self.ended is None:
            step = next(one for one in self.flow.steps if one.name == self.step)
            if self.began is not None:
                if not self.end_wait(step, now):
                    return
            elif self.due > now:
                return
            else:
                self.ask(step, now)

    def ask(self, step: Step, now: datetime) -> None:
        moment = self.due if now - self.due <= HOUR else now
        day = self.day(step.wait_until) if step.wait_until else None
        if step.quiet and step.after:
            starts = [one for one in self.life.events if self.starts(one) and one.at <= now]
            latest = max(starts, key=lambda one: (one.at, one.number))
            self.event = latest
            if (quiet := self.later(latest.at, step.after)) > now:
                self.due = quiet
                return
        if day is not None and day > now:
            self.due = day
            return
        if any(self.holds(one, now, since=self.anchor) for one in self.flow.leave_when):
            self.history[step.name] = ("left", moment)
            self.ended = ("left", moment)
            return
        over = step.wait_until is not None and (day is None or day < self.base)
        if over or not all(self.holds(one, now) for one in step.when):
            self.history[step.name] = ("passed", moment)
            instead = [one.name for one in self.flow.steps if one.instead_of == step.name]
            self.come_to(instead[0] if instead else self.after(step), self.base, moment)
            return
        if step.wait_for is not None:
            self.history[step.name] = ("reached", moment)
            self.began, self.due = moment, self.later(moment, step.wait_for.up_to)
            return
        self.history[step.name] = ("reached", moment)
        self.do(step)
        if step.verb == "end":
            self.come_to("end", moment, moment)
        elif step.split:
            place, way = self.draw(step.name), ""
            edge = 0
            for name, share in step.split:
                edge += share.basis_points
                if place < edge:
                    way = name
                    break
            self.come_to(way, moment, moment)
        else:
            self.come_to(step.then or self.after(step), moment, moment)

    def end_wait(self, step: Step, now: datetime) -> bool:
        """Say whether the wait is over, and go on if it is."""
        assert step.wait_for is not None and self.began is not None
        waited, last = step.wait_for, min(self.due, now)
        if waited.event == "clicked":
            found = [
                at for of, kind, at in self.life.responses if kind == "clicked" and waited.of in ("", of)
            ]
        else:
            found = [
                one.at
                for one in self.life.events
                if one.name == waited.event
                and self.about_subject(one)
                and all(passes(one.properties.get(name), test) for name, test in waited.with_)
            ]
        found = [at for at in found if self.began <= at <= last]
        if found:
            what, at, way = "answered", min(found), step.then or self.after(step)
        elif self.due <= now:
            what, at, way = "unanswered", self.due, waited.if_not or self.after(step)
        else:
            return False
        self.began = None
        self.history[step.name] = (what, at)
        self.come_to(way, at, at)
        return True

    def come_to(self, name: str, base: datetime, moment: datetime) -> None:
        self.base = base
        if name == "end":
            self.ended = ("finished", moment)
            return
        step = next(one for one in self.flow.steps if one.name == name)
        self.step, self.due = name, moment
        if step.after and not step.quiet:
            self.due = max(moment, self.later(base, step.after))
        if step.wait_until and (day := self.day(step.wait_until)) is not None and day > base:
            self.due = max(moment, day)

    def after(self, step: Step) -> str:
        place = self.flow.steps.index(step)
        return next((one.name for one in self.flow.steps[place + 1 :] if not one.instead_of), "end")

    def do(self, step: Step) -> None:
        if self.arm != "treated":
            return
        if step.verb == "send":
            self.messages.append((step.name, "planned" if self.life.reachable else "refused"))
        elif step.verb == "set":
            self.life.attributes.update(step.values)
        elif step.verb == "add_to":
            self.life.listed = True
        elif step.verb == "remove_from":
            self.life.listed = False

    def starts(self, one: Happened) -> bool:
        start = self.flow.starts
        return (
            one.name == start.event
            and self.about_subject(one)
            and all(passes(one.properties.get(name), test) for name, test in start.with_)
        )

    def about_subject(self, one: Happened) -> bool:
        if self.flow.again.how != "each" or one.name not in ("basket", "order"):
            return True
        return one.properties.get(self.flow.again.each) == self.subject

    def holds(self, one: c.Condition, now: datetime, since: datetime | None = None) -> bool:
        if isinstance(one, c.NoneOfThese):
            return not any(self.holds(part, now, since) for part in one.parts)
        if isinstance(one, c.SegmentCondition):
            return self.life.listed
        if isinstance(one, c.AttributeCondition):
            return passes(self.life.attributes.get(one.attribute), one.test)
        if isinstance(one, c.StartPropertyCondition):
            return passes(self.event.properties.get(one.property), one.test)
        assert isinstance(one, c.DidCondition)
        found = [
            happened for happened in self.life.events if happened.name == one.event and happened.at <= now
        ]
        found = [happened for happened in found if self.about_subject(happened)]
        if isinstance(one.window, c.WithinLast):
            first = now.astimezone(self.zone).date() - timedelta(days=one.window.duration.amount)
            found = [happened for happened in found if happened.at.astimezone(self.zone).date() >= first]
        elif since is not None:
            found = [happened for happened in found if happened.at >= since]
        return (len(found) >= one.times.least) is not one.negated

    def day(self, offset: DayOffset) -> datetime | None:
        value = self.life.attributes.get(offset.date)
        if value is None and offset.date in self.event.properties:
            value = date.fromisoformat(self.event.properties[offset.date])
        if value is None:
            return None
        return wall(datetime.combine(value + timedelta(days=offset.days), offset.at), self.zone)

    def later(self, at: datetime, length: v.Duration) -> datetime:
        if length.unit is v.Unit.MINUTE:
            return at + timedelta(minutes=length.amount)
        if length.unit is v.Unit.HOUR:
            return at + timedelta(hours=length.amount)
        assert length.unit is v.Unit.DAY
        local = at.astimezone(self.zone).replace(tzinfo=None)
        return wall(local + timedelta(days=length.amount), self.zone)


def wall(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks show a wall time: the first of two, the first minute after one that is leapt over."""
    for minutes in range(200):
        moment = (local + timedelta(minutes=minutes)).replace(tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local + timedelta(minutes=minutes):
            return moment if minutes == 0 else moment.replace(second=0, microsecond=0)
    raise AssertionError(local)


def passes(value: Any, test: v.Test) -> bool:
    if isinstance(test, v.Is):
        return value is not None and value == test.value
    if isinstance(test, v.Not):
        return not passes(value, test.test)
    if isinstance(test, v.Known):
        return value is not None
    assert isinstance(test, v.Compared)
    if value is None:
        return False
    wanted = Decimal(str(test.value))
    return Decimal(str(value)) >= wanted if test.order is v.Order.AT_LEAST else Decimal(str(value)) <= wanted
