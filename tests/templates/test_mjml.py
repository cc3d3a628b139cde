"""MJML: compiled once, its Jinja and its links unharmed, whole pages for every customer, mistakes found in the .mjml."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest

from support.messages import URLS, bodies, compiled, parsed, recipient
from tidings.templates.sources import TemplateErrors

FOOT = '<mj-section><mj-column><mj-text>{{ postal_address }} <a href="{{ unsubscribe_url }}">Leave</a></mj-text></mj-column></mj-section>'
HEAD = "<mj-head><mj-title>Spring for {{ full_name or 'you' }}</mj-title></mj-head>"
RICH = """
<mj-section>
  <mj-column>
    <mj-text>Hello {{ full_name or "friend" }} &amp; co{% if orders > 3 and orders < 9 %}, thanks{% endif %}</mj-text>
    {% if interests %}
    <mj-text><ul>{% for one in interests %}<li>{{ one }}</li>{% endfor %}</ul></mj-text>
    {% else %}
    <mj-divider />
    {% endif %}
    <mj-button href="https://shop.example/?q=1&amp;level={{ member_level or "basic" }}">See {{ member_level or "all" }}</mj-button>
  </mj-column>
  {% if vip %}
  <mj-column><mj-text>Your <a href="https://shop.example/desk">desk</a></mj-text></mj-column>
  {% endif %}
</mj-section>
<mj-wrapper>
  {% if vip %}<mj-section><mj-column><mj-text>In a wrapper</mj-text></mj-column></mj-section>{% endif %}
  <mj-section><mj-column><mj-text>Always</mj-text></mj-column></mj-section>
</mj-wrapper>
{% if vip %}
<mj-hero mode="fluid-height"><mj-text>Hero</mj-text>{% if orders %}<mj-text>{{ orders }} orders</mj-text>{% endif %}</mj-hero>
{% endif %}
<mj-section><mj-group>{% if orders %}<mj-column><mj-text>Left</mj-text></mj-column>{% endif %}<mj-column>
<mj-table><tr><th>What</th></tr>{% for one in interests %}<tr><td>{{ one }}</td></tr>{% endfor %}</mj-table>
</mj-column></mj-group></mj-section>
"""


def mjml(body: str, head: str = HEAD, before: str = "") -> dict[str, bytes]:
    """Return the files of a message in MJML alone."""
    page = f'{before}<mjml lang="en">\n{head}\n<mj-body>\n{body}\n{FOOT}\n</mj-body>\n</mjml>\n'
    return {"email.en.mjml": page.encode()}


class Balance(HTMLParser):
    """Finds what is opened and not closed, as browsers would have to guess."""

    EMPTY = ("br", "hr", "img", "meta", "link", "o:allowpng", "v:fill", "v:image")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += self.stack

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.EMPTY:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        return None

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append(f"/{tag}")


def outlook(page: str) -> str:
    """Return the page as Outlook reads it: its conditional parts are there, those for others are not."""
    page = re.sub(r"<!--\[if !mso\]><!-->.*?<!--<!\[endif\]-->", "", page, flags=re.DOTALL)
    return re.sub(r"<!--\[if (?:mso[^\]]*|lte mso 11)\]>|<!\[endif\]-->", "", page)


@pytest.mark.parametrize(
    "given", [dict(zip(("vip", "orders", "interests"), one, strict=True)) for one in product((True, None), (5, None), (["a", "b"], None))]
)  # fmt: skip
def test_whatever_a_customer_has_the_page_is_whole_for_outlook_and_for_the_others(
    given: dict[str, Any],
) -> None:
    values = {name: value for name, value in given.items() if value is not None}
    _, page = bodies(compiled(mjml(RICH)).fill(recipient(**values), URLS))
    assert Balance(page).wrong == []
    assert Balance(outlook(page)).wrong == []
    assert page.count("<!--[if") == page.count("<![endif]-->")
    for words, there in (
        ("Your <a", "vip"), ("In a wrapper", "vip"), ("Hero", "vip"), ("Left", "orders"), ("<li>a</li>", "interests"),
        ("<td>b</td>", "interests"), (", thanks", "orders"),
    ):  # fmt: skip
        assert (words in page) is (there in values), words
    assert "Always" in page
    assert "5 orders" in page if {"vip", "orders"} <= set(values) else "5 orders" not in page
    assert "{%" not in page and "{{" not in page and "tdgs" not in page
    assert "\ufdd0" not in page


def test_links_are_found_in_order_with_their_values_and_lead_to_the_tracker() -> None:
    message = compiled(mjml(RICH))
    assert message.links == (
        'https://shop.example/?q=1&level={{ member_level or "basic" }}',
        "https://shop.example/desk",
    )
    text, page = bodies(message.fill(recipient(vip=True, member_level="gold & more"), URLS))
    for part in (text, page):
        assert part.count("https://t.example/c/7.0") == 1
        assert part.count("https://t.example/c/7.1") == 1
        assert "https://t.example/u/7" in part
    urls: list[str] = []
    watched = type(URLS)(lambda _, __, url: urls.append(url) or url, URLS.pixel, URLS.unsubscribe)
    message.fill(recipient(vip=True, member_level="gold & more"), watched)
    assert urls == ["https://shop.example/?q=1&level=gold%20%26%20more", "https://shop.example/desk"]


def test_the_pixel_stands_at_the_end_and_only_where_opens_are_counted() -> None:
    assert '<img src="https://t.example/o/7.gif"' in bodies(compiled(mjml("")).fill(recipient(), URLS))[1]
    assert "o/7.gif" not in bodies(compiled(mjml(""), tracked=False).fill(recipient(), URLS))[1]


def test_the_title_is_the_subject_and_values_in_it_are_escaped_where_html_needs_it() -> None:
    message = compiled(
        mjml("", "<mj-head><mj-title>{{ full_name or 'You' }} &amp; \"spring\"</mj-title></mj-head>")
    )
    content = message.fill(recipient(full_name='<A> "q"'), URLS)
    assert parsed(content)["Subject"] == '<A> "q" & "spring"'
    assert Balance(bodies(content)[1]).wrong == []
    assert "<A>" not in bodies(content)[1]


def test_a_preview_of_mjml_takes_the_place_of_the_preheader() -> None:
    head = (
        "<mj-head><mj-title>Hi</mj-title><mj-preview>Only for {{ full_name or 'you' }}</mj-preview></mj-head>"
    )
    _, page = bodies(compiled(mjml("", head)).fill(recipient(full_name="Anna"), URLS))
    assert "Only for Anna" in page
    files = mjml("", head) | {
        "email.en.txt": b"Subject: Hi\nPreheader: Other\n\nx {{ unsubscribe_url }} {{ postal_address }}"
    }
    assert "Other" not in bodies(compiled(files).fill(recipient(), URLS))[1]


def test_nothing_is_fetched_from_font_servers_and_no_file_is_included() -> None:
    _, page = bodies(
        compiled(mjml("<mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section>")).fill(
            recipient(), URLS
        )
    )
    assert "fonts.googleapis" not in page
    with pytest.raises(TemplateErrors) as raised:
        compiled(mjml('<mj-include path="/etc/passwd" />'))
    assert [one.code for one in raised.value.problems] == ["TPL20"]


def test_the_authors_own_style_sheet_is_written_into_the_tags() -> None:
    head = "<mj-head><mj-title>Hi</mj-title><mj-style>.gold div { letter-spacing: 3px } @media (max-width: 9px) { .gold { color: red } }</mj-style></mj-head>"
    body = '<mj-section><mj-column><mj-text css-class="gold">x</mj-text><mj-text>y</mj-text></mj-column></mj-section>'
    _, page = bodies(compiled(mjml(body, head)).fill(recipient(), URLS))
    tags = re.findall(r"<div [^>]*letter-spacing: ?3px[^>]*>(.)", page)
    assert tags == ["x"]
    assert "@media (max-width: 9px)" in page


def test_a_setting_may_be_chosen_with_a_statement() -> None:
    body = '<mj-section background-color="{% if vip %}#ffd700{% else %}#eeeeee{% endif %}"><mj-column><mj-text>x</mj-text></mj-column></mj-section>'
    message = compiled(mjml(body))
    assert "#ffd700" in bodies(message.fill(recipient(vip=True), URLS))[1]
    page = bodies(message.fill(recipient(), URLS))[1]
    assert "#eeeeee" in page
    assert "#ffd700" not in page


SECTION = "<mj-section><mj-column>{}</mj-column></mj-section>"


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        ("<mj-section><mj-column>\n<mj-text>{{ full_nam }}</mj-text></mj-column></mj-section>", "TPL12", 5, 13),
        (SECTION.format("\n<mj-txet>x</mj-txet>"), "TPL25", 5, 1),
        (SECTION.format("\n<mj-text>x</mj-tex>"), "TPL25", 5, 1),
        ("<mj-section>\n<mj-column><mj-text>x</mj-text></mj-section>", "TPL25", 5, 1),
        (SECTION.format("\n  {{ full_name or 'x' }}"), "TPL26", 5, 3),
        (SECTION.format("\n<mj-text {% if vip %}align='left'{% endif %}>x</mj-text>"), "TPL26", 5, 10),
        (SECTION.format("\n<mj-social>{% if vip %}<mj-social-element name='web'>x</mj-social-element>{% endif %}</mj-social>"), "TPL26", 5, 12),
        ("\n{% if vip %}<mj-section><mj-column>{% endif %}<mj-text>x</mj-text></mj-column></mj-section>", "TPL26", 5, 36),
        (SECTION.format("\n<mj-text color='{{ full_name or 1 }}'>x</mj-text>"), "TPL21", 5, 17),
        (SECTION.format("\n<mj-button href='/sale'>x</mj-button>"), "TPL24", 5, 18),
        (SECTION.format("\n<mj-image src='logo.png' alt='' />"), "TPL23", 5, 16),
        (SECTION.format("\n<mj-text>{% if vip %}x</mj-text>"), "TPL10", 6, 1),
        (SECTION.format("\n<mj-text><form>x</form></mj-text>"), "TPL20", 5, 10),
        (SECTION.format("<mj-text>{% if vip %}\n\nx{% endif %}</mj-text>\n<mj-image src='https://shop.example/a.png' href='javascript:x' alt='' />"), "TPL24", 7, 50),
    ],
)  # fmt: skip
def test_a_mistake_is_found_in_its_place_in_the_mjml(body: str, code: str, line: int, column: int) -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(mjml(body))
    found = {
        (one.code, one.at.path.rpartition("/")[2], one.at.line, one.at.column)
        for one in raised.value.problems
    }
    assert (code, "email.en.mjml", line, column) in found
    assert len({one[2] for one in found}) == 1 or code == "TPL10"


def test_what_only_the_converter_finds_has_its_line() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(mjml(SECTION.format("\n\n<mj-social><mj-text>x</mj-text></mj-social>")))
    assert [(one.code, one.at.line) for one in raised.value.problems] == [("TPL25", 6)]


def test_an_attribute_that_the_converter_drops_is_said_and_not_lost_silently() -> None:
    body = SECTION.format('<mj-text fancy="{% if vip %}a{% else %}b{% endif %}">x</mj-text>')
    with pytest.raises(TemplateErrors) as raised:
        compiled(mjml(body))
    assert [one.code for one in raised.value.problems] == ["TPL26"]


def test_comments_of_jinja_vanish_and_comments_of_html_do_no_harm() -> None:
    body = "{# <b> not closed #}" + SECTION.format(
        "{# x #}<mj-text>y{# z #}</mj-text><!-- kept --><mj-text>w</mj-text>"
    )
    _, page = bodies(compiled(mjml(body)).fill(recipient(), URLS))
    assert "not closed" not in page
    assert Balance(page).wrong == []


def test_html_and_mjml_side_by_side_are_refused() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(mjml("") | {"email.en.html": b"<p>x</p>"})
    assert [one.code for one in raised.value.problems] == ["TPL09"]
