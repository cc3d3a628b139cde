"""Who gets a campaign, as what, by which channels and to what end: `to`, `purpose`, `send`, `via`, `costs`, `serves`."""

from __future__ import annotations

import re

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.campaign import Audience
from tidings.definitions.nodes import Entry, Mapping, Node, Scalar, Sequence
from tidings.definitions.quantities import MONEY, reading_trap
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
from tidings.definitions.selecting import CONDITIONS, SEGMENTS
from tidings.definitions.texts import one_of
from tidings.definitions.values import Money

# The word in `via` that stands for the customer's own choice, and the attribute that holds it.
PREFERRED = "preferred"
PREFERRED_ATTRIBUTE = "preferred_channel"

_NAME = {"type": "string"}
_GROUP = re.compile(r"one \w[\w -]{0,40} an? (?:account|dealer|company)\Z")
_UNITS = one_of(["customer", "account"])
_INLINE = Keys("an inline audience", (Key("where", CONDITIONS, "Conditions; all of them must hold.", "where: [{country: SE}]", required=True),))  # fmt: skip


def _to(node: Node, context: Context) -> Audience:
    if isinstance(node, Mapping):
        return Audience(where=_INLINE.read(node, context)["where"])
    return Audience(segments=SEGMENTS.read(node, context))


def folders(context: Context) -> set[str]:
    """Return the messages that there are: the folders in templates/, and those that hold issues."""
    found = set()
    for path in context.vocabulary.templates:
        parts = path.split("/")[1:-1]
        found |= {"/".join(parts[:deep]) for deep in range(1, len(parts) + 1)}
    return found


def _folder(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the name of a folder in templates/")
    known = folders(context)
    if scalar.text in known:
        return scalar.text
    if key_trap(scalar.text, scalar, context, sorted(known)):
        return scalar.text
    hint = did_you_mean(scalar.text, known) or f"make templates/{scalar.text}/ with a file for each channel"
    raise context.report("REF08", scalar, f'no template folder "{scalar.text}"', hint)


def _channel(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the name of a channel")
    vocabulary = context.vocabulary
    if scalar.text in vocabulary.channels:
        return scalar.text
    if scalar.text == PREFERRED:
        _check_preferred(scalar, context)
        return scalar.text
    if key_trap(scalar.text, scalar, context, list(vocabulary.channels)):
        return scalar.text
    hint = (
        did_you_mean(scalar.text, [*vocabulary.channels, PREFERRED], listing=False)
        or f"it would be channels/{scalar.text}.yaml"
    )
    raise context.report("REF02", scalar, f'no channel "{scalar.text}"', hint)


def _check_preferred(node: Node, context: Context) -> None:
    """Report `preferred` where no attribute could hold anybody's choice."""
    found = context.vocabulary.attributes.get(PREFERRED_ATTRIBUTE)
    if found is None and PREFERRED_ATTRIBUTE not in context.vocabulary.attributes:
        context.report(
            "REF04", node, f'"{PREFERRED}" is the channel that a customer chose, and no attribute "{PREFERRED_ATTRIBUTE}" holds it',
            f"write in config/attributes.yaml: {PREFERRED_ATTRIBUTE}: text",
        )  # fmt: skip
    elif found is not None and found.type != "text":
        context.report(
            "PHR05", node, f'"{PREFERRED}" needs the attribute "{PREFERRED_ATTRIBUTE}" as a text, and it is a {found.type}',
            f"write in config/attributes.yaml: {PREFERRED_ATTRIBUTE}: text",
        )  # fmt: skip


def _via(node: Node, context: Context) -> tuple[str, ...]:
    names = _CHANNELS.read(node, context)
    if names == (PREFERRED,):
        raise context.report(
            "KEY03", node, f'"{PREFERRED}" alone reaches nobody who chose nothing', "write such as [preferred, email]"
        )  # fmt: skip
    return names


def _purpose(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "the name of a purpose")
    known = context.vocabulary.purposes
    if known is None or scalar.text in known or key_trap(scalar.text, scalar, context, sorted(known)):
        return scalar.text
    hint = did_you_mean(scalar.text, known) or "declare it in config/policies.yaml"
    raise context.report("REF03", scalar, f'no purpose "{scalar.text}"', hint)


def _serves(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a goal of config/goals.yaml")
    known = context.vocabulary.goals
    if scalar.text in known:
        return scalar.text
    if key_trap(scalar.text, scalar, context, sorted(known)):
        raise Unreadable
    hint = did_you_mean(scalar.text, known) or f"write it in config/goals.yaml, under {scalar.text}:"
    raise context.report("REF13", scalar, f'no goal "{scalar.text}" in config/goals.yaml', hint)


def _group(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "account, or a phrase such as one sheet a dealer")
    if scalar.text == "account" or _GROUP.match(scalar.text):
        return "account"
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" does not say whose customers share one message',
        "write account, or a phrase such as one sheet a dealer or one fax an account",
    )  # fmt: skip


def _cost(entry: Entry, context: Context) -> tuple[str, Money]:
    return entry.key.text, MONEY.read(entry.value, context)


def _costs(node: Node, context: Context) -> tuple[tuple[str, Money], ...]:
    mapping = expect_mapping(node, context, '"costs"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"costs" is empty', "write such as artwork: 400 EUR")
    return each_entry(mapping, context, _cost)


def check_files(send: str, via: Node, context: Context, *, issues: bool = False) -> None:
    """Report a channel of `via` for which a message has no file; `issues`: its files stand in a folder for each issue."""
    prefix = f"templates/{send}/"
    files = [path.removeprefix(prefix) for path in context.vocabulary.templates if path.startswith(prefix)]
    if issues:
        files = [path.rpartition("/")[2] for path in files]
    for item in via.items if isinstance(via, Sequence) else [via]:
        channel = context.vocabulary.channels.get(item.text) if isinstance(item, Scalar) else None
        if channel and not any(file.startswith(f"{channel.kind}.") for file in files):
            context.report(
                "REF09", item, f"the message {send} has no file for {channel.kind}",
                f"write templates/{send}/{channel.kind}.{context.vocabulary.locale}.txt",
            )  # fmt: skip


def check_purpose(written: bool, at: Node, context: Context, kind: str) -> None:
    """Report a file that names no purpose where the default one is not declared."""
    known = context.vocabulary.purposes
    if not written and known is not None and "marketing" not in known:
        context.report(
            "REF03", at, f'this {kind} names no purpose, and there is no purpose "marketing"',
            f"write `purpose: NAME`; there is {', '.join(sorted(known))}",
        )  # fmt: skip


def check_topic(topic: str, purpose: str, at: Node, context: Context) -> None:
    """Report a topic that its purpose does not have."""
    topics = context.vocabulary.topics.get(purpose, ())
    if context.vocabulary.purposes is not None and topic not in topics:
        hint = (
            did_you_mean(topic, topics)
            or f"in config/policies.yaml, write under {purpose}: topics: [{topic}]"
        )
        context.report("REF03", at, f'the purpose "{purpose}" has no topic "{topic}"', hint)


TO = Reader(_to, "a segment, a list of segments, or {where: conditions}", {"anyOf": [SEGMENTS.schema, {"type": "object"}]})  # fmt: skip
SEND = Reader(_folder, "a folder in templates/", _NAME)
_CHANNELS = list_of(Reader(_channel, "a channel", _NAME), "via", or_one=True, once=True)
VIA = Reader(_via, _CHANNELS.says, _CHANNELS.schema)
PURPOSE = Reader(_purpose, "a purpose of config/policies.yaml", _NAME)
SERVES = Reader(_serves, "a goal of config/goals.yaml", _NAME)
GROUP = Reader(_group, "account, or a phrase such as one sheet a dealer", {"type": "string"})
COSTS = Reader(_costs, "names, each with an amount", {"type": "object", "additionalProperties": {"type": "string"}})  # fmt: skip
UNIT = Reader(_UNITS.read, _UNITS.says, _UNITS.schema)
