"""Which feeds a campaign or flow depends on: those that bring an event or attribute that it chooses by."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tidings.clock import FixedClock, to_micros
from tidings.definitions.conditions import (
    AnyOfThese,
    AttributeCondition,
    DidCondition,
    SegmentCondition,
    StartPropertyCondition,
)
from tidings.definitions.kinds.campaign import Audience, Campaign, Goal
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, Step, WaitFor
from tidings.definitions.kinds.importing import Column, CustomersImport, EventsImport, Returns
from tidings.definitions.kinds.rules import Policies, Workspace
from tidings.definitions.kinds.segment import Rank, Segment
from tidings.definitions.values import Duration, Is, Share, Unit
from tidings.definitions.workspace import Definitions
from tidings.delivery.freshness import Feed, feeds_of, stale
from tidings.store.database import Store
from tidings.store.tables import people

KEY = Column("customer")
HOURS = Duration(26, Unit.HOUR)
GOLD = AttributeCondition("tier", Is("gold"))
BOUGHT = DidCondition("order_placed")


def workspace(segment: Segment | None = None) -> Definitions:
    """Two mappings must be fresh; one need not be."""
    at = Column("at")
    mappings = (
        CustomersImport("crm", "", "", KEY, (("tier", Column("t")), ("dealer", Column("d"))), fresh=HOURS),
        CustomersImport("ages", "", "", KEY, (("age", Column("a")),)),
        EventsImport("orders", "", "", "bought", KEY, at, returns=Returns((), "sent_back"), fresh=HOURS),
    )
    return Definitions(
        "",
        Workspace("shop", "Shop", "UTC", "salt", "EUR"),
        Policies(()),
        segments={"vip": segment} if segment else {},
        imports={one.id: one for one in mappings},
    )


def campaign(to: Audience) -> Campaign:
    goal = Goal("bought", Duration(14, Unit.DAY))
    return Campaign("spring", "", "", to, "spring", ("email",), goal=goal)


def flow(start: Start, *steps: Step) -> Flow:
    return Flow("welcome", "", "", start, steps)


def names(definitions: Definitions, what: Campaign | Flow) -> list[str]:
    return [one.mapping for one in feeds_of(definitions, what)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ((AttributeCondition("age", Is("40")),), []),
        ((AttributeCondition("tier", Is("gold")),), ["crm"]),
        ((DidCondition("bought"),), ["orders"]),
        ((DidCondition("sent_back", negated=True),), ["orders"]),
        ((AnyOfThese((GOLD, AnyOfThese((DidCondition("bought"),)))),), ["crm", "orders"]),
    ],
)
def test_a_campaign_depends_on_what_its_audience_is_chosen_by(where: tuple, expected: list[str]) -> None:
    assert names(workspace(), campaign(Audience(where=where))) == expected
    segment = Segment("vip", "", "", where=where)
    assert names(workspace(segment), campaign(Audience(("vip",)))) == expected
    assert names(workspace(segment), campaign(Audience(except_=("vip",)))) == expected
    by_reference = Audience(where=(SegmentCondition("vip"),))
    assert names(workspace(segment), campaign(by_reference)) == expected


def test_what_a_campaign_is_measured_by_chooses_nobody() -> None:
    assert names(workspace(), campaign(Audience())) == []


def test_a_segment_that_ranks_depends_on_what_it_ranks_by() -> None:
    segment = Segment("vip", "", "", rank=Rank("tier", Share(1000)))
    assert names(workspace(segment), campaign(Audience(("vip",)))) == ["crm"]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (flow(Start("event", event="bought")), ["orders"]),
        (flow(Start("date", day=DayOffset(-7, "tier"))), ["crm"]),
        (flow(Start("enters", segment="vip")), ["crm"]),
        (flow(Start("event", event="visited"), Step("one", "send", when=(GOLD,))), ["crm"]),
        (flow(Start("event", event="visited"), Step("one", "send", to="dealer")), ["crm"]),
        (
            flow(
                Start("event", event="visited"),
                Step("one", "wait_for", wait_for=WaitFor("bought", Duration(1, Unit.DAY))),
            ),
            ["orders"],
        ),
        (
            flow(
                Start("event", event="visited"),
                Step("one", "send", when=(StartPropertyCondition("bought", "colour", Is("red")),)),
            ),
            ["orders"],
        ),
        (flow(Start("event", event="visited"), Step("one", "send")), []),
    ],
)
def test_a_flow_depends_on_its_start_and_on_what_its_steps_ask(what: Flow, expected: list[str]) -> None:
    assert names(workspace(Segment("vip", "", "", where=(GOLD,))), what) == expected


def test_the_mappings_of_today_count_for_the_segments_of_a_run() -> None:
    recorded = workspace(Segment("vip", "", "", where=(GOLD,)))
    today = workspace(Segment("vip", "", ""))
    what = campaign(Audience(("vip",)))
    assert feeds_of(today, what, recorded) == (Feed("crm", timedelta(hours=26)),)
    assert feeds_of(today, what) == ()


def test_a_feed_is_stale_without_a_finished_import_of_late(store: Store, clock: FixedClock) -> None:
    feeds = [Feed("crm", timedelta(hours=26)), Feed("orders", timedelta(hours=2))]

    def old() -> dict[str, str]:
        with store.read() as connection:
            return {one.feed.mapping: one.sentence() for one in stale(connection, feeds, clock.now())}

    assert old() == {
        "crm": "crm was never brought in and must not be older than 26 hours: messages wait for it",
        "orders": "orders was never brought in and must not be older than 2 hours: messages wait for it",
    }
    rows = [("crm", "finished"), ("orders", "finished"), ("orders", "interrupted")]
    for number, (mapping, state) in enumerate(rows):
        at = to_micros(clock.now() - timedelta(hours=3 if state == "finished" else 0))
        with store.durable("test") as connection:
            connection.execute(
                sa.insert(people.imports).values(
                    mapping=mapping,
                    file="x.csv",
                    fingerprint=str(number),
                    state=state,
                    counts={},
                    started_at=at,
                    updated_at=at,
                )
            )
    sentence = "orders was last brought in at 2027-03-02T06:00:00Z and must not be older than 2 hours"
    assert old() == {"orders": f"{sentence}: messages wait for it"}
