"""Plan, forecast, status and reviews as rules over numbers, and forecasts held against what then came."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tidings.definitions.kinds.measuring import CompanyGoal, Measure
from tidings.measurement.scorecard.forecast import SURE, Forecast, Past, forecast
from tidings.measurement.scorecard.planning import (
    STATUSES,
    achieved,
    order,
    planned,
    review_of,
    status_of,
)

GOAL = CompanyGoal(
    "g", "Goal", "money", Measure("revenue"), Decimal(365), date(2027, 1, 1), date(2027, 12, 31), "o", currency="EUR"
)  # fmt: skip


def weeks(values: list[float], left: float, **more: object) -> Past:
    return Past(np.array(values), np.full(len(values), 7.0), left, **more)  # type: ignore[arg-type]


def test_a_plan_without_points_is_a_straight_line_to_the_target() -> None:
    assert planned(GOAL, date(2026, 12, 31)) == 0
    assert planned(GOAL, date(2027, 1, 1)) == 1
    assert planned(GOAL, date(2027, 12, 31)) == 365
    assert planned(GOAL, date(2028, 6, 1)) == 365
    # What is there already is where the line begins.
    assert planned(GOAL, date(2026, 12, 31), 100.0) == 100
    assert planned(GOAL, date(2027, 12, 31), 100.0) == 365


def test_a_plan_goes_through_its_stated_points() -> None:
    goal = replace(GOAL, plan=((date(2027, 1, 10), Decimal(100)), (date(2027, 1, 20), Decimal(110))))
    assert planned(goal, date(2027, 1, 5)) == 50
    assert planned(goal, date(2027, 1, 10)) == 100
    assert planned(goal, date(2027, 1, 15)) == 105
    assert planned(goal, date(2027, 12, 31)) == 365


def test_at_the_pace_so_far_every_day_brings_the_same() -> None:
    found = forecast(weeks([70.0, 70, 70, 70], 28), 500)
    assert (found.value, found.method) == (560, "pace")
    # Weeks that are all alike leave nothing open.
    assert (found.low, found.high, found.chance) == (560, 560, 1.0)


def test_last_year_tells_how_much_is_still_to_come() -> None:
    season = np.array([10.0, 20, 30, 40])
    found = forecast(weeks([20.0, 40, 60, 80], 28, season=season, season_rest=300.0), 1000)
    # By now last year had brought a quarter of it.
    assert (found.value, found.method) == (800, "season")
    # A last year without a single order teaches nothing.
    assert forecast(weeks([20.0, 40, 60, 80], 28, season=season * 0), 1000).method == "pace"


def test_too_few_weeks_and_nothing_at_all_say_so_and_give_no_interval() -> None:
    early = forecast(weeks([70.0], 358), 500)
    assert (early.low, early.chance, early.reason) == (
        None,
        None,
        "only 1 whole week past: too little to say how sure that is",
    )
    nothing = forecast(weeks([0.0] * 5, 100), 500)
    assert (nothing.value, nothing.low, nothing.chance) == (0, None, None)
    assert "nothing came so far" in nothing.reason


def test_when_nothing_is_left_to_come_the_forecast_is_what_there_is() -> None:
    assert forecast(weeks([5.0], 0, before=2.0), 7) == Forecast(7, "known", 7, 7, 1.0)


@pytest.mark.parametrize("seasonal", [False, True])
def test_four_in_five_intervals_hold_what_then_came(seasonal: bool) -> None:
    draw = np.random.default_rng(20270302)
    inside = 0
    rounds = 400
    for _ in range(rounds):
        # Twelve weeks past of 26; weeks vary three times as much as chance alone lets them.
        shape = 1 + 0.8 * np.sin(np.arange(26) / 4) if seasonal else np.ones(26)
        mean = 120 * shape
        year, last = (draw.negative_binomial(mean / 2, 1 / 3).astype(float) for _ in range(2))
        season = {"season": last[:12], "season_rest": float(last[12:].sum())} if seasonal else {}
        found = forecast(weeks(list(year[:12]), 14 * 7, **season), 1e9)
        assert found.low is not None and found.high is not None
        inside += found.low <= year.sum() <= found.high
    assert binomtest(inside, rounds, SURE).pvalue >= 0.001, inside / rounds


@given(
    st.floats(0, 1e6),
    st.dates(date(2026, 6, 1), date(2028, 6, 1)),
    st.booleans(),
    st.sampled_from(["pace", "season"]),
)
def test_every_goal_has_one_state_and_never_more_than_all_of_it(
    actual: float, day: date, over: bool, method: str
) -> None:
    plan = planned(GOAL, day)
    found, reason = status_of(
        GOAL,
        day,
        actual=actual,
        plan=plan,
        forecast=Forecast(actual * 2, method),
        over=over,  # type: ignore[arg-type]
    )
    assert found in STATUSES and reason
    share = achieved(actual, plan, float(GOAL.target), found)
    assert (share is None) == (day < GOAL.starts)
    assert share is None or 0 <= share <= 1
    assert (found == "reached") == (day >= GOAL.starts and actual >= 365)


def test_what_decides_between_on_course_and_in_danger() -> None:
    day, late, good = (
        date(2027, 6, 30),
        Forecast(300, "season", chance=0.1),
        Forecast(400, "season", chance=0.9),
    )

    def state(actual: float, forecast: Forecast, goal: CompanyGoal = GOAL) -> str:
        return status_of(goal, day, actual=actual, plan=181, forecast=forecast, over=False)[0]

    pace = Forecast(380, "pace", chance=0.7)
    assert (state(181, pace), state(180, pace)) == ("on course", "in danger")
    # The season knows better than a straight line, but not better than a stated plan.
    assert (state(100, good), state(300, late)) == ("on course", "in danger")
    stated = replace(GOAL, plan=((date(2027, 6, 30), Decimal(181)),))
    assert (state(100, good, stated), state(200, good, stated)) == ("in danger", "on course")
    assert status_of(GOAL, date(2028, 1, 1), actual=364, plan=365, forecast=None, over=True)[0] == "missed"
    assert status_of(GOAL, day, actual=None, plan=1, forecast=None, over=False)[0] == "not known"


def test_customers_come_first_where_priority_and_weight_are_equal() -> None:
    goals = [
        replace(GOAL, id="money"),
        replace(GOAL, id="people", kind="customers"),
        replace(GOAL, id="heavy", weight=Decimal(2)),
        replace(GOAL, id="work", kind="project"),
        replace(GOAL, id="first", priority=1, kind="project"),
    ]
    assert [one.id for one in sorted(goals, key=order)] == ["first", "heavy", "people", "money", "work"]


@pytest.mark.parametrize(
    ("reviews", "last", "day", "upcoming", "overdue"),
    [
        ("weekly", None, "2027-03-02", "2027-03-08", None),
        ("weekly", "2027-03-01", "2027-03-08", "2027-03-08", None),
        ("weekly", "2027-03-01", "2027-03-09", "2027-03-15", "2027-03-08"),
        ("monthly", "2027-02-01", "2027-02-28", "2027-03-01", None),
        ("monthly", "2027-01-31", "2027-03-02", "2027-04-01", "2027-02-01"),
        ("quarterly", None, "2027-01-01", "2027-04-01", None),
        # The last of all is the day after the goal's last.
        ("quarterly", "2027-10-01", "2027-12-31", "2028-01-01", None),
        ("monthly", "2028-01-01", "2028-02-01", None, None),
        ("", None, "2027-03-02", None, None),
    ],
)
def test_reviews_fall_on_mondays_and_firsts_and_are_overdue_only_where_somebody_wrote_down_the_last(
    reviews: str, last: str | None, day: str, upcoming: str | None, overdue: str | None
) -> None:
    goal = replace(GOAL, reviews=reviews, reviewed=date.fromisoformat(last) if last else None)
    found = review_of(goal, date.fromisoformat(day))
    assert (found.next and str(found.next), found.overdue and str(found.overdue)) == (upcoming, overdue)


@given(st.sampled_from(["weekly", "monthly", "quarterly"]), st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_the_next_review_is_never_past_and_never_before_the_goal_began(reviews: str, day: date) -> None:
    found = review_of(replace(GOAL, reviews=reviews), day)
    assert found.next is not None
    assert max(day, GOAL.starts + timedelta(days=1)) <= found.next <= GOAL.by + timedelta(days=1)
