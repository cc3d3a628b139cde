"""Why somebody got nothing for the rules of countries, each with the value that decided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.country_shop import CountryShop, open_shop
from tidings.clock import FixedClock, to_micros
from tidings.flows.explaining.answering import explain
from tidings.flows.explaining.facts import Fact
from tidings.store.database import Store
from tidings.store.tables import people


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """A store: an explanation reads rows, whatever database has them."""
    return make_store("sqlite")


def why(shop: CountryShop, key: str) -> dict[str, Fact]:
    """Return the facts about a customer and the campaign, by what each is about."""
    found = explain(shop.store, shop.settings.definitions, key, "news", clock=shop.clock)
    return {one.what: one for chapter in found.chapters for one in chapter.facts}


def test_a_blocked_country_is_told_with_how_it_is_known(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(store, clock, tmp_path, customers=4)
    shop.rules("blocked_countries: [RU]\nrules: [us]")
    shop.give("c1", phone="+79161234567")
    shop.give("c3", country="US")
    run_id = shop.start()
    shop.give("c2", country="RU")
    shop.deliver(run_id)
    planned, sent = why(shop, "c1"), why(shop, "c2")
    assert (
        planned["country"].text
        == "e-mail: RU (by the number), which `blocked_countries` of the policies names"
    )
    assert "country_blocked" in planned["refused"].text
    assert sent["country"].text == "RU (by the attribute), which `blocked_countries` of the policies names"
    assert (sent["country"].verdict, sent["consent"].verdict) == ("against", "passed")
    assert sent["refused"].data == {
        "code": "country_blocked",
        "rule": "blocked_countries",
        "planning": False,
    }
    assert why(shop, "c3")["country"].text == "US (by the attribute), rules kept: us"
    kept = why(shop, "c4")["country"]
    assert kept.text == "SE (the workspace's, for want of another), no pack of rules is about it"
    assert kept.verdict == "passed"


def test_a_sender_that_is_not_registered_and_words_that_lack_something_are_told(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(store, clock, tmp_path, customers=2, via="sms", sms=["registered_in: [TW]"])
    shop.rules("rules: [tw, cn]")
    shop.give("c1", phone="+8613800138000")
    shop.give("c2", phone="+886911000001")
    shop.deliver(shop.start())
    told = why(shop, "c1")
    assert "the sender by SMS is not registered there (`registered_in`)" in told["country"].text
    assert "sender_unverified" in told["refused"].text
    told = why(shop, "c2")
    assert told["country"].text == "TW (by the number), rules kept: tw"
    assert told["refused"].data["rule"] == "rules/tw"
    assert "missing_signature" in told["refused"].text
    assert told["to do"].text.startswith("Begin the text with the name")


def test_a_number_on_a_list_is_told_with_the_list(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    shop = open_shop(store, clock, tmp_path, customers=1, via="sms", purpose="cold")
    policies = tmp_path / "config" / "policies.yaml"
    cold = "purposes:\n  cold: {class: marketing, consent: not needed}\n"
    policies.write_text(policies.read_text().replace("purposes:\n", cold, 1))
    shop.give("c1", phone="+46701740601")
    now = to_micros(clock.now())
    with store.durable("test") as connection:
        one = connection.execute(sa.select(people.customers.c.phone_hash)).scalar_one()
        brought = connection.execute(
            people.imports.insert()
            .values(mapping="nix", file="f", fingerprint="f", state="finished", counts={}, started_at=now, updated_at=now)
            .returning(people.imports.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            people.listed_numbers.insert().values(
                channel="sms", address_hash=one, mapping="nix", import_id=brought, listed_at=now
            )
        )
    shop.plan()
    told = why(shop, "c1")
    assert told["consent"].text.startswith(
        "SMS: never agreed to cold by SMS, and the number is on the list nix since 2027"
    )
    assert "dnc_listed" in told["refused"].text
