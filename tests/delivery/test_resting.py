"""A sender rests for about as long as its queue lasts, never so long that the queue runs dry."""

from __future__ import annotations

import pytest

from tidings.delivery import resting
from tidings.delivery.resting import SHORT, Resting


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic second."""
    now = [100.0]
    monkeypatch.setattr(resting.time, "monotonic", lambda: now[0])
    return now


def test_a_sender_that_knows_nothing_of_its_speed_looks_again_soon(at: list[float]) -> None:
    assert Resting().until_few(1_000, 200) == SHORT


def test_the_rest_is_a_little_shorter_than_the_queue_lasts(at: list[float]) -> None:
    rest = Resting()
    rest.until_few(500, 200)
    at[0] += 0.05
    # 100 in 50 ms: the other 200 last for 100 ms.
    assert rest.until_few(400, 200) == pytest.approx(0.08)


def test_a_rest_is_never_longer_than_a_tenth_of_a_second_however_slow_the_channel(at: list[float]) -> None:
    rest = Resting()
    rest.until_few(1_000, 200)
    at[0] += 1.0
    assert rest.until_few(999, 200) == pytest.approx(0.1)


def test_a_queue_that_became_longer_says_nothing_about_the_speed(at: list[float]) -> None:
    rest = Resting()
    rest.until_few(300, 200)
    at[0] += 0.05
    assert rest.until_few(1_100, 200) == SHORT
