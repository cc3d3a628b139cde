"""What customers did or did not do: how often, when, with which properties and adding up to what."""

from __future__ import annotations

import re
from datetime import date

from tidings.definitions.conditions import BetweenDays, DidCondition, Measure, Times, WithinLast
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.given import ITEMS
from tidings.definitions.kinds.rules import (
    BUILT_IN_RESPONSES,
    KNOWN_EVENTS,
    RECORDED_RESPONSES,
    REDEEMED,
    REDEMPTION,
    TASK_EVENTS,
    Event,
)
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar, Sequence
from tidings.definitions.phrases import split_between
from tidings.definitions.predicates import Tested, read_test
from tidings.definitions.quantities import (
    parse_date,
    parse_duration,
    reading_trap,
    wrong_date,
    wrong_duration,
)
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping, expect_scalar, key_trap
from tidings.definitions.values import Is, Not, OneOf, Test

_TIMES = re.compile(r"(?:(at least|at most|more than|less than|exactly) )?([0-9]{1,6})\Z")


def read_event_name(node: Node, context: Context) -> str:
    """Read the name of a declared event or of a built-in response."""
    scalar = expect_scalar(node, context, "the name of an event")
    declared = context.vocabulary.events
    known = [*declared, *RECORDED_RESPONSES, *TASK_EVENTS]
    if scalar.text in RECORDED_RESPONSES or scalar.text in TASK_EVENTS:
        return scalar.text
    if scalar.text in BUILT_IN_RESPONSES:
        raise context.report(
            "KEY04",
            scalar,
            f'the response "{scalar.text}" is not supported by this version of tidings',
            f"there is {', '.join(RECORDED_RESPONSES)}, and every event of config/events.yaml",
        )
    if scalar.text in declared:
        return scalar.text
    if key_trap(scalar.text, scalar, context, known):
        raise Unreadable
    told = f"write: {REDEEMED.name}" if scalar.text == REDEMPTION.name else ""
    raise context.report(
        "REF05",
        scalar,
        f'no event "{scalar.text}"',
        told or did_you_mean(scalar.text, known, listing=False) or "declare it in config/events.yaml",
    )


EVENT = Reader(read_event_name, "the name of an event", {"type": "string"})


def _times(node: Node, context: Context) -> Times:
    scalar = expect_scalar(node, context, "how many times, such as at least 2")
    if scalar.text == "none":
        return Times(0, 0)
    match = _TIMES.match(scalar.text)
    span = split_between(scalar.text)
    if match:
        count = int(match[2])
        if match[1] == "less than" and count == 0:
            raise context.report("PHR08", scalar, "nothing happens less than 0 times")
        return {
            None: Times(count, count),
            "exactly": Times(count, count),
            "at least": Times(count, None),
            "at most": Times(0, count),
            "more than": Times(count + 1, None),
            "less than": Times(0, count - 1),
        }[match[1]]
    if span and span[0].isascii() and span[1].isascii() and span[0].isdigit() and span[1].isdigit():
        low, high = int(span[0][:9]), int(span[1][:9])
        if low > high:
            raise context.report(
                "PHR08", scalar, f'"{scalar.text}" fits nothing: its first end is above the second',
                f"write: between {high} and {low}",
            )  # fmt: skip
        return Times(low, high)
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR07", scalar, f'"{scalar.text}" does not say how many times',
        "write a number, or such as at least 2, at most 3, between 2 and 5",
    )  # fmt: skip


TIMES = Reader(_times, "a number, or a phrase such as at least 2", {"type": ["string", "integer"]})


def _within(node: Node, context: Context) -> WithinLast:
    scalar = expect_scalar(node, context, "a window such as last 180 days")
    if scalar.text.startswith("last "):
        duration = parse_duration(scalar.text[5:])
        if duration:
            return WithinLast(duration)
    if parse_duration(scalar.text):
        raise context.report(
            "PHR06", scalar, f'"{scalar.text}" looks ahead, and a condition looks back',
            f"write: last {scalar.text}",
        )  # fmt: skip
    raise wrong_duration(scalar, context, prefix="last ")


WITHIN_LAST = Reader(_within, "a window that looks back, such as last 180 days", {"type": "string"})


def _between(node: Node, context: Context) -> BetweenDays:
    scalar = expect_scalar(node, context, "two days such as 2027-01-01 and 2027-03-31")
    first, found, last = scalar.text.partition(" and ")
    days: list[date] = []
    if not found:
        raise context.report(
            "PHR04",
            scalar,
            f'"{scalar.text}" does not name two days',
            "write the first and the last, such as 2027-01-01 and 2027-03-31",
        )
    for text in (first, last):
        day = parse_date(text)
        if day is None:
            raise wrong_date(Scalar(scalar.place, text, plain=True), context)
        days.append(day)
    if days[0] > days[1]:
        raise context.report(
            "PHR08", scalar, f'"{scalar.text}" fits nothing: its first day is after the second',
            f"write: {last} and {first}",
        )  # fmt: skip
    return BetweenDays(days[0], days[1])


BETWEEN_DAYS = Reader(
    _between, "two days, both included, such as 2027-01-01 and 2027-03-31", {"type": "string"}
)


def _raw(node: Node, context: Context) -> Node:
    """Hand a node on to be read when its event is known."""
    return node


_PROPERTY_TESTS = Reader(_raw, "properties of the event and what they should be", {"type": "object"})
_LATER = frozenset({"which", "then", "of", "by", "group"})
_PARTS = (
    Key("times", TIMES, "How many times; at least once when left out.", "times: at least 2"),
    Key("within", WITHIN_LAST, "Looks back from now.", "within: last 180 days"),
    Key("between", BETWEEN_DAYS, "From the first day through the last, on the workspace clock.", "between: 2027-01-01 and 2027-03-31"),
    Key("with", _PROPERTY_TESTS, "Only events whose properties pass all of these.", "with: {category: garden}"),
    Key("total", _PROPERTY_TESTS, "The sum of a property over those events; 0 over none.", "total: {order_total: at least 500}"),
    Key("average", _PROPERTY_TESTS, "The average of a property over those events; unknown over none.", "average: {order_total: at least 50}"),
    Key("largest", _PROPERTY_TESTS, "The largest of a property over those events; unknown over none.", "largest: {order_total: at least 200}"),
)  # fmt: skip
DID = Keys("a condition with did", (Key("did", EVENT, "The event.", "did: order_placed", required=True), *_PARTS), _LATER)  # fmt: skip
DID_NOT = Keys("a condition with did_not", (Key("did_not", EVENT, "The event that did not happen: the complement of `did` with the same lines.", "did_not: refund_requested", required=True), *_PARTS), _LATER)  # fmt: skip


def read_did(node: Mapping, context: Context, *, negated: bool) -> DidCondition:
    """Read a condition that starts with `did` or `did_not`."""
    values = (DID_NOT if negated else DID).read(node, context)
    event = values["did_not" if negated else "did"]
    if "within" in values and "between" in values:
        raise context.report(
            "KEY07",
            node.entries["between"].key,
            '"within" and "between" exclude each other',
            "keep one of them",
        )
    measures = [how for how in ("total", "average", "largest") if how in values]
    if len(measures) > 1:
        raise context.report(
            "KEY07", node.entries[measures[1]].key, f'"{measures[0]}" and "{measures[1]}" exclude each other',
            "write a second condition",
        )  # fmt: skip
    with_ = read_properties(values["with"], context, event) if "with" in values else ()
    measure = _measure(measures[0], values[measures[0]], context, event) if measures else None
    return DidCondition(
        event=event,
        times=values.get("times", Times()),
        window=values.get("within") or values.get("between"),
        with_=with_,
        measure=measure,
        negated=negated,
        at=context.position(node.place),
    )


def read_properties(node: Node, context: Context, event: str) -> tuple[tuple[str, Test], ...]:
    """Read tests on properties of an event."""
    mapping = expect_mapping(node, context, '"with"')

    def read(entry: Entry, inner: Context) -> tuple[str, Test]:
        tested = tested_property(entry, inner, event)
        test = read_test(entry.value, inner, tested)
        if event == REDEEMED.name and entry.key.text == "offer":
            _look_up_offers(entry.value, test, inner)
        return entry.key.text, test

    if not mapping.entries:
        raise context.report("KEY03", node, '"with" is empty')
    return each_entry(mapping, context, read)


def _look_up_offers(node: Node, test: Test, context: Context) -> None:
    """Warn at an offer of a campaign or a flow that has no file: it may be over and gone, or mistyped."""
    while isinstance(test, Not):
        test = test.test
    known = context.vocabulary.campaigns | context.vocabulary.flows
    written = node.items if isinstance(node, Sequence) else [node]
    for offer in (test.value,) if isinstance(test, Is) else test.values if isinstance(test, OneOf) else ():
        name = str(offer).partition(".")[0]
        if name not in known:
            at = next((one for one in written if isinstance(one, Scalar) and one.text == offer), node)
            context.warn(
                "REF16", at, f'no campaign or flow "{name}"', did_you_mean(name, known, listing=False)
            )


def tested_property(entry: Entry, context: Context, event: str) -> Tested:
    """Return the type of a property, or report that the event has none of that name."""
    name = entry.key.text
    declared = context.vocabulary.events.get(event, KNOWN_EVENTS.get(event))
    if declared is None and event not in BUILT_IN_RESPONSES:
        raise Unreadable
    found = (declared or Event(event)).property(name)
    if found is not None:
        currency = (found.currency or context.vocabulary.currency) if found.type == "money" else None
        return Tested(name, found.type, currency)
    if name == ITEMS and event in context.vocabulary.events:
        # What its lines name, as far as it has any.
        return Tested(name, "list")
    names = [one.name for one in declared.properties] if declared else []
    if key_trap(name, entry.key, context, names):
        raise Unreadable
    hint = did_you_mean(name, names) if names else "it has no properties"
    raise context.report("REF06", entry.key, f'the event {event} has no property "{name}"', hint)


def _measure(how: str, node: Node, context: Context, event: str) -> Measure:
    mapping = expect_mapping(node, context, f'"{how}"')
    if len(mapping.entries) != 1:
        raise context.report(
            "KEY03", node, f'"{how}" takes exactly one property', f"{how}: {{order_total: at least 500}}"
        )
    entry = next(iter(mapping.entries.values()))
    tested = tested_property(entry, context, event)
    if tested.type not in ("number", "money"):
        raise context.report(
            "PHR05", entry.key, f'"{tested.name}" is a {tested.type}; only numbers and money have a {how}'
        )
    return Measure(how, tested.name, read_test(entry.value, context, tested))
