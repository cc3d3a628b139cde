"""Who brings the money, the fifths of recency and frequency, and cohorts, as charts with the sentences they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.papers.charts.cohorts import cohorts
from tidings.papers.charts.curve import curve
from tidings.papers.charts.figures import Cell, CohortLine
from tidings.papers.charts.squares import squares
from tidings.papers.paper import Block, Picture, Words

if TYPE_CHECKING:
    from tidings.measurement.movement.cohorts import Cohorts
    from tidings.measurement.movement.concentration import Concentration
    from tidings.measurement.movement.rfm import Rfm
    from tidings.measurement.movement.sums import Money

_FIFTHS = range(5, 0, -1)


def curve_picture(found: Concentration, money: Money) -> list[Block]:
    """Return the 80/20 curve, or the sentence why there is none."""
    if found.top_fifth is None or found.for_80 is None or found.gini is None:
        return [Words(found.reason)]
    part = found.for_80 / found.customers
    said = (
        f"The best 20 % of {found.customers:,} customers bring {found.top_fifth:.1%} of {money.say(found.total)}.",
        f"{found.for_80:,} of them ({part:.1%}) bring 80 %.",
        f"Gini {found.gini:.2f}: 0 if all brought the same, 1 if one brought all.",
    )
    picture = Picture(
        "curve",
        curve("Who brings the money", found.curve, said, marked=((0.2, found.top_fifth),)),
        "What share of net revenue each part of the customers brings, the best first",
        "Customers who ordered or sent back in the time, by what they brought, net of returns.",
    )
    return [picture, *([Words(found.reason, "dim")] if found.reason else [])]


def rfm_picture(grid: Rfm, money: Money) -> list[Block]:
    """Return the grid of fifths, or the sentences why there is none."""
    said: list[Block] = [Words(words, "dim") for words in grid.words]
    if not grid.cells:
        return said
    most = max(one.customers for one in grid.cells)
    by_place = {(one.recency, one.frequency): one for one in grid.cells}
    cells = []
    for recency in _FIFTHS:
        row = []
        for frequency in reversed(_FIFTHS):
            one = by_place[recency, frequency]
            each = money.say_each(one.value, one.customers) if one.customers and money.currency else ""
            row.append(
                Cell(one.customers, each.replace("-", "\u2212"), one.customers / most if most else 0.0)
            )
        cells.append(row)
    days, orders = grid.ranges["recency"], grid.ranges["frequency"]
    picture = Picture(
        "rfm",
        squares(
            "Customers by last order and number of orders",
            [(f"R{place}", between(days[place - 1], "day", " ago")) for place in _FIFTHS],
            [(f"F{place}", between(orders[place - 1], "order")) for place in reversed(_FIFTHS)],
            cells,
        ),
        "How many customers stand in each fifth of the last order and of the number of orders, and what they brought on average",
        f"{grid.customers:,} customers who ever ordered, and what they brought on average, net, ever. The best stand at the top right. "
        "Equal values share a fifth, so one may be empty.",
    )  # fmt: skip
    return [picture, *said]


def between(found: tuple[int, int] | None, what: str, after: str = "") -> str:
    """Return the days or orders that a fifth goes from and to."""
    if found is None:
        return "nobody"
    low, high = found
    number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{number} {what}{'' if low == high == 1 else 's'}{after}"


def cohorts_picture(found: Cohorts, money: Money) -> list[Block]:
    """Return the cohorts, or the sentence why there are none."""
    if not found.cohorts:
        return [Words(found.reason)]
    lines = [
        CohortLine(
            one.name,
            one.customers,
            tuple(number / one.customers if one.customers else 0.0 for number in one.active),
            money.say_each(sum(one.value), one.customers).replace("-", "\u2212") if money.currency else "",
        )
        for one in found.cohorts
    ]
    last = "" if found.over else f" The last {found.period} is not over."
    older = f" {found.older:,} customers ordered first before these." if found.older else ""
    picture = Picture(
        "cohorts",
        cohorts(
            f"Who orders again, by {found.period} of the first order",
            lines,
            note="net of each" if money.currency else "",
        ),
        f"The share of each {found.period}'s new customers that ordered in every later one",
        f"The share that ordered in each later {found.period}.{last}{older}",
    )
    return [picture]
