"""The tables of who brings the money, who orders again, and through which sales channel: the 80/20 curve, RFM, cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.measurement.movement.moves import MOVEMENTS
from tidings.papers.tables.table import Cell, Column, Table

if TYPE_CHECKING:
    from tidings.measurement.movement.by_sales import SalesChannel
    from tidings.measurement.movement.cohorts import Cohorts
    from tidings.measurement.movement.concentration import Concentration
    from tidings.measurement.movement.rfm import Rfm
    from tidings.measurement.movement.sums import Money

_CURRENCY = Column("currency", "text", "of amounts")
_BEST = (
    Column("part", "share", "the best of the customers, by what they brought in the time"),
    Column("customers", "whole", "how many that is, rounded up"),
    Column("share", "share", "the part of net revenue that they bring"),
)
_RFM = (
    Column("recency", "whole", "fifth by the last order, 5 the latest"),
    Column("frequency", "whole", "fifth by the number of orders, 5 the most"),
    Column("customers", "whole", "how many stand in both"),
    Column("value", "money", "what they brought ever, net of returns"),
    Column("value_per_customer", "money", "value of each"),
    Column("days_from", "whole", "days since the last order in this fifth, the fewest"),
    Column("days_to", "whole", "the most"),
    Column("orders_from", "whole", "orders in this fifth, the fewest"),
    Column("orders_to", "whole", "the most"),
    _CURRENCY,
)
_SCORES = (
    Column("score", "text", "fifths of recency, frequency and money, such as 543"),
    Column("customers", "whole", "how many have it"),
)
_COHORTS = (
    Column("cohort", "text", "month or quarter of the first order"),
    Column("customers", "whole", "who ordered first in it"),
    Column("later", "whole", "so many months or quarters later; 0 is that of the first order"),
    Column("active", "whole", "of them who ordered in that one"),
    Column("retention", "share", "the same as a part of the cohort"),
    Column("value", "money", "what they brought in it, net of returns"),
    _CURRENCY,
    Column("period", "text", "month or quarter"),
    Column("over", "flag", "whether that month or quarter is over"),
)
_CHANNELS = (
    Column("sales_channel", "text", "that of the latest purchase of a customer"),
    Column("customers", "whole", "who ordered through it in the time"),
    Column("orders", "whole", "orders through it"),
    Column("value", "money", "what these brought, net of returns"),
    Column("value_per_order", "money", "value of each order"),
    Column("start", "whole", "active customers at the start"),
    *(Column(name, "whole", f"of the customers: {name}") for name in MOVEMENTS),
    Column("end", "whole", "active customers at the end"),
    _CURRENCY,
)


def curve_tables(curve: Concentration, money: Money) -> list[Table]:
    """Return what the best parts of the customers bring, and the same at every hundredth."""
    brought = f"All customers of the time brought {money.say(curve.total)}." if curve.points else ""
    words = tuple(one for one in (curve.reason, brought) if one)
    return [
        Table("best", _BEST, list(curve.points), words),
        Table("curve", (_BEST[0], _BEST[2]), list(curve.curve), words),
    ]


def rfm_tables(grid: Rfm, money: Money) -> list[Table]:
    """Return the grid of fifths of recency and frequency, and how many customers have each score."""
    rows: list[tuple[Cell, ...]] = []
    for one in grid.cells:
        days = grid.ranges["recency"][one.recency - 1] or (None, None)
        orders = grid.ranges["frequency"][one.frequency - 1] or (None, None)
        rows.append(
            (
                one.recency, one.frequency, one.customers, money.major(one.value), money.each(one.value, one.customers),
                *days, *orders, money.currency or None,
            )
        )  # fmt: skip
    scores: list[tuple[Cell, ...]] = list(grid.scores.items())
    return [Table("rfm", _RFM, rows, grid.words), Table("rfm_scores", _SCORES, scores, grid.words)]


def cohorts_table(found: Cohorts, money: Money) -> Table:
    """Return a row for each cohort and each month or quarter after it."""
    rows: list[tuple[Cell, ...]] = []
    last = len(found.cohorts) - 1
    for place, one in enumerate(found.cohorts):
        for later, (active, value) in enumerate(zip(one.active, one.value, strict=True)):
            retention = active / one.customers if one.customers else None
            rows.append(
                (
                    one.name, one.customers, later, active, retention, money.major(value), money.currency or None,
                    found.period, found.over or place + later < last,
                )
            )  # fmt: skip
    older = f"{found.older:,} customers ordered first before these." if found.older else ""
    words = tuple(one for one in (found.reason, older) if one)
    return Table("cohorts", _COHORTS, rows, words)


def channels_table(channels: tuple[SalesChannel, ...], money: Money, words: tuple[str, ...]) -> Table:
    """Return a row for each sales channel, the one with the most revenue first."""
    rows: list[tuple[Cell, ...]] = [
        (
            one.name, one.customers, one.orders, money.major(one.value), money.each(one.value, one.orders), one.moves.start,
            *(one.moves.kinds[name].customers for name in MOVEMENTS), one.moves.end, money.currency or None,
        )
        for one in channels
    ]  # fmt: skip
    return Table("sales_channels", _CHANNELS, rows, words)
