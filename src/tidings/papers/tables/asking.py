"""Asking the store for tables: the same questions that the commands put, for files and for notebooks. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tidings.clock import local_day

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.papers.tables.table import Table
    from tidings.store.database import Store


@dataclass(frozen=True, slots=True)
class Questions:
    """What can be asked of a store as of an instant."""

    store: Store
    definitions: Definitions
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """Return the workspace clock."""
        return ZoneInfo(self.definitions.workspace.zone)

    def report(self, name: str, run_id: int | None = None) -> tuple[Table, ...]:
        """Return effects, funnel and refusals of a campaign's latest run, or of the run asked for."""
        from tidings.measurement.report import make_report
        from tidings.papers.tables.of_report import report_tables

        return report_tables(make_report(self.store, self.definitions, name, as_of=self.now, run_id=run_id))

    def attribute(
        self, first: str | None = None, last: str | None = None, *, by: str = "channel"
    ) -> tuple[Table, ...]:
        """Return the credit that every model gives, the lines beside it, and (but by sales channel) what was caused.

        Touches and conversions are those that are stored.
        """
        from tidings.measurement.attribution.asking import ask, period_of, the_answer
        from tidings.measurement.beside.table import make_beside
        from tidings.papers.tables.of_beside import beside_table
        from tidings.papers.tables.of_credit import credit_tables

        period = period_of(first, last, self.definitions, local_day(self.now, self.zone))
        asked = ask(self.store, self.definitions, period)
        answer = the_answer(self.store, asked, by)
        tables = credit_tables(answer)
        if by == "sales channel":
            return tables
        return (*tables, beside_table(make_beside(self.store, asked, answer, now=self.now)))

    def kpi(self, first: str | None = None, last: str | None = None) -> tuple[Table, ...]:
        """Return the steps of the ladder and how customers moved between them."""
        from tidings.measurement.movement.asking import ask
        from tidings.measurement.movement.span import span_of
        from tidings.papers.tables.of_movement import movement_tables

        span = span_of(first, last, zone=self.zone, now=self.now)
        return movement_tables(ask(self.store, self.definitions, span, parts=("ladder",)))

    def goals(self, day: str | None = None) -> tuple[Table, ...]:
        """Return the goals of the company as of now, or of the end of a day. Raises UsageError for what is no such day."""
        from datetime import date

        from tidings.errors import UsageError
        from tidings.measurement.scorecard.asking import make_scorecard
        from tidings.papers.tables.of_goals import goals_table

        try:
            wanted = date.fromisoformat(day) if day else None
        except ValueError as error:
            raise UsageError(f'"{day}" is no day', what_to_do="write it as 2027-03-31") from error
        return (goals_table(make_scorecard(self.store, self.definitions, now=self.now, day=wanted)),)

    def segment(self, name: str) -> tuple[Table, ...]:
        """Return the members of a segment as it is now."""
        from tidings.papers.tables.of_segment import segment_table
        from tidings.segments.looking import look
        from tidings.segments.references import find_segment

        segment = find_segment(self.definitions, name)
        with self.store.read() as connection:
            found = look(connection, self.definitions, segment, now=self.now, limit=_ALL)
        return (segment_table(found, self.definitions),)


# More than any store has.
_ALL = 2**31 - 1
