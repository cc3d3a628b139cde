"""What one row of `kind: customers` says: key, fixed columns, attributes, lists and consents. No store is touched.

An empty cell says nothing: what is stored stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import available_timezones

from tidings.customers.blocks import Block, made
from tidings.customers.cells import CellError, Reader, attribute_reader, email_reader, text_reader
from tidings.customers.columns import Cell
from tidings.customers.identity import ADDRESS_COLUMNS, AddressHasher, Drawer
from tidings.customers.knowing import read_key
from tidings.customers.matching import RowsTest, all_of
from tidings.customers.phones import normalise_phone
from tidings.definitions.kinds.importing import CustomersImport
from tidings.definitions.kinds.rules import FIXED_COLUMNS
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError

_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}\Z")
_COUNTRY = re.compile(r"[A-Za-z]{2}\Z")
# From the value of a fixed column to that of the column beside it.
Derive = Callable[[Any], Any]
_KINDS = {column: kind for kind, column in ADDRESS_COLUMNS.items()}


class CustomerItem(NamedTuple):
    """One row: values in the order of `Slots.names` (None: says nothing), lists by attribute, places of consents given."""

    key: str
    values: tuple[Any, ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]
    grants: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slots:
    """Which values a mapping fills: `fixed` columns of customers (with the hashes of addresses and the number of the account), then `attributes`."""

    fixed: tuple[str, ...]
    attributes: tuple[str, ...]
    lists: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return fixed columns and attributes in the order of values."""
        return self.fixed + self.attributes


class _Phone:
    """Reads numbers as written in the country of the row, or in that of the mapping."""

    def __init__(self, country: str | None) -> None:
        self.default = self.country = country

    def __call__(self, text: str) -> str:
        try:
            return normalise_phone(text, self.country)
        except ValueError as error:
            raise CellError("not a telephone number", str(error)) from error

    def column(self, block: Block, cell: Cell, countries: Sequence[str | None]) -> list[str | None]:
        """Return the numbers of a block; `countries` are those of its rows."""
        meant, default = cell.meant, self.default
        numbers = [
            (meant.get(text, text), country or default) if text else None
            for text, country in zip(block.texts(cell), countries, strict=True)
        ]
        return block.values(numbers, _within)


def _within(number: tuple[str, str | None]) -> str:
    return normalise_phone(*number)


class CustomerRows:
    """Reads rows under a mapping: compiled once, called once a row, or once a block of rows."""

    def __init__(self, mapping: CustomersImport, definitions: Definitions, places: dict[str, int]) -> None:
        workspace = definitions.workspace
        self._phone = _Phone(mapping.country or workspace.country)
        self._key = Cell(mapping.customer, read_key, places)
        self._fields: list[tuple[Cell, int, Reader, int, Derive | None]] = []
        self._lists: list[tuple[Cell, str]] = []
        self._consents: list[tuple[int, RowsTest | None]] = [
            (place, all_of(one.when, places) if one.when else None)
            for place, one in enumerate(mapping.consents)
        ]
        # The same tests over nothing but the cells that they look at.
        asked = sorted({name for one in mapping.consents for name, _ in one.when})
        self._asked = [places[name] for name in asked]
        self._grants = [
            (place, all_of(one.when, {name: at for at, name in enumerate(asked)}) if one.when else None)
            for place, one in enumerate(mapping.consents)
        ]
        fixed: list[str] = []
        attributes: list[str] = []
        lists: list[str] = []
        # The country is read first: telephone numbers of the row are read in it.
        ordered = sorted(mapping.fields, key=lambda field: field[0] != "country")
        for name, _ in ordered:
            attribute = definitions.attributes.get(name)
            if name in FIXED_COLUMNS and name != "key":
                fixed += [name, *_beside(name)]
            elif attribute is None:
                raise TidingsError(
                    f'{mapping.path} fills "{name}", which is no attribute',
                    what_to_do="Declare it in config/attributes.yaml, or take the line out.",
                )
            else:
                (lists if attribute.type == "list" else attributes).append(name)
        self.slots = Slots(tuple(fixed), tuple(attributes), tuple(lists))
        slot = {name: place for place, name in enumerate(self.slots.names)}
        self._country = slot.get("country")
        self._width = len(slot)
        for name, column in ordered:
            attribute = definitions.attributes.get(name)
            if name in FIXED_COLUMNS:
                cell = Cell(column, self._fixed(name), places)
                self._fields.append((cell, cell.place, cell.read, slot[name], _derived(name, workspace.salt)))
            elif attribute is not None:
                cell = Cell(column, attribute_reader(attribute, column, workspace.zone), places)
                if attribute.type == "list":
                    self._lists.append((cell, name))
                else:
                    self._fields.append((cell, cell.place, cell.read, slot[name], None))

    def __call__(self, cells: list[str]) -> CustomerItem:
        """Return what the row says; raises CellError with the column that cannot be read."""
        values: list[Any] = [None] * self._width
        self._phone.country = self._phone.default
        key = self._key.needed(cells, "no customer")
        country = self._country
        # The body of Cell.__call__, written out: this loop is most of an import.
        for cell, place, read, slot, derive in self._fields:
            text = cells[place].strip() if place >= 0 else cell.constant
            if text:
                try:
                    value = values[slot] = read(text)
                except CellError as error:
                    error.column = cell.name
                    raise
                if derive is not None:
                    values[slot + 1] = derive(value)
                elif slot == country:
                    self._phone.country = value
        lists = [(name, value) for cell, name in self._lists if (value := cell(cells)) is not None]
        grants = [place for place, given in self._consents if given is None or given(cells)]
        return CustomerItem(key, tuple(values), tuple(lists), tuple(grants))

    def many(self, rows: Sequence[list[str]]) -> list[CustomerItem | None]:
        """Return what each row of a block says, rows as wide as the header; None for one in which something is wrong."""
        block = Block(rows)
        keys = block.values(block.texts(self._key), self._key.read)
        block.bad.update(place for place, key in enumerate(keys) if key is None)
        columns: list[list[Any]] = [[] for _ in range(self._width)]
        countries: list[str | None] = [None] * block.size
        for cell, _, read, slot, derive in self._fields:
            if read is self._phone:
                values: list[Any] = self._phone.column(block, cell, countries)
            else:
                values = block.values(block.texts(cell), read)
            columns[slot] = values
            if derive is not None:
                columns[slot + 1] = [None if value is None else derive(value) for value in values]
            elif slot == self._country:
                countries = values
        names = [name for _, name in self._lists]
        found = [block.values(block.texts(cell), cell.read) for cell, _ in self._lists]
        lists: list[Any] = [()] * block.size
        if found:
            lists = made(
                list(zip(*found, strict=True)),
                lambda row: tuple(pair for pair in zip(names, row, strict=True) if pair[1] is not None),
            )
        beside = block.beside(self._asked) if self._asked else [()] * block.size
        grants = made(beside, self._granted)
        values = list(zip(*columns, strict=True)) if columns else [()] * block.size
        found_items: list[CustomerItem | None] = list(
            map(CustomerItem._make, zip(keys, values, lists, grants, strict=True))
        )
        for place in block.bad:
            found_items[place] = None
        return found_items

    def _granted(self, cells: Sequence[str]) -> tuple[int, ...]:
        return tuple(place for place, given in self._grants if given is None or given(cells))

    def _fixed(self, name: str) -> Reader:
        if name == "email":
            return email_reader()
        if name in {"phone", "fax"}:
            return self._phone
        return {"locale": _locale, "country": _country, "zone": _zone()}.get(name, text_reader(200))


def _beside(name: str) -> tuple[str, ...]:
    """Return the column that is derived from a fixed one and stands after it: hash of an address, number of an account."""
    if name in _KINDS:
        return (f"{name}_hash",)
    return ("account_u",) if name == "account" else ()


def _derived(name: str, salt: str) -> Derive | None:
    if name in _KINDS:
        return AddressHasher(salt, _KINDS[name]).of
    return Drawer(salt).account_u if name == "account" else None


def _locale(text: str) -> str:
    if _LOCALE.match(text) is None:
        raise CellError("not a language", f'"{text[:40]}" is not a language such as en, sv or zh-TW')
    return text.replace("_", "-")


def _country(text: str) -> str:
    if _COUNTRY.match(text) is None:
        raise CellError(
            "not a country code",
            f'"{text[:40]}" is not a country of two letters such as SE; `values:` in the mapping translates names',
        )
    return text.upper()


def _zone() -> Reader:
    known = available_timezones()

    def read(text: str) -> str:
        if text not in known:
            raise CellError("not a time zone", f'"{text[:40]}" is not a time zone such as Europe/Stockholm')
        return text

    return read
