"""Forms of address: by title and surname, by name and patronymic, and the neutral form wherever a part is unknown."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.messages import URLS, bodies, compiled, recipient, sources
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.templates.email import RenderError
from tidings.templates.holes import fallbacks
from tidings.templates.salutations import NAMES, greets_in, salutation_for, salutation_names
from tidings.templates.sources import TemplateErrors


@pytest.mark.parametrize(
    ("locale", "values", "wanted"),
    [
        ("en", {"first_name": "Anna", "last_name": "Smith", "gender": "female"}, "Dear Ms Smith"),
        ("en", {"last_name": "Smith", "gender": "m"}, "Dear Mr Smith"),
        ("en", {"last_name": "Smith", "title": "Dr."}, "Dear Dr Smith"),
        ("en", {"last_name": "Smith", "title": "Mrs"}, "Dear Mrs Smith"),
        ("en", {"first_name": "Anna", "last_name": "Smith"}, "Hello Anna"),
        ("en", {"full_name": "Anna Smith"}, "Hello Anna Smith"),
        ("en", {"last_name": "Smith"}, "Hello"),
        ("en-GB", {"gender": "female"}, "Hello"),
        ("en", {}, "Hello"),
        ("de", {"last_name": "Müller", "gender": "w"}, "Sehr geehrte Frau Müller"),
        ("de", {"last_name": "Müller", "title": "Dr.", "gender": "m"}, "Sehr geehrter Herr Dr. Müller"),
        ("de", {"last_name": "Müller", "title": "Herr"}, "Sehr geehrter Herr Müller"),
        ("de", {"full_name": "Eva Müller"}, "Guten Tag Eva Müller"),
        ("de", {}, "Guten Tag"),
        ("ru", {"first_name": "Анна", "patronymic": "Сергеевна"}, "Уважаемая Анна Сергеевна"),
        ("ru", {"first_name": "Иван", "patronymic": "Ильич"}, "Уважаемый Иван Ильич"),
        ("ru-RU", {"full_name": "Иванова Анна Сергеевна"}, "Уважаемая Анна Сергеевна"),
        ("ru", {"full_name": "Анна Сергеевна Иванова"}, "Уважаемая Анна Сергеевна"),
        ("ru", {"full_name": "Анна Сергеевна"}, "Уважаемая Анна Сергеевна"),
        # Two words may be name and surname.
        ("ru", {"full_name": "Роман Абрамович"}, "Здравствуйте, Роман Абрамович"),
        ("ru", {"full_name": "Абрамович Роман Аркадьевич"}, "Уважаемый Роман Аркадьевич"),
        # A patronymic of another people says nothing of its bearer; the attribute does.
        ("ru", {"first_name": "Лейла", "patronymic": "Ахмед кызы"}, "Здравствуйте, Лейла Ахмед кызы"),
        (
            "ru",
            {"first_name": "Лейла", "patronymic": "Ахмед кызы", "gender": "ж"},
            "Уважаемая Лейла Ахмед кызы",
        ),
        ("ru", {"first_name": "Анна", "gender": "ж"}, "Здравствуйте, Анна"),
        ("ru", {"patronymic": "Сергеевна"}, "Здравствуйте"),
        ("ru", {}, "Здравствуйте"),
        ("zh-TW", {"full_name": "王小明", "gender": "男"}, "王先生"),
        ("zh-TW", {"full_name": "王小美", "gender": "female"}, "王小姐"),
        ("zh-CN", {"full_name": "王小美", "gender": "女"}, "王女士"),
        ("zh-HK", {"last_name": "陳", "gender": "f"}, "陳小姐"),
        ("zh-TW", {"full_name": "歐陽小明", "title": "教授"}, "歐陽教授"),
        ("zh-CN", {"full_name": "欧阳修", "gender": "m"}, "欧阳先生"),
        ("zh-TW", {"full_name": "王小明"}, "王小明您好"),
        ("zh-TW", {"full_name": "Anna Smith"}, "Anna Smith 您好"),
        ("zh-TW", {"last_name": "Smith", "gender": "f"}, "Smith 小姐"),
        ("zh-CN", {"last_name": "王", "first_name": "小明"}, "王小明您好"),
        ("zh-TW", {"gender": "男"}, "您好"),
        ("zh-CN", {}, "您好"),
        ("sv", {"first_name": "Åsa"}, "Hej Åsa"),
        ("nl", {}, "Goedendag"),
        ("nl", {"first_name": "Jan"}, "Beste Jan"),
    ],
)
def test_a_customer_is_greeted_as_people_of_the_language_do(
    locale: str, values: dict[str, str], wanted: str
) -> None:
    assert salutation_for(locale, values) == wanted


@pytest.mark.parametrize(
    "odd",
    [
        "http://evil.example",
        "Anna <b>",
        "a@b.example",
        "user123",
        "x" * 61,
        "{{ 7*7 }}",
        "N/A",
        "-",
        "?",
        "  ",
        7,
        None,
        ["Anna"],
    ],
)
@pytest.mark.parametrize(
    ("locale", "neutral"), [("en", "Hello"), ("ru", "Здравствуйте"), ("zh-TW", "您好"), ("de", "Guten Tag")]
)
def test_what_cannot_be_a_name_is_left_out(odd: object, locale: str, neutral: str) -> None:
    assert salutation_for(locale, dict.fromkeys(NAMES, odd)) == neutral


def test_spaces_and_line_breaks_in_a_name_become_single_spaces() -> None:
    assert salutation_for("en", {"first_name": " Anna\r\n Maria "}) == "Hello Anna Maria"


@given(
    st.sampled_from(["en", "ru", "zh-TW", "zh-CN", "de", "sv", "xx"]),
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=80)),
)
def test_any_values_give_one_line_that_is_not_empty(locale: str, values: dict[str, str]) -> None:
    made = salutation_for(locale, values)
    assert made.strip() == made != ""
    assert len(made.splitlines()) == 1


def test_every_set_of_known_parts_gives_a_form_in_every_language() -> None:
    whole = {
        "full_name": "Иванова Анна Сергеевна",
        "first_name": "Анна",
        "last_name": "Иванова",
        "patronymic": "Сергеевна",
        "gender": "ж",
        "title": "Dr",
    }
    for locale in ("en", "de", "ru", "zh-TW", "zh-CN", "fr", "sv", "nl"):
        for count in range(len(NAMES) + 1):
            for names in combinations(NAMES, count):
                made = salutation_for(locale, {name: whole[name] for name in names})
                assert made and "None" not in made and "  " not in made


PEOPLE = Attributes(tuple(Attribute(name, "text", personal="erase") for name in ("full_name", "gender")))


def test_a_template_greets_with_what_the_workspace_knows() -> None:
    message = compiled(
        sources(html="<p>{{ salutation }},</p>", text="{{ salutation }},", subject="{{ salutation }}"),
        attributes=PEOPLE,
    )
    assert message.variables == {"full_name", "gender"}
    assert not message.required
    assert message.fill(recipient(), URLS)
    text, page = bodies(message.fill(recipient(full_name="O'Neil & Co", gender="f"), URLS))
    assert text.startswith("Hello,")
    assert "<p>Hello,</p>" in page
    assert message.show(recipient(full_name="Anna O'Neil"), URLS).subject == "Hello Anna O'Neil"
    holes = fallbacks(message)
    assert (holes.falls_back, holes.refuses, holes.salutation) == ((), (), ("full_name", "gender"))


def test_a_sign_that_may_not_stand_in_a_subject_is_refused_through_a_salutation_too() -> None:
    message = compiled(sources(subject="{{ salutation }}"), attributes=PEOPLE)
    with pytest.raises(RenderError) as raised:
        message.fill(recipient(full_name="Anna\r\nBcc: all@shop.example"), URLS)
    assert raised.value.field == "full_name"


def test_a_workspace_with_salutations_of_its_own_keeps_them() -> None:
    own = Attributes((Attribute("salutation", "text"), Attribute("full_name", "text")))
    message = compiled(sources(text='{{ salutation or "Hi" }}'), attributes=own)
    assert message.variables == {"salutation"}
    assert bodies(message.fill(recipient(salutation="Dear all"), URLS))[0].startswith("Dear all")


def test_a_language_without_forms_of_address_is_refused_at_compile() -> None:
    files = {
        name.replace(".en.", ".ko."): content for name, content in sources(text="{{ salutation }}").items()
    }
    with pytest.raises(TemplateErrors) as raised:
        compiled(files, locale="ko")
    assert [one.code for one in raised.value.problems] == ["TPL18"]
    assert greets_in("zh-HK") and not greets_in("ko")


def test_only_declared_attributes_are_loaded() -> None:
    assert salutation_names(["orders", "title", "full_name"]) == ("full_name", "title")
