"""Segments with a rank against a naive reading, on both databases: alone, inside conditions, inside one another."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.condition_trees import conditions
from support.naive_segments import World
from support.segment_world import MOMENTS, SEGMENTS, fill, make_world, scope_of
from support.stores import Stores, open_store
from tidings.definitions.conditions import NoneOfThese, SegmentCondition
from tidings.definitions.kinds.segment import Rank, Segment
from tidings.definitions.values import Share
from tidings.segments.compile import compile_conditions, compile_segment
from tidings.store.database import Store
from tidings.store.tables import people

PEOPLE, TREES = 120, 60
BY = ["score", "spent", "spent_jpy", "born", "seen", "loyalty", "never_trained"]
keeps = st.sampled_from(
    [Share(1), Share(1000), Share(3333), Share(4000), Share(9999), Share(10_000)]
) | st.sampled_from([1, 2, 7, 1000])
ranks = st.builds(Rank, st.sampled_from(BY), keeps)


class Filled(list[tuple[Store, World]]):
    """Stores and their populations; says little of itself, so that a failure shows the tree alone."""

    def __repr__(self) -> str:
        return f"{len(self)} populations"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, stores: Callable[[str], Stores]) -> Iterator[Filled]:
    """Stores of one database with random populations, two thirds of whom have a score with many ties."""
    made, source = Filled(), stores(request.param)
    for seed in (5, 6):
        world, draw = make_world(seed, PEOPLE), random.Random(seed)
        world.scores["loyalty"] = {
            one.id: draw.choice([0.0, 0.1, 0.25, 0.5, 1 / 3, 0.9999999999999999, draw.random()])
            for one in world.people
            if draw.random() < 0.66
        }
        store = open_store(source.url(request.param, bare=True))
        fill(store, world)
        with store.durable("test") as connection:
            connection.execute(
                sa.insert(people.scores),
                [
                    {"score": "loyalty", "customer_id": number, "value": value, "model": "m", "scored_at": 1}
                    for number, value in world.scores["loyalty"].items()
                ],
            )
        made.append((store, world))
    yield made
    for store, _ in made:
        store.close()
        source.drop(store.url)


@pytest.mark.parametrize("population", range(2))
@given(
    where=conditions,
    except_=conditions,
    outside=conditions,
    rank=ranks,
    moment=st.sampled_from(MOMENTS),
    negated=st.booleans(),
)
@example(
    where=(), except_=(), outside=(), rank=Rank("loyalty", Share(4000)), moment=MOMENTS[0], negated=False
)
@settings(
    max_examples=TREES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_rank_keeps_exactly_whom_a_naive_reading_keeps_alone_and_inside_conditions(
    filled: Filled, population: int, where, except_, outside, rank, moment, negated
) -> None:
    store, world = filled[population]
    world.zone, world.now = ZoneInfo(moment[0]), moment[1]
    world.kept.clear()
    best = Segment("best", "Best", "segments/best.yaml", where=where, except_=except_, rank=rank)
    world.segments = {**SEGMENTS, "best": best}
    scope = scope_of(world)
    reference = (NoneOfThese((SegmentCondition("best"),)),) if negated else (SegmentCondition("best"),)
    with store.read() as connection:
        alone = connection.execute(compile_segment(best, scope)).scalars().all()
        inside = connection.execute(compile_conditions((*outside, *reference), scope=scope)).scalars().all()
    assert len(alone) == len(set(alone))
    assert set(alone) == world.ranked(best)
    assert set(inside) == world.members((*outside, *reference))


@pytest.mark.parametrize("population", range(2))
def test_a_rank_of_a_ranked_segment_is_taken_of_those_whom_the_first_kept(
    filled: Filled, population: int
) -> None:
    store, world = filled[population]
    world.kept.clear()
    rich = Segment("rich_best", "", "segments/rich_best.yaml", rank=Rank("spent", Share(5000)))
    best = Segment(
        "best",
        "",
        "segments/best.yaml",
        where=(SegmentCondition("rich_best"),),
        rank=Rank("loyalty", Share(2500)),
    )
    world.segments = {**SEGMENTS, "rich_best": rich, "best": best}
    with store.read() as connection:
        found = set(connection.execute(compile_segment(best, scope_of(world))).scalars())
        first = set(connection.execute(compile_segment(rich, scope_of(world))).scalars())
    assert found == world.ranked(best)
    assert found < first == world.ranked(rich)
    living = sum(1 for one in world.people if not one.erased)
    assert len(first) == min(
        -(-living // 2),
        sum(1 for one in world.people if not one.erased and one.attributes.get("spent") is not None),
    )
