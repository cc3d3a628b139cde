"""The goals of the company, for its page: plan, actual, forecast and status of each, and one score over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.definitions.money import exponent
from tidings.measurement.scorecard.asking import make_scorecard
from tidings.papers.charts.ink import NONE
from tidings.papers.paper import Block, Grid, KeyFigure, Points, Words

if TYPE_CHECKING:
    from tidings.measurement.scorecard.asking import GoalCard
    from tidings.papers.company_page import Company


def goals_section(of: Company) -> tuple[Sequence[Block], Sequence[KeyFigure]]:
    """Return the scorecard as of now; nothing where the company has written down no goals."""
    goals = of.definitions.goals
    if goals is None or not goals.goals:
        return (), ()
    found = make_scorecard(of.store, of.definitions, now=of.now)
    score = NONE if found.score is None else f"{found.score:.0%}"
    blocks: list[Block] = [
        Words(
            f"{found.title}: {score} of what is due by now is there, weighted."
            if found.score is not None
            else f"{found.title}."
        ),
        goals_grid(found.cards),
    ]
    alarms = [f"{card.goal.title}: {card.reason}." for card in found.alarming if card.reason]
    if alarms:
        blocks.append(Points(tuple(_sentence(one) for one in alarms)))
    return [*blocks, *(Words(words, "dim") for words in found.words)], ()


def goals_grid(cards: Sequence[GoalCard]) -> Grid:
    """Return plan, actual, forecast and status of goals as a table."""
    head = ("goal", "status", "target", "plan by now", "actual", "forecast", "by")
    return Grid(head, tuple(_row(card) for card in cards), frozenset({2, 3, 4, 5}))


def _row(card: GoalCard) -> tuple[str, ...]:
    goal, expected = card.goal, card.forecast
    shown = NONE if expected is None or expected.value is None else written(card, expected.value)
    if expected is not None and expected.low is not None and expected.high is not None:
        # Three short lines: beside four other amounts a long one would push the last column off the page.
        shown += f"\n{written(card, expected.low, bare=True)} to\n{written(card, expected.high, bare=True)}"
    begun = card.status != "not yet begun"
    actual = NONE if not begun else "not known" if card.actual is None else written(card, card.actual)
    return (
        goal.title,
        card.status,
        written(card, float(goal.target)),
        written(card, card.plan) if begun else NONE,
        actual,
        shown,
        goal.by.isoformat(),
    )


def written(card: GoalCard, value: float, *, bare: bool = False) -> str:
    """Return a value of a goal with its unit: money, a share, or a count."""
    goal = card.goal
    if goal.currency:
        places = 0 if abs(value) >= 1000 else exponent(goal.currency)
        shown = f"{value:,.{places}f}" + ("" if bare else f" {goal.currency}")
    elif goal.kind == "project" or goal.measure.what == "retained_share":
        shown = f"{value:.0%}"
    else:
        shown = f"{value:,.0f}"
    return shown.replace("-", "\u2212")


def _sentence(words: str) -> str:
    return words.replace("..", ".")
