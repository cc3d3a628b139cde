"""Each start enters once: over kills after any statement, workers side by side, and rows that become visible late."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event

from support.starting_world import DAY, SALT, World, flow
from support.stores import open_store
from tidings.clock import to_micros
from tidings.customers.identity import customer_u
from tidings.definitions.kinds.timing import Again
from tidings.flows.journeys.starting import flows_to_start
from tidings.store.batches import insert_rows
from tidings.store.tables import journeys, people, sending

SECOND = timedelta(seconds=1)


class Killed(BaseException):
    """The process is gone."""


def world(store, *args, people: int = 5, **more) -> World:
    made = World(store, flow(*args, **more))
    made.people(people)
    made.live()
    made.later(SECOND)
    return made


def crowd(one: World, count: int) -> None:
    """Add customers and one event for each of them."""
    at = to_micros(one.now)
    first = one.did(1)
    with one.store.durable("test") as connection:
        name_id = connection.execute(
            sa.select(people.events.c.name_id).where(people.events.c.id == first)
        ).scalar_one()
        ids = range(1001, 1001 + count)
        insert_rows(
            connection,
            people.customers,
            [(n, f"c{n}", customer_u(SALT, f"c{n}"), at) for n in ids],
            ["id", "key", "u", "created_at"],
        )
        insert_rows(
            connection,
            people.events,
            [(name_id, n, at, at, "crowd", str(n)) for n in ids],
            ["name_id", "customer_id", "occurred_at", "received_at", "source", "dedupe_key"],
        )


def whole(one: World) -> None:
    """Every enrolment has its journey and the other way round, and nobody is in twice."""
    with one.store.read() as connection:
        enrolled = set(connection.execute(sa.select(sending.enrolments.c.id)).scalars())
    walked = one.journeys()
    assert {row.enrolment_id for row in walked} == enrolled
    assert len({row.start_ref for row in walked}) == len(walked)


def writing(statement: str) -> bool:
    return statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))


def test_killed_after_any_statement_the_next_look_adds_what_is_missing_and_nothing_else(store) -> None:
    """The whole look is done again and again, each time killed one writing statement later."""
    one = world(store, again=Again("always"))
    for customer in (1, 2, 3):
        one.did(customer)
    engines = {store._durable, store._bench}
    left = 0

    def kill(connection, cursor, statement, parameters, context, executemany) -> None:
        nonlocal left
        if writing(statement):
            left -= 1
            if left < 0:
                raise Killed

    for engine in engines:
        sa_event.listen(engine, "after_cursor_execute", kill)
    try:
        for number in range(40):
            left = number
            try:
                one.tick()
                break
            except Killed:
                whole(one)
                # Nobody has come out of the flow: who is in stays in.
                assert one.who() in ([], [1, 2, 3])
        else:
            pytest.fail("the look never came to its end")
    finally:
        for engine in engines:
            sa_event.remove(engine, "after_cursor_execute", kill)
    assert number >= 5
    assert one.who() == [1, 2, 3]
    assert one.tick() == 0
    whole(one)


def test_killed_between_two_chunks_the_rest_enters_afterwards(store, monkeypatch) -> None:
    from tidings.flows.journeys import entering

    one = world(store)
    crowd(one, 2500)
    real, calls = entering._let_in, []

    def dies(*args):
        calls.append(args)
        if len(calls) == 3:
            raise Killed
        return real(*args)

    monkeypatch.setattr(entering, "_let_in", dies)
    with pytest.raises(Killed):
        one.tick()
    assert 500 <= len(one.journeys()) < 2501
    whole(one)
    monkeypatch.setattr(entering, "_let_in", real)
    one.tick()
    assert len(one.journeys()) == 2501
    whole(one)


def test_no_transaction_of_entering_holds_the_write_lock_long(store) -> None:
    one = world(store)
    crowd(one, 5000)
    assert one.tick() == 5001
    held = {use.purpose: use for use in store.lock_report()}
    assert held["enter"].count >= 5
    assert held["enter"].longest_busy_ms < 200


def test_four_workers_at_once_let_each_start_in_once(store, clock) -> None:
    one = world(store, again=Again("always"))
    crowd(one, 1200)
    for customer in (2, 3, 4):
        for _ in range(3):
            one.did(customer)
    stores = [open_store(store.url, clock) for _ in range(4)]
    errors: list[BaseException] = []
    counts: list[int] = []

    def go(mine) -> None:
        try:
            counts.append(replace(one, store=mine).tick())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=go, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in stores:
        each.close()
    assert not errors
    assert sum(counts) == len(one.journeys()) == 1204
    assert {row.entry for row in one.journeys()} == {0}
    whole(one)


def test_another_party_taking_the_number_meanwhile_delays_nobody(store, monkeypatch) -> None:
    """Enrolments of another party take numbers of the same customer; the journey gets the next."""
    one = world(store)
    one.did(1)
    with store.durable("test") as connection:
        connection.execute(
            sending.enrolments.insert().values(
                run_id=one.run_id,
                customer_id=1,
                entry=0,
                arm="party",
                anchor_at=to_micros(one.now),
                planned_at=to_micros(one.now),
            )
        )
    assert one.tick() == 1
    assert [(row.entry, row.arm) for row in one.journeys()] == [(1, "treated")]


def test_a_row_that_another_wrote_first_makes_the_chunk_ask_again(store, monkeypatch) -> None:
    """Another party's enrolment may take the number between the look and the writing: the database refuses the row."""
    from tidings.flows.journeys import entering
    from tidings.store.explain import Conflict

    one = world(store)
    one.did(1)
    real, calls = entering._let_in, []

    def refused_once(*args):
        calls.append(args)
        if len(calls) == 1:
            real(*args)
            raise Conflict("a row was refused")
        return real(*args)

    monkeypatch.setattr(entering, "_let_in", refused_once)
    assert one.tick() == 1
    assert len(calls) == 2
    whole(one)


def test_a_hundred_idle_flows_cost_next_to_nothing(store) -> None:
    """One look for all of them; the figure is the processor time of this process."""
    from time import process_time

    one = world(store)
    one.later(DAY)
    one.tick()
    runs, marks = sending.runs, journeys.trigger_marks
    with store.durable("test") as connection:
        run = dict(connection.execute(sa.select(runs)).mappings().one())
        mark = dict(connection.execute(sa.select(marks)).mappings().one())
        for number in range(99):
            run_id = connection.execute(
                runs.insert()
                .values({**run, "id": 1000 + number, "campaign": f"flow{number}"})
                .returning(runs.c.id)
            ).scalar_one()
            connection.execute(marks.insert().values({**mark, "run_id": run_id}))
    flows_to_start(store, now=one.now)
    seconds = []
    for _ in range(3):
        began = process_time()
        assert flows_to_start(store, now=one.now) == []
        seconds.append(process_time() - began)
    # The least of them: neighbours on the machine make processor time longer, too.
    assert min(seconds) < 0.1
