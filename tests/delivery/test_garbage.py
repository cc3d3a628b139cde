"""While anything is being sent, the collector passes over what was there before; afterwards it looks at all again."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tidings.delivery import garbage
from tidings.delivery.garbage import heap_set_aside


@pytest.fixture(autouse=True)
def _nothing_set_aside() -> None:
    """Take back what a tool of the tests may have set aside."""
    gc.unfreeze()


def test_what_was_there_is_set_aside_until_the_last_sending_ends() -> None:
    assert gc.get_freeze_count() == 0
    with heap_set_aside():
        assert gc.get_freeze_count() > 1_000
        with heap_set_aside():
            pass
        assert gc.get_freeze_count() > 1_000
    assert gc.get_freeze_count() == 0


def test_an_error_ends_it_too() -> None:
    try:
        with heap_set_aside():
            raise ValueError
    except ValueError:
        pass
    assert gc.get_freeze_count() == 0


def test_new_objects_are_looked_through_less_often_until_the_last_sending_ends() -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(500, 7, 9)
        with heap_set_aside():
            with heap_set_aside():
                pass
            assert gc.get_threshold() == (10_000, 7, 9)
        assert gc.get_threshold() == (500, 7, 9)
        # Whoever looks less often already, or never, is let alone.
        for own in (0, 50_000):
            gc.set_threshold(own, 7, 9)
            with heap_set_aside():
                assert gc.get_threshold()[0] == own
    finally:
        gc.set_threshold(*before)


def test_several_threads_share_it() -> None:
    together = Barrier(4)

    def send() -> int:
        with heap_set_aside():
            together.wait(5)
            count = gc.get_freeze_count()
            together.wait(5)
        return count

    with ThreadPoolExecutor(4) as pool:
        assert min(one.result() for one in [pool.submit(send) for _ in range(4)]) > 1_000
    assert gc.get_freeze_count() == 0


class Circle:
    """Names itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def sendings(count: int, *, kept: bool = False) -> list[weakref.ref[Circle]]:
    """Send so many times, with a circle left behind before each; where it is kept it is let go within the sending."""
    left = []
    for _ in range(count):
        one: Circle | None = Circle()
        left.append(weakref.ref(one))
        if not kept:
            one = None
        with heap_set_aside():
            one = None
    return left


def test_garbage_from_before_a_sending_is_gone_when_it_begins() -> None:
    left = sendings(5)
    assert [one() for one in left] == [None] * 5


def test_what_becomes_garbage_while_it_is_set_aside_goes_after_many_sendings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "_SENDINGS", 10)
    left = sendings(30, kept=True)
    # The last ten may wait for the next time.
    assert [one() for one in left[:19]] == [None] * 19


def test_where_the_collector_is_off_nothing_is_looked_through() -> None:
    gc.disable()
    try:
        (left,) = sendings(1)
        assert left() is not None
    finally:
        gc.enable()
