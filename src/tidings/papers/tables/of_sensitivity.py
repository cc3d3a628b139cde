"""The tables of what the credit hangs on: every model with half, the set and double windows, and which order stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.papers.tables.table import Cell, Column, Table

if TYPE_CHECKING:
    from tidings.measurement.attribution.sensitivity import Sensitivity

NAMES = ("sensitivity", "stability")
_CHOICE = (
    Column("model", "text", "which model gives the credit"),
    Column("windows", "text", "half, as set or double"),
)
_SENSITIVITY = (
    *_CHOICE,
    Column("label", "text", "the channel, campaign or sales channel that gets it"),
    Column(
        "place", "whole", "its place in the order of this model with these windows, 1 for the most credit"
    ),
    Column("share", "share", "of the credit that this model gives with these windows"),
)
_STABILITY = (
    *_CHOICE,
    Column("attributed", "whole", "conversions with a touch within these windows"),
    Column(
        "tau", "number", "Kendall's tau-b against the order of the rule: 1 the same, 0 none, -1 the reverse"
    ),
    Column("pairs", "whole", "pairs of labels that the rule tells apart"),
    Column("swapped", "whole", "of the pairs, how many stand the other way round; of all choices, in any"),
)


def sensitivity_tables(panel: Sensitivity) -> tuple[Table, ...]:
    """Return the share and the place of each label under every choice, and how the orders agree; `all` is their last row."""
    shares: list[tuple[Cell, ...]] = [
        (one.model, one.windows, label, place, one.shares[label])
        for one in panel.choices
        for place, label in enumerate(one.ranking, 1)
    ]
    pairs, kept = panel.stability.pairs, panel.stability.kept
    orders: list[tuple[Cell, ...]] = [
        (one.model, one.windows, one.attributed, one.tau, pairs, one.swapped) for one in panel.choices
    ]
    orders.append(("all", "all", None, None, pairs, pairs - kept))
    return (
        Table(NAMES[0], _SENSITIVITY, shares, panel.words),
        Table(NAMES[1], _STABILITY, orders, panel.words),
    )
