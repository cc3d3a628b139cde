"""Rows that become visible late: PostgreSQL gives ids before the commit, and a start is never missed for that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from support.starting_world import World, flow
from support.stores import open_store
from tidings.clock import to_micros
from tidings.definitions.kinds.flow import Start
from tidings.definitions.kinds.timing import Again
from tidings.flows.journeys import late_commits
from tidings.flows.journeys.late_commits import Gap, Reach
from tidings.flows.journeys.starting import flows_to_start
from tidings.store.tables import journeys, people


def world(store, *args, **more) -> World:
    made = World(store, flow(*args, **more))
    made.people(5)
    made.live()
    made.later(timedelta(seconds=1))
    return made


@pytest.fixture
def postgres(make_store):
    """A PostgreSQL store: only there rows become visible late."""
    return make_store("postgresql")


def test_workers_that_see_different_starts_of_a_customer_let_one_in(postgres, clock, monkeypatch) -> None:
    """One computes whom to let in, then another lets in a later start of the same customer."""
    from tidings.flows.journeys import entering

    one = world(postgres, again=Again("always"))
    one.did(1)
    other = replace(one, store=open_store(postgres.url, clock))
    real = entering._draw

    def meanwhile(connection, entrance) -> None:
        real(connection, entrance)
        monkeypatch.setattr(entering, "_draw", real)
        one.did(1)
        assert other.tick() == 1

    monkeypatch.setattr(entering, "_draw", meanwhile)
    assert one.tick() == 0
    other.store.close()
    assert one.who() == [1]


def slow(one: World, customer: int, event_id: int):
    """Begin a transaction that has taken an id and does not commit yet; return what ends it."""
    connection = one.store._durable.connect()
    transaction = connection.begin()
    one.did_in(connection, customer, id=event_id)

    def commit() -> None:
        transaction.commit()
        connection.close()

    return commit


def test_a_writer_held_open_across_three_ticks_starts_within_the_first_tick_after_its_commit(
    postgres,
) -> None:
    one = world(postgres)
    commit = slow(one, 1, 101)
    with postgres.durable("test") as connection:
        one.did_in(connection, 2, id=102)
    assert one.tick() == 1
    for _ in range(3):
        one.later(timedelta(seconds=5))
        assert one.tick() == 0
        assert [live.flow for live in flows_to_start(postgres, now=one.now)] == ["basket"]
    commit()
    assert one.tick() == 1
    assert one.who() == [1, 2]
    assert [one.tick() for _ in range(3)] == [0, 0, 0]


def test_a_writer_is_waited_for_as_long_as_its_transaction_runs(postgres, monkeypatch) -> None:
    monkeypatch.setattr(late_commits, "SETTLED_SECONDS", 0)
    one = world(postgres)
    commit = slow(one, 1, 101)
    with postgres.durable("test") as connection:
        one.did_in(connection, 2, id=105)
    for _ in range(4):
        one.tick()
        one.later(timedelta(minutes=1))
    assert gaps(one) == [(1, 104)]
    commit()
    assert one.tick() == 1
    one.later(timedelta(minutes=1))
    one.tick()
    # Nobody can hold 1 to 100 and 102 to 104 any more: they were never given out, or rolled back.
    assert gaps(one) == []
    assert one.who() == [1, 2]


def test_a_transaction_that_took_an_id_before_it_had_a_number_is_waited_for(postgres, monkeypatch) -> None:
    """An id may be given out before the transaction writes anything, so before PostgreSQL numbers it."""
    monkeypatch.setattr(late_commits, "SETTLED_SECONDS", 0)
    one = world(postgres)
    connection = postgres._durable.connect()
    transaction = connection.begin()
    connection.exec_driver_sql("SELECT 1")
    with postgres.durable("test") as other:
        one.did_in(other, 2, id=105)
    for _ in range(3):
        one.tick()
        one.later(timedelta(minutes=1))
    assert gaps(one) == [(1, 104)]
    one.did_in(connection, 1, id=104)
    transaction.commit()
    connection.close()
    assert one.tick() == 1
    assert one.who() == [1, 2]


def test_a_gap_is_kept_for_a_minute_even_when_no_transaction_runs(postgres) -> None:
    one = world(postgres)
    with postgres.durable("test") as connection:
        one.did_in(connection, 1, id=50)
    one.tick()
    one.later(timedelta(minutes=2))
    one.tick()
    # Measured by the database's own clock, and there no minute has gone by.
    assert gaps(one) == [(1, 49)]


def test_a_start_that_was_turned_away_is_not_asked_again_because_of_a_late_one(postgres) -> None:
    """Both databases let in the same: what was seen once is decided."""
    one = world(postgres, again=Again("always"))
    one.did(1)
    one.tick()
    commit = slow(one, 2, 200)
    with postgres.durable("test") as connection:
        one.did_in(connection, 1, id=201)
    assert one.tick() == 0
    one.end(1)
    one.later(timedelta(seconds=5))
    assert one.tick() == 0
    commit()
    assert one.tick() == 1
    assert one.who() == [1, 2]


def test_members_of_a_segment_that_become_visible_late_enter_as_well(postgres) -> None:
    one = world(postgres, Start("enters", segment="fair"))
    connection = postgres._durable.connect()
    transaction = connection.begin()
    joins = people.segment_members.insert()
    at = to_micros(one.now)
    connection.execute(joins.values(id=10, segment="fair", customer_id=1, valid_from=at))
    with postgres.durable("test") as other:
        other.execute(joins.values(id=11, segment="fair", customer_id=2, valid_from=at))
    assert one.tick() == 1
    transaction.commit()
    connection.close()
    assert one.tick() == 1
    assert one.who() == [1, 2]


def test_more_gaps_than_are_kept_are_joined_with_the_nearest() -> None:
    gaps = [Gap(first, first, 5, 7) for first in range(10, 10 + 3 * late_commits.MOST_GAPS, 2)]
    gaps.append(Gap(10_000, 10_000, 9, 8))
    joined = late_commits._joined(gaps)
    assert len(joined) <= late_commits.MOST_GAPS
    assert joined[-1].last == 10_000
    covered = {number for gap in joined for number in range(gap.first, gap.last + 1)}
    assert {gap.first for gap in gaps} <= covered


def test_where_rows_come_in_order_there_are_no_gaps(make_store) -> None:
    one = world(make_store("sqlite"))
    with one.store.durable("test") as connection:
        one.did_in(connection, 1, id=50)
    one.tick()
    assert gaps(one) == []


def gaps(one: World) -> list[tuple[int, int]]:
    with one.store.read() as connection:
        detail = connection.execute(sa.select(journeys.trigger_marks.c.detail)).scalar_one()
    return [(gap.first, gap.last) for gap in Reach.from_json(detail).gaps]
