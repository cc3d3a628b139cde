"""What starts a flow (`starts`), and days that are counted from a date of the customer (`wait_until`)."""

from __future__ import annotations

import re
from datetime import time
from typing import Any

from tidings.definitions.behaviour import EVENT, read_properties
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.flow import DayOffset, Start
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, REDEEMED, Event
from tidings.definitions.nodes import Mapping, Node, Scalar
from tidings.definitions.quantities import parse_duration, reading_trap, wrong_duration
from tidings.definitions.readers.timing import read_hour
from tidings.definitions.schema import Key, Keys, Reader, expect_mapping, expect_scalar, key_trap
from tidings.definitions.selecting import SEGMENT
from tidings.definitions.values import Duration, Unit

_DATES = ("date", "instant")
_WAYS = ("did", "enters", "leaves", "date")
# How late an event may have come in, where the file does not say.
_A_DAY = Duration(1, Unit.DAY)
_OFFSET = re.compile(
    r"(?:(?P<length>.+?) (?P<side>before|after)|(?P<on>on))(?: (?P<date>[^\W\d]\w*))?(?: at (?P<hour>\S+))?\Z"
)
_LATE = re.compile(r"less than (?P<length>.+) late\Z")
_FORM = "7 days before {0}, 3 days after {0} or on {0}, each with an hour if you like, such as 7 days before {0} at 10:00"


def _raw(node: Node, context: Context) -> Node:
    """Hand a node on to be read when what it is about is known."""
    return node


def _scalar(node: Node, context: Context) -> Scalar:
    return expect_scalar(node, context, "one value")


def _days(scalar: Scalar, text: str, context: Context) -> int:
    """Return a length of time in days; an hour is not counted from a day."""
    length = parse_duration(text)
    if length is None:
        raise wrong_duration(Scalar(scalar.place, text, plain=True), context)
    if length.unit is Unit.DAY:
        return length.amount
    if length.unit is Unit.WEEK:
        return 7 * length.amount
    raise context.report(
        "PHR02", scalar, f'"{text}" is not counted in days; {scalar.text} has to be a certain day', "write such as 60 days or 2 weeks"
    )  # fmt: skip


def read_offset(node: Node, context: Context, date: str = "") -> DayOffset:
    """Read `7 days before contract_ends_on at 10:00`; `date` is named already where it is given, and not repeated.

    The date itself is not looked up.
    """
    scalar = expect_scalar(
        node, context, f"a day such as {'60 days before' if date else '7 days before a date'}"
    )
    match = _OFFSET.match(scalar.text)
    if match is None or bool(match["date"]) == bool(date):
        trap = reading_trap(scalar, context)
        form = "60 days before, 3 days after or on, each with an hour if you like, such as 60 days before at 10:00"
        raise trap or context.report(
            "PHR05", scalar, f'"{scalar.text}" does not say which day', f"write such as {form if date else _FORM.format('birthday')}"
        )  # fmt: skip
    days = 0 if match["on"] else _days(scalar, match["length"], context)
    hour = read_hour(match["hour"], scalar, context) if match["hour"] else time(9)
    return DayOffset(-days if match["side"] == "before" else days, match["date"] or date, hour)


def check_date(name: str, at: Node, context: Context, event: Event | None) -> None:
    """Report a name that is neither a date of the customer nor one of the start event."""
    vocabulary = context.vocabulary
    attribute = vocabulary.attribute(name)
    if attribute is not None:
        if attribute.type not in _DATES:
            raise context.report(
                "PHR05", at, f'"{name}" is a {attribute.type}, and a day is counted from a date', _dates(context, event)
            )  # fmt: skip
        return
    if name in vocabulary.attributes:
        raise Unreadable  # declared, and reported where it is
    found = event.property(name) if event else None
    if found is None:
        known = [*_date_attributes(context), *(one.name for one in event.properties if one.type == "date")] if event else _date_attributes(context)  # fmt: skip
        hint = did_you_mean(name, known) or "declare it in config/attributes.yaml as a date"
        raise context.report("REF04", at, f'no date "{name}"', hint)
    if found.type != "date":
        raise context.report(
            "PHR05", at, f'"{name}" of {event.name if event else "the event"} is a {found.type}, and a day is counted from a date',
            _dates(context, event),
        )  # fmt: skip


def _date_attributes(context: Context) -> list[str]:
    return [name for name, one in context.vocabulary.attributes.items() if one and one.type in _DATES]


def _dates(context: Context, event: Event | None) -> str:
    own = [one.name for one in event.properties if one.type == "date"] if event else []
    names = [*_date_attributes(context), *own]
    return f"there is {', '.join(names)}" if names else "declare one in config/attributes.yaml"


def _catch_up(node: Node, context: Context) -> str | Duration:
    scalar = expect_scalar(node, context, "nobody, everybody, or less than 14 days late")
    if scalar.text in ("nobody", "everybody"):
        return scalar.text
    match = _LATE.match(scalar.text)
    length = parse_duration(match["length"]) if match else None
    if length is not None:
        return length
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" does not say whom it catches up with',
        "write nobody, everybody, or such as less than 14 days late",
    )  # fmt: skip


CATCH_UP = Reader(_catch_up, "nobody, everybody, or such as less than 14 days late", {"type": "string", "pattern": "^(nobody|everybody|less than .+ late)$"})  # fmt: skip
START_KEYS = Keys(
    "a start",
    (
        Key("did", EVENT, "The event that starts it.", "did: basket_updated"),
        Key("with", Reader(_raw, "properties of the event and what they should be", {"type": "object"}), "Only events whose properties pass all of these.", "with: {basket_total: at least 30 EUR}"),
        Key("enters", SEGMENT, "The segment that a customer comes into.", "enters: lapsed_buyers"),
        Key("leaves", SEGMENT, "The segment that a customer goes out of.", "leaves: newsletter_readers"),
        Key("date", Reader(_scalar, "an attribute, or a date property of an event", {"type": "string"}), "The date that the day is counted from.", "date: contract_ends_on"),
        Key("of", EVENT, "The event whose property the date is, where several have one of that name.", "of: contract_signed"),
        Key("when", Reader(_raw, "a day such as 60 days before, 3 days after or on, with an hour if you like", {"type": "string"}), "How many days before or after the date, and at what hour.", "when: 60 days before at 10:00"),
        Key("catch_up", CATCH_UP, "Whom it starts for at go-live, or after a standstill, whose day, event or entry was before.", "catch_up: less than 14 days late", default="nobody; of an event, less than 1 day late"),
    ),
)  # fmt: skip
_BELONGS = {"with": ("did",), "of": ("date",), "when": ("date",)}


def read_start(node: Node, context: Context) -> Start:
    """Return what starts a flow."""
    mapping = expect_mapping(node, context, START_KEYS.what)
    values: dict[str, Any] = START_KEYS.read(mapping, context)
    ways = [way for way in _WAYS if way in values]
    if len(ways) != 1:
        at = mapping.entries[ways[1]].key if ways else node
        said = (
            f'"{ways[0]}" and "{ways[1]}" exclude each other' if ways else "nothing here says what starts it"
        )
        raise context.report("KEY07", at, said, f"write one of {', '.join(_WAYS)}")
    (way,) = ways
    for key, needs in _BELONGS.items():
        if key in values and way not in needs:
            raise context.report(
                "KEY07", mapping.entries[key].key, f'"{key}" belongs to "{needs[0]}", and this starts by "{way}"', "delete it"
            )  # fmt: skip
    where = context.position(node.place)
    if way == "did":
        return _by_event(values, mapping, context)
    catch_up = values.get("catch_up", "nobody")
    if way in ("enters", "leaves"):
        if isinstance(catch_up, Duration) or (way == "leaves" and catch_up != "nobody"):
            words = "nobody or everybody" if way == "enters" else "nobody"
            raise context.report(
                "KEY07", mapping.entries["catch_up"].value, f'of a start by "{way}", catch_up says {words}',
                "everybody starts those who are in the segment at go-live" if way == "enters" else "delete it",
            )  # fmt: skip
        return Start(way, segment=values[way], catch_up=catch_up, at=where)
    return _by_date(values, mapping, context)


def _by_event(values: dict[str, Any], mapping: Mapping, context: Context) -> Start:
    event = values["did"]
    if event in BUILT_IN_RESPONSES and event != REDEEMED.name:
        raise context.report(
            "FLW06", mapping.entries["did"].value, f'"{event}" is a response to a message, and no flow starts by one: this start can never fire',
            "write `wait_for:` in the flow that sends the message, or start by entering a segment",
        )  # fmt: skip
    with_ = read_properties(values["with"], context, event) if "with" in values else ()
    return Start(
        "event", event=event, with_=with_, catch_up=values.get("catch_up", _A_DAY), at=context.position(mapping.place)
    )  # fmt: skip


def _by_date(values: dict[str, Any], mapping: Mapping, context: Context) -> Start:
    name: Scalar = values["date"]
    if "when" not in values:
        raise context.report(
            "KEY02", mapping.entries["date"].key, 'a start by a date needs "when"', "write such as: when: 60 days before"
        )  # fmt: skip
    event = ""
    if context.vocabulary.attribute(name.text) is None or "of" in values:
        event = _event_of(name, values, mapping, context)
    check_date(name.text, name, context, context.vocabulary.events.get(event) if event else None)
    day = read_offset(values["when"], context, name.text)
    return Start(
        "date", event=event, day=day, catch_up=values.get("catch_up", "nobody"), at=context.position(mapping.place)
    )  # fmt: skip


def _event_of(name: Scalar, values: dict[str, Any], mapping: Mapping, context: Context) -> str:
    """Return the one event that has a property of that name; none where no event has it."""
    vocabulary = context.vocabulary
    having = [one.name for one in vocabulary.events.values() if one is not None and one.property(name.text)]
    if "of" in values:
        if values["of"] in having:
            return str(values["of"])
        at = mapping.entries["of"].value
        raise context.report(
            "REF06", at, f'the event {values["of"]} has no property "{name.text}"', f"{', '.join(having)} has it" if having else ""
        )  # fmt: skip
    if len(having) > 1:
        raise context.report(
            "KEY07", name, f'several events have a property "{name.text}": {", ".join(having)}', f"write of: {having[0]}"
        )  # fmt: skip
    if having or name.text in vocabulary.attributes:
        return having[0] if having else ""
    dates = [one.name for event in vocabulary.events.values() if event for one in event.properties if one.type == "date"]  # fmt: skip
    known = [*_date_attributes(context), *dates]
    if key_trap(name.text, name, context, known):
        raise Unreadable
    hint = (
        did_you_mean(name.text, known) or "declare it in config/attributes.yaml, or as a property of an event"
    )
    raise context.report("REF04", name, f'no date "{name.text}"', hint)


START = Reader(
    read_start, "a start", {**START_KEYS.schema(), "oneOf": [{"required": [way]} for way in _WAYS]}
)
