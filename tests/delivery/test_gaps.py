"""Whom a plan knows too little of: counted in the store, and exactly those whom the sender would write to so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tidings.clock import FixedClock
from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.delivery import variables
from tidings.delivery.gaps import MANY, Gap, Gaps, gaps_of_plan
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.store.vocabulary import attributes_table
from tidings.templates.chains import Others
from tidings.templates.compile import compile_email
from tidings.templates.email import CompiledEmail, MessageUrls, Recipient
from tidings.templates.values import RenderError

CLOCK = FixedClock(datetime(2027, 3, 2, 9, tzinfo=UTC))
URLS = MessageUrls(
    click=lambda _, __, url: url, pixel=lambda _: "", unsubscribe=lambda _: "https://t.example/u"
)


def _email(body: str, locale: str, attributes: Attributes) -> CompiledEmail:
    return compile_email(
        {f"email.{locale}.txt": f"Subject: Hello\n\n{body}\n".encode()},
        folder="templates/hello", locale=locale, fallback_locale="en", texts={}, attributes=attributes,
        sender="Shop <a@shop.example>", salt="r1", clock=CLOCK, message_class="service",
    )  # fmt: skip


def _plan(store: Store, attributes: Attributes, rows: list[Mapping[str, Any]]) -> str:
    """Store a plan over customers with these values; `locale`, `lists`, `arm` and `channel` beside the attributes."""
    table = attributes_table(attributes)
    with store.durable("test") as connection:
        connection.execute(
            sa.insert(sending.plans).values(
                id=1, hash="p1", campaign="hello", occurrence="once", definition_hash="d", planned_at=0, anchor_at=0,
                salt="s", state="open", summary={},
            )
        )  # fmt: skip
        for number, row in enumerate(rows, 1):
            given = dict(row)
            locale, lists = given.pop("locale", "en"), given.pop("lists", ())
            arm, channel = given.pop("arm", "treated"), given.pop("channel", "email")
            connection.execute(
                sa.insert(people.customers).values(
                    id=number,
                    key=f"C-{number}",
                    u=1,
                    email=f"c{number}@example.com",
                    locale=locale,
                    created_at=0,
                )
            )
            if given:
                connection.execute(sa.insert(table).values(customer_id=number, **given))
            for value in lists:
                entry = {"customer_id": number, "attribute": "interests", "value": value}
                connection.execute(sa.insert(people.customer_lists).values(entry))
            connection.execute(
                sa.insert(sending.plan_members).values(
                    plan_id=1, customer_id=number, arm=arm, channel=channel, variant=None
                )
            )
    return "p1"


def _gaps(store: Store, attributes: Attributes, plan: str, messages: Mapping[str, CompiledEmail]) -> Gaps:
    with store.read() as connection:
        return gaps_of_plan(
            connection,
            attributes,
            plan,
            lambda _, __, locale: messages.get(locale, messages["en"]),
        )


def test_other_words_and_refusals_are_counted_by_value_and_language(
    store: Store, attributes: Attributes
) -> None:
    messages = {
        "en": _email('{{ full_name or "friend" }} {{ member_level }}', "en", attributes),
        "ru": _email('{{ full_name or "друг" }}', "ru", attributes),
    }
    plan = _plan(
        store,
        attributes,
        [
            {"full_name": "Anna", "member_level": "gold"},
            {"full_name": "", "member_level": "gold"},
            {"member_level": "gold"},
            {"full_name": "Anna"},
            {"locale": "ru"},
            {"locale": "ru", "full_name": "Анна"},
            {"locale": "sv", "full_name": "Åsa", "member_level": "gold"},
            {"locale": None, "full_name": "Bo", "member_level": "gold"},
            {"full_name": None, "arm": "holdout"},
            {"full_name": None, "channel": None},
        ],
    )
    found = _gaps(store, attributes, plan, messages)
    assert [(one.locale, one.values, one.words, one.customers, one.of) for one in found.gaps] == [
        ("en", ("member_level",), None, 1, 6),
        ("en", ("full_name",), "friend", 2, 6),
        ("ru", ("full_name",), "друг", 1, 2),
    ]
    assert [(one.locale, one.customers, one.gets) for one in found.unworded] == [
        ("", 1, "en"),
        ("sv", 1, "en"),
    ]
    refused, friend, half = found.gaps
    assert refused.many and friend.many and half.many
    assert not Gap("email", "en", ("full_name",), "friend", 1, 5).many and MANY == 0.2
    assert refused.sentence() == (
        "1 of 6 by email in en (17%) would be refused: member_level is unknown, and the template has no other words"
    )
    assert friend.sentence() == '2 of 6 by email in en (33%) get "friend" in place of full_name'
    assert found.unworded[1].sentence() == "1 person by email in sv: no wording, they get en"


def test_a_row_of_values_falls_back_only_when_all_are_unknown(store: Store, attributes: Attributes) -> None:
    body = '{{ first_name or full_name or "friend" }} {{ orders or "no" }} {{ interests | join or "all" }}'
    message = _email(body, "en", attributes)
    assert message.others == {
        Others(("first_name", "full_name"), "friend"),
        Others(("orders",), "no"),
        Others(("interests",), "all"),
    }
    plan = _plan(
        store,
        attributes,
        [
            {"first_name": "Anna", "orders": 0, "lists": ["garden"]},
            {"full_name": "Anna Berg", "orders": 2},
            {"orders": 2, "lists": ["garden", "tools"]},
        ],
    )
    found = _gaps(store, attributes, plan, {"en": message})
    assert sorted((one.values, one.customers) for one in found.gaps) == [
        (("first_name", "full_name"), 1),
        (("interests",), 1),
        (("orders",), 1),
    ]


def test_a_greeting_without_a_name_is_counted_as_the_sender_would_write_it(
    store: Store, attributes: Attributes
) -> None:
    rows: list[dict[str, Any]] = [
        {},
        {"gender": "female"},
        {"last_name": "Berg"},
        {"last_name": "Berg", "gender": "female"},
        {"last_name": "Berg", "gender": "other"},
        {"first_name": "Anna"},
        {"full_name": "Anna Berg"},
        {"locale": "ru", "patronymic": "Сергеевна"},
        {"locale": "ru", "full_name": "Анна"},
        {"locale": "zh-TW", "last_name": "王"},
        {"locale": "zh-TW", "gender": "female"},
    ]
    messages = {one: _email("[{{ salutation }}]", one, attributes) for one in ("en", "ru", "zh-TW")}
    plan = _plan(store, attributes, rows)
    found = _gaps(store, attributes, plan, messages)
    written = {"en": 0, "ru": 0, "zh-TW": 0}
    with store.read() as connection:
        values = variables.load(connection, attributes, range(1, len(rows) + 1), messages["en"].variables)
    for number, row in enumerate(rows, 1):
        locale = row.get("locale", "en")
        person = Recipient(number, "k", "a@example.com", locale, values[number])
        text = messages[locale].fill_parts(person, URLS).text
        written[locale] += any(f"[{neutral}]" in text for neutral in ("Hello", "Здравствуйте", "您好"))
    assert {one.locale: one.customers for one in found.gaps} == written == {"en": 4, "ru": 1, "zh-TW": 1}
    assert found.gaps[0].sentence() == '4 of 7 by email in en (57%) are greeted without a name: "Hello"'


def test_what_is_counted_as_refused_is_what_the_sender_refuses(store: Store, attributes: Attributes) -> None:
    message = _email("{{ full_name }} {{ first_name or last_name }}", "en", attributes)
    rows: list[dict[str, Any]] = [
        {"full_name": "A", "first_name": "B"},
        {"full_name": "A", "last_name": "B"},
        {"full_name": "A"},
        {"first_name": "B"},
        {},
    ]
    plan = _plan(store, attributes, rows)
    found = _gaps(store, attributes, plan, {"en": message})
    assert {(one.values, one.customers) for one in found.gaps if one.words is None} == {
        (("full_name",), 2),
        (("first_name", "last_name"), 2),
    }
    with store.read() as connection:
        values = variables.load(connection, attributes, range(1, 6), message.variables)
    refused = 0
    for number in range(1, 6):
        try:
            message.fill(Recipient(number, "k", "a@example.com", "en", values[number]), URLS)
        except RenderError:
            refused += 1
    assert refused == 3


def test_an_unknown_plan_has_no_gaps(store: Store, attributes: Attributes) -> None:
    assert _gaps(store, attributes, "nothing", {"en": _email("Hello", "en", attributes)}) == Gaps()


@pytest.mark.parametrize(
    ("body", "others"),
    [
        ('{{ full_name | title or "you" }}', {Others(("full_name",), "you")}),
        ('{{ full_name | default("you") }}', {Others(("full_name",), "you", empty=False)}),
        ("{{ first_name or full_name }}", {Others(("first_name", "full_name"), None)}),
        ('{% if vip or orders %}x{% endif %}{{ "a" }}', set()),
        ('{{ (full_name or "you") if vip else "" }}', {Others(("full_name",), "you")}),
        ('{% for one in interests %}{{ one or "x" }}{% endfor %}', set()),
        # Nobody reads what stands in a link.
        ('https://shop.example/?l={{ full_name or "x" }} {{ orders or "no" }}', {Others(("orders",), "no")}),
    ],
)
def test_the_rows_of_a_template_are_read_from_what_it_prints(
    attributes: Attributes, body: str, others: set[Others]
) -> None:
    assert _email(body, "en", attributes).others == others


def test_attributes_of_the_starter_are_those_of_the_tests(attributes: Attributes) -> None:
    names = {one.name for one in attributes.attributes if isinstance(one, Attribute)}
    assert {"full_name", "first_name", "last_name", "gender", "interests", "orders"} <= names
