"""The curve, the squares, the cohorts and the goals hold every figure in its place and as words, whatever the data are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pictures import SVG, drawn, texts
from tidings.papers.charts.cohorts import cohorts
from tidings.papers.charts.curve import curve
from tidings.papers.charts.figures import Cell, CohortLine, GoalLine
from tidings.papers.charts.progress import progress
from tidings.papers.charts.squares import shade_of, squares

NAME = '<script>alert("春")</script> & Весна ' * 3
SHARES = st.floats(-3, 5, allow_nan=False)


def test_the_curve_goes_through_its_points_and_marks_the_best_fifth() -> None:
    points = [(0.0, 0.0), (0.2, 0.8), (1.0, 1.0)]
    root = drawn(curve("t", points, ["The best 20 % bring 80.0 %."], marked=[(0.2, 0.8)]))
    (line,) = root.iter(f"{SVG}polyline")
    places = [tuple(float(one) for one in pair.split(",")) for pair in (line.get("points") or "").split()]
    (zero_x, zero_y), (x, y), (end_x, end_y) = places
    assert (x - zero_x) / (end_x - zero_x) == pytest.approx(0.2)
    assert (zero_y - y) / (zero_y - end_y) == pytest.approx(0.8)
    (dot,) = root.iter(f"{SVG}circle")
    assert (float(dot.get("cx") or 0), float(dot.get("cy") or 0)) == (x, y)
    assert "the best 20% bring 80.0%" in (root.findtext(f"{SVG}desc") or "").lower()


def test_a_share_over_all_and_one_under_nothing_stay_within_the_frame() -> None:
    drawn(curve("t", [(0.0, 0.0), (0.5, 1.4), (0.9, 1.5), (1.0, 1.0)]))
    drawn(curve("t", [(0.0, -0.2), (1.0, 1.0)]))


def test_squares_are_darker_the_more_there_are_and_say_who_stands_where() -> None:
    cells = [
        [Cell(10, "5.00 EUR", 1.0), Cell(1, "", 0.1), Cell(None)],
        [Cell(0), Cell(4, NAME, 0.4), Cell(2, "", 0.2)],
    ]
    root = drawn(
        squares("t", [("R5", "1 day ago"), ("R4", NAME)], [("F1", "1 order"), ("F2", ""), ("F3", "")], cells)
    )
    bars = [one for one in root.iter(f"{SVG}rect")][1:]
    assert len(bars) == 5
    assert bars[0].get("fill") == shade_of(1.0)[0] != bars[1].get("fill") != shade_of(0.0)[0]
    assert {"10", "5.00 EUR", "4", "–"} <= set(texts(root))
    assert "R5 (1 day ago): F1 10, F2 1." in (root.findtext(f"{SVG}desc") or "")
    assert "nobody to put in order" in texts(drawn(squares("t", [("R5", "")], [("F1", "")], [[Cell(0)]])))[0]


def test_a_cohort_is_a_line_with_the_share_of_every_later_period() -> None:
    lines = [CohortLine("2027-01", 200, (1.0, 0.25, 0.1), "12.00 EUR"), CohortLine("2027-02", 50, (1.0,))]
    root = drawn(cohorts("t", lines, note="net of each"))
    assert {"+1", "+2", "25%", "10%", "200", "12.00 EUR", "net of each"} <= set(texts(root))
    assert "100%" not in texts(root)
    assert "2027-01: 200 customers, again +1 25%, +2 10%." in (root.findtext(f"{SVG}desc") or "")
    twelve = [
        CohortLine(f"2026-{n:02d}", 10**6, tuple(1 / (k + 1) for k in range(13 - n)), "1,234,567.00 EUR")
        for n in range(1, 13)
    ]
    assert "+11" in texts(drawn(cohorts("t", twelve, note="net of each")))
    assert texts(drawn(cohorts("t", []))) == ["Nobody ever ordered, so there is no cohort."]


def test_a_goal_is_a_bar_in_parts_of_its_target_with_plan_and_forecast() -> None:
    line = GoalLine("Revenue", "on course, by 2027-12-31", "50 of 100 EUR", 0.5, 0.4, 0.9, 0.7, 1.1)
    root = drawn(progress("t", [line]))
    bars = [one for one in root.iter(f"{SVG}rect")]
    # The frame, the legend, the bar.
    (bar,) = bars[2:]
    marks = {one.text: float(one.get("x") or 0) for one in root.iter(f"{SVG}text")}
    whole = marks["100%"] - marks["0%"]
    assert float(bar.get("width") or 0) == pytest.approx(0.5 * whole, abs=0.2)
    dot = list(root.iter(f"{SVG}circle"))[-1]
    assert float(dot.get("cx") or 0) == pytest.approx(marks["0%"] + 0.9 * whole, abs=0.2)
    assert root.findtext(f"{SVG}desc") == "Revenue (on course, by 2027-12-31): 50 of 100 EUR."


@given(
    st.lists(
        st.builds(GoalLine, st.just(NAME), st.just("on course"), st.just(NAME), *([st.none() | SHARES] * 5)),
        max_size=4,
    )
)
def test_goals_of_any_size_are_drawn_within_the_frame(lines: list[GoalLine]) -> None:
    root = drawn(progress("t", lines))
    assert lines or texts(root) == ["There is no goal that can be measured yet."]


@given(st.lists(st.builds(CohortLine, st.just(NAME), st.integers(0, 10**9), st.lists(st.floats(0, 1), min_size=1, max_size=12).map(tuple), st.just(NAME)), max_size=12))  # fmt: skip
def test_cohorts_of_any_size_are_drawn_within_the_frame(lines: list[CohortLine]) -> None:
    drawn(cohorts(NAME, lines, note=NAME))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_figure_that_is_no_number_gets_into_these_charts(bad: float) -> None:
    for make in (
        lambda: Cell(1, "", bad),
        lambda: CohortLine("a", 1, (1.0, bad)),
        lambda: GoalLine("a", "b", "c", bad),
        lambda: curve("t", [(0.0, 0.0), (1.0, bad)]),
    ):
        with pytest.raises(ValueError, match="not a number"):
            make()
