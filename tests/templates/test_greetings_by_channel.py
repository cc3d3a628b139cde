"""`{{ salutation }}` in every kind of message: the form of the language, by the customer's locale where it decides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.compile import compile_email
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.fax import compile_fax
from tidings.templates.sms.compile import compile_sms
from tidings.templates.sources import TemplateErrors

PEOPLE = Attributes(
    (
        *(
            Attribute(name, "text")
            for name in ("full_name", "first_name", "last_name", "patronymic", "gender")
        ),
        Attribute("interests", "list"),
    )
)
CLOCK = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
URLS = MessageUrls(
    click=lambda _, __, url: url, pixel=lambda _: "", unsubscribe=lambda _: "https://t.example/s/u"
)
WANG = {"full_name": "王怡君", "gender": "female"}
CASES = [
    ("zh-TW", "zh-TW", WANG, "王小姐"),
    ("zh-CN", "zh-CN", WANG, "王女士"),
    # Hong Kong reads the files of Taiwan; files for all of Chinese are read by each in its own way.
    ("zh-HK", "zh-TW", WANG, "王小姐"),
    ("zh-TW", "zh", WANG, "王小姐"),
    ("zh-CN", "zh", WANG, "王女士"),
    ("ru", "ru", {"full_name": "Иванова Анна Сергеевна"}, "Уважаемая Анна Сергеевна"),
    ("ru-RU", "ru", {"first_name": "Иван", "patronymic": "Петрович"}, "Уважаемый Иван Петрович"),
    ("en-GB", "en", {"last_name": "Smith", "gender": "female"}, "Dear Ms Smith"),
    ("de-CH", "de", {"last_name": "Vogel", "gender": "male"}, "Sehr geehrter Herr Vogel"),
    # Whoever reads German is greeted in German, wherever they come from.
    ("sv", "de", {"first_name": "Åsa"}, "Guten Tag Åsa"),
    ("zh-TW", "zh-TW", {}, "您好"),
    ("ru", "ru", {}, "Здравствуйте"),
    ("en", "en", {}, "Hello"),
]


def message(kind: str, body: str, locale: str, files: str) -> Any:
    """Return one message of a kind in files of a locale for a customer of another."""
    common: dict[str, Any] = {
        "folder": "templates/hello", "locale": locale, "fallback_locale": files, "texts": {}, "attributes": PEOPLE,
        "message_class": "service",
    }  # fmt: skip
    if kind == "sms":
        return compile_sms({f"sms.{files}.txt": body.encode()}, sender="+46701112233", **common)
    if kind == "fax":
        html = f"<!doctype html><html><body><p>{body}</p></body></html>"
        return compile_fax(
            {f"fax.{files}.html": html.encode()}, sender="Shop <+46850001000>", clock=CLOCK, **common
        )
    text = f"Subject: Hello\n\n{body}\n".encode()
    return compile_email(
        {f"email.{files}.txt": text}, sender="Shop <a@shop.example>", salt="r1", clock=CLOCK, **common
    )


def said(kind: str, made: Any, locale: str, values: dict[str, Any]) -> str:
    """Return the words of one customer's message."""
    person = Recipient(1, "C-1", "a@shop.example" if kind == "email" else "+46850001000", locale, values)
    if kind == "email":
        return made.fill_parts(person, URLS).text
    return made.html(person, URLS) if kind == "fax" else made.fill(person, URLS).text


@pytest.mark.parametrize("kind", ["email", "sms", "fax"])
@pytest.mark.parametrize(("locale", "files", "values", "words"), CASES)
def test_a_customer_is_greeted_the_same_by_every_channel(
    kind: str, locale: str, files: str, values: dict[str, Any], words: str
) -> None:
    made = message(kind, "[{{ salutation }}]", locale, files)
    assert f"[{words}]" in said(kind, made, locale, values)
    assert {"full_name", "gender", "patronymic"} <= made.variables and not made.required


@pytest.mark.parametrize("kind", ["email", "sms", "fax"])
def test_a_language_without_forms_of_address_is_refused_in_every_channel(kind: str) -> None:
    with pytest.raises(TemplateErrors) as raised:
        message(kind, "{{ salutation }}", "ko", "ko")
    assert "TPL18" in [one.code for one in raised.value.problems]


@pytest.mark.parametrize("kind", ["sms", "fax"])
def test_a_loop_in_a_loop_is_refused_where_no_process_can_be_stopped(kind: str) -> None:
    body = "{% for a in interests %}{% for b in interests %}{{ a }}{{ b }}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateErrors) as raised:
        message(kind, body, "en", "en")
    (problem,) = raised.value.problems
    assert problem.code == "TPL10" and "a loop in a loop" in problem.message
    message(kind, "{% for a in interests %}{{ a }}{% endfor %}", "en", "en")
