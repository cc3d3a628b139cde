"""`tidings preview` and `tidings send-test` say for what the rules of countries would refuse a message, and refuse none."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import Shop, new_shop

CAMPAIGN = "campaign: News\npurpose: marketing\nto: everybody\nsend: news\nvia: email\nholdout: none\n"
LETTER = "Subject: News\n\nHello.\n{{ postal_address }}\n{{ unsubscribe_url }}\n"
LACK = "would be refused (missing_ad_label, rules/cn): subject: does not begin with AD"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that keeps the rules of China and of Russia, and whose news is not labelled."""
    shop = new_shop(tmp_path_factory.mktemp("rules") / "shop")
    root: Path = shop.root
    (root / "campaigns" / "news.yaml").write_text(CAMPAIGN)
    (root / "segments" / "everybody.yaml").write_text("segment: Everybody\nwhere:\n  - email: known\n")
    (root / "templates" / "news").mkdir()
    (root / "templates" / "news" / "email.en.txt").write_text(LETTER)
    policies = root / "config" / "policies.yaml"
    policies.write_text(policies.read_text() + "\nrules: [cn, ru]\n")
    people = root / "people.csv"
    people.write_text("id,email,country\nC-CN,a@example.com,CN\nC-SE,b@example.com,SE\n")
    (root / "people.yaml").write_text(
        "import: People\nkind: customers\ncustomer: id\nfields: {email: email, country: country}\n"
    )
    shop.ok("migrate", "--yes")
    shop.ok("import", "people.csv", "--as", "people.yaml")
    return shop


def test_a_preview_says_what_the_country_of_the_customer_asks(shop: Shop) -> None:
    told = shop.ok("preview", "news", "--customer", "C-CN", "--json").data
    assert [(one["rule"], one["code"], one["lack"] is None) for one in told["rules"]] == [
        ("rules/cn", "missing_unsubscribe", True),
        ("rules/cn", "missing_ad_label", False),
    ]
    assert told["would_refuse"] == [LACK]
    page = shop.ok("preview", "news", "--customer", "C-CN").out
    assert f"warning: {LACK}" in page
    assert "Rules      rules/cn has a way to leave in every part" in page
    other = shop.ok("preview", "news", "--customer", "C-SE").out
    assert "refused" not in other and "Rules" not in other


def test_a_test_says_it_of_every_pack_and_goes_out_all_the_same(shop: Shop) -> None:
    told = shop.ok("send-test", "news", "--to", "me@shop.example", "--json").data
    (one,) = told["sent"]
    assert (one["outcome"], one["would_refuse"]) == ("accepted", [LACK])
    assert f"by a run it {LACK}" in shop.ok("send-test", "news", "--to", "me@shop.example").out
    mine = shop.ok("send-test", "news", "--to", "me@shop.example", "--customer", "C-SE", "--json").data
    assert mine["sent"][0]["would_refuse"] == []


def test_the_gallery_says_it_beside_each_message(shop: Shop) -> None:
    (card,) = shop.ok("preview", "news", "--json").data["cards"]
    assert LACK in card["notes"]
    assert "by rules/cn has a way to leave in every part" in card["facts"]
