"""`kind: experiment`: a test that was run elsewhere becomes one finished run with its arms and outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from tidings.customers.cells import CellError, Reader, exact_reader, instant_reader, text_reader
from tidings.customers.columns import Cell
from tidings.customers.identity import Drawer
from tidings.customers.knowing import ensure_customers, read_key
from tidings.customers.spill import Ordinals
from tidings.definitions.kinds.importing import Column, ExperimentImport
from tidings.definitions.money import to_minor
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.store.batches import insert_rows, next_ids
from tidings.store.tables import answers, sending

OCCURRENCE = "import"
_HOLDOUT = "holdout"
_runs, _enrolments, _outcomes = sending.runs, sending.enrolments, answers.outcomes


class Enrolled(NamedTuple):
    """One row: arm and variant of a customer, `at` (None: the instant of the first import), values by place of metric."""

    customer: str
    arm: str
    variant: str | None
    at: int | None
    values: tuple[float | None, ...]


class Metric(NamedTuple):
    """One outcome column: `phase` is before or after the test, `currency` set where it is money in minor units."""

    name: str
    phase: str
    currency: str | None


class ExperimentRows:
    """Reads rows under a mapping: compiled once, called once a row."""

    def __init__(
        self, mapping: ExperimentImport, definitions: Definitions, places: dict[str, int], met: Ordinals
    ) -> None:
        self._customer = Cell(mapping.customer, read_key, places)
        self._arm = Cell(mapping.arm, text_reader(100), places)
        zone = definitions.workspace.zone
        self._at = Cell(mapping.at, instant_reader(mapping.at, zone), places) if mapping.at else None
        self._met = met
        both = [(name, column, "after") for name, column in mapping.outcomes]
        both += [(name, column, "before") for name, column in mapping.before]
        names = Counter(name for name, _, _ in both)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise TidingsError(f"{mapping.path} names {', '.join(twice)} both as outcome and before the test")
        self.metrics = tuple(Metric(name, phase, column.money) for name, column, phase in both)
        self._values = [Cell(column, _value(column), places) for _, column, _ in both]

    def __call__(self, cells: list[str]) -> Enrolled:
        """Return what the row says; raises CellError with the column that cannot be read."""
        customer = self._customer.needed(cells, "no customer")
        arm = self._arm.needed(cells, "no arm")
        at = self._at.needed(cells, "no time") if self._at is not None else None
        values = tuple(cell(cells) for cell in self._values)
        if self._met.next(customer.encode()):
            raise CellError(
                "customer twice", f'customer "{customer}" stands in the file before', self._customer.name
            )
        treated = arm != _HOLDOUT
        return Enrolled(customer, "treated" if treated else _HOLDOUT, arm if treated else None, at, values)


class ExperimentStore:
    """Stores rows of one test; `__call__` handles one chunk inside the caller's transaction."""

    def __init__(
        self,
        mapping: ExperimentImport,
        definitions: Definitions,
        metrics: tuple[Metric, ...],
        fingerprint: str,
    ) -> None:
        self._campaign, self._fingerprint = mapping.campaign, fingerprint
        self._drawer = Drawer(definitions.workspace.salt)
        self._attributes = definitions.attributes
        self._metrics = metrics

    def __call__(self, connection: sa.Connection, items: Sequence[Enrolled], now: int) -> dict[str, int]:
        """Store one chunk; return how many customers are new in the test, changed, as they were, or in another arm."""
        counts: Counter[str] = Counter()
        run, anchor = self._run(connection, items[0].at or now, now)
        customers, counts["created"] = ensure_customers(
            connection, [item.customer for item in items], self._drawer, self._attributes, now
        )
        known = self._enrolled(connection, run, customers.values())
        new = [item for item in items if customers[item.customer] not in known]
        ids = next_ids(connection, _enrolments, len(new))
        insert_rows(
            connection,
            _enrolments,
            [
                (number, run, customers[item.customer], 0, item.arm, item.variant, item.at or anchor, now)
                for number, item in zip(ids, new, strict=True)
            ],
            ("id", "run_id", "customer_id", "entry", "arm", "variant", "anchor_at", "planned_at"),
        )
        fresh: list[tuple[Any, ...]] = []
        for number, item in zip(ids, new, strict=True):
            fresh += self._rows(number, item)
        counts["enrolled"] = len(new)
        changed: list[dict[str, Any]] = []
        old = self._stored(connection, [number for number, _, _ in known.values()])
        for item in items:
            number, arm, variant = known.get(customers[item.customer], (0, "", None))
            if not number:
                continue
            if (arm, variant) != (item.arm, item.variant):
                counts["other_arm"] += 1
                continue
            rows = self._rows(number, item)
            fresh += [row for row in rows if row[:2] not in old]
            other = [row for row in rows if row[:2] in old and old[row[:2]] != row[3]]
            changed += [{"of": row[0], "named": row[1], "now": row[3]} for row in other]
            new_metric = any(row[:2] not in old for row in rows)
            counts["updated" if other or new_metric else "unchanged"] += 1
        insert_rows(connection, _outcomes, fresh, ("enrolment_id", "metric", "phase", "value", "currency"))
        if changed:
            connection.execute(
                sa.update(_outcomes)
                .where(
                    _outcomes.c.enrolment_id == sa.bindparam("of"),
                    _outcomes.c.metric == sa.bindparam("named"),
                )
                .values(value=sa.bindparam("now")),
                changed,
            )
        return {name: count for name, count in counts.items() if count}

    def finish(self, connection: sa.Connection, now: int) -> None:
        """Mark the run as finished."""
        connection.execute(
            sa.update(_runs)
            .where(
                _runs.c.campaign == self._campaign,
                _runs.c.occurrence == OCCURRENCE,
                _runs.c.state == "enrolling",
            )
            .values(state="finished", finished_at=now)
        )

    def _run(self, connection: sa.Connection, anchor: int, now: int) -> tuple[int, int]:
        found = connection.execute(
            sa.select(_runs.c.id, _runs.c.anchor_at, _runs.c.kind).where(
                _runs.c.campaign == self._campaign, _runs.c.occurrence == OCCURRENCE
            )
        ).one_or_none()
        if found is not None:
            return found.id, found.anchor_at
        number = next_ids(connection, _runs, 1)[0]
        connection.execute(
            sa.insert(_runs).values(
                id=number,
                campaign=self._campaign,
                occurrence=OCCURRENCE,
                kind="experiment",
                definition_hash=self._fingerprint,
                # No rule of ours decided who was written to.
                policy_hash="",
                salt="",
                state="enrolling",
                anchor_at=anchor,
                created_at=now,
                bounds={},
            )
        )
        return number, anchor

    def _enrolled(
        self, connection: sa.Connection, run: int, customers: Any
    ) -> dict[int, tuple[int, str, str | None]]:
        rows = connection.execute(
            sa.select(
                _enrolments.c.customer_id, _enrolments.c.id, _enrolments.c.arm, _enrolments.c.variant
            ).where(_enrolments.c.run_id == run, _enrolments.c.customer_id.in_(list(customers)))
        )
        return {customer: (number, arm, variant) for customer, number, arm, variant in rows.all()}

    def _stored(self, connection: sa.Connection, enrolments: list[int]) -> dict[tuple[int, str], float]:
        if not enrolments:
            return {}
        rows = connection.execute(
            sa.select(_outcomes.c.enrolment_id, _outcomes.c.metric, _outcomes.c.value).where(
                _outcomes.c.enrolment_id.in_(enrolments)
            )
        )
        return {(number, metric): value for number, metric, value in rows.all()}

    def _rows(self, number: int, item: Enrolled) -> list[tuple[Any, ...]]:
        return [
            (number, metric.name, metric.phase, value, metric.currency)
            for metric, value in zip(self._metrics, item.values, strict=True)
            if value is not None
        ]


def _value(column: Column) -> Reader:
    exact, currency = exact_reader(column), column.money
    if currency is not None:
        return lambda text: float(to_minor(exact(text), currency))
    return lambda text: float(exact(text))
