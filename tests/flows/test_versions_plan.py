"""The plan of a flow: who enters at once, how many wait where, what an edit would change; nothing is changed by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.test_versions import A, C, let_in, places, world
from support.starting_world import World, days, flow, wait
from tidings.definitions.kinds.flow import Start
from tidings.errors import UsageError
from tidings.flows.journeys.planning import plan_flow


def test_an_unknown_flow_names_the_nearest(store) -> None:
    one = world(store)
    with pytest.raises(UsageError) as error:
        plan_flow(store, one.definitions, "baskit", now=one.now)
    assert error.value.what_to_do == 'did you mean "basket"?'


def test_the_plan_shows_heads_per_step_and_what_an_edit_changes(store) -> None:
    one = world(store)
    let_in(one, c1="a", c2="b", c3="b", c4="c")
    one.flow = replace(one.flow, steps=(A, wait("x"), replace(C, after=days(9))), moved=(("b", "x"),))
    plan = plan_flow(store, one.definitions, "basket", now=one.now)
    assert (plan.kind, plan.version, plan.people, plan.missing, plan.new_start) == ("edit", 2, 4, (), False)
    assert [(step.name, step.heads, step.change, step.moved) for step in plan.steps] == [
        ("a", 1, "same", ""),
        ("x", 0, "added", ""),
        ("c", 1, "changed", ""),
        ("b", 2, "removed", "x"),
    ]
    assert plan.expected == 4
    assert plan.as_json()["steps"][3] == {
        "name": "b",
        "verb": "wait",
        "heads": 2,
        "change": "removed",
        "moved": "x",
    }
    assert places(one) == {1: "a", 2: "b", 3: "b", 4: "c"}
    assert one.version == 1


def test_the_plan_of_a_new_flow_counts_who_enters_at_once(store) -> None:
    one = World(store, flow(Start("enters", segment="gold", catch_up="everybody")))
    one.people(4)
    for customer in (1, 2, 3):
        one.attribute(customer, member_level="gold")
    plan = plan_flow(store, one.definitions, "basket", now=one.now)
    assert (plan.kind, plan.state, plan.entering) == ("new", "not live", {"treated": 3})
    assert one.journeys() == []
    one.live()
    assert one.tick() == 3
    after = plan_flow(store, one.definitions, "basket", now=one.now)
    assert (after.kind, after.people, after.entering) == ("unchanged", 3, {})
