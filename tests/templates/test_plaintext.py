"""The text part of a page without .txt: its structure, its links, all of its Jinja."""

from __future__ import annotations

import pytest

from support.messages import URLS, VOCABULARY, bodies, compiled, recipient
from tidings.templates.plaintext import text_source
from tidings.templates.sources import TemplateErrors


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>Spring</h1><p>one\n two</p><p>three</p>", "Spring\n\none two\n\nthree\n"),
        ("a<br>b<br/>c", "a\nb\nc\n"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two\n"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"),
        ("<p>x</p><hr><p>y</p>", "x\n\n--------\n\ny\n"),
        ('<a href="https://a.example/?x=1&amp;y=2">Go</a> now', "Go <https://a.example/?x=1&y=2> now\n"),
        ('<a href="https://a.example/">https://a.example/</a>', "https://a.example/\n"),
        ('<a href="https://a.example/"><img src="x" alt="Our shop"></a>', "Our shop <https://a.example/>\n"),
        ('<a href="https://a.example/"></a>', "https://a.example/\n"),
        ('<a href="mailto:a@b.example?subject=x">a@b.example</a>', "a@b.example\n"),
        ('<a href="mailto:a@b.example">Write</a>', "Write <a@b.example>\n"),
        ('<a href="#top">Top</a>', "Top\n"),
        ("<a href='https://a.example/{{ member_level or \"x\" }}'>Go</a>", 'Go <https://a.example/{{ member_level or "x" }}>\n'),
        ('<a href="{{ unsubscribe_url }}">Leave</a>', "Leave <{{ unsubscribe_url }}>\n"),
        ("<style>p { }</style><script>x</script><title>t</title><p>y</p>", "y\n"),
        ('<div style="display: none">hidden {{ full_name }}</div><p>y</p>', "y\n"),
        ("<!-- {{ full_name }} --><p>y</p>", "y\n"),
        ("&lt;b&gt; &amp; &eacute;&nbsp;x", "<b> & é x\n"),
        # What the page shows as braces stays words.
        ("&#123;&#123; 7*7 }} &#123;% x %}", '{{ "{" }}{ 7*7 }} {{ "{" }}% x %}\n'),
        ("{# never #}<p>{{ full_name }}{% if vip %}, VIP{% endif %}</p>", "{{ full_name }}{% if vip %}, VIP{% endif %}\n"),
        ("<p>a</p>{% if vip %}<p>b</p>{% endif %} {% if orders %}<p>c</p>{% endif %}", "a\n{% if vip %}\n\nb\n{% endif %}\n{% if orders %}\n\nc\n{% endif %}\n"),
        ('<p {% if vip %}class="a"{% endif %}>x</p>', "x\n"),
        ("<p>a</p>{% if vip %}<p>b</p>{% endif %}<p>c</p>", "a\n{% if vip %}\n\nb\n{% endif %}\n\nc\n"),
        ("<ul>{% for one in interests %}<li>{{ one }}</li>{% endfor %}</ul>", "{% for one in interests %}\n- {{ one }}\n{% endfor %}\n"),
        ("<mj-body><mj-section><mj-column><mj-text>a</mj-text><mj-button href='https://a.example/'>Go</mj-button></mj-column></mj-section></mj-body>", "a\n\nGo <https://a.example/>\n"),
    ],
)  # fmt: skip
def test_a_page_reads_as_text(page: str, text: str) -> None:
    assert text_source(page) == text


FOOT = '<p>{{ postal_address }}</p><p><a href="{{ unsubscribe_url }}">Leave</a></p>'
HTML = (
    '<!doctype html><html lang="en"><head><title>Spring {{ full_name or "for you" }}</title></head><body>'
    '<p>Hello {{ full_name or "friend" }}</p>{% if vip %}<p>Key customer</p>{% endif %}'
    '<p><a href="https://shop.example/?a=1&amp;n={{ orders or 0 }}">Shop</a></p>' + FOOT + "</body></html>"
)


def test_a_page_alone_is_a_whole_message_with_both_parts_and_shared_links() -> None:
    message = compiled({"email.en.html": HTML.encode()})
    assert message.links == ("https://shop.example/?a=1&n={{ orders or 0 }}",)
    text, page = bodies(message.fill(recipient(full_name="Anna", vip=True, orders=2), URLS))
    assert text == (
        "Hello Anna\r\n\r\nKey customer\r\n\r\nShop <https://t.example/c/7.0?a=1&b=2>\r\n\r\n"
        "Storgatan 1, Stockholm\r\n\r\nLeave <https://t.example/u/7>\r\n"
    )
    assert "c/7.0" in page
    plain, _ = bodies(message.fill(recipient(), URLS))
    assert plain.startswith("Hello friend\r\n\r\nShop <")
    assert message.show(recipient(full_name="Anna"), URLS).subject == "Spring Anna"


def test_a_page_alone_without_a_title_has_no_subject() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled({"email.en.html": HTML.replace("title>", "b>").encode()})
    assert [(one.code, one.at.path) for one in raised.value.problems] == [
        ("TPL07", "templates/spring/email.en.html")
    ]


def test_a_mistake_is_said_once_and_where_it_stands_in_the_page() -> None:
    broken = HTML.replace("<p>Hello", "\n\n<p>Hello {{ nobody }}")
    with pytest.raises(TemplateErrors) as raised:
        compiled({"email.en.html": broken.encode()})
    assert [(one.code, one.at.line, one.at.column) for one in raised.value.problems] == [("TPL12", 3, 13)]


def test_a_mistake_in_the_title_has_its_place() -> None:
    broken = HTML.replace("<title>Spring", "<title>\n  Spring {{ nobody }}")
    with pytest.raises(TemplateErrors) as raised:
        compiled({"email.en.html": broken.encode()})
    assert ("TPL12", 2, 13) in [(one.code, one.at.line, one.at.column) for one in raised.value.problems]


def test_every_attribute_of_a_page_is_in_its_text_too() -> None:
    holes = "".join(
        f"<p>{{% if {one.name} %}}x{{% endif %}}</p>"
        if one.type in ("flag", "list")
        else f"<p>{{{{ {one.name} or 1 }}}}</p>"
        for one in VOCABULARY.attributes
    )
    source = text_source(HTML.replace("<p>Hello", holes + "<p>Hello"))
    assert all(one.name in source for one in VOCABULARY.attributes)
