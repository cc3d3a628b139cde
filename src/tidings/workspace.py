"""Results in a notebook: `tidings.Workspace("shop")` opens a workspace for reading, and answers with frames of pandas."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from tidings.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd

    from tidings.clock import Clock
    from tidings.papers.tables.asking import Questions
    from tidings.papers.tables.table import Table


class Workspace:
    """A workspace opened for reading; nothing it does changes a store.

    Use it in a `with` block, or call `close`. `path` is the folder (that of the notebook if not given), `environment` as
    with the commands: development if not given. Raises DefinitionErrors, StoreError or UsageError where the files or
    the store are not right.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        environment: str | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        from tidings.clock import SystemClock
        from tidings.config.settings import load_settings
        from tidings.store.database import Store

        settings = load_settings(Path(path) if path is not None else None, environment)
        self._definitions = settings.definitions
        self._clock = clock or SystemClock()
        workspace = self._definitions.workspace
        self._open = ExitStack()
        self._store = self._open.enter_context(
            Store.open(
                settings.store_url,
                clock=self._clock,
                workspace=workspace.id,
                environment=settings.environment.name,
                salt=workspace.salt,
            )
        )
        self._closed = False
        self.title = workspace.title
        self.environment = settings.environment.name

    def report(self, name: str, table: str = "effects", *, run: int | None = None) -> pd.DataFrame:
        """Return what a campaign caused: `effects` (a row for each comparison), its `funnel` or its `refusals`.

        What it earned: `earned` by arm, single figures of the `promotion`, the weeks after (`pulled`), `payback` day by day
        and the `plan` beside what came. Codes that came back are those that `tidings report` and every night have counted.
        """
        return self._frame(self._questions().report(name, run), table)

    def attribute(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        by: str = "channel",
        table: str = "credit",
    ) -> pd.DataFrame:
        """Return the credit of every model by channel, campaign or sales channel, the `lines` beside it, or the `effect`.

        `sensitivity` has each share under every model with half, the set and double windows, `stability` how their orders agree.
        Touches and conversions are those that are stored: `tidings attribute` and every night bring them up to date.
        """
        return self._frame(self._questions().attribute(first, last, by=by, table=table), table)

    def kpi(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        table: str = "ladder",
        cohorts: Literal["month", "quarter"] = "month",
    ) -> pd.DataFrame:
        """Return how customers moved from a day through another: steps of the `ladder`, or each `movement`.

        Who brings the money: `best` parts of the customers, the whole `curve`, the `rfm` grid and `rfm_scores`, `cohorts` by
        month or quarter, `sales_channels`; `sums` has the revenue of the time.
        """
        return self._frame(self._questions().kpi(first, last, table=table, cohorts=cohorts), table)

    def goals(self, day: str | None = None, *, table: str = "goals") -> pd.DataFrame:
        """Return the goals of the company with plan, actual, forecast and status, as of now or of the end of a day.

        Or the campaigns and flows that are `serving` them, or their `progress` day by day.
        """
        return self._frame(self._questions().goals(day), table)

    def touches(self, first: str | None = None, last: str | None = None) -> pd.DataFrame:
        """Return every touch of whole days, of the last 90 if none are given, as they are stored."""
        return self._frame(self._questions().touches(first, last), "touches")

    def costs(self, first: str | None = None, last: str | None = None) -> pd.DataFrame:
        """Return what ads cost by month, source, medium and campaign."""
        return self._frame(self._questions().costs(first, last), "costs")

    def segment(self, name: str) -> pd.DataFrame:
        """Return the members of a segment as it is now, with the attributes that it asks about."""
        return self._frame(self._questions().segment(name), name)

    def close(self) -> None:
        """Close the store; closing twice is allowed."""
        self._closed = True
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Workspace {self.title!r}, {self.environment}{', closed' if self._closed else ''}>"

    def _questions(self) -> Questions:
        from tidings.papers.tables.asking import Questions

        if self._closed:
            raise UsageError("this workspace is closed", what_to_do="open it again: tidings.Workspace(…)")
        return Questions(self._store, self._definitions, self._clock.now())

    def _frame(self, tables: tuple[Table, ...], wanted: str) -> pd.DataFrame:
        from tidings.papers.tables.frame import frame

        for one in tables:
            if one.name == wanted:
                return frame(one)
        names = ", ".join(one.name for one in tables) or "none"
        raise UsageError(f'there is no table "{wanted}"', what_to_do=f"tables are: {names}")
