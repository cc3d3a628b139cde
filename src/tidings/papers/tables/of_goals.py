"""The tables of the goals of the company: one row each, what serves them, and how they came along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.measurement.movement.sums import Money
from tidings.papers.tables.table import Cell, Column, Table, ends

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
    Column("review_next", "day", "when it is looked at next"),
    Column("review_overdue", "day", "since when it should have been"),
    Column("words", "text", "what else has to be known"),
)
_SERVING = (
    Column("goal", "text", "the goal"),
    Column("kind", "text", "campaign or flow"),
    Column("name", "text", "what serves it"),
    Column("title", "text", "its title"),
    Column("credited", "money", "what it is credited with in the time of the goal"),
    Column("conversions", "number", "conversions credited"),
    Column("currency", "text", "of the credit"),
    Column("metric", "text", "what its latest run was measured by"),
    Column("caused", "number", "its effect over all who were written to"),
    Column("caused_low", "number", "lower end of its 95 % interval"),
    Column("caused_high", "number", "upper end of its 95 % interval"),
    Column("reason", "text", "why no effect is known"),
)
_CURVE = (
    Column("goal", "text", "the goal"),
    Column("day", "day", "by the end of this day"),
    Column("value", "number", "what was there"),
    Column("currency", "text", "of money"),
)


def goals_tables(found: Scorecard) -> tuple[Table, ...]:
    """Return the scorecard in its order, the campaigns and flows behind it, and what was there day by day."""
    rows: list[tuple[Cell, ...]] = []
    curve: list[tuple[Cell, ...]] = []
    for card in found.cards:
        goal, expected, review = card.goal, card.forecast, card.review
        rows.append(
            (
                goal.id, goal.title, goal.kind, goal.measure.what, goal.measure.segment or None, goal.currency or None,
                goal.starts, goal.by, float(goal.target), card.plan, card.actual, card.achieved, card.status, card.reason,
                expected.value if expected else None, expected.low if expected else None,
                expected.high if expected else None, expected.chance if expected else None,
                goal.priority, float(goal.weight), goal.owner, review.next, review.overdue, "; ".join(card.words) or None,
            )
        )  # fmt: skip
        curve += [(goal.id, day, value, goal.currency or None) for day, value in card.curve]
    return (
        Table("goals", _GOALS, rows, found.words),
        Table("serving", _SERVING, _serving(found), found.words),
        Table("progress", _CURVE, curve, found.words),
    )


def _serving(found: Scorecard) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for card in found.cards:
        currency = card.goal.currency
        for one in card.serving:
            credited = None if one.credited is None else Money(currency, margin=False).major(one.credited)
            about: tuple[Cell, ...] = (
                card.goal.id, one.kind, one.name, one.title, credited, one.conversions, currency or None,
            )  # fmt: skip
            rows += [
                (*about, caused.metric, caused.total, *ends(caused.interval), None) for caused in one.caused
            ]
            if not one.caused:
                rows.append((*about, None, None, None, None, one.why_not or None))
    return rows
