"""Bulk work never keeps others from writing for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from support.stores import START, open_store
from tidings.clock import FixedClock, SystemClock
from tidings.store import locking
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import people


class RestingClock(SystemClock):
    """Real monotonic time; remembers rests instead of taking them."""

    def __init__(self) -> None:
        self.rests: list[float] = []

    def now(self) -> datetime:
        return START.astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)


def test_a_hundred_thousand_rows_never_hold_the_lock_for_200_ms(store: Store) -> None:
    rows = ((f"c{number}", number, f"c{number}@example.org", 1) for number in range(100_000))
    for chunk in store.paced("import").chunks(rows):
        assert len(chunk) <= 1_000
        with store.durable("import") as connection:
            insert_rows(connection, people.customers, chunk, ("key", "u", "email", "created_at"))
    (use,) = store.lock_report()
    assert use.purpose == "import"
    assert use.count >= 100
    assert use.longest_busy_ms < 200
    with store.read() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(people.customers)).scalar() == 100_000
        )


def test_it_rests_after_each_chunk_at_least_as_long_as_it_held_the_lock(
    make_store: Callable[..., Store],
) -> None:
    clock = RestingClock()
    with open_store(make_store("sqlite").url, clock) as store:
        for _ in store.paced("slow").chunks(range(3), 1):
            with store.durable("slow"):
                time.sleep(0.02)
        (use,) = store.lock_report()
    assert len(clock.rests) == 3
    assert min(clock.rests) >= 0.02
    assert sum(clock.rests) * 1000 >= use.total_ms * 0.99


def test_postgresql_needs_no_rest(make_store: Callable[..., Store]) -> None:
    clock = RestingClock()
    with open_store(make_store("postgresql").url, clock) as store:
        for _ in store.paced("slow").chunks(range(2), 1):
            with store.durable("slow"):
                time.sleep(0.01)
    assert clock.rests == []


def test_a_clock_that_stands_still_is_not_moved_by_resting(store: Store, clock: FixedClock) -> None:
    for _ in store.paced("import").chunks(range(3), 1):
        with store.durable("import"):
            time.sleep(0.005)
    assert clock.now() == START


def test_slow_chunks_become_smaller_and_grow_again(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "LONG_SECONDS", 0.02)
    store = make_store("sqlite")
    sizes = []
    for chunk in store.paced("import").chunks(range(1_000), 100):
        sizes.append(len(chunk))
        with store.durable("import"):
            time.sleep(0.03 if len(sizes) < 3 else 0)
    assert sizes[:5] == [100, 50, 25, 50, 100]
    assert sum(sizes) == 1_000


@pytest.mark.parametrize(
    ("low", "high", "size", "expected"),
    [
        (1, 10, 4, [(1, 4), (5, 8), (9, 10)]),
        (5, 5, 1_000, [(5, 5)]),
        (6, 5, 10, []),
        (1, 2_500, 9_999, [(1, 1_000), (1_001, 2_000), (2_001, 2_500)]),
    ],
)
def test_spans_cover_every_id_once(
    make_store: Callable[..., Store], low: int, high: int, size: int, expected: list[tuple[int, int]]
) -> None:
    assert list(make_store("sqlite").paced("x").spans(low, high, size)) == expected


def test_a_chunk_has_at_least_one_row(make_store: Callable[..., Store]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        list(make_store("sqlite").paced("x").chunks([1], 0))
