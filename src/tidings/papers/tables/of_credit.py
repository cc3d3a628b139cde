"""The table of credit: one row for each model and whatever it gives credit to, and the lines beside the credit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.measurement.attribution.answer import major
from tidings.papers.tables.table import Cell, Column, Table

if TYPE_CHECKING:
    from tidings.measurement.attribution.answer import Answer, Line

_CREDIT = (
    Column("model", "text", "which model gives it"),
    Column("label", "text", "the channel, campaign or sales channel that gets it"),
    Column("conversions", "number", "conversions credited"),
    Column("value", "money", "what these brought"),
    Column("currency", "text", "of the value"),
    Column("standard_error", "number", "of the conversions, where the model was sampled"),
)
_BESIDE = (
    Column("line", "text", "what it is"),
    Column("count", "whole", "how many"),
    Column("value", "money", "what they brought"),
    Column("currency", "text", "of the value"),
)


def credit_tables(answer: Answer) -> tuple[Table, ...]:
    """Return the credit by model, and beside it what no touch explains, what is of nobody known, what came back."""
    currency = answer.currency or None
    rows: list[tuple[Cell, ...]] = []
    for model, given in answer.models.items():
        for label in answer.labels:
            value = major(given.values.get(label), answer.currency)
            error = (given.error or {}).get(label)
            rows.append((model, label, given.conversions.get(label, 0.0), value, currency, error))
    lines: list[tuple[str, Line]] = [
        ("conversions", answer.conversions),
        ("attributed", answer.attributed),
        ("unattributed", answer.unattributed),
        ("unmatched", answer.unmatched),
        ("returned", answer.returned),
    ]
    beside = [(name, line.count, major(line.value, answer.currency), currency) for name, line in lines]
    words = tuple(answer.words)
    return Table("credit", _CREDIT, rows, words), Table("lines", _BESIDE, beside, words)
