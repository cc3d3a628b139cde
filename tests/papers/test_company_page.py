"""The page of the company shows credit against effect and the ladder as the commands tell them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from support.beside_world import ANCHOR, NOW, Planted, World, campaign, shop
from tidings.definitions.kinds.measuring import CompanyGoal, CompanyGoals, Measure
from tidings.definitions.workspace import Definitions
from tidings.measurement.attribution.asking import ask, period_of, the_answer
from tidings.measurement.beside.table import make_beside
from tidings.papers.company_page import Company, company_page
from tidings.papers.html import html
from tidings.papers.paper import Grid, Paper, Points, Section
from tidings.papers.pdf import pdf
from tidings.store.database import Store

TITLES = {
    "spring": "Spring win-back of customers who have not bought for a very long time",
    "newsletter": "Еженедельная рассылка для всех",
    "reminder": "春季新品通知：老顧客專屬",
    "letter": "A letter to early birds",
}
GOAL = CompanyGoal(
    "revenue", "Revenue of the shop", "money", Measure("revenue"), Decimal(90_000), date(2027, 1, 1), date(2027, 12, 31),
    "shop@shop.example", currency="EUR",
)  # fmt: skip


@pytest.fixture
def company(store: Store) -> Company:
    """Four campaigns: one that works, one credited with what would have come anyway, one unclear, one without a holdout."""
    made = [
        replace(campaign(name, held=0 if name == "letter" else 2000), title=title)
        for name, title in TITLES.items()
    ]
    definitions = replace(shop(*made), goals=CompanyGoals("What we want in 2027", (GOAL,)))
    world = World(store, definitions)
    world.add_all(
        [
            Planted("spring", 1200, 300, base=0.1, lift=0.15, first=1),
            Planted(
                "newsletter", 1200, 300, base=0.3, lift=0.0, first=2001, anchor=ANCHOR + timedelta(days=1)
            ),
            Planted("reminder", 240, 60, base=0.1, lift=0.06, first=4001, anchor=ANCHOR + timedelta(days=2)),
            Planted("letter", 300, 0, base=0.1, lift=0.1, first=6001, anchor=ANCHOR + timedelta(days=3)),
        ]
    )
    return Company(store, definitions, NOW, date(2027, 2, 1), date(2027, 5, 1))


def section(paper: Paper, title: str) -> Section:
    return next(one for one in paper.sections if one.title == title)


def test_credit_and_effect_on_the_page_are_those_of_the_command(company: Company) -> None:
    paper = company_page(company)
    found = section(paper, "Credit against effect")
    (grid,) = [block for block in found.blocks if isinstance(block, Grid)]
    assert [row[0] for row in grid.rows][:2] == [TITLES["newsletter"], TITLES["spring"]]
    picture = next(one for one in paper.pictures() if one.name == "credit")
    spoken = re.search(r"<desc>(.*?)</desc>", picture.svg)
    assert spoken is not None
    assert "effect not known: nobody was held out" in spoken[1]
    factors = [float(one) for one in re.findall(r"credit ([\d.]+) × the effect", picture.svg)]
    asked = ask(
        company.store,
        company.definitions,
        period_of("2027-02-01", "2027-05-01", company.definitions, company.last),
    )
    told = make_beside(company.store, asked, the_answer(company.store, asked, "campaign", ("last",)), now=NOW)
    drawn = [
        row.value / row.increment.value.estimate
        for row in told.rows
        if row.increment and row.increment.value.shown
    ]
    assert factors == [round(one, 1) for one in drawn]
    assert len(factors) >= 2
    said = next(block for block in found.blocks if isinstance(block, Points))
    assert any("spring" in words for words in said.items)


def test_every_campaign_is_a_line_with_its_interval_or_its_reason(company: Company) -> None:
    paper = company_page(company)
    picture = next(one for one in paper.pictures() if one.name == "campaigns")
    spoken = re.search(r"<desc>(.*?)</desc>", picture.svg)
    assert spoken is not None
    lines = {
        name: line
        for name, title in TITLES.items()
        for line in spoken[1].split("Did what the goal says, ")
        if title in line
    }
    assert set(lines) == set(TITLES)
    for name in ("spring", "newsletter", "reminder"):
        assert re.search(r"per 100 customers \(.+ to .+\)", lines[name])
    assert "held out" in lines["letter"]


def test_the_page_has_goals_movement_and_all_its_figures_in_the_pdf(company: Company) -> None:
    paper = company_page(company)
    assert [one.title for one in paper.sections] == [
        "", "Goals", "How customers moved", "Credit against effect", "What campaigns caused",
    ]  # fmt: skip
    assert pdf(paper).startswith(b"%PDF")
    page = html(paper)
    assert "NaN" not in page and "nan " not in page and "None" not in page
    for title in TITLES.values():
        assert title in page
    ladder = next(one for one in paper.pictures() if one.name == "ladder")
    assert "at the start, came" in ladder.svg


def test_an_empty_shop_gets_a_page_of_sentences(store: Store) -> None:
    definitions: Definitions = shop()
    paper = company_page(Company(store, definitions, NOW, date(2027, 2, 1), date(2027, 5, 1)))
    page = html(paper)
    assert "No campaign began in these days." in page
    assert "Nothing was credited" in page
    assert "There is no ladder, or nobody stands on it." in page
    assert "NaN" not in page
    assert pdf(paper).startswith(b"%PDF")
