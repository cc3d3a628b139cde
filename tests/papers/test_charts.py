"""Charts hold every figure as a number in its place and as words, and survive what names and data bring."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.pictures import SVG, drawn, texts
from tidings.papers.charts.credit import credit
from tidings.papers.charts.figures import ArmFunnel, CreditLine, Estimate, Figures, Panel, Step
from tidings.papers.charts.funnel import funnel, percent
from tidings.papers.charts.ink import PAPER, WIDTH, width_of, wrapped
from tidings.papers.charts.intervals import intervals
from tidings.papers.charts.ladder import ladder
from tidings.papers.charts.scale import for_intervals, step_of
from tidings.papers.charts.svg import number

NAME = '<script>alert("春")</script> & Весна'


def test_an_interval_is_drawn_to_scale_with_zero_and_its_figures() -> None:
    panel = Panel(
        "Bought",
        Figures("per 100 customers", 2, signed=True),
        (Estimate("A against holdout", 2.0, 1.0, 3.0),),
    )
    root = drawn(intervals("Effects", [panel]))
    assert {"+2.00", "+1.00 to +3.00", "no effect", "Bought"} <= set(texts(root))
    (dot,) = root.iter(f"{SVG}circle")
    bar = next(one for one in root.iter(f"{SVG}line") if one.get("stroke-width") == "2.4")
    low, high, middle = float(bar.get("x1")), float(bar.get("x2")), float(dot.get("cx"))
    assert math.isclose(middle - low, high - middle, abs_tol=0.2)
    assert dot.get("fill") == dot.get("stroke"), "zero lies outside, so the dot is filled"


def test_a_dot_is_hollow_where_zero_lies_inside() -> None:
    panel = Panel("Bought", Figures(), (Estimate("A", 0.1, -1.0, 1.2),))
    (dot,) = drawn(intervals("Effects", [panel])).iter(f"{SVG}circle")
    assert dot.get("fill") != dot.get("stroke")


def test_a_huge_interval_runs_off_the_edge_and_leaves_the_others_readable() -> None:
    panel = Panel(
        "Revenue", Figures("EUR", 2), (Estimate("A", 0.3, 0.1, 0.5), Estimate("B", 5.0, -3400.0, 3500.0))
    )
    root = drawn(intervals("Effects", [panel]))
    assert len(list(root.iter(f"{SVG}polygon"))) == 2
    bars = [one for one in root.iter(f"{SVG}line") if one.get("stroke-width") == "2.4"]
    assert float(bars[0].get("x2")) - float(bars[0].get("x1")) > 40
    assert "\u22123,400.00 to 3,500.00" in texts(root)


def test_what_is_not_known_is_a_sentence_and_no_dot() -> None:
    panel = Panel("Revenue", Figures(), (Estimate("A", None, why="nobody bought anything"),))
    root = drawn(intervals("Effects", [panel]))
    assert "nobody bought anything" in texts(root)
    assert not list(root.iter(f"{SVG}circle"))
    for empty in (intervals("E", []), funnel("F", (), ()), credit("C", (), Figures()), ladder("L", ())):
        assert len(texts(drawn(empty))) == 1


@pytest.mark.parametrize(
    "svg",
    [
        intervals(NAME, [Panel(NAME, Figures(NAME), (Estimate(NAME, 1, 0, 2, note=NAME),))]),
        funnel(NAME, (NAME, "b"), (ArmFunnel(NAME, (3, 1)),)),
        credit(NAME, (CreditLine(NAME, 5, None, why=NAME, factor="2 x"),), Figures(NAME), model=NAME),
        ladder(NAME, (Step(NAME, 1, 2, ((NAME, 1),)),), start=NAME, end=NAME),
        intervals(
            "bell \x07 and \ud800 half a sign", [Panel("\x00", Figures(), (Estimate("\x1b[31m", 1, 0, 2),))]
        ),
    ],
)
def test_names_are_words_and_never_markup(svg: str) -> None:
    root = drawn(svg)
    assert not [one for one in root.iter() if one.tag.endswith("script")]
    svg.encode()


def test_a_funnel_shows_shares_of_its_own_arm_and_nothing_a_holdout_cannot_have() -> None:
    arms = (ArmFunnel("holdout", (1000, None, 18)), ArmFunnel("A", (4500, 4400, 160)))
    words = texts(drawn(funnel("F", ("enrolled", "sent", "bought"), arms)))
    assert {"1,000", "18  (1.80 %)", "4,400  (97.8 %)", "160  (3.56 %)"} <= set(words)
    assert len([one for one in words if "%" in one]) == 3


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0 %"), (1, "100 %"), (0.9999, "99.9 %"), (0.00001, "under 0.01 %"), (0.5, "50 %"), (1.5, "150 %")],
)
def test_a_share_never_says_all_or_nothing_of_less_or_more(share: float, words: str) -> None:
    assert percent(share) == words


def test_credit_and_effect_stand_on_one_axis() -> None:
    lines = (
        CreditLine("A", 1000, 500, 400, 600, "2 times the effect"),
        CreditLine("B", 800, None, why="not known: nobody was held out"),
    )
    root = drawn(credit("C", lines, Figures("EUR"), model="last"))
    bar = next(one for one in root.iter(f"{SVG}rect") if one.get("height") == "13")
    (_, dot) = list(root.iter(f"{SVG}circle"))
    zero = float(bar.get("x"))
    assert math.isclose(float(dot.get("cx")) - zero, float(bar.get("width")) / 2, abs_tol=0.2)
    assert {"1,000", "500", "2 times the effect", "not known: nobody was held out"} <= set(texts(root))


@pytest.mark.parametrize("thousands", [1, 1_000, 100_000])
@pytest.mark.parametrize(
    "effect",
    [(24_463, 11_598, 37_327), (-24_463, -37_327, -11_598), (100, -20_000, 20_200), (None, None, None)],
)
def test_no_words_of_credit_and_effect_stand_over_others(
    thousands: int, effect: tuple[float | None, float | None, float | None]
) -> None:
    middle, low, high = (None if one is None else one * thousands for one in effect)
    why = "effect not known: no run of it here has a window in this time, so nobody was held out"
    lines = [
        CreditLine("春季老顧客回購活動：園藝與戶外傢俱全館七五折", 50_246 * thousands, middle, low, high, "credit 12.1 × the effect"),
        CreditLine("Весенняя акция для ушедших покупателей «Сад и огород»", 20_913 * thousands, why=why),
        CreditLine("b", 50_000 * thousands, -900 * thousands, -1000 * thousands, -800 * thousands, "credit 55.6 × the effect"),
    ]  # fmt: skip
    picture = credit("C", lines, Figures("TWD"), model="time_decay")
    assert not overlapping(picture)
    assert "".join(why.split()) in "".join("".join(texts(drawn(picture))).split())


def overlapping(svg: str) -> list[tuple[str, str]]:
    """Return the pairs of texts of a picture that cover each other, and each that leaves it with itself."""
    boxes = []
    for one in drawn(svg).iter(f"{SVG}text"):
        if one.get("stroke") == PAPER:
            continue
        words, size = one.text or "", float(one.get("font-size"))
        x, y, wide = float(one.get("x")), float(one.get("y")), 0.9 * width_of(words, size)
        left = x - {"end": wide, "middle": wide / 2}.get(one.get("text-anchor"), 0.0)
        boxes.append((left, left + wide, y - 0.7 * size, y, words))
    found = [
        (one[4], other[4])
        for one, other in combinations(boxes, 2)
        if min(one[1], other[1]) - max(one[0], other[0]) > 1
        and min(one[3], other[3]) - max(one[2], other[2]) > 1
    ]
    return found + [(one[4], one[4]) for one in boxes if one[0] < -2 or one[1] > WIDTH + 2]


def test_the_ladder_says_start_came_went_and_end_of_each_step() -> None:
    steps = (
        Step("low", 100, 90, (("new", 5),), (("up", 10), ("lost", 5))),
        Step("high", 10, 20, (("up", 10),)),
    )
    root = drawn(ladder("L", steps))
    assert {"100", "90", "\u221210", "+10", "\u221215", "+5", "up 10, lost 5", "new 5"} <= set(texts(root))
    assert (
        "low: 100 at the start, came new 5, went up 10, lost 5, 90 at the end."
        in root.find(f"{SVG}desc").text
    )


def test_a_figure_that_is_no_number_is_never_drawn() -> None:
    with pytest.raises(ValueError, match="not a number"):
        number(math.nan)
    with pytest.raises(ValueError, match="not a number"):
        intervals("x", [Panel("y", Figures(), (Estimate("z", math.inf, 0.0, math.inf),))])


FINITE = st.floats(-1e12, 1e12, allow_nan=False)


@example([[0.0, 0.0, 5e-324]], "what rounding leaves")
@given(st.lists(st.tuples(FINITE, FINITE, FINITE).map(sorted), min_size=1, max_size=6), st.text(max_size=120))
def test_any_figures_and_names_make_a_picture(ends: list[list[float]], name: str) -> None:
    rows = tuple(Estimate(name, middle, low, high, note=name) for low, middle, high in ends)
    root = drawn(intervals("x", [Panel(name, Figures("EUR", 2, signed=True), rows)]))
    assert len(list(root.iter(f"{SVG}circle"))) <= len(rows)
    lines = tuple(CreditLine(name, low, middle, low, high) for low, middle, high in ends)
    drawn(credit("x", lines, Figures("EUR")))


@given(st.lists(st.integers(0, 10**9), min_size=4, max_size=4), st.text(max_size=60))
def test_any_counts_make_a_funnel_and_a_ladder(counts: list[int], name: str) -> None:
    drawn(funnel("x", ("a", "b", "c", "d"), (ArmFunnel(name, tuple(counts)),)))
    start, came, more, went = counts[0], counts[1], counts[2], min(counts[0], counts[3])
    drawn(
        ladder(
            "x",
            (
                Step(
                    name, start, start + came + more - went, ((name, came), ("new", more)), (("lost", went),)
                ),
            ),
        )
    )


@given(st.text(max_size=200), st.floats(30, 300))
def test_words_are_wrapped_into_their_room(text: str, room: float) -> None:
    lines = wrapped(text, room, 12, 3)
    assert len(lines) <= 3
    assert all(width_of(line, 12) <= room or len(line) == 1 for line in lines)


@given(st.floats(1e-9, 1e12))
def test_marks_of_an_axis_are_few_and_round(span: float) -> None:
    assert span / 5 * 0.998 <= step_of(span) <= span / 5 * 2.6
    scale = for_intervals([(0.0, span / 2, span)], 0, 100)
    assert 2 <= len(scale.marks()) <= 7
    assert scale.at(0) < scale.at(span)
