"""Stores in which there is nothing to measure: an honest sentence each, and never a number that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from support.measured import (
    AFTERWARDS,
    ANCHOR,
    CAMPAIGN,
    GOAL,
    Enrolled,
    Happened,
    definitions_with,
    draw,
    enrol,
    happen,
    plan,
    without,
)
from support.scored_world import score
from tidings.definitions.hashing import definition_hash
from tidings.definitions.workspace import Definitions
from tidings.errors import TidingsError
from tidings.measurement.attribution.asking import ask, period_of, the_answer
from tidings.measurement.report import make_report
from tidings.scores.training import train
from tidings.store.database import Store

IN = ANCHOR + timedelta(days=1)
World = tuple[list[Enrolled], list[Happened]]


def everybody_alike() -> World:
    people = draw(3, 200)
    return people, [Happened(one.customer, "order_placed", IN, 500) for one in people]


def nobody_bought() -> World:
    # Known to have happened, and nothing of it within any window.
    return draw(3, 200), [Happened(1, "order_placed", ANCHOR + timedelta(days=30), 500)]


def one_bought() -> World:
    return draw(3, 200), [Happened(3, "order_placed", IN, 500)]


def two_currencies() -> World:
    return draw(3, 200), [
        Happened(n, "order_placed", IN, 500 + n, "EUR" if n % 2 else "USD") for n in range(1, 60)
    ]


def no_amounts() -> World:
    return draw(3, 200), [Happened(n, "order_placed", IN, None, None) for n in range(1, 60)]


def an_arm_of_nobody() -> World:
    people = [one for one in draw(3, 200) if one.variant != "warm"]
    return people, [Happened(one.customer, "order_placed", IN, 500) for one in people[::3]]


def one_customer() -> World:
    return [Enrolled(1, "treated", "warm")], [Happened(1, "order_placed", IN, 500)]


def nobody_at_all() -> World:
    return [], []


def nothing_ever() -> World:
    return draw(3, 200), []


WORLDS: dict[Callable[[], World], str] = {
    everybody_alike: "everybody in both arms has the same value",
    nobody_bought: "none in",
    one_bought: "Few people stand behind this",
    two_currencies: "different currencies are not added up",
    no_amounts: "have no amount and count as 0",
    an_arm_of_nobody: "do not have the sizes that were drawn",
    one_customer: "Nobody was held out",
    nobody_at_all: "Nobody is enrolled yet",
    nothing_ever: "No event order_placed is in the store yet",
}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_a_report_of_a_bad_world_says_so_and_holds_no_number_that_is_none(
    store: Store, world: Callable[[], World]
) -> None:
    campaign = without(CAMPAIGN, also=(replace(GOAL, worth=None, counts="every"),))
    definitions = definitions_with(campaign)
    people, events = world()
    enrol(store, people, plan_id=plan(store, 1000), definition=definition_hash(definitions, "spring"))
    if events:
        happen(store, events)
    for after in (timedelta(minutes=1), timedelta(days=5), timedelta(days=40)):
        plain = make_report(store, definitions, "spring", as_of=ANCHOR + after).as_json()
        told = json.dumps(plain, allow_nan=False, ensure_ascii=False)
        for effect in plain["effects"]:
            assert effect["interval"] is not None or effect["reason"], after
            assert effect["relative_interval"] is not None or effect["relative_reason"], after
    assert WORLDS[world] in told


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_credit_and_scores_of_a_bad_world_say_so_too(store: Store, world: Callable[[], World]) -> None:
    definitions: Definitions = replace(definitions_with(), scores={"repeat_purchase": score()})
    people, events = world()
    enrol(store, people, plan_id=plan(store, 1000), definition=definition_hash(definitions, "spring"))
    if events:
        happen(store, events)
    asked = ask(store, definitions, period_of("2027-01-01", "2027-12-31", definitions, AFTERWARDS.date()))
    answer = the_answer(store, asked, "channel", ("first", "markov", "shapley"))
    plain = answer.as_json()
    json.dumps(plain, allow_nan=False)
    assert plain["attributed"]["count"] == 0 and plain["words"]
    with pytest.raises(TidingsError) as refused:
        train(store, definitions, "repeat_purchase", now=AFTERWARDS)
    assert str(refused.value) and refused.value.what_to_do
