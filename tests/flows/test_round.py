"""One round: parts in order, trouble of one that stops no other, and a table that says what ran."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from support.stores import START
from tidings.clock import to_micros
from tidings.delivery.pause import pause
from tidings.errors import StoreError, TidingsError
from tidings.flows.round import Part, Resting, Subject, do_round
from tidings.flows.work_runs import Work, mark_lost, owner_name, prune, recent
from tidings.store.tables import keeping
from tidings.store.tables.journeys import work_runs

SETTINGS = SimpleNamespace()


def part(name, work, subjects=("",)):
    return Part(name, f"{name} done", lambda _: [Subject(one) for one in subjects], work)


def rows(store):
    with store.read() as connection:
        return connection.execute(sa.select(work_runs).order_by(work_runs.c.id)).all()


def one_round(store, parts, **more):
    return do_round(SETTINGS, store, clock=store.clock, owner=owner_name(), parts=parts, **more)


def test_parts_are_done_in_order_for_each_of_their_subjects(store) -> None:
    asked = []

    def work(this, subject):
        asked.append(subject.name)
        return 3

    result = one_round(store, [part("starts", work, ["a", "b"]), part("walk", work, ["c"])])
    assert asked == ["a", "b", "c"]
    assert result.done == {"starts": 6, "walk": 3}
    assert result.outcome == "6 starts done, 3 walk done"
    (row,) = rows(store)
    assert (row.work, row.state, row.done, row.outcome) == ("round", "done", 9, "6 starts done, 3 walk done")


def test_an_idle_round_leaves_no_row(store) -> None:
    result = one_round(store, [part("starts", lambda *_: 0, ["a"])])
    assert not result.busy
    assert rows(store) == []


@pytest.mark.parametrize("error", [TidingsError("its segment is gone"), KeyError("when")])
def test_trouble_of_one_flow_is_said_once_and_stored_and_stops_no_other(store, error) -> None:
    def work(this, subject):
        if subject.name == "bad":
            raise error
        return 1

    said = []
    parts = [part("walk", work, ["bad", "good"]), part("tasks", work, ["other"])]
    for _ in range(3):
        result = one_round(store, parts, say=said.append)
        assert result.done == {"walk": 1, "tasks": 1}
        assert len(result.troubles) == 1
    words = "its segment is gone" if isinstance(error, TidingsError) else "KeyError: 'when'"
    assert said == [f"bad: {words} (walk; the others go on)"]
    failed = [row for row in rows(store) if row.state == "failed"]
    assert [(row.work, row.subject, row.outcome, row.done) for row in failed] == [("walk", "bad", words, 3)]


def test_a_new_trouble_and_one_of_another_day_are_said_again(store, clock) -> None:
    words = ["no such step"]

    def work(this, subject):
        raise TidingsError(words[0])

    said = []
    one_round(store, [part("walk", work, ["bad"])], say=said.append)
    words[0] = "no such event"
    one_round(store, [part("walk", work, ["bad"])], say=said.append)
    one_round(store, [part("walk", work, ["bad"])], say=said.append)
    clock.advance(timedelta(days=2))
    one_round(store, [part("walk", work, ["bad"])], say=said.append)
    assert [one.split(" (")[0] for one in said] == [
        "bad: no such step",
        "bad: no such event",
        "bad: no such event",
    ]


def test_who_had_trouble_is_left_alone_for_half_a_minute(make_store) -> None:
    store = make_store("sqlite")
    asked = []

    def work(this, subject):
        asked.append(subject.name)
        raise TidingsError("bad")

    resting = Resting(store.clock)
    for _ in range(31):
        one_round(store, [part("walk", work, ["bad"])], resting=resting)
        store.clock.advance(timedelta(seconds=1))
    assert len(asked) == 2


def test_a_part_that_cannot_list_its_subjects_stops_no_other(make_store) -> None:
    store = make_store("sqlite")

    def broken(this):
        raise TidingsError("the segment is not defined")

    result = one_round(store, [Part("segments", "", broken, lambda *_: 1), part("walk", lambda *_: 2)])
    assert result.done == {"segments": 0, "walk": 2}
    assert result.troubles == ("the segment is not defined",)


def test_a_store_that_is_away_ends_the_round(make_store) -> None:
    store = make_store("sqlite")

    def work(this, subject):
        raise StoreError("away")

    with pytest.raises(StoreError):
        one_round(store, [part("starts", lambda *_: 1), part("walk", work)])
    (row,) = rows(store)
    assert (row.state, row.outcome) == ("failed", "1 starts done; then: away")


def test_a_round_that_is_told_to_stop_ends_before_the_next_subject(make_store) -> None:
    store, stop, asked = make_store("sqlite"), threading.Event(), []

    def work(this, subject):
        asked.append(subject.name)
        stop.set()
        return 1

    one_round(store, [part("starts", work, ["a", "b"]), part("walk", work, ["c"])], stop=stop)
    assert asked == ["a"]


def test_nothing_is_done_while_the_whole_store_is_paused(store) -> None:
    pause(store, None, reason="restored from a backup", actor="anna", now=store.clock.now())
    result = one_round(store, [part("walk", lambda *_: 1)])
    assert result.held == "all sending is paused: restored from a backup"
    assert rows(store) == []


def test_a_clock_that_was_set_back_holds_the_round(store, clock) -> None:
    assert one_round(store, [part("walk", lambda *_: 1)]).busy
    with store.read() as connection:
        latest = connection.execute(sa.select(keeping.identity.c.latest_at)).scalar_one()
    assert latest == to_micros(START)
    clock.advance(timedelta(minutes=-6))
    with pytest.raises(StoreError, match="has already worked at"):
        one_round(store, [part("walk", lambda *_: 1)])


def test_long_work_tells_how_far_it_is_while_it_runs(store, clock) -> None:
    work = Work(store, clock, owner_name(), "deliver", "spring_winback")
    work.progress(10, 100)
    assert rows(store) == []
    clock.advance(timedelta(seconds=6))
    work.progress(40, 100)
    (row,) = rows(store)
    assert (row.state, row.done, row.total, row.beat_at - row.started_at) == ("running", 40, 100, 6_000_000)
    work.finish("100 sent")
    work.beat()
    (row,) = rows(store)
    assert (row.state, row.outcome, row.finished_at) == ("done", "100 sent", to_micros(clock.now()))


def test_a_running_row_is_lost_when_its_process_is_gone_or_silent(store, clock) -> None:
    boot = owner_name().split("|")[0]
    here = owner_name().split("|")[1].split(":")[0]
    dead = Work(store, clock, f"{boot}|{here}:999999999:1:x", "deliver", "dead")
    silent = Work(store, clock, owner_name(), "deliver", "silent")
    elsewhere = Work(store, clock, "|other/4026531836:17:99:x", "deliver", "elsewhere")
    for one in (dead, silent, elsewhere):
        one.beat()
    assert mark_lost(store, clock.now()) == 1
    clock.advance(timedelta(minutes=3))
    elsewhere.beat()
    with store.read() as connection:
        shown = {one.subject: one.state for one in recent(connection, now=clock.now(), limit=10)}
    assert shown == {"dead": "lost", "silent": "lost", "elsewhere": "running"}
    assert mark_lost(store, clock.now()) == 1
    assert {row.subject: row.state for row in rows(store)} == shown
    # It only slept: what it says next counts.
    silent.finish("12 sent")
    assert {row.subject: row.state for row in rows(store)}["silent"] == "done"


def test_old_rounds_go_after_three_days_and_everything_else_after_ninety(store, clock) -> None:
    for name in ("round", "deliver"):
        Work(store, clock, owner_name(), name).finish("done")
    clock.advance(timedelta(days=4))
    Work(store, clock, owner_name(), "round").finish("done")
    assert prune(store, clock.now()) == 1
    assert [row.work for row in rows(store)] == ["deliver", "round"]
    clock.advance(timedelta(days=90))
    assert prune(store, clock.now()) == 2
