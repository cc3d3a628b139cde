"""config/imports/*.yaml of `kind: costs` and `kind: touches`: what ads cost, and whom they and we met."""

from __future__ import annotations

from typing import Any

from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.importing import Column, CostsImport, TouchesImport, Who
from tidings.definitions.kinds.measuring import BROUGHT_TOUCHES
from tidings.definitions.nodes import Mapping, Node, Scalar
from tidings.definitions.readers.columns import AMOUNT, COLUMN, NAMING, read_column
from tidings.definitions.readers.layout import IDS, LAYOUT_KEYS, SKIP, TITLE, TOTAL, kind_key, read_layout
from tidings.definitions.readers.workspace import COUNTRY
from tidings.definitions.schema import Key, Keys, Reader, key_trap
from tidings.definitions.texts import one_of

_BY = ("key", "email", "phone", "code", "visitor", "landing_page")


def _words(column: Column, node: Node) -> list[tuple[str, Scalar]]:
    """Return what a column can mean as the mapping says it, each with its place: its constant, and what `values` lead to."""
    found: list[tuple[str, Scalar]] = []
    if isinstance(node, Mapping):
        constant = node.entries.get("value")
        if constant is not None and isinstance(constant.value, Scalar):
            found.append((str(column.value), constant.value))
        values = node.entries.get("values")
        if values is not None and isinstance(values.value, Mapping):
            leads = values.value.entries.values()
            found += [(one.value.text, one.value) for one in leads if isinstance(one.value, Scalar)]
    return found


def _campaign(node: Node, context: Context) -> Column:
    column: Column = NAMING.read(node, context)
    known = context.vocabulary.campaigns | context.vocabulary.flows
    failed = False
    for name, at in _words(column, node):
        if name in known:
            continue
        failed = True
        if not key_trap(name, at, context, sorted(known)):
            hint = did_you_mean(name, known) or f"it would be campaigns/{name}.yaml"
            context.report("REF15", at, f'no campaign or flow "{name}"', hint)
    if failed:
        raise Unreadable
    return column


def _touch(node: Node, context: Context) -> Column:
    column = read_column(node, context)
    allowed = ", ".join(BROUGHT_TOUCHES)
    for word, at in _words(column, node):
        if word not in BROUGHT_TOUCHES:
            raise context.report(
                "VAL02", at, f'"{word}" is not one of {allowed}', did_you_mean(word, BROUGHT_TOUCHES, listing=False)
            )  # fmt: skip
    return column


WHO_KEYS = Keys(
    "what a customer is known by",
    (
        Key("key", COLUMN, "The column that names a customer for ever.", "key: customer_id"),
        Key("email", COLUMN, "An e-mail address.", "email: e_mail"),
        Key("phone", COLUMN, "A telephone number.", "phone: telephone"),
        Key("code", COLUMN, "A code that was given to one customer.", "code: coupon"),
        Key("visitor", COLUMN, "What the web site calls somebody whom nobody knows yet.", "visitor: visitor_id"),
        Key("landing_page", COLUMN, "The page that the ad led to: who saw it then, and is known now.", "landing_page: url"),
    ),
)  # fmt: skip


def _customers(node: Node, context: Context) -> tuple[Who, ...]:
    """Read one column, the customer's own number; or several ways to know who it is, tried in their order."""
    if not isinstance(node, Mapping) or "column" in node.entries:
        return (Who("key", read_column(node, context)),)
    values: dict[str, Any] = WHO_KEYS.read(node, context)
    if not values:
        raise context.report("KEY03", node, "this names no column", "write such as {phone: telephone}")
    return tuple(Who(by, column) for by, column in values.items())


COSTS = Keys(
    "an import of costs",
    (
        TITLE,
        kind_key("costs"),
        *LAYOUT_KEYS,
        Key("day", COLUMN, "The day that a row is about.", "day: {column: Day, format: DD.MM.YYYY}", required=True),
        Key("amount", AMOUNT, "What was paid: its currency, how it is written, the tax in it.", 'amount: {column: Cost, numbers: "1 234,56", money: EUR, vat: included 25%}', required=True),
        Key("clicks", COLUMN, "How often it was clicked.", "clicks: Clicks"),
        Key("impressions", COLUMN, "How often it was shown.", "impressions: Impressions"),
        Key("medium", NAMING, "What was paid for: search, print, radio; credit and cost stand under this word.", "medium: {value: search}", required=True),
        Key("source", NAMING, "Who was paid.", "source: {value: yandex_direct}", required=True),
        Key("campaign", Reader(_campaign, NAMING.says, NAMING.schema), "How the file calls a campaign, and which of ours is meant; a * at the end stands for any rest.", 'campaign: {column: Campaign, values: {"spring_garden*": spring_winback}}'),
        Key("unmatched", one_of(["keep"]), "Rows that are for no campaign of ours are kept and shown: the sum must equal the invoice.", "unmatched: keep", default="keep"),
        Key("replace", one_of(["same day and source"]), "A file that comes again takes the place of the rows of its days and source.", "replace: same day and source", default="same day and source"),
        TOTAL,
        SKIP,
    ),
    later=frozenset({"from", "fresh"}),
)  # fmt: skip
TOUCHES = Keys(
    "an import of touches",
    (
        TITLE,
        kind_key("touches"),
        *LAYOUT_KEYS,
        IDS,
        Key("at", COLUMN, "When it happened.", "at: {column: clicked_at, zone: Europe/Stockholm}", required=True),
        Key("touch", Reader(_touch, "a column, or {value: …}: seen, visited or met", COLUMN.schema), "What it was: an ad seen or visited, or met outside the computer.", "touch: {value: visited}", default="visited"),
        Key("medium", NAMING, "What it came by: search, print, radio; credit and cost stand under this word.", "medium: {value: search}", required=True),
        Key("source", NAMING, "Who showed the ad, or where it was.", "source: network"),
        Key("campaign", Reader(_campaign, NAMING.says, NAMING.schema), "How the file calls a campaign, and which of ours is meant; a * at the end stands for any rest.", 'campaign: {column: Campaign, values: {"spring_garden*": spring_winback}}'),
        Key("customer", Reader(_customers, "a column, or columns by what they know a customer by", {"anyOf": [dict(COLUMN.schema), WHO_KEYS.schema()]}), "Who it was: the customer's own number, or several ways to know, tried in their order.", "customer: {phone: telephone, code: coupon}", required=True),
        Key("cost", AMOUNT, "What this one touch cost.", "cost: {column: Cost, money: EUR}"),
        Key("country", COUNTRY, "How phone numbers without a country code are read.", "country: SE"),
        SKIP,
    ),
    later=frozenset({"from", "fresh", "replace", "total"}),
    aliases={"id": "ids", "channel": "medium"},
)  # fmt: skip


def costs(start: dict[str, Any], values: dict[str, Any]) -> CostsImport:
    """Return an import of costs; `start` holds its id, title and path."""
    plain = "day amount source medium campaign clicks impressions skip".split()
    return CostsImport(
        **start, **{key: values[key] for key in plain if key in values}, layout=read_layout(values)
    )


def touches(start: dict[str, Any], values: dict[str, Any]) -> TouchesImport:
    """Return an import of touches; `start` holds its id, title and path."""
    plain = "at medium touch source campaign cost ids country skip".split()
    return TouchesImport(
        **start,
        **{key: values[key] for key in plain if key in values},
        customers=values["customer"],
        layout=read_layout(values),
    )
