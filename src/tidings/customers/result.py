"""What an import did, in numbers: the end of every import, and what `--json` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidings.customers.cost_answer import CostAnswer
from tidings.customers.reach import Reach
from tidings.definitions.money import from_minor


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many rows were rejected for the same mistake in the same column."""

    column: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did in all its parts, if it was interrupted and taken up again.

    `rows` are those of the file, `created`, `updated` and `unchanged` count rows by what they did to customers (customers
    that events and tests name for the first time are created too). `no_customer_value` is money of rows without a
    customer, in minor units by currency, net of returns. `details` are further counts by name:
    consents, withdrawals_kept, pending_kept, events_known, events_differ, events_completed, enrolled, other_arm, touches,
    touches_known, unnamed (rows of people not known yet), matched_by_…, unmatched, products, products_changed, products_known, stock, stock_known, stock_older.
    `costs` is the money of a file of costs.
    `read_as` says in which encoding, or from which sheet, the file was read. `already` says that this very file was imported before; `resumed_from` is the row behind which it went on.
    """

    mapping: str
    kind: str
    file: str
    rows: int
    created: int
    updated: int
    unchanged: int
    events: int
    skipped: int
    rejected: int
    no_customer: int
    no_customer_value: dict[str, int] = field(default_factory=dict)
    rejects: tuple[Rejected, ...] = ()
    rejects_path: Path | None = None
    rejects_moved: bool = False
    details: dict[str, int] = field(default_factory=dict)
    resumed_from: int | None = None
    already: bool = False
    interrupted: bool = False
    reach: tuple[Reach, ...] = ()
    missing_columns: tuple[str, ...] = ()
    read_as: str = ""
    costs: CostAnswer | None = None

    def as_json(self) -> dict[str, Any]:
        """Return everything with stable keys."""
        return {
            "mapping": self.mapping,
            "kind": self.kind,
            "file": self.file,
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "events": self.events,
            "skipped": self.skipped,
            "rejected": self.rejected,
            "rejects": [
                {"column": one.column, "reason": one.reason, "rows": one.rows} for one in self.rejects
            ],
            "rejects_file": str(self.rejects_path) if self.rejects_path else None,
            "no_customer": self.no_customer,
            "no_customer_value": {
                currency: float(from_minor(minor, currency))
                for currency, minor in sorted(self.no_customer_value.items())
            },
            "details": dict(sorted(self.details.items())),
            "resumed_from": self.resumed_from,
            "already": self.already,
            "interrupted": self.interrupted,
            "reach": [one.as_json() for one in self.reach],
            "missing_columns": list(self.missing_columns),
            "read_as": self.read_as,
            **({"costs": self.costs.as_json()} if self.costs else {}),
        }
