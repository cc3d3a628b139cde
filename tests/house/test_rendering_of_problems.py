"""A problem is shown with its line and a caret that stands under the right signs, whatever their width."""

from __future__ import annotations

import pytest

from tidings.errors import Position, Problem, display_width


def _caret(line: str, word: str, hint: str = "") -> tuple[int, int]:
    """Return how many cells stand before the caret and how wide it is."""
    at = Position("segments/新.yaml", 3, line.index(word) + 1, len(word))
    last = Problem("YAM04", "wrong", at, hint, source=((3, line),)).render().splitlines()[-1]
    rest = last.removeprefix("    | ")
    return display_width(rest) - display_width(rest.lstrip()), rest.count("^")


@pytest.mark.parametrize(
    ("line", "word", "before", "width"),
    [
        ("segment: New", "New", 9, 3),
        ("segment: 今天只要 #1", "今天只要", 9, 8),
        ("segment: 今天只要 #1", "#1", 18, 2),
        ("會員等級: gold", "會員等級", 0, 8),
        ("會員等級: gold", "gold", 10, 4),
        # Full-width signs of an input method, and a letter with a combining accent.
        ("holdout：10％", "：10％", 7, 6),
        ("segment: Cafe\u0301 x", "x", 14, 1),
        ("segment: 한국", "한국", 9, 4),
    ],
)
def test_the_caret_is_as_wide_as_the_signs_it_marks(line: str, word: str, before: int, width: int) -> None:
    assert _caret(line, word) == (before, width)


def test_the_whole_rendering_of_a_line_in_chinese() -> None:
    at = Position("segments/a.yaml", 12, 10, 4)
    problem = Problem("YAM04", "wrong", at, "quote it", source=((11, "# 說明"), (12, "segment: 今天只要 #1")))
    assert problem.render() == (
        "segments/a.yaml:12:10: wrong  [YAM04]\n"
        "  11 | # 說明\n"
        "  12 | segment: 今天只要 #1\n"
        "     |          ^^^^^^^^ quote it"
    )


def test_a_place_beyond_the_end_of_its_line_is_shown_there() -> None:
    problem = Problem("KEY02", "missing", Position("a.yaml", 2, 5, 2), source=((2, "ab"),))
    assert problem.render().splitlines()[-1] == "    |     ^^"


def test_a_tab_before_the_place_is_a_tab_before_the_caret() -> None:
    problem = Problem("YAM09", "a tab", Position("a.yaml", 2, 2, 1), source=((2, "\tx"),))
    assert problem.render().splitlines()[-1] == "    | \t^"


def test_a_mark_of_no_width_has_a_caret_all_the_same() -> None:
    problem = Problem("KBD03", "a mark", Position("a.yaml", 2, 2, 1), source=((2, "e\u0301"),))
    assert problem.render().splitlines()[-1] == "    |  ^"
