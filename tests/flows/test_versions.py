"""A flow goes live and is edited while people are on the way: nobody dropped, nobody sent twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from support.starting_world import DAY, HOUR, World, days, flow, wait
from support.stores import open_store
from tidings.clock import to_micros
from tidings.definitions.kinds.flow import Start, Step, WaitFor
from tidings.definitions.kinds.timing import Again
from tidings.errors import RefusedByPolicy
from tidings.flows.journeys import relocating
from tidings.flows.journeys.planning import plan_flow
from tidings.flows.journeys.starting import flows_to_start
from tidings.flows.journeys.walking import walk_due
from tidings.store.tables import journeys, keeping, sending

A, B, C = wait("a", 1), wait("b", 3), Step("c", "send", send="x", after=days(2))
SECOND = timedelta(seconds=1)


def world(store, *steps: Step, people: int = 4, **more: Any) -> World:
    made = World(store, flow(None, *(steps or (A, B, C)), **more))
    made.people(people)
    made.live()
    made.later(SECOND)
    return made


def let_in(one: World, **steps: str) -> None:
    """Let customers in (c1=…) and put them before a step, all earlier ones reached an hour ago."""
    for name, step in steps.items():
        one.did(int(name[1:]))
    one.tick()
    names = [each.name for each in one.flow.steps]
    walked, done = journeys.journeys, journeys.journey_steps
    at = to_micros(one.now - HOUR)
    with one.store.durable("test") as connection:
        for name, step in steps.items():
            enrolment = connection.execute(
                sa.select(walked.c.enrolment_id).where(walked.c.customer_id == int(name[1:]))
            ).scalar_one()
            for earlier in names[: names.index(step)]:
                connection.execute(
                    done.insert().values(enrolment_id=enrolment, step=earlier, what="reached", at=at)
                )
            delay = one.flow.step(step).after  # type: ignore[union-attr]
            due = to_micros(one.now - HOUR + timedelta(days=delay.amount)) if delay else at
            connection.execute(
                walked.update()
                .where(walked.c.enrolment_id == enrolment)
                .values(step=step, reached_at=at, due_at=due)
            )


def places(one: World) -> dict[int, str]:
    return {row.customer_id: row.step if row.state == "walking" else row.outcome for row in one.journeys()}


def history(one: World) -> list[tuple[int, str, str, str | None]]:
    steps, walked = journeys.journey_steps, journeys.journeys
    with one.store.read() as connection:
        rows = connection.execute(
            sa.select(walked.c.customer_id, steps.c.step, steps.c.what, steps.c.detail)
            .join(walked, walked.c.enrolment_id == steps.c.enrolment_id)
            .order_by(walked.c.customer_id, steps.c.step)
        )
        return [tuple(row) for row in rows]


def test_a_live_flow_is_one_run_with_a_version_its_files_and_a_trace(store) -> None:
    one = world(store, priority="high")
    with store.read() as connection:
        run = connection.execute(sa.select(sending.runs)).one()
        roles = set(connection.execute(sa.select(sending.run_artifacts.c.role)).scalars())
        versions = connection.execute(sa.select(journeys.flow_versions)).all()
        trail = connection.execute(sa.select(keeping.audit.c.action, keeping.audit.c.subject)).all()
    assert (run.campaign, run.occurrence, run.kind, run.state) == ("basket", "flow", "flow", "sending")
    assert (run.salt, run.version, run.priority, run.approved_by) == ("basket/flow", 1, 1, "anna")
    assert {"file:flows/basket.yaml", "file:config/workspace.yaml"} <= roles
    assert [(row.version, row.definition_hash, row.approved_by) for row in versions] == [
        (1, run.definition_hash, "anna")
    ]
    assert ("flow approved", "basket/1") in [tuple(row) for row in trail]
    assert one.run_id == run.id


def test_letting_the_same_flow_go_live_again_changes_nothing(store) -> None:
    one = world(store)
    let_in(one, c1="b")
    run, before = one.run_id, places(one)
    assert one.live() == run
    assert (one.version, places(one)) == (1, before)


def test_an_edited_flow_is_the_next_version_of_the_same_run(store) -> None:
    one = world(store)
    run = one.run_id
    one.edit(title="Baskets")
    assert (one.run_id, one.version) == (run, 2)
    with store.read() as connection:
        roles = set(connection.execute(sa.select(sending.run_artifacts.c.role)).scalars())
    assert {"file:flows/basket.yaml", "2/file:flows/basket.yaml"} <= roles


def test_whoever_waits_stays_where_they_are_when_a_step_is_inserted_before(store) -> None:
    one = world(store)
    let_in(one, c1="a", c2="b", c3="c")
    before = {row.customer_id: row.due_at for row in one.journeys()}
    one.edit(steps=(A, wait("x"), B, C))
    assert places(one) == {1: "a", 2: "b", 3: "c"}
    assert {row.customer_id: row.due_at for row in one.journeys()} == before


def test_an_occupied_step_that_goes_asks_for_moved(store) -> None:
    one = world(store)
    let_in(one, c1="b", c2="b", c3="c")
    one.flow = replace(one.flow, steps=(A, C))
    plan = plan_flow(store, one.definitions, "basket", now=one.now)
    assert plan.missing == (("b", 2),)
    with pytest.raises(RefusedByPolicy, match='2 wait at "b"') as refusal:
        one.live()
    assert refusal.value.exit_code == 3
    assert "moved: {b: c}" in refusal.value.what_to_do
    assert (one.version, places(one)) == (1, {1: "b", 2: "b", 3: "c"})


def test_a_step_where_nobody_waits_may_go_without_a_word(store) -> None:
    one = world(store)
    let_in(one, c1="a", c3="c")
    one.edit(steps=(A, C))
    assert (one.version, places(one)) == (2, {1: "a", 3: "c"})


def test_moved_leads_those_at_a_removed_step_to_another_and_keeps_their_delay(store) -> None:
    one = world(store)
    let_in(one, c1="b", c2="b", c3="c")
    due = {row.customer_id: row.due_at for row in one.journeys()}
    one.edit(steps=(A, replace(B, name="better"), C), moved=(("b", "better"),))
    assert places(one) == {1: "better", 2: "better", 3: "c"}
    assert {row.customer_id: row.due_at for row in one.journeys()} == due
    assert (1, "b", "moved", "to better") in history(one)
    assert (3, "b", "reached", None) in history(one)


def test_moved_to_the_end_ends_the_journey(store) -> None:
    one = world(store)
    let_in(one, c1="b", c3="c")
    one.edit(steps=(A, C), moved=(("b", "end"),))
    assert places(one) == {1: "moved", 3: "c"}
    ended = one.journeys()[0]
    assert (ended.state, ended.ended_at) == ("ended", to_micros(one.now))


def test_a_wait_that_goes_on_is_moved_as_well(store) -> None:
    answer = Step("answer", "wait_for", wait_for=WaitFor("order_placed", days(3)))
    one = world(store, A, answer, C)
    one.did(1)
    one.tick()
    walk(one)
    assert places(one) == {1: "answer"}
    assert (1, "answer", "reached", "waits for did: order_placed") in history(one)
    one.edit(steps=(A, C), moved=(("answer", "c"),))
    assert places(one) == {1: "c"}
    assert (1, "answer", "moved", "to c") in history(one)


def test_nobody_is_moved_to_a_step_where_they_have_been(store) -> None:
    """The order changed: c1 was at b before, and b comes after c now."""
    one = world(store, A, B, C, wait("d"))
    let_in(one, c1="c", c2="b")
    one.edit(steps=(A, B, wait("d")), moved=(("c", "b"),))
    assert places(one) == {1: "d", 2: "b"}
    one.edit(steps=(A, B), moved=(("d", "a"),))
    assert places(one) == {1: "moved", 2: "b"}


def test_a_changed_delay_holds_for_those_who_wait(store) -> None:
    one = world(store)
    let_in(one, c1="b", c2="c")
    reached = to_micros(one.now - HOUR)
    one.edit(steps=(A, wait("b", 10), C))
    rows = {row.customer_id: row.due_at for row in one.journeys()}
    assert rows[1] == reached + 10 * 86_400_000_000
    assert rows[2] == reached + 2 * 86_400_000_000


def test_a_worker_of_the_version_before_that_leads_somebody_to_a_removed_step_is_made_good(store) -> None:
    one = world(store)
    let_in(one, c1="a")
    one.edit(steps=(A, C))
    with store.durable("test") as connection:
        connection.execute(sa.update(journeys.journeys).values(step="b"))
    assert [live.flow for live in flows_to_start(store, now=one.now)] == ["basket"]
    one.tick()
    # Nothing said where those at b go, for nobody was there: the next of the steps of then that is still there.
    assert places(one) == {1: "c"}
    one.later(timedelta(minutes=11))
    one.tick()
    one.later(timedelta(minutes=1))
    one.tick()
    assert flows_to_start(store, now=one.now) == []


def test_an_edit_killed_in_the_middle_is_taken_up_by_the_next_look(store, monkeypatch) -> None:
    one = world(store, again=Again("always"))
    let_in(one, c1="b", c2="b", c3="b", c4="c")
    real = relocating._held
    calls: list[object] = []

    def dies(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)[:1]

    monkeypatch.setattr(relocating, "_held", dies)
    with pytest.raises(KeyboardInterrupt):
        one.edit(
            steps=(A, replace(B, name="better", after=days(5)), replace(C, after=days(9))),
            moved=(("b", "better"),),
        )
    monkeypatch.setattr(relocating, "_held", real)
    assert one.version == 2
    one.tick()
    assert places(one) == {1: "better", 2: "better", 3: "better", 4: "c"}
    due = {row.customer_id: row.due_at - row.reached_at for row in one.journeys()}
    assert due == {n: (9 if n == 4 else 5) * 86_400_000_000 for n in (1, 2, 3, 4)}


def test_two_people_letting_a_version_go_live_at_once_make_one(store, clock) -> None:
    one = world(store)
    let_in(one, c1="b", c2="b")
    edited = replace(one.flow, steps=(A, C), moved=(("b", "c"),))
    stores = [open_store(store.url, clock) for _ in range(3)]
    errors: list[BaseException] = []

    def go(mine) -> None:
        try:
            replace(one, store=mine, flow=edited).live()
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
    assert (one.version, places(one)) == (2, {1: "c", 2: "c"})


def test_another_start_begins_with_the_version_that_has_it(store) -> None:
    one = world(store)
    one.did(1)
    one.did(2, "order_placed")
    one.tick()
    one.later(HOUR)
    one.edit(starts=Start("event", event="order_placed"))
    one.later(SECOND)
    assert one.tick() == 0
    one.did(3)
    one.did(4, "order_placed")
    assert one.tick() == 1
    assert one.who() == [1, 4]


def test_an_edit_that_leaves_the_start_alone_misses_nothing_that_came_meanwhile(store) -> None:
    one = world(store)
    one.did(1)
    one.edit(title="Baskets")
    one.did(2)
    assert one.tick() == 2


def test_a_worker_with_the_start_of_the_version_before_lets_nobody_in(store) -> None:
    one = world(store)
    before = replace(one, flow=one.flow)
    one.edit(starts=Start("enters", segment="fair"))
    one.did(1)
    assert before.tick() == 0
    assert one.tick() == 0
    assert one.journeys() == []


def walk(one: World) -> None:
    """Let a day go by and move everybody who is due, by the latest version."""
    one.later(DAY)
    walk_due(
        store=one.store,
        definitions=one.definitions,
        flow=one.flow,
        run_id=one.run_id,
        version=one.version,
        now=one.now,
    )


def test_nobody_comes_twice_to_a_step_that_an_edit_put_behind_where_they_are(store) -> None:
    """Somebody who reached b before c meets b again behind c in the new order: they go on to d."""
    plain = [replace(step, after=days(1), verb="wait", send="") for step in (A, B, C, wait("d"))]
    one = world(store, *plain)
    let_in(one, c1="c", c2="b")
    a, b, c, d = plain
    one.edit(steps=(a, c, b, d))
    for _ in range(5):
        walk(one)
    assert places(one) == {1: "finished", 2: "finished"}
    told = history(one)
    assert [(step, what) for who, step, what, _ in told if who == 1] == [
        ("a", "reached"),
        ("b", "reached"),
        ("c", "reached"),
        ("d", "reached"),
    ]
    # Who waited at b in the old order walks on from there: c, which stands before it now, is not theirs any more.
    assert [step for who, step, *_ in told if who == 2] == ["a", "b", "d"]


def test_a_cancelled_flow_stays_so(store) -> None:
    one = world(store)
    with store.durable("test") as connection:
        connection.execute(sa.update(sending.runs).values(state="cancelled"))
    with pytest.raises(RefusedByPolicy, match="was cancelled"):
        one.edit(title="Baskets")


def test_no_transaction_of_an_edit_holds_the_write_lock_long(store) -> None:
    one = world(store, people=1)
    count = 3000
    from tidings.store.batches import insert_rows
    from tidings.store.tables import people

    at = to_micros(one.now)
    ids = range(10, 10 + count)
    with store.durable("test") as connection:
        insert_rows(
            connection, people.customers, [(n, f"c{n}", n, at) for n in ids], ["id", "key", "u", "created_at"]
        )
        insert_rows(
            connection,
            sending.enrolments,
            [(n, one.run_id, n, 0, "treated", at, at) for n in ids],
            ["id", "run_id", "customer_id", "entry", "arm", "anchor_at", "planned_at"],
        )
        insert_rows(
            connection,
            journeys.journeys,
            [(n, one.run_id, n, f"e{n}", "walking", "b", at, at) for n in ids],
            ["enrolment_id", "run_id", "customer_id", "start_ref", "state", "step", "due_at", "reached_at"],
        )
    one.edit(steps=(A, C), moved=(("b", "c"),))
    assert set(places(one).values()) == {"c"}
    held = {use.purpose: use for use in store.lock_report()}
    assert held["flow"].count >= 4
    assert held["flow"].longest_busy_ms < 200
