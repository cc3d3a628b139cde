"""A fax from HTML to pages: what stands on them and where they are cut."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.fax_pages import NAMES, URLS, compiled, letter, page, recipient
from tidings.clock import FixedClock
from tidings.templates.fax.compiled import CompiledFax, FaxPages
from tidings.templates.fax.drawing import Ink
from tidings.templates.fax.glyphs import without_glyph
from tidings.templates.fax.notice import is_simplified
from tidings.templates.fax.tiff import pages_ink
from tidings.templates.sources import TemplateErrors
from tidings.templates.values import RenderError

LANGUAGES = ["en", "zh-TW", "zh-CN", "ru"]


def filled(files: dict[str, bytes], variables: dict[str, Any] | None = None, **more: Any) -> FaxPages:
    return compiled(files, **more).fill(recipient(**(variables or {})), URLS)


def inked(fax: FaxPages) -> list[Ink]:
    return pages_ink(fax.tiff)


def refused(files: dict[str, bytes], **more: Any) -> list[str]:
    with pytest.raises(TemplateErrors) as errors:
        compiled(files, **more)
    return sorted({one.code for one in errors.value.problems})


def warned(files: dict[str, bytes], **more: Any) -> list[str]:
    return [one.code for one in compiled(files, **more).warnings]


def rows(ink: Ink, fax: CompiledFax) -> Ink:
    """Return which lines of the body of a page hold black."""
    body: Ink = ink[fax.page.top :].any(axis=1)
    return body


@pytest.mark.parametrize(
    ("resolution", "paper", "height"),
    [("fine", "a4", 2292), ("standard", "a4", 1146), ("fine", "letter", 2156), ("standard", "letter", 1078)],
)
def test_a_page_has_the_measures_of_group_three_and_the_code_of_group_four(
    resolution: str, paper: str, height: int
) -> None:
    fax = filled(letter("en"), resolution=resolution, paper=paper)
    assert (fax.pages, fax.width, fax.heights, fax.resolution) == (1, 1728, (height,), resolution)
    with Image.open(BytesIO(fax.tiff)) as opened:
        tags: Any = opened.tag_v2  # type: ignore[attr-defined]
        assert (opened.size, opened.mode) == ((1728, height), "1")
        # Compression 4 is T.6; photometric 0: white is zero; one strip; one bit a sample.
        assert (tags[259], tags[262], len(tags[273]), tags[258]) == (4, 0, 1, (1,))
        assert (int(tags[282]), int(tags[283])) == (204, {"fine": 196, "standard": 98}[resolution])


def test_what_is_read_back_is_what_was_drawn_and_mostly_white() -> None:
    fax = compiled(letter("en"))
    pages = inked(fax.fill(recipient(), URLS))
    drawn = fax.look(recipient(), URLS).drawn
    body = pages[0][fax.page.top : fax.page.top + len(drawn.ink)]
    assert (body[: len(drawn.ink)] == drawn.ink[: len(body)]).all()
    assert 0.005 < pages[0].mean() < 0.15


@pytest.mark.parametrize("lang", LANGUAGES)
def test_two_runs_give_the_same_bytes_in_every_language(lang: str) -> None:
    variables = {"full_name": NAMES[lang]}
    first = filled(letter(lang), variables, locale=lang, fallback_locale=lang)
    assert first == filled(letter(lang), variables, locale=lang, fallback_locale=lang)
    assert first.pages == 1


def test_two_processes_give_the_same_bytes() -> None:
    script = (
        "import sys,hashlib; sys.path.insert(0,'tests')\n"
        "from support.fax_pages import *\n"
        "fax = compiled(letter('zh-TW'), locale='zh-TW', fallback_locale='zh-TW').fill(recipient(full_name='王小明'), URLS)\n"
        "print(hashlib.sha256(fax.tiff).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    said = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(said) == 1
    assert len(said.pop().strip()) == 64


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sign_is_drawn_from_our_own_faces(lang: str) -> None:
    """A second machine has no fonts at all: nothing may come from this one's."""
    files = letter(lang)
    text = next(iter(files.values())).decode()
    assert without_glyph(text.replace("{", "").replace("}", "")) is None
    boxes = inked(filled(files, {"full_name": NAMES[lang]}, locale=lang, fallback_locale=lang))
    assert boxes[0].any()


def test_both_chinese_scripts_are_covered_whole_and_other_scripts_are_not() -> None:
    def missing_of(codec: str, rows_: range, columns: list[int]) -> int:
        signs = []
        for row in rows_:
            for column in columns:
                try:
                    signs.append(bytes([row, column]).decode(codec))
                except UnicodeDecodeError:
                    continue
        assert len(signs) > 3000
        return sum(without_glyph(sign) is not None for sign in signs)

    assert missing_of("gb2312", range(0xB0, 0xF8), list(range(0xA1, 0xFF))) == 0
    assert missing_of("big5", range(0xA4, 0xC6), [*range(0x40, 0x7F), *range(0xA1, 0xFF)]) == 0
    assert without_glyph("Hello, привет, Grüße, ąęłż — €5 № 7") is None
    assert without_glyph("한") == "한"
    assert without_glyph("ok \N{TULIP}") == "\N{TULIP}"


def test_the_scripts_are_drawn_differently_where_they_differ() -> None:
    body = '<p style="font-size:40pt">骨,直</p>'
    made = {
        lang: inked(
            filled(page(body, lang=lang), locale=lang, fallback_locale=lang, message_class="service")
        )[0]
        for lang in ("zh-TW", "zh-CN")
    }
    assert is_simplified("zh-CN")
    assert is_simplified("zh")
    assert not is_simplified("zh-Hant-HK")
    half = made["zh-TW"].shape[0] // 6
    assert (made["zh-TW"][half:] != made["zh-CN"][half:]).any()


def test_the_head_of_each_page_names_sender_number_time_and_page() -> None:
    """A page of another time, number or count has another head, and the same body."""
    long = letter("en", paragraphs=14, rows=30)
    fax = compiled(long)
    base = inked(fax.fill(recipient(), URLS))
    later = FixedClock(datetime(2027, 3, 2, 9, 1, tzinfo=UTC))
    for other in (
        compiled(long, clock=later),
        compiled(
            long,
            sender="Nordic Garden <+46850001001>",
            opt_out_phone="+46850001000",
            opt_out_fax="+46850001000",
        ),
        compiled(long, zone="Asia/Taipei"),
    ):
        changed = inked(other.fill(recipient(), URLS))
        assert len(changed) == len(base) == 3
        for one, two in zip(base, changed, strict=True):
            top = fax.page.top
            assert (one[:top] != two[:top]).any()
            assert (one[top:] == two[top:]).all()
    heads = [sheet[: fax.page.top] for sheet in base]
    assert (heads[0] != heads[1]).any()
    # The rule under the strip goes from margin to margin.
    assert all(max(int(line.sum()) for line in head) > 1400 for head in heads)


def test_seconds_of_the_clock_change_nothing() -> None:
    clock = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
    fax = compiled(letter("en"), clock=clock)
    first = fax.fill(recipient(), URLS)
    clock.advance(timedelta(seconds=59))
    assert fax.fill(recipient(), URLS) == first
    clock.advance(timedelta(seconds=1))
    assert fax.fill(recipient(), URLS) != first


def test_no_page_ends_within_a_line_of_text() -> None:
    """Every line of the strip that holds black is on the pages whole, and a page ends on white."""
    fax = compiled(page("<p>" + "The beds are waking up; what you liked is back. " * 260 + "</p>"))
    sheets = inked(fax.fill(recipient(), URLS))
    assert len(sheets) >= 3
    strip = fax.look(recipient(), URLS).drawn.ink
    black = strip[strip.any(axis=1)]
    shown = np.concatenate([sheet[fax.page.top :] for sheet in sheets])
    assert (shown[shown.any(axis=1)] == black).all()
    # A line cut through would begin or end a page with half its height: runs of black lines are all of one height.
    heights = [
        int(end - start) for sheet in sheets for start, end in _runs(rows(sheet, fax)) if end - start > 10
    ]
    text = sorted(heights)[len(heights) // 2]
    assert max(heights) <= text * 1.6 or max(heights) > 100
    assert min(heights) >= text * 0.6


def _runs(flags: Ink) -> list[tuple[int, int]]:
    edges = np.diff(np.r_[False, flags, False].astype(np.int8))
    return list(zip((edges == 1).nonzero()[0], (edges == -1).nonzero()[0], strict=True))


def test_a_table_is_cut_at_a_rule_that_stands_on_both_pages() -> None:
    cells = "".join(f"<tr><td>Item {n}</td><td>{n}.90</td></tr>" for n in range(90))
    style = "table{width:100%} td{border:2px solid #000;padding:4px 8px}"
    fax = compiled(page(f"<table>{cells}</table>", style=style))
    sheets = inked(fax.fill(recipient(), URLS))
    assert len(sheets) >= 2
    for before, after in zip(sheets, sheets[1:], strict=False):
        last = before[fax.page.top :][rows(before, fax)][-1]
        first = after[fax.page.top :][rows(after, fax)][0]
        assert last.sum() > 1300
        assert first.sum() > 1300


def test_a_forced_break_begins_a_page_and_leaves_no_mark() -> None:
    fax = compiled(page('<p>One</p><div class="page-break"></div><p>Two</p><div class="page-break"></div>'))
    sheets = inked(fax.fill(recipient(), URLS))
    assert len(sheets) == 2
    assert max(int(line.sum()) for line in sheets[0][fax.page.top :]) < 1300
    assert int(rows(sheets[1], fax).argmax()) < 40


def test_a_block_that_stays_together_goes_to_the_next_page_whole() -> None:
    fill = "<p>The beds are waking up.</p>" * 20
    block = "<p>First of the block</p>" + "<p>more</p>" * 8
    loose = compiled(page(fill + f"<div>{block}</div>"))
    kept = compiled(page(fill + f'<div class="keep">{block}</div>'))
    loose_rows, kept_rows = (
        [int(rows(sheet, fax).nonzero()[0][-1]) for sheet in inked(fax.fill(recipient(), URLS))[:1]]
        for fax in (loose, kept)
    )
    assert kept_rows[0] < loose_rows[0] - 100


def test_a_heading_does_not_stay_behind_alone() -> None:
    for count in range(22, 32):
        fax = compiled(page("<p>The beds are waking up.</p>" * count + "<h2>Prices</h2>" + "<p>One</p>" * 10))
        sheets = inked(fax.fill(recipient(), URLS))
        if len(sheets) == 1:
            continue
        last = _runs(rows(sheets[0], fax))[-1]
        # 18 pt capitals of the heading are taller than a line of 12 pt.
        assert last[1] - last[0] < 36, count


def test_more_pages_than_allowed_are_refused_with_the_number() -> None:
    files = page("<p>" + "The beds are waking up. " * 900 + "</p>")
    with pytest.raises(TemplateErrors) as errors:
        compiled(files, max_pages=2)
    problem = errors.value.problems[0]
    assert problem.code == "TPL14"
    assert "more than 2" in problem.message
    assert "max_pages" in problem.message
    assert compiled(files, max_pages=20).fill(recipient(), URLS).pages > 2


def test_a_customer_whose_values_make_it_too_long_costs_only_their_own_fax() -> None:
    fax = compiled(page('<p>{{ full_name or "friend" }}</p>'), max_pages=1)
    with pytest.raises(RenderError, match="more than 1"):
        fax.fill(recipient(full_name="Anna " * 3000), URLS)
    with pytest.raises(RenderError):
        fax.fill(recipient(full_name="Anna " * 60_000), URLS)
    assert fax.fill(recipient(full_name="Anna"), URLS).pages == 1


def test_something_taller_than_a_page_that_has_no_gap_is_refused() -> None:
    body = '<div style="height:1400px;border-left:60px solid #000;border-right:60px solid #000"></div>'
    assert refused(page(body)) == ["TPL14"]
