"""What a campaign promises (`offer`) and the limits at which it stops (`guard`)."""

from __future__ import annotations

import re
from datetime import date, datetime

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.offer import AtMost, Guard, Offer
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES
from tidings.definitions.nodes import Entry, Node
from tidings.definitions.quantities import (
    MONEY,
    parse_date,
    parse_duration,
    parse_moment,
    parse_share,
    reading_trap,
    wrong_date,
)
from tidings.definitions.rewording import likely_share
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each,
    expect_items,
    expect_mapping,
    expect_scalar,
    key_trap,
)
from tidings.definitions.texts import TEXT, matching
from tidings.definitions.values import Duration, Share

_POOL = re.compile(r"one each from ([^\W\d]\w*)\Z")
_AT_MOST = re.compile(r"([1-9][0-9]{0,5}) each(?: per (.+))?\Z")
_STOCK = re.compile(r"stock below ([0-9]{1,9})\Z")


def _codes(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "one each from a pool of codes")
    match = _POOL.match(scalar.text)
    if match:
        return match[1]
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" does not say which codes',
        "write one each from NAME OF A POOL; a code shared by all is written `code:`",
    )  # fmt: skip


def _ends(node: Node, context: Context) -> date | datetime | Duration:
    scalar = expect_scalar(node, context, "a day, or such as 14 days after sending")
    length, found, _ = scalar.text.partition(" after sending")
    duration = parse_duration(length) if found else None
    if duration:
        return duration
    if parse_duration(scalar.text):
        raise context.report(
            "PHR05", scalar, f'"{scalar.text}" does not say from when', f"write: {scalar.text} after sending"
        )
    day = parse_moment(scalar.text) or parse_date(scalar.text)
    if day is None:
        raise wrong_date(scalar, context)
    return day


def _at_most(node: Node, context: Context) -> AtMost:
    scalar = expect_scalar(node, context, "a limit such as 1 each")
    match = _AT_MOST.match(scalar.text)
    per = parse_duration(match[2]) if match and match[2] else None
    if match and (per or not match[2]):
        return AtMost(int(match[1]), per)
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" is not a limit for each customer', "write 1 each, or 1 each per 90 days"
    )  # fmt: skip


def _stop_when(node: Node, context: Context) -> int:
    scalar = expect_scalar(node, context, "a limit such as stock below 50")
    match = _STOCK.match(scalar.text)
    if match:
        return int(match[1])
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR05", scalar, f'"{scalar.text}" is not a limit of stock', "write such as stock below 50"
    )


OFFER_KEYS = Keys(
    "an offer",
    (
        Key("gives", TEXT, "What the customer gets, in words.", "gives: 25% off", required=True),
        Key("code", matching(r"\S{1,60}", "a code without spaces", "SPRING25"), "One code for everybody.", "code: SPRING25"),
        Key("codes", Reader(_codes, "one each from a pool of codes", {"type": "string", "pattern": "^one each from .+$"}), "A code of one's own from a pool.", "codes: one each from spring25"),
        Key("ends", Reader(_ends, "a day, or such as 14 days after sending", {"type": "string"}), "The last day it holds, on the campaign's clock, or how long after sending.", "ends: 2027-03-16"),
        Key("at_most", Reader(_at_most, "a limit such as 1 each, or 1 each per 90 days", {"type": "string"}), "How often one customer is promised it.", "at_most: 1 each per 90 days"),
        Key("stop_when", Reader(_stop_when, "a limit such as stock below 50", {"type": "string"}), "Nothing more goes out below this stock.", "stop_when: stock below 50"),
        Key("cost", MONEY, "What each redemption costs beside the discount: a present, the handling of a coupon.", "cost: 2.50 EUR"),
        Key("product", TEXT, "The item that is offered: messages may name it and its price, and its stock is what `stop_when` means; without it, that is everything together.", "product: G-5210"),
    ),
)  # fmt: skip


def _offer(node: Node, context: Context) -> Offer:
    mapping = expect_mapping(node, context, OFFER_KEYS.what)
    values = OFFER_KEYS.read(node, context)
    if "code" in values and "codes" in values:
        raise context.report(
            "KEY07", mapping.entries["codes"].key, '"code" and "codes" exclude each other',
            "keep `code` for one that all share, or `codes` for one each",
        )  # fmt: skip
    return Offer(
        gives=values["gives"],
        code=values.get("code", ""),
        pool=values.get("codes", ""),
        ends=values.get("ends"),
        at_most=values.get("at_most"),
        stop_below=values.get("stop_when"),
        product=values.get("product", ""),
        cost=values.get("cost"),
        currency=context.vocabulary.currency if "product" in values else None,
    )


def _guards(node: Node, context: Context) -> tuple[Guard, ...]:
    items = expect_items(node, context, '"guard"')
    if not items:
        raise context.report("KEY03", node, '"guard" is empty')
    return each(items, context, _guard)


def _guard(node: Node, context: Context) -> Guard:
    mapping = expect_mapping(node, context, "a limit of guard")
    if len(mapping.entries) != 1:
        raise context.report(
            "KEY03", node, "a limit of guard names one response", "- unsubscribed: at most 0.5%"
        )
    (entry,) = mapping.entries.values()
    return Guard(_guarded(entry, context), _limit(entry, context))


def _guarded(entry: Entry, context: Context) -> str:
    name = entry.key.text
    known = [*BUILT_IN_RESPONSES, *context.vocabulary.events]
    if name in BUILT_IN_RESPONSES or name in context.vocabulary.events:
        return name
    if key_trap(name, entry.key, context, known):
        raise Unreadable
    hint = did_you_mean(name, known, listing=False) or f"there is {', '.join(BUILT_IN_RESPONSES)}"
    raise context.report("REF05", entry.key, f'no response or event "{name}"', hint)


def _limit(entry: Entry, context: Context) -> Share:
    scalar = expect_scalar(entry.value, context, "a limit such as at most 0.5%")
    share = parse_share(scalar.text.removeprefix("at most "))
    if share is not None and scalar.text.startswith("at most "):
        return share
    trap = reading_trap(scalar, context)
    likely = likely_share(scalar.text.removeprefix("at most ")).removeprefix("write: ")
    raise trap or context.report(
        "PHR01", scalar, f'"{scalar.text}" is not a limit; write such as at most 0.5%',
        f"write: at most {likely}" if likely else "",
    )  # fmt: skip


OFFER = Reader(_offer, "an offer", OFFER_KEYS.schema())
GUARD = Reader(
    _guards,
    "limits, each a response and a share",
    {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": "^at most [0-9.]+%$"},
        },
    },
)
