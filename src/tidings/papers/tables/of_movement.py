"""The tables of how customers moved: steps of the ladder, movements, and the parts that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.measurement.movement.moves import MOVEMENTS
from tidings.papers.tables.table import Column, Kind, Table

if TYPE_CHECKING:
    from tidings.measurement.movement.asking import Kpi

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


def movement_tables(kpi: Kpi) -> tuple[Table, ...]:
    """Return the steps and the movements of customers; nothing where the ladder was not asked for."""
    if kpi.moves is None:
        return ()
    words, told = tuple(kpi.words), kpi.moves.as_json(kpi.money)
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
    return steps, moves
