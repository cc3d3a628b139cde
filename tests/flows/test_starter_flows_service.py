"""The starter flows that end with people: renewals with the dealer's fax and a call, care around a purchase, prospects for sales."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from click.testing import CliRunner

from support.starter_shop import StarterShop, load_starter
from tidings.cli.tasks import command as tasks_command
from tidings.clock import FixedClock
from tidings.config.settings import Settings
from tidings.store.database import Store

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


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch, shop: StarterShop):
    """Run `tidings tasks …` on the store of the test; return what it printed."""
    from contextlib import contextmanager
    from types import SimpleNamespace

    from tidings.cli import session

    @contextmanager
    def opened(*_: object, **__: object):
        yield SimpleNamespace(store=shop.store, settings=shop.settings, clock=shop.clock)

    monkeypatch.setattr(session, "open_session", opened)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(tasks_command, list(arguments), standalone_mode=False)
        assert result.exception is None, result.exception
        return result.output

    return run


@on_both
def test_three_contracts_of_one_customer_are_renewed_one_by_one_and_a_dealer_gets_one_fax(
    shop: StarterShop,
) -> None:
    shop.person("dealer1", agreed=())
    for key in ("three", "one", "small"):
        shop.person(
            key,
            agreed=(),
            dealer="dealer1",
            account_manager="chen",
            preferred_channel="sms" if key == "one" else None,
        )
    shop.person("alone", agreed=(), reached_by=("sms", "fax"))
    shop.live("contract_renewal")

    def sign(key: str, contract: str, ends: str, euros: int) -> None:
        shop.did(
            key, "contract_signed", ago=timedelta(hours=1), contract=contract, contract_ends_on=ends,
            contract_value=euros * 100,
        )  # fmt: skip

    # Sixty days before 2 May is 3 March, before 9 May it is 10 March.
    sign("three", "A", "2027-05-02", 60_000)
    sign("three", "B", "2027-05-02", 1_000)
    sign("three", "C", "2027-05-09", 90_000)
    sign("one", "D", "2027-05-02", 55_000)
    sign("small", "E", "2027-05-02", 100)
    sign("alone", "F", "2027-05-02", 100)
    shop.at("03-02 12:00", "03-03 09:00", "03-03 09:30")
    first = shop.sent()
    assert [(key, step, channel) for key, step, channel, _ in first] == [
        ("alone", "first_letter", "sms"), ("one", "first_letter", "sms"), ("small", "first_letter", "email"),
        ("three", "first_letter", "email"), ("three", "first_letter", "email"),
    ]  # fmt: skip
    assert {hour[:5] for *_, hour in first} == {"03-03"}
    # Three days on, one fax tells the dealer of all whose contracts end that day.
    shop.at("03-06 09:30", "03-06 09:31")
    faxes = [row for row in shop.sent("dealer1")]
    assert [row[:3] for row in faxes] == [("dealer1", "dealer_sheet", "fax")]
    assert len(shop.pieces("tif")) == 1
    assert subjects(shop) == {"dealer1": ["one", "small", "three", "three"]}
    # The third contract, a week later, is a journey of its own.
    shop.at("03-10 09:30", "03-13 09:30")
    assert [row[1] for row in shop.sent("three")] == ["first_letter"] * 3
    assert len(shop.sent("dealer1")) == 2
    # A is renewed: B and C of the same customer go on.
    shop.at("03-15 10:00")
    shop.did("three", "contract_renewed", contract="A")
    shop.at("03-20 09:30", "03-20 09:31")
    # Saturday the 20th: workdays are Monday and Tuesday. A left, B, E and F are not worth a call.
    # The customer's own contact is Chen, as the attribute says.
    assert shop.tasks() == [("one", "chen", "open", "03-23 09:30")]
    assert [to for to, _ in shop.mail_tasks()] == ["chen@nordicgarden.example"]
    shop.at("03-23 09:31")
    told = shop.mail_tasks()
    assert [to for to, _ in told if "service@" in to] == ["service@nordicgarden.example"] and len(told) == 2
    assert len(shop.mail_tasks()) == 2
    shop.at("03-27 09:30", "04-25 09:00", "05-02 09:00", "05-03 12:00")
    assert [row[:3] for row in shop.tasks()] == [("one", "chen", "open"), ("three", "chen", "open")]
    # The last notice comes seven days before the end, for all that was not renewed.
    assert [row for row in shop.sent() if row[1] == "last_notice"] == [
        (key, "last_notice", "sms", "04-25 09:00") for key in ("alone", "one", "small", "three")
    ] + [("three", "last_notice", "sms", "05-02 09:00")]
    assert sorted(outcome for _, _, outcome in shop.outcomes("three")) == ["finished", "finished", "left"]
    assert shop.sound()


def subjects(shop: StarterShop) -> dict[str, list[str]]:
    """Return whom the messages to dealers were about."""
    import sqlalchemy as sa

    from tidings.store.tables import journeys, people, sending

    about, whose = people.customers.alias("about"), people.customers.alias("whose")
    rows = journeys.message_subjects
    with shop.store.read() as connection:
        found = connection.execute(
            sa.select(whose.c.key, about.c.key)
            .select_from(
                rows.join(sending.messages, sending.messages.c.id == rows.c.message_id)
                .join(whose, whose.c.id == sending.messages.c.customer_id)
                .join(sending.enrolments, sending.enrolments.c.id == rows.c.enrolment_id)
                .join(about, about.c.id == sending.enrolments.c.customer_id)
            )
            .order_by(whose.c.key, about.c.key)
        ).all()
    told: dict[str, list[str]] = {}
    for key, one in found:
        told.setdefault(key, []).append(one)
    return told


def test_care_before_a_purchase_answers_who_asks_and_calls_who_is_dear(shop: StarterShop) -> None:
    shop.live("care_before")
    keys = [f"asker{n:02}" for n in range(30)]
    for number, key in enumerate(keys):
        shop.person(key, vip=number % 2 == 0)
    shop.at("03-02 11:00")
    for key in keys:
        shop.did(key, "advice_asked", about="roses")
    shop.at("03-02 11:10", "03-02 11:20")
    shop.did(keys[0], "advice_asked", about="tulips")
    shop.at("03-02 11:30")
    inside = [key for key, arm in shop.arms().items() if arm == "treated"]
    # Half an hour after the LAST question.
    at_once = [key for key in inside if key != keys[0]]
    assert shop.sent() == [(key, "guide", "email", "03-02 11:30") for key in at_once]
    shop.at("03-02 11:50", "03-04 09:00")
    dear = next(key for key in at_once if int(key[-2:]) % 2 == 0)
    plain, buyer, *rest = [key for key in at_once if int(key[-2:]) % 2]
    shop.click(dear, "guide")
    shop.click(plain, "guide")
    shop.did(buyer, "order_placed", order_total=5000)
    shop.at("03-04 09:01")
    assert shop.sent(plain)[1:] == [(plain, "examples", "email", "03-04 09:01")]
    assert shop.tasks() == [(dear, "care_team", "open", "03-05 09:01")]
    shop.at("03-06 11:30", "03-06 11:50", "03-06 11:51")
    second = {row[0] for row in shop.sent() if row[1] == "second_try"}
    assert second == set(inside) - {dear, plain, buyer} and set(rest) <= second
    assert [row[1] for row in shop.sent(buyer)] == ["guide"]
    assert shop.sent(*set(keys) - set(inside)) == [] and shop.sound()


def test_care_during_a_purchase_follows_the_parcel_by_day_and_tells_the_staff_of_a_late_one(
    shop: StarterShop,
) -> None:
    shop.live("care_during")
    for key in ("prompt", "late", "undone", "mobile"):
        shop.person(key, agreed=(), reached_by=("sms",) if key == "mobile" else ("email", "sms"))
    shop.at("03-02 18:00")
    for key in ("prompt", "late", "undone", "mobile"):
        shop.did(key, "order_placed", order=f"{key}-1", order_total=5000)
    shop.at("03-02 18:01", "03-02 19:00")
    assert {row[:3] for row in shop.sent()} == {
        ("prompt", "on_its_way", "email"), ("late", "on_its_way", "email"), ("undone", "on_its_way", "email"),
        ("mobile", "on_its_way", "sms"),
    }  # fmt: skip
    # Nobody is held out of what somebody who ordered needs to know.
    assert set(shop.arms().values()) == {"treated"}
    # Who orders again while a parcel is on its way hears of that order, too; what is told twice of one order starts nothing.
    shop.at("03-03 10:00")
    shop.did("prompt", "order_placed", order="prompt-2", order_total=5000)
    shop.did("late", "order_placed", order="late-1", order_total=5000)
    shop.at("03-03 10:01", "03-03 11:00")
    assert shop.sent("prompt")[1:] == [("prompt", "on_its_way", "email", "03-03 11:00")]
    assert [row[1] for row in shop.sent("late")] == ["on_its_way"] and len(shop.outcomes("late")) == 1
    shop.at("03-03 12:00")
    shop.did("prompt", "order_returned", order="prompt-2", order_total=5000)
    shop.at("03-04 22:00")
    # Of the order that came back nobody hears again; of the other one all goes on.
    shop.did("prompt", "order_delivered", order="prompt-2")
    shop.did("prompt", "order_delivered", order="prompt-1")
    shop.did("undone", "order_returned", order="undone-1", order_total=5000)
    shop.at("03-04 22:01", "03-05 08:59")
    assert [row[1] for row in shop.sent("prompt")] == ["on_its_way"] * 2
    shop.at("03-05 09:00")
    assert shop.sent("prompt")[2:] == [("prompt", "arrived", "sms", "03-05 09:00")]
    shop.at("03-10 19:00", "03-10 19:01")
    # One workday after Wednesday evening; care works on Saturdays, too.
    assert shop.tasks() == [
        ("late", "care_team", "open", "03-11 19:00"), ("mobile", "care_team", "open", "03-11 19:00"),
    ]  # fmt: skip
    assert sorted((key, outcome) for key, _, outcome in shop.outcomes()) == [
        ("late", "finished"), ("mobile", "finished"), ("prompt", "finished"), ("prompt", "left"), ("undone", "left"),
    ]  # fmt: skip
    shop.did("late", "order_placed", order="late-2", order_total=5000)
    shop.at("03-10 19:02", "03-10 20:01")
    assert [row[1] for row in shop.sent("late")] == ["on_its_way"] * 2 and len(shop.outcomes("late")) == 2
    assert shop.sound()


def test_care_after_a_purchase_comes_ten_and_forty_days_later_in_one_of_two_ways(shop: StarterShop) -> None:
    shop.live("care_after")
    keys = [f"grower{n:02}" for n in range(30)]
    for key in keys:
        shop.person(key)
    shop.at("03-02 11:00")
    for key in keys:
        shop.did(key, "order_delivered")
    shop.at("03-02 11:01")
    inside = [key for key, arm in shop.arms().items() if arm == "treated"]
    shop.at("03-12 11:00")
    assert shop.sent() == [(key, "tending", "email", "03-12 11:00") for key in inside]
    unhappy, *rest = inside
    shop.did(unhappy, "complaint_opened")
    # Thirty days keep the hour, though the clocks are set forward between.
    shop.at("04-11 10:59", "04-11 11:00", "04-11 11:01")
    ways = {row[0]: row[1] for row in shop.sent() if row[1] != "tending"}
    assert set(ways) == set(rest) and set(ways.values()) == {"with_tips", "plain"}
    assert {row[3] for row in shop.sent() if row[1] != "tending"} == {"04-11 11:00"}
    assert shop.sent(*set(keys) - set(inside)) == [] and shop.sound()


@on_both
def test_a_prospect_who_clicks_goes_to_sales_which_accepts_returns_or_lets_it_lie(
    shop: StarterShop, tasks
) -> None:
    shop.live("prospect_handover")
    keys = [f"card{n:02}" for n in range(16)]
    for key in keys:
        shop.person(key)
        shop.list_into(key, "prospects")
    shop.at("03-02 12:00")
    inside = [key for key, arm in shop.arms().items() if arm == "treated"]
    assert shop.sent() == [(key, "introduction", "email", "03-02 12:00") for key in inside]
    taken, returned, lying, buyer, *cold = inside
    shop.at("03-04 14:00")
    for key in (taken, returned, lying):
        shop.click(key, "introduction")
    shop.did(buyer, "order_placed", order_total=5000)
    shop.at("03-04 14:01")
    # Two workdays after Thursday are Friday and Tuesday: Monday, 8 March is a holiday of config/holidays.yaml.
    assert shop.tasks() == [(key, "sales", "open", "03-09 14:01") for key in (taken, returned, lying)]
    assert [to for to, _ in shop.mail_tasks()] == ["sales@nordicgarden.example"] * 3
    shop.at("03-05 09:00")
    assert taken in tasks("list") and "open" in tasks("list")
    assert tasks("accept", "1", "--note", "I ring on Monday") == "task 1 is accepted\n"
    assert tasks("return", "2", "--note", "wants no calls") == "task 2 is returned\n"
    shop.at("03-05 09:01")
    assert shop.attribute(taken, "prospect_state") == "with_sales"
    shop.at("03-08 14:02")
    assert len(shop.mail_tasks()) == 3
    shop.at("03-09 12:00", "03-09 14:02")
    # What nobody answered in time is told to the owner of the flow, once.
    mails = shop.mail_tasks()
    assert [to for to, _ in mails if to.startswith("crm@")] == ["crm@nordicgarden.example"] and len(
        mails
    ) == 4
    shop.at("03-09 14:03")
    assert len(shop.mail_tasks()) == 4
    for key in (returned, lying, *cold):
        assert shop.attribute(key, "prospect_state") == "nurtured", key
    assert shop.attribute(buyer, "prospect_state") is None
    assert shop.listed("nurtured_prospects") == sorted([returned, lying, *cold])
    assert len(shop.sent()) == len(inside) and shop.sound()
