"""Why a customer walked a flow as they did, or not at all: each step with its time and the rule that decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from support.explained_shop import fact, facts, said
from support.flow_stage import FlowStage, days, flow_of, send
from support.starting_world import World
from support.starting_world import flow as basket
from tidings.clock import FixedClock, to_micros
from tidings.definitions.conditions import AttributeCondition, DidCondition
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.flow import Start, Step, WaitFor
from tidings.definitions.values import Is
from tidings.flows.explaining.answering import explain
from tidings.flows.explaining.facts import Explanation
from tidings.store.database import Store
from tidings.store.tables import people, sending

MONDAY = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def stage_of(store: Store) -> FlowStage:
    """A flow with a passed step, a wait and what people leave it for."""
    flow = flow_of(
        send("hello"),
        Step("answer", "wait_for", wait_for=WaitFor("clicked", days(3), of="hello", if_not="again")),
        Step("mark", "set", values=(("vip", True),), then="end"),
        send("again", when=(AttributeCondition("member_level", Is("gold")),)),
        send("last", after=days(2)),
        leave_when=(DidCondition("order"),),
        goal=Goal("order", days(30)),
    )
    return FlowStage(store, flow)


def why(stage: FlowStage, key: str, at: datetime) -> Explanation:
    return explain(stage.store, stage.definitions, key, stage.flow.id, clock=FixedClock(at))


def key_of(stage: FlowStage, enrolment: int) -> str:
    with stage.store.read() as connection:
        return str(
            connection.execute(
                sa.select(people.customers.c.key)
                .join(sending.enrolments, sending.enrolments.c.customer_id == people.customers.c.id)
                .where(sending.enrolments.c.id == enrolment)
            ).scalar_one()
        )


def test_each_step_is_told_with_its_time_and_the_rule_that_decided(store: Store) -> None:
    stage = stage_of(store)
    entered = stage.start(MONDAY, member_level="silver")
    key = key_of(stage, entered)
    stage.walk(MONDAY)
    stage.walk(MONDAY + timedelta(days=3))
    found = why(stage, key, MONDAY + timedelta(days=3))
    assert [one.text for one in facts(found, "step")] == [
        "hello: reached",
        "answer: not answered in time: not did: clicked within 3 days",
        "again: passed over: not member_level: gold",
    ]
    assert [one.at for one in facts(found, "step")] == sorted(one.at or 0 for one in facts(found, "step"))
    assert fact(found, "started").at == to_micros(MONDAY)
    assert fact(found, "waiting").data["step"] == "last"
    assert found.headline.startswith("Walks the flow; waits before “last” until 2027-03-")
    assert [one.data["step"] for one in facts(found, "message")] == ["hello"]
    assert "marketing by e-mail needs none" in fact(found, "consent").text
    assert fact(found, "arm").verdict == "passed"


def test_who_answered_is_told_so_and_what_the_step_did(store: Store) -> None:
    stage = stage_of(store)
    entered = stage.start(MONDAY)
    stage.walk(MONDAY)
    stage.respond(entered, "hello", MONDAY + timedelta(hours=5))
    stage.walk(MONDAY + timedelta(hours=6))
    found = why(stage, key_of(stage, entered), MONDAY + timedelta(hours=6))
    assert [one.text for one in facts(found, "step")] == [
        "hello: reached",
        "answer: answered: did: clicked",
        "mark: reached",
    ]
    assert fact(found, "done").text == "“Key customer” becomes yes"
    assert fact(found, "response").text == "followed a link"
    assert found.headline == "Walked the flow to its end on 2027-03-01 15:00."


def test_who_left_is_told_by_which_condition(store: Store) -> None:
    stage = stage_of(store)
    entered = stage.start(MONDAY)
    key = key_of(stage, entered)
    stage.walk(MONDAY)
    with store.read() as connection:
        customer = connection.execute(
            sa.select(sending.enrolments.c.customer_id).where(sending.enrolments.c.id == entered)
        ).scalar_one()
    stage.event(customer, "order", MONDAY + timedelta(days=1))
    stage.walk(MONDAY + timedelta(days=3))
    found = why(stage, key, MONDAY + timedelta(days=4))
    assert facts(found, "step")[-1].text == "again: left the flow: did: order"
    assert fact(found, "ended").data["outcome"] == "left"
    assert fact(found, "goal").text.startswith("reached: order on 2027-03-02 10:00")
    assert found.headline.startswith("Left the flow on ")


def test_a_holdout_is_told_to_walk_silently(store: Store) -> None:
    stage = stage_of(store)
    entered = stage.start(MONDAY, arm="holdout")
    stage.walk(MONDAY)
    found = why(stage, key_of(stage, entered), MONDAY)
    assert fact(found, "arm").data["arm"] == "holdout"
    assert fact(found, "silent").verdict == "against"
    assert facts(found, "message") == []
    assert "silently, for comparison: got nothing" in found.headline


def test_who_never_entered_is_told_what_is_stored_about_it(store: Store) -> None:
    stage = stage_of(store)
    customer = stage.person()
    with store.read() as connection:
        key = connection.execute(
            sa.select(people.customers.c.key).where(people.customers.c.id == customer)
        ).scalar_one()
    found = why(stage, key, MONDAY)
    assert found.headline == "Got nothing: never entered the flow."
    assert fact(found, "start").text == "basket never happened"
    assert "as of now" in fact(found, "as of now").text


@pytest.mark.parametrize("inside", [True, False])
def test_a_start_by_segment_is_told_with_the_conditions_of_the_segment(store: Store, inside: bool) -> None:
    flow = flow_of(send("hello"), starts=Start("enters", segment="fans"))
    stage = FlowStage(store, flow)
    customer = stage.person()
    with store.durable("test") as connection:
        key = connection.execute(
            sa.select(people.customers.c.key).where(people.customers.c.id == customer)
        ).scalar_one()
        if inside:
            connection.execute(
                people.segment_members.insert().values(
                    segment="fans", customer_id=customer, valid_from=to_micros(MONDAY)
                )
            )
    found = why(stage, key, MONDAY)
    assert fact(found, "segment").verdict == ("passed" if inside else "against"), said(found)


def test_the_event_that_started_a_journey_is_told_and_that_the_run_recorded_cannot_be_read(
    store: Store,
) -> None:
    world = World(store, basket())
    world.people(2)
    world.live()
    world.did(1)
    world.tick()
    found = explain(store, world.definitions, "c1", "basket", clock=store.clock)
    assert fact(found, "started").text == (
        "by basket_updated on 2027-03-02 10:00, heard of on 2027-03-02 10:00"
    )
    assert fact(found, "waiting").text == "waits before first until 2027-03-03 10:00"
    assert "as the files say them now" in fact(found, "note").text
    other = explain(store, world.definitions, "c2", "basket", clock=store.clock)
    assert fact(other, "start").text == "basket_updated never happened"


def test_an_event_from_before_the_flow_went_live_is_told_to_be_too_early(store: Store) -> None:
    world = World(store, basket())
    world.people(1)
    world.did(1)
    world.later(timedelta(hours=1))
    world.live()
    world.tick()
    found = explain(store, world.definitions, "c1", "basket", clock=store.clock)
    assert fact(found, "start").text.endswith("before the flow went live on 2027-03-02 11:00")
    assert fact(found, "start").verdict == "against"


def test_a_start_by_a_segment_and_the_global_control_are_told(store: Store) -> None:
    world = World(store, basket(Start("enters", segment="gold")), control=4000)
    world.people(6)
    world.live()
    for number in range(1, 7):
        world.attribute(number, member_level="gold")
    world.refresh()
    world.tick()
    told = {number: explain(store, world.definitions, f"c{number}", "basket", clock=store.clock) for number in range(1, 7)}  # fmt: skip
    entered = set(world.who())
    assert 0 < len(entered) < 6
    for number, found in told.items():
        assert fact(found, "global control").verdict == ("passed" if number in entered else "against")
        if number in entered:
            assert fact(found, "started").text == "by coming into the segment gold"


def test_who_was_in_the_segment_before_the_flow_went_live_is_told_so_and_nobody_else(store: Store) -> None:
    world = World(store, basket(Start("enters", segment="gold")))
    world.people(2)
    world.attribute(1, member_level="gold")
    world.refresh()
    world.later(timedelta(hours=1))
    world.live()
    world.tick()
    first = fact(explain(store, world.definitions, "c1", "basket", clock=store.clock), "start")
    assert first.text == (
        "came into it on 2027-03-02 10:00, before the flow went live on 2027-03-02 11:00: "
        "who was in it by then does not enter"
    )
    assert first.verdict == "against"
    assert facts(explain(store, world.definitions, "c2", "basket", clock=store.clock), "start") == []


def test_the_time_line_has_the_steps_of_flows(store: Store) -> None:
    stage = stage_of(store)
    entered = stage.start(MONDAY)
    stage.walk(MONDAY)
    found = explain(store, stage.definitions, key_of(stage, entered), clock=FixedClock(MONDAY))
    texts = [one.text for one in found.chapters[-1].facts]
    assert f"entered the flow {stage.flow.id}: treated" in texts
    assert f"{stage.flow.id}.hello: reached" in texts
