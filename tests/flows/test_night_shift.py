"""The night's work of a machine without Prefect: once a night, in a process of its own that ends with the worker."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from support.command_line import new_shop
from support.serving import until
from support.shop import seed
from tidings.cli.session import open_session
from tidings.clock import FixedClock
from tidings.flows.clock import EmbeddedClock
from tidings.flows.night_shift import NightShift, Step, begin_of_night, steps_due, work_through
from tidings.flows.opening import Opened
from tidings.store.tables import journeys

STOCKHOLM = ZoneInfo("Europe/Stockholm")
STEPS = ["scores", "recommendations", "hits"]
NOON = datetime(2027, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def here(tmp_path):
    """An open shop with customers, at noon."""
    shop = new_shop(tmp_path / "shop")
    with open_session(root=shop.root) as session:
        seed(session.store, 30, lapsed=20, consented=30)
        yield Opened(session.settings, session.store, FixedClock(NOON))


def rows(here) -> list[tuple[str | None, str, str | None]]:
    table = journeys.work_runs
    with here.store.read() as connection:
        found = connection.execute(sa.select(table).where(table.c.work == "night").order_by(table.c.id))
        return [(row.subject, row.state, row.outcome) for row in found]


def due(here) -> list[str]:
    return [step.name for step in steps_due(here.store, here.clock.now(), STOCKHOLM)]


@pytest.mark.parametrize("first", [datetime(2027, 3, 26, tzinfo=UTC), datetime(2027, 10, 29, tzinfo=UTC)])
def test_each_day_has_one_night_also_those_on_which_clocks_are_changed(first: datetime) -> None:
    moments = [first + timedelta(minutes=10 * number) for number in range(5 * 144)]
    begins = [begin_of_night(moment, STOCKHOLM) for moment in moments]
    assert all(
        begin <= moment < begin + timedelta(hours=25, minutes=1)
        for begin, moment in zip(begins, moments, strict=True)
    )
    assert begins == sorted(begins)
    days = [begin.astimezone(STOCKHOLM).date() for begin in dict.fromkeys(begins)]
    assert days == [days[0] + timedelta(days=number) for number in range(6)]


def test_what_was_done_since_the_night_began_is_due_again_the_next_night(here) -> None:
    assert due(here) == STEPS
    assert work_through(here)
    assert [(subject, state) for subject, state, _ in rows(here)] == [(name, "done") for name in STEPS]
    assert due(here) == []
    here.clock.advance(timedelta(hours=13))
    assert due(here) == []
    here.clock.advance(timedelta(hours=1))
    assert due(here) == STEPS


def test_a_step_that_fails_stops_no_other_and_is_tried_again_after_an_hour(here) -> None:
    def fails(_: Opened) -> str:
        raise ZeroDivisionError("by zero")

    steps = [Step("scores", fails), Step("hits", lambda _: "well")]
    assert not work_through(here, steps=steps)
    assert rows(here) == [
        ("scores", "failed", "ZeroDivisionError: by zero"),
        ("hits", "done", "well"),
    ]
    assert due(here) == ["recommendations"]
    here.clock.advance(timedelta(hours=1, minutes=1))
    assert due(here) == ["scores", "recommendations"]


def test_the_process_of_the_night_does_what_is_due_and_a_second_look_finds_nothing(tmp_path) -> None:
    shop = new_shop(tmp_path / "shop")
    with open_session(root=shop.root) as session:
        seed(session.store, 30, lapsed=20, consented=30)
        here = Opened(session.settings, session.store, session.clock)
        shift = NightShift(session.settings, session.store, clock=session.clock)
        assert shift.look(threading.Event())
        assert [(subject, state) for subject, state, _ in rows(here)] == [(name, "done") for name in STEPS]
        assert rows(here)[-1][2] == "0 responses looked at, 0 judged otherwise"
        assert not shift.look(threading.Event())


WAITS = "import sys, time; from tidings.flows.lifeline import hold; hold(int(sys.argv[-1])); time.sleep(60)"


def test_its_process_ends_with_the_worker(here) -> None:
    shift = NightShift(here.settings, here.store, clock=here.clock, command=[sys.executable, "-c", WAITS])
    stop = threading.Event()
    looking = threading.Thread(target=shift.look, args=(stop,))
    looking.start()
    time.sleep(0.5)
    assert looking.is_alive()
    stop.set()
    looking.join(20)
    assert not looking.is_alive()
    assert rows(here) == []


def test_a_process_that_could_not_begin_is_noted_with_its_last_words(here) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('the store is away')"]
    assert NightShift(here.settings, here.store, clock=here.clock, command=command).look(threading.Event())
    assert rows(here) == [(None, "failed", "the store is away")]


def test_a_clock_that_is_not_ours_has_no_night(here, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[NightShift] = []
    monkeypatch.setattr(NightShift, "look", lambda self, _: looked.append(self))
    monkeypatch.setattr("tidings.flows.clock.NIGHT_SECONDS", 0.05)
    nights = [NightShift(here.settings, here.store, clock=here.clock) for _ in range(2)]

    def clock(night: NightShift) -> EmbeddedClock:
        stop = threading.Event()
        return EmbeddedClock(
            here.settings, here.store, clock=here.clock, stop=stop, say=[].append, parts=(), night=night
        )

    with clock(nights[0]).running(), clock(nights[1]).running():
        until(lambda: len(looked) > 3)
    assert set(looked) == {nights[0]}
