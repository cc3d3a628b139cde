"""Style sheets in the tags: for every branch of a page, without touching what it says."""

from __future__ import annotations

import re

import pytest

from support.messages import URLS, bodies, compiled, recipient, sources
from tidings.templates.markup import Tags, apply, mask
from tidings.templates.styles import inlined, sheets

CSS = "<style>.a { color: red } .b { color: blue } td { padding: 1px } a { color: green !important } p:hover { color: pink } @media (max-width: 9px) { p { color: black } }</style>"


def done(body: str, css: str = CSS) -> str:
    """Return a body with the styles of a sheet written in."""
    page = f"<!doctype html><html><head>{css}</head><body>{body}</body></html>"
    return (
        apply(page, inlined(page, sheets(page, Tags(mask(page)))))
        .partition("<body>")[2]
        .partition("</body>")[0]
    )


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('<p class="a">x</p>', '<p style="color: red" class="a">x</p>'),
        ("<p>x</p>", "<p>x</p>"),
        # A row between statements in a table, where HTML allows no text at all.
        (
            '<table>{% for one in interests %}<tr><td class="a">{{ one }}</td></tr>{% endfor %}</table>',
            '<table>{% for one in interests %}<tr><td style="padding: 1px;color: red" class="a">{{ one }}</td></tr>{% endfor %}</table>',
        ),
        # Both branches open the same cell.
        (
            '<table><tr>{% if vip %}<td class="a">{% else %}<td class="b">{% endif %}x</td></tr></table>',
            '<table><tr>{% if vip %}<td style="padding: 1px;color: red" class="a">{% else %}<td style="padding: 1px;color: blue" class="b">{% endif %}x</td></tr></table>',
        ),
        # A class that depends on a value stays with the sheet.
        ('<p class="a {% if vip %}b{% endif %}">x</p>', '<p style="color: red" class="a {% if vip %}b{% endif %}">x</p>'),
        ('<p {% if vip %}class="a"{% else %}class="b"{% endif %}>x</p>', '<p {% if vip %}class="a"{% else %}class="b"{% endif %}>x</p>'),
        # What the author wrote in the tag wins, also when it is chosen by a statement.
        (
            '<p class="a" style="{% if vip %}color: gold{% endif %}">x</p>',
            '<p class="a" style="color: red;{% if vip %}color: gold{% endif %}">x</p>',
        ),
        ("{{ full_name or '<p class=a>' }}", "{{ full_name or '<p class=a>' }}"),
        ('<!-- <p class="a"> --><p>x</p>', '<!-- <p class="a"> --><p>x</p>'),
        ('<p class="a"/>x', '<p style="color: red" class="a"/>x'),
    ],
)  # fmt: skip
def test_a_rule_goes_into_its_tags_and_nothing_else_changes(body: str, wanted: str) -> None:
    def plain(text: str) -> str:
        return re.sub(r"\s*([;:])\s*", r"\1", text).replace(';"', '"').replace(";;", ";")

    assert plain(done(body)) == plain(wanted)


def test_a_style_of_the_tag_wins_over_the_sheet_unless_the_sheet_insists() -> None:
    assert re.search(r'style="[^"]*color: ?gold', done('<p class="a" style="color: gold">x</p>'))
    assert "red" not in done('<p class="a" style="color: gold">x</p>')
    assert "green" in done('<a style="color: gold">x</a>')


def test_hover_and_media_are_left_to_the_sheet_which_stays() -> None:
    message = compiled(sources(html=f'{CSS}<p class="a">x</p>'))
    _, page = bodies(message.fill(recipient(), URLS))
    assert "p:hover" in page and "@media" in page
    assert re.search(r'<p style="color: ?red;?" class="a">', page)
    assert "pink" not in page.partition("</style>")[2]


@pytest.mark.parametrize(
    "tag",
    [
        '<style media="print">',
        '<style data-css-inline="ignore">',
        '<style media="screen and (max-width: 9px)">',
    ],
)
def test_a_sheet_for_something_else_stays_out_of_the_tags(tag: str) -> None:
    assert done('<p class="a">x</p>', f"{tag}.a {{ color: red }}</style>") == '<p class="a">x</p>'


def test_a_quote_in_a_style_does_not_end_the_attribute() -> None:
    made = done('<p class="f">x</p>', "<style>.f { font-family: \"Noto Sans\", 'Segoe UI' }</style>")
    assert made.count('"') == 4
    assert "Noto Sans" in made


def test_no_style_sheet_is_ever_fetched() -> None:
    body = '<link rel="stylesheet" href="http://127.0.0.1:1/x.css"><p class="a">x</p>'
    assert "red" in done(body)


def test_the_place_of_a_mistake_is_that_of_the_file_and_not_of_the_page_with_styles() -> None:
    from tidings.templates.sources import TemplateErrors

    with pytest.raises(TemplateErrors) as raised:
        compiled(sources(html=f'{CSS}\n<p class="a">\n<b class="b">{{{{ nobody }}}}</b></p>'))
    assert [(one.at.line, one.at.column) for one in raised.value.problems] == [(3, 17)]
