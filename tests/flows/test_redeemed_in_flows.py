"""Flows and redemptions: a code that is redeemed starts a flow, is waited for, and is left by; one taken back does none of it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from measurement.test_redemptions import KNOWN, SHARED, order, sent
from support.flow_stage import FlowStage, at, days, flow_of, send
from support.starting_world import DAY, HOUR, World, flow
from tidings.clock import to_micros
from tidings.definitions.conditions import DidCondition, WithinLast
from tidings.definitions.kinds.flow import Start, Step, WaitFor
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Duration, Is, Unit
from tidings.flows.journeys.planning import plan_flow
from tidings.flows.journeys.starting import flows_to_start
from tidings.flows.round import do_round
from tidings.flows.round_parts import default_parts
from tidings.store.tables import money, sending

REDEEMED = Start("event", event="redeemed", with_=(("offer", Is("spring")),))


def redeemed(
    store, customer, when, *, event=None, offer="spring", judged="good", message=None, **more
) -> int:
    """Store a redemption as it is judged; return its id."""
    codes = money.redemptions
    with store.durable("test") as connection:
        number = (connection.execute(sa.select(sa.func.count()).select_from(codes)).scalar() or 0) + 1
        return connection.execute(
            codes.insert()
            .values(
                customer_id=customer, event_id=event, offer=offer, message_id=message, at=to_micros(when), judged=judged,
                **{"code": "SPRING", "dedupe_key": f"e{number}", **more},
            )
            .returning(codes.c.id)
        ).scalar_one()  # fmt: skip


def test_a_redemption_that_counts_starts_a_flow_once(store) -> None:
    world = World(store, flow(REDEEMED))
    world.people(6)
    before = world.did(1, "order_placed")
    redeemed(store, 1, world.now, event=before)
    world.later(timedelta(seconds=1))
    world.live()
    world.later(timedelta(seconds=1))
    redeemed(store, 1, world.now, event=before)
    for customer, more in (
        (2, {}),
        (3, {"offer": "autumn"}),
        (4, {"judged": "undone"}),
        (5, {"judged": "again"}),
        (None, {}),
    ):
        redeemed(store, customer, world.now - HOUR, event=world.did(customer or 6, "order_placed"), **more)
    redeemed(store, 6, world.now - 2 * DAY, event=world.did(6, "order_placed"))
    assert [one.run_id for one in flows_to_start(store, now=world.now)] == [world.run_id]
    assert [world.tick() for _ in range(2)] == [1, 0]
    (journey,) = world.journeys()
    # The redemption told of before go-live starts nobody, nor does one of two days ago.
    assert (journey.customer_id, journey.start_ref) == (2, "c3")
    assert journey.anchor_at == to_micros(world.now - HOUR)
    world.later(timedelta(minutes=1))
    world.tick()
    assert flows_to_start(store, now=world.now) == []


def test_the_plan_of_a_flow_counts_the_redemptions_of_the_last_weeks(make_store) -> None:
    store = make_store("sqlite")
    world = World(store, flow(REDEEMED))
    world.people(3)
    for customer, ago in ((1, 2), (2, 3), (3, 50)):
        redeemed(store, customer, world.now - ago * DAY, event=world.did(customer, "order_placed"))
    plan = plan_flow(store, world.definitions, "basket", now=world.now)
    assert plan.expected == 2


def test_a_wait_is_answered_by_a_redemption_of_the_code_that_a_step_gave(store) -> None:
    flow = flow_of(
        send("letter"),
        Step("used", "wait_for", wait_for=WaitFor("redeemed", days(3), of="letter", if_not="text")),
        send("thanks", then="end"), send("text"),
    )  # fmt: skip
    stage = FlowStage(store, flow)
    own, other, undone = (stage.start(at(2)) for _ in range(3))
    stage.walk(at(2))
    with store.read() as connection:
        messages = {
            row.enrolment_id: (row.customer_id, row.id)
            for row in connection.execute(sa.select(sending.messages))
        }
    for enrolment, message, more in (
        (own, messages[own][1], {}),
        (other, None, {}),
        (undone, messages[undone][1], {"judged": "undone"}),
    ):
        redeemed(store, messages[enrolment][0], at(2, 12), message=message, **more)
    stage.walk(at(2, 12, 1))
    assert stage.history(own)["used"] == ("answered", at(2, 12))
    assert [stage.whats(one)["used"] for one in (other, undone)] == ["reached", "reached"]
    stage.walk(at(5, 9, 1))
    assert [stage.sent(one) for one in (own, other, undone)] == [
        ["letter", "thanks"],
        *[["letter", "text"]] * 2,
    ]


def test_a_step_asks_for_redemptions_of_a_window_and_people_leave_by_those_since_they_began(store) -> None:
    flow = flow_of(
        send("letter"),
        send("text", after=days(1), when=(DidCondition("redeemed", window=WithinLast(days(1))),)),
        leave_when=(DidCondition("redeemed", with_=(("offer", Is("sorry")),)),),
    )
    stage = FlowStage(store, flow)
    early, used, gone = (stage.person() for _ in range(3))
    redeemed(store, early, at(1))
    redeemed(store, early, at(1), offer="sorry")
    journeys = [stage.enter(one, at(2)) for one in (early, used, gone)]
    stage.walk(at(2))
    redeemed(store, used, at(2, 10))
    redeemed(store, gone, at(2, 10), offer="sorry")
    stage.walk(at(3, 9, 1))
    assert [stage.sent(one) for one in journeys] == [["letter"], ["letter", "text"], ["letter"]]
    assert stage.whats(journeys[2])["text"] == "left"


def test_a_quiet_time_begins_anew_with_each_redemption(store) -> None:
    flow = flow_of(
        Step("text", "send", send="m/text", via=("email",), after=Duration(2, Unit.HOUR), quiet=True),
        starts=REDEEMED,
    )
    stage = FlowStage(store, flow)
    customer = stage.person()
    first = stage.event(customer, "order", at(2))
    journey = stage.enter(customer, at(2), event=first)
    redeemed(store, customer, at(2, 10), event=stage.event(customer, "order", at(2, 10)))
    stage.walk(at(2, 11, 30))
    assert stage.sent(journey) == []
    stage.walk(at(2, 12, 1))
    assert stage.sent(journey) == ["text"]


def test_a_flow_for_each_order_is_left_by_the_code_of_its_own_order(make_store) -> None:
    store = make_store("sqlite")
    flow = flow_of(
        send("letter"),
        send("text", after=days(1)),
        Step("used", "wait_for", wait_for=WaitFor("redeemed", days(3), if_not="late")),
        send("thanks", then="end"), send("late"),
        again=Again("each", each="order"), leave_when=(DidCondition("redeemed", with_=(("code", Is("SORRY")),)),),
    )  # fmt: skip
    stage = FlowStage(store, flow)
    customer = stage.person()
    one, other = (stage.enter(customer, at(2), subject=subject) for subject in ("77", "78"))
    stage.walk(at(2))
    redeemed(store, customer, at(2, 10), code="SORRY", order_key="78")
    stage.walk(at(3, 9, 1))
    redeemed(store, customer, at(3, 10), order_key="78")
    redeemed(store, customer, at(3, 11), order_key="77")
    stage.walk(at(3, 12))
    assert stage.whats(other)["text"] == "left"
    assert stage.history(one)["used"] == ("answered", at(3, 11))


@pytest.mark.parametrize("asked", [True, False])
def test_a_round_judges_the_codes_of_new_orders_where_a_definition_asks_for_them(
    make_store, clock, asked
) -> None:
    store = make_store("sqlite")
    sent(store, clock, SHARED, "shared")
    who = Segment("used", "Used", "segments/used.yaml", (DidCondition("redeemed"),))
    known = SimpleNamespace(**{name: getattr(KNOWN, name) for name in KNOWN.__dataclass_fields__})
    known.segments = {"used": who} if asked else {}
    part = next(one for one in default_parts() if one.name == "redemptions")

    def done() -> int:
        result = do_round(SimpleNamespace(definitions=known), store, clock=clock, owner="test", parts=[part])
        assert result.troubles == ()
        return result.done["redemptions"]

    assert done() == 0
    order(store, 1, 1, "SPRING10", 0)
    assert [done(), done()] == ([1, 0] if asked else [0, 0])
    order(store, 2, 2, "SPRING10", 0)
    assert done() == int(asked)
    with store.read() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(money.redemptions)).scalar()
            == 2 * asked
        )
