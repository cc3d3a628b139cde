"""Definitions that marketers wrote, verbatim: read, typed, planned; and the slips of the hand in them."""

from __future__ import annotations

import shutil
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from support.stores import open_store
from tidings.campaigns.planning import make_plan
from tidings.clock import to_micros
from tidings.customers.identity import customer_u
from tidings.definitions.conditions import AttributeCondition, DidCondition, StartPropertyCondition
from tidings.definitions.kinds.figures import Vat
from tidings.definitions.kinds.flow import DayOffset, WaitFor
from tidings.definitions.kinds.importing import Column, CostsImport
from tidings.definitions.kinds.offer import AtMost, Guard
from tidings.definitions.kinds.segment import Rank
from tidings.definitions.kinds.timing import Again, Rhythm, SendBetween
from tidings.definitions.loader import check, load
from tidings.definitions.readers.later import deciding
from tidings.definitions.values import (
    Compared,
    Duration,
    Is,
    LocalTime,
    Money,
    Order,
    Share,
    TextMatch,
    TextPlace,
    Unit,
)
from tidings.store.tables import money, people
from tidings.store.vocabulary import apply_changes

TWELVE = Path(__file__).parent / "twelve"


@pytest.fixture(scope="module")
def definitions():
    return load(TWELVE)


@pytest.fixture
def empty_store(stores, dialect: str):
    made = stores(dialect)
    url = made.url(dialect, bare=True)
    with open_store(url) as store:
        yield store
    made.drop(url)


def test_none_of_them_has_an_error() -> None:
    _, problems = check(TWELVE)
    assert {one.code for one in problems} == {"KEY08"}
    assert {one.severity for one in problems} == {"warning"}
    assert {one.message.split("`")[1] for one in problems} == {
        "test", "guard", "issues", "archive", "pilot", "examples", "consent", "expires",
    }  # fmt: skip


def test_good_customers_who_went_quiet_are_a_segment(definitions) -> None:
    segment = definitions.segments["lapsed_garden_ru"]
    assert len(segment.where) == 5 and len(segment.except_) == 2
    assert segment.rank == Rank("repeat_purchase", Share(4000))
    (example,) = segment.examples
    assert example.member and example.why == "two garden orders, last one 120 days ago"
    assert example.customer == (
        ("country", "RU"), ("lifetime_value", Decimal(22000)), ("last_order_at", Duration(120, Unit.DAY)),
    )  # fmt: skip
    assert [(one.event, str(one.ago), one.properties) for one in example.did] == [
        ("order_placed", "120 days", (("category", "garden"),)),
        ("order_placed", "400 days", (("category", "tools"),)),
    ]
    assert segment.acts_later == ("examples",)


def test_the_spring_win_back_is_a_campaign(definitions) -> None:
    campaign = definitions.campaigns["spring_winback"]
    assert campaign.serves == "winback_2027" and campaign.priority == "high"
    assert campaign.audience == "fresh at send" and campaign.clock == "recipient" and campaign.late == "send"
    assert campaign.via == ("email", "sms", "fax")
    assert campaign.at == LocalTime(datetime(2027, 3, 2, 10))
    assert campaign.to.segments == ("lapsed_garden_ru", "lapsed_garden_tw")
    assert campaign.to.except_ == ("taipei_fair_2027_leads",)
    assert campaign.test and (campaign.test.on, str(campaign.test.decide)) == (Share(2000), "6 hours")
    assert (campaign.test.by, campaign.test.if_unclear) == ("clicked", "warm")
    offer = campaign.offer
    assert offer and (offer.gives, offer.pool, offer.ends) == ("25% off", "spring25", date(2027, 3, 16))
    assert (offer.at_most, offer.stop_below) == (AtMost(1), 50)
    assert campaign.costs == (("artwork", Money(40000, "EUR")), ("print of fax sheet", Money(0, "EUR")))
    assert campaign.guard == (Guard("unsubscribed", Share(50)), Guard("spam_reported", Share(10)))
    assert campaign.goal and campaign.goal.worth == "profit"  # what config/events.yaml says the margin is


def test_the_monthly_newsletter_is_a_campaign(definitions) -> None:
    campaign = definitions.campaigns["newsletter"]
    recurrence = campaign.recurrence
    assert recurrence and recurrence.every == Rhythm("month", time(10), weekdays=(1,), nth=1)
    assert (recurrence.first, recurrence.last) == (date(2027, 3, 1), date(2027, 12, 31))
    assert recurrence.on_holidays == "next workday"
    assert campaign.again == Again("always") and campaign.issues == "by month"
    assert campaign.copies_to == ("staff_seeds",) and campaign.archive == "public"


def test_the_birthday_is_a_campaign(definitions) -> None:
    campaign = definitions.campaigns["birthday"]
    assert len(campaign.to.where) == 2
    assert campaign.recurrence and campaign.recurrence.every == Rhythm("day", time(9, 30))
    assert campaign.again == Again("after", after=Duration(300, Unit.DAY))
    assert campaign.holdout.share == Share(1000) and campaign.holdout.lasts == "whole campaign"
    assert campaign.offer and campaign.offer.ends == Duration(14, Unit.DAY)


def test_the_dealer_promotion_is_a_campaign(definitions) -> None:
    campaign = definitions.campaigns["dealer_autumn"]
    assert campaign.unit == "account" and campaign.via == ("fax", "email", "call", "letter")
    assert campaign.send_between == SendBetween(time(9), time(17)) and campaign.weekdays == (0, 1, 2, 3, 4)
    pilot = campaign.pilot
    assert pilot and (pilot.on, str(pilot.judge), pilot.measure) == (12, "8 weeks", "orders")
    assert pilot.test == Compared(Order.AT_LEAST, Decimal(3))
    assert definitions.channels["call"].kind == "call" and definitions.channels["letter"].kind == "letter"


def test_the_contract_renewal_is_a_flow(definitions) -> None:
    flow = definitions.flows["contract_renewal"]
    assert flow.title == "合約到期續約" and flow.purpose == "contract_service"
    start = flow.starts
    assert (start.kind, start.event, start.catch_up) == ("date", "contract_signed", "nobody")
    assert start.day == DayOffset(-60, "contract_ends_on", time(9))
    assert flow.again == Again("each", each="contract") and flow.holdout.share == Share(0)
    assert flow.leave_when == (DidCondition("contract_renewed"),)
    first, dealer, call, last = flow.steps
    assert (first.verb, first.send, first.via) == ("send", "renewal/first", ("preferred", "email", "sms"))
    assert (dealer.to, dealer.group, str(dealer.after), dealer.quiet) == ("dealer", "party", "3 days", False)
    assert (call.verb, call.notify, call.card, call.due_workdays) == (
        "notify",
        "account_manager",
        "renewal/call_card",
        2,
    )
    at_least = Compared(Order.AT_LEAST, Decimal(50000), "EUR")
    assert call.when == (StartPropertyCondition("contract_signed", "contract_value", at_least),)
    assert last.wait_until == DayOffset(-7, "contract_ends_on", time(9))
    assert flow.goal and (flow.goal.worth, str(flow.goal.within)) == ("contract_value", "75 days")
    person = definitions.staff.get("account_manager")
    assert person and (person.email, person.attribute) == ("sales@nordicgarden.example", "account_manager")


def test_the_win_back_ladder_is_a_flow(definitions) -> None:
    flow = definitions.flows["winback_ladder"]
    assert (flow.starts.kind, flow.starts.segment) == ("enters", "lapsed_garden_ru")
    assert flow.again == Again("after", after=Duration(180, Unit.DAY)) and flow.holdout.share == Share(1000)
    assert [step.name for step in flow.steps] == ["letter", "answer", "thanks", "text", "sheet"]
    answer = flow.step("answer")
    assert answer and answer.wait_for == WaitFor("clicked", Duration(3, Unit.DAY), of="letter", if_not="text")
    thanks, sheet = flow.step("thanks"), flow.step("sheet")
    assert thanks and thanks.then == "end"
    assert sheet and sheet.when == (AttributeCondition("account_type", Is("business")),)


def test_the_abandoned_basket_is_a_flow(definitions) -> None:
    flow = definitions.flows["basket"]
    start = flow.starts
    assert (start.kind, start.event, start.catch_up) == ("event", "basket_updated", Duration(1, Unit.DAY))
    assert start.with_ == (("basket_total", Compared(Order.AT_LEAST, Decimal(30), "EUR")),)
    assert flow.priority == "high" and len(flow.leave_when) == 2
    reminder, coupon = flow.steps
    assert (str(reminder.after), reminder.quiet, reminder.if_refused, str(reminder.expires)) == (
        "2 hours", True, "skip", "6 hours",
    )  # fmt: skip
    assert coupon.verb == "send" and coupon.if_refused == "hold"
    assert coupon.offer and (coupon.offer.pool, coupon.offer.ends) == ("basket5", Duration(48, Unit.HOUR))


@pytest.mark.parametrize("name", ["spring_winback", "newsletter", "birthday", "dealer_autumn"])
def test_every_campaign_of_them_is_planned(name: str, definitions, empty_store) -> None:
    apply_changes(empty_store, definitions.attributes)
    now = empty_store.clock.now()
    with empty_store.durable("seed") as connection:
        connection.execute(
            people.customers.insert(),
            [
                {
                    "key": f"c{n}",
                    "u": customer_u("nordic-garden-2027", f"c{n}"),
                    "email": f"c{n}@shop.example",
                    "created_at": to_micros(now),
                }
                for n in range(20)
            ],
        )
        # One of its segments goes by a score; without a model that was applied, nothing may be planned.
        connection.execute(
            money.score_models.insert().values(
                hash="0" * 64, score="repeat_purchase", trained_at=to_micros(now), cut_off=to_micros(now),
                model={}, quality={}, applied_at=to_micros(now), scored=20,
            )
        )  # fmt: skip
    plan = make_plan(empty_store, definitions, name, now=now)
    assert plan.campaign == name
    # Nobody has consented, so whoever is in the audience is refused.
    assert plan.people == 0
    assert plan.audience == (20 if name == "newsletter" else 0)


def test_what_decides_who_gets_something_or_when_is_told_from_the_rest(definitions) -> None:
    campaigns = definitions.campaigns
    assert deciding(campaigns["spring_winback"].acts_later) == (
        "test", "guard", "segments/taipei_fair_2027_leads.yaml: expires",
    )  # fmt: skip
    assert deciding(campaigns["dealer_autumn"].acts_later) == ("pilot",)
    flows = definitions.flows
    assert deciding(flows["basket"].acts_later) == ()
    assert deciding(flows["contract_renewal"].acts_later) == ()
    assert deciding(flows["winback_ladder"].acts_later) == ()
    assert deciding(("priority", "archive", "lasts", "segments/a.yaml: examples")) == ()


def test_the_costs_of_an_ad_network_are_an_import(definitions) -> None:
    found = definitions.imports["yandex_costs"]
    assert isinstance(found, CostsImport)
    assert (found.title, found.layout.encoding, found.layout.header) == ("Расходы Яндекс Директ", "cp1251", 4)
    assert (found.day.name, found.day.format) == ("Дата", "DD.MM.YYYY")
    amount = found.amount
    assert (amount.name, amount.money, str(amount.numbers)) == ("Расход", "RUB", "1 234,56")
    assert amount.vat == Vat(Share(2200)) and amount.vat.net(Decimal("122.00")) == 100
    assert found.clicks == Column("Клики") and found.impressions == Column("Показы")
    assert (found.medium, found.source) == (Column(None, "search"), Column(None, "yandex_direct"))
    assert found.campaign == Column("Кампания", starts=(("весна_сад", "spring_winback"),))
    total = found.layout.total
    assert total and total.tests == (("Кампания", TextMatch(TextPlace.STARTS, "Итого")),)


SPRING, NEWS, BIRTH, DEALER = (f"campaigns/{name}.yaml" for name in ("spring_winback", "newsletter", "birthday", "dealer_autumn"))  # fmt: skip
LAPSED = "segments/lapsed_garden_ru.yaml"
COSTS = "config/imports/yandex_costs.yaml"
SLIPS = [
    (SPRING, "on: 20%", "on: 20", "PHR01", "write: 20%"),
    (SPRING, "decide: after 6 hours", "decide: 6 hours", "PHR05", "write: after 6 hours"),
    (SPRING, "by: clicked", "by: clickd", "REF05", 'did you mean "clicked"?'),
    (SPRING, "if_unclear: warm", "if_unclear: wram", "VAL02", "there is warm, direct"),
    (SPRING, "codes: one each from spring25  ", "codes: spring25", "PHR05", "write one each from NAME OF A POOL"),
    (SPRING, "  gives: 25% off\n", "  gives: 25% off\n  code: SPRING25\n", "KEY07", "keep `code`"),
    (SPRING, "ends: 2027-03-16", "ends: 2027-03-01", "PHR08", "change one of the two"),
    (SPRING, "ends: 2027-03-16", "ends: 14 days", "PHR05", "write: 14 days after sending"),
    (SPRING, "ends: 2027-03-16", "ends: 16.03.2027", "PHR04", "write: 2027-03-16"),
    (SPRING, "at_most: 1 each", "at_most: once", "PHR05", "write 1 each"),
    (SPRING, "stop_when: stock below 50", "stop_when: stock < 50", "PHR05", "write such as stock below 50"),
    (SPRING, "unsubscribed: at most 0.5%", "unsubscribed: 0.5%", "PHR01", "write: at most 0.5%"),
    (SPRING, "unsubscribed: at most 0.5%", "unsubscribd: at most 0.5%", "REF05", 'did you mean "unsubscribed"?'),
    (SPRING, "artwork: 400 EUR", "artwork: 400", "VAL06", "write: 400 EUR"),
    (SPRING, "costs: ", "spend: ", "KEY06", "costs: {artwork: 400 EUR}"),
    (SPRING, "clock: recipient\n", "", "KEY07", "add `clock: recipient`"),
    (SPRING, "priority: high", "priority: hihg", "VAL02", 'did you mean "high"?'),
    (SPRING, "audience: fresh at send", "audience: fresh at sending", "VAL02", 'did you mean "fresh at send"?'),
    (SPRING, "via: [email, sms, fax]", "via: [preferrd, email]", "REF02", 'did you mean "preferred"?'),
    (NEWS, "every: month on the first Tuesday at 10:00", "every: month on the frist Tuesday at 10:00", "PHR10", "the first Tuesday"),
    (NEWS, "every: month on the first Tuesday at 10:00", "every: week on Вт at 10:00", "PHR10", "Mon, Tue"),
    (NEWS, "every: month on the first Tuesday at 10:00", "every: day at 9:30", "PHR04", "write: 09:30"),
    (NEWS, "every: month on the first Tuesday at 10:00", "every: month on the 32nd at 10:00", "PHR10", "the 1st"),
    (NEWS, "until: 2027-12-31", "until: 2026-12-31", "PHR08", "change one of the two"),
    (NEWS, "from: 2027-03-01", "from: 2027年3月1日", "PHR04", "write: 2027-03-01"),
    (NEWS, "on_holidays: next workday", "on_holidays: next workdays", "VAL02", 'did you mean "next workday"?'),
    (NEWS, "copies_to: staff_seeds", "copies_to: staff_seed", "REF01", 'did you mean "staff_seeds"?'),
    (NEWS, "every: month on the first Tuesday at 10:00\n", "", "KEY07", "every: week on Tue"),
    (NEWS, "again: always\n", "again: always\nat: 2027-03-02 10:00\n", "KEY07", "keep `at` for one time"),
    (BIRTH, "again: after 300 days", "again: 300 days", "PHR05", "after 300 days"),
    (BIRTH, "again: after 300 days", "again: after 300 дней", "PHR02", "write: after 300 days"),
    (BIRTH, "lasts: whole campaign", "lasts: campaign", "VAL02", 'did you mean "whole campaign"?'),
    (BIRTH, "share: 10%", "share: 100%", "VAL08", ""),
    (DEALER, "unit: account", "unit: company", "VAL02", ""),
    (DEALER, "weekdays: [Mon, ", "weekdays: [Monn, ", "VAL02", 'did you mean "Mon"?'),
    (DEALER, "send_between: 09:00 and 17:00", "send_between: 17:00 and 09:00", "PHR08", ""),
    (DEALER, "send_between: 09:00 and 17:00", "send_between: 9:00 and 17:00", "PHR04", "write: 09:00"),
    (DEALER, "go_on_if: orders at least 3", "go_on_if: orders >= 3", "PHR05", ""),
    (DEALER, "go_on_if: orders at least 3", "go_on_if: many", "PHR05", "orders at least 3"),
    (DEALER, "unit: account  ", "group: one sheet\nunit: account  ", "PHR05", "one sheet a dealer"),
    (LAPSED, "keep: top 40%", "keep: 40%", "PHR01", "write: top 40%"),
    (LAPSED, "by: repeat_purchase", "by: full_name", "PHR05", ""),
    (LAPSED, "- in: true", "- in: yes", "VAL01", "write: true"),
    (LAPSED, "last_order_at: 120 days ago", "last_order: 120 days ago", "REF04", 'did you mean "last_order_at"?'),
    (LAPSED, "last_order_at: 120 days ago", "last_order_at: 120 дней ago", "PHR02", "write: 120 days"),
    (LAPSED, "lifetime_value: 22000", "lifetime_value: at least 22000", "PHR05", "write one value"),
    (LAPSED, "{order_placed: 400 days ago", "{order_placd: 400 days ago", "REF05", 'did you mean "order_placed"?'),
    (LAPSED, "{order_placed: 400 days ago", "{order_placed: 400 days", "PHR05", "write: 400 days ago"),
    (SPRING, "serves: winback_2027", "serves: winback_2028", "REF13", 'did you mean "winback_2027"?'),
    (LAPSED, "by: repeat_purchase", "by: repeat_purchas", "REF14", 'did you mean "repeat_purchase"?'),
    (LAPSED, "by: repeat_purchase", "by: lifetime_valu", "REF14", 'did you mean "lifetime_value"?'),
    (COSTS, "encoding: cp1251", "encoding: cp12511", "VAL07", "cp1251"),
    (COSTS, "encoding: cp1251", "encoding: base64", "VAL07", "cp1251"),
    (COSTS, "header: line 4", "header: 4", "VAL07", "write: line 4"),
    (COSTS, "header: line 4", "header: line 0", "VAL07", "the first line is line 1"),
    (COSTS, "kind: costs", "kind: cost", "VAL02", 'did you mean "costs"?'),
    (COSTS, "kind: costs", "kind: calls", "KEY04", ""),
    (COSTS, 'numbers: "1 234,56"', "numbers: 1 234,56", "VAL02", 'in quotes: numbers: "1 234,56"'),
    (COSTS, 'numbers: "1 234,56"', 'numbers: "1_234.56"', "VAL02", "looks like the file"),
    (COSTS, "money: RUB, ", "", "VAL06", "money: EUR"),
    (COSTS, "vat: included 22%", "vat: 22%", "PHR01", "write: included 22%"),
    (COSTS, "vat: included 22%", "vat: included 0%", "PHR01", "excluded"),
    (COSTS, "medium: {value: search}", "medium: {value: search, column: Канал}", "KEY07", "column"),
    (COSTS, "spring_winback}", "spring_winbak}", "REF15", 'did you mean "spring_winback"?'),
    (COSTS, '"весна_сад*"', '"весна*сад"', "VAL07", 'write: "весна*"'),
    (COSTS, '"весна_сад*"', '"*"', "VAL07", "then *"),
    (COSTS, "unmatched: keep", "unmatched: drop", "VAL02", "write: keep"),
    (COSTS, "replace: same day and source", "replace: same day and sourse", "VAL02", 'did you mean "same day and source"?'),
    (COSTS, 'Кампания starts with "Итого"', "Кампания", "PHR05", "starts with"),
    (COSTS, "clicks: Клики", "clics: Клики", "KEY01", 'did you mean "clicks"?'),
    ("channels/sms.yaml", "per segment", "per page", "KEY07", "the price of one message"),
    ("channels/sms.yaml", "per segment", "per sms", "PHR05", "per segment"),
    ("channels/call.yaml", "adapter: outbox", "adapter: smtp", "KEY07", "write `adapter: outbox`"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "right", "wrong", "code", "hint"), SLIPS, ids=[f"{one[0]}: {one[2][:40]}" for one in SLIPS])  # fmt: skip
def test_a_slip_is_said_in_its_line(
    path: str, right: str, wrong: str, code: str, hint: str, tmp_path: Path
) -> None:
    root = shutil.copytree(TWELVE, tmp_path / "shop")
    text = (root / path).read_text()
    assert right in text
    changed = text.replace(right, wrong, 1)
    (root / path).write_text(changed)
    found = [one for one in check(root)[1] if one.severity == "error" and one.at.path == path]
    assert code in {one.code for one in found}, [one.render() for one in found]
    (said, *_) = [one for one in found if one.code == code]
    assert hint in said.hint
    changed_lines = [n for n, line in enumerate(changed.splitlines(), 1) if line not in text.splitlines()]
    assert said.at.line in changed_lines or not changed_lines or code in ("KEY07", "PHR08")


@pytest.mark.parametrize(
    ("written", "rhythm"),
    [
        ("day at 09:30", Rhythm("day", time(9, 30))),
        ("week on Tue and Fri at 10:00", Rhythm("week", time(10), weekdays=(1, 4))),
        ("week on Monday, Wed and Fri at 08:05", Rhythm("week", time(8, 5), weekdays=(0, 2, 4))),
        ("month on the 1st at 10:00", Rhythm("month", time(10), day=1)),
        ("month on the 31st at 10:00", Rhythm("month", time(10), day=31)),
        ("month on the last day at 10:00", Rhythm("month", time(10), day=-1)),
        ("month on the last Friday at 23:59", Rhythm("month", time(23, 59), weekdays=(4,), nth=-1)),
    ],
)
def test_a_rhythm_is_read(written: str, rhythm: Rhythm, tmp_path: Path) -> None:
    root = shutil.copytree(TWELVE, tmp_path / "shop")
    text = (root / NEWS).read_text().replace("month on the first Tuesday at 10:00", written)
    (root / NEWS).write_text(text)
    recurrence = load(root).campaigns["newsletter"].recurrence
    assert recurrence and recurrence.every == rhythm


@pytest.mark.parametrize(
    "words", ["account", "one sheet a dealer", "one fax an account", "one letter a company"]
)
def test_one_message_an_account_has_several_names(words: str, tmp_path: Path) -> None:
    root = shutil.copytree(TWELVE, tmp_path / "shop")
    (root / DEALER).write_text((root / DEALER).read_text() + f"group: {words}\n")
    assert load(root).campaigns["dealer_autumn"].group == "account"


def test_what_the_campaign_says_holds_for_every_variant_that_does_not_say_it(tmp_path: Path) -> None:
    root = shutil.copytree(TWELVE, tmp_path / "shop")
    (root / SPRING).write_text((root / SPRING).read_text() + "say: {headline: Hello, button: Have a look}\n")
    campaign = load(root).campaigns["spring_winback"]
    warm = dict(campaign.variants[0].say)
    assert warm["button"] == "Have a look" and dict(warm["headline"])["en"] == "We kept your favourites"
    assert campaign.say == (("headline", "Hello"), ("button", "Have a look"))


@pytest.mark.parametrize("key", ["one_each", "one each"])
def test_one_each_has_two_spellings(key: str, tmp_path: Path) -> None:
    root = shutil.copytree(TWELVE, tmp_path / "shop")
    (root / SPRING).write_text((root / SPRING).read_text() + f"{key}: customer\npatience: 4 hours\n")
    campaign = load(root).campaigns["spring_winback"]
    assert campaign.one_each == "customer" and campaign.patience == Duration(4, Unit.HOUR)
    (root / SPRING).write_text((root / SPRING).read_text() + "one_each: customer\none each: address\n")
    assert check(root)[0] is None


def test_a_channel_has_patience_and_a_price_for_its_parts(tmp_path: Path) -> None:
    root = shutil.copytree(TWELVE, tmp_path / "shop")
    path = root / "channels" / "fax.yaml"
    path.write_text(path.read_text() + "cost: 0.12 EUR per page\npatience: 30 minutes\n")
    channels = load(root).channels
    assert (channels["fax"].cost, channels["fax"].cost_unit) == (Money(12, "EUR"), "page")
    assert channels["fax"].patience == Duration(30, Unit.MINUTE)
    assert channels["sms"].cost_unit == "segment" and channels["email"].cost_unit == "message"
