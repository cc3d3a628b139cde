"""config/policies.yaml: purposes, and the rules that stand over every message."""

from __future__ import annotations

import re

from tidings.definitions.behaviour import EVENT
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.iso_countries import COUNTRIES
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, Cap, CaseOpen, Policies, Purpose, QuietHours
from tidings.definitions.nodes import Entry, Mapping, Node
from tidings.definitions.quantities import (
    DURATION,
    SHARE,
    parse_duration,
    parse_share,
    reading_trap,
    wrong_duration,
)
from tidings.definitions.readers.channel import KINDS
from tidings.definitions.readers.timing import read_hour
from tidings.definitions.rule_packs import PACKS
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
from tidings.definitions.texts import FLAG, NAME, TEXT, check_name, one_of
from tidings.definitions.values import Duration, Share, Unit

_DRIFT = re.compile(r"(?P<share>[0-9.]+%) or (?P<people>[0-9]{1,9}) people\Z")


def _default_holdout(node: Node, context: Context) -> Share | None:
    scalar = expect_scalar(node, context, "auto, none or a share such as 10%")
    if scalar.text in ("auto", "none"):
        return None if scalar.text == "auto" else Share(0)
    return SHARE.read(node, context)


_LIMIT = re.compile(r"(?P<count>[1-9][0-9]{0,5}) (?:per|a) (?P<per>.+)\Z")


def _cap(node: Node, context: Context) -> tuple[Cap, ...]:
    scalar = expect_scalar(node, context, "a limit such as 1 per day and 4 per week")
    caps = []
    for part in scalar.text.split(" and "):
        match = _LIMIT.match(part)
        if match is None:
            trap = reading_trap(scalar, context)
            raise trap or context.report(
                "PHR05", scalar, f'"{part}" does not say how many in how long', "write such as 1 per day and 4 per week"
            )  # fmt: skip
        per = match["per"]
        length = parse_duration(per if per[:1].isdigit() else f"1 {per}")
        if length is None:
            raise wrong_duration(scalar, context)
        if length.unit.exact:
            raise context.report(
                "PHR02", scalar, f'"{part}" counts in {length.unit}s, and a cap counts whole days', "write such as 1 per day"
            )  # fmt: skip
        caps.append(Cap(int(match["count"]), length))
    for one in caps:
        idle = next((other for other in caps if other.count <= one.count and other.days > one.days), None)
        if idle:
            raise context.report(
                "PHR08", scalar, f"{one.count} per {one.per} says nothing: {idle.count} per {idle.per} is the stricter limit", "delete it"
            )  # fmt: skip
    return tuple(caps)


CAP = Reader(_cap, "a limit such as 1 per day and 4 per week", {"type": "string", "pattern": "^[1-9][0-9]* (per|a) .+$"})  # fmt: skip


def _lasts(node: Node, context: Context) -> Duration:
    found = DURATION.read(node, context)
    if found.unit.exact:
        raise context.report("PHR02", node, f"consent that lasts {found} is none", "write such as 24 months")
    return found


_PURPOSE = Keys(
    "a purpose",
    (
        Key("class", one_of(["marketing", "service", "transactional", "survey"]), "The class that law and caps go by.", "class: marketing", required=True),
        Key("consent", one_of(["required", "not needed"]), "Whether the customer must have agreed.", "consent: required", default="required"),
        Key("consent_lasts", Reader(_lasts, "a time such as 24 months", DURATION.schema), "Consent that is older no longer counts; a month has 30 days.", "consent_lasts: 24 months"),
        Key("holdout", Reader(_default_holdout, "auto, none or a share such as 10%", {"type": "string"}), "The holdout of campaigns that say `auto`.", "holdout: auto", default="auto"),
        Key("in_doubt", one_of(["hold", "resend", "treat as sent"]), "What happens to a message that may or may not have left.", "in_doubt: hold", default="hold"),
        Key("cap", CAP, "How many messages of its class a customer gets at most, counted in calendar days.", "cap: 1 per day and 4 per week"),
        Key("topics", list_of(NAME, '"topics"', once=True), "What a customer can agree to one by one.", "topics: [roses, tools]"),
        Key("quiet", FLAG, "Whether quiet hours are kept.", "quiet: true", default="true for marketing and survey"),
    ),
)  # fmt: skip
PURPOSE_KEYS = _PURPOSE


def _purpose(entry: Entry, context: Context) -> Purpose:
    check_name(entry.key, context)
    values = _PURPOSE.read(entry.value, context)
    if (
        isinstance(entry.value, Mapping)
        and "consent_lasts" in values
        and values.get("consent") == "not needed"
    ):
        raise context.report(
            "KEY07", entry.value.entries["consent_lasts"].key, "`consent_lasts` says nothing where no consent is needed", "delete one of the two"
        )  # fmt: skip
    return Purpose(
        name=entry.key.text,
        message_class=values["class"],
        consent=values.get("consent", "required"),
        holdout=values.get("holdout"),
        in_doubt=values.get("in_doubt", "hold"),
        cap=values.get("cap", ()),
        topics=values.get("topics", ()),
        quiet=values.get("quiet"),
        consent_lasts=values.get("consent_lasts"),
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


def _quiet(node: Node, context: Context) -> tuple[QuietHours, ...]:
    mapping = expect_mapping(node, context, '"quiet"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"quiet" is empty', "write such as sms: 20:00 to 09:00")
    return each_entry(mapping, context, _hours_of)


def _hours_of(entry: Entry, context: Context) -> QuietHours:
    kind = entry.key.text
    if kind not in KINDS:
        if not key_trap(kind, entry.key, context, list(KINDS)):
            context.report("VAL02", entry.key, f'"{kind}" is no kind of channel', did_you_mean(kind, KINDS))
        raise Unreadable
    scalar = expect_scalar(entry.value, context, "two hours such as 20:00 to 09:00")
    first, found, last = scalar.text.partition(" to ")
    if not found:
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "PHR04", scalar, f'"{scalar.text}" does not name two hours', "write such as 20:00 to 09:00"
        )
    hours = QuietHours(kind, read_hour(first, scalar, context), read_hour(last, scalar, context))
    if hours.first == hours.last:
        raise context.report(
            "PHR08", scalar, f'"{scalar.text}" leaves no hour to send in, or none to keep quiet in', "change one of the two"
        )  # fmt: skip
    return hours


CASE_KEYS = Keys(
    "an open case",
    (
        Key("opened_by", EVENT, "The event by which a case opens.", "opened_by: complaint_opened", required=True),
        Key("closed_by", EVENT, "The event by which it closes.", "closed_by: complaint_closed", required=True),
    ),
)  # fmt: skip


def _case(node: Node, context: Context) -> CaseOpen:
    values = CASE_KEYS.read(node, context)
    mapping = expect_mapping(node, context, CASE_KEYS.what)
    for key in ("opened_by", "closed_by"):
        if values[key] in BUILT_IN_RESPONSES:
            raise context.report(
                "KEY07", mapping.entries[key].value, f'"{values[key]}" is a response to a message, and no case', "name an event of config/events.yaml"
            )  # fmt: skip
    if values["opened_by"] == values["closed_by"]:
        raise context.report("KEY07", mapping.entries["closed_by"].value, "one event cannot open and close a case", "name another")  # fmt: skip
    return CaseOpen(values["opened_by"], values["closed_by"])


_CONTROL = Reader(SHARE.read, SHARE.says, SHARE.schema)
KEYS = Keys(
    "the policies file",
    (
        Key("policies", TEXT, "The title that people see.", "policies: Rules for every message", required=True),
        Key("purposes", Reader(_purposes, "purposes by name", {"type": "object", "additionalProperties": _PURPOSE.schema()}), "What messages may be for.", "purposes: {marketing: {class: marketing}}", required=True),
        Key("global_control", _CONTROL, "Kept out of every campaign, drawn before any.", "global_control: 2%", default="0%"),
        Key("drift", Reader(_drift, "a share and a number of people", {"type": "string"}), "How far a run may differ from the plan that was approved.", "drift: 10% or 50 people", default="10% or 50 people"),
        Key("expires", Reader(_hours, DURATION.says, DURATION.schema), "A message that could not leave by then is not sent.", "expires: 24 hours", default="24 hours"),
        Key("quiet", Reader(_quiet, "kinds of channels, each with two hours", {"type": "object", "propertyNames": {"enum": list(KINDS)}, "additionalProperties": {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2} to [0-9]{2}:[0-9]{2}$"}}), "The hours in which a kind of channel keeps quiet, on the recipient's clock.", "quiet: {sms: 20:00 to 09:00}"),
        Key("account_limit", CAP, "How many messages one account gets at most, whoever of its people they are for.", "account_limit: 3 per day"),
        Key("case_open", Reader(_case, "two events", CASE_KEYS.schema()), "While a customer's case is open, no marketing goes to them.", "case_open: {opened_by: complaint_opened, closed_by: complaint_closed}"),
        Key("rules", list_of(one_of(PACKS), '"rules"', once=True), "The countries whose rules messages to people there keep: what lacks something that law or carriers ask for is not sent.", "rules: [us, eu]"),
        Key("blocked_countries", list_of(COUNTRIES, '"blocked_countries"', once=True), "Countries to which nothing goes, transactional messages excepted.", "blocked_countries: [KP]"),
    ),
    later=frozenset({"throttle", "weekdays"}),
    renamed={
        "packs": "write rules: [us, eu]",
        "cap": "a cap belongs to a purpose: purposes: {marketing: {class: marketing, cap: 1 per day}}",
        "caps": "a cap belongs to a purpose: purposes: {marketing: {class: marketing, cap: 1 per day}}",
        "quiet_from": "write quiet: {sms: 20:00 to 09:00}",
        "quiet_until": "write quiet: {sms: 20:00 to 09:00}",
        "freshness": "write fresh: 26 hours in the import that brings the data",
    },
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
        quiet=values.get("quiet", ()),
        account_limit=values.get("account_limit", ()),
        case_open=values.get("case_open"),
        rules=values.get("rules", ()),
        blocked_countries=values.get("blocked_countries", ()),
    )
