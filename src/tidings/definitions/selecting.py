"""Conditions of `where` and `except`: attributes, behaviour, segments, and any, all, none of several."""

from __future__ import annotations

from tidings.definitions.behaviour import read_did
from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    Condition,
    NoneOfThese,
    SegmentCondition,
    StartPropertyCondition,
)
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.nodes import Entry, Node
from tidings.definitions.predicates import Tested, read_test
from tidings.definitions.schema import (
    Reader,
    each,
    each_entry,
    expect_items,
    expect_mapping,
    expect_scalar,
    key_trap,
    list_of,
)

_GROUPS: dict[str, type[AnyOfThese | AllOfThese | NoneOfThese]] = {
    "any": AnyOfThese,
    "all": AllOfThese,
    "none": NoneOfThese,
}
_LATER = frozenset({"rank", "sample", "score", "in_flow", "reached", "account", "first", "last"})
# Words that begin a condition; an attribute of that name could never be asked for.
CONDITION_WORDS = frozenset({"any", "all", "none", "not", "segment", "did", "did_not"})


def read_segment_name(node: Node, context: Context) -> str:
    """Read the name of a segment that exists."""
    scalar = expect_scalar(node, context, "the name of a segment")
    known = list(context.vocabulary.segments)
    if scalar.text in known:
        return scalar.text
    if key_trap(scalar.text, scalar, context, known):
        raise Unreadable
    hint = did_you_mean(scalar.text, known) or f"it would be segments/{scalar.text}.yaml"
    raise context.report("REF01", scalar, f'no segment "{scalar.text}"', hint)


SEGMENT = Reader(read_segment_name, "the name of a segment", {"type": "string"})
SEGMENTS = list_of(SEGMENT, "the segments", or_one=True, once=True)


def _conditions(node: Node, context: Context) -> tuple[Condition, ...]:
    items = expect_items(node, context, "conditions")
    if not items:
        raise context.report("KEY03", node, "a list of conditions is empty")
    return each(items, context, read_condition)


CONDITIONS = Reader(
    _conditions, "a list of conditions", {"type": "array", "items": {"type": "object"}, "minItems": 1}
)


def read_condition(node: Node, context: Context) -> Condition:
    """Read one line of a list of conditions; several attributes in one line must all hold."""
    mapping = expect_mapping(node, context, "a condition")
    names = list(mapping.entries)
    if not names:
        raise context.report("KEY03", node, "a condition says nothing here")
    if "did" in mapping.entries or "did_not" in mapping.entries:
        if "did" in mapping.entries and "did_not" in mapping.entries:
            raise context.report(
                "KEY07", mapping.entries["did_not"].key, '"did" and "did_not" exclude each other',
                "write two conditions, each with its own -",
            )  # fmt: skip
        for name in names:
            if context.vocabulary.attribute(name):
                raise context.report(
                    "KEY07", mapping.entries[name].key, f'"{name}" is a condition of its own',
                    f'put - in front of "{name}"',
                )  # fmt: skip
        return read_did(mapping, context, negated="did_not" in mapping.entries)
    for word in (*_GROUPS, "segment"):
        if word in mapping.entries and len(names) > 1:
            other = next(name for name in names if name != word)
            raise context.report(
                "KEY07", mapping.entries[other].key, f'"{word}" stands alone in its condition',
                f'put - in front of "{other}"',
            )  # fmt: skip
    if names[0] in _GROUPS:
        return _GROUPS[names[0]](_conditions(mapping.entries[names[0]].value, context))
    if names[0] == "segment":
        value = mapping.entries["segment"].value
        return SegmentCondition(read_segment_name(value, context), context.position(value.place))
    parts = each_entry(mapping, context, _attribute)
    return parts[0] if len(parts) == 1 else AllOfThese(parts)


def _attribute(entry: Entry, context: Context) -> Condition:
    name = entry.key.text
    vocabulary = context.vocabulary
    attribute = vocabulary.attribute(name)
    event = context.start_event
    own = event.property(name) if event and attribute is None else None
    if event is not None and own is not None:
        currency = (own.currency or vocabulary.currency) if own.type == "money" else None
        test = read_test(entry.value, context, Tested(name, own.type, currency))
        return StartPropertyCondition(event.name, name, test, context.position(entry.key.place))
    if attribute is None:
        if name in vocabulary.attributes:
            raise Unreadable
        raise _unknown(entry, context)
    tested = Tested(name, attribute.type, attribute.currency, attribute.values)
    return AttributeCondition(
        name, read_test(entry.value, context, tested), context.position(entry.key.place)
    )


def _unknown(entry: Entry, context: Context) -> Exception:
    name = entry.key.text
    vocabulary = context.vocabulary
    own = [one.name for one in context.start_event.properties] if context.start_event else []
    known = [*vocabulary.attribute_names(), *own, *CONDITION_WORDS]
    if key_trap(name, entry.key, context, known):
        return Unreadable()
    if name in _LATER:
        return context.report("KEY04", entry.key, f'"{name}" is not supported by this version of tidings')
    if name in vocabulary.events:
        return context.report(
            "REF04", entry.key, f'"{name}" is an event, not an attribute', f"write: did: {name}"
        )
    if name in vocabulary.segments:
        return context.report(
            "REF04", entry.key, f'"{name}" is a segment, not an attribute', f"write: segment: {name}"
        )
    hint = did_you_mean(name, known, listing=False) or "declare it in config/attributes.yaml"
    return context.report("REF04", entry.key, f'no attribute "{name}"', hint)
