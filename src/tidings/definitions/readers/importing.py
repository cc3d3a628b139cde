"""config/imports/*.yaml: how a file is read; here of customers, events and tests run elsewhere, the others beside it."""

from __future__ import annotations

from typing import Any

from tidings.definitions.behaviour import EVENT
from tidings.definitions.context import Context, Unreadable, did_you_mean
from tidings.definitions.kinds.importing import (
    Column,
    ConsentColumns,
    CustomersImport,
    EventsImport,
    ExperimentImport,
    Import,
    Item,
    Returns,
)
from tidings.definitions.kinds.rules import FIXED_COLUMNS, RECORDED_RESPONSES, TASK_EVENTS
from tidings.definitions.nodes import Entry, Mapping, Node
from tidings.definitions.quantities import DURATION
from tidings.definitions.readers import goods, spending
from tidings.definitions.readers.columns import CELLS, COLUMN, HEADER, ROW_TESTS, read_column
from tidings.definitions.readers.layout import KIND, KINDS, LATER_KINDS, SKIP, TITLE, kind_key
from tidings.definitions.readers.workspace import COUNTRY
from tidings.definitions.schema import (
    Key,
    Keys,
    Reader,
    each_entry,
    expect_mapping,
    expect_scalar,
    key_trap,
    list_of,
    report_missing,
)
from tidings.definitions.texts import NAME, TEXT, check_name, one_of

_LATER = frozenset("encoding header total replace unmatched from".split())
_FRESH = Key("fresh", DURATION, "Nothing that uses what it brings is sent while its last finished import is older.", "fresh: 26 hours")  # fmt: skip
_CUSTOMER = Key("customer", COLUMN, "The column that names a customer for ever.", "customer: customer_id", required=True)  # fmt: skip


def _named_columns(node: Node, context: Context) -> tuple[tuple[str, Column], ...]:
    def read(entry: Entry, inner: Context) -> tuple[str, Column]:
        check_name(entry.key, inner)
        return entry.key.text, read_column(entry.value, inner)

    return each_entry(expect_mapping(node, context, "a mapping of names to columns"), context, read)


NAMED_COLUMNS = Reader(_named_columns, "our names: columns of the file", {"type": "object"})


def _fields(node: Node, context: Context) -> tuple[tuple[str, Column], ...]:
    vocabulary = context.vocabulary
    names = [name for name in vocabulary.attribute_names() if name != "key"]

    def read(entry: Entry, inner: Context) -> tuple[str, Column]:
        name = entry.key.text
        if name not in names and name not in vocabulary.attributes:
            if key_trap(name, entry.key, inner, names):
                raise Unreadable
            hint = did_you_mean(name, names, listing=False) or "declare it in config/attributes.yaml"
            raise inner.report("REF04", entry.key, f'no attribute "{name}"', hint)
        column = read_column(entry.value, inner)
        attribute = vocabulary.attribute(name)
        if column.money and attribute and name not in FIXED_COLUMNS:
            if attribute.type != "money":
                raise inner.report("PHR05", entry.value, f'"{name}" is a {attribute.type}, not money')
            if attribute.currency and column.money != attribute.currency:
                raise inner.report(
                    "PHR09",
                    entry.value,
                    f'"{name}" is kept in {attribute.currency}, and this is in {column.money}',
                )
        return name, column

    return each_entry(expect_mapping(node, context, '"fields"'), context, read)


def _purpose(node: Node, context: Context) -> str:
    scalar = expect_scalar(node, context, "a purpose, or all")
    known = context.vocabulary.purposes
    if known is None or scalar.text == "all" or scalar.text in known:
        return scalar.text
    if key_trap(scalar.text, scalar, context, sorted(known)):
        raise Unreadable
    raise context.report("REF03", scalar, f'no purpose "{scalar.text}"', did_you_mean(scalar.text, known))


CONSENT_KEYS = Keys(
    "a consent",
    (
        Key("channel", one_of(["email", "sms", "fax"]), "The kind of channel agreed to.", "channel: email", required=True),
        Key("purpose", Reader(_purpose, "a purpose", {"type": "string"}), "What was agreed to.", "purpose: marketing", required=True),
        Key("basis", TEXT, "How the customer agreed; kept as proof.", "basis: opt-in in the shop", required=True),
        Key("when", CELLS, "Only rows whose columns pass all of these.", 'when: {newsletter: ["1", "yes"]}'),
    ),
)  # fmt: skip


def _consent(node: Node, context: Context) -> ConsentColumns:
    values = CONSENT_KEYS.read(node, context)
    return ConsentColumns(values["channel"], values["purpose"], values["basis"], values.get("when", ()))


CUSTOMERS = Keys(
    "an import of customers",
    (
        TITLE,
        kind_key("customers"),
        _CUSTOMER,
        Key("fields", Reader(_fields, "our names: columns of the file", {"type": "object"}), "Our fixed columns and attributes: columns of the file.", "fields: {email: email}", required=True),
        Key("consent", list_of(Reader(_consent, "a consent", CONSENT_KEYS.schema()), '"consent"'), "Consent that comes with a row.", "consent: [{channel: email, purpose: marketing, basis: opt-in in the shop}]"),
        Key("country", COUNTRY, "How phone numbers without a country code are read.", "country: SE"),
        Key("source", TEXT, "Where the rows come from; kept with every consent.", "source: shop export"),
        _FRESH,
        SKIP,
    ),
    later=_LATER,
)  # fmt: skip
ITEM_KEYS = Keys(
    "an item",
    (
        Key("key", COLUMN, "What identifies the product.", "key: StockCode", required=True),
        Key("name", COLUMN, "What the product is called.", "name: Description"),
        Key("quantity", COLUMN, "How many.", "quantity: Quantity", required=True),
        Key("price", COLUMN, "The price of one, with its currency.", "price: {column: UnitPrice, money: GBP}", required=True),
    ),
)  # fmt: skip


def _made(node: Node, context: Context) -> str:
    """Read the name of an event that rows become: a declared one, for responses are recorded by tidings itself."""
    name = EVENT.read(node, context)
    if name in RECORDED_RESPONSES or name in TASK_EVENTS:
        raise context.report(
            "REF05", node, f'"{name}" is recorded by tidings itself; no import makes one',
            "declare an event of another name in config/events.yaml",
        )  # fmt: skip
    return name


_MADE = Reader(_made, "the name of an event", {"type": "string"})
RETURNS_KEYS = Keys(
    "returns",
    (
        Key("when", ROW_TESTS, "A row that passes any of these lines is a return.", "when: [{Quantity: less than 0}]", required=True),
        Key("event", _MADE, "The event it becomes.", "event: order_returned", required=True),
    ),
)  # fmt: skip


def _item(node: Node, context: Context) -> Item:
    values = ITEM_KEYS.read(node, context)
    return Item(values["key"], values["quantity"], values["price"], values.get("name"))


def _returns(node: Node, context: Context) -> Returns:
    values = RETURNS_KEYS.read(node, context)
    return Returns(values["when"], values["event"])


EVENTS = Keys(
    "an import of events",
    (
        TITLE,
        kind_key("events"),
        Key("event", _MADE, "The event that a row, or the rows of an order, become.", "event: order_placed", required=True),
        Key("order", HEADER, "Rows with the same value are one event with items, at its first minute.", "order: InvoiceNo"),
        Key("customer", COLUMN, "The column of the customer's number.", "customer: CustomerID"),
        Key("visitor", COLUMN, "What the web site calls somebody: a row has it, a customer, or both, which tells who it is.", "visitor: visitor_id"),
        Key("at", COLUMN, "When it happened.", "at: {column: InvoiceDate, zone: Europe/London}", required=True),
        Key("item", Reader(_item, "columns of an order line", ITEM_KEYS.schema()), "One line of an order; its value is quantity times price.", "item: {key: StockCode, quantity: Quantity, price: {column: UnitPrice, money: GBP}}"),
        Key("returns", Reader(_returns, "which rows are returns", RETURNS_KEYS.schema()), "Rows that are returns become events of their own.", "returns: {when: [{Quantity: less than 0}], event: order_returned}"),
        Key("properties", NAMED_COLUMNS, "Properties of the event: columns of the file.", "properties: {order_total: {column: total, money: EUR}}"),
        Key("ids", list_of(HEADER, '"ids"'), "Columns that identify an event for ever; else the order, else the row itself.", "ids: [order_id]"),
        _FRESH,
        SKIP,
    ),
    later=_LATER,
)  # fmt: skip


def _before(node: Node, context: Context) -> tuple[tuple[str, Column], ...]:
    if isinstance(node, Mapping):
        return _named_columns(node, context)
    names = list_of(HEADER, '"before"').read(node, context)
    return tuple((name, Column(name)) for name in names)


def _campaign(node: Node, context: Context) -> str:
    name: str = NAME.read(node, context)
    if name in context.vocabulary.campaigns | context.vocabulary.flows:
        kind = "campaign" if name in context.vocabulary.campaigns else "flow"
        raise context.report(
            "REF12", node, f'there is a {kind} "{name}" already; a report could not tell them apart',
            "call the test otherwise",
        )  # fmt: skip
    return name


EXPERIMENT = Keys(
    "an import of an experiment",
    (
        TITLE,
        kind_key("experiment"),
        Key("campaign", Reader(_campaign, "a new name", {"type": "string"}), "`tidings report` answers under this name.", "campaign: hillstrom", required=True),
        _CUSTOMER,
        Key("arm", COLUMN, "The column of the arm; `values` says which is `holdout`.", "arm: {column: segment, values: {No E-Mail: holdout}}", required=True),
        Key("outcomes", NAMED_COLUMNS, "What was measured: columns of the file.", "outcomes: {visit: visit}", required=True),
        Key("before", Reader(_before, "columns, or names and columns", {"type": ["array", "object"]}), "Measured before the test; adjusts, never filters.", "before: [history]"),
        Key("at", COLUMN, "When the customer was drawn.", "at: {column: sent_on, format: YYYY-MM-DD}"),
        SKIP,
    ),
    later=_LATER,
)  # fmt: skip
BY_KIND = {
    "customers": CUSTOMERS,
    "events": EVENTS,
    "experiment": EXPERIMENT,
    "costs": spending.COSTS,
    "touches": spending.TOUCHES,
    "products": goods.PRODUCTS,
    "stock": goods.STOCK,
    "do_not_call": goods.NUMBERS,
}


def read(node: Node, context: Context, name: str) -> Import:
    """Return the import mapping of one file."""
    mapping = expect_mapping(node, context, "an import")
    if "kind" not in mapping.entries:
        report_missing(mapping, context, 'an import needs "kind"', "kind: customers", ["import"])
        raise Unreadable
    value = mapping.entries["kind"].value
    scalar = expect_scalar(value, context, f"one of {', '.join(KINDS)}")
    if scalar.text in LATER_KINDS:
        raise context.report(
            "KEY04", value, f"imports of {scalar.text} are not supported by this version of tidings"
        )
    kind = KIND.read(value, context)
    values: dict[str, Any] = BY_KIND[kind].read(node, context)
    start: dict[str, Any] = {"id": name, "title": values["import"], "path": context.file.path}
    if kind == "customers":
        return CustomersImport(
            **start,
            customer=values["customer"],
            fields=values["fields"],
            consents=values.get("consent", ()),
            country=values.get("country"),
            skip=values.get("skip", ()),
            source=values.get("source", ""),
            fresh=values.get("fresh"),
        )
    if kind == "experiment":
        optional = {key: values[key] for key in ("before", "at", "skip") if key in values}
        return ExperimentImport(
            **start,
            campaign=values["campaign"],
            customer=values["customer"],
            arm=values["arm"],
            outcomes=values["outcomes"],
            **optional,
        )
    if kind == "costs":
        return spending.costs(start, values)
    if kind == "touches":
        return spending.touches(start, values)
    if kind == "products":
        return goods.products(start, values, mapping, context)
    if kind == "stock":
        return goods.stock(start, values)
    if kind == "do_not_call":
        return goods.numbers(start, values)
    return _events(start, values, mapping, context)


def _events(
    start: dict[str, Any], values: dict[str, Any], mapping: Mapping, context: Context
) -> EventsImport:
    event = context.vocabulary.events.get(values["event"])
    item: Item | None = values.get("item")
    if item and "order" not in values:
        context.report(
            "KEY07",
            mapping.entries["item"].key,
            '"item" needs "order": the column that keeps the lines of an order together',
        )
    if item and item.price.money is None:
        context.report("VAL06", mapping.entries["item"].value, "the price of an item needs its currency", "price: {column: UnitPrice, money: GBP}")  # fmt: skip
    if event is not None and "properties" in values:
        _declared(event, mapping.entries["properties"].value, context)
    if "customer" not in values and "visitor" not in values:
        report_missing(
            mapping,
            context,
            'an import of events needs "customer" or "visitor"',
            "customer: customer_id",
            ["import", "kind", "event", "order"],
        )
    optional = {
        key: values[key]
        for key in ("visitor", "order", "item", "returns", "properties", "ids", "skip", "fresh")
        if key in values
    }
    return EventsImport(
        **start, event=values["event"], customer=values.get("customer"), at=values["at"], **optional
    )


def _declared(event: Any, node: Node, context: Context) -> None:
    """Report properties that config/events.yaml does not declare."""
    assert isinstance(node, Mapping)
    names = [one.name for one in event.properties]
    for name, entry in node.entries.items():
        if name not in names:
            hint = did_you_mean(name, names) or "declare it in config/events.yaml"
            context.report("REF06", entry.key, f'the event {event.name} has no property "{name}"', hint)
