"""flows/*.yaml: a journey of several steps that something starts for each customer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.campaign import Holdout
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.kinds.rules import TASK_EVENTS
from tidings.definitions.kinds.timing import Again
from tidings.definitions.nodes import Mapping, Node
from tidings.definitions.readers import timing
from tidings.definitions.readers.addressing import PURPOSE, SERVES, check_purpose, check_topic
from tidings.definitions.readers.campaign import HOLDOUT_KEYS, check_goal, read_holdout
from tidings.definitions.readers.goal import GOAL
from tidings.definitions.readers.starting import START
from tidings.definitions.readers.step_order import check_order
from tidings.definitions.readers.stepping import STEP_KEYS, read_step
from tidings.definitions.readers.turning import check_turning
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each_entry,
    expect_mapping,
    expect_scalar,
    key_trap,
    list_of,
)
from tidings.definitions.selecting import CONDITIONS
from tidings.definitions.texts import TEXT, one_of


def _raw(node: Node, context: Context) -> Node:
    """Hand a node on to be read when the start of the flow is known."""
    return node


def _moved(node: Node, context: Context) -> tuple[tuple[str, str], ...]:
    mapping = expect_mapping(node, context, '"moved"')
    return each_entry(
        mapping,
        context,
        lambda entry, inner: (entry.key.text, expect_scalar(entry.value, inner, "a step, or end").text),
    )


def _holdout(node: Node, context: Context) -> Holdout:
    holdout, unit = read_holdout(node, context)
    if isinstance(node, Mapping) and (unit == "account" or holdout.lasts == "each run"):
        key = "unit" if unit == "account" else "lasts"
        raise context.report(
            "KEY07", node.entries[key].key, "a flow holds out customers, each of them for good", "delete it"
        )
    return holdout


KEYS = Keys(
    "a flow",
    (
        Key("flow", TEXT, "The title that people see.", "flow: Abandoned basket", required=True),
        Key("owner", TEXT, "Who answers for it.", "owner: crm@nordicgarden.example"),
        Key("why", TEXT, "What makes it worth sending.", "why: Half of those reminded come back"),
        Key("serves", SERVES, "The goal of the company that it is for, by its name in config/goals.yaml.", "serves: winback_2027"),
        Key("purpose", PURPOSE, "What the message is for: decides class, consent and default holdout.", "purpose: marketing", default="marketing"),
        Key("topic", TEXT, "The topic of its purpose that the message belongs to.", "topic: roses"),
        Key("priority", one_of(["high", "normal", "low"]), "Who wins under the frequency cap.", "priority: high", default="normal"),
        Key("clock", one_of(["workspace", "recipient"]), "Whose clock its hours are on.", "clock: recipient", default="workspace"),
        Key("starts", Reader(_raw, "what starts it", START.schema), "What starts it for a customer: an event, coming into or going out of a segment, or a date.", "starts: {did: basket_updated}", required=True),
        Key("again", Reader(_raw, timing.AGAIN.says, timing.AGAIN.schema), "Whether the same customer walks it again; never twice at once, but for each of several.", "again: after 7 days", default="never"),
        Key("holdout", Reader(_holdout, "auto, none, a share such as 10%, or the long form", {"anyOf": [{"type": "string"}, HOLDOUT_KEYS.schema()]}), "How many get nothing, to measure against.", "holdout: 10%", default="auto"),
        Key("leave_when", Reader(_raw, CONDITIONS.says, CONDITIONS.schema), "Asked before every step: a customer for whom any of it holds leaves. Events count from the start on.", "leave_when: [{did: order_placed}]"),
        Key("steps", Reader(_raw, "steps by name, in their order", {"type": "object", "minProperties": 1, "additionalProperties": STEP_KEYS.schema()}), "What happens, one step after the other; the names are yours.", "steps: {reminder: {after: 2 hours quiet, send: basket/reminder, via: email}}", required=True),
        Key("goal", GOAL, "What success is.", "goal: {did: order_placed, within: 14 days, worth: revenue}"),
        Key("also", list_of(GOAL, "also"), "Further goals to report.", "also: [{did: page_viewed, within: 3 days}]"),
        Key("moved", Reader(_moved, "old steps, each with a step that is there now, or end", {"type": "object"}), "Of steps that were taken out: where those go who wait there.", "moved: {second_letter: text}"),
    ),
    later=frozenset({"budget", "guard", "variants", "copies_to", "expires"}),
    renamed={
        "to": "a flow is started: write starts: {enters: SEGMENT}",
        "every": "what a date or a list decides is a campaign: campaigns/; a flow is started by what the customer did",
        "at": "what a date or a list decides is a campaign: campaigns/; a flow is started by what the customer did",
        "send": "a flow sends in its steps: write steps: {letter: {send: MESSAGE, via: email}}",
        "via": "channels stand in the steps: write via: in each step that sends",
    },
)  # fmt: skip


def read(node: Node, context: Context, name: str) -> Flow:
    """Return the flow of one file."""
    values: dict[str, Any] = KEYS.read(node, context)
    assert isinstance(node, Mapping)
    # What starts it comes first: the other parts may ask for properties of its event.
    starts: Start = START.read(values["starts"], context)
    context.start_kind = starts.kind
    context.start_event = context.vocabulary.events.get(starts.event, TASK_EVENTS.get(starts.event))
    failed = False
    leave: Any = ()
    again: Any = Again("never")
    steps: tuple[Step, ...] = ()
    try:
        again = _again(values["again"], context) if "again" in values else again
    except Unreadable:
        failed = True
    try:
        leave = CONDITIONS.read(values["leave_when"], context) if "leave_when" in values else ()
    except Unreadable:
        failed = True
    with suppress(Unreadable):
        steps = _steps(values["steps"], context)
    if not steps or failed:
        raise Unreadable
    plain = "purpose topic holdout goal also moved priority clock owner why serves"
    flow = Flow(
        id=name,
        title=values["flow"],
        path=context.file.path,
        starts=starts,
        steps=steps,
        again=again,
        leave_when=leave,
        **{key: values[key] for key in plain.split() if key in values},
    )
    _check(flow, node, context)
    return flow


def _check(flow: Flow, node: Mapping, context: Context) -> None:
    """Report what fits each part and not the whole."""
    title = node.entries["flow"].key
    if flow.id in context.vocabulary.campaigns:
        context.report(
            "REF12", title, f'there is a campaign "{flow.id}" already; flows and campaigns share their names', "rename one of the two files"
        )  # fmt: skip
    check_purpose("purpose" in node.entries, title, context, "flow")
    check_goal(flow.goal, flow.holdout, flow.purpose, node, context)
    steps = node.entries["steps"].value
    assert isinstance(steps, Mapping)
    if flow.topic:
        check_topic(flow.topic, flow.purpose, node.entries["topic"].value, context)
    for step in flow.steps:
        inner = steps.entries[step.name].value
        if step.topic and isinstance(inner, Mapping):
            check_topic(step.topic, step.purpose or flow.purpose, inner.entries["topic"].value, context)
    _check_moved(flow, node, context)
    check_order(flow, steps, context)
    check_turning(flow, node, context)


def _again(node: Node, context: Context) -> Again:
    again = timing.AGAIN.read(node, context)
    if again.how != "each":
        return again
    event, vocabulary = context.start_event, context.vocabulary
    own = [one.name for one in event.properties] if event else []
    if again.each in own or again.each in vocabulary.attributes or vocabulary.attribute(again.each):
        return again
    known = [*vocabulary.attribute_names(), *own]
    if not key_trap(again.each, expect_scalar(node, context, "for each"), context, known):
        hint = (
            did_you_mean(again.each, known, listing=False)
            or "name an attribute, or a property of the event that starts it"
        )
        context.report(
            "REF04", node, f'nothing is called "{again.each}" that there could be several of', hint
        )
    raise Unreadable


def _steps(node: Node, context: Context) -> tuple[Step, ...]:
    mapping = expect_mapping(node, context, '"steps"')
    if not mapping.entries:
        raise context.report(
            "KEY03", node, '"steps" is empty', "write such as letter: {send: welcome, via: email}"
        )
    return each_entry(mapping, context, read_step)


def _check_moved(flow: Flow, node: Mapping, context: Context) -> None:
    names = [step.name for step in flow.steps]
    for old, new in flow.moved:
        mapping = node.entries["moved"].value
        assert isinstance(mapping, Mapping)
        entry = mapping.entries[old]
        if old in names:
            context.report("KEY07", entry.key, f'the step "{old}" is here; only steps that were taken out are moved', "delete this line")  # fmt: skip
        if new not in (*names, "end"):
            context.report(
                "FLW04", entry.value, f'there is no step "{new}"', did_you_mean(new, [*names, "end"])
            )
