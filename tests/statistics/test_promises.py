"""The table of all promised error rates: 200 draws of each in the suite, 5,000 at night."""

from __future__ import annotations

import numpy as np
import pytest

from support.promises import PROMISES, Promise, usual_at_any_look
from tidings.statistics.means import Difference
from tidings.statistics.sequential import any_time, tightest_at

RUNS = [pytest.param(200, id="suite"), pytest.param(5_000, id="nightly", marks=pytest.mark.nightly)]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.method)
def test_what_is_promised_holds_as_often_as_said(promise: Promise, runs: int) -> None:
    hits, p = promise.kept(runs)
    assert p >= 0.001, f"{promise.method}: {hits} of {runs}, promised {promise.nominal}"


def test_looking_every_day_at_the_usual_interval_misleads_far_more_often_than_it_says() -> None:
    random = np.random.default_rng(517)
    assert sum(usual_at_any_look(random) for _ in range(200)) > 0.12 * 200


def _difference(estimate: float, error: float) -> Difference:
    return Difference(estimate, (estimate - 2 * error, estimate + 2 * error), 0.5, error, 100.0)


def test_the_limits_are_tightest_where_the_variance_is_what_was_expected() -> None:
    def width(variance: float) -> float:
        error = (variance / 100) ** 0.5
        low, high = any_time(_difference(0.0, error), size=100.0, spread=1.0, planned=100.0) or (0.0, 0.0)
        return (high - low) / 2 / error

    assert width(1.0) == pytest.approx(3.03, abs=0.01)
    assert width(1.0) < min(width(0.2), width(5.0))
    assert tightest_at() == pytest.approx(7.94, abs=0.01)
    # A day in, next to nothing is known and next to nothing is claimed.
    assert width(0.01) > 5


def test_limits_are_around_the_estimate_and_absent_where_nothing_varies() -> None:
    low, high = any_time(_difference(0.3, 0.1), size=50.0, spread=0.5, planned=50.0) or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(0.3)
    assert any_time(_difference(0.0, 0.0), size=50.0, spread=0.5, planned=50.0) is None
    assert any_time(_difference(0.0, 0.1), size=50.0, spread=0.0, planned=50.0) is None
