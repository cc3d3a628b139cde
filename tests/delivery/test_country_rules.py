"""The rules of countries: whom a plan leaves out for them, and which finished messages are not sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.country_shop import LETTER, open_shop
from tidings.clock import FixedClock
from tidings.delivery.verify import verify
from tidings.store.database import Store
from tidings.store.tables import people


@pytest.fixture
def sqlite_store(make_store: Callable[..., Store]) -> Store:
    """A store for what is asked of finished messages, which no database has a part in."""
    return make_store("sqlite")


def test_nothing_goes_to_a_blocked_country_when_planning_and_when_sending(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(store, clock, tmp_path, customers=4)
    shop.rules("blocked_countries: [KP, RU]")
    shop.give("c1", country="RU")
    shop.give("c2", phone="+79161234567")
    shop.give("c3", phone="+77011234567")
    _, members = shop.plan()
    assert members == {
        "c1": (None, "country_blocked"),
        "c2": (None, "country_blocked"),
        "c3": ("email", None),
        "c4": ("email", None),
    }
    run_id = shop.start()
    shop.give("c4", country="KP")
    found = shop.deliver(run_id)
    assert found["c3"] == [("email", "accepted", None, None)]
    assert found["c4"] == [("email", "refused", "country_blocked", "blocked_countries")]
    assert verify(store).broken == ()


def test_transactional_messages_go_to_a_blocked_country(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=1, purpose="receipt")
    policies = tmp_path / "config" / "policies.yaml"
    receipt = "purposes:\n  receipt: {class: transactional, consent: not needed}\n"
    policies.write_text(policies.read_text().replace("purposes:\n", receipt, 1))
    shop.rules("blocked_countries: [RU]")
    shop.give("c1", country="RU")
    assert shop.plan()[1] == {"c1": ("email", None)}


def test_carriers_that_want_a_registered_sender_get_none_of_another(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(store, clock, tmp_path, customers=3, via="[sms, email]", sms=["registered_in: [CN]"])
    shop.rules("rules: [tw, cn]")
    shop.give("c1", phone="+886911000001")
    shop.give("c2", phone="+8613800138000")
    shop.give("c3", phone="+46701740603")
    # By e-mail the pack asks for other things, which the letter has.
    assert {key: channel for key, (channel, _) in shop.plan()[1].items()} == {
        "c1": "email",
        "c2": "sms",
        "c3": "sms",
    }
    shop.letter("【Nordic Garden】Roses are here, reply STOP", "sms.en.txt")
    run_id = shop.start()
    shop.give("c3", phone="+886911000003")
    found = shop.deliver(run_id)
    assert found["c2"] == [("sms", "accepted", None, None)]
    assert found["c3"] == [
        ("sms", "refused", "sender_unverified", "rules/registered_sender"),
        ("email", "accepted", None, None),
    ]
    assert verify(store).broken == ()


@pytest.mark.parametrize("home", ["SE", None])
def test_of_whom_nothing_is_known_every_pack_asks(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path, home: str | None
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=1)
    shop.rules("rules: [cn]")
    if home is None:
        workspace = tmp_path / "config" / "workspace.yaml"
        lines = [line for line in workspace.read_text().splitlines() if not line.startswith("country:")]
        workspace.write_text("\n".join(lines) + "\n")
    refused = ("email", "refused", "missing_ad_label", "rules/cn")
    assert shop.deliver(shop.start())["c1"] == [
        refused if home is None else ("email", "accepted", None, None)
    ]


def test_an_address_that_is_none_is_refused_when_planning_and_when_sending(
    store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(store, clock, tmp_path, customers=4, via="[email, sms]")
    for key, address in (("c1", "nobody"), ("c2", "no body@shop.example")):
        shop.give(key, email=address)
    shop.give("c1", phone="+46701740601")
    members = shop.plan()[1]
    assert members["c1"] == ("sms", None)
    run_id = shop.start()
    shop.give("c3", email="gone")
    found = shop.deliver(run_id)
    # What only looks like an address is found out by whoever writes to it.
    assert found["c2"] == [("email", "refused", "invalid_address", "address/email")]
    assert found["c3"] == [("email", "refused", "invalid_address", "address/email")]
    assert found["c4"] == [("email", "accepted", None, None)]


TAIWAN = ["registered_in: [TW]", "links: [shop.example]", "options: {signature: Nordic Garden}"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Nordic Garden: roses at https://shop.example/r?{{ key }} now", None),
        ("Nordic Garden: roses at https://other.example/r?{{ key }} now", "link_not_registered"),
        # A short link leads over the workspace's own address, which is not registered.
        ("Nordic Garden: roses at https://shop.example/roses now", "link_not_registered"),
        ("Roses are here, says Nordic Garden", "missing_signature"),
    ],
)
def test_a_text_for_taiwan_is_signed_and_has_registered_links(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path, text: str, code: str | None
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=2, via="[sms, email]", sms=TAIWAN)
    shop.rules("rules: [tw]")
    shop.letter(text, "sms.en.txt")
    shop.give("c1", phone="+886911000001")
    shop.give("c2", phone="+46701740602")
    found = shop.deliver(shop.start())
    assert found["c2"] == [("sms", "accepted", None, None)]
    if code is None:
        assert found["c1"] == [("sms", "accepted", None, None)]
    else:
        assert found["c1"] == [("sms", "refused", code, "rules/tw"), ("email", "accepted", None, None)]


def test_a_link_that_no_carrier_knows_is_not_sent(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=1, via="sms", sms=TAIWAN)
    shop.rules("rules: [tw]")
    shop.letter("Nordic Garden: https://other.example/{{ key }}", "sms.en.txt")
    shop.give("c1", phone="+886911000001")
    assert shop.deliver(shop.start())["c1"] == [("sms", "refused", "link_not_registered", "rules/tw")]


def test_a_text_without_the_senders_name_is_not_sent(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=1, via="sms", sms=["registered_in: [CN]"])
    shop.rules("rules: [cn]")
    shop.give("c1", phone="+8613800138000")
    assert shop.deliver(shop.start())["c1"] == [("sms", "refused", "missing_signature", "rules/cn")]


@pytest.mark.parametrize("subject", ["AD: News", "[AD] News", "广告 News", "{{ email }} News", "Advent"])
def test_an_advertisement_for_china_says_so_in_its_subject(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path, subject: str
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=2)
    shop.rules("rules: [cn]")
    shop.letter(LETTER.replace("News", subject, 1))
    shop.give("c1", country="CN", email="ad@customers.example")
    shop.give("c2", country="CN")
    found = shop.deliver(shop.start())
    refused = [("email", "refused", "missing_ad_label", "rules/cn")]
    sent = [("email", "accepted", None, None)]
    if subject.startswith("{{"):
        # `ad@…` begins with AD and goes out, `c2@…` does not: each subject is looked at.
        assert found == {"c1": sent, "c2": refused}
    else:
        assert set(map(tuple, found.values())) == {tuple(refused if subject == "Advent" else sent)}


@pytest.mark.parametrize(
    ("name", "code"), [("postal_address", "missing_footer"), ("unsubscribe_url", "missing_unsubscribe")]
)
@pytest.mark.parametrize("html", [False, True])
def test_what_stands_in_a_letter_for_some_only_is_missed_by_the_others(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path, name: str, code: str, html: bool
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=3)
    shop.rules("rules: [us]")
    hole, some = f"{{{{ {name} }}}}", f"{{% if key == 'c1' %}}{{{{ {name} }}}}{{% endif %}}"
    shop.letter(LETTER if html else LETTER.replace(hole, some))
    if html:
        page = f'<html lang="en"><body><p>Hello 花</p>{LETTER.partition("Hello.")[2]}</body></html>'
        shop.letter(page.replace(hole, some), "email.en.html")
    for key in ("c1", "c2"):
        shop.give(key, country="US")
    found = shop.deliver(shop.start())
    assert found["c1"] == [("email", "accepted", None, None)]
    assert found["c2"] == [("email", "refused", code, "rules/us")]
    assert found["c3"] == [("email", "accepted", None, None)]


def test_a_letter_without_its_footer_is_not_sent(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    # Of a service message nothing else asks for the address.
    shop = open_shop(sqlite_store, clock, tmp_path, customers=1, purpose="service")
    shop.rules("rules: [ca]")
    shop.letter("Subject: News\n\nHello. {{ unsubscribe_url }}\n")
    shop.give("c1", phone="+14165550123")
    assert shop.deliver(shop.start())["c1"] == [("email", "refused", "missing_footer", "rules/ca")]


def test_a_letter_that_nobody_can_leave_by_is_not_sent(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=2, purpose="service")
    shop.rules("rules: [ca]")
    shop.letter("Subject: News\n\nHello. {{ postal_address }}\n")
    shop.give("c1", phone="+14165550123")
    shop.give("c2", phone="+12125550123")
    found = shop.deliver(shop.start())
    assert found["c1"] == [("email", "refused", "missing_unsubscribe", "rules/ca")]
    assert found["c2"] == [("email", "accepted", None, None)]


def test_a_workspace_without_rules_asks_for_nothing_more(
    sqlite_store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_store, clock, tmp_path, customers=1, via="sms")
    shop.give("c1", phone="+8613800138000", country="CN")
    with sqlite_store.durable("test") as connection:
        connection.execute(sa.update(people.customers).values(email=None))
    assert shop.deliver(shop.start())["c1"] == [("sms", "accepted", None, None)]
