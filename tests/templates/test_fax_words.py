"""What a fax template may say and what it may not: values, pictures, the notice, warnings, codes."""

from __future__ import annotations

import subprocess
import sys
import threading
from base64 import b64encode
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.fax_pages import FAX, NOTICE, URLS, compiled, letter, page, picture, recipient
from support.workspaces import small_workspace
from tidings.definitions.codes import Code
from tidings.definitions.loader import load
from tidings.templates.email import MessageUrls
from tidings.templates.fax import fax_cost, pages_png
from tidings.templates.fax.checking import check_faxes
from tidings.templates.fax.codes import CODES_OF_FAXES
from tidings.templates.fax.compiled import CompiledFax, FaxPages
from tidings.templates.fax.drawing import Ink, draw
from tidings.templates.fax.geometry import Page
from tidings.templates.fax.glyphs import without_glyph
from tidings.templates.fax.notice import opt_out_notice, page_words, sender_parts
from tidings.templates.fax.tiff import pages_ink
from tidings.templates.salutations import salutation_for
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


def test_values_links_and_salutations_are_filled_in() -> None:
    clicked: list[tuple[int, int, str]] = []

    def click(message: int, position: int, url: str) -> str:
        clicked.append((message, position, url))
        return "https://t.example/s/AbCd"

    fax = compiled(
        page(
            "<p>{{ salutation }}, https://shop.example/a and <a href='https://shop.example/b?x=1'>https://shop.example/b?x=1</a>, "
            'https://shop.example/{{ full_name or "x" }}</p>'
        )
    )
    urls = MessageUrls(click=click, pixel=lambda _: "", unsubscribe=lambda _: "")
    html = fax.html(recipient(full_name="Anna B&o"), urls)
    assert html.count("https://t.example/s/AbCd") == 3
    assert [target for _, _, target in clicked] == [
        "https://shop.example/a",
        "https://shop.example/b?x=1",
        "https://shop.example/Anna%20B%26o",
    ]
    assert fax.links[:2] == ("https://shop.example/a", "https://shop.example/b?x=1")
    assert "full_name" in fax.variables
    assert f"<p>{salutation_for('en', {'full_name': 'Anna B&o'})}," in html


def test_untracked_links_stay_as_written() -> None:
    fax = compiled(page("<p>https://shop.example/a</p>"), tracked=False)
    assert "https://shop.example/a" in fax.html(recipient(), URLS)


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "<img src='file:///etc/passwd'>", "</p></body>", "{{ key }}", "\ufdd00\ufdd0"])  # fmt: skip
def test_a_value_of_a_customer_is_text_and_nothing_else(value: str) -> None:
    fax = compiled(page('<p>{{ full_name or "friend" }}</p>'))
    html = fax.html(recipient(full_name=value), URLS)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("</body>") == 1
    assert "{{ key }}" not in html or value == "{{ key }}"


def test_a_name_in_a_script_that_no_face_has_refuses_the_fax_of_that_customer() -> None:
    fax = compiled(page('<p>{{ full_name or "friend" }}</p>'))
    with pytest.raises(RenderError, match=r"full_name: holds the sign U\+AE40"):
        fax.fill(recipient(full_name="김"), URLS)


@pytest.mark.parametrize(
    "body",
    [
        '<img src="http://127.0.0.1:1/a.png" alt="">',
        '<img src="file:///etc/passwd" alt="">',
        '<img src="../../secret.png" alt="">',
        '<img src="images/../../secret.png" alt="">',
        '<img src="data:image/svg+xml;base64,AAAA" alt="">',
        '<p style="background:url(http://127.0.0.1/a)">x</p>',
        '<p style="background:/* x */url(file:///etc/passwd)">x</p>',
        '<p style="background:\\75rl(file:///etc/passwd)">x</p>',
        "<style>@import 'http://127.0.0.1/a.css';</style>",
        "<style>@font-face{font-family:x;src:url(file:///etc/passwd)}</style>",
        '<svg><image href="http://127.0.0.1/a.png"/></svg>',
        '<table background="http://127.0.0.1/a.png"><tr><td>x</td></tr></table>',
    ],
)
def test_nothing_on_a_page_is_fetched(body: str) -> None:
    assert "TPL81" in refused(page(body))


@pytest.mark.parametrize(
    "body",
    ["<script>1</script>", '<iframe src="https://a.example/"></iframe>', '<link rel="stylesheet" href="https://a.example/x.css">',
     "<object></object>", '<p onclick="x()">x</p>', '<meta http-equiv="refresh" content="0">', '<base href="file:///">'],
)  # fmt: skip
def test_html_that_paper_cannot_do_is_refused(body: str) -> None:
    assert "TPL80" in refused(page(body))


def test_the_engine_itself_asks_neither_network_nor_files(tmp_path: Path) -> None:
    """Below our checks: a file that is there and a server that answers, both with a black picture, leave no ink."""
    secret = tmp_path / "secret.png"
    out = BytesIO()
    Image.new("L", (200, 200), 0).save(out, "PNG")
    secret.write_bytes(out.getvalue())
    asked: list[str] = []

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(out.getvalue())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    http = f"http://127.0.0.1:{server.server_port}/a.png"
    try:
        for address in (f"file://{secret}", str(secret), http, "x.png"):
            html = f'<link rel="stylesheet" href="{address}"><style>@import "{address}";</style>'
            html += f'<img src="{address}"><div style="height:200px;background:url({address})"></div>'
            assert not draw(html, Page()).ink.any(), address
        embedded = b64encode(out.getvalue()).decode()
        assert draw(f'<img src="data:image/png;base64,{embedded}">', Page()).ink.any()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert asked == []


def test_pictures_of_the_template_stand_on_the_page() -> None:
    with_logo = page('<img src="images/logo.png" alt="" style="height:60px">') | {
        "images/logo.png": picture()
    }
    without = page('<div style="height:60px"></div>')
    one, two = inked(filled(with_logo))[0], inked(filled(without))[0]
    assert int(one.sum()) - int(two.sum()) > 1000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no images/logo.png"),
        (b"GIF89a nonsense", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (b"x" * 1_000_001, "1,000,000"),
    ],
)
def test_a_picture_that_cannot_be_used_is_said(content: bytes | None, words: str) -> None:
    files = page('<img src="images/logo.png" alt="">') | (
        {} if content is None else {"images/logo.png": content}
    )
    with pytest.raises(TemplateErrors) as errors:
        compiled(files)
    assert errors.value.problems[0].code == "TPL82"
    assert words in errors.value.problems[0].message


def test_a_huge_picture_is_refused_without_being_unpacked() -> None:
    out = BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    assert refused(page('<img src="images/logo.png" alt="">') | {"images/logo.png": out.getvalue()}) == [
        "TPL82"
    ]


def test_marketing_and_surveys_need_the_notice_and_service_does_not() -> None:
    bare = page("<p>Your order is on its way.</p>", notice="")
    assert refused(bare) == ["TPL85"]
    assert refused(bare, message_class="survey") == ["TPL85"]
    assert compiled(bare, message_class="service").fill(recipient(), URLS).pages == 1


@pytest.mark.parametrize(
    "files",
    [
        page("<p>x</p>" * 80 + NOTICE, notice=""),
        page(f'<p>x</p><div style="display:none">{NOTICE}</div>', notice=""),
        page(
            f'<div class="page-break"></div><p>x</p><div class="page-break"></div>{NOTICE}', notice="<p>a</p>"
        ),
    ],
)
def test_the_notice_must_be_seen_on_the_first_page(files: dict[str, bytes]) -> None:
    assert refused(files) == ["TPL85"]


def test_a_customer_whose_values_push_the_notice_off_the_first_page_gets_no_fax() -> None:
    fax = compiled(page('<p>{{ full_name or "friend" }}</p>' + NOTICE, notice=""))
    with pytest.raises(RenderError, match="first page"):
        fax.fill(recipient(full_name="Anna " * 2000), URLS)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_notice_says_how_when_and_where_in_each_language(lang: str) -> None:
    words = opt_out_notice(lang, sender="Shop", phone="+1 800 555 0100", fax="+1 800 555 0101")
    assert "Shop" in words
    assert "+1 800 555 0100" in words
    assert "+1 800 555 0101" in words
    assert "24" in words
    assert "30" in words
    assert without_glyph(words) is None
    others = {opt_out_notice(other, sender="S", phone="1", fax="2") for other in LANGUAGES}
    assert len(others) == 4


def test_the_numbers_of_the_notice_can_be_others_than_the_senders() -> None:
    fax = compiled(page("<p>x</p>"), opt_out_phone="+18005550100", opt_out_fax="+18005550101")
    html = fax.html(recipient(), URLS).replace("\u00a0", " ")
    assert "+1 800 555 0100" in html
    assert "+1 800 555 0101" in html
    assert "+46 8 500 010 00" not in html


def test_a_sender_without_a_number_is_refused_at_the_channel() -> None:
    with pytest.raises(TemplateErrors) as errors:
        compiled(page("<p>x</p>"), sender="Shop", sender_path="channels/fax.yaml")
    assert (errors.value.problems[0].code, errors.value.problems[0].at.path) == ("TPL86", "channels/fax.yaml")


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("Shop <+4681234567>", ("Shop", "+4681234567")),
        ('"Shop, Ltd" <+46 8 123 45 67>', ("Shop, Ltd", "+4681234567")),
        ("+46 (8) 123-45-67", ("", "+4681234567")),
        ("Shop <shop@example.com>", ("Shop", "")),
        ("Shop", ("Shop", "")),
        ("", ("", "")),
    ],
)
def test_the_sender_is_a_name_and_a_number(written: str, parts: tuple[str, str]) -> None:
    assert sender_parts(written) == parts


def test_what_reads_badly_is_warned_about() -> None:
    assert warned(page('<p style="font-size:8pt">small</p>')) == ["TPL84"]
    assert warned(page("<p>x</p>", style="p{font-size: 14px}")) == ["TPL84"]
    assert warned(page('<p style="font-size:11pt">fine</p><p style="font-size:1em">fine</p>')) == []
    assert warned(page('<div style="background:#ccc;padding:20px">grey</div>')) == ["TPL89"]
    assert warned(page('<div style="background:#000;color:#fff;padding:20px">black</div>')) == []
    assert warned(page('<a href="https://shop.example/x">here</a>')) == ["TPL88"]
    assert refused(page('<div style="width:900px;border:1px solid">wide</div>')) == ["TPL83"]


def test_a_word_without_end_is_broken_and_not_cut_off() -> None:
    assert compiled(page("<p>" + "Wort" * 100 + "</p>")).warnings == ()


def test_a_sign_without_a_face_in_the_template_or_the_words_of_a_variant_is_said() -> None:
    assert refused(page("<p>Spring \N{TULIP}</p>")) == ["TPL87"]
    assert refused(page("<p>{{ headline }}</p>"), texts={"headline": "Spring \N{TULIP}"}) == ["TPL87"]


def test_a_locale_without_a_file_falls_back_and_none_at_all_is_said() -> None:
    files = letter("en") | letter("zh-TW")
    assert compiled(files, locale="zh-HK").locale == "zh-TW"
    assert compiled(files, locale="fr").locale == "en"
    assert refused({"email.en.html": b"x"}) == ["TPL01"]
    assert refused({"fax.en.html": "café".encode("latin-1")}) == ["TPL04"]


def test_names_without_another_text_are_required() -> None:
    fax = compiled(page('<p>{{ full_name }} {{ lifetime_value or "0" }}</p>'))
    assert fax.required == {"full_name"}
    assert fax.variables == {"full_name", "lifetime_value"}
    with pytest.raises(RenderError, match="full_name"):
        fax.fill(recipient(), URLS)


def test_many_threads_fill_one_fax() -> None:
    fax = compiled(page('<p>{{ full_name or "friend" }}</p>'))
    made: dict[int, FaxPages] = {}

    def one(number: int) -> None:
        made[number] = fax.fill(recipient(full_name=f"Anna {number % 3}"), URLS)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 12
    assert [made[number] == made[number % 3] for number in range(12)] == [True] * 12
    assert made[0] != made[1]


def test_previews_are_pngs_in_true_proportions() -> None:
    for resolution in ("fine", "standard"):
        shots = pages_png(filled(letter("en"), resolution=resolution).tiff, width=600)
        assert len(shots) == 1
        with Image.open(BytesIO(shots[0])) as opened:
            # 8.47 inches of scan line by 11.69 of paper.
            assert opened.size[0] == 600
            assert opened.size[1] / opened.size[0] == pytest.approx((297 / 25.4) / (1728 / 204), rel=0.01)


def test_the_price_is_for_each_page_where_the_channel_says_so() -> None:
    assert fax_cost(3, FAX) == Decimal("0.36")
    assert fax_cost(3, replace(FAX, cost_unit="message")) == Decimal("0.12")
    assert fax_cost(3, replace(FAX, cost=None)) is None


def test_page_words_are_in_the_language_of_the_page() -> None:
    assert page_words("zh-Hant-TW", 1, 2) == "第1頁，共2頁"
    assert page_words("zh", 1, 2) == "第1页，共2页"
    assert page_words("ru", 1, 2) == "Страница 1 из 2"
    assert page_words("pl", 1, 2) == "Page 1 of 2"


def test_a_page_of_unknown_measures_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="fine"):
        Page("superfine")
    with pytest.raises(ValueError, match="letter"):
        Page("fine", "legal")


@pytest.mark.parametrize("code", CODES_OF_FAXES, ids=lambda code: code.code)
def test_the_example_of_a_code_provokes_it(code: Code, tmp_path: Path) -> None:
    files = {path: text for path, text in code.beside if text is not None} | {code.path: code.example}
    definitions = load(small_workspace(tmp_path, files))
    problems = [
        one for campaign in definitions.campaigns.values() for one in check_faxes(definitions, campaign)
    ]
    assert {one.code for one in problems if one.severity == code.severity} == {code.code}


def test_a_workspace_without_faxes_loads_nothing_that_draws() -> None:
    script = (
        "import sys\nimport tidings.templates.fax.checking, tidings.templates.fax.codes, tidings.templates.fax\n"
        "assert not {'numpy', 'PIL', 'blitz_py'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
