"""The page of the customers and that of the goals hold what the commands say, as HTML, as PDF, and as sentences without data."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pypdfium2
import pytest

from support.command_line import Shop, new_shop
from support.movement_world import NOW, ZONE, Bought, days, put, shop, when
from tidings.definitions.kinds.measuring import CompanyGoal, Measure
from tidings.definitions.values import Share
from tidings.measurement.movement.asking import PARTS, Kpi, ask
from tidings.measurement.scorecard.asking import make_scorecard
from tidings.papers.html import html
from tidings.papers.movement_page import movement_page
from tidings.papers.paper import Grid, KeyFigures, Paper, Section
from tidings.papers.pdf import pdf
from tidings.papers.scorecard_page import goal_line, scorecard_page
from tidings.store.database import Store

EARLY = when("2024-01-01")
TITLE = 'Доход <b>магазина</b> "春"'


@pytest.fixture
def filled(make_store: Callable[..., Store]) -> Store:
    """Sixty customers of three kinds; one database is enough, for the figures are tested on both elsewhere."""
    store = make_store("sqlite")
    bought = [
        Bought(one, when(f"2026-{month:02d}-05"), 1000 * one, 300 * one, sales="web" if one % 2 else "shop")
        for one in range(1, 61)
        for month in range(1 + one % 9, 13, 1 + one % 5)
    ]
    bought.append(Bought(3, when("2026-11-20"), 3000, name="order_returned"))
    put(store, dict.fromkeys(range(1, 61), EARLY), bought)
    return store


def asked(store: Store, parts: tuple[str, ...] = PARTS) -> Kpi:
    return ask(store, shop(), days("2026-07-01", "2026-12-31"), parts=parts, by_channel=parts == PARTS)


def section(paper: Paper, title: str) -> Section:
    return next(one for one in paper.sections if one.title == title)


def spoken(paper: Paper, name: str) -> str:
    svg = next(one.svg for one in paper.pictures() if one.name == name)
    found = re.search(r"<desc>(.*?)</desc>", svg)
    assert found is not None
    return found[1]


def test_every_part_is_a_chart_with_the_figures_of_the_answer(filled: Store) -> None:
    kpi = asked(filled)
    paper = movement_page(kpi, shop(), NOW)
    assert [one.name for one in paper.pictures()] == ["ladder", "curve", "rfm", "cohorts"]
    told: dict[str, Any] = kpi.as_json()
    assert f"{told['80_20']['top_20_share']:.1%}" in spoken(paper, "curve")
    rows = dict(re.findall(r"R(\d) \([^)]*\): ([^.]*)\.", spoken(paper, "rfm")))
    for one in told["rfm"]["grid"]:
        if one["customers"]:
            assert f"F{one['frequency']} {one['customers']:,}" in rows[str(one["recency"])].split(", ")
    for one in told["cohorts"]["cohorts"]:
        assert f"{one['cohort']}: {one['customers']:,} customers" in spoken(paper, "cohorts")
    (channels,) = [one for one in section(paper, "By sales channel").blocks if isinstance(one, Grid)]
    # What came back says no channel.
    assert {row[0] for row in channels.rows} == {"web", "shop", "not said"}
    (first,) = [one for one in paper.sections[0].blocks if isinstance(one, KeyFigures)]
    assert first.figures[0].value.startswith(f"{told['revenue']['net']:,.0f}"[:4])


def test_the_pdf_of_the_customers_holds_all_parts_as_text(filled: Store) -> None:
    paper = movement_page(asked(filled), shop(), NOW)
    page = html(paper)
    assert "NaN" not in page and "None" not in page and page.count("<svg") == 4
    document = pypdfium2.PdfDocument(io.BytesIO(pdf(paper)))
    text = "".join(one.get_textpage().get_text_range() for one in document)
    document.close()
    for words in (
        "How customers moved",
        "Who brings the money",
        "R5",
        "Who orders again",
        "By sales channel",
    ):
        assert words in text


def test_a_part_alone_is_a_page_of_its_own(filled: Store) -> None:
    paper = movement_page(asked(filled, ("80-20",)), shop(), NOW)
    assert [one.title for one in paper.sections] == ["", "Who brings the money"]


def test_without_purchases_every_part_is_a_sentence(make_store: Callable[..., Store]) -> None:
    paper = movement_page(asked(make_store("sqlite")), shop(), NOW)
    page = html(paper)
    for words in (
        "There are no customers in the store yet",
        "Nobody who is known bought anything in this time.",
        "nobody to put in order",
        "Nobody who is known ever ordered by then",
    ):
        assert words in page
    assert "NaN" not in page and pdf(paper).startswith(b"%PDF")


def goal(what: str, target: str, **more: Any) -> CompanyGoal:
    kind = "money" if what == "revenue" else "project" if what == "done" else "customers"
    return CompanyGoal(
        what, TITLE if what == "revenue" else what, kind, Measure(what), Decimal(target), date(2026, 7, 1), date(2027, 6, 30),
        "o@shop.example", **{"currency": "EUR" if kind == "money" else ""} | more,
    )  # fmt: skip


def test_goals_stand_on_a_chart_in_parts_of_their_targets(filled: Store) -> None:
    goals = (
        goal("revenue", "40000"),
        goal("orders", "1000"),
        goal("done", "1", done=Share(4_000)),
        replace(goal("active_customers", "50"), starts=date(2027, 3, 1)),
    )
    definitions = shop(goals=goals)
    found = make_scorecard(filled, definitions, now=NOW)
    paper = scorecard_page(found, definitions, ZONE, NOW)
    page, cards = html(paper), {one.goal.id: one for one in found.cards}
    line = goal_line(cards["revenue"])
    assert cards["revenue"].actual is not None
    assert line.actual == cards["revenue"].actual / 40_000
    assert line.plan == cards["revenue"].plan / 40_000
    assert goal_line(cards["done"]).actual == 0.4
    later = goal_line(cards["active_customers"])
    assert (later.actual, later.plan, later.forecast) == (None, None, None)
    assert "&lt;b&gt;" in page and "<b>" not in page
    for card in found.cards:
        assert card.status in page
    assert "o@shop.example answers for it" in page
    assert pdf(paper).startswith(b"%PDF") and "NaN" not in page


def test_a_company_without_goals_gets_a_page_that_says_so(make_store: Callable[..., Store]) -> None:
    definitions = replace(shop(), goals=None)
    found = make_scorecard(make_store("sqlite"), definitions, now=NOW)
    paper = scorecard_page(found, definitions, ZONE, NOW)
    assert "There are no goals yet: write the first in config/goals.yaml." in html(paper)
    assert not paper.pictures()


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return new_shop(tmp_path_factory.mktemp("pages")).filled()


def test_the_commands_write_the_pages_and_say_where(on_disk: Shop) -> None:
    said = on_disk.ok("kpi", "--from", "2026-01-01", "--to", "2026-06-30", "--html", "--pdf")
    assert said.out.splitlines() == [
        "wrote customers-2026-01-01-2026-06-30.html",
        "wrote customers-2026-01-01-2026-06-30.pdf",
    ]
    page = (on_disk.root / "customers-2026-01-01-2026-06-30.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    one = on_disk.ok("kpi", "--show", "rfm", "--pdf", "--out", "pages/rfm.pdf", "--json").data
    assert one == {"files": ["pages/rfm.pdf"], "folders_made": ["pages"]}
    written = on_disk.ok("goals", "--pdf", "--html").out
    assert re.fullmatch(r"wrote goals-[\d-]+\.html\nwrote goals-[\d-]+\.pdf\n", written)
    for command in ("kpi", "goals"):
        wrong = on_disk.run(command, "--out", "x")
        assert (wrong.code, "--out is for --html and --pdf" in wrong.err) == (2, True)
