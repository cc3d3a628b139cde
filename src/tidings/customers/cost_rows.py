"""What one row of `kind: costs` says: what was paid on a day, net of tax. No store is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from tidings.customers.cells import CellError, Reader, exact_reader, meaning, text_reader, typed_reader
from tidings.customers.columns import Cell
from tidings.customers.layouts import Body
from tidings.customers.spill import Groups
from tidings.definitions.kinds.importing import Column, CostsImport
from tidings.definitions.money import to_minor
from tidings.definitions.workspace import Definitions

COST_WIDTH = 9
# Rows that one transaction replaces: whole days, as many as fit.
BATCH_ROWS = 10_000
# Names of campaigns that the answer lists one by one; the money of the others is in its sum all the same.
_MOST_LABELS = 100_000
_SPLIT = "\x1f"


class Cost(NamedTuple):
    """One row of costs: `amount` is net, in minor units; `line` where it stands in the file."""

    medium: str
    label: str | None
    campaign: str | None
    amount: int
    clicks: int | None
    impressions: int | None
    line: int


class CostDay(NamedTuple):
    """All that a file says of one source on one day."""

    source: str
    day: str
    rows: list[Cost]


class CostRows:
    """Reads rows under a mapping; afterwards `net` is what they cost together, `gross` the same as the file writes it.

    `unmatched` is what was paid under each label that is no campaign or flow of the workspace, net in minor units.
    """

    def __init__(
        self, mapping: CostsImport, definitions: Definitions, places: dict[str, int], body: Body
    ) -> None:
        self.currency = mapping.amount.money or definitions.workspace.currency
        self.gross, self.net, self.rows = Decimal(0), 0, 0
        self.unmatched: Counter[str] = Counter()
        self._body, self._vat = body, mapping.amount.vat
        self._day = Cell(mapping.day, typed_reader("date", mapping.day), places)
        self._amount = Cell(mapping.amount, exact_reader(mapping.amount), places)
        self._source = Cell(mapping.source, text_reader(200), places)
        self._medium = Cell(mapping.medium, text_reader(200), places)
        self._clicks = _counted(mapping.clicks, places)
        self._impressions = _counted(mapping.impressions, places)
        self._label: Cell | None = None
        if mapping.campaign is not None:
            # Kept as the file calls it, whatever it means.
            plain = Column(mapping.campaign.name, mapping.campaign.value)
            self._label = Cell(plain, text_reader(500), places)
            self._meant = meaning(mapping.campaign)
        self._ours = definitions.campaigns.keys() | definitions.flows.keys()

    def __call__(self, cells: list[str]) -> tuple[Any, ...]:
        """Return the row for Groups, the name of its day first; raises CellError for one that cannot be read."""
        day = self._day.needed(cells, "no day").isoformat()
        gross = self._amount.needed(cells, "no amount")
        source = self._source.needed(cells, "no source")
        if _SPLIT in source:
            raise CellError("not a name", "the name of the source holds a control sign", self._source.name)
        medium = self._medium.needed(cells, "no medium")
        clicks = self._clicks(cells) if self._clicks else None
        impressions = self._impressions(cells) if self._impressions else None
        label = self._label(cells) if self._label else None
        net = to_minor(gross if self._vat is None else self._vat.net(gross), self.currency)
        campaign = None
        if label is not None:
            campaign = self._meant(label) or label
            campaign = campaign if campaign in self._ours else None
        self.gross += gross
        self.net += net
        self.rows += 1
        if campaign is None:
            name = label or ""
            if name in self.unmatched or len(self.unmatched) < _MOST_LABELS:
                self.unmatched[name] += net
            else:
                self.unmatched["…"] += net
        group = f"{source}{_SPLIT}{day}"
        return (group, medium, label, campaign, net, clicks, impressions, self._body.line, source, day)


def cost_batches(groups: Groups) -> Iterator[tuple[int, Sequence[CostDay]]]:
    """Yield (number of its last row, days) of batches that hold whole days of a source."""
    batch: list[CostDay] = []
    number = waiting = 0
    for _, rows in groupby(groups, key=lambda row: row[0]):
        costs = []
        for row in rows:
            costs.append(Cost(*row[1:8]))
            source, day = row[8], row[9]
        if batch and waiting + len(costs) > BATCH_ROWS:
            yield number, batch
            batch, waiting = [], 0
        batch.append(CostDay(source, day, costs))
        number += len(costs)
        waiting += len(costs)
    if batch:
        yield number, batch


def _counted(column: Column | None, places: dict[str, int]) -> Cell | None:
    return None if column is None else Cell(column, whole_reader(column), places)


def whole_reader(column: Column) -> Reader:
    """Return what reads a whole number that is not negative."""
    exact = exact_reader(column)

    def read(text: str) -> int:
        value = exact(text)
        if value != value.to_integral_value() or value < 0:
            raise CellError("not a count", f'"{text[:60]}" is not a whole number')
        return int(value)

    return read
