"""The scorecard as a marketer reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tidings.cli.report_tables import table
from tidings.definitions.money import format_money

if TYPE_CHECKING:
    from rich.console import Console

    from tidings.measurement.scorecard.asking import GoalCard, Scorecard
    from tidings.measurement.scorecard.serving import Serving

_STYLES = {"reached": "green", "on course": "green", "in danger": "yellow", "missed": "red"}
_SHARES = ("retained_share", "done")
_METHODS = {"season": "by last year's season", "pace": "at the pace so far", "known": "nothing left to come"}


def amount(value: float | None, card: GoalCard) -> str:
    """Return a value of a goal as people read it: whole units of money, whole customers, shares in percent."""
    if value is None:
        return "–"
    if card.goal.measure.what in _SHARES:
        return f"{value:.1%}"
    return f"{value:,.0f}" + (f" {card.goal.currency}" if card.goal.currency else "")


def show_scorecard(found: Scorecard, screen: Console) -> None:
    """Print the table, then what is behind each goal."""
    screen.print(f"{found.title or 'Goals'}, as of {found.day}", style="bold")
    for one in found.words:
        screen.print(one)
    if not found.cards:
        return
    if found.score is not None:
        screen.print(
            f"Of what was due by now {found.score:.0%} is there, by weight; more than due counts as all of it."
        )
    screen.print()
    shown = table("")
    shown.title = None
    shown.add_column("goal", overflow="fold", ratio=1)
    for heading in ("plan", "actual", "forecast", "target", "by"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("status", no_wrap=True)
    for card in found.cards:
        forecast = card.forecast.value if card.forecast is not None else None
        begun = card.status != "not yet begun"
        shown.add_row(
            card.goal.title,
            amount(card.plan, card) if begun else "–",
            amount(card.actual, card),
            amount(forecast, card),
            amount(float(card.goal.target), card),
            card.goal.by.isoformat(),
            Text(card.status, style=_STYLES.get(card.status, "dim")),
        )
    screen.print(shown)
    for card in found.cards:
        screen.print()
        _behind(card, screen)
    _left_over(found, screen)


def _behind(card: GoalCard, screen: Console) -> None:
    goal = card.goal
    screen.print(f"{goal.title} [{card.status}]: {card.reason}", style="bold")
    weight = f", weight {goal.weight.normalize():f}" if goal.weight != 1 else ""
    measured = goal.measure.what + (f" of segment {goal.measure.segment}" if goal.measure.segment else "")
    screen.print(
        f"  {goal.kind}: {measured}, from {goal.starts} by {goal.by}; priority {goal.priority}{weight}"
    )
    if goal.why:
        screen.print(f"  {goal.why}")
    for words in card.words:
        screen.print(f"  {words}")
    if card.forecast is not None and card.status in ("on course", "in danger"):
        screen.print(f"  {_forecast(card)}")
    screen.print(f"  {goal.owner} answers for it; {_review(card)}")
    for one in card.serving:
        screen.print(f"  {_serving(one, card)}")
    if not card.serving and goal.kind != "project":
        screen.print("  No campaign and no flow serves it.")


def _forecast(card: GoalCard) -> str:
    found = card.forecast
    assert found is not None
    line = f"forecast {amount(found.value, card)} {_METHODS[found.method]}"
    if found.low is not None and found.high is not None and found.method != "known":
        line += f"; 80 % interval {amount(max(found.low, 0.0), card)} to {amount(found.high, card)}"
    if found.chance is not None and found.method != "known":
        chance = (
            f"{found.chance:.0%}"
            if 0.01 <= found.chance <= 0.99
            else "under 1%"
            if found.chance < 0.5
            else "over 99%"
        )
        line += f"; chance of reaching the target {chance}"
    return line + (f" ({found.reason})" if found.reason else "")


def _review(card: GoalCard) -> str:
    review = card.review
    if not review.every:
        return "no reviews are planned"
    last = f"last reviewed {review.last}" if review.last is not None else "nobody wrote down a review yet"
    ahead = f"next {review.next}" if review.next is not None else "none is left"
    if review.overdue is not None:
        ahead = f"OVERDUE since {review.overdue}; {ahead}"
    return f"reviewed {review.every}: {last}, {ahead}"


def _serving(one: Serving, card: GoalCard) -> str:
    line = f"{one.kind} {one.name}"
    if one.conversions is None:
        return f"{line}: nothing to credit yet"
    if one.credited is not None and card.goal.currency:
        line += f": credited {format_money(one.credited, card.goal.currency)}"
    else:
        line += ": credited"
    line += f" {one.conversions:,.1f} conversions"
    for caused in one.caused[:2]:
        interval = ""
        if caused.interval is not None:
            interval = f" ({caused.interval[0]:+,.0f} to {caused.interval[1]:+,.0f})"
        line += f"; caused {caused.total:+,.0f} {caused.metric}{interval}"
    return line + (f"; caused: {one.why_not}" if one.why_not else "")


def _left_over(found: Scorecard, screen: Console) -> None:
    if not found.aimless:
        return
    names = ", ".join(f"{kind} {name}" for kind, name, _ in found.aimless)
    screen.print()
    screen.print(f"These serve no goal: {names}.")
