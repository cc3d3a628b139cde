"""Which language a customer gets: the chain of locales, and what a check can say about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workspaces import small_workspace
from tidings.definitions.loader import load
from tidings.templates.checking import check_messages
from tidings.templates.languages import Languages, language_lines, languages, short_lines
from tidings.templates.sources import locale_chain

TEXT = "Subject: Hello\n\nHello {{ unsubscribe_url }} {{ postal_address }}\n"


@pytest.mark.parametrize(
    ("wanted", "fallback", "chain"),
    [
        ("zh-HK", "en", ("zh-hk", "zh-tw", "zh", "", "en")),
        ("zh_SG", "en", ("zh-sg", "zh-cn", "zh", "", "en")),
        ("ru-RU", "en", ("ru-ru", "ru", "", "en")),
        ("en", "en", ("en", "")),
        ("", "zh-TW", ("", "zh-tw", "zh")),
    ],
)
def test_the_chain_of_locales(wanted: str, fallback: str, chain: tuple[str, ...]) -> None:
    assert locale_chain(wanted, fallback) == chain


def test_the_languages_of_each_message_and_who_gets_which(tmp_path: Path) -> None:
    files = {f"templates/welcome/email.{locale}.txt": TEXT for locale in ("en", "zh-TW", "ru")}
    (found,) = [one for one in languages(load(small_workspace(tmp_path, files))) if one.folder == "welcome"]
    assert (found.kind, found.locales, found.everybody_else) == ("email", ("en", "ru", "zh-TW"), "en")
    assert found.stand_ins == (("zh-HK", "zh-TW"), ("zh-MO", "zh-TW"))
    assert (
        found.sentence()
        == "welcome: email in en, ru, zh-TW; zh-HK gets zh-TW; zh-MO gets zh-TW; everybody else gets en"
    )


def test_a_message_that_some_cannot_get_is_said(tmp_path: Path) -> None:
    files = {"templates/welcome/email.en.txt": None, "templates/welcome/email.ru.txt": TEXT}
    (found,) = [one for one in languages(load(small_workspace(tmp_path, files))) if one.folder == "welcome"]
    assert found.everybody_else is None
    assert found.sentence().endswith("nobody else can be written to")


def test_words_that_lack_a_language_are_a_warning_with_what_stands_there_instead(tmp_path: Path) -> None:
    campaign = "campaign: Spring\nto: everybody\nsend: welcome\nvia: email\nvariants:\n  warm:\n    say:\n      headline: {en: Hello}\n"
    files = {
        "campaigns/spring.yaml": campaign,
        "templates/welcome/email.en.txt": TEXT.replace("Hello ", "{{ headline }} "),
        "templates/welcome/email.ru.txt": TEXT.replace("Hello ", "{{ headline }} "),
    }
    (problem,) = check_messages(load(small_workspace(tmp_path, files)))
    assert (problem.code, problem.severity) == ("TPL17", "warning")
    assert "no text for locale ru" in problem.message
    assert "stands there in en" in problem.message


def test_a_page_in_mjml_alone_is_a_language_of_the_message(tmp_path: Path) -> None:
    page = '<mjml lang="de"><mj-head><mj-title>Hallo</mj-title></mj-head><mj-body><mj-section><mj-column><mj-text>{{ unsubscribe_url }} {{ postal_address }}</mj-text></mj-column></mj-section></mj-body></mjml>'
    root = small_workspace(tmp_path, {"templates/welcome/email.de.mjml": page})
    codes = {(one.code, one.at.path.rpartition("/")[2]) for one in check_messages(load(root))}
    # The text of the other language has no page, and that is said; the page itself is sound.
    assert codes == {("TPL02", "email.en.txt")}
    (found,) = [one for one in languages(load(root)) if one.folder == "welcome"]
    assert found.locales == ("de", "en")


def test_messages_in_the_same_languages_stand_on_one_line() -> None:
    spring = Languages("spring", "email", ("en", "ru"), (), "en")
    autumn = Languages("autumn", "email", ("en", "ru"), (), "en")
    fax = Languages("autumn", "fax", ("ru",), (), None)
    assert language_lines([spring, autumn, fax]) == [
        "spring, autumn: email in en, ru; everybody else gets en",
        "autumn: fax in ru; nobody else can be written to",
    ]
    assert fax.as_json()["everybody_else"] is None


def test_many_messages_are_counted_by_kind_in_a_few_lines() -> None:
    many = [
        Languages(f"m{number}", "email", ("en", "ru"), (("zh-HK", "zh-TW"),), "en") for number in range(20)
    ]
    odd = [Languages("autumn", "fax", ("ru",), (), None)]
    assert short_lines([*odd, *many]) == [
        "email: 20 messages in en, ru; everybody else gets en",
        "fax: autumn in ru; nobody else can be written to",
    ]
    others = [Languages(f"o{number}", "sms", (f"l{number}",), (), "en") for number in range(9)]
    lines = short_lines([*many, *others])
    assert len(lines) == 6 and lines[-1].startswith("and 5 in other languages: `tidings check --verbose`")
