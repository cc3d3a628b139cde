"""One message for all customers of an account: a table of their values, each read and escaped as anybody's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.errors import DefinitionErrors
from tidings.templates.compile import compile_email
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.fax.compiling import compile_fax
from tidings.templates.group import MAX_MEMBERS
from tidings.templates.sms.compile import compile_sms
from tidings.templates.spec import EmailSpec
from tidings.templates.values import RenderError

CLOCK = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
ATTRIBUTES = Attributes(
    (
        Attribute("full_name", "text"),
        Attribute("spent", "money", currency="EUR"),
        Attribute("since", "date"),
        Attribute("vip", "flag"),
        Attribute("interests", "list"),
        Attribute("items", "number"),
    )
)
URLS = MessageUrls(lambda _, __, url: url, lambda _: "", lambda _: "https://shop.example/u")
MEMBERS = [
    {
        "key": "C-1",
        "full_name": "<b>Anna</b>",
        "spent": 123_450,
        "since": "2027-03-01",
        "vip": True,
        "interests": ["roses", "tools"],
        "items": 12_000,
    },
    {
        "key": "C-2",
        "full_name": None,
        "spent": 99,
        "since": "2026-01-31",
        "vip": False,
        "interests": [],
        "items": 2,
    },
]
TABLE = (
    "{% for one in group %}\n"
    "{{ loop.index }}/{{ group | length }} {{ one.key }} {{ one.full_name or 'no name' }} {{ one.spent }} "
    "{{ one.spent | money }} {{ one.since }} {{ one.since | date('short') }} {{ one.items }}"
    "{% if one.vip %} VIP{% endif %}{% for what in one.interests %} +{{ what }}{% endfor %}\n"
    "{% endfor %}\n"
)


def email(body: str, subject: str = "Orders", grouped: bool = True, **more):
    sources = {"email.en.txt": f"Subject: {subject}\n\n{body}".encode(), **more}
    return compile_email(sources, **arguments(grouped))


def arguments(grouped: bool = True):
    return {
        "folder": "templates/t",
        "locale": "en",
        "fallback_locale": "en",
        "texts": {},
        "attributes": ATTRIBUTES,
        "sender": "Shop <shop@shop.example>",
        "salt": "s",
        "clock": CLOCK,
        "postal_address": "Street 1",
        "message_class": "transactional",
        "grouped": grouped,
    }


def shown(compiled, members):
    return compiled.show(Recipient(1, "C-1", "anna@shop.example", "en", {"group": members}), URLS)


def test_every_members_values_read_as_those_of_a_customer() -> None:
    compiled = email(TABLE)
    assert compiled.variables == frozenset()
    assert compiled.group_variables == {"full_name", "spent", "since", "vip", "interests", "items"}
    lines = [line for line in shown(compiled, MEMBERS).text.split("\r\n") if line]
    assert lines == [
        "1/2 C-1 <b>Anna</b> €1,234.50 €1,234.50 1 March 2027 1 Mar 2027 12,000 VIP +roses +tools",
        "2/2 C-2 no name €0.99 €0.99 31 January 2026 31 Jan 2026 2",
    ]


def test_values_of_members_are_escaped_in_html() -> None:
    page = b"<html><body><table>{% for one in group %}<tr><td>{{ one.full_name or '' }}</td></tr>{% endfor %}</table></body></html>"
    html = shown(email("x", **{"email.en.html": page}), MEMBERS).html
    assert html is not None
    assert "<td>&lt;b&gt;Anna&lt;/b&gt;</td>" in html
    assert "<b>" not in html


def test_a_value_called_like_a_method_of_a_table_is_a_value() -> None:
    assert "12,000" in shown(email("{% for one in group %}{{ one.items }} {% endfor %}"), MEMBERS).text


def test_an_unknown_value_of_a_member_refuses_the_message_by_name() -> None:
    compiled = email("{% for one in group %}{{ one.full_name }}{% endfor %}")
    with pytest.raises(RenderError) as error:
        shown(compiled, MEMBERS)
    assert error.value.field == "group.full_name"


@pytest.mark.parametrize("given", [None, [], "text", 3])
def test_without_members_nobody_gets_half_a_message(given) -> None:
    with pytest.raises(RenderError, match="group"):
        shown(email(TABLE), given)


def test_more_members_than_a_message_takes_are_refused() -> None:
    with pytest.raises(RenderError, match="1,001 customers"):
        shown(email(TABLE), MEMBERS[:1] * (MAX_MEMBERS + 1))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("{{ group }}", "table of customers"),
        ("{{ group | join }}", "table of customers"),
        ("{{ group | first }}", "table of customers"),
        ("{% for one in group %}{{ one }}{% endfor %}", "is a customer"),
        ("{% for one in group %}{{ one.ful_name }}{% endfor %}", 'there is no attribute "ful_name"'),
        ("{% for one in group %}{{ one.email }}{% endfor %}", 'there is no attribute "email"'),
        ("{% for one in group %}{{ one.__class__ }}{% endfor %}", "there is no attribute"),
        ("{% for one in group %}{{ one.vip }}{% endfor %}", "yes or no"),
        ("{% for one in group %}{{ one.interests }}{% endfor %}", "is a list"),
        ("{% for one in group %}{{ one.key.upper }}{% endfor %}", "has no .upper"),
        ("{{ group.full_name }}", "has no .full_name"),
    ],
)
def test_what_a_table_cannot_do_is_said_at_its_place(body, word) -> None:
    with pytest.raises(DefinitionErrors) as errors:
        email(f"Hello\n{body}")
    (problem,) = errors.value.problems
    assert word in problem.message
    assert (problem.at.path, problem.at.line) == ("templates/t/email.en.txt", 4)


def test_a_message_for_one_customer_has_no_group_and_says_how_to_get_one() -> None:
    with pytest.raises(DefinitionErrors) as errors:
        email(TABLE, grouped=False)
    assert "group: one message an account" in errors.value.problems[0].hint


def test_a_shops_own_attribute_called_group_stays_its_own() -> None:
    own = Attributes((Attribute("group", "text"),))
    compiled = compile_email(
        {"email.en.txt": b"Subject: x\n\n{{ group or 'none' }}"}, **{**arguments(), "attributes": own}
    )
    assert compiled.group_variables is None
    assert "gold" in shown(compiled, "gold").text


def test_an_sms_and_a_fax_have_the_table_too() -> None:
    given = {name: value for name, value in arguments().items() if name not in ("sender", "salt", "clock")}
    body = b"{% for one in group %}{{ one.key }} {{ one.spent }}\n{% endfor %}"
    text = compile_sms({"sms.en.txt": body}, sender="+4681234567", **given)
    person = Recipient(1, "C-1", "+4681234567", "en", {"group": MEMBERS})
    assert text.fill(person, URLS).text == "C-1 €1,234.50\nC-2 €0.99"
    page = b"<html><body><table>{% for one in group %}<tr><td>{{ one.full_name or one.key }}</td></tr>{% endfor %}</table></body></html>"
    fax = compile_fax({"fax.en.html": page}, sender="Shop <+4681234567>", clock=CLOCK, **given)
    assert "<td>&lt;b&gt;Anna&lt;/b&gt;</td><" in fax.html(person, URLS).replace(" ", "")
    poisoned = [{"key": "C-1", "full_name": "A\U0001f33c"}]
    with pytest.raises(RenderError) as error:
        fax.fill(Recipient(1, "C-1", "+4681234567", "en", {"group": poisoned}), URLS)
    assert error.value.field == "group.full_name"


def test_a_spec_in_another_process_compiles_the_same() -> None:
    spec = EmailSpec(
        {"email.en.txt": f"Subject: Orders\n\n{TABLE}".encode()},
        "templates/t",
        "en",
        "en",
        ATTRIBUTES,
        "Shop <shop@shop.example>",
        "s",
        postal_address="Street 1",
        message_class="transactional",
        grouped=True,
    )
    again = EmailSpec.from_json(spec.as_json()).compile(CLOCK)
    assert shown(again, MEMBERS).text == shown(email(TABLE), MEMBERS).text
