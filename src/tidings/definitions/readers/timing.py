"""When a campaign leaves and how often: `every`, `from`, `until`, `again`, `send_between`, `test`, `pilot`."""

from __future__ import annotations

import re
from datetime import date, datetime, time

from tidings.definitions.behaviour import EVENT
from tidings.definitions.context import Context
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES
from tidings.definitions.kinds.timing import WEEKDAYS, Again, Pilot, Rhythm, SendBetween, WinnerTest
from tidings.definitions.nodes import Mapping, Node, Scalar
from tidings.definitions.predicates import Tested, read_test
from tidings.definitions.quantities import (
    SHARE,
    parse_date,
    parse_duration,
    parse_moment,
    reading_trap,
    wrong_date,
    wrong_duration,
)
from tidings.definitions.schema import Key, Keys, Reader, expect_scalar, list_of
from tidings.definitions.texts import NAME, one_of
from tidings.definitions.values import Duration, Share, Test

_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\Z")
_EVERY = re.compile(r"(?P<unit>day|week|month)(?: on (?P<on>.+?))? at (?P<at>\S+)\Z")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_NUMBERS = {name: number for names in (WEEKDAYS, _LONG_DAYS) for number, name in enumerate(names)}
_RHYTHMS = "day at 09:30, week on Tue and Fri at 10:00, month on the 1st at 10:00, month on the last day at 10:00, month on the first Tuesday at 10:00"


def read_hour(text: str, scalar: Scalar, context: Context) -> time:
    """Return an hour of the day such as 09:30, or report what stands there instead."""
    match = _HOUR.match(text)
    if match:
        return time(int(match[1]), int(match[2]))
    short = re.fullmatch(r"([0-9]):([0-5][0-9])", text)
    trap = None if short else reading_trap(scalar, context)
    hint = f"write: 0{text}" if short else "write hours and minutes, such as 09:30"
    raise trap or context.report("PHR04", scalar, f'"{text}" is not an hour of the day', hint)


def _rhythm(node: Node, context: Context) -> Rhythm:
    scalar = expect_scalar(node, context, "a rhythm such as day at 09:30")
    match = _EVERY.match(scalar.text)
    if match is None or (match["unit"] == "day") != (match["on"] is None):
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "PHR10", scalar, f'"{scalar.text}" is not a rhythm', f"write one of: {_RHYTHMS}"
        )
    at = read_hour(match["at"], scalar, context)
    if match["unit"] == "day":
        return Rhythm("day", at)
    if match["unit"] == "week":
        return Rhythm("week", at, weekdays=_weekdays(match["on"], scalar, context))
    return _month(match["on"], at, scalar, context)


def _weekdays(text: str, scalar: Scalar, context: Context) -> tuple[int, ...]:
    names = re.split(r", *| and ", text)
    unknown = [name for name in names if name not in _DAY_NUMBERS]
    if unknown:
        raise context.report(
            "PHR10", scalar, f'"{unknown[0]}" is not a day of the week', f"write {', '.join(WEEKDAYS)}"
        )
    return tuple(sorted({_DAY_NUMBERS[name] for name in names}))


def _month(text: str, at: time, scalar: Scalar, context: Context) -> Rhythm:
    day = re.fullmatch(r"the ([0-9]{1,2})(?:st|nd|rd|th)", text)
    if day and 1 <= int(day[1]) <= 31:
        return Rhythm("month", at, day=int(day[1]))
    if text == "the last day":
        return Rhythm("month", at, day=-1)
    nth = re.fullmatch(r"the (first|second|third|fourth|last) (\w+)", text)
    if nth and nth[2] in _DAY_NUMBERS:
        return Rhythm("month", at, weekdays=(_DAY_NUMBERS[nth[2]],), nth=_ORDINALS[nth[1]])
    raise context.report(
        "PHR10", scalar, f'"{text}" is not a day of the month', "write the 1st, the last day or the first Tuesday"
    )  # fmt: skip


def _day(node: Node, context: Context) -> date | datetime:
    scalar = expect_scalar(node, context, "a day such as 2027-03-01")
    found = parse_moment(scalar.text) or parse_date(scalar.text)
    if found is None:
        raise wrong_date(scalar, context)
    return found


def _again(node: Node, context: Context) -> Again:
    scalar = expect_scalar(node, context, "always, never, after 300 days or for each contract")
    text = scalar.text
    if text in ("always", "never"):
        return Again(text)
    if text.startswith("after "):
        length = parse_duration(text[6:])
        if length is None:
            raise wrong_duration(scalar, context, prefix="after ")
        return Again("after", after=length)
    each = re.fullmatch(r"for each ([^\W\d]\w*)", text)
    if each:
        return Again("each", each=each[1])
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{text}" does not say when the same customer gets it again',
        "write always, never, after 300 days or for each contract",
    )  # fmt: skip


def _between(node: Node, context: Context) -> SendBetween:
    scalar = expect_scalar(node, context, "two hours such as 09:00 and 17:00")
    first, found, last = scalar.text.partition(" and ")
    if not found:
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "PHR04", scalar, f'"{scalar.text}" does not name two hours', "write such as 09:00 and 17:00"
        )
    hours = SendBetween(read_hour(first, scalar, context), read_hour(last, scalar, context))
    if hours.first >= hours.last:
        raise context.report(
            "PHR08",
            scalar,
            f'"{scalar.text}" leaves no time to send: its first hour is not before the second',
        )
    return hours


def after(node: Node, context: Context) -> Duration:
    """Read `after 6 hours`."""
    scalar = expect_scalar(node, context, "a time to wait such as after 6 hours")
    length = parse_duration(scalar.text.removeprefix("after "))
    if length is None:
        raise wrong_duration(scalar, context, prefix="after ")
    if not scalar.text.startswith("after "):
        raise context.report(
            "PHR05", scalar, f'"{scalar.text}" does not say after how long', f"write: after {scalar.text}"
        )
    return length


def _response(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a response or an event")
    return scalar.text if scalar.text in BUILT_IN_RESPONSES else EVENT.read(node, context)


def _share_or_number(node: Node, context: Context) -> Share | int:
    scalar = expect_scalar(node, context, "a share such as 10%, or a number")
    if scalar.text.isascii() and scalar.text.isdigit() and int(scalar.text[:9]) > 0:
        return int(scalar.text[:9])
    return SHARE.read(node, context)


def _success(node: Node, context: Context) -> tuple[str, Test]:
    scalar = expect_scalar(node, context, "what must be reached, such as orders at least 3")
    name, _, rest = scalar.text.partition(" ")
    if not rest:
        raise context.report(
            "PHR05", scalar, f'"{scalar.text}" does not say what must be reached', "write such as orders at least 3"
        )  # fmt: skip
    if name != "orders":
        _response(Scalar(scalar.place, name, scalar.plain), context)
    return name, read_test(Scalar(scalar.place, rest, plain=True), context, Tested(name, "number"))


RESPONSE = Reader(_response, "a response such as clicked, or an event", {"type": "string"})
EVERY = Reader(_rhythm, f"one of: {_RHYTHMS}", {"type": "string", "pattern": "^(day|week on .+|month on the .+) at [0-9]{2}:[0-9]{2}$"})  # fmt: skip
DAY = Reader(_day, "a day such as 2027-03-01, with an hour if you like", {"type": "string"})
AGAIN = Reader(_again, "always, never, after 300 days or for each contract", {"type": "string", "pattern": "^(always|never|after [0-9]+ [a-z]+|for each .+)$"})  # fmt: skip
SEND_BETWEEN = Reader(_between, "two hours such as 09:00 and 17:00", {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2} and [0-9]{2}:[0-9]{2}$"})  # fmt: skip
WEEKDAY_LIST = list_of(one_of(WEEKDAYS), "weekdays", once=True)
AFTER = Reader(after, "a time to wait such as after 6 hours", {"type": "string", "pattern": "^after [1-9][0-9]* (minute|hour|day|week|month|year)s?$"})  # fmt: skip
TEST_KEYS = Keys(
    "a test of variants",
    (
        Key("on", SHARE, "The part of the treated that gets the variants first.", "on: 20%", required=True),
        Key("decide", AFTER, "When the winner is named.", "decide: after 6 hours", required=True),
        Key("by", RESPONSE, "What the winner has more of.", "by: clicked", required=True),
        Key("if_unclear", NAME, "The variant for the rest when none is ahead.", "if_unclear: warm"),
    ),
)  # fmt: skip
PILOT_KEYS = Keys(
    "a pilot",
    (
        Key("on", Reader(_share_or_number, "a share such as 10%, or a number", {"type": ["string", "integer"]}), "How many go first: a share, or a number of units.", "on: 12", required=True),
        Key("judge", AFTER, "When it is judged.", "judge: after 8 weeks", required=True),
        Key("go_on_if", Reader(_success, "what must be reached, such as orders at least 3", {"type": "string"}), "What the pilot must reach; `orders` counts the event of the goal.", "go_on_if: orders at least 3", required=True),
    ),
)  # fmt: skip


def _test(node: Node, context: Context) -> WinnerTest:
    values = TEST_KEYS.read(node, context)
    return WinnerTest(values["on"], values["decide"], values["by"], values.get("if_unclear"))


def _pilot(node: Node, context: Context) -> Pilot:
    values = PILOT_KEYS.read(node, context)
    measure, test = values["go_on_if"]
    return Pilot(values["on"], values["judge"], measure, test)


TEST = Reader(_test, "a test of variants", TEST_KEYS.schema())
PILOT = Reader(_pilot, "a pilot", PILOT_KEYS.schema())


def day_numbers(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return days of the week as numbers, 0 for Monday, in the order of the week."""
    return tuple(sorted(_DAY_NUMBERS[name] for name in names))


def midnight(value: date | datetime) -> datetime:
    """Return the first moment that a day or a moment stands for, to compare two of them."""
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)


def check_order(
    node: Mapping, first: date | datetime | None, last: date | datetime | None, context: Context
) -> None:
    """Report an `until` that lies before its `from`."""
    if first is not None and last is not None and midnight(last) < midnight(first):
        context.report(
            "PHR08", node.entries["until"].value, "it ends before it begins", "change one of the two"
        )
