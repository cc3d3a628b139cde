"""The tables of how customers moved: steps of the ladder, movements, and the sums of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.measurement.movement.moves import MOVEMENTS
from tidings.papers.tables.of_customers import channels_table, cohorts_table, curve_tables, rfm_tables
from tidings.papers.tables.table import Cell, Column, Kind, Table

if TYPE_CHECKING:
    from tidings.measurement.movement.asking import Kpi

# The tables by the part of the movement that each is made of; "" needs none.
PART_OF = {
    "ladder": "ladder", "movement": "ladder", "sums": "", "best": "80-20", "curve": "80-20", "rfm": "rfm",
    "rfm_scores": "rfm", "cohorts": "cohorts", "sales_channels": "sales",
}  # fmt: skip
_WORTH: tuple[tuple[str, Kind, str], ...] = (
    ("orders", "whole", "their orders in the time"),
    ("value", "money", "what they bought, net of returns"),
    ("value_before", "money", "the same in the time before"),
    ("value_per_customer", "money", "value of each"),
    ("margin", "money", "margin, where events declare one"),
    ("margin_per_customer", "money", "margin of each"),
)
_COUNTS = (
    ("start", "stood on it at the start"),
    ("in_outside", "came from nowhere on the ladder"),
    ("in_below", "came up"),
    ("in_above", "came down"),
    ("out_outside", "left the ladder"),
    ("out_below", "went down"),
    ("out_above", "went up"),
    ("end", "stand on it at the end"),
)
_SUMS = (
    Column("figure", "text", "its name, which stays the same"),
    Column("says", "text", "what it is"),
    Column("value", "number", "the figure; empty where it is not known"),
    Column("unit", "text", "count, money or share of 1"),
    Column("currency", "text", "of money"),
)


def movement_tables(kpi: Kpi) -> tuple[Table, ...]:
    """Return the tables of the parts that were asked for, in the order in which they are read."""
    words = tuple(kpi.words)
    found = [*_ladder(kpi, words), _sums(kpi, words)]
    if kpi.concentration is not None:
        found += curve_tables(kpi.concentration, kpi.money)
    if kpi.rfm is not None:
        found += rfm_tables(kpi.rfm, kpi.money)
    if kpi.cohorts is not None:
        found.append(cohorts_table(kpi.cohorts, kpi.money))
    if kpi.sales is not None:
        found.append(channels_table(kpi.sales, kpi.money, words))
    return tuple(found)


def _ladder(kpi: Kpi, words: tuple[str, ...]) -> list[Table]:
    if kpi.moves is None:
        return []
    told = kpi.moves.as_json(kpi.money)
    currency = kpi.money.currency or None
    worth = tuple(Column(name, kind, says) for name, kind, says in _WORTH)
    steps = Table(
        "ladder",
        (
            Column("step", "text", "the step of the ladder, lowest first"),
            Column("title", "text", "its title"),
            *(Column(name, "whole", f"how many {says}") for name, says in _COUNTS),
            *worth,
            Column("currency", "text", "of amounts"),
        ),
        [
            (
                one["step"], one["title"], one["start"], *one["in"].values(), *one["out"].values(), one["end"],
                *(one[name] for name, _, _ in _WORTH), currency,
            )
            for one in told["steps"]
        ],
        words,
    )  # fmt: skip
    moves = Table(
        "movement",
        (
            Column("movement", "text", "new, reactivated, retained, upgraded, downgraded or lost"),
            Column("customers", "whole", "how many"),
            Column("rate", "share", "as a part of those active at the start"),
            *worth,
            Column("currency", "text", "of amounts"),
        ),
        [
            (
                name, told[name], told["rates"][name], *(told["worth"][name][key] for key, _, _ in _WORTH), currency,
            )
            for name in MOVEMENTS
        ],
        words,
    )  # fmt: skip
    return [steps, moves]


def _sums(kpi: Kpi, words: tuple[str, ...]) -> Table:
    revenue = kpi.revenue.as_json(kpi.money)
    nobody = revenue["of_nobody_known"]
    lines: list[tuple[str, str, Cell, str]] = [
        ("customers", "known customers who ordered in the time", revenue["customers"], "count"),
        ("orders", "their orders", revenue["orders"], "count"),
        ("gross", "what they bought", revenue["gross"], "money"),
        ("returned", "what came back", revenue["returned"], "money"),
        ("net", "bought less what came back", revenue["net"], "money"),
        ("margin", "margin of that, where events declare one", revenue["margin"], "money"),
        ("orders_of_nobody", "orders that name no customer", nobody["orders"], "count"),
        ("value_of_nobody", "what these are worth", nobody["value"], "money"),
    ]
    if (curve := kpi.concentration) is not None:
        lines += [
            ("top_20_share", "the part of net revenue that the best fifth brings", curve.top_fifth, "share"),
            ("customers_for_80", "the fewest customers who bring 80 % of it", curve.for_80, "count"),
            ("gini", "0: all bring the same; 1: one brings all", curve.gini, "share"),
        ]
    currency = kpi.money.currency or None
    rows = [
        (name, says, value, unit, currency if unit == "money" else None) for name, says, value, unit in lines
    ]
    return Table("sums", _SUMS, rows, words)
