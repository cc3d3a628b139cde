"""What a goal should have reached by a day, what its state is, and when it is looked at next: rules without a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal

from tidings.definitions.kinds.measuring import CompanyGoal
from tidings.measurement.scorecard.forecast import Forecast

Status = Literal["reached", "on course", "in danger", "missed", "not yet begun", "not known"]
STATUSES: tuple[Status, ...] = ("reached", "on course", "in danger", "missed", "not yet begun", "not known")
_LIKELY = 0.5
# Goals of the same priority and weight: customers first, for the money comes from them.
_KINDS = ("customers", "money", "project")


def planned(goal: CompanyGoal, day: date, before: float = 0.0) -> float:
    """Return what is to be reached by the end of a day: straight lines through the stated points to the target.

    They start from `before` (what there was) on the evening before the first day.
    """
    begin = goal.starts - timedelta(days=1)
    points = [
        (begin, before),
        *((at, float(value)) for at, value in goal.plan),
        (goal.by, float(goal.target)),
    ]
    if day <= begin:
        return before
    for (left, low), (right, high) in pairwise(points):
        if day <= right:
            return low + (high - low) * ((day - left).days / (right - left).days)
    return float(goal.target)


def status_of(
    goal: CompanyGoal, day: date, *, actual: float | None, plan: float, forecast: Forecast | None, over: bool
) -> tuple[Status, str]:
    """Return the state of a goal at the end of a day, and the reason in a sentence.

    Reached: the target is there. Missed: the last day is over without it. While it runs it is on course when it is not behind its
    plan; where last year's shares carry the forecast, the chance of reaching the target must be even or better, and the
    plan counts as well only where its points are stated, for a straight line knows no season.
    """
    if day < goal.starts:
        return "not yet begun", f"it begins on {goal.starts}"
    if actual is None:
        return "not known", "it cannot be measured"
    if actual >= float(goal.target):
        return "reached", "the target is there"
    if over:
        return "missed", f"its last day was {goal.by}"
    behind = actual < plan
    if forecast is not None and forecast.method == "season":
        likely = (
            forecast.chance if forecast.chance is not None else float(forecast.value >= float(goal.target))
        )
        if likely < _LIKELY:
            return "in danger", "with last year's season it falls short"
        if not goal.plan:
            return "on course", "with last year's season it gets there"
    if behind:
        return "in danger", "it is behind its plan"
    return "on course", "it is not behind its plan"


def achieved(actual: float | None, plan: float, target: float, status: Status) -> float | None:
    """Return how much of what was due is there, 0 … 1; None for what has not begun or cannot be measured.

    Due is the plan, after the last day the target. More than due counts as all of it, so that one goal cannot hide another.
    """
    if status in ("not yet begun", "not known") or actual is None:
        return None
    if status == "reached":
        return 1.0
    due = target if status == "missed" else plan
    return 1.0 if due <= 0 else min(max(actual / due, 0.0), 1.0)


def order(goal: CompanyGoal) -> tuple[int, float, int, date, str]:
    """Return what goals are sorted by: priority, weight, customers first, the earlier last day."""
    return goal.priority, -float(goal.weight), _KINDS.index(goal.kind), goal.by, goal.id


@dataclass(frozen=True, slots=True)
class Review:
    """When a goal is looked at next. `overdue` is the review day that passed without one, None where none did or nobody says."""

    every: str
    last: date | None
    next: date | None
    overdue: date | None


def review_of(goal: CompanyGoal, day: date) -> Review:
    """Return the next review day from a day on: Mondays, the 1st of a month or of a quarter, and the day after the last.

    Whether one was missed is known only where the goal says when it was last reviewed.
    """
    if not goal.reviews:
        return Review("", goal.reviewed, None, None)
    due = None
    if goal.reviewed is not None:
        first = _next(goal, goal.reviewed)
        due = first if first is not None and first < day else None
    return Review(goal.reviews, goal.reviewed, _next(goal, day - timedelta(days=1)), due)


def _next(goal: CompanyGoal, after: date) -> date | None:
    """Return the first review day after a day; the last of all is the day after the goal's last."""
    final = goal.by + timedelta(days=1)
    # The first look is one rhythm after the beginning, not on the first day itself.
    after = max(after, goal.starts)
    if after >= final:
        return None
    if goal.reviews == "weekly":
        found = after + timedelta(days=7 - after.weekday())
    else:
        length = 1 if goal.reviews == "monthly" else 3
        months = (after.year * 12 + after.month - 1) // length * length + length
        found = date(months // 12, months % 12 + 1, 1)
    return min(found, final)
