"""Effect beside credit as a marketer reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from tidings.cli.attribute_view import TITLES, amount, numbers
from tidings.cli.report_tables import print_parted, table
from tidings.definitions.money import format_money
from tidings.measurement.beside.words import short, shown

if TYPE_CHECKING:
    from rich.table import Table

    from tidings.measurement.beside.rows import Row
    from tidings.measurement.beside.table import Beside
    from tidings.statistics.summed import Quotient

_NONE = "–"
_HEADINGS = (
    "credited", "because of it", "credit over\neffect", "cost", "CPA", "ROAS", "iROAS", "per extra\nconversion",
)  # fmt: skip


def show_beside(beside: Beside, screen: Console) -> None:
    """Print what came because of it and what it cost, beside what was credited."""
    screen.print()
    if not beside.rows:
        for words in beside.words:
            screen.print(words)
        return
    whose = f"credit by {TITLES[beside.model]}" if beside.model else "no credit"
    title = f"effect beside credit ({whose}; effect with 95 % limits; money in {beside.currency})"
    # Whoever a channel reached differs from the others anyway: without a drawing this is no effect of the channel.
    first = "reached by" if beside.by == "channel" else beside.by
    credited = numbers([row.credited for row in beside.rows])
    rows = [(credit, *_cells(row, beside.by)) for row, credit in zip(beside.rows, credited, strict=True)]

    def show(places: list[int]) -> Table:
        page = table("")
        page.add_column(first, overflow="fold")
        for place in places:
            page.add_column(_HEADINGS[place], justify="right", no_wrap=True)
        for row, cells in zip(beside.rows, rows, strict=True):
            page.add_row(row.name, *[cells[place] for place in places])
        return page

    columns = [[heading, *(row[place] for row in rows)] for place, heading in enumerate(_HEADINGS)]
    print_parted(screen, title, [first, *(row.name for row in beside.rows)], columns, show)
    for name, cost in beside.unmatched.items():
        what = "matches no campaign" if beside.by == "campaign" else "is of no channel"
        screen.print(f"{format_money(cost, beside.currency)} of cost {what}: {name}.")
    for words in beside.words:
        screen.print(f"• {words}")


def _cells(row: Row, by: str) -> tuple[str, ...]:
    effect = "not randomised" if by == "channel" else _NONE
    if row.increment is not None:
        effect = shown(row.increment.conversions)
    measured = row.increment is not None
    per, paid = row.cost_per_conversion, measured and row.cost is not None
    return (
        effect,
        _quotient(row.over_claiming, 1.0, measured),
        _NONE if row.cost is None else amount(row.cost, row.currency),
        _NONE if per is None else amount(round(per), row.currency),
        _NONE if row.roas is None else short(row.roas),
        _quotient(row.iroas, 1.0, paid),
        _quotient(row.cost_per_increment, float(amount(1, row.currency)), paid),
    )


def _quotient(found: Quotient, scale: float, asked: bool) -> str:
    """Return a quotient with its limits; where one was to be expected and there is none, that it is not known."""
    if found.value is None:
        return "not known" if asked else _NONE
    told = short(found.value * scale)
    if found.interval is None:
        return f"{told}\n(no limits)"
    low, high = (short(end * scale) for end in found.interval)
    return f"{told}\n({low} to {high})"
