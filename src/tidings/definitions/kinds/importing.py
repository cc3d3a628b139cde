"""Import mappings: how a file of customers, events or an experiment is read."""

from __future__ import annotations

from dataclasses import dataclass

from tidings.definitions.values import Duration, Test


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file and how it is read.

    `name` None with `value` set is a constant. `money` is the currency, `zone` the zone of instants without one,
    `format` such as DD.MM.YYYY, `values` maps what stands in the file to what is meant, `times` multiplies, `separator` splits a list.
    """

    name: str | None
    value: str | None = None
    money: str | None = None
    zone: str | None = None
    format: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    times: int | None = None
    separator: str | None = None


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
    its last finished import is older.
    """

    id: str
    title: str
    path: str
    event: str
    customer: Column
    at: Column
    order: str | None = None
    item: Item | None = None
    returns: Returns | None = None
    properties: tuple[tuple[str, Column], ...] = ()
    ids: tuple[str, ...] = ()
    skip: tuple[RowTest, ...] = ()
    fresh: Duration | None = None


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


Import = CustomersImport | EventsImport | ExperimentImport
