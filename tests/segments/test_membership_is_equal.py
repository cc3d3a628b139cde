"""The compiler against a naive reading, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.condition_trees import conditions
from support.naive_segments import World
from support.segment_world import MOMENTS, fill, make_world, scope_of
from support.stores import Stores, open_store
from tidings.definitions.conditions import AttributeCondition, DidCondition, Measure, NoneOfThese
from tidings.definitions.values import Not, OneOf, Unknown
from tidings.segments.compile import compile_conditions
from tidings.store.database import Store

POPULATIONS = [1, 2, 3, 4]
PEOPLE = 120
TREES = 90


# A test that shrinks to a constant once cost the sum its one row a customer.
NOTHING_SUMS_TO_IT = DidCondition("order", measure=Measure("total", "pieces", OneOf(())))


class Filled(list[tuple[Store, World]]):
    """Stores and their populations; says little of itself, so that a failure shows the tree alone."""

    def __repr__(self) -> str:
        return f"{len(self)} populations"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, stores: Callable[[str], Stores]) -> Iterator[Filled]:
    """Stores of one database with random populations, written once."""
    made, source = Filled(), stores(request.param)
    for seed in POPULATIONS:
        world = make_world(seed, PEOPLE)
        store = open_store(source.url(request.param, bare=True))
        fill(store, world)
        made.append((store, world))
    yield made
    for store, _ in made:
        store.close()
        source.drop(store.url)


@pytest.mark.parametrize("population", range(len(POPULATIONS)))
@given(where=conditions, except_=conditions, moment=st.sampled_from(MOMENTS))
@example(where=(), except_=(), moment=MOMENTS[0])
@example(
    where=(
        NoneOfThese(
            (
                AttributeCondition(
                    "level",
                    Not(OneOf(())),
                ),
            )
        ),
    ),
    except_=(),
    moment=MOMENTS[3],
)
@example(where=(AttributeCondition("tags", Unknown()), DidCondition("order")), except_=(), moment=MOMENTS[4])
@example(where=(NOTHING_SUMS_TO_IT,), except_=(), moment=MOMENTS[4])
@settings(
    max_examples=TREES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_statement_selects_exactly_whom_a_naive_reading_selects(
    filled: Filled, population: int, where, except_, moment
) -> None:
    store, world = filled[population]
    world.zone, world.now = ZoneInfo(moment[0]), moment[1]
    statement = compile_conditions(where, scope=scope_of(world), except_=except_)
    with store.read() as connection:
        found = connection.execute(statement).scalars().all()
    assert len(found) == len(set(found))
    assert set(found) == world.members(where, except_)
