"""Tables of many numbers on a narrow terminal: parted, never cut."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rich.console import Console

from tidings.cli.attribute_view import print_grid
from tidings.cli.kpi_view import _revenue
from tidings.measurement.movement.asking import Revenue
from tidings.measurement.movement.sums import Money


def printed(width: int, columns: dict[str, list[str]], names: list[str]) -> list[str]:
    screen = Console(width=width, highlight=False, markup=False)
    with screen.capture() as capture:
        print_grid(screen, "campaign", names, columns, "value in EUR")
    return capture.get().splitlines()


def test_every_name_and_every_number_is_whole_however_narrow() -> None:
    models = ("first", "last", "linear", "time decay", "position", "Markov", "Shapley")
    names = ["brand_search", "春季回購活動", "all"]
    numbers = {
        model: [f"{place}60,592.20", f"{place}1,234.56", "196,459.59"] for place, model in enumerate(models)
    }
    for width in (40, 80, 100, 200):
        lines = printed(width, numbers, names)
        page = "\n".join(lines)
        assert "…" not in page
        assert all(number in page for column in numbers.values() for number in column)
        parts = sum(line.startswith("campaign") for line in lines)
        assert sum(line.startswith("brand_search") for line in lines) == parts
        assert page.count("value in EUR") == 1
    assert parts == 1


def test_a_name_of_a_paragraph_is_folded_and_takes_no_room_from_numbers() -> None:
    lines = printed(80, {"conversions": ["1,234.5"], "value": ["99,999.99"]}, ["x" * 200])
    assert sum(line.startswith("campaign") for line in lines) == 1
    assert any(line.endswith("99,999.99") for line in lines)


def test_a_time_in_which_orders_only_came_back_says_what(capsys: pytest.CaptureFixture[str]) -> None:
    revenue = Revenue(0, 0, 0, 10_000, 0, 0, None)
    kpi = SimpleNamespace(revenue=revenue, money=Money("EUR", margin=False), trade=SimpleNamespace(margin=()))
    _revenue(kpi, Console(width=100))
    assert "less 100.00 EUR returned = -100.00 EUR net" in capsys.readouterr().out
