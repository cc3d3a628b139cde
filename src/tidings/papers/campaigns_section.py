"""What the campaigns of late caused, for the page of the company: one interval each, all treated against the holdout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.clock import local_midnight, to_micros
from tidings.errors import TidingsError
from tidings.measurement.metrics import HOLDOUT
from tidings.measurement.report import Report, make_report
from tidings.papers.charts.figures import Estimate, Figures, Panel
from tidings.papers.charts.intervals import intervals
from tidings.papers.paper import Block, KeyFigure, Picture, Points, Words
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.measurement.effects import Effect
    from tidings.papers.company_page import Company

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The latest so many runs are reported on.
MOST = 12


def campaigns_section(of: Company) -> tuple[Sequence[Block], Sequence[KeyFigure]]:
    """Return a chart of the goal of each run, those without a figure with the sentence why."""
    runs = sending.runs
    with of.store.read() as connection:
        found = connection.execute(
            sa.select(runs.c.id, runs.c.campaign, runs.c.occurrence)
            .where(
                runs.c.anchor_at >= to_micros(local_midnight(of.first, of.zone)),
                runs.c.anchor_at <= to_micros(of.now),
                runs.c.kind != "experiment",
            )
            .order_by(runs.c.anchor_at.desc(), runs.c.id.desc())
        ).all()
    if not found:
        return (Words("No campaign began in these days."),), ()
    estimates: list[Estimate] = []
    untold: list[str] = []
    for run in found[:MOST]:
        try:
            report = make_report(of.store, of.definitions, run.campaign, as_of=of.now, run_id=run.id)
        except TidingsError as error:
            untold.append(f"{run.campaign}: {error.message}.")
            continue
        dated = _DATE.match(run.occurrence)
        estimates.append(_estimate(report, dated[0] if dated else ""))
    blocks: list[Block] = []
    if estimates:
        panel = Panel(
            "Did what the goal says", Figures("per 100 customers", 2, signed=True), tuple(estimates)
        )
        blocks.append(
            Picture(
                "campaigns",
                intervals("What campaigns caused", [panel]),
                "For each campaign how many more did what its goal says, with the 95 % interval",
                "All treated against those held out, for each 100 customers drawn. `tidings report NAME` says more.",
            )
        )
    if untold:
        blocks.append(Points(tuple(untold)))
    if len(found) > MOST:
        blocks.append(Words(f"{len(found) - MOST:,} earlier runs of these days are not shown.", "dim"))
    return blocks, ()


def _estimate(report: Report, day: str) -> Estimate:
    label = report.title
    note = ", ".join(one for one in (day, "early: windows are open" if report.maturity.early else "") if one)
    first = _first(report)
    if report.ratio.alarm:
        return Estimate(
            label, None, note=note, why="the arms do not have the sizes drawn, so no effect can be believed"
        )
    if report.maturity.silent:
        return Estimate(label, None, note=note, why="nothing is known since it was sent; import newer events")
    if first is None:
        why = next(iter(report.warnings or report.notes), "it has no goal that every arm can have")
        return Estimate(label, None, note=note, why=why)
    if first.difference.interval is None:
        return Estimate(label, None, why=first.difference.reason or "nobody did it yet, in either arm")
    low, high = first.difference.interval
    return Estimate(label, first.difference.estimate * 100, low * 100, high * 100, note=note)


def _first(report: Report) -> Effect | None:
    """Return the share of those who did it, all treated against the holdout."""
    return next(
        (one for one in report.findings() if one.against == HOLDOUT and one.metric.unit == "share"), None
    )
