"""A message from files to bytes: headers, parts, links, values, and what any value of a customer cannot break."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from html import unescape
from typing import Any

import pytest

from support.messages import EXACT_HEADERS, URLS, bodies, compiled, parsed, recipient, rich, sources
from tidings.templates import mime
from tidings.templates.email import MessageUrls, RenderError
from tidings.templates.sources import TemplateErrors

PLAIN_URLS = MessageUrls(
    click=lambda _, __, url: url, pixel=lambda _: "", unsubscribe=lambda m: f"https://t.example/u/{m}"
)


def test_the_headers_are_those_that_bulk_mail_needs() -> None:
    message = parsed(rich().fill(recipient(full_name="Anna"), URLS))
    assert list(message.keys()) == EXACT_HEADERS
    assert message["From"] == "Nordic Garden <hello@nordicgarden.example>"
    assert message["To"] == "anna@example.com"
    assert message["Subject"] == "Anna, spring is here"
    assert message["Date"] == "Tue, 02 Mar 2027 09:00:00 +0000"
    assert message["Message-ID"] == "<m7.r1@nordicgarden.example>"
    assert message["List-Unsubscribe"] == "<https://t.example/u/7>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == "<marketing.nordicgarden.example>"


def test_a_mailto_is_offered_beside_the_one_click_link_only_when_configured() -> None:
    message = parsed(rich(unsubscribe_mailto="leave@nordicgarden.example").fill(recipient(), URLS))
    assert message["List-Unsubscribe"] == "<https://t.example/u/7>, <mailto:leave@nordicgarden.example>"


def test_a_service_message_without_a_link_to_unsubscribe_has_no_such_header() -> None:
    files = {"email.en.txt": b"Subject: Your order\n\nIt is on its way.\n"}
    message = parsed(compiled(files, message_class="service").fill(recipient(), URLS))
    assert "List-Unsubscribe" not in message
    assert "List-Unsubscribe-Post" not in message
    assert message.get_content_type() == "text/plain"
    assert message.get_content().strip() == "It is on its way."


def test_the_message_id_is_the_same_for_the_same_message_and_differs_between_runs() -> None:
    first, again, other = rich(), rich(), rich(salt="r2")
    assert (
        parsed(first.fill(recipient(), URLS))["Message-ID"]
        == parsed(again.fill(recipient(), URLS))["Message-ID"]
    )
    assert (
        parsed(first.fill(recipient(), URLS))["Message-ID"]
        != parsed(other.fill(recipient(), URLS))["Message-ID"]
    )
    assert first.fill(recipient(), URLS) == again.fill(recipient(), URLS)


def test_both_of_our_names_carry_the_seal_of_a_message() -> None:
    sealed = replace(recipient(), reference="ab12cd-7", seal="0123456789abcdef")
    message = parsed(rich().fill(sealed, URLS))
    assert message["Message-ID"] == "<m7.r1.0123456789abcdef@nordicgarden.example>"
    assert message["X-Tidings-Reference"] == "ab12cd-7-0123456789abcdef"


def test_bytes_are_ascii_in_short_crlf_lines() -> None:
    content = rich(sender="Зелёный сад, большой и очень красивый сад <hello@сад.рф>").fill(
        recipient(full_name="Анна-Мария Константинопольская", address="anna@bücher.example"), URLS
    )
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(len(line) for line in content.split(b"\r\n")) <= 78
    message = parsed(content)
    assert (
        str(make_header(decode_header(str(message["Subject"]))))
        == "Анна-Мария Константинопольская, spring is here"
    )
    # Read as RFC 2047 says: white space between two encoded words does not count.
    assert str(make_header(decode_header(message_from_bytes(content)["From"]))).startswith(
        "Зелёный сад, большой и очень красивый сад <hello@xn--"
    )
    assert message["To"] == "anna@xn--bcher-kva.example"


def test_links_share_positions_between_html_and_text_and_go_through_the_callback() -> None:
    message = rich()
    assert message.links == ('https://shop.example/?q=1&name={{ full_name or "" }}',)
    asked: list[tuple[int, int, str]] = []

    def click(message_id: int, position: int, url: str) -> str:
        asked.append((message_id, position, url))
        return f"https://t.example/c/{position}?x=1&y=2"

    text, html = bodies(
        message.fill(recipient(full_name="Å & B/C?"), MessageUrls(click, URLS.pixel, URLS.unsubscribe))
    )
    # One link, minted once, its value quoted; escaped in HTML and plain in the text.
    assert asked == [(7, 0, "https://shop.example/?q=1&name=%C3%85%20%26%20B%2FC%3F")]
    assert 'href="https://t.example/c/0?x=1&amp;y=2"' in html
    assert "https://t.example/c/0?x=1&y=2 -" in text
    assert html.count("https://t.example/o/7.gif") == 1
    assert html.index("/o/7.gif") < html.index("</body>")


def test_somebody_who_may_not_be_tracked_gets_plain_links_and_no_pixel() -> None:
    for message, urls in ((rich(), PLAIN_URLS), (rich(tracked=False), URLS)):
        text, html = bodies(message.fill(recipient(full_name="Anna"), urls))
        assert 'href="https://shop.example/?q=1&amp;name=Anna"' in html
        assert "https://shop.example/?q=1&name=Anna -" in text
        assert 'width="1"' not in html
        assert html.endswith("</body></html>")


def test_an_unknown_value_falls_back_or_refuses_but_never_prints_none() -> None:
    message = compiled(
        sources(
            html="<p>{{ full_name }}</p>{% if orders > 2 %}many{% endif %}", text='{{ member_level or "-" }}'
        )
    )
    assert message.variables == {"full_name", "orders", "member_level"}
    assert message.required == {"full_name"}
    with pytest.raises(RenderError) as raised:
        message.fill(recipient(orders=3), URLS)
    assert raised.value.field == "full_name"
    text, html = bodies(message.fill(recipient(full_name="Anna"), URLS))
    assert "None" not in text + html
    assert "many" not in html
    assert message.show(recipient(full_name="Anna"), URLS).fell_back == ("member_level", "orders")


@pytest.mark.parametrize(
    ("expression", "values", "locale", "shown"),
    [
        ("{{ lifetime_value }}", {"lifetime_value": 123456}, "en", "€1,234.56"),
        ("{{ lifetime_value }}", {"lifetime_value": -500}, "en", "-€5.00"),
        ("{{ lifetime_value }}", {"lifetime_value": 123456}, "ru", "1\u00a0234,56\u00a0€"),
        ("{{ lifetime_value | money('SEK') }}", {"lifetime_value": 100}, "sv", "1,00\u00a0kr"),
        ("{{ last_order_at }}", {"last_order_at": "2027-03-02"}, "en", "2 March 2027"),
        ("{{ last_order_at }}", {"last_order_at": date(2027, 3, 2)}, "zh-TW", "2027年3月2日"),
        ("{{ last_order_at }}", {"last_order_at": date(2027, 3, 2)}, "ru", "2 марта 2027\u00a0г."),
        ('{{ last_order_at | date("day") }}', {"last_order_at": date(2027, 3, 2)}, "de", "2. März"),
        ('{{ last_order_at | date("short") }}', {"last_order_at": date(2027, 3, 2)}, "zh-TW", "2027年3月2日"),
        # Microseconds and wall time: 23:30 UTC is the next day in Stockholm.
        ("{{ seen_at }}", {"seen_at": datetime(2027, 3, 1, 23, 30, tzinfo=UTC)}, "en", "2 March 2027"),
        ("{{ seen_at }}", {"seen_at": 1803943800000000}, "en", "2 March 2027"),
        ("{{ orders }}", {"orders": 12345.0}, "en", "12,345"),
        ("{{ orders }}", {"orders": 1.25}, "de", "1,25"),
        ("{{ orders | round(1) }}", {"orders": 1.25}, "en", "1.2"),
        ("{{ full_name | upper }}", {"full_name": "anna"}, "en", "ANNA"),
        ('{{ full_name | upper or "FRIEND" }}', {}, "en", "FRIEND"),
        ('{{ full_name | default("friend") }}', {"full_name": ""}, "en", "friend"),
        ('{{ interests | join(" & ") }}', {"interests": ["a", "b"]}, "en", "a & b"),
        ("{{ interests | length }}", {}, "en", "0"),
        ('{{ interests | first or "all" }}', {}, "en", "all"),
        (
            "{% for one in interests %}{{ loop.index }}{{ one }}{% endfor %}",
            {"interests": ["a", "b"]},
            "en",
            "1a2b",
        ),
        ("{% if 'a' in interests %}yes{% else %}no{% endif %}", {"interests": ["a"]}, "en", "yes"),
        ("{% if vip %}yes{% else %}no{% endif %}", {"vip": 1}, "en", "yes"),
        ("{% if full_name is known %}yes{% else %}no{% endif %}", {}, "en", "no"),
        ('{{ "gold" if member_level == "gold" else "other" }}', {}, "en", "other"),
        (
            "{{ lifetime_value if orders >= 2 else orders or '-' }}",
            {"lifetime_value": 5, "orders": 2},
            "en",
            "€0.05",
        ),
    ],
)
def test_values_read_as_people_of_the_locale_write_them(
    expression: str, values: dict[str, Any], locale: str, shown: str
) -> None:
    files = {
        name.replace(".en.", f".{locale}."): content for name, content in sources(text=expression).items()
    }
    message = compiled(files, locale=locale, zone="Europe/Stockholm")
    assert bodies(message.fill(recipient(**values), URLS))[0].splitlines()[0] == shown


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"orders": "many"}, "orders"),
        ({"orders": True}, "orders"),
        ({"orders": float("nan")}, "orders"),
        ({"last_order_at": "yesterday"}, "last_order_at"),
        ({"vip": "perhaps"}, "vip"),
        ({"interests": "garden"}, "interests"),
        ({"lifetime_value": "much"}, "lifetime_value"),
        ({"lifetime_value": object()}, "lifetime_value"),
    ],
)
def test_a_poisoned_value_refuses_that_message_and_names_the_attribute(
    values: dict[str, Any], field: str
) -> None:
    every = "{{ orders or 0 }}{{ last_order_at or '' }}{% if vip %}{% endif %}{{ interests | join or '' }}{{ lifetime_value or '' }}"
    with pytest.raises(RenderError) as raised:
        compiled(sources(text=every)).fill(recipient(**values), URLS)
    assert raised.value.field == field


@pytest.mark.parametrize(
    "sign",
    [
        "\r\nBcc: eve@evil.example",
        "\n",
        "\x00",
        "\x1b",
        "\u202e",
        "\u200b",
        "\ufeff",
        "\u2028",
        "\x85",
        "\ud800",
    ],
)
def test_a_sign_that_may_not_stand_in_a_header_refuses_the_message(sign: str) -> None:
    with pytest.raises(RenderError) as raised:
        rich().fill(recipient(full_name=f"Anna{sign}"), URLS)
    assert raised.value.field == "full_name"
    with pytest.raises(RenderError) as raised:
        rich().fill(recipient(full_name="Anna", address=f"anna{sign}@example.com"), URLS)
    assert raised.value.field == "email"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "anna@",
        "a b@example.com",
        "anna@exa mple.com",
        "аня@example.com",
        "a@b@c",
        "anna@-x.com",
        "x" * 65 + "@example.com",
    ],
)
def test_an_address_that_is_none_refuses_the_message(address: str) -> None:
    with pytest.raises(RenderError) as raised:
        rich().fill(recipient(address=address), URLS)
    assert raised.value.field == "email"


def test_whatever_a_callback_raises_is_a_render_error() -> None:
    def broken(_: int) -> str:
        raise KeyError("no key")

    with pytest.raises(RenderError):
        rich().fill(recipient(), MessageUrls(URLS.click, URLS.pixel, broken))
    with pytest.raises(RenderError):
        rich().fill(
            recipient(), MessageUrls(URLS.click, URLS.pixel, lambda _: "https://x.example/>\r\nBcc: a@b.c")
        )


@pytest.mark.parametrize(
    "texts", [{"words": {"en": "A & B", "ru": "Только <сегодня>"}}, {"words": "Hi {{ full_name or 'you' }}"}]
)
def test_the_words_of_a_variant_follow_the_locale_and_are_escaped(texts: Any) -> None:
    ru = {
        name.replace(".en.", ".ru."): content
        for name, content in sources(html="{{ words }}", text="{{ words }}", subject="{{ words }}").items()
    }
    message = compiled(ru, locale="ru-RU", texts=texts)
    shown = message.show(recipient(), URLS)
    expected = "Hi you" if isinstance(texts["words"], str) else "Только <сегодня>"
    assert shown.subject == expected
    assert shown.text.startswith(expected)
    assert shown.html is not None
    assert f"<body>{expected}".replace("<сегодня>", "&lt;сегодня&gt;") in shown.html


def test_the_preheader_is_hidden_at_the_top_of_the_body() -> None:
    html = bodies(rich().fill(recipient(full_name="A & B"), URLS))[1]
    start = html.index("<body>") + len("<body>")
    assert html[start:].startswith('<div style="display:none')
    assert unescape(html[start : html.index("</div>")]).count("Only for A & B") == 1


def test_a_sender_that_would_break_a_header_is_refused() -> None:
    for sender in (
        "Shop <x@y.example>\r\nBcc: a@b.c",
        "Shop",
        "",
        "Shop <x y@z>",
        "Shop\u202e <x@y.example>",
    ):
        with pytest.raises(TemplateErrors):
            compiled(sender=sender)
    with pytest.raises(ValueError, match="salt"):
        compiled(salt="a b")


def test_a_domain_longer_than_the_dns_takes_is_no_address() -> None:
    assert mime.ascii_address("a@" + "b" * 60 + ".example") != ""
    with pytest.raises(RenderError):
        mime.ascii_address("a@" + ("b" * 60 + ".") * 4 + "example.com")
