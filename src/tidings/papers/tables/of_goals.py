"""The table of the goals of the company: one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.papers.tables.table import Column, Table

if TYPE_CHECKING:
    from tidings.measurement.scorecard.asking import Scorecard

_GOALS = (
    Column("goal", "text", "its name in config/goals.yaml"),
    Column("title", "text", "its title"),
    Column("kind", "text", "money, customers or project"),
    Column("measure", "text", "what is counted"),
    Column("segment", "text", "of which customers, empty for all"),
    Column("currency", "text", "of money"),
    Column("from", "day", "its first day"),
    Column("by", "day", "its last day"),
    Column("target", "number", "what is to be reached"),
    Column("plan", "number", "what was due by now"),
    Column("actual", "number", "what is there"),
    Column("achieved", "share", "how much of what was due is there"),
    Column("status", "text", "how it stands"),
    Column("reason", "text", "why it stands so"),
    Column("forecast", "number", "what will be there on its last day"),
    Column("forecast_low", "number", "lower end of its interval"),
    Column("forecast_high", "number", "upper end of its interval"),
    Column("chance", "share", "the chance that the target is reached"),
    Column("priority", "whole", "1 is the highest"),
    Column("weight", "number", "in the score over all"),
    Column("owner", "text", "who answers for it"),
)


def goals_table(found: Scorecard) -> Table:
    """Return the scorecard as a table, in its order."""
    rows = []
    for card in found.cards:
        goal, expected = card.goal, card.forecast
        rows.append(
            (
                goal.id, goal.title, goal.kind, goal.measure.what, goal.measure.segment or None, goal.currency or None,
                goal.starts, goal.by, float(goal.target), card.plan, card.actual, card.achieved, card.status, card.reason,
                expected.value if expected else None, expected.low if expected else None,
                expected.high if expected else None, expected.chance if expected else None,
                goal.priority, float(goal.weight), goal.owner,
            )
        )  # fmt: skip
    return Table("goals", _GOALS, rows, found.words)
