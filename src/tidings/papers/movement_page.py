"""The page of the customers: how they moved, who brings the money, when and how often they order, who comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.papers.charts.ink import NONE
from tidings.papers.customers_pictures import cohorts_picture, curve_picture, rfm_picture
from tidings.papers.movement_section import ladder_picture, movement_figures, movements
from tidings.papers.paper import Block, Grid, KeyFigure, KeyFigures, Paper, Section, Words

if TYPE_CHECKING:
    from datetime import datetime

    from tidings.definitions.workspace import Definitions
    from tidings.measurement.movement.asking import Kpi
    from tidings.measurement.movement.by_sales import SalesChannel
    from tidings.measurement.movement.moves import Moves
    from tidings.measurement.movement.sums import Money

_NO_LADDER = (
    "config/goals.yaml has no ladder: the steps are known, lapsed, bought once, bought more than once."
)
_CHANNEL = (
    "A customer belongs to the channel of the latest purchase; orders and net are those made through it."
)


def movement_page(kpi: Kpi, definitions: Definitions, now: datetime) -> Paper:
    """Return the page with the parts that were asked for; a part of which nothing is known is a sentence."""
    workspace, local = definitions.workspace, now.astimezone(kpi.span.zone)
    first: list[Block] = [KeyFigures(tuple(_figures(kpi)))]
    first += [Words(words, "dim") for words in kpi.words]
    sections = [Section("", tuple(first))]
    if kpi.moves is not None:
        sections.append(Section("How customers moved", tuple(_moved(kpi, kpi.moves))))
    if kpi.sales is not None:
        sections.append(Section("By sales channel", tuple(_by_channel(kpi.sales, kpi.money))))
    if kpi.concentration is not None:
        sections.append(Section("Who brings the money", tuple(curve_picture(kpi.concentration, kpi.money))))
    if kpi.rfm is not None:
        sections.append(Section("When and how often they ordered", tuple(rfm_picture(kpi.rfm, kpi.money))))
    if kpi.cohorts is not None:
        sections.append(Section("Who orders again", tuple(cohorts_picture(kpi.cohorts, kpi.money))))
    return Paper(
        title=workspace.title,
        above="Customers",
        facts=(
            ("Days", str(kpi.span)),
            ("Made", f"{local:%Y-%m-%d %H:%M}, clock of {kpi.span.zone.key}"),
        ),
        sections=tuple(sections),
        foot=f"{workspace.title} | customers, {kpi.span.first} through {kpi.span.last}",
        made_at=now,
        locale=workspace.locale,
    )


def _figures(kpi: Kpi) -> list[KeyFigure]:
    if kpi.moves is not None:
        return movement_figures(kpi, kpi.moves)
    revenue, money = kpi.revenue, kpi.money
    return [
        KeyFigure(f"{revenue.customers:,}", "customers who ordered", f"{revenue.orders:,} orders"),
        KeyFigure(
            money.say(revenue.net).replace("-", "\u2212") if money.currency else NONE,
            "revenue, net of returns",
            f"{money.say(revenue.returned)} came back" if money.currency else "",
        ),
    ]


def _moved(kpi: Kpi, found: Moves) -> list[Block]:
    blocks: list[Block] = [ladder_picture(found, kpi.span), movements(kpi, found), _steps(found, kpi.money)]
    if kpi.made_up:
        blocks.append(Words(_NO_LADDER, "dim"))
    return blocks


def _steps(found: Moves, money: Money) -> Grid:
    """Return what those on each step are worth, the highest first."""
    head = ["step", "customers at the end", "bought, net", "of each"]
    head += ["margin of each"] if money.margin else []
    rows = []
    for one in reversed(found.steps):
        worth = one.worth
        row = [one.title, f"{one.end:,}", money.say(worth.value), money.say_each(worth.value, worth.customers)]  # fmt: skip
        row += [money.say_each(worth.margin, worth.customers)] if money.margin else []
        rows.append(
            tuple(cell.replace("-", "\u2212") if place > 1 else cell for place, cell in enumerate(row))
        )
    caption = "What those who stand on each step at the end bought in the time"
    return Grid(tuple(head), tuple(rows), frozenset(range(1, len(head))), caption)


def _by_channel(channels: Sequence[SalesChannel], money: Money) -> list[Block]:
    if not channels:
        return [Words("No sales channel had customers or orders in this time.")]
    head = ("sales channel", "start", "new", "came back", "lost", "end", "orders", "net")
    rows = tuple(
        (
            one.name, f"{one.moves.start:,}", *(f"{one.moves.kinds[name].customers:,}" for name in ("new", "reactivated", "lost")),
            f"{one.moves.end:,}", f"{one.orders:,}", money.say(one.value).replace("-", "\u2212"),
        )
        for one in channels
    )  # fmt: skip
    return [Grid(head, rows, frozenset(range(1, len(head)))), Words(_CHANNEL, "dim")]
