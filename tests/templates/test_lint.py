"""What a page should have: each warning in its place, and none where there is nothing to say."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from support.messages import VOCABULARY, compiled, sources
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.holes import fallbacks
from tidings.templates.sources import TemplateErrors

PERSONAL = Attributes((*VOCABULARY.attributes[1:], Attribute("full_name", "text", personal="erase")))
OURS = "https://nordicgarden.example/a.png"


@pytest.mark.parametrize(
    ("html", "code", "column"),
    [
        (f'<img src="{OURS}" width="40">', "TPL32", 1),
        (f'<img src="{OURS}" alt="">', "TPL34", 1),
        ('<table width="720"><tr><td>x</td></tr></table>', "TPL35", 1),
        ('<div style="width: 800px">x</div>', "TPL35", 1),
        ("<style>.w{width:900px}</style>", "TPL35", 11),
        (f'<img src="{OURS}" width="701" alt="">', "TPL35", 1),
        ('<img src="https://pictures.example/a.png" width="40" alt="">', "TPL36", 11),
        ('<img src="https://notnordicgarden.example/a.png" width="40" alt="">', "TPL36", 11),
        ('<a href="http://shop.example/">x</a>', "TPL37", 10),
        ('<img src="http://nordicgarden.example/a.png" width="40" alt="">', "TPL37", 11),
        ('<a href="https://shop.example/?w={{ full_name or "" }}">x</a>', "TPL39", 34),
        ('<a href="https://shop.example/?w={{ email }}">x</a>', "TPL39", 34),
    ],
)
def test_a_warning_stands_at_its_place(html: str, code: str, column: int) -> None:
    message = compiled(sources(html=f"\n{html}"), attributes=PERSONAL)
    assert [(one.code, one.at.line, one.at.column) for one in message.warnings] == [(code, 2, column)]
    assert message.warnings[0].severity == "warning"


@pytest.mark.parametrize(
    "html",
    [
        f'<img src="{OURS}" width="40" alt="">',
        '<img src="https://img.nordicgarden.example/a.png" width="40" alt="">',
        '<img src="http://127.0.0.1:8200/a.png" width="40" alt="">',
        '<table width="100%" style="max-width:900px;width:600px"><tr><td>x</td></tr></table>',
        '<a href="https://shop.example/?w={{ key }}&amp;l={{ member_level or "full_name" }}">x</a>',
        "<p>{{ full_name or '' }}: http is a word</p>",
        "<style>@media (min-width: 900px){.w{max-width:800px;width:700px}}</style>",
        '<!-- <img src="http://x.example/a.png"> -->',
    ],
)
def test_there_is_nothing_to_say_about_good_pages(html: str) -> None:
    assert compiled(sources(html=html), attributes=PERSONAL).warnings == ()


def test_links_of_the_text_part_are_looked_at_too() -> None:
    message = compiled(sources(text="See http://shop.example/?w={{ email }}."))
    assert {(one.code, one.at.path.rpartition(".")[2]) for one in message.warnings} == {
        ("TPL37", "txt"),
        ("TPL39", "txt"),
    }


@pytest.mark.parametrize(
    ("subject", "warned"),
    [
        ("x" * 70, False),
        ("x" * 71, True),
        ("{{ full_name or 'a long text that is not shown' }} " + "x" * 50, False),
        ("{{ words }}", True),
    ],
)
def test_a_subject_is_measured_with_the_words_of_the_variant(subject: str, warned: bool) -> None:
    message = compiled(sources(subject=subject), texts={"words": "w" * 80})
    assert [one.code for one in message.warnings] == (["TPL38"] if warned else [])


def test_a_picture_out_of_proportion_is_said() -> None:
    drawn = BytesIO()
    Image.new("RGB", (40, 30)).save(drawn, "PNG")
    files = sources(html='<img src="images/a.png" width="80" height="30" alt="">') | {
        "images/a.png": drawn.getvalue()
    }
    (warning,) = compiled(files).warnings
    assert (warning.code, warning.hint) == ("TPL34", 'write height="60", or leave it out')


def test_icons_from_the_makers_of_mjml_are_named() -> None:
    page = '<mjml lang="en"><mj-head><mj-title>Hi</mj-title></mj-head><mj-body><mj-section><mj-column><mj-social><mj-social-element name="facebook" href="https://shop.example/">f</mj-social-element></mj-social></mj-column></mj-section></mj-body></mjml>'
    message = compiled({"email.en.mjml": page.encode()}, message_class="service")
    assert [one.code for one in message.warnings] == ["TPL36"]


def test_the_holes_of_a_message_are_told_by_name() -> None:
    message = compiled(
        sources(text='{{ full_name or "friend" }}{% if vip %}x{% endif %} {{ orders }} {{ lifetime_value }}')
    )
    holes = fallbacks(message)
    assert holes.falls_back == ("full_name", "vip")
    assert holes.refuses == ("lifetime_value", "orders")
    assert holes.salutation == ()


def test_a_trap_must_be_out_of_the_way_of_people_and_is_in_no_text() -> None:
    trap = 'href="https://shop.example/#tidings-trap"'
    fine = f'<a {trap} aria-hidden="true" tabindex="-1" style="display: none">.</a>'
    message = compiled(sources(html=f'<p>Hello</p>{fine}<a href="https://shop.example/">x</a>'))
    assert message.links == ("https://shop.example/#tidings-trap", "https://shop.example/")
    for seen in (
        f"<a {trap}>.</a>",
        f'<a {trap} aria-hidden="true">.</a>',
        f'<a {trap} style="display:none">.</a>',
    ):
        with pytest.raises(TemplateErrors) as errors:
            compiled(sources(html=seen))
        assert [one.code for one in errors.value.problems] == ["TPL42"]
    with pytest.raises(TemplateErrors) as errors:
        compiled(sources(text="Hello https://shop.example/#tidings-trap"))
    assert [one.code for one in errors.value.problems] == ["TPL42"]
