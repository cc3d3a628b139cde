"""config/scores.yaml: what a customer is likely to do, learnt from what customers did before."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.measuring import Score
from tidings.definitions.nodes import Entry, Node
from tidings.definitions.quantities import DURATION
from tidings.definitions.schema import Key, Keys, Reader, expect_mapping, expect_scalar, key_trap
from tidings.definitions.schema import list_of as several
from tidings.definitions.selecting import SEGMENT
from tidings.definitions.texts import TEXT, check_name

_TITLE = "scores"


def _event(node: Node, context: Context) -> str:
    """Read the name of a declared event: what customers do of themselves, not how they answer us."""
    scalar = expect_scalar(node, context, "the name of an event")
    events = context.vocabulary.events
    if scalar.text in events:
        return scalar.text
    if key_trap(scalar.text, scalar, context, sorted(events)):
        raise Unreadable
    hint = did_you_mean(scalar.text, events, listing=False) or "declare it in config/events.yaml"
    raise context.report("REF05", scalar, f'no event "{scalar.text}"', hint)


def _kept_out(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "an event, a property or an attribute")
    vocabulary = context.vocabulary
    declared = [one for one in vocabulary.events.values() if one is not None]
    properties = {part.name for one in declared for part in one.properties}
    known = {*vocabulary.events, *properties, *vocabulary.attributes}
    unreadable = len(declared) < len(vocabulary.events)
    if (
        scalar.text in known
        or scalar.text in vocabulary.events
        or scalar.text in vocabulary.attributes
        or unreadable
    ):
        return scalar.text
    if key_trap(scalar.text, scalar, context, sorted(known)):
        raise Unreadable
    hint = did_you_mean(scalar.text, known, listing=False)
    raise context.report("REF06", scalar, f'no event, property or attribute "{scalar.text}"', hint)


_EVENT = Reader(_event, "the name of an event", {"type": "string"})
_KEPT_OUT = Reader(_kept_out, "an event, a property or an attribute", {"type": "string"})
KEYS = Keys(
    "a score",
    (
        Key("title", TEXT, "The name that people see.", "title: Orders again"),
        Key("did", _EVENT, "The event whose chance it is.", "did: order_placed", required=True),
        Key("within", DURATION, "How soon it must happen.", "within: 90 days", required=True),
        Key("history", DURATION, "How far back it looks at what a customer did.", "history: 365 days", required=True),
        Key("events", several(_EVENT, '"events"', or_one=True, once=True), "What it looks at; only customers who did any of it have a score.", "events: [order_placed, page_viewed]", required=True),
        Key("who", SEGMENT, "Only customers of this segment have the score.", "who: gold_gardeners", default="everybody"),
        Key("keep_out", several(_KEPT_OUT, '"keep_out"', or_one=True, once=True), "What would tell the answer, and so is not looked at.", "keep_out: [lifetime_value]"),
        Key("retrain", DURATION, "How old it may grow before it is learnt anew.", "retrain: 30 days"),
    ),
)  # fmt: skip


def read(node: Node, context: Context) -> dict[str, Score | None]:
    """Return every score by name; None for one that cannot be read, so that segments do not call it unknown."""
    mapping = expect_mapping(node, context, "the scores file")
    if _TITLE in mapping.entries:
        with suppress(Unreadable):
            TEXT.read(mapping.entries[_TITLE].value, context)
    found: dict[str, Score | None] = {name: None for name in mapping.entries if name != _TITLE}
    for name in found:
        with suppress(Unreadable):
            found[name] = _score(mapping.entries[name], context)
    return found


def _score(entry: Entry, context: Context) -> Score:
    check_name(entry.key, context)
    name = entry.key.text
    if name in context.vocabulary.attribute_names():
        raise context.report(
            "REF12", entry.key, f'there is an attribute "{name}" already; `rank` could not tell them apart',
            "call the score otherwise",
        )  # fmt: skip
    values: dict[str, Any] = KEYS.read(entry.value, context)
    if set(values["events"]) <= set(values.get("keep_out", ())):
        raise context.report(
            "KEY07", entry.key, "nothing is left to look at: every event of `events` is kept out", "take one of them out"
        )  # fmt: skip
    plain = "did within history events who keep_out retrain".split()
    return Score(name, values.get("title", ""), **{key: values[key] for key in plain if key in values})
