"""Starts by entering or leaving a segment: what stored membership says since the flow went live."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.starting_world import DAY, HOUR, World, flow
from tidings.clock import to_micros
from tidings.definitions.kinds.flow import Start
from tidings.definitions.kinds.timing import Again
from tidings.flows.journeys.starting import flows_to_start
from tidings.flows.journeys.starting_segments import segments_to_refresh
from tidings.store.tables import people


def world(store, *, kind: str = "enters", segment: str = "gold", catch_up="nobody", **more) -> World:
    made = World(store, flow(Start(kind, segment=segment, catch_up=catch_up), **more))
    made.people(4)
    return made


def levels(one: World, **found: str) -> None:
    for name, level in found.items():
        one.attribute(int(name[1:]), member_level=level)


def listed(one: World, *customers: int) -> None:
    with one.store.durable("test") as connection:
        for customer in customers:
            connection.execute(
                people.segment_members.insert().values(
                    segment="fair", customer_id=customer, valid_from=to_micros(one.now)
                )
            )


def off(one: World, *customers: int) -> None:
    with one.store.durable("test") as connection:
        connection.execute(
            sa.update(people.segment_members)
            .where(people.segment_members.c.customer_id.in_(customers))
            .values(valid_to=to_micros(one.now))
        )


def test_who_was_in_the_segment_at_go_live_does_not_enter_and_who_comes_in_does(store) -> None:
    one = world(store)
    levels(one, c1="gold", c2="silver")
    one.live()
    assert one.tick() == 0
    one.later(HOUR)
    levels(one, c2="gold")
    one.refresh()
    assert one.tick() == 1
    (journey,) = one.journeys()
    assert journey.customer_id == 2
    assert journey.anchor_at == to_micros(one.now)
    assert journey.start_ref.startswith("m")
    assert journey.event_id is None
    assert one.tick() == 0


def test_a_segment_computed_for_the_first_time_at_go_live_starts_nobody_who_was_in_it_already(store) -> None:
    one = world(store)
    levels(one, c1="gold", c2="gold", c3="gold")
    one.live()
    one.later(HOUR)
    one.refresh()
    assert one.tick() == 0


def test_catch_up_everybody_starts_those_inside_at_go_live_when_the_flow_does(store) -> None:
    one = world(store, catch_up="everybody")
    levels(one, c1="gold", c2="gold", c3="silver")
    one.refresh()
    one.later(30 * DAY)
    levels(one, c2="silver")
    one.live()
    live = to_micros(one.now)
    one.later(HOUR)
    assert one.tick() == 1
    assert [(row.customer_id, row.anchor_at) for row in one.journeys()] == [(1, live)]
    levels(one, c3="gold")
    one.refresh()
    assert one.tick() == 1
    assert [(row.customer_id, row.anchor_at) for row in one.journeys()][1] == (3, to_micros(one.now))
    assert one.tick() == 0


def test_whoever_comes_in_again_starts_again_as_again_says(store) -> None:
    one = world(store, again=Again("always"))
    one.live()
    for level in ("gold", "silver", "gold"):
        one.later(DAY)
        levels(one, c1=level)
        one.refresh()
        one.tick()
        one.end(1)
    assert [row.entry for row in one.journeys()] == [0, 1]


def test_coming_in_and_out_between_two_looks_starts_as_well(store) -> None:
    one = world(store)
    one.live()
    for level in ("gold", "silver"):
        one.later(HOUR)
        levels(one, c1=level)
        one.refresh()
    assert one.tick() == 1


def test_a_list_that_is_filled_starts_at_the_next_look(store) -> None:
    one = world(store, segment="fair")
    listed(one, 1)
    one.live()
    one.later(HOUR)
    assert one.tick() == 0
    listed(one, 2, 3)
    assert one.tick() == 2
    assert one.who() == [2, 3]


def test_at_the_very_instant_of_go_live_only_what_is_stored_afterwards_enters(store) -> None:
    one = world(store, segment="fair")
    listed(one, 1)
    one.live()
    listed(one, 2)
    one.tick()
    assert one.who() == [2]


def test_leaving_a_segment_starts_at_the_instant_of_leaving(store) -> None:
    one = world(store, kind="leaves")
    levels(one, c1="gold", c2="gold", c3="gold")
    one.refresh()
    one.later(DAY)
    levels(one, c3="silver")
    one.live()
    assert one.tick() == 0
    one.later(HOUR)
    levels(one, c2="silver")
    one.refresh()
    left = to_micros(one.now)
    one.later(timedelta(minutes=5))
    assert one.tick() == 1
    (journey,) = one.journeys()
    assert (journey.customer_id, journey.anchor_at) == (2, left)
    assert journey.start_ref.startswith("x")
    assert one.tick() == 0


def test_who_is_taken_off_a_list_starts_within_a_minute_or_so(store) -> None:
    one = world(store, kind="leaves", segment="fair")
    listed(one, 1, 2)
    one.later(HOUR)
    one.live()
    one.tick()
    one.later(timedelta(seconds=10))
    off(one, 1)
    one.later(timedelta(seconds=60))
    assert one.tick() == 1
    assert one.who() == [1]


@pytest.mark.parametrize("kind", ["enters", "leaves"])
def test_flows_whose_segment_did_not_change_are_not_looked_at(store, kind) -> None:
    one = world(store, kind=kind)
    one.live()
    one.later(timedelta(minutes=20))
    one.tick()
    assert flows_to_start(store, now=one.now) == []
    levels(one, c1="gold")
    one.refresh()
    assert len(flows_to_start(store, now=one.now)) == 1


def test_the_segments_of_live_flows_are_those_to_refresh(store) -> None:
    one = world(store)
    assert segments_to_refresh(one.definitions, store) == ()
    one.live()
    assert segments_to_refresh(one.definitions, store) == ("gold",)
    one.edit(starts=Start("enters", segment="fair"))
    assert segments_to_refresh(one.definitions, store) == ()
