"""`examples` of a segment: made-up customers, each with whether they belong."""

from __future__ import annotations

from typing import Any

from tidings.definitions.behaviour import read_event_name, tested_property
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.segment import Example, ExampleEvent
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar
from tidings.definitions.predicates import Tested, read_test
from tidings.definitions.quantities import parse_duration, wrong_duration
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each,
    each_entry,
    expect_items,
    expect_mapping,
    expect_scalar,
    key_trap,
)
from tidings.definitions.texts import FLAG, TEXT
from tidings.definitions.values import Duration, Is, OneOf, Unit

_DATES = ("date", "instant")


def _ago(scalar: Scalar, context: Context) -> Duration | None:
    """Return `120 days ago` as a length of time, None for today, or report what stands there instead."""
    if scalar.text == "today":
        return None
    length = parse_duration(scalar.text.removesuffix(" ago"))
    if length is None or not scalar.text.endswith(" ago"):
        if length is not None:
            raise context.report(
                "PHR05", scalar, f'"{scalar.text}" does not say that it is past', f"write: {scalar.text} ago"
            )
        raise wrong_duration(Scalar(scalar.place, scalar.text.removesuffix(" ago"), scalar.plain), context)
    return length


def _plain(entry: Entry, context: Context, tested: Tested) -> Any:
    """Return one value, or several in a list; a phrase is no value."""
    test = read_test(entry.value, context, tested)
    if isinstance(test, Is):
        return test.value
    if isinstance(test, OneOf):
        return test.values
    raise context.report(
        "PHR05", entry.value, f'an example says what "{tested.name}" is, and this is a phrase', "write one value"
    )  # fmt: skip


def _attribute(entry: Entry, context: Context) -> tuple[str, Any]:
    name = entry.key.text
    found = context.vocabulary.attribute(name)
    if found is None:
        if name in context.vocabulary.attributes or key_trap(name, entry.key, context, context.vocabulary.attribute_names()):  # fmt: skip
            raise Unreadable
        hint = did_you_mean(name, context.vocabulary.attribute_names(), listing=False)
        raise context.report("REF04", entry.key, f'no attribute "{name}"', hint)
    text = entry.value.text if isinstance(entry.value, Scalar) else ""
    if (
        found.type in _DATES
        and isinstance(entry.value, Scalar)
        and (text.endswith(" ago") or text == "today")
    ):
        return name, _ago(entry.value, context) or Duration(0, Unit.DAY)
    return name, _plain(entry, context, Tested(name, found.type, found.currency, found.values))


def _customer(node: Node, context: Context) -> tuple[tuple[str, Any], ...]:
    return each_entry(expect_mapping(node, context, '"customer"'), context, _attribute)


def _event(node: Node, context: Context) -> ExampleEvent:
    mapping = expect_mapping(node, context, "what the customer did")
    if not mapping.entries:
        raise context.report("KEY03", node, "this says nothing", "write such as {order_placed: 120 days ago}")
    first, *rest = mapping.entries.values()
    name = read_event_name(first.key, context)
    ago = _ago(expect_scalar(first.value, context, "how long ago, such as 120 days ago"), context)

    def read(entry: Entry, inner: Context) -> tuple[str, Any]:
        return entry.key.text, _plain(entry, inner, tested_property(entry, inner, name))

    held = Mapping(mapping.place, mapping.flow, {entry.key.text: entry for entry in rest})
    return ExampleEvent(name, ago, each_entry(held, context, read))


def _did(node: Node, context: Context) -> tuple[ExampleEvent, ...]:
    return each(expect_items(node, context, '"did"'), context, _event)


EXAMPLE_KEYS = Keys(
    "an example",
    (
        Key("in", FLAG, "Whether the segment should have this customer.", "in: true", required=True),
        Key("why", TEXT, "What the example shows.", "why: two orders, the last one 120 days ago"),
        Key("customer", Reader(_customer, "attributes, each with a value", {"type": "object"}), "Who the customer is; a date may be such as 120 days ago.", "customer: {country: SE, last_order_at: 120 days ago}"),
        Key("did", Reader(_did, "events, each with how long ago", {"type": "array", "items": {"type": "object"}}), "What the customer did, and with which properties.", "did: [{order_placed: 120 days ago, category: garden}]"),
    ),
)  # fmt: skip


def _example(node: Node, context: Context) -> Example:
    values = EXAMPLE_KEYS.read(node, context)
    return Example(values["in"], values.get("why", ""), values.get("customer", ()), values.get("did", ()))


def _examples(node: Node, context: Context) -> tuple[Example, ...]:
    items = expect_items(node, context, '"examples"')
    if not items:
        raise context.report("KEY03", node, '"examples" is empty')
    return each(items, context, _example)


EXAMPLES = Reader(
    _examples, "made-up customers", {"type": "array", "minItems": 1, "items": EXAMPLE_KEYS.schema()}
)
