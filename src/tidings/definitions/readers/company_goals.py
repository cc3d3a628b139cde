"""config/goals.yaml: what the company wants, by when and by whom, and the ladder by which its customers move."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.measuring import (
    MEASURES,
    CompanyGoal,
    CompanyGoals,
    Ladder,
    Measure,
)
from tidings.definitions.money import from_minor
from tidings.definitions.nodes import Entry, Mapping, Node, Place, Scalar
from tidings.definitions.quantities import MONEY, NUMBER_VALUE, SHARE, parse_date, reading_trap, wrong_date
from tidings.definitions.readers.ladder import LADDER
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each_entry,
    expect_mapping,
    expect_scalar,
    report_missing,
)
from tidings.definitions.selecting import read_segment_name
from tidings.definitions.texts import TEXT, check_name, one_of, whole
from tidings.definitions.values import Money, Share

TITLE = "goals"
LADDER_KEY = "ladder"
_OF = " of segment "
_SHARES = ("retained_share", "done")
_MEASURES = [one for names in MEASURES.values() for one in names]


def _measure(node: Node, context: Context) -> Measure:
    """Read `active_customers`, or `active_customers of segment NAME`."""
    scalar = expect_scalar(node, context, "what is measured, such as revenue")
    what, found, segment = scalar.text.partition(_OF)
    if what not in _MEASURES:
        trap = reading_trap(scalar, context)
        raise trap or context.report(
            "VAL02", scalar, f'"{what}" is not one of {", ".join(_MEASURES)}', did_you_mean(what, _MEASURES, listing=False)
        )  # fmt: skip
    if not found:
        return Measure(what)
    # The caret points at the name: a text in one line is as long as it looks.
    place = scalar.place
    start = place.column + len(what) + len(_OF) + (0 if scalar.plain else 1)
    at = Place(place.line, start, len(segment), place.end_line, place.end_column)
    return Measure(what, read_segment_name(Scalar(at, segment, plain=True), context))


def _raw(node: Node, context: Context) -> Node:
    """Hand a node on to be read when the kind of the goal is known."""
    return node


def _date(node: Node, context: Context) -> date:
    scalar = expect_scalar(node, context, "a day such as 2027-12-31")
    day = parse_date(scalar.text)
    if day is None:
        raise wrong_date(scalar, context, "2027-12-31")
    return day


def _weight(node: Node, context: Context) -> Decimal:
    weight: Decimal = NUMBER_VALUE.read(node, context)
    if weight <= 0:
        raise context.report("VAL03", node, "a weight is above 0", "delete it for 1, or delete the goal")
    return weight


_DATE_SCHEMA = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_DAY = Reader(_date, "a day such as 2027-12-31", _DATE_SCHEMA)
_VALUE = {"type": ["string", "number"]}
KEYS = Keys(
    "a goal of the company",
    (
        Key("title", TEXT, "The name that people see.", "title: Lapsed customers come back", required=True),
        Key("kind", one_of(list(MEASURES)), "What it is about: customers come first in the scorecard.", "kind: customers", required=True),
        Key("measure", Reader(_measure, "what is measured, or what `of segment` NAME", {"type": "string"}), "What is counted, of all customers or of those in a segment.", "measure: active_customers of segment lapsed_buyers", default="done, of a project"),
        Key("target", Reader(_raw, "an amount with its currency, a number or a share", _VALUE), "What is to be reached by its last day.", "target: 5000", default="100%, of a project"),
        Key("from", _DAY, "The first day that counts.", "from: 2027-01-01", required=True),
        Key("by", _DAY, "The day by which it is to be reached; the last that counts.", "by: 2027-12-31", required=True),
        Key("owner", TEXT, "Who answers for it.", "owner: crm@nordicgarden.example", required=True),
        Key("priority", whole(1, 3), "1 comes first, 3 last.", "priority: 1", default="2"),
        Key("weight", Reader(_weight, NUMBER_VALUE.says, NUMBER_VALUE.schema), "How much it counts beside the others.", "weight: 2", default="1"),
        Key("reviews", one_of(["weekly", "monthly", "quarterly"]), "How often it is looked at together.", "reviews: monthly"),
        Key("reviewed", _DAY, "The day on which it was last looked at together, kept up by its owner.", "reviewed: 2027-02-01"),
        Key("done", SHARE, "Of a project: how much of it is done, kept up by its owner.", "done: 40%"),
        Key("why", TEXT, "Why it matters.", "why: Winning a customer back costs a fifth of finding a new one"),
        Key("plan", Reader(_raw, "days, each with what is to be reached by then", {"type": "object", "patternProperties": {_DATE_SCHEMA["pattern"]: _VALUE}, "additionalProperties": False}), "What is to be reached on the way, day by day.", "plan: {2027-06-30: 2000}"),
    ),
)  # fmt: skip
# What the file has beside its goals.
FILE_KEYS = Keys(
    "the goals file",
    (
        Key(TITLE, TEXT, "The title that people see.", "goals: What we want in 2027", required=True),
        Key(LADDER_KEY, LADDER, "The steps on which customers stand, the lowest first; who fits several stands on the highest.", "ladder: {buyer: [{did: order_placed}], regular: [{did: order_placed, times: at least 3}]}"),
    ),
)  # fmt: skip


def read(node: Node, context: Context) -> tuple[CompanyGoals, dict[str, CompanyGoal | None]]:
    """Return the goals and the ladder, and every goal by name; None for one that cannot be read."""
    mapping = expect_mapping(node, context, "the goals file")
    title = ""
    ladder: Ladder | None = None
    with suppress(Unreadable):
        title = TEXT.read(mapping.entries[TITLE].value, context) if TITLE in mapping.entries else ""
    with suppress(Unreadable):
        ladder = LADDER.read(mapping.entries[LADDER_KEY].value, context) if LADDER_KEY in mapping.entries else None  # fmt: skip
    found: dict[str, CompanyGoal | None] = {
        name: None for name in mapping.entries if name not in (TITLE, LADDER_KEY)
    }
    for name in found:
        with suppress(Unreadable):
            found[name] = _goal(mapping.entries[name], context)
    return CompanyGoals(title, tuple(one for one in found.values() if one), ladder), found


def _goal(entry: Entry, context: Context) -> CompanyGoal:
    check_name(entry.key, context)
    values: dict[str, Any] = KEYS.read(entry.value, context)
    assert isinstance(entry.value, Mapping)
    written, kind = entry.value.entries, values["kind"]
    measure = _fitting(values.get("measure"), kind, entry.value, context)
    target, currency = Decimal(1), ""
    if "target" in values:
        target, currency = _value(values["target"], kind, measure, context)
    elif kind != "project":
        example = "target: 50000 EUR" if kind == "money" else "target: 5000"
        report_missing(
            entry.value, context, f'{KEYS.what} needs "target"', example, ["title", "kind", "measure"]
        )
        raise Unreadable
    if values["from"] >= values["by"]:
        raise context.report(
            "PHR08", written["by"].value, f"the last day, {values['by']}, is not after the first, {values['from']}",
            "change one of the two",
        )  # fmt: skip
    if "done" in values and kind != "project":
        raise context.report(
            "KEY07", written["done"].key, f'"done" is about a project; {measure.what} is measured', "delete it"
        )  # fmt: skip
    return CompanyGoal(
        id=entry.key.text,
        title=values["title"],
        kind=kind,
        measure=measure,
        target=target,
        starts=values["from"],
        by=values["by"],
        owner=values["owner"],
        currency=currency,
        plan=_plan(values["plan"], values, measure, currency, context) if "plan" in values else (),
        **{key: values[key] for key in "priority weight reviews reviewed done why".split() if key in values},
    )


def _fitting(measure: Measure | None, kind: str, goal: Mapping, context: Context) -> Measure:
    """Return what a goal of a kind measures; only a project need not say it."""
    allowed = MEASURES[kind]
    if measure is None:
        if kind == "project":
            return Measure("done")
        report_missing(
            goal, context, f'{KEYS.what} needs "measure"', f"measure: {allowed[0]}", ["title", "kind"]
        )
        raise Unreadable
    written = goal.entries["measure"].value
    if measure.what not in allowed:
        right = next(one for one, names in MEASURES.items() if measure.what in names)
        raise context.report(
            "KEY07", written, f"{measure.what} is about {right}, and the goal is of the kind {kind}",
            f"write: kind: {right}, or measure one of {', '.join(allowed)}",
        )  # fmt: skip
    if measure.what == "done" and measure.segment:
        raise context.report(
            "KEY07", written, "a project has no customers to choose from", "write: measure: done"
        )
    return measure


def _value(node: Node, kind: str, measure: Measure, context: Context) -> tuple[Decimal, str]:
    """Return a target or a step of the plan as a number, with the currency of money."""
    if kind == "money":
        money: Money = MONEY.read(node, context)
        _earned(money.currency, node, context)
        return from_minor(money.minor, money.currency), money.currency
    if measure.what in _SHARES:
        share: Share = SHARE.read(node, context)
        return Decimal(share.basis_points) / 10_000, ""
    number: Decimal = NUMBER_VALUE.read(node, context)
    if number < 0:
        raise context.report("VAL03", node, "this cannot be negative")
    return number, ""


def _earned(currency: str, node: Node, context: Context) -> None:
    """Report a currency that no event brings: such a goal would never move."""
    own = context.vocabulary.currency
    paid = {
        part.currency or own
        for event in context.vocabulary.events.values()
        if event is not None
        for part in event.properties
        if part.name in (event.revenue, event.margin)
    }
    known = sorted(one for one in paid if one)
    if known and currency not in known:
        raise context.report(
            "PHR09", node, f"no event brings {currency}, so this goal would never move",
            f"events are worth {', '.join(known)}; write the target in that",
        )  # fmt: skip


def _plan(
    node: Node, values: dict[str, Any], measure: Measure, currency: str, context: Context
) -> tuple[tuple[date, Decimal], ...]:
    def read(entry: Entry, inner: Context) -> tuple[date, Decimal]:
        day = _date(entry.key, inner)
        if not values["from"] <= day < values["by"]:
            raise inner.report(
                "PHR08", entry.key, f"{day} is not between {values['from']} and {values['by']}",
                "the last day has the target itself",
            )  # fmt: skip
        value, own = _value(entry.value, values["kind"], measure, inner)
        if own != currency:
            raise inner.report("PHR09", entry.value, f"the target is in {currency}, and this is in {own}")
        return day, value

    mapping = expect_mapping(node, context, '"plan"')
    if not mapping.entries:
        raise context.report("KEY03", node, '"plan" is empty', "write such as {2027-06-30: 2000}")
    return tuple(sorted(each_entry(mapping, context, read)))
