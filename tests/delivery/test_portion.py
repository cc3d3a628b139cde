"""What is in hand is what the channel takes in a quarter of a second: little where it is slow, much where it is fast."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from support.ledger_channel import Channel, render
from support.ledger_world import seed
from tidings.clock import FixedClock
from tidings.delivery.portion import Portion
from tidings.delivery.sender import deliver
from tidings.store.database import Store
from tidings.store.tables import sending


def _sizes(store: Store) -> list[int]:
    with store.read() as connection:
        return list(
            connection.execute(sa.select(sending.claims.c.size).order_by(sending.claims.c.id)).scalars()
        )


def _at_pace(portion: Portion, per_second: float, claims: int = 12) -> int:
    now, settled = 100.0, 0
    for _ in range(claims):
        portion.fit(settled, now)
        settled += portion.size
        now += portion.size / per_second
    return portion.size


@pytest.mark.parametrize(("per_second", "size"), [(4_000, 1_000), (2_000, 500), (10, 100), (50_000, 2_000)])
def test_it_comes_to_a_quarter_of_a_second_within_its_bounds(per_second: float, size: int) -> None:
    assert _at_pace(Portion(least=10, most=2_000), per_second) == pytest.approx(size, rel=0.01)


def test_connections_are_kept_busy_and_a_batch_is_the_most() -> None:
    # Eight connections with windows of a hundred need a thousand in hand, whatever a batch is.
    assert _at_pace(Portion(least=1_000, most=2_000), 10) == 1_000
    assert _at_pace(Portion(least=1_000, most=500), 10) == 1_000
    assert _at_pace(Portion(least=10, most=20), 50_000) == 20


def test_a_known_rate_is_the_pace_before_anything_was_sent() -> None:
    assert Portion(least=10, most=2_000).size == 250
    assert Portion(least=10, most=2_000, rate=2_000).size == 500
    assert Portion(least=10, most=2_000, rate=1).size == 100


def test_one_answer_changes_it_by_half_or_double_at_most_and_none_not_at_all() -> None:
    portion = Portion(least=10, most=2_000, rate=2_000)
    portion.fit(0, 1.0)
    portion.fit(1, 61.0)
    assert portion.size == 250
    portion.fit(9_001, 62.0)
    assert portion.size == 500
    # Nothing was settled, or nearly no time has gone by: that says nothing of the pace.
    portion.fit(9_001, 90.0)
    portion.fit(9_900, 62.01)
    assert portion.size == 500


@given(
    least=st.integers(1, 5_000),
    most=st.integers(1, 5_000),
    told=st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 60)), max_size=20),
)
def test_it_never_leaves_its_bounds(least: int, most: int, told: list[tuple[int, float]]) -> None:
    portion, settled, now = Portion(least=least, most=most), 0, 0.0
    for more, seconds in told:
        settled, now = settled + more, now + seconds
        portion.fit(settled, now)
        assert min(least, most) <= portion.size <= max(least, most)
        assert 0 <= portion.few < portion.size


def test_a_slow_channel_claims_little_of_which_little_can_be_in_doubt(
    store: Store, clock: FixedClock
) -> None:
    world = seed(store, 700)
    slow = Channel(before=lambda _letter: time.sleep(0.004))
    done = deliver(store, world.job, adapter=slow, render=render, clock=clock, connections=2)
    assert done.state == "finished"
    first, *others = _sizes(store)
    assert first == 250
    # 500 a second: a quarter of that is in hand, and no more was claimed than went.
    assert max(others) <= 200
    assert len(others) >= 4


def test_a_fast_channel_claims_much_and_seldom(store: Store, clock: FixedClock) -> None:
    world = seed(store, 6_000)
    done = deliver(store, world.job, adapter=Channel(), render=render, clock=clock)
    assert done.state == "finished"
    sizes = _sizes(store)
    assert sizes[0] == 250
    assert max(sizes) > 250
    assert max(sizes) <= 2_000
    assert len(sizes) < 24


def test_a_declared_rate_is_known_before_the_first_claim(store: Store, clock: FixedClock) -> None:
    world = seed(store, 260)
    done = deliver(store, world.job, adapter=Channel(), render=render, clock=clock, rate_per_second=800)
    assert done.state == "finished"
    # A quarter of a second of it, where a call that knows nothing begins with 250.
    assert _sizes(store)[0] == 200
