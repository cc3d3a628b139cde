"""The scorecard: every goal with plan, actual, forecast and status, what is done for it, and one score over all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tidings.clock import from_micros, iso, local_day, to_micros
from tidings.definitions.kinds.measuring import CompanyGoal
from tidings.definitions.money import exponent
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.measurement.movement.purchases import trade_of
from tidings.measurement.movement.sums import Money
from tidings.measurement.rates import RATES_FILE, read_rates
from tidings.measurement.scorecard.forecast import Forecast, Past, forecast
from tidings.measurement.scorecard.measured import Measuring
from tidings.measurement.scorecard.planning import (
    STATUSES,
    Review,
    Status,
    achieved,
    order,
    planned,
    review_of,
    status_of,
)
from tidings.measurement.scorecard.serving import Credits, Serving, period_of, serving, serving_names
from tidings.segments.days import first_micros
from tidings.store.database import Store


@dataclass(frozen=True, slots=True)
class GoalCard:
    """One goal as of a day. Values are in major units, shares 0 … 1; `actual` is None where it cannot be measured.

    `plan` is what was due by the day, `achieved` how much of it is there (0 … 1, no more). `reason` says why the status is what
    it is, `words` what else has to be known.
    """

    goal: CompanyGoal
    status: Status
    reason: str
    plan: float
    actual: float | None
    forecast: Forecast | None
    achieved: float | None
    review: Review
    serving: tuple[Serving, ...]
    words: tuple[str, ...]
    curve: tuple[tuple[date, float], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the goal with stable keys."""
        goal, forecast, review = self.goal, self.forecast, self.review
        known = forecast is not None and forecast.low is not None and forecast.high is not None
        return {
            "goal": goal.id,
            "title": goal.title,
            "kind": goal.kind,
            "measure": goal.measure.what,
            "segment": goal.measure.segment or None,
            "currency": goal.currency or None,
            "from": goal.starts.isoformat(),
            "by": goal.by.isoformat(),
            "target": float(goal.target),
            "plan": self.plan,
            "actual": self.actual,
            "achieved": self.achieved,
            "status": self.status,
            "reason": self.reason,
            "forecast": None
            if forecast is None
            else {
                "value": forecast.value,
                "interval": [forecast.low, forecast.high] if known else None,
                "chance": forecast.chance,
                "method": forecast.method,
                "reason": forecast.reason or None,
            },
            "priority": goal.priority,
            "weight": float(goal.weight),
            "owner": goal.owner,
            "review": {
                "every": review.every or None,
                "last": review.last and review.last.isoformat(),
                "next": review.next and review.next.isoformat(),
                "overdue": review.overdue and review.overdue.isoformat(),
            },
            "curve": [[day.isoformat(), value] for day, value in self.curve],
            "serving": [one.as_json(Money(goal.currency, False)) for one in self.serving],
            "words": list(self.words),
        }


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All goals in their order, as of the end of a day or now. `score` is the weighted mean of what is achieved, 0 … 1.

    `score` is None where no goal has begun that can be measured. `aimless` serve no goal; `unserved` are goals nothing serves.
    """

    title: str
    day: date
    as_of: datetime
    cards: tuple[GoalCard, ...]
    score: float | None
    aimless: tuple[tuple[str, str, str], ...]
    words: tuple[str, ...]

    @property
    def unserved(self) -> tuple[GoalCard, ...]:
        """The goals that no campaign and no flow serves."""
        return tuple(one for one in self.cards if not one.serving)

    @property
    def alarming(self) -> tuple[GoalCard, ...]:
        """The goals that are in danger, were missed, or whose review is overdue."""
        return tuple(
            one
            for one in self.cards
            if one.status in ("in danger", "missed") or one.review.overdue is not None
        )

    def as_json(self) -> dict[str, Any]:
        """Return the scorecard with stable keys."""
        return {
            "title": self.title,
            "day": self.day.isoformat(),
            "as_of": iso(self.as_of),
            "score": self.score,
            "statuses": {name: sum(one.status == name for one in self.cards) for name in STATUSES},
            "goals": [one.as_json() for one in self.cards],
            "unserved": [one.goal.id for one in self.unserved],
            "aimless": [{"kind": kind, "name": name, "title": title} for kind, name, title in self.aimless],
            "words": list(self.words),
        }


def make_scorecard(
    store: Store, definitions: Definitions, *, now: datetime, day: date | None = None
) -> Scorecard:
    """Return the scorecard as of now, or of the end of a day that is past. Raises UsageError for a day to come.

    What is stored now is looked at: an order that was imported late counts with its own day.
    """
    zone = ZoneInfo(definitions.workspace.zone)
    today = local_day(now, zone)
    day = day or today
    if day > today:
        raise UsageError(f"{day} is not here yet: today is {today}", what_to_do="give an earlier day")
    ends = first_micros(day + timedelta(days=1), zone)
    closes = min(ends, to_micros(now) + 1)
    as_of = from_micros(closes - 1)
    goals = sorted(definitions.goals.goals, key=order) if definitions.goals is not None else []
    title = definitions.goals.title if definitions.goals is not None else ""
    opens = min((first_micros(one.starts, zone) for one in goals), default=closes)
    given = Credits(store, definitions, {})
    cards = []
    with store.read() as connection:
        measuring = Measuring(connection, definitions, read_rates(definitions.root, zone), closes, opens)
        cards = [_card(measuring, given, goal, day, as_of) for goal in goals]
        last = measuring.silent_since(day) if any(one.kind != "project" for one in goals) else None
    scored = [(float(one.goal.weight), one.achieved) for one in cards if one.achieved is not None]
    total = sum(weight for weight, _ in scored)
    words = [] if cards else ["There are no goals yet: write the first in config/goals.yaml."]
    words += [f"The last purchase known is of {last}: what came since is in no number."] if last else []
    if cards and not scored:
        words.append("No goal has begun that can be measured, so there is no score over all.")
    return Scorecard(
        title,
        day,
        as_of,
        tuple(cards),
        sum(weight * value for weight, value in scored) / total if total else None,
        tuple(serving_names(definitions, "")),
        tuple(words),
    )


def _card(measuring: Measuring, given: Credits, goal: CompanyGoal, day: date, as_of: datetime) -> GoalCard:
    opens, closes = period_of(goal, day, measuring.definitions, measuring.closes)
    served = serving(given, goal, opens=opens, closes=closes, as_of=as_of)
    review = review_of(goal, day)
    if day < goal.starts:
        status, reason = status_of(goal, day, actual=None, plan=0.0, forecast=None, over=False)
        return GoalCard(goal, status, reason, 0.0, None, None, None, review, served, ())
    words = [f"members of {goal.measure.segment} as of {goal.starts}"] if goal.measure.segment else []
    past, why = _past(measuring, given, goal, day, served, opens, closes)
    if past is None:
        status, _ = status_of(goal, day, actual=None, plan=0.0, forecast=None, over=False)
        return GoalCard(goal, status, why, planned(goal, day), None, None, None, review, served, tuple(words))
    actual: float | None = past.before + float(past.values.sum())
    plan = planned(goal, day, past.before)
    expected: Forecast | None = forecast(past, float(goal.target))
    # The last day is over when the clock has left it.
    over = past.left <= 0 and to_micros(as_of) + 1 >= first_micros(
        goal.by + timedelta(days=1), measuring.zone
    )
    if why and expected is not None:
        expected = Forecast(expected.value, expected.method, reason=why)
    status, reason = status_of(goal, day, actual=actual, plan=plan, forecast=expected, over=over)
    if goal.kind != "project" and not measuring.ever_happened():
        # A goal never seen is not one that is behind: nobody told the store anything yet.
        names = " or ".join(one.name for one in trade_of(measuring.definitions).placed)
        if goal.measure.what != "customers":
            status, reason = "not known", f"no {names or 'event with `revenue`'} is in the store yet"
            expected, actual = None, None
    return GoalCard(
        goal,
        status,
        reason,
        plan,
        actual,
        expected,
        achieved(actual, plan, float(goal.target), status),
        review,
        served,
        tuple(words),
        _curve(goal, past) if actual is not None else (),
    )


def _past(
    measuring: Measuring,
    given: Credits,
    goal: CompanyGoal,
    day: date,
    served: tuple[Serving, ...],
    opens: int,
    closes: int,
) -> tuple[Past | None, str]:
    """Return what came so far in major units, and why there is none, or why nobody can say how sure its forecast is."""
    what = goal.measure.what
    elapsed = (min(day, goal.by) - goal.starts).days + 1
    left = float((goal.by - min(day, goal.by)).days)
    if what == "done":
        if goal.done is None:
            return None, "its owner has not said under `done` how much of it is done"
        return _whole(goal.done.basis_points / 10_000, elapsed, left), "what its owner says has no interval"
    if what == "credited_revenue":
        if not served:
            return None, "no campaign and no flow serves it"
        if any(one.credited is None for one in served):
            return None, f"the credit is not in {goal.currency} alone"
        scale = 10.0 ** -exponent(goal.currency)
        total = sum(one.credited or 0 for one in served) * scale
        return _whole(total, elapsed, left), "credit is not shared out by weeks"
    found = measuring.past(goal, day)
    if found is None:
        return None, _unknown(measuring, goal)
    past = found[0]
    if goal.kind == "money":
        scale = 10.0 ** -exponent(goal.currency)
        season = None if past.season is None else past.season * scale
        past = Past(
            past.values * scale, past.lengths, past.left, season, past.season_rest * scale, past.before
        )
    return past, ""


def _whole(value: float, elapsed: int, left: float) -> Past:
    return Past(np.array([value]), np.array([float(elapsed)]), left)


def _unknown(measuring: Measuring, goal: CompanyGoal) -> str:
    if goal.measure.what == "retained_share":
        return "nobody was active in the time of equal length before it"
    if goal.measure.what == "margin" and not trade_of(measuring.definitions).margin:
        return "config/events.yaml does not say which property of a purchase is its `margin`"
    if goal.measure.what == "margin" and measuring.purchases(goal.currency).currency:
        return "no purchase of its time says its margin"
    return f"amounts are in other currencies than {goal.currency}, and {RATES_FILE} has no rate for every day of them"


def _curve(goal: CompanyGoal, past: Past) -> tuple[tuple[date, float], ...]:
    """Return what was there at the end of each part of the time past, for a chart."""
    found, day, value = [], goal.starts - timedelta(days=1), past.before
    for length, came in zip(past.lengths.tolist(), past.values.tolist(), strict=True):
        day, value = day + timedelta(days=int(length)), value + came
        found.append((day, value))
    return tuple(found)
