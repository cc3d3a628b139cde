"""Starts by an event: who enters a flow, once, and when the first step is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from support.starting_world import DAY, HOUR, World, days, flow, wait
from tidings.campaigns.assignment import bucket, salt_for
from tidings.clock import to_micros
from tidings.customers.identity import customer_u
from tidings.definitions.kinds.campaign import Goal, Holdout
from tidings.definitions.kinds.flow import Start, Step
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Compared, Duration, Order, Share, Unit
from tidings.errors import UsageError
from tidings.flows.journeys.starting import flows_to_start
from tidings.store.tables import journeys, sending

SECOND = timedelta(seconds=1)


def world(store, *args, people: int = 3, **more) -> World:
    made = World(store, flow(*args, **more))
    made.people(people)
    made.live()
    made.later(SECOND)
    return made


def test_a_customer_entering_is_one_enrolment_with_its_journey_at_the_first_step(store) -> None:
    one = world(store)
    event = one.did(2, ago=HOUR)
    assert one.tick() == 1
    (journey,) = one.journeys()
    assert (journey.customer_id, journey.entry, journey.arm, journey.variant) == (2, 0, "treated", None)
    assert (journey.start_ref, journey.subject, journey.event_id) == (f"e{event}", "", event)
    assert (journey.state, journey.step, journey.outcome) == ("walking", "first", None)
    assert journey.anchor_at == journey.reached_at == to_micros(one.now - HOUR)
    assert journey.due_at == to_micros(one.now - HOUR + DAY)


def test_the_same_event_starts_once_over_ticks_and_restarts(store) -> None:
    one = world(store, again=Again("always"))
    one.did(1)
    assert [one.tick() for _ in range(3)] == [1, 0, 0]
    one.end(1)
    with store.durable("test") as connection:
        # As a store restored from a backup would have it: looked through no further than long ago.
        connection.execute(journeys.trigger_marks.delete())
    assert one.tick() == 0
    assert one.who() == [1]


def test_an_event_received_before_the_flow_went_live_starts_nothing(store) -> None:
    one = World(store, flow())
    one.people(2)
    one.did(1)
    one.later(SECOND)
    one.live()
    one.did(2)
    assert one.tick() == 1
    assert one.who() == [2]


def test_an_event_that_happened_more_than_a_day_before_starts_nothing_unless_catch_up_says_so(store) -> None:
    one = world(store)
    one.did(1, ago=DAY + HOUR)
    one.did(2, ago=DAY - HOUR)
    one.tick()
    assert one.who() == [2]


@pytest.mark.parametrize(("catch_up", "expected"), [("everybody", [1, 2, 3]), (days(7), [2, 3])])
def test_catch_up_says_how_late_an_event_may_come_in(store, catch_up, expected) -> None:
    one = world(store, Start("event", event="basket_updated", catch_up=catch_up))
    one.did(1, ago=30 * DAY)
    one.did(2, ago=6 * DAY)
    one.did(3)
    one.tick()
    assert one.who() == expected
    assert one.journeys()[0].anchor_at == to_micros(one.now - (30 if 1 in expected else 6) * DAY)


def test_only_events_whose_properties_pass_start(store) -> None:
    passing = (("total", Compared(Order.AT_LEAST, Decimal(30))),)
    one = world(store, Start("event", event="basket_updated", with_=passing))
    one.did(1, total=29)
    one.did(2, total=30)
    one.did(3)
    one.did(3, "order_placed")
    one.tick()
    assert one.who() == [2]


def test_an_event_dated_after_now_starts_now(store) -> None:
    one = world(store)
    one.did(1, ago=-HOUR)
    one.tick()
    assert one.journeys()[0].anchor_at == to_micros(one.now)


def test_visitors_and_erased_customers_start_nothing(store) -> None:
    one = world(store)
    one.customer(1, tombstoned_at=to_micros(one.now))
    one.did(1)
    with store.durable("test") as connection:
        one.did_in(connection, None)
    assert one.tick() == 0


def test_again_never_lets_a_customer_in_once_for_ever(store) -> None:
    one = world(store)
    one.did(1)
    one.tick()
    one.end(1)
    one.later(400 * DAY)
    one.did(1)
    assert one.tick() == 0


def test_again_always_lets_a_customer_in_whenever_they_are_not_walking(store) -> None:
    one = world(store, again=Again("always"))
    for _ in range(3):
        one.did(1)
        one.later(SECOND)
    assert one.tick() == 1
    one.did(1)
    assert one.tick() == 0
    one.end(1)
    one.later(SECOND)
    assert one.tick() == 0
    one.did(1)
    assert one.tick() == 1
    assert [(row.entry, row.state) for row in one.journeys()] == [(0, "ended"), (1, "walking")]


def test_again_after_a_length_of_time_counts_from_the_last_entry_to_the_start(store) -> None:
    one = world(store, again=Again("after", days(7)))
    one.did(1)
    one.tick()
    first = one.now
    one.end(1)
    one.later(7 * DAY - SECOND)
    one.did(1)
    assert one.tick() == 0
    one.later(SECOND)
    one.did(1)
    assert one.tick() == 1
    assert [row.anchor_at for row in one.journeys()] == [to_micros(first), to_micros(first + 7 * DAY)]


def test_again_for_each_lets_a_customer_walk_once_for_each_of_them_also_at_once(store) -> None:
    one = world(store, again=Again("each", each="basket"))
    for basket in ("b1", "b2", "b3", "b2"):
        one.did(1, basket=basket)
    one.did(2, basket="b1")
    one.did(3)
    assert one.tick() == 4
    walked = {(row.customer_id, row.subject, row.entry) for row in one.journeys()}
    assert walked == {(1, "b1", 0), (1, "b2", 1), (1, "b3", 2), (2, "b1", 0)}
    one.end(1)
    one.did(1, basket="b2")
    one.did(1, basket="b4")
    assert one.tick() == 1
    assert one.journeys()[3].subject == "b4"


def test_of_several_starts_at_once_the_earliest_counts(store) -> None:
    one = world(store, again=Again("always"))
    one.did(1, ago=HOUR)
    earliest = one.did(1, ago=3 * HOUR)
    one.did(1, ago=2 * HOUR)
    one.tick()
    assert [row.start_ref for row in one.journeys()] == [f"e{earliest}"]


def test_customers_of_the_global_control_are_enrolled_in_no_flow(store) -> None:
    one = World(store, flow(), control=2000)
    one.people(300)
    one.live()
    for customer in range(1, 301):
        one.did(customer)
    one.tick()
    salt = salt_for("salt", "", "global control")
    expected = [n for n in range(1, 301) if bucket(customer_u("salt", f"c{n}"), salt) >= 2000]
    assert 200 < len(expected) < 280
    assert one.who() == expected


def test_the_global_control_gets_service_messages(store) -> None:
    one = World(store, flow(purpose="service"), control=9999)
    one.people(3)
    one.live()
    one.did(1)
    assert one.tick() == 1


def test_the_holdout_is_drawn_by_the_salt_of_the_run_and_walks_as_well(store) -> None:
    one = World(store, flow(holdout=Holdout(Share(2500))))
    one.people(400)
    one.live()
    for customer in range(1, 401):
        one.did(customer)
    assert one.tick() == 400
    salt = salt_for("salt", "basket/flow", "holdout")
    for row in one.journeys():
        held = bucket(customer_u("salt", f"c{row.customer_id}"), salt) < 2500
        assert row.arm == ("holdout" if held else "treated")
        assert (row.state, row.step) == ("walking", "first")
    assert 60 < sum(row.arm == "holdout" for row in one.journeys()) < 140


@pytest.mark.parametrize(
    ("more", "share"),
    [
        ({"goal": Goal("order_placed", days(14))}, 1000),
        ({}, 0),
        ({"goal": Goal("order_placed", days(14)), "purpose": "service"}, 0),
        ({"goal": Goal("order_placed", days(14)), "holdout": Holdout(Share(0))}, 0),
    ],
)
def test_auto_holds_out_a_tenth_where_a_promotion_has_a_goal(store, more, share) -> None:
    one = world(store, **more)
    with store.read() as connection:
        bounds = connection.execute(sa.select(sending.runs.c.bounds)).scalar_one()
    assert bounds["holdout"] == share
    assert bounds["holdout_reason"]
    assert one.version == 1


@pytest.mark.parametrize(
    ("step", "due"),
    [
        (Step("first", "send", send="x"), datetime(2027, 3, 26, 8, 30, tzinfo=UTC)),
        # Over the change of the clocks on 28 March: 09:30 in Stockholm stays 09:30.
        (wait("first", 3), datetime(2027, 3, 29, 7, 30, tzinfo=UTC)),
        (Step("first", "wait", after=Duration(72, Unit.HOUR)), datetime(2027, 3, 29, 8, 30, tzinfo=UTC)),
        (Step("first", "wait", after=Duration(1, Unit.MONTH)), datetime(2027, 4, 26, 7, 30, tzinfo=UTC)),
        (
            Step("first", "send", after=Duration(2, Unit.HOUR), quiet=True),
            datetime(2027, 3, 26, 10, 30, tzinfo=UTC),
        ),
    ],
)
def test_the_first_step_is_due_so_long_after_the_anchor_at_the_same_local_hour(
    store, clock, step, due
) -> None:
    clock.advance(datetime(2027, 3, 26, 8, 30, tzinfo=UTC) - clock.now())
    one = world(store, None, step)
    one.did(1, ago=SECOND)
    one.tick()
    assert one.at(one.journeys()[0].due_at) == due


def test_a_paused_flow_lets_nobody_in_and_takes_up_afterwards_what_is_not_too_old(store) -> None:
    one = world(store)
    switch = sa.update(sending.runs).values(state=sa.bindparam("to"))
    with store.durable("test") as connection:
        connection.execute(switch, {"to": "paused"})
    one.did(1)
    assert one.tick() == 0
    one.later(2 * DAY)
    one.did(2)
    assert one.tick() == 0
    with store.durable("test") as connection:
        connection.execute(switch, {"to": "sending"})
    assert one.tick() == 1
    assert one.who() == [2]


def test_a_cancelled_flow_lets_nobody_in_even_in_the_middle_of_entering(store, monkeypatch) -> None:
    one = world(store)
    one.did(1)
    real = type(store).paced

    def cancels(self, purpose):
        with store.durable("test") as connection:
            connection.execute(sa.update(sending.runs).values(state="cancelled"))
        return real(self, purpose)

    monkeypatch.setattr(type(store), "paced", cancels)
    assert one.tick() == 0
    assert one.who() == []


def test_a_start_by_something_that_is_no_event_is_said(store) -> None:
    one = world(store)
    one.flow = flow(Start("event", event="clicked"))
    one.did(1)
    with pytest.raises(UsageError, match="is not an event of"):
        one.tick()


def test_flows_for_which_nothing_happened_are_not_looked_at(store) -> None:
    one = world(store)
    one.later(timedelta(minutes=1))
    one.tick()
    assert flows_to_start(store, now=one.now) == []
    one.did(1)
    assert [live.flow for live in flows_to_start(store, now=one.now)] == ["basket"]
    one.tick()
    assert flows_to_start(store, now=one.now) == []
