"""What the rules of countries ask before a run is what the run then refuses; for nobody in particular every pack asks."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from support.country_shop import LETTER, CountryShop, open_shop
from tidings.customers.countries import number_column
from tidings.delivery.asked_ahead import Asked, Somewhere, asked_ahead, kept_line, lack_lines
from tidings.delivery.wordings import FORMS, Task, compile_wording
from tidings.store.tables import people
from tidings.templates.sources import read_sources

BARE = LETTER.replace("{{ postal_address }}", "{% if vip %}{{ postal_address }}{% endif %}")
LABELLED = LETTER.replace("Subject: News", "Subject: AD News")


def asked(shop: CountryShop, reader: Somewhere, kind: str = "email") -> tuple[Asked, ...]:
    """Ask of the news, in English, for a reader."""
    definitions = shop.settings.definitions
    campaign, channel = definitions.campaigns["news"], definitions.channels[kind]
    task = Task(definitions, "news", read_sources(Path(definitions.root), "news"), "test", shop.clock)
    wording = compile_wording(task, channel, FORMS[kind][0], None, "en")
    return asked_ahead(definitions, campaign, channel, wording.compiled, {}, reader)


def where(shop: CountryShop, key: str, kind: str) -> Somewhere:
    with shop.store.read() as connection:
        return Somewhere(
            *connection.execute(
                sa.select(people.customers.c.country, number_column(kind)).where(
                    people.customers.c.key == key
                )
            ).one()
        )


@pytest.mark.parametrize(
    ("kind", "letter", "sms"),
    [
        ("email", BARE, ()),
        ("email", LETTER, ()),
        ("email", LABELLED, ()),
        ("sms", LETTER, ()),
        ("sms", LETTER, ("registered_in: [TW, CN]", "options: {signature: 【Nordic】}")),
    ],
)
def test_what_is_lacking_before_is_what_the_run_refuses(
    make_store, clock, tmp_path, kind, letter, sms
) -> None:
    shop = open_shop(make_store("sqlite"), clock, tmp_path, customers=5, via=kind, sms=sms)
    shop.rules("rules: [tw, cn, us]\nblocked_countries: [KP]")
    shop.letter(letter)
    places = [("TW", "+886912345678"), ("CN", "+8613812345678"), ("US", "+12025550123"), ("SE", "+46701740601"), ("KP", "+46701740602")]  # fmt: skip
    for number, (country, phone) in enumerate(places, 1):
        shop.give(f"c{number}", country=country, phone=phone)
    expected = {}
    for number in range(1, 6):
        key = f"c{number}"
        found = asked(shop, where(shop, key, kind), kind)
        lacks = [one.code for one in found if one.lack]
        assert len(lack_lines(found)) == len(lacks)
        expected[key] = set(lacks)
    plan = shop.plan()[1]
    sent = shop.deliver(shop.start())
    for key, lacks in expected.items():
        refused = plan[key][1] or next((code for _, _, code, _ in sent.get(key, ()) if code), None)
        assert (refused in lacks) if lacks else refused is None, (key, lacks, plan[key], sent.get(key))
    assert expected["c4"] == set() and expected["c5"] == {"country_blocked"}


def test_a_message_for_nobody_in_particular_is_asked_by_every_pack_and_blocked_nowhere(
    make_store, clock, tmp_path
) -> None:
    shop = open_shop(make_store("sqlite"), clock, tmp_path, customers=1)
    assert asked(shop, Somewhere(anywhere=True)) == ()
    shop.rules("rules: [us, cn, eu]\nblocked_countries: [KP]")
    shop.letter(BARE)
    found = asked(shop, Somewhere(anywhere=True))
    assert lack_lines(found) == [
        "would be refused (missing_footer, rules/us and rules/eu): footer: the postal address is not in every part",
        "would be refused (missing_ad_label, rules/cn): subject: does not begin with AD",
    ]
    assert kept_line(found) == (
        "rules/us has a way to leave in every part; rules/cn has a way to leave in every part; "
        "rules/eu has a way to leave in every part"
    )
    assert found[0].as_json() == {
        "rule": "rules/us", "code": "missing_footer", "wants": "the postal address in every part",
        "lack": "footer: the postal address is not in every part",
    }  # fmt: skip
    assert [one.code for one in asked(shop, Somewhere("KP"))] == ["country_blocked"]
    assert [one.rule for one in asked(shop, Somewhere("DE"))] == ["rules/eu"] * 2
