"""Asking the store for tables: the same questions that the commands put, for files and for notebooks. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tidings.clock import local_day

if TYPE_CHECKING:
    from tidings.definitions.workspace import Definitions
    from tidings.measurement.movement.cohorts import Period
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
        """Return effects, funnel, refusals and what was earned by a campaign's latest run, or by the run asked for.

        Codes that came back are counted as they are stored.
        """
        from tidings.measurement.report import make_report
        from tidings.papers.tables.of_promotion import promotion_tables
        from tidings.papers.tables.of_report import report_tables

        report = make_report(self.store, self.definitions, name, as_of=self.now, run_id=run_id)
        return (
            *report_tables(report),
            *promotion_tables(report.economics, next(iter(report.warnings), None)),
        )

    def attribute(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        by: str = "channel",
        table: str | None = None,
    ) -> tuple[Table, ...]:
        """Return the credit that every model gives, the lines beside it, (but by sales channel) what was caused, and what hangs on the choice.

        Touches and conversions are those that are stored. With `table` only what has to be read for one of them. Raises
        UsageError for a table that there is not.
        """
        from tidings.errors import UsageError
        from tidings.measurement.attribution.asking import ask, check_by, period_of, the_answer
        from tidings.measurement.attribution.sensitivity import sensitivity
        from tidings.papers.tables.of_credit import credit_tables
        from tidings.papers.tables.of_sensitivity import NAMES, sensitivity_tables

        caused = () if by == "sales channel" else ("effect",)
        names = ("credit", "lines", *caused, *NAMES)
        if table is not None and table not in names:
            raise UsageError(f'there is no table "{table}"', what_to_do=f"tables are: {', '.join(names)}")
        period = period_of(first, last, self.definitions, local_day(self.now, self.zone))
        tables: tuple[Table, ...] = ()
        if table not in NAMES:
            asked = ask(self.store, self.definitions, period)
            answer = the_answer(self.store, asked, by)
            tables = credit_tables(answer)
            if caused and table in (None, *caused):
                from tidings.measurement.beside.table import make_beside
                from tidings.papers.tables.of_beside import beside_table

                tables = (*tables, beside_table(make_beside(self.store, asked, answer, now=self.now)))
        if table in (None, *NAMES):
            # Double windows look twice as far back.
            asked = ask(self.store, self.definitions, period, stretch=2.0)
            check_by(asked, by)
            tables = (*tables, *sensitivity_tables(sensitivity(asked, by)))
        return tables

    def kpi(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        table: str | None = None,
        cohorts: Period = "month",
    ) -> tuple[Table, ...]:
        """Return how customers moved and who brings the money: all tables, or what has to be read for one of them.

        By sales channel only where a purchase says its own. Raises UsageError for a table that there is not.
        """
        from tidings.errors import UsageError
        from tidings.measurement.movement.asking import PARTS, ask
        from tidings.measurement.movement.purchases import trade_of
        from tidings.measurement.movement.span import span_of
        from tidings.papers.tables.of_movement import PART_OF, movement_tables

        by_channel = trade_of(self.definitions).sales
        names = [name for name in PART_OF if by_channel or name != "sales_channels"]
        if table is not None and table not in names:
            raise UsageError(f'there is no table "{table}"', what_to_do=f"tables are: {', '.join(names)}")
        wanted = {PART_OF[table]} if table is not None else {*PART_OF.values()}
        span = span_of(first, last, zone=self.zone, now=self.now)
        parts = tuple(one for one in PARTS if one in wanted)
        return movement_tables(
            ask(
                self.store,
                self.definitions,
                span,
                parts=parts,
                by_channel=by_channel and "sales" in wanted,
                period=cohorts,
            )
        )

    def touches(self, first: str | None = None, last: str | None = None) -> tuple[Table, ...]:
        """Return every touch that is stored, of whole days; of the last 90 through today if none are given."""
        from tidings.measurement.attribution.asking import period_of
        from tidings.papers.tables.of_touches import touches_table

        period = period_of(first, last, self.definitions, local_day(self.now, self.zone))
        with self.store.read() as connection:
            return (touches_table(connection, period),)

    def costs(self, first: str | None = None, last: str | None = None) -> tuple[Table, ...]:
        """Return what ads cost from a day through another; all of it if none are given."""
        from tidings.definitions.asked_days import day_of
        from tidings.measurement.costs import cost_lines
        from tidings.papers.tables.of_touches import costs_table

        begin, end = day_of(first, "--from"), day_of(last, "--to")
        with self.store.read() as connection:
            return (costs_table(cost_lines(connection, first=begin, last=end)),)

    def goals(self, day: str | None = None) -> tuple[Table, ...]:
        """Return the goals of the company as of now, or of the end of a day, what serves them, and how they came along.

        Raises UsageError for what is no such day.
        """
        from datetime import date

        from tidings.errors import UsageError
        from tidings.measurement.scorecard.asking import make_scorecard
        from tidings.papers.tables.of_goals import goals_tables

        try:
            wanted = date.fromisoformat(day) if day else None
        except ValueError as error:
            raise UsageError(f'"{day}" is no day', what_to_do="write it as 2027-03-31") from error
        return goals_tables(make_scorecard(self.store, self.definitions, now=self.now, day=wanted))

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
