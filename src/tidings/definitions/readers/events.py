"""config/events.yaml: what customers do, with which properties."""

from __future__ import annotations

from contextlib import suppress

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, REDEMPTION, TASK_EVENTS, Event, EventProperty
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping, expect_scalar
from tidings.definitions.texts import CURRENCY, TEXT, check_name, one_of

_TITLE = "events"
_TYPE = one_of(["text", "number", "money", "date", "flag"])
_PROPERTY = Keys(
    "a property",
    (
        Key("type", _TYPE, "What kind of value.", "type: money", required=True),
        Key("currency", CURRENCY, "The currency of a money property; else the workspace's.", "currency: EUR"),
    ),
)  # fmt: skip
PROPERTY_KEYS = _PROPERTY


def _property(entry: Entry, context: Context) -> EventProperty:
    check_name(entry.key, context)
    if isinstance(entry.value, Mapping):
        values = _PROPERTY.read(entry.value, context)
        if "currency" in values and values["type"] != "money":
            raise context.report(
                "KEY07",
                entry.value.entries["currency"].key,
                f'"currency" is for money, not for {values["type"]}',
            )
        return EventProperty(entry.key.text, values["type"], values.get("currency"))
    return EventProperty(entry.key.text, _TYPE.read(entry.value, context))


def _properties(node: Node, context: Context) -> tuple[EventProperty, ...]:
    return each_entry(expect_mapping(node, context, '"properties"'), context, _property)


def _word(node: Node, context: Context) -> Scalar:
    """Hand a name on with its place, to be checked when every event is known."""
    return expect_scalar(node, context, "a name")


_NAME = Reader(_word, "a name", {"type": "string"})
KEYS = Keys(
    "an event",
    (
        Key("title", TEXT, "The name that people see.", "title: Order placed"),
        Key("properties", Reader(_properties, "properties by name, each with its type", {"type": "object"}), "What is told with it: text, number, money, date or flag.", "properties: {order_total: money}"),
        Key("revenue", _NAME, "The money property that `worth: revenue` means.", "revenue: order_total"),
        Key("margin", _NAME, "The money property that `worth: margin` means.", "margin: profit"),
        Key("code", _NAME, "The text property that may hold the code of an offer: then the event redeems it.", "code: coupon"),
        Key("discount", _NAME, "The money property with what the code took off.", "discount: discount"),
        Key("amounts", one_of(["after discount", "before discount"]), "Whether revenue and margin are told with the discount taken off already.", "amounts: before discount", default="after discount"),
        Key("returns", _NAME, "The event whose amounts are taken off.", "returns: order_returned"),
    ),
    later=frozenset({"profit", "id", "items", "costs"}),
)  # fmt: skip


def read(node: Node, context: Context) -> dict[str, Event | None]:
    """Return every event by name; None for one that cannot be read, so that others do not call it unknown."""
    mapping = expect_mapping(node, context, "the events file")
    if _TITLE in mapping.entries:
        with suppress(Unreadable):
            TEXT.read(mapping.entries[_TITLE].value, context)
    names = [name for name in mapping.entries if name != _TITLE]
    found: dict[str, Event | None] = dict.fromkeys(names)
    for name in names:
        try:
            found[name] = _event(mapping.entries[name], names, context)
        except Unreadable:
            continue
    return found


def _event(entry: Entry, names: list[str], context: Context) -> Event:
    name = entry.key.text
    check_name(entry.key, context)
    if name in BUILT_IN_RESPONSES:
        raise context.report(
            "REF12", entry.key, f'"{name}" is a built-in response and needs no declaration', "delete it here"
        )
    if name == REDEMPTION.name:
        raise context.report(
            "REF12",
            entry.key,
            f'"{name}" is recorded by tidings itself and needs no declaration',
            "delete it here",
        )
    if name in TASK_EVENTS:
        raise context.report(
            "REF12", entry.key, f'"{name}" is the answer to a task and needs no declaration', "delete it here"
        )
    if isinstance(entry.value, Scalar) and entry.value.value is None:
        return Event(name)
    values = KEYS.read(entry.value, context)
    event = Event(name, values.get("title", ""), values.get("properties", ()))
    return Event(
        name,
        event.title,
        event.properties,
        _money(event, "revenue", values.get("revenue"), context),
        _returns(event, values.get("returns"), names, context),
        _money(event, "margin", values.get("margin"), context),
        _named(event, "code", "text", values.get("code"), context),
        _money(event, "discount", values.get("discount"), context),
        values.get("amounts") == "before discount",
    )


def _money(event: Event, key: str, written: Scalar | None, context: Context) -> str | None:
    return _named(event, key, "money", written, context)


def _named(event: Event, key: str, kind: str, written: Scalar | None, context: Context) -> str | None:
    """Return the property of a type that a key names."""
    if written is None:
        return None
    found = event.property(written.text)
    if found is None:
        fitting = [one.name for one in event.properties if one.type == kind]
        raise context.report(
            "REF06",
            written,
            f'{event.name} has no property "{written.text}"',
            did_you_mean(written.text, fitting),
        )
    if found.type != kind:
        raise context.report("PHR05", written, f'"{written.text}" is a {found.type}; {key} needs {kind}')
    return written.text


def _returns(event: Event, written: Scalar | None, names: list[str], context: Context) -> str | None:
    if written is None:
        return None
    if written.text not in names or written.text == event.name:
        others = [name for name in names if name != event.name]
        raise context.report(
            "REF05", written, f'no other event "{written.text}"', did_you_mean(written.text, others)
        )
    return written.text
