"""config/policies.yaml: purposes, and the rules that stand over every message."""

from __future__ import annotations

import re

from tidings.definitions.context import Context
from tidings.definitions.kinds.rules import Policies, Purpose
from tidings.definitions.nodes import Entry, Node
from tidings.definitions.quantities import DURATION, SHARE, parse_share, reading_trap
from tidings.definitions.schema import Key, Keys, Reader, each_entry, expect_mapping, expect_scalar
from tidings.definitions.texts import TEXT, check_name, one_of
from tidings.definitions.values import Share, Unit

_DRIFT = re.compile(r"(?P<share>[0-9.]+%) or (?P<people>[0-9]{1,9}) people\Z")


def _default_holdout(node: Node, context: Context) -> Share | None:
    scalar = expect_scalar(node, context, "auto, none or a share such as 10%")
    if scalar.text in ("auto", "none"):
        return None if scalar.text == "auto" else Share(0)
    return SHARE.read(node, context)


_PURPOSE = Keys(
    "a purpose",
    (
        Key("class", one_of(["marketing", "service", "transactional", "survey"]), "The class that law and caps go by.", "class: marketing", required=True),
        Key("consent", one_of(["required", "not needed"]), "Whether the customer must have agreed.", "consent: required", default="required"),
        Key("holdout", Reader(_default_holdout, "auto, none or a share such as 10%", {"type": "string"}), "The holdout of campaigns that say `auto`.", "holdout: auto", default="auto"),
        Key("in_doubt", one_of(["hold", "resend", "treat as sent"]), "What happens to a message that may or may not have left.", "in_doubt: hold", default="hold"),
    ),
    later=frozenset({"cap", "topics", "quiet"}),
)  # fmt: skip
PURPOSE_KEYS = _PURPOSE


def _purpose(entry: Entry, context: Context) -> Purpose:
    check_name(entry.key, context)
    values = _PURPOSE.read(entry.value, context)
    return Purpose(
        name=entry.key.text,
        message_class=values["class"],
        consent=values.get("consent", "required"),
        holdout=values.get("holdout"),
        in_doubt=values.get("in_doubt", "hold"),
    )


def _purposes(node: Node, context: Context) -> tuple[Purpose, ...]:
    mapping = expect_mapping(node, context, '"purposes"')
    if not mapping.entries:
        raise context.report(
            "KEY03", node, '"purposes" is empty', "write at least: marketing: {class: marketing}"
        )
    return each_entry(mapping, context, _purpose)


def _drift(node: Node, context: Context) -> tuple[Share, int]:
    scalar = expect_scalar(node, context, "a share and a number such as 10% or 50 people")
    match = _DRIFT.match(scalar.text)
    share = parse_share(match["share"]) if match else None
    if match and share is not None:
        return share, int(match["people"])
    trap = reading_trap(scalar, context)
    raise trap or context.report(
        "PHR01", scalar, f'"{scalar.text}" does not say how far; write such as 10% or 50 people'
    )


def _hours(node: Node, context: Context) -> int:
    duration = DURATION.read(node, context)
    hours = {Unit.HOUR: 1, Unit.DAY: 24, Unit.WEEK: 168}.get(duration.unit)
    if hours is None:
        raise context.report("PHR02", node, f"{duration} is not counted in hours or days", "write: 24 hours")
    return duration.amount * hours


_CONTROL = Reader(SHARE.read, SHARE.says, SHARE.schema)
KEYS = Keys(
    "the policies file",
    (
        Key("policies", TEXT, "The title that people see.", "policies: Rules for every message", required=True),
        Key("purposes", Reader(_purposes, "purposes by name", {"type": "object", "additionalProperties": _PURPOSE.schema()}), "What messages may be for.", "purposes: {marketing: {class: marketing}}", required=True),
        Key("global_control", _CONTROL, "Kept out of every campaign, drawn before any.", "global_control: 2%", default="0%"),
        Key("drift", Reader(_drift, "a share and a number of people", {"type": "string"}), "How far a run may differ from the plan that was approved.", "drift: 10% or 50 people", default="10% or 50 people"),
        Key("expires", Reader(_hours, DURATION.says, DURATION.schema), "A message that could not leave by then is not sent.", "expires: 24 hours", default="24 hours"),
    ),
    later=frozenset({"cap", "caps", "throttle", "packs", "freshness", "weekdays", "quiet", "quiet_from", "quiet_until"}),
)  # fmt: skip


def read(node: Node, context: Context) -> Policies:
    """Return the policies."""
    values = KEYS.read(node, context)
    share, people = values.get("drift", (Share(1000), 50))
    return Policies(
        purposes=values["purposes"],
        global_control=values.get("global_control", Share(0)),
        drift_share=share,
        drift_people=people,
        expires_after_hours=values.get("expires", 24),
    )
