"""Which files a message uses, what lint asks for, what HTML may hold, and the messages of the workspace itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from support.messages import (
    CLOCK,
    HTML_FOOTER,
    TEXT_FOOTER,
    URLS,
    VOCABULARY,
    bodies,
    compiled,
    parsed,
    recipient,
    sources,
)
from tidings.definitions.loader import load
from tidings.templates.checking import check_messages
from tidings.templates.compile import compile_email
from tidings.templates.markup import mask
from tidings.templates.sources import TemplateErrors, nearest_locale, read_sources

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("wanted", "available", "fallback", "chosen"),
    [
        ("zh-TW", ["zh-TW", "en"], "en", "zh-TW"),
        ("zh_TW", ["zh-TW", "en"], "en", "zh-TW"),
        ("zh-tw", ["zh_TW", "en"], "en", "zh_TW"),
        ("zh-HK", ["zh-CN", "zh-TW", "en"], "en", "zh-TW"),
        ("zh-SG", ["zh-CN", "zh-TW", "en"], "en", "zh-CN"),
        ("zh", ["zh-CN", "zh-TW", "en"], "en", "zh-CN"),
        ("ru-RU", ["ru", "en"], "en", "ru"),
        ("sv-SE", ["ru", "en"], "en", "en"),
        ("sv-SE", ["ru", ""], "ru", ""),
        ("sv-SE", ["ru"], "ru-RU", "ru"),
        ("", ["en"], "en", "en"),
        ("sv", ["ru"], "en", None),
        # Traditional and simplified Chinese do not stand in for each other.
        ("zh-TW", ["zh-CN", "en"], "en", "en"),
    ],
)
def test_the_nearest_locale(wanted: str, available: list[str], fallback: str, chosen: str | None) -> None:
    assert nearest_locale(wanted, available, fallback) == chosen


def test_the_pair_of_files_is_always_of_one_locale() -> None:
    files = sources()
    files["email.ru.txt"] = f"Subject: Привет\n\nПривет\n{TEXT_FOOTER}".encode()
    assert compiled(files, locale="en").locale == "en"
    with pytest.raises(TemplateErrors) as raised:
        compiled(files, locale="ru")
    assert [one.code for one in raised.value.problems] == ["TPL02"]


def test_a_missing_message_is_named_with_what_to_write() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled({})
    problem = raised.value.problems[0]
    assert problem.code == "TPL01"
    assert "templates/spring/email.en.txt" in problem.hint


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (b"Hello\n\nthere", "TPL06", 1),
        (b"Subject: Hi\nFrom: eve@evil.example\n\nthere", "TPL06", 2),
        (b"Subject:\n\nthere", "TPL07", 1),
        (b"\nSubject: late\n\nthere", "TPL07", 1),
        (b"Subject: Hi\n\n\xff\xfe", "TPL04", 3),
        (b"Subject: Hi\n\nbell \x07", "TPL05", 3),
        (b"Subject: Hi\n\n\xee\x80\x80", "TPL05", 3),
        (b"Subject: Hi\n\n" + b"x" * 200_001, "TPL03", 1),
        (b"Subject: Hi\nPreheader: {{ nobody }}\n\nthere", "TPL12", 2),
    ],
)
def test_a_text_file_that_cannot_be_used_is_named_with_its_line(text: bytes, code: str, line: int) -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled({"email.en.txt": text}, message_class="service")
    assert (code, line) in {(one.code, one.at.line) for one in raised.value.problems}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    files = {"email.en.txt": b"\xef\xbb\xbfSubject: Hi\r\n\r\none\r\ntwo\r\n"}
    assert (
        parsed(compiled(files, message_class="service").fill(recipient(), URLS)).get_content()
        == "one\r\ntwo\r\n"
    )


@pytest.mark.parametrize(
    ("html", "text", "codes"),
    [
        (HTML_FOOTER, "nothing", {"TPL30", "TPL31"}),
        ("nothing", TEXT_FOOTER, {"TPL30", "TPL31"}),
        ("{{ unsubscribe_url }}", TEXT_FOOTER, {"TPL31"}),
        (HTML_FOOTER, "{{ postal_address }}", {"TPL30"}),
    ],
)
@pytest.mark.parametrize("message_class", ["marketing", "survey"])
def test_marketing_needs_a_way_out_and_an_address_in_every_part(
    html: str, text: str, codes: set[str], message_class: str
) -> None:
    files = {
        "email.en.html": f"<html lang='en'>{html}</html>".encode(),
        "email.en.txt": f"Subject: Hi\n\n{text}\n".encode(),
    }
    with pytest.raises(TemplateErrors) as raised:
        compiled(files, message_class=message_class)
    assert {one.code for one in raised.value.problems} == codes
    compiled(files, message_class="service")


def test_marketing_needs_a_postal_address_in_the_workspace() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(postal_address=" ")
    assert [(one.code, one.at.path) for one in raised.value.problems] == [("TPL31", "config/workspace.yaml")]


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ('<a href="/sale">x</a>', "TPL24"),
        ('<a href="javascript:alert(1)">x</a>', "TPL24"),
        ('<a href="JaVaScript:alert(1)">x</a>', "TPL24"),
        ('<a href="data:text/html,x">x</a>', "TPL24"),
        ('<a href="{{ full_name }}">x</a>', "TPL24"),
        ('<a href="https://{{ full_name }}/">x</a>', "TPL24"),
        ('<a href="https://shop.example{{ full_name }}">x</a>', "TPL24"),
        ('<a href="https://shop.example@{{ full_name }}">x</a>', "TPL24"),
        ('<a href="https://user:secret@shop.example/">x</a>', "TPL24"),
        ('<a href="https:// shop.example/">x</a>', "TPL24"),
        ('<a href="//shop.example/">x</a>', "TPL24"),
        ('<img alt="" src="a.png">', "TPL23"),
        ('<img alt="" src="{{ full_name }}">', "TPL23"),
        ("<script>x</script>", "TPL20"),
        ('<iframe src="https://x.example/"></iframe>', "TPL20"),
        ('<form action="https://x.example/"></form>', "TPL20"),
        ('<p onclick="x()">x</p>', "TPL20"),
        ("<p title={{ full_name }}>x</p>", "TPL22"),
        ("<p {{ full_name }}>x</p>", "TPL22"),
        ("<{{ full_name }}>x", "TPL22"),
        ("</{{ full_name }}>", "TPL22"),
        ("<p{{ full_name }}>x</p>", "TPL22"),
        ('<p style="color:{{ full_name }}">x</p>', "TPL21"),
        ("<style>p { color: {{ full_name }} }</style>", "TPL21"),
    ],
)
def test_html_in_which_a_value_or_a_link_could_do_harm_is_refused(html: str, code: str) -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(sources(html=html))
    assert code in {one.code for one in raised.value.problems}
    assert all(one.at.path == "templates/spring/email.en.html" for one in raised.value.problems)


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:service@shop.example">x</a>',
        '<a href="tel:+4681234">x</a> <a href="#top">y</a>',
        '<td {% if vip %}class="gold"{% endif %}>x</td>',
        "<p title='{{ full_name or \"\" }}'>x</p>",
        "5 < 6 {{ orders or 0 }}",
        '<img alt="" src="cid:logo">',
        '<a href="https://shop.example/{% if vip %}vip{% else %}all{% endif %}">x</a>',
        '{{ "}}" if vip else "{%" }}',
    ],
)
def test_ordinary_html_passes(html: str) -> None:
    for values in ({}, {"vip": True, "full_name": "Anna", "orders": 2}):
        bodies(compiled(sources(html=html)).fill(recipient(**values), URLS))


def test_links_are_found_in_order_and_doubled_links_keep_their_own_position() -> None:
    html = '<a href="https://a.example/">1</a><a class="x" href=\'https://b.example/?x=1&amp;y=2\'>2</a><a href="https://a.example/">3</a>'
    message = compiled(sources(html=html, text="See (https://b.example/?x=1&y=2), or https://c.example/z."))
    assert message.links == (
        "https://a.example/",
        "https://b.example/?x=1&y=2",
        "https://a.example/",
        "https://c.example/z",
    )
    text, page = bodies(message.fill(recipient(), URLS))
    assert [page.index(f"/c/7.{n}?") for n in (0, 1, 2)] == sorted(
        page.index(f"/c/7.{n}?") for n in (0, 1, 2)
    )
    assert "See (https://t.example/c/7.1?a=1&b=2), or https://t.example/c/7.3?a=1&b=2." in text


def test_a_statement_takes_its_line_with_it_only_where_it_stands_alone() -> None:
    text = "one\n{% if vip %}\nkey customer\n{% endif %}\ntwo {% if vip %}three{% endif %}\nfour"
    message = compiled(sources(text=text))
    assert bodies(message.fill(recipient(vip=True), URLS))[0].startswith(
        "one\r\nkey customer\r\ntwo three\r\nfour\r\n"
    )
    assert bodies(message.fill(recipient(vip=False), URLS))[0].startswith("one\r\ntwo \r\nfour\r\n")


def test_words_in_another_language_than_the_files_are_a_warning() -> None:
    files = {
        name.replace(".en.", ".zh-CN."): content for name, content in sources(text="{{ words }}").items()
    }
    message = compiled(files, locale="zh-CN", texts={"words": {"en": "Spring", "ru": "Весна"}})
    assert [one.code for one in message.warnings] == ["TPL17"]
    assert not compiled(files, locale="zh-CN", texts={"words": {"en": "Spring", "zh-CN": "春天"}}).warnings


def test_an_image_without_alt_and_a_page_without_language_are_warnings() -> None:
    files = sources(html='<img src="https://img.example/a.png">')
    files["email.en.html"] = files["email.en.html"].replace(b' lang="en"', b"")
    assert {one.code for one in compiled(files).warnings} >= {"TPL32", "TPL33"}


def test_a_text_of_say_may_not_take_the_name_of_an_attribute() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled(texts={"full_name": "x"})
    assert raised.value.problems[0].code == "TPL16"


def test_masking_keeps_every_offset() -> None:
    source = 'a {{ "}}" ~ x }} b {% if y %}\n{# c\n #} d'
    masked = mask(source)
    assert len(masked) == len(source)
    assert [masked[i] for i, sign in enumerate(source) if sign == "\n"] == ["\n", "\n"]
    assert "x" not in masked
    assert "c" not in masked
    assert masked[0] == "a"
    assert masked[-1] == "d"


@pytest.mark.parametrize("locale", ["en", "zh-TW", "zh-CN", "ru", "zh-HK", "sv-SE"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "full_name": "王小明 <b>",
            "interests": ["garden"],
            "vip": True,
            "last_order_at": "2026-10-04",
            "member_level": "gold",
        },
    ],
)
def test_the_message_of_the_starting_workspace_reads_well_in_every_locale(
    locale: str, values: dict[str, object]
) -> None:
    headline = {
        "en": "We kept your favourites",
        "zh-TW": "您的最愛，我們都留著",
        "zh-CN": "您喜欢的，我们都留着",
        "ru": "Мы сохранили ваше избранное",
    }
    message = compile_email(
        read_sources(ROOT, "spring_winback"),
        folder="templates/spring_winback",
        locale=locale,
        fallback_locale="en",
        texts={"headline": headline},
        attributes=VOCABULARY,
        sender="Nordic Garden <hello@nordicgarden.example>",
        postal_address="Storgatan 1",
        salt="r1",
        clock=CLOCK,
    )
    assert not message.warnings
    assert not message.required
    content = message.fill(recipient(**values), URLS)
    assert len(content) < 102_000  # Gmail cuts longer messages
    text, html = bodies(content)
    for part in (text, html):
        assert "https://t.example/u/7" in part
        assert "None" not in part
        assert "{{" not in part
    assert ("garden" in text) is (locale in ("en", "sv-SE") and bool(values)) or "nordicgarden" in text


def test_every_message_of_a_workspace_is_checked_in_every_variant_and_locale(tmp_path: Path) -> None:
    for folder in ("segments", "campaigns", "templates", "channels", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert not [one for one in check_messages(load(tmp_path)) if one.severity == "error"]
    russian = tmp_path / "templates" / "spring_winback" / "email.ru.html"
    russian.write_text(russian.read_text().replace("{{ headline }}", "{{ headlin }}"))
    chinese = tmp_path / "templates" / "spring_winback" / "email.zh-TW.txt"
    chinese.write_text(chinese.read_text().replace("{{ postal_address }}", ""))
    found = [(one.code, one.at.path) for one in check_messages(load(tmp_path)) if one.severity == "error"]
    assert found == [
        ("TPL12", "templates/spring_winback/email.ru.html"),
        ("TPL31", "templates/spring_winback/email.zh-TW.txt"),
    ]


def test_an_open_hole_before_many_quotes_is_read_at_once() -> None:
    began = time.process_time()
    with pytest.raises(TemplateErrors) as raised:
        compiled(sources(html="{{ full_name " + "x \"y\" 'z' " * 2000))
    assert raised.value.problems[0].code == "TPL10"
    assert time.process_time() - began < 2
