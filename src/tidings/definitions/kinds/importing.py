"""Import mappings: how a file of customers, events, an experiment, costs, touches, products or stock is read."""

from __future__ import annotations

from dataclasses import dataclass

from tidings.definitions.kinds.figures import NumberForm, Vat
from tidings.definitions.values import Duration, Test


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file and how it is read.

    `name` None with `value` set is a constant. `money` is the currency, `zone` the zone of instants without one,
    `format` such as DD.MM.YYYY, `values` maps what stands in the file to what is meant, `times` multiplies, `separator` splits a list.
    `starts` maps what a cell starts with to what is meant: asked after `values`, the longest that fits holds. `numbers`
    is how numbers are written (None: digits with a point), `vat` the tax in amounts of money: what is kept is net of it.
    """

    name: str | None
    value: str | None = None
    money: str | None = None
    zone: str | None = None
    format: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    times: int | None = None
    separator: str | None = None
    starts: tuple[tuple[str, str], ...] = ()
    numbers: NumberForm | None = None
    vat: Vat | None = None


@dataclass(frozen=True, slots=True)
class ConsentColumns:
    """Consent that comes with a row: granted for `purpose` on `channel` where `when` holds (always if empty)."""

    channel: str
    purpose: str
    basis: str
    when: tuple[tuple[str, Test], ...] = ()


@dataclass(frozen=True, slots=True)
class RowTest:
    """Conditions on columns of one row, all of which must hold."""

    tests: tuple[tuple[str, Test], ...]


@dataclass(frozen=True, slots=True)
class CustomersImport:
    """`kind: customers`: one row a customer. `fields` maps fixed columns and attributes to columns of the file.

    `fresh`: nothing that uses what it brings is sent while its last finished import is older.
    """

    id: str
    title: str
    path: str
    customer: Column
    fields: tuple[tuple[str, Column], ...]
    consents: tuple[ConsentColumns, ...] = ()
    country: str | None = None
    skip: tuple[RowTest, ...] = ()
    source: str = ""
    fresh: Duration | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Columns of one order line; its value is quantity times price."""

    key: Column
    quantity: Column
    price: Column
    name: Column | None = None


@dataclass(frozen=True, slots=True)
class Returns:
    """Rows that are returns: anyone of the tests holds. They become events of their own name."""

    when: tuple[RowTest, ...]
    event: str


@dataclass(frozen=True, slots=True)
class EventsImport:
    """`kind: events`: one row an event, or with `order` the rows of one order are one event with items.

    `ids` are the columns whose values identify an event for ever; without them it is the order, or else the
    hash of the row and its ordinal among equals in the file. `fresh`: nothing that uses the event is sent while
    its last finished import is older. `visitor` is what the web site calls somebody; a row may have it, a customer or both
    (both tell who the visitor is), and `customer` is None where the file names no customers at all.
    """

    id: str
    title: str
    path: str
    event: str
    customer: Column | None
    at: Column
    order: str | None = None
    item: Item | None = None
    returns: Returns | None = None
    properties: tuple[tuple[str, Column], ...] = ()
    ids: tuple[str, ...] = ()
    skip: tuple[RowTest, ...] = ()
    fresh: Duration | None = None
    visitor: Column | None = None


@dataclass(frozen=True, slots=True)
class ExperimentImport:
    """`kind: experiment`: a test that was run elsewhere; one row a customer with its arm and outcomes.

    `before` names columns measured before the test: they adjust, never filter.
    """

    id: str
    title: str
    path: str
    campaign: str
    customer: Column
    arm: Column
    outcomes: tuple[tuple[str, Column], ...]
    before: tuple[tuple[str, Column], ...] = ()
    at: Column | None = None
    skip: tuple[RowTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """How the text of a file is laid out.

    `encoding` None is found out and shown. `header` is the line that names the columns, from 1; those above are passed
    over. Rows that pass `total` hold sums: checked against the sums of the others (amounts as the file writes them, clicks
    and impressions too), and then left out.
    """

    encoding: str | None = None
    header: int = 1
    total: RowTest | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """A column by which the customer of a row is known.

    `by` is key, email, phone or code (one that was given to a customer), or visitor or landing_page for people who are
    known later: the name that the web site gave a visitor, the address that an ad led to.
    """

    by: str
    column: Column


@dataclass(frozen=True, slots=True)
class CostsImport:
    """`kind: costs`: one row is what was paid on a day for something, and what it brought in clicks and impressions.

    `campaign` says how the file calls it; what maps to no campaign or flow of ours is kept under the file's own words, for
    the sum must equal the invoice. A later file takes the place of the rows of an earlier one of the same day and source.
    """

    id: str
    title: str
    path: str
    day: Column
    amount: Column
    source: Column
    medium: Column
    campaign: Column | None = None
    clicks: Column | None = None
    impressions: Column | None = None
    layout: Layout = Layout()
    skip: tuple[RowTest, ...] = ()


@dataclass(frozen=True, slots=True)
class TouchesImport:
    """`kind: touches`: one row is one contact with an ad, or one outside the computer, of one person.

    `customers` are tried in their order, the first that finds somebody holds. `touch` is seen, visited or met (visited
    when the mapping says nothing), `medium` becomes the channel of the touch. `ids` are the columns that identify a touch
    for ever, else the row itself does. `cost` is what this one touch cost.
    """

    id: str
    title: str
    path: str
    at: Column
    medium: Column
    customers: tuple[Who, ...]
    touch: Column = Column(None, value="visited")
    source: Column | None = None
    campaign: Column | None = None
    cost: Column | None = None
    ids: tuple[str, ...] = ()
    country: str | None = None
    layout: Layout = Layout()
    skip: tuple[RowTest, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductsImport:
    """`kind: products`: one row a product; `item` is what orders and stock call it by.

    `price` and `cost` are of one piece, in the same currency: price less cost is the margin.
    """

    id: str
    title: str
    path: str
    item: Column
    name: Column
    category: Column | None = None
    price: Column | None = None
    cost: Column | None = None
    url: Column | None = None
    picture: Column | None = None
    layout: Layout = Layout()
    skip: tuple[RowTest, ...] = ()


@dataclass(frozen=True, slots=True)
class StockImport:
    """`kind: stock`: how many pieces of an item there are. `at` is when they were counted, else the time of the import."""

    id: str
    title: str
    path: str
    item: Column
    quantity: Column
    at: Column | None = None
    layout: Layout = Layout()
    skip: tuple[RowTest, ...] = ()


@dataclass(frozen=True, slots=True)
class NumbersImport:
    """`kind: do_not_call`: a register of numbers that want no advertising; a file is the whole list, and replaces the one before.

    `country` reads numbers that are written as inside it; the workspace's when it says none.
    """

    id: str
    title: str
    path: str
    number: Column
    country: str | None = None
    layout: Layout = Layout()
    skip: tuple[RowTest, ...] = ()


Import = (
    CustomersImport
    | EventsImport
    | ExperimentImport
    | CostsImport
    | TouchesImport
    | ProductsImport
    | StockImport
    | NumbersImport
)
