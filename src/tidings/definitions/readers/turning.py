"""Flows that could never start, steps that nobody could pass, and flows that start themselves again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidings.definitions.conditions import (
    AllOfThese,
    AnyOfThese,
    AttributeCondition,
    Condition,
    NoneOfThese,
    StartPropertyCondition,
)
from tidings.definitions.context import Context
from tidings.definitions.contradictions import fits_nothing
from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.kinds.rules import TASK_EVENTS
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.references import segment_references
from tidings.definitions.values import Test


def check_turning(flow: Flow, node: Mapping, context: Context) -> None:
    """Report a start that can never fire, a condition that fits nobody, and a flow that feeds itself."""
    starts = node.entries["starts"].value
    assert isinstance(starts, Mapping)
    if not _can_start(flow, starts, context):
        return
    steps = node.entries["steps"].value
    assert isinstance(steps, Mapping)
    for step in flow.steps:
        inner = steps.entries[step.name].value
        assert isinstance(inner, Mapping)
        if step.when and fits_nothing([*_known_of_start(flow), *tests_of(step.when, context)]):
            context.report(
                "FLW01", inner.entries["when"].key, f'nobody reaches the step "{step.name}": this fits no customer who comes to it',
                "change one of the conditions, or the start",
            )  # fmt: skip
    if flow.again.how == "always":
        for step in flow.steps:
            _feeds_itself(flow, step, steps.entries[step.name].value, context)


def tests_of(conditions: Iterable[Condition], context: Context) -> Iterator[tuple[str, Test]]:
    """Yield what must hold of each attribute and property in conditions that must all hold.

    Lists are left out: they have several values at a time, so that two tests of one do not exclude each other.
    """
    for one in conditions:
        if isinstance(one, AttributeCondition):
            attribute = context.vocabulary.attribute(one.attribute)
            if attribute is not None and attribute.type != "list":
                yield one.attribute, one.test
        elif isinstance(one, StartPropertyCondition):
            yield one.property, one.test
        elif isinstance(one, AllOfThese):
            yield from tests_of(one.parts, context)


def attributes_of(conditions: Iterable[Condition]) -> Iterator[str]:
    """Yield every attribute that conditions ask for, wherever in them it stands."""
    for one in conditions:
        if isinstance(one, AttributeCondition):
            yield one.attribute
        elif isinstance(one, (AllOfThese, AnyOfThese, NoneOfThese)):
            yield from attributes_of(one.parts)


def _known_of_start(flow: Flow) -> list[tuple[str, Test]]:
    return list(flow.starts.with_)


def _can_start(flow: Flow, starts: Mapping, context: Context) -> bool:
    """Report a start that no customer can ever have; tell whether it is sound."""
    start = flow.starts
    if start.kind == "event" and fits_nothing(start.with_):
        context.report(
            "FLW06", starts.entries["with"].key, f"no {start.event} is ever like this: this start can never fire", "change one of its lines"
        )  # fmt: skip
        return False
    segment = context.vocabulary.segment_rules.get(start.segment)
    if start.kind == "enters" and segment is not None and _is_empty(segment, context):
        context.report(
            "FLW06", starts.entries["enters"].value, f'nobody can be in the segment "{start.segment}": this start can never fire',
            f"look at {segment.path}",
        )  # fmt: skip
        return False
    return True


def _is_empty(segment: Segment, context: Context) -> bool:
    """Tell whether nobody can be in a segment: its conditions exclude each other, or its exceptions take all of it back."""
    return fits_nothing(tests_of(segment.where, context)) or any(
        one in segment.where for one in segment.except_
    )


def _feeds_itself(flow: Flow, step: Step, node: Node, context: Context) -> None:
    """Report a step by which the flow starts for the same customer once more, and so on for ever."""
    assert isinstance(node, Mapping)
    start = flow.starts
    verb = {"enters": "add_to", "leaves": "remove_from"}.get(start.kind, "")
    if step.verb == verb and step.segment == start.segment:
        _report(node, verb, f'this step has the customer {"enter" if verb == "add_to" else "leave"} "{start.segment}", which starts the flow again', context)  # fmt: skip
    if step.verb == "set" and start.segment:
        asked = _asked(start.segment, context)
        name = next((name for name, _ in step.values if name in asked), "")
        if name:
            _report(node, "set", f'"{name}" decides who is in "{start.segment}", and coming and going there starts the flow again', context)  # fmt: skip
    if step.verb == "notify" and start.event in TASK_EVENTS:
        _report(node, "notify", f"the answer to this task may be {start.event}, which starts the flow again", context)  # fmt: skip


def _report(node: Mapping, key: str, message: str, context: Context) -> None:
    context.report(
        "FLW07",
        node.entries[key].key,
        f"{message}: it feeds itself",
        "write again: never, or after such as 30 days",
    )


def _asked(name: str, context: Context) -> set[str]:
    """Return the attributes that decide who is in a segment, also through other segments."""
    known: dict[str, Segment] = context.vocabulary.segment_rules
    waiting, seen, found = [name], set[str](), set[str]()
    while waiting:
        segment = known.get(waiting.pop())
        if segment is None or segment.id in seen:
            continue
        seen.add(segment.id)
        conditions = (*segment.where, *segment.except_)
        found |= set(attributes_of(conditions))
        waiting += [one.segment for one in segment_references(conditions)]
    return found
