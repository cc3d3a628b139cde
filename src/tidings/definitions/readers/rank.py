"""`rank` of a segment: only the highest of those whom the conditions fit."""

from __future__ import annotations

import re

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.segment import Rank
from tidings.definitions.nodes import Node
from tidings.definitions.quantities import parse_share, reading_trap
from tidings.definitions.schema import Key, Keys, Reader, expect_scalar, key_trap
from tidings.definitions.texts import check_name
from tidings.definitions.values import Share

_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")
_SORTED = ("number", "money", "date", "instant")


def _by(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "an attribute or a score")
    check_name(scalar, context)
    name, vocabulary = scalar.text, context.vocabulary
    attribute = vocabulary.attribute(name)
    if attribute is not None and attribute.type not in _SORTED:
        raise context.report(
            "PHR05", scalar, f'"{name}" is a {attribute.type}; only numbers, money and dates have a highest'
        )
    if name in vocabulary.attributes or name in vocabulary.scores:
        return name
    sortable = [key for key, one in vocabulary.attributes.items() if one is None or one.type in _SORTED]
    known = {*sortable, *vocabulary.scores}
    if key_trap(name, scalar, context, sorted(known)):
        raise Unreadable
    hint = (
        did_you_mean(name, known, listing=False) or "declare it in config/scores.yaml, or take an attribute"
    )
    raise context.report(
        "REF14", scalar, f'no score and no attribute "{name}" to put customers in order by', hint
    )


def _keep(node: Node, context: Context) -> Share | int:
    scalar = expect_scalar(node, context, "how many, such as top 40%")
    rest = scalar.text.removeprefix("top ")
    found = parse_share(rest) or (int(rest) if _NUMBER.match(rest) else None)
    if found and scalar.text.startswith("top "):
        return found
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR01", scalar, f'"{scalar.text}" does not say how many; write such as top 40% or top 500',
        f"write: top {rest}" if found else "",
    )  # fmt: skip


RANK_KEYS = Keys(
    "a rank",
    (
        Key("by", Reader(_by, "an attribute or a score", {"type": "string"}), "What they are put in order by, the highest first.", "by: lifetime_value", required=True),
        Key("keep", Reader(_keep, "how many, such as top 40% or top 500", {"type": "string", "pattern": "^top [0-9.]+%?$"}), "How many of those left after `where` and `except` stay.", "keep: top 40%", required=True),
    ),
)  # fmt: skip


def _rank(node: Node, context: Context) -> Rank:
    values = RANK_KEYS.read(node, context)
    return Rank(values["by"], values["keep"])


RANK = Reader(_rank, "a rank", RANK_KEYS.schema())
