"""The page of the company with more campaigns than fit, and figures below zero: in order, and said as they are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from support.beside_world import NOW
from tidings.measurement.beside.rows import NO_COST, Row
from tidings.measurement.beside.table import Beside
from tidings.papers.credit_section import MOST, credit_blocks
from tidings.papers.effect_figures import _card
from tidings.papers.html import block_html
from tidings.papers.paper import Grid, Paper, Picture, Section
from tidings.statistics.means import Difference


def row(name: str, credited: float, value: int) -> Row:
    return Row(name, credited, value, "EUR", None, "nobody was held out", 1, 0, "", False, None, NO_COST, 5)


def beside(*rows: Row) -> Beside:
    return Beside("campaign", "markov", "EUR", 0, rows, {}, ())


def test_campaigns_stand_in_the_order_of_what_is_drawn_and_those_left_out_are_told_apart() -> None:
    # By conversions, as the table has them; the picture is of money.
    rows = [row(f"c{place:02}", 40.0 - place, 1_000 + 10 * place) for place in range(20)]
    picture, grid, *_ = credit_blocks(beside(*rows, row("silent", 0, 0), row("mute", 0, 0)), {})
    assert isinstance(picture, Picture)
    assert isinstance(grid, Grid)
    assert [cells[0] for cells in grid.rows] == [f"c{place:02}" for place in range(19, 19 - MOST, -1)]
    assert picture.caption == (
        "8 more with less credit are not shown. 2 have neither credit nor anybody held out, and are not shown."
    )
    assert credit_blocks(beside(rows[0]), {})[0].caption == ""


def test_a_long_name_without_a_space_may_break_so_that_numbers_stay_on_the_page() -> None:
    page = block_html(Grid(("campaign", "cost"), (("a_name_without_any_space_" * 3, "1"),), frozenset({1})))
    assert '<td class="wide">a_name' in page
    assert '<td class="right">1' in page


@pytest.mark.parametrize(
    ("total", "value", "label"),
    [(427.2, "+427", "customers more: Order placed"), (-622.0, "622", "customers fewer: Order placed")],
)
def test_a_count_below_zero_is_how_many_fewer(total: float, value: str, label: str) -> None:
    metric = SimpleNamespace(unit="share", title="Order placed", currency=None)
    shown = Difference(total, (total - 1, total + 1), 0.0, 0.5, 10.0)
    card = _card(
        SimpleNamespace(metric=metric, difference=shown, customers=100), total, (total - 1, total + 1)
    )
    assert (card.value, card.label) == (value, label)


def test_a_word_longer_than_its_column_may_break_on_paper() -> None:
    grid = Grid(
        ("campaign", "cost"),
        (("a_long_campaign_name_without_space", "1_000_000_000_000_000_000_000"), ("short_name 雙十一", "2")),
        frozenset({1}),
    )
    data = Paper("t", "", (), (Section("", (grid,)),), "", NOW).as_data()
    (rows,) = [block["rows"] for block in data["sections"][0]["blocks"]]
    assert rows[0][0].split("\u200b") == ["a_", "long_", "campaign_", "name_", "without_", "space"]
    assert rows[0][1] == grid.rows[0][1]
    assert rows[1] == list(grid.rows[1])
