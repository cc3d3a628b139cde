"""What one row of `kind: touches` says: a contact of one person with an ad, or with us outside the computer."""

from __future__ import annotations

from typing import NamedTuple

from tidings.customers.cells import CellError, Reader, instant_reader, net_reader, text_reader
from tidings.customers.columns import Cell
from tidings.customers.row_keys import RowKeys
from tidings.customers.spill import Ordinals
from tidings.customers.who import Identities, Identity
from tidings.definitions.kinds.importing import Column, TouchesImport
from tidings.definitions.money import to_minor
from tidings.definitions.workspace import Definitions

TOUCHES = ("seen", "visited", "met")


class TouchItem(NamedTuple):
    """One touch: `key` identifies it within its mapping, `who` are the ways to find the person, best first."""

    key: str
    channel: str
    campaign: str | None
    kind: str
    at: int
    cost: int | None
    source: str | None
    who: tuple[Identity, ...]


class TouchRows:
    """Reads rows under a mapping."""

    def __init__(
        self, mapping: TouchesImport, definitions: Definitions, places: dict[str, int], ordinals: Ordinals
    ) -> None:
        workspace = definitions.workspace
        known = Identities(workspace.salt, mapping.country or workspace.country)
        self.currency = (mapping.cost.money if mapping.cost else None) or workspace.currency
        self._at = Cell(mapping.at, instant_reader(mapping.at, workspace.zone), places)
        self._medium = Cell(mapping.medium, text_reader(200), places)
        self._touch = Cell(mapping.touch, _kind, places)
        self._who = [Cell(one.column, known.reader(one.by), places) for one in mapping.customers]
        self._source = _optional(mapping.source, text_reader(200), places)
        self._campaign = _optional(mapping.campaign, text_reader(500), places)
        self._cost = Cell(mapping.cost, _cost(mapping.cost, self.currency), places) if mapping.cost else None
        self._keys = RowKeys(mapping.ids, places, ordinals)

    def __call__(self, cells: list[str]) -> TouchItem:
        """Return the touch of a row; raises CellError for one that cannot be read.

        An address that is none costs the row only when nothing else in it says who it was.
        """
        at = self._at.needed(cells, "no time")
        medium = self._medium.needed(cells, "no medium")
        kind = self._touch.needed(cells, "no touch")
        campaign = self._campaign(cells) if self._campaign else None
        source = self._source(cells) if self._source else None
        cost = self._cost(cells) if self._cost else None
        who: list[Identity] = []
        wrong: CellError | None = None
        for cell in self._who:
            try:
                found = cell(cells)
            except CellError as error:
                wrong = wrong or error
                continue
            if found is not None:
                who.append(found)
        if wrong is not None and not who:
            raise wrong
        return TouchItem(self._keys(cells), medium, campaign, kind, at, cost, source, tuple(who))


def _optional(column: Column | None, read: Reader, places: dict[str, int]) -> Cell | None:
    return None if column is None else Cell(column, read, places)


def _kind(text: str) -> str:
    if text not in TOUCHES:
        raise CellError("no kind of touch", f'"{text[:60]}" is not one of: {", ".join(TOUCHES)}')
    return text


def _cost(column: Column, currency: str) -> Reader:
    net = net_reader(column)
    return lambda text: to_minor(net(text), currency)
