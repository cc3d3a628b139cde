"""config/attribution.yaml: which events are conversions, how far back touches count, and how credit is shared."""

from __future__ import annotations

from typing import Any

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.measuring import MODELS, TOUCHES, Attribution, LookBack
from tidings.definitions.nodes import Entry, Mapping, Node
from tidings.definitions.quantities import DURATION, SHARE
from tidings.definitions.readers.channel import KINDS
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping, expect_scalar, key_trap
from tidings.definitions.schema import list_of as several
from tidings.definitions.texts import TEXT, one_of, whole
from tidings.definitions.values import Share

_ANY = "any"


def read_conversion(node: Node, context: Context) -> str:
    """Read the name of a declared event that says what one is worth."""
    scalar = expect_scalar(node, context, "the name of an event")
    name, events = scalar.text, context.vocabulary.events
    if name not in events:
        if key_trap(name, scalar, context, sorted(events)):
            raise Unreadable
        hint = did_you_mean(name, events, listing=False) or "declare it in config/events.yaml"
        raise context.report("REF05", scalar, f'no event "{name}"', hint)
    event = events.get(name)
    if event is not None and not event.revenue:
        raise context.report(
            "REF06", scalar, f"the event {name} declares no revenue, so there is nothing to share",
            f"in config/events.yaml, write under {name}: revenue: NAME OF A MONEY PROPERTY",
        )  # fmt: skip
    return name


CONVERSION = Reader(read_conversion, "the name of an event with a worth", {"type": "string"})


def _windows(node: Node, context: Context) -> tuple[LookBack, ...]:
    def read(entry: Entry, inner: Context) -> tuple[LookBack, ...]:
        channel = _channel(entry, inner)
        if not isinstance(entry.value, Mapping):
            return (LookBack(channel, "", DURATION.read(entry.value, inner)),)
        if not entry.value.entries:
            raise inner.report("KEY03", entry.value, "this says nothing", "write such as {clicked: 5 days}")
        return each_entry(
            entry.value,
            inner,
            lambda one, within: LookBack(
                channel, _TOUCH.read(one.key, within), DURATION.read(one.value, within)
            ),
        )

    mapping = expect_mapping(node, context, '"windows"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"windows" is empty', "write such as {email: 5 days}")
    return tuple(one for group in each_entry(mapping, context, read) for one in group)


_TOUCH = one_of(TOUCHES)


def _channel(entry: Entry, context: Context) -> str:
    """Return the kind of channel or the medium that a window is for, "" for every one."""
    name = entry.key.text
    if name == _ANY:
        return ""
    media = context.vocabulary.media
    if name in KINDS or media is None or name in media:
        return name
    known = [*KINDS, *sorted(media), _ANY]
    if key_trap(name, entry.key, context, known):
        raise Unreadable
    channel = context.vocabulary.channels.get(name)
    hint = (
        f"touches are told apart by the kind: write {channel.kind}" if channel else did_you_mean(name, known)
    )
    raise context.report(
        "REF02", entry.key, f'no kind of channel and no medium of an import is "{name}"', hint
    )


POSITION_KEYS = Keys(
    "the shares of the ends",
    (
        Key("first", SHARE, "The share of the first touch.", "first: 40%", required=True),
        Key("last", SHARE, "The share of the last touch; those between get the rest in equal parts.", "last: 40%", required=True),
    ),
)  # fmt: skip


def _position(node: Node, context: Context) -> tuple[Share, Share]:
    values = POSITION_KEYS.read(node, context)
    first, last = values["first"], values["last"]
    if first.basis_points + last.basis_points > 10_000:
        raise context.report(
            "VAL08", node, f"{first} and {last} are more than 100%", "write such as 40% and 40%"
        )
    return first, last


_LENGTHS = {
    "anyOf": [
        dict(DURATION.schema),
        {"type": "object", "properties": {kind: dict(DURATION.schema) for kind in TOUCHES}, "additionalProperties": False},
    ]
}  # fmt: skip
KEYS = Keys(
    "the attribution file",
    (
        Key("attribution", TEXT, "The title that people see.", "attribution: How credit is shared", required=True),
        Key("conversions", several(CONVERSION, '"conversions"', or_one=True, once=True), "The events that credit is given for, each with its worth in config/events.yaml.", "conversions: [order_placed]", required=True),
        Key("model", one_of(MODELS), "The model that reports show; `tidings attribute --model all` shows every one.", "model: markov", default="markov"),
        Key("touches", several(_TOUCH, '"touches"', once=True), "The kinds of touches that count.", "touches: [clicked, replied, redeemed, visited, met]", default="clicked, replied, redeemed, seen, visited, met"),
        Key("within", DURATION, "How long before a conversion a touch still counts.", "within: 30 days", default="30 days, 7 for what was only seen, sent or opened"),
        Key("windows", Reader(_windows, "kinds of channels or media, each with a length of time, or with one a kind of touch", {"type": "object", "additionalProperties": _LENGTHS, "minProperties": 1}), "Other lengths for a channel or a medium, or for one kind of its touches; `any` stands for all of them.", "windows: {email: 5 days, sms: {sent: 12 hours}, any: {seen: 1 day}}"),
        Key("half_life", DURATION, "Of time decay: so long before the conversion, a touch counts half.", "half_life: 7 days", default="7 days"),
        Key("position", Reader(_position, "the shares of the first and of the last touch", POSITION_KEYS.schema()), "Of the position model: what the first and the last touch get.", "position: {first: 40%, last: 40%}", default="40% each"),
        Key("order", whole(1, 9), "Of the Markov model: how many steps back its chain remembers.", "order: 2", default="1"),
    ),
)  # fmt: skip


def read(node: Node, context: Context) -> Attribution:
    """Return how credit is shared."""
    values: dict[str, Any] = KEYS.read(node, context)
    assert isinstance(node, Mapping)
    plain = "conversions model within windows half_life position order touches"
    found = Attribution(values["attribution"], **{key: values[key] for key in plain.split() if key in values})
    for window in found.windows:
        if not window.channel and not window.kind and found.within is not None:
            raise context.report(
                "KEY07", node.entries["windows"].key, f'"{_ANY}" without a kind of touch and "within" are the same',
                "keep `within`",
            )  # fmt: skip
        if window.kind and window.kind not in found.touches:
            written = node.entries["windows"].value
            assert isinstance(written, Mapping)
            inner = written.entries[window.channel or _ANY].value
            assert isinstance(inner, Mapping)
            raise context.report(
                "KEY07", inner.entries[window.kind].key, f"touches of the kind {window.kind} do not count here",
                f"add {window.kind} to `touches:`, or delete this window",
            )  # fmt: skip
    return found
