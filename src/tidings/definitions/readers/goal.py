"""What success of a campaign is: `goal` and `also`."""

from __future__ import annotations

from typing import Any

from tidings.definitions.behaviour import EVENT, read_properties
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.nodes import Node, Scalar
from tidings.definitions.quantities import DURATION
from tidings.definitions.schema import Key, Keys, Reader, expect_scalar
from tidings.definitions.texts import one_of


def _raw(node: Node, context: Context) -> Node:
    """Hand a node on to be read when its event is known."""
    return node


KEYS = Keys(
    "a goal",
    (
        Key("did", EVENT, "The event that counts.", "did: order_placed", required=True),
        Key("within", DURATION, "How long after the anchor it counts, for every arm alike.", "within: 14 days", required=True),
        Key("with", Reader(_raw, "properties of the event and what they should be", {"type": "object"}), "Only events whose properties pass all of these.", "with: {category: garden}"),
        Key("worth", Reader(_raw, "`revenue`, `margin` or a money property of the event", {"type": "string"}), "What one is worth: `revenue` or `margin` as config/events.yaml declares them, or a money property.", "worth: revenue"),
        Key("counts", one_of(["first", "every"]), "Whether a customer's first or every event counts.", "counts: every", default="first"),
    ),
    later=frozenset({"serves", "guard", "of", "by"}),
)  # fmt: skip


def read_goal(node: Node, context: Context) -> Goal:
    """Return one goal."""
    values: dict[str, Any] = KEYS.read(node, context)
    event = values["did"]
    failed = False
    with_: Any = ()
    worth = None
    try:
        with_ = read_properties(values["with"], context, event) if "with" in values else ()
    except Unreadable:
        failed = True
    try:
        worth = _worth(values["worth"], context, event) if "worth" in values else None
    except Unreadable:
        failed = True
    if failed:
        raise Unreadable
    return Goal(
        did=event,
        within=values["within"],
        with_=with_,
        worth=worth,
        counts=values.get("counts", "first"),
        at=context.position(node.place),
    )


def _worth(node: Node, context: Context, event: str) -> str:
    scalar: Scalar = expect_scalar(node, context, "revenue, or a money property of the event")
    declared = context.vocabulary.events.get(event)
    if event in context.vocabulary.events and declared is None:
        raise Unreadable
    money = [one.name for one in declared.properties if one.type == "money"] if declared else []
    if scalar.text == "revenue":
        if declared and declared.revenue:
            return "revenue"
        raise context.report(
            "REF06", scalar, f"the event {event} declares no revenue",
            f"in config/events.yaml, write under {event}: revenue: NAME OF A MONEY PROPERTY",
        )  # fmt: skip
    if scalar.text in money:
        return scalar.text
    if scalar.text == "margin" and declared:
        if declared.margin:
            return declared.margin
        raise context.report(
            "REF06", scalar, f"the event {event} declares no margin",
            f"in config/events.yaml, write under {event}: margin: NAME OF A MONEY PROPERTY",
        )  # fmt: skip
    found = declared.property(scalar.text) if declared else None
    if found is not None:
        raise context.report(
            "PHR05", scalar, f'"{scalar.text}" is a {found.type}; worth needs a property declared as money'
        )
    raise context.report(
        "REF06", scalar, f'the event {event} has no money property "{scalar.text}"',
        did_you_mean(scalar.text, ["revenue", *money]) if money else "",
    )  # fmt: skip


GOAL = Reader(read_goal, "a goal", KEYS.schema())
