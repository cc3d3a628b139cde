"""Credit against effect, for the page of the company: what a model credits each campaign with, and what it caused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.clock import to_micros
from tidings.definitions.money import exponent
from tidings.measurement.attribution.answer import Period, major
from tidings.measurement.attribution.asking import ask, period_of, the_answer
from tidings.measurement.beside.table import make_beside
from tidings.papers.charts.credit import credit
from tidings.papers.charts.figures import CreditLine, Figures
from tidings.papers.charts.ink import NONE
from tidings.papers.paper import Block, Grid, KeyFigure, Picture, Points, Words
from tidings.statistics.summed import over_effect

if TYPE_CHECKING:
    from tidings.measurement.beside.rows import Row
    from tidings.measurement.beside.table import Beside
    from tidings.papers.company_page import Company

# So many campaigns fit on a page that is still read.
MOST = 12
_CREDIT = (
    "Credit shares out conversions that happened; it does not say that they would not have happened anyway. What came "
    "because of a campaign is known only against customers who were held out."
)


def credit_section(of: Company) -> tuple[Sequence[Block], Sequence[KeyFigure]]:
    """Return the blocks. Raises UsageError where nothing says what a conversion is."""
    period = _period(of)
    asked = ask(of.store, of.definitions, period)
    answer = the_answer(of.store, asked, "campaign", (asked.rule.model,))
    beside = make_beside(of.store, asked, answer, now=of.now)
    titles = {name: one.title for name, one in (of.definitions.campaigns | of.definitions.flows).items()}
    blocks: list[Block] = credit_blocks(beside, titles)
    blocks += [Words(words, "dim") for words in answer.words]
    return blocks, ()


def credit_blocks(beside: Beside, titles: dict[str, str]) -> list[Block]:
    """Return the chart, the table and the sentences of a table of effect beside credit, the most credited first."""
    known = [row for row in beside.rows if row.credited or row.value or row.increment is not None]
    money = bool(beside.currency) and all(row.value is not None for row in known)
    # In the order of what is drawn.
    rows = sorted(known, key=lambda row: -(row.value or 0) if money else -row.credited)[:MOST]
    figures = Figures(beside.currency, 0) if money else Figures("conversions", 1)
    lines = [_line(row, titles.get(row.name, row.name), money=money) for row in rows]
    picture = Picture(
        "credit",
        credit("Credit against effect, by campaign", lines, figures, model=beside.model),
        "For each campaign a bar for the credit and a dot with its 95 % interval for what it caused",
        _left_out(len(known) - len(rows), len(beside.rows) - len(known)),
    )
    found: list[Block] = [picture]
    if rows:
        found.append(_grid(rows, titles, beside))
    if beside.words:
        found.append(Points(tuple(beside.words)))
    return [*found, Words(_CREDIT, "dim")]


def _left_out(smaller: int, empty: int) -> str:
    """Return what is not in the picture: campaigns with less credit than those, and such as have nothing to show."""
    said = []
    if smaller:
        said.append(f"{smaller:,} more with less credit {'is' if smaller == 1 else 'are'} not shown.")
    if empty:
        said.append(
            f"{empty:,} {'has' if empty == 1 else 'have'} neither credit nor anybody held out, and {'is' if empty == 1 else 'are'} not shown."
        )
    return " ".join(said)


def _line(row: Row, title: str, *, money: bool) -> CreditLine:
    scale = 10.0 ** -exponent(row.currency) if money else 1.0
    credited = (row.value or 0) * scale if money else row.credited
    increment = row.increment
    known = None if increment is None else increment.value if money else increment.conversions
    if known is None or row.part:
        why = row.part or row.reason or "amounts are not in one currency"
        return CreditLine(title, credited, why=f"effect not known: {why}")
    # Of what is drawn: the factor of money is not quite that of conversions.
    claimed = over_effect((row.value or 0) if money else row.credited, known)
    factor = f"credit {claimed.value:,.1f} \u00d7 the effect" if claimed.value else ""
    low, high = known.interval or (None, None)
    return CreditLine(
        title,
        credited,
        known.estimate * scale,
        None if low is None else low * scale,
        None if high is None else high * scale,
        factor,
    )


def _grid(rows: Sequence[Row], titles: dict[str, str], beside: Beside) -> Grid:
    def each(row: Row) -> tuple[str, ...]:
        cost = NONE if row.cost is None else f"{major(row.cost, row.currency):,.0f}"
        roas = NONE if row.roas is None else f"{row.roas:,.1f}"
        iroas = row.iroas
        told = NONE if iroas.value is None else f"{iroas.value:,.1f}"
        if iroas.value is not None and iroas.interval is not None:
            told += f"\n({iroas.interval[0]:,.1f} to {iroas.interval[1]:,.1f})"
        return (
            titles.get(row.name, row.name),
            f"{row.credited:,.1f}",
            cost,
            roas,
            told.replace("-", "\u2212"),
        )

    head = (
        "campaign",
        "credited conversions",
        f"cost, {beside.currency}",
        "credit per cost",
        "effect per cost",
    )
    return Grid(head, tuple(each(row) for row in rows), frozenset({1, 2, 3, 4}))


def _period(of: Company) -> Period:
    from tidings.clock import local_day

    period = period_of(of.first.isoformat(), of.last.isoformat(), of.definitions, local_day(of.now, of.zone))
    return Period(period.opens, min(period.closes, to_micros(of.now) + 1))
