"""A sender rests until its connections have little left, and no longer than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from support.ledger_channel import Channel, render
from support.ledger_world import seed
from tidings.clock import FixedClock
from tidings.delivery.resting import LONGEST, Few
from tidings.delivery.sender import deliver
from tidings.store.database import Store


def _rested(few: Few, wanted: int, *told: tuple[int, bool]) -> float:
    """Return the seconds that a wait took during which this was told."""
    took: list[float] = []

    def rest() -> None:
        began = time.monotonic()
        few.wait(wanted, 60)
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=rest)
    thread.start()
    while few.wanted is None and thread.is_alive():
        time.sleep(0.001)
    for queued, under_way in told:
        few.tell(queued, under_way=under_way)
    thread.join()
    return took[0]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Few:
    """One whose longest rest is long enough to be told apart."""
    monkeypatch.setattr("tidings.delivery.resting.LONGEST", 1.5)
    return Few()


def test_a_rest_ends_as_soon_as_few_enough_are_queued(few: Few) -> None:
    assert _rested(few, 200, (201, True), (200, True)) < 1.0
    assert few.wanted is None


def test_a_rest_goes_on_while_too_many_are_queued(few: Few) -> None:
    assert _rested(few, 200, (900, True), (201, False)) >= 1.5


def test_with_nothing_queued_it_goes_on_while_anything_is_under_way(few: Few) -> None:
    assert _rested(few, 0, (0, True)) >= 1.5
    assert _rested(few, 0, (0, True), (0, False)) < 1.0


def test_what_was_told_before_a_rest_does_not_end_it(few: Few) -> None:
    few.tell(0, under_way=False)
    assert _rested(few, 200) >= 1.5
    assert _rested(few, 200, (100, True)) < 1.0
    assert _rested(few, 200) >= 1.5


def test_a_rest_is_short_enough_to_hear_of_a_stop() -> None:
    assert _rested(Few(), 200) < LONGEST * 10


def test_the_connections_tell_when_they_have_little_left(
    make_store: Callable[..., Store], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.delivery.resting.LONGEST", 10.0)
    monkeypatch.setattr("tidings.delivery.sender.LONGEST", 10.0)
    store = make_store("sqlite")
    job = seed(store, 60).job
    began = time.monotonic()
    done = deliver(store, job, adapter=Channel(), render=render, clock=clock, connections=3, batch=20)
    assert done.accepted == 60
    assert time.monotonic() - began < 9.0
