"""A flow keeps the rules of countries as a campaign does: when a step decides by which channel, and when it writes."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from support.starter_shop import StarterShop, starter_workspace
from tidings.clock import FixedClock
from tidings.config.settings import load_settings
from tidings.store.database import Store
from tidings.store.tables import people, sending


def test_a_step_refuses_by_country_and_by_what_its_words_lack(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    root = starter_workspace(tmp_path / "shop")
    policies = root / "config" / "policies.yaml"
    policies.write_text(policies.read_text() + "rules: [cn]\nblocked_countries: [RU]\n")
    welcome = root / "flows" / "welcome.yaml"
    welcome.write_text(
        welcome.read_text()
        .replace("holdout: 10%", "holdout: none")
        .replace("via: [email, sms]", "via: email")
    )
    shop = StarterShop(store, clock, load_settings(root, "development", variables={}))
    countries = {"anna": None, "boris": "RU", "chen": "CN"}
    shop.live("welcome")
    for key, country in countries.items():
        shop.person(key)
        with store.durable("test") as connection:
            connection.execute(
                sa.update(people.customers).where(people.customers.c.key == key).values(country=country)
            )
    shop.at("03-02 10:30")
    for key in countries:
        shop.did(key, "order_placed", order_total=5000)
    shop.at("03-02 10:40", "03-03 10:41")
    found = {row[0]: row[4:] for row in shop.ledger() if row[1] == "hello"}
    assert found == {
        "anna": ("accepted", None),
        "boris": ("refused", "country_blocked"),
        "chen": ("refused", "missing_ad_label"),
    }
    messages = sending.messages
    with store.read() as connection:
        rules = set(
            connection.execute(
                sa.select(messages.c.refusal_rule).where(messages.c.refusal_code.is_not(None))
            ).scalars()
        )
    assert rules == {"blocked_countries", "rules/cn"}
