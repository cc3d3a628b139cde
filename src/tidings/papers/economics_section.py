"""What a run earned, as a section of its page: sentences first, money by arm, the plan beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.measurement.promotions.result import MARGIN
from tidings.measurement.promotions.words import amount, between, sentences
from tidings.papers.charts.ink import NONE
from tidings.papers.paper import Block, Grid, Points, Section

if TYPE_CHECKING:
    from tidings.measurement.promotions.planned import PlanLine
    from tidings.measurement.promotions.result import Economics

_Pair = tuple[float, tuple[float, float] | None]


def economics_section(told: Economics | None) -> Section:
    """Return the section; it has no blocks where nothing is known of money, codes or a plan."""
    blocks: list[Block] = []
    if told is not None and (told.worth is not None or told.redeemed is not None or told.plan):
        said = [
            *(sentences(told) if told.worth is not None or told.redeemed is not None else ()),
            *told.notes,
        ]
        blocks += [Points(tuple(said))] if said else []
        if told.earned and told.currency:
            blocks.append(_money(told))
        if told.plan:
            blocks.append(_planned(told.plan))
    return Section("What it earned", tuple(blocks))


def _money(told: Economics) -> Grid:
    rows = [
        ("orders", [_signed(one.orders.total[0]) if one.orders.total else NONE for one in told.earned]),
        (
            "revenue, net of returns",
            [_cell(told, one.revenue.total if one.revenue else None) for one in told.earned],
        ),
    ]
    if told.worth == MARGIN:
        rows += [
            (
                "margin after discounts",
                [_cell(told, one.gain.total if one.gain else None) for one in told.earned],
            ),
            ("cost", [_bare(told, one.cost) for one in told.earned]),
            (
                "profit",
                [
                    _cell(told, (one.profit.total, one.profit.interval) if one.profit else None)
                    for one in told.earned
                ],
            ),
        ]
    head = ("", *(one.arm for one in told.earned))
    return Grid(
        head,
        tuple((name, *cells) for name, cells in rows),
        frozenset(range(1, len(head))),
        f"Beyond the holdout, over all customers of the arm, in {told.currency} (95 % interval)",
    )


def _signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "\u2212")


def _bare(told: Economics, value: float) -> str:
    return amount(value, told.currency).rpartition(" ")[0].replace("-", "\u2212")


def _cell(told: Economics, pair: _Pair | None) -> str:
    if pair is None:
        return "not known"
    # On two lines: beside each other the arms would be wider than the paper.
    limits = between(pair[1], told.currency).rpartition(" ")[0] if pair[1] else "no interval"
    return f"{_bare(told, pair[0])}\n({limits})".replace("-", "\u2212")


def _planned(lines: tuple[PlanLine, ...]) -> Grid:
    rows = tuple(
        (
            line.title,
            _of_plan(line, line.planned),
            _of_plan(line, line.actual),
            _of_plan(line, line.difference, sign=True) if line.actual is not None else NONE,
        )
        for line in lines
    )
    return Grid(("", "plan", "actual", "difference"), rows, frozenset({1, 2, 3}), "Plan against actual")


def _of_plan(line: PlanLine, value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "not known"
    plus = "+" if sign and value > 0 else ""
    if line.unit == "share":
        shown = f"{plus}{value * 100:,.2f} %"
    elif line.unit == "money":
        shown = plus + amount(value, line.currency)
    else:
        shown = f"{plus}{value:,.0f}"
    return shown.replace("-", "\u2212")
