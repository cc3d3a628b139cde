"""The starter flows walked by people of the shop for days: who gets what, by which channel, at which hour."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.starter_shop import StarterShop, load_starter
from tidings.clock import FixedClock
from tidings.config.settings import Settings
from tidings.store.database import Store
from tidings.store.tables import people, sending

# The clock begins on Tuesday, 2 March 2027, 10:00 in Stockholm.
LONG_AGO = timedelta(days=200)
on_both = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_starter(tmp_path_factory.mktemp("starter") / "shop")


@pytest.fixture
def dialect() -> str:
    """SQLite, but for the tests that ask for both: what a walk does is the same on either, and shown so for random flows."""
    return "sqlite"


@pytest.fixture
def shop(store: Store, clock: FixedClock, starter: Settings) -> StarterShop:
    shutil.rmtree(starter.data_dir, ignore_errors=True)
    return StarterShop(store, clock, starter)


def treated(shop: StarterShop) -> list[str]:
    return [key for key, arm in shop.arms().items() if arm == "treated"]


@on_both
def test_welcome_says_hello_a_day_later_by_day_and_speaks_again_only_to_who_did_not_order_again(
    shop: StarterShop,
) -> None:
    shop.live("welcome")
    keys = [f"new{n:02}" for n in range(40)]
    for key in keys:
        shop.person(key, reached_by=("sms",) if key == "new00" else ("email", "sms"))
    shop.at("03-02 21:30")
    for key in keys:
        shop.did(key, "order_placed", order_total=5000)
    shop.at("03-02 21:40")
    silent = [key for key in keys if key not in treated(shop)]
    assert set(shop.arms()) == set(keys) and silent
    by_email = [key for key in treated(shop) if key != "new00"]
    text = [key for key in treated(shop) if key == "new00"]
    # A day after 21:40 is night; nobody is written to before nine, and to who has no mailbox a text goes.
    shop.at("03-03 21:41")
    assert shop.sent() == []
    shop.at("03-04 09:00")
    hello = [(key, "hello", "email", "03-04 09:00") for key in by_email]
    assert sorted(shop.sent(*by_email)) == hello
    assert shop.sent(*text) == [(key, "hello", "sms", "03-04 09:00") for key in text]
    again, sorry, *others = by_email
    shop.at("03-06 12:00")
    shop.did(again, "order_placed", order_total=9000)
    shop.did(sorry, "complaint_opened")
    shop.at("03-13 21:50", "03-14 10:00")
    assert {row[0] for row in shop.sent() if row[1] == "first_weeks"} == set(others)
    assert {row[3] for row in shop.sent() if row[1] == "first_weeks"} == {"03-13 21:50"}
    ended = {key: outcome for key, _, outcome in shop.outcomes(sorry, again)}
    assert ended == {sorry: "left", again: "finished"}
    assert shop.sent(*silent) == [] and shop.sound()


def test_win_back_goes_from_letter_to_text_to_fax_until_somebody_clicks_or_orders(shop: StarterShop) -> None:
    shop.live("winback_ladder")
    keys = [f"quiet{n:02}" for n in range(24)]
    last = shop.clock.now().date() - timedelta(days=120)
    for number, key in enumerate(keys):
        shop.person(key, last_order_at=last, account_type="business" if number % 2 else "person")
        for ago in (LONG_AGO, 2 * LONG_AGO):
            shop.did(key, "order_placed", ago=ago, order_total=5000)
    shop.at("03-02 12:00")
    inside = treated(shop)
    silent = [key for key in keys if key not in inside]
    assert set(shop.arms()) == set(keys) and silent
    assert shop.sent() == [(key, "letter", "email", "03-02 12:00") for key in inside]
    clicker, buyer, *rest = inside
    shop.at("03-03 15:00")
    shop.click(clicker, "letter")
    shop.did(buyer, "order_placed", order_total=7000)
    shop.at("03-03 15:01")
    assert shop.sent(clicker)[1:] == [(clicker, "thanks", "email", "03-03 15:01")]
    shop.at("03-05 12:00", "03-05 12:01")
    assert {row for row in shop.sent() if row[1] == "text"} == {
        (key, "text", "sms", "03-05 12:00") for key in rest
    }
    shop.at("03-09 12:00", "03-09 12:01", "03-20 12:00")
    firms = {key for key in rest if int(key[-2:]) % 2}
    assert {row for row in shop.sent() if row[1] == "sheet"} == {
        (key, "sheet", "fax", "03-09 12:00") for key in firms
    }
    assert [row[1] for row in shop.sent(buyer)] == ["letter"]
    assert [outcome for _, _, outcome in shop.outcomes(clicker)] == ["finished"]
    assert [outcome for _, _, outcome in shop.outcomes(buyer)] == ["left"]
    # Who was held out walked the same way and got nothing.
    assert shop.sent(*silent) == [] and {one[2] for one in shop.outcomes(*silent)} == {"finished"}
    assert len(shop.pieces("tif")) == len(firms) and shop.sound()


def test_a_basket_left_for_two_hours_is_reminded_of_and_a_dear_one_gets_a_coupon(shop: StarterShop) -> None:
    shop.live("basket")
    for key in ("anna", "bert", "carl", "dora", "emil"):
        shop.person(key)
    shop.at("03-02 11:00")
    for key, cents in (("anna", 9000), ("bert", 4000), ("carl", 9000), ("dora", 2000), ("emil", 9000)):
        shop.did(key, "basket_updated", basket_total=cents)
    shop.at("03-02 12:30")
    shop.did("anna", "basket_updated", basket_total=9500)
    shop.did("carl", "order_placed", order_total=9000)
    shop.at("03-02 13:00", "03-02 14:00")
    # Two hours count from the last change: those of Anna are not over.
    inside = treated(shop)
    assert shop.sent("anna") == []
    shop.at("03-02 14:30")
    due = {"anna": "03-02 14:30", "bert": "03-02 13:00", "emil": "03-02 13:00"}
    assert {(row[0], row[3]) for row in shop.sent()} == {
        (key, at) for key, at in due.items() if key in inside
    }
    assert {row[1] for row in shop.sent()} <= {"reminder"}
    # The reminder says what the basket was worth when it was left.
    messages, customers = sending.messages, people.customers
    with shop.store.read() as connection:
        query = sa.select(customers.c.key, messages.c.variables).join(
            customers, customers.c.id == messages.c.customer_id
        )
        worth = {key: named["basket_total"] for key, named in connection.execute(query)}
    assert worth == {
        key: cents for key, cents in (("anna", 9500), ("bert", 4000), ("emil", 9000)) if key in inside
    }
    shop.at("03-03 10:00")
    shop.did("emil", "basket_emptied")
    shop.at("03-03 13:00", "03-03 14:30", "03-03 20:00")
    coupons = {(row[0], row[2], row[3]) for row in shop.sent() if row[1] == "coupon"}
    assert coupons == {("anna", "email", "03-03 14:30")} & {(key, "email", "03-03 14:30") for key in inside}
    assert {one[0]: one[2] for one in shop.outcomes()} == {
        "anna": "finished", "bert": "finished", "carl": "left", "emil": "left",
    }  # fmt: skip
    assert shop.sent("carl", "dora") == [] and shop.sound()


def test_the_cap_of_marketing_keeps_a_second_flow_from_writing_on_the_same_day(shop: StarterShop) -> None:
    shop.live("basket")
    shop.live("care_before")
    for n in range(8):
        shop.person(f"eager{n}")
    shop.at("03-02 11:00")
    for n in range(8):
        shop.did(f"eager{n}", "advice_asked", about="roses")
        shop.did(f"eager{n}", "basket_updated", basket_total=5000)
    shop.at("03-02 11:01", "03-02 11:30", "03-02 13:00", "03-02 20:00", "03-03 09:00")
    for n in range(8):
        key = f"eager{n}"
        days = [row[3][:5] for row in shop.sent(key)]
        assert len(days) == len(set(days)), "two marketing messages on one day"
    assert any(row[3] == "frequency_cap" for row in shop.refused()) and shop.sound()


@on_both
def test_texts_that_come_due_at_night_wait_for_the_morning_where_each_customer_is(shop: StarterShop) -> None:
    shop.live("basket")
    zones = {"stina": "Europe/Stockholm", "bo": "America/New_York", "yiling": "Asia/Taipei"}
    for n in range(5):
        for key, zone in zones.items():
            shop.person(f"{key}{n}", zone=zone, reached_by=("sms",), agreed=("sms",))
    shop.at("03-02 17:00")
    for n in range(5):
        for key in zones:
            shop.did(f"{key}{n}", "basket_updated", basket_total=9000)
    # The reminder goes by e-mail only, which nobody here has; a day later a coupon goes by text, due at 19:00 in Stockholm:
    # that is 13:00 in New York and 02:00 in Taipei.
    shop.at("03-02 19:00", "03-03 19:00", "03-03 19:01")
    inside = treated(shop)
    assert {row[1:] for row in shop.refused(*inside)} == {("reminder", "email", "no_address")}
    awake = {(key, "coupon", "sms", "03-03 19:00") for key in inside if not key.startswith("yiling")}
    assert set(shop.sent()) == awake
    # Nine o'clock in Taipei is two in Stockholm.
    shop.at("03-04 01:59")
    assert set(shop.sent()) == awake
    shop.at("03-04 02:00", "03-04 03:00")
    later = {(key, "coupon", "sms", "03-04 02:00") for key in inside if key.startswith("yiling")}
    assert later and set(shop.sent()) == awake | later and shop.sound()


def test_the_copied_workspace_is_the_one_at_the_root(starter: Settings) -> None:
    assert len(starter.definitions.flows) == 8 and starter.definitions.policies.quiet
    assert Path(starter.definitions.root).name == "shop"
