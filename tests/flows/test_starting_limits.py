"""How many may enter a flow: as many as were approved with its plan; when more would, nobody does, and it pauses and asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.starting_world import DAY, World, flow, wait
from tidings.definitions.kinds.flow import Again, Start
from tidings.delivery.pause import pause
from tidings.flows.journeys.limits import approve_anew
from tidings.flows.journeys.live import LiveFlow, find_live
from tidings.flows.journeys.planning import plan_flow
from tidings.flows.journeys.versions import start_flow
from tidings.store.tables import keeping

WORDS = "would have entered in 28 days, and 3 were approved; approve it anew with `tidings run basket`"


def live(store, most: int | None, count: int = 8) -> World:
    world = World(store, flow())
    world.people(count)
    world.run_id = start_flow(
        store, world.definitions, "basket", approved_by="anna", now=world.now, most=most
    )
    return world


def stands(world: World) -> LiveFlow:
    found = find_live(world.store, "basket")
    assert found is not None
    return found


def test_a_flow_pauses_and_asks_when_more_would_enter_than_were_approved(store) -> None:
    world = live(store, 3)
    for customer in (1, 2):
        world.did(customer)
    assert world.tick() == 2
    world.later(DAY)
    for customer in (3, 4):
        world.did(customer)
    assert world.tick() == 0
    assert (world.who(), stands(world).state) == ([1, 2], "paused")
    assert stands(world).pause_reason == f"4 people {WORDS}"
    with store.read() as connection:
        told = connection.execute(
            sa.select(keeping.audit.c.actor, keeping.audit.c.subject).where(
                keeping.audit.c.action == "paused"
            )
        ).all()
    assert [tuple(row) for row in told] == [("tidings", "basket")]
    assert world.tick() == 0


def test_approved_anew_it_lets_in_those_whom_it_held(store) -> None:
    world = live(store, 3)
    for customer in (1, 2, 3, 4):
        world.did(customer)
    assert world.tick() == 0
    assert plan_flow(store, world.definitions, "basket", now=world.now).most == 4 + 50
    assert approve_anew(store, "basket", world.run_id, 4, approved_by="anna", now=world.now)
    assert (stands(world).state, stands(world).pause_reason) == ("sending", None)
    assert world.tick() == 4
    assert world.who() == [1, 2, 3, 4]


def test_exactly_as_many_as_approved_enter_and_not_one_more(store) -> None:
    world = live(store, 3)
    for customer in (1, 2, 3):
        world.did(customer)
    assert (world.tick(), stands(world).state) == (3, "sending")
    world.did(4)
    assert (world.tick(), stands(world).state) == (0, "paused")


def test_who_entered_more_than_28_days_ago_counts_no_more(store) -> None:
    world = live(store, 3)
    for customer in (1, 2, 3):
        world.did(customer)
    world.tick()
    world.later(28 * DAY)
    for customer in (4, 5, 6):
        world.did(customer)
    assert (world.tick(), stands(world).state) == (3, "sending")
    world.later(27 * DAY)
    world.did(7)
    assert (world.tick(), stands(world).state) == (0, "paused")


def test_a_pause_that_somebody_wanted_outlives_another_limit(store) -> None:
    world = live(store, 3)
    pause(store, "basket", reason="wrong price", actor="anna", now=world.now)
    assert not approve_anew(store, "basket", world.run_id, 9, approved_by="anna", now=world.now)
    assert stands(world).pause_reason == "wrong price"


def test_the_limit_of_a_plan_is_what_is_expected_and_the_drift_allowed(store) -> None:
    world = World(store, flow(again=Again("always")))
    world.people(2)
    for ago in (40, 20, 10, 5):
        world.did(1, ago=ago * DAY)
    plan = plan_flow(store, world.definitions, "basket", now=world.now)
    assert (plan.expected, plan.most) == (3, 3 + 50)


def test_where_too_little_is_known_there_is_no_limit(store) -> None:
    world = World(store, flow())
    world.people(2)
    world.did(1, ago=5 * DAY)
    assert plan_flow(store, world.definitions, "basket", now=world.now).most is None
    for customer in (1, 2):
        world.did(customer)
    world.live()
    world.later(timedelta(minutes=1))
    for customer in (1, 2):
        world.did(customer)
    assert (world.tick(), stands(world).state) == (2, "sending")


def test_an_edited_flow_has_the_limit_approved_with_it(store) -> None:
    world = live(store, 1)
    world.did(1)
    assert world.tick() == 1
    world.flow = replace(world.flow, steps=(wait("first"), wait("second")))
    start_flow(store, world.definitions, "basket", approved_by="anna", now=world.now, most=2)
    for customer in (2, 3):
        world.did(customer)
    assert (world.tick(), stands(world).state) == (2, "sending")


def test_those_inside_a_segment_at_go_live_are_bounded_as_well(store) -> None:
    world = World(store, flow(Start("enters", segment="gold", catch_up="everybody")))
    world.people(4)
    for customer in (1, 2, 3, 4):
        world.attribute(customer, member_level="gold")
    world.run_id = start_flow(store, world.definitions, "basket", approved_by="anna", now=world.now, most=3)
    assert (world.tick(), world.who(), stands(world).state) == (0, [], "paused")
    assert stands(world).pause_reason == f"4 people {WORDS}"


def test_a_pause_between_the_look_and_the_letting_in_loses_no_start(store, monkeypatch) -> None:
    from tidings.delivery.pause import resume
    from tidings.flows.journeys import starting

    world = live(store, None)
    world.did(1)
    real = starting.enter

    def paused_first(*given, **named):
        pause(store, "basket", reason="", actor="anna", now=world.now)
        return real(*given, **named)

    monkeypatch.setattr(starting, "enter", paused_first)
    assert world.tick() == 0
    monkeypatch.setattr(starting, "enter", real)
    resume(store, "basket", actor="anna", now=world.now)
    assert (world.tick(), world.who()) == (1, [1])


@pytest.mark.parametrize("most", [None, 3])
def test_a_flow_within_its_limit_is_let_in_as_one_without(store, most) -> None:
    world = live(store, most)
    for customer in (1, 2, 3):
        world.did(customer)
    assert world.tick() == 3
