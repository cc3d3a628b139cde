"""Fits that begin at the solution of all rows end where scikit-learn's fits from nothing end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tidings.errors import TidingsError
from tidings.scores import held_out
from tidings.scores.fitting import fit, parts_of
from tidings.scores.held_out import sums_held_out

STRENGTHS = (0.003, 0.03, 0.3, 3.0)


def world(rows: int, seed: int, *, rare: float = -1.0) -> tuple[Any, Any, Any]:
    """Return features of unlike sizes, some the same as others, answers that follow from them, and parts."""
    dice = np.random.default_rng(seed)
    plain = dice.normal(size=(rows, 4)) * [1.0, 50.0, 0.01, 3.0] + [0.0, 1000.0, 5.0, -2.0]
    values = np.column_stack(
        [plain, plain[:, 0] * 2 + 1e-3 * dice.normal(size=rows), dice.random(rows) < 0.02]
    )
    chance = 1 / (1 + np.exp(-(rare + plain[:, 0] - 0.4 * (plain[:, 3] + 2))))
    return values, (dice.random(rows) < chance).astype(float), parts_of(np.arange(rows))


def one_by_one(values: Any, did: Any, part: Any, strength: float) -> Any:
    """Return the same by twenty fits of scikit-learn, each from nothing and on rows scaled for itself."""
    sums = np.zeros(len(did))
    for one in np.unique(part):
        inside = part != one
        regression = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200, tol=1e-10)
        fitted = make_pipeline(StandardScaler(), regression).fit(values[inside], did[inside].astype(int))
        sums[~inside] = fitted.decision_function(values[~inside])
    return sums


@pytest.mark.parametrize(("rows", "rare"), [(150, -1.0), (4_000, -1.0), (4_000, -5.0)])
def test_every_row_gets_what_a_fit_of_its_own_without_its_part_says(rows: int, rare: float) -> None:
    values, did, part = world(rows, 3, rare=rare)
    found = sums_held_out(values, did, part, STRENGTHS, alone=0.0)
    for strength in STRENGTHS:
        np.testing.assert_allclose(found[strength], one_by_one(values, did, part, strength), atol=2e-5)


def test_answers_that_a_line_parts_without_fault_still_settle() -> None:
    values = np.linspace(-3, 3, 400)[:, None] * [[1.0, -2.0]]
    did = (values[:, 0] > 0).astype(float)
    part = parts_of(np.arange(400))
    found = sums_held_out(values, did, part, STRENGTHS, alone=0.0)
    np.testing.assert_allclose(found[3.0], one_by_one(values, did, part, 3.0), atol=1e-4)


def test_a_column_that_is_the_same_outside_one_part_counts_as_scikit_learn_counts_it() -> None:
    values, did, part = world(1_000, 5)
    values[:, 5] = part == 2
    found = sums_held_out(values, did, part, (0.3,), alone=0.0)
    np.testing.assert_allclose(found[0.3], one_by_one(values, did, part, 0.3), atol=2e-5)


def test_parts_that_leave_one_answer_get_what_is_said_of_all() -> None:
    values, _, part = world(300, 7)
    did = (part == 1).astype(float)
    found = sums_held_out(values, did, part, (0.3,), alone=-1.25)[0.3]
    assert set(found[part == 1]) == {-1.25}
    assert -1.25 not in found[part != 1]
    everybody = sums_held_out(values, did, np.zeros(300, dtype=np.int64), (0.3,), alone=-0.5)[0.3]
    assert set(everybody) == {-0.5}


def test_a_fit_that_does_not_settle_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    values, did, part = world(300, 9)
    monkeypatch.setattr(held_out, "_MOST", 1)
    with pytest.raises(TidingsError, match="does not settle"):
        sums_held_out(values, did, part, (0.3,), alone=0.0)


def test_it_takes_few_passes_over_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    values, did, part = world(20_000, 11)
    bends: list[int] = []
    whole = held_out._Part.bend
    monkeypatch.setattr(held_out._Part, "bend", lambda self, at: bends.append(1) or whole(self, at))
    sums_held_out(values, did, part, STRENGTHS, alone=0.0)
    # Twenty fits from nothing find the curvature of four parts four times and more each: 320.
    assert len(bends) <= 60


def test_a_fit_has_the_same_numbers_on_one_thread_and_on_many() -> None:
    values, did, part = world(6_000, 13)
    ids = np.arange(1, 6_001)
    found = []
    for threads in (1, 4):
        with threadpool_limits(limits=threads):
            one = fit(values, did, ids, ids > 3_000)
            found.append((one.weights.tolist(), one.intercept, one.slope, one.offset, one.strength))
    assert found[0] == found[1]
