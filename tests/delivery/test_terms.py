"""The terms of a job: what the definitions say of caps, hours, feeds, budget and rate, for one channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal

from tidings.campaigns.steps import as_campaign
from tidings.campaigns.windows import Window
from tidings.definitions.conditions import DidCondition
from tidings.definitions.kinds.campaign import Audience, Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.kinds.importing import Column, EventsImport
from tidings.definitions.kinds.rules import Cap, CaseOpen, Policies, Purpose, QuietHours, Workspace
from tidings.definitions.kinds.timing import SendBetween
from tidings.definitions.values import Duration, Money, Unit
from tidings.definitions.workspace import Definitions
from tidings.delivery.freshness import Feed
from tidings.delivery.terms import Terms, terms_of

ONCE = Cap(1, Duration(1, Unit.DAY))
CASE = CaseOpen("complaint_opened", "complaint_closed")
BARE = Policies(
    (
        Purpose("marketing", "marketing", cap=(ONCE,)),
        Purpose("newsletter", "marketing", topics=("roses",)),
        Purpose("survey", "survey"),
        Purpose("service", "service"),
    )
)
RULES = replace(
    BARE, quiet=(QuietHours("sms", time(20), time(9)),), account_limit=(Cap(3, Duration(1, Unit.DAY)),), case_open=CASE
)  # fmt: skip
EMAIL = Channel("email", "", "", "smtp")
SMS = Channel("sms", "", "", "smpp", kind="sms", rate_per_second=Decimal(10))
SPRING = Campaign("spring", "", "", Audience(where=(DidCondition("bought"),)), "spring", ("email", "sms"))
ORDERS = EventsImport(
    "orders", "", "", "bought", Column("customer"), Column("at"), fresh=Duration(26, Unit.HOUR)
)


def of(campaign: Campaign, channel: Channel, policies: Policies = RULES, **more: object) -> Terms:
    return terms_of(workspace(policies), campaign, channel, **more)


def workspace(policies: Policies, **more: object) -> Definitions:
    return Definitions("", Workspace("shop", "Shop", "Asia/Taipei", "salt", "EUR"), policies, **more)


def test_rules_that_say_nothing_ask_for_nothing() -> None:
    silent = Policies((Purpose("marketing", "marketing"),))
    found = of(replace(SPRING, one_each="customer"), EMAIL, silent)
    assert found == Terms(zone="Asia/Taipei", rivals=("marketing",))
    assert not found.timed


def test_a_cap_is_that_of_the_purpose_and_the_whole_class_is_counted() -> None:
    marketing = of(SPRING, EMAIL, BARE)
    newsletter = of(replace(SPRING, purpose="newsletter", topic="roses"), EMAIL, BARE)
    assert (marketing.caps, marketing.counted) == ((ONCE,), True)
    assert (newsletter.caps, newsletter.counted, newsletter.topic) == ((), True, "roses")
    assert marketing.rivals == newsletter.rivals == ("marketing", "newsletter")
    assert not of(replace(SPRING, purpose="survey"), EMAIL, BARE).counted


def test_the_limit_of_an_account_and_open_cases_are_about_advertising() -> None:
    survey = of(replace(SPRING, purpose="survey"), EMAIL)
    service = of(replace(SPRING, purpose="service"), EMAIL)
    assert (len(survey.account_caps), survey.counted, survey.case) == (1, True, None)
    assert (service.account_caps, service.counted, service.case) == ((), False, None)
    assert of(SPRING, EMAIL).case == CASE


def test_quiet_hours_are_those_of_the_kind_of_channel() -> None:
    assert of(SPRING, EMAIL).window is None
    assert of(SPRING, SMS).window == Window(quiet=(time(20), time(9)))
    assert of(replace(SPRING, purpose="service"), SMS).window is None
    hours = replace(SPRING, send_between=SendBetween(time(10), time(18)), weekdays=(0, 1))
    assert of(hours, EMAIL).window == Window(between=(time(10), time(18)), weekdays=(0, 1))


def test_budget_priority_and_rate_are_taken_over() -> None:
    found = of(replace(SPRING, budget=Money(5000, "EUR"), priority="high"), SMS)
    assert (found.budget, found.priority, found.rate) == (True, 1, 10.0)
    assert of(SPRING, SMS, rated=False).rate is None


def test_a_step_waits_for_the_feeds_that_its_flow_is_chosen_by() -> None:
    step = Step("first", "send", send="welcome", via=("email",), if_refused="skip")
    flow = Flow("welcome", "", "", Start("event", event="bought"), (step,))
    recorded = workspace(RULES, flows={"welcome": flow})
    found = terms_of(
        recorded,
        as_campaign(flow, step, recorded),
        EMAIL,
        today=workspace(RULES, imports={"orders": ORDERS}),
        skips=True,
    )
    assert found.feeds == (Feed("orders", timedelta(hours=26)),)
    assert found.skips
