"""The page of a campaign says what its report says, in HTML and in PDF, whatever campaigns are called."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace

import pypdfium2
import pytest

from support.measured import AFTERWARDS, ANCHOR, CAMPAIGN, definitions_with, run_seeded
from tidings.measurement.report import Report, make_report
from tidings.papers.campaign_page import _unconfirmed, campaign_page
from tidings.papers.economics_section import _cell
from tidings.papers.html import html
from tidings.papers.paper import Grid, Paper, Points, Section, Words
from tidings.papers.pdf import pdf
from tidings.papers.typesetting import png
from tidings.store.database import Store

NASTY = 'Весна 春季 & <img src=x onerror=alert(1)> #panic("x") \\ $x$ `code` "q"'


@pytest.fixture
def report(store: Store) -> Report:
    _, definitions = run_seeded(store, n=900)
    return make_report(store, definitions, "spring", as_of=AFTERWARDS)


def page_of(report: Report, **workspace: str) -> Paper:
    definitions = definitions_with()
    return campaign_page(report, replace(definitions, workspace=replace(definitions.workspace, **workspace)))


def words_of(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    try:
        pages = [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()
    return re.sub(r"\s+", " ", " ".join(pages))


class Read(HTMLParser):
    """The tags of a page with all their addresses, and what is read on it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "action", "xlink:href")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Read:
    found = Read()
    found.feed(page)
    return found


def test_every_sentence_and_figure_of_the_report_can_be_read_in_html_and_selected_in_the_pdf(
    report: Report,
) -> None:
    paper = page_of(report)
    in_html = re.sub(r"\s+", " ", read(html(paper)).text)
    in_pdf = words_of(pdf(paper))
    said = [*paper.summary, *report.notes, *report.warnings, "What it caused", "How this was measured"]
    assert len(paper.summary) >= 2
    for row in report.funnel:
        said.append(f"{row.enrolled:,}")
    for words in said:
        for number in re.findall(r"\d[\d.,]*\d", words):
            assert number in in_html and number in in_pdf, (words, number)
    assert all(" ".join(words.split()) in in_html for words in said)
    assert "What it caused" in in_pdf and "1 / " in in_pdf
    # Letters of the charts are letters in the PDF, too.
    assert "no effect" in in_pdf and "customers enrolled" in in_pdf


def test_the_html_needs_nothing_from_elsewhere(report: Report) -> None:
    page = html(page_of(report))
    found = read(page)
    assert found.addresses == []
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(found.tags)
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import", page)
    assert found.tags.count("svg") == len(page_of(report).pictures()) >= 2


def test_no_name_becomes_markup(report: Report) -> None:
    named = replace(report, title=NASTY, campaign=NASTY, notes=(NASTY,))
    paper = page_of(named, title=NASTY)
    found = read(html(paper))
    assert "img" not in found.tags
    assert found.text.count(NASTY) >= 3
    assert NASTY in words_of(pdf(paper))


@pytest.mark.parametrize(
    ("locale", "fonts"), [("zh-TW", "NotoSansTC"), ("zh-CN", "NotoSansSC"), ("ru", "NotoSansTC")]
)
def test_every_sign_has_its_font_inside_the_pdf(locale: str, fonts: str) -> None:
    at = datetime(2027, 5, 1, tzinfo=UTC)
    text = "龍門 东西 Скидка весной, 100 €"
    content = pdf(Paper(text, "above", (), (Section("", (Words(text),)),), "foot", at, locale))
    assert text in words_of(content)
    assert fonts.encode() in content
    assert b"/FontFile3" in content
    assert content == pdf(Paper(text, "above", (), (Section("", (Words(text),)),), "foot", at, locale))


def test_a_long_table_goes_over_pages_and_repeats_its_head() -> None:
    rows = tuple((f"campaign {n}", f"{n:,}") for n in range(120))
    grid = Grid(("name of it", "customers"), rows, frozenset({1}))
    paper = Paper(
        "T", "", (), (Section("S", (grid, Points(("a", "b")))),), "foot", datetime(2027, 5, 1, tzinfo=UTC)
    )
    words = words_of(pdf(paper))
    assert words.count("name of it") >= 3
    assert "campaign 119" in words
    assert html(paper).count("<tr>") == 121


def test_a_run_that_has_not_begun_is_one_sentence(store: Store) -> None:
    _, definitions = run_seeded(store, n=60)
    early = make_report(store, definitions, "spring", as_of=ANCHOR.replace(year=2026))
    paper = campaign_page(early, definitions)
    assert [section.title for section in paper.sections] == [""]
    assert "had not begun" in read(html(paper)).text
    assert "had not begun" in words_of(pdf(paper))


def test_a_campaign_without_a_goal_says_so_and_has_no_chart_of_effects(store: Store) -> None:
    _, definitions = run_seeded(store, n=60)
    bare = replace(definitions, campaigns={"spring": replace(CAMPAIGN, goal=None)})
    paper = campaign_page(make_report(store, bare, "spring", as_of=AFTERWARDS), bare)
    assert [one.name for one in paper.pictures()] == ["funnel"]
    assert "has no goal" in words_of(pdf(paper))


def test_a_picture_becomes_a_png_of_twice_its_size(report: Report) -> None:
    one = page_of(report).pictures()[0]
    content = png(one.svg, width=680)
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) == 1360


def test_money_and_its_limits_stand_on_two_lines_so_that_three_arms_fit_the_paper() -> None:
    told = SimpleNamespace(currency="EUR")
    assert _cell(told, (-2396.69, (-7349.49, 2556.11))) == "\u22122,396.69\n(\u22127,349.49 to 2,556.11)"
    assert _cell(told, (24_463.0, None)) == "24,463\n(no interval)"


def test_where_a_channel_confirms_nothing_the_page_says_what_delivered_means() -> None:
    told = SimpleNamespace(
        funnel=[SimpleNamespace(arm="treated", as_json=lambda: {"accepted": 100, "delivered": 4})]
    )
    assert "mail servers confirm nothing" in _unconfirmed(told)
    told.funnel[0].as_json = lambda: {"accepted": 100, "delivered": 100}
    assert _unconfirmed(told) == ""
