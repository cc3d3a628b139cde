"""A text message from its file to segments: signature, way to leave, links, values, and what is said before it goes out."""

from __future__ import annotations

from typing import Any

import pytest

from support.workspaces import small_workspace
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.definitions.loader import load
from tidings.definitions.values import Money
from tidings.errors import UsageError
from tidings.templates.checking import check_messages
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.sms.campaign import campaign_sms, sms_channel
from tidings.templates.sms.compile import compile_sms
from tidings.templates.sms.estimate import SmsEstimate, estimate
from tidings.templates.sms.message import LONGEST, CompiledSms, SmsText
from tidings.templates.sms.segments import Encoding
from tidings.templates.sources import TemplateErrors
from tidings.templates.values import RenderError

ATTRIBUTES = Attributes(
    (
        Attribute("full_name", "text"),
        Attribute("member_level", "text", values=("basic", "silver", "gold")),
        Attribute("lifetime_value", "money", currency="EUR"),
        Attribute("interests", "list"),
        Attribute("vip", "flag"),
    )
)
URLS = MessageUrls(
    click=lambda message, position, _: f"https://t.example/s/L{position}m{message}",
    pixel=lambda _: "https://t.example/never.gif",
    unsubscribe=lambda message: f"https://t.example/s/U{message}",
)


def compiled(text: str, *, locale: str = "en", **given: Any) -> CompiledSms:
    defaults: dict[str, Any] = {"texts": {}, "sender": "+46701112233", "fallback_locale": locale}
    return compile_sms(
        {f"sms.{locale}.txt": text.encode()},
        folder="templates/spring",
        locale=locale,
        attributes=ATTRIBUTES,
        **defaults | given,
    )


def filled(made: CompiledSms, **values: Any) -> SmsText:
    return made.fill(Recipient(7, "C7", "+46701112233", made.locale, values), URLS)


def codes(text: str, **given: Any) -> list[str]:
    try:
        return [one.code for one in compiled(text, **given).warnings]
    except TemplateErrors as errors:
        return [one.code for one in errors.problems]


def test_values_links_and_the_way_to_leave_come_together_in_one_segment() -> None:
    made = compiled('Hello {{ full_name or "friend" }}! 20% off: https://shop.example/spring.\n')
    text = filled(made, full_name="Åsa")
    assert text.text == "Hello Åsa! 20% off: https://t.example/s/L0m7.\nReply STOP to opt out"
    assert (text.segmented.encoding, text.segmented.count) == (Encoding.GSM7, 1)
    assert text.segmented.units == len(text.text)
    assert made.links == ("https://shop.example/spring",) and made.shortened == (0,)
    assert made.variables == {"full_name"} and made.required == frozenset()
    assert filled(made).text.startswith("Hello friend!")


@pytest.mark.parametrize(
    ("locale", "sender", "end"),
    [
        ("en", "+46701112233", "Reply STOP to opt out"),
        ("en-GB", "", "Reply STOP to opt out"),
        ("ru", "12345", "Отписка: STOP"),
        ("zh-TW", "+886900000000", "回覆 STOP 退訂"),
        ("zh-HK", "+852", "回覆 STOP 退訂"),
        ("zh-CN", "", "回T退订"),
        # Nobody can answer a name.
        ("en", "NordicGardn", "Opt out: https://t.example/s/U7"),
        ("ru", "Sad", "Отписка: https://t.example/s/U7"),
    ],
)
def test_a_marketing_text_says_how_to_leave_in_its_language_and_as_the_sender_allows(
    locale: str, sender: str, end: str
) -> None:
    text = filled(compiled("Sale\n", locale=locale, sender=sender, signature="花园")).text
    assert text.splitlines()[-1] == end


@pytest.mark.parametrize(
    "text",
    [
        "Sale. Text STOP to end",
        "Распродажа. Ответьте СТОП",
        "特賣,回覆 T 退訂",
        "Sale. Leave: {{ unsubscribe_url }}",
        "{{ opt_out }}. Sale",
    ],
)
def test_a_text_with_a_way_to_leave_of_its_own_gets_no_other(text: str) -> None:
    written = filled(compiled(text)).text
    assert "\n" not in written
    assert written.count("Reply STOP") == ("opt_out" in text)


def test_a_word_to_answer_with_far_from_the_end_is_no_way_to_leave() -> None:
    text = (
        "STOP paying too much! " + "Everything for your beds is 20% off until Sunday, in the shop and online."
    )
    assert filled(compiled(text)).text.endswith("\nReply STOP to opt out")


def test_a_service_text_says_nothing_about_leaving_and_a_survey_does() -> None:
    assert filled(compiled("It is on its way", message_class="service")).text == "It is on its way"
    assert "STOP" in filled(compiled("How was it?", message_class="survey")).text


def test_a_variant_or_the_caller_may_say_the_way_to_leave_otherwise() -> None:
    assert filled(compiled("Rea\n", locale="sv", opt_out={"sv": "Svara STOPP"})).text == "Rea\nSvara STOPP"
    made = compiled("Rea\n", locale="sv", texts={"opt_out": {"sv": "Avsluta: {{ unsubscribe_url }}"}})
    assert filled(made).text == "Rea\nAvsluta: https://t.example/s/U7"
    assert codes("Rea\n", locale="sv") == ["TPL62"]
    assert codes("Sale. Text STOP to end", sender="NordicGardn") == []


def test_a_text_for_china_begins_with_the_signature_once_and_it_is_counted() -> None:
    text = filled(compiled("春季促销\n", locale="zh-CN", signature="北欧花园"))
    assert text.text == "【北欧花园】春季促销\n回T退订"
    assert text.segmented.units == len(text.text)
    own = filled(compiled("【花园】春季促销\n", locale="zh-CN", signature="北欧花园"))
    assert own.text == "【花园】春季促销\n回T退订"
    assert codes("春季促销\n", locale="zh-CN") == ["TPL63"]
    assert codes("春季促銷\n", locale="zh-TW") == []


def test_the_words_of_a_variant_come_with_their_holes() -> None:
    texts = {"headline": {"en": 'For you, {{ full_name or "friend" }}', "ru": "Для вас"}}
    made = compiled("{{ headline }}: 20% off\n", texts=texts)
    assert filled(made, full_name="Ann").text.startswith("For you, Ann: 20% off")
    assert made.variables == {"full_name"}


def test_typographic_signs_are_written_plainly_and_said_unless_the_file_forbids_it() -> None:
    text = filled(compiled("It’s “spring” – at last…\n"))
    assert text.text.startswith('It\'s "spring" - at last...')
    assert text.segmented.encoding == Encoding.GSM7
    assert text.replaced == ("’", "“", "”", "–", "…")
    kept = filled(compiled("{# typography: as written #}It’s spring\n"))
    assert kept.text.startswith("It’s spring") and kept.replaced == ()
    assert kept.segmented.encoding == Encoding.UCS2


def test_a_value_in_another_script_puts_only_its_own_message_into_ucs2() -> None:
    made = compiled('Hello {{ full_name or "friend" }}, it’s spring\n')
    chinese = filled(made, full_name="王小明")
    assert chinese.segmented.encoding == Encoding.UCS2
    # Nothing is gained any more, so the text stays as its author wrote it.
    assert "it’s" in chinese.text and chinese.replaced == ()
    assert filled(made, full_name="Ann").segmented.encoding == Encoding.GSM7


def test_a_link_with_a_value_in_it_is_written_out_and_said() -> None:
    made = compiled('See https://shop.example/s?n={{ full_name or "x" }} or https://shop.example/all\n')
    assert [one.code for one in made.warnings] == ["TPL65"]
    assert made.shortened == (1,)
    text = filled(made, full_name="Å & Ö").text
    assert text.startswith("See https://shop.example/s?n=%C3%85%20%26%20%C3%96 or https://t.example/s/L1m7")


def test_the_same_link_twice_is_minted_once_and_untracked_links_stay() -> None:
    minted: list[tuple[int, int, str]] = []
    urls = MessageUrls(
        click=lambda *said: (minted.append(said), "https://t.example/s/x")[1],
        pixel=URLS.pixel,
        unsubscribe=URLS.unsubscribe,
    )
    made = compiled("https://shop.example/a https://shop.example/a\n")
    made.fill(Recipient(7, "C7", "+46", "en", {}), urls)
    assert minted == [(7, 0, "https://shop.example/a")]
    plain = compiled("https://shop.example/a\n", tracked=False)
    assert plain.fill(Recipient(7, "C7", "+46", "en", {}), urls).text.startswith("https://shop.example/a\n")
    assert len(minted) == 1


def test_a_missing_value_refuses_one_message_and_is_known_beforehand() -> None:
    made = compiled("Hello {{ full_name }}\n")
    assert made.required == {"full_name"}
    with pytest.raises(RenderError, match="full_name"):
        filled(made)


def test_blank_lines_and_blanks_at_line_ends_cost_nothing() -> None:
    made = compiled("Hello \n\n\n\n{% if vip %}\nVIP\n{% endif %}\nBye  \n")
    assert filled(made, vip=False).text == "Hello\n\nBye\nReply STOP to opt out"


@pytest.mark.parametrize(
    "name", ["\x00", "\u202e", "\ufdd0\ufdd1", "\ufdd00\ufdd0", "{{ full_name }}", "\x1b[2J"]
)
def test_a_hostile_value_stays_text(name: str) -> None:
    text = filled(compiled("Hello {{ full_name }}! https://shop.example/a\n"), full_name=f"A{name}B").text
    assert text.count("https://t.example/s/L0m7") == 1
    assert "\ufdd0" not in text and "\x1b" not in text


def test_a_text_that_grows_too_long_is_refused_with_its_length() -> None:
    made = compiled("Hello {{ full_name }}\n")
    with pytest.raises(RenderError, match=f"{LONGEST:,} is the most"):
        filled(made, full_name="x" * LONGEST)


@pytest.mark.parametrize("text", ["", "\n\n", "{# nothing #}\n"])
def test_an_empty_text_is_a_problem_before_anybody_gets_it(text: str) -> None:
    assert codes(text, message_class="service") == ["TPL14"]


def test_an_attribute_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled("Hello\nDear {{ full_nam }}\n")
    (problem,) = raised.value.problems
    assert (problem.code, problem.at.line, problem.at.column) == ("TPL12", 2, 9)
    assert problem.hint == 'did you mean "full_name"?'


def test_the_place_of_a_problem_is_the_one_in_the_file_also_behind_a_signature() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compiled("\n春季 {{ full_nam }}\n", locale="zh-CN", signature="花园")
    assert (raised.value.problems[0].at.line, raised.value.problems[0].at.column) == (2, 7)


def test_there_is_no_address_of_a_mailbox_in_a_text() -> None:
    assert codes("Hello {{ email }}\n") == ["TPL12"]


@pytest.mark.parametrize(
    "text", ["Sale:<br>now", 'See <a href="https://x.example">x</a>', "Tom&nbsp;&amp; Ann"]
)
def test_html_in_a_text_is_a_problem(text: str) -> None:
    assert codes(text) == ["TPL64"]


def test_what_only_looks_like_html_is_none() -> None:
    assert codes("2 < 3 and 4 > 1, A&B, I <3 you\n") == []


def test_the_sign_that_forces_ucs2_is_named_with_its_place() -> None:
    (problem,) = compiled("Hello,\nspring 🌷 sale\n").warnings
    assert (problem.code, problem.at.line, problem.at.column) == ("TPL61", 2, 8)
    assert "🌷 (U+1F337)" in problem.message
    assert codes("Скидка 20% до воскресенья https://nordicgarden.example/spring\n", locale="ru") == []


def test_more_segments_than_asked_for_with_long_values_is_said() -> None:
    text = "Spring " * 75
    (problem,) = compiled(text).warnings
    assert problem.code == "TPL60" and "takes 3 segments" not in problem.message
    assert codes(text, most_segments=9) == []
    assert codes('{{ full_name or "" }}' + "x" * 430) == ["TPL60"]


def test_a_locale_without_a_file_takes_the_workspace_one_and_its_words() -> None:
    made = compile_sms(
        {"sms.en.txt": b"Sale\n", "sms.en.html": b"<p>never read</p>"},
        folder="templates/spring",
        locale="sv",
        fallback_locale="en",
        texts={},
        attributes=ATTRIBUTES,
    )
    assert (made.locale, filled(made).text) == ("en", "Sale\nReply STOP to opt out")


def test_without_any_file_it_is_said_where_to_write_one() -> None:
    with pytest.raises(TemplateErrors) as raised:
        compile_sms(
            {}, folder="templates/x", locale="ru", fallback_locale="en", texts={}, attributes=ATTRIBUTES
        )
    assert "write templates/x/sms.en.txt" in raised.value.problems[0].hint


def test_proof_reading_shows_what_it_did_without() -> None:
    made = compiled('Hello {{ full_name or "friend" }}, it’s spring\n')
    shown = made.show(Recipient(7, "C7", "+46", "en", {}), URLS)
    assert (shown.fell_back, shown.replaced) == (("full_name",), ("’",))
    assert shown.segmented.parts == (shown.text,)


def test_an_estimate_counts_everybody_and_costs_by_the_segment() -> None:
    made = compiled("Hello {{ full_name }}! https://shop.example/spring\n")
    rows = [{"full_name": "Ann"}, {"full_name": "王小明"}, {"full_name": None}, {"full_name": "x" * 200}]
    told = estimate(made, rows, public_url="https://t.example")
    assert told == SmsEstimate(3, 5, {"gsm7": 2, "ucs2": 1}, 2, refused=1)
    by_segment = Channel(
        "sms", "SMS", "channels/sms.yaml", "twilio", "sms", cost=Money(7, "EUR"), cost_unit="segment"
    )
    by_message = Channel("sms", "SMS", "channels/sms.yaml", "twilio", "sms", cost=Money(7, "EUR"))
    free = Channel("sms", "SMS", "channels/sms.yaml", "twilio", "sms")
    assert told.cost(by_segment) == Money(35, "EUR")
    assert told.cost(by_message) == Money(21, "EUR")
    assert told.cost(free) is None
    assert told + told == SmsEstimate(6, 10, {"gsm7": 4, "ucs2": 2}, 2, refused=2)


def test_the_estimate_is_never_below_what_is_sent() -> None:
    made = compiled("x" * 100 + " https://shop.example/spring\n")
    told = estimate(made, [{}], public_url="https://t.example")
    assert told.segments >= filled(made).segmented.count


CAMPAIGN = "campaign: Spring\nto: everybody\nsend: welcome\nvia: [email, text]\n"


def test_a_campaign_compiles_its_text_with_its_own_rules(tmp_path: Any) -> None:
    files = {
        "campaigns/spring.yaml": CAMPAIGN,
        "templates/welcome/sms.en.txt": "Sale from {{ sender_name }}\n",
    }
    definitions = load(small_workspace(tmp_path, files))
    sources = {"sms.en.txt": b"Sale from {{ sender_name }}\n"}
    made = campaign_sms(definitions, "spring", sources=sources, locale="")
    assert filled(made).text == "Sale from Test shop\nReply STOP to opt out"
    assert sms_channel(definitions, definitions.campaigns["spring"]).id == "text"
    assert check_messages(definitions) == []


def test_a_campaign_by_text_without_words_for_everybody_is_a_problem_of_the_check(tmp_path: Any) -> None:
    files = {"campaigns/spring.yaml": CAMPAIGN, "templates/welcome/sms.ru.txt": "Скидка"}
    definitions = load(small_workspace(tmp_path, files))
    assert [one.code for one in check_messages(definitions)] == ["TPL01"]


def test_a_campaign_without_an_sms_channel_says_so(tmp_path: Any) -> None:
    definitions = load(small_workspace(tmp_path))
    with pytest.raises(UsageError, match="no SMS channel"):
        campaign_sms(definitions, "spring", sources={}, locale="en")


def test_a_salutation_is_that_of_the_language_and_reads_the_parts_of_the_name() -> None:
    made = compiled("{{ salutation }}! Скидка 20%\n", locale="ru")
    assert made.variables == {"full_name"} and made.required == frozenset()
    assert filled(made, full_name="Иванова Анна Сергеевна").text.startswith(
        "Уважаемая Анна Сергеевна! Скидка"
    )
    assert filled(made).text.startswith("Здравствуйте")
