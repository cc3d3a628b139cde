"""Fitting: a logistic regression with L2 penalty on standardised features, and its calibration, by scikit-learn.

How strong the penalty is, and the calibration, come from predictions for customers who were left out of the fit, in
five parts; one customer is always in one part, however many windows they are in. No class is weighed up: chances
must be right, not only in order. The calibration is a sigmoid because it keeps the order and makes no ties.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidings.errors import TidingsError
from tidings.scores.held_out import sums_held_out
from tidings.scores.model import logistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

# The inverse of the penalty, the strongest first.
_STRENGTHS = (0.003, 0.03, 0.3, 3.0)
_USUAL = 0.3
_PARTS = 5
# Below so many of the rarer answer, parts are too thin to choose by.
_FEW = 50


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted regression as numbers: `means` and `scales` standardise, `weights` and `intercept` sum up, then calibrated.

    `strength` is scikit-learn's C, the inverse of the penalty. `pipeline` is what was fitted, kept only as long as it runs.
    """

    means: Column
    scales: Column
    weights: Column
    intercept: float
    slope: float
    offset: float
    strength: float
    pipeline: Any

    def chances(self, values: Column) -> Column:
        """Return the calibrated chance of each row; unknown values must be filled."""
        sums = self.intercept + ((values - self.means) / self.scales) @ self.weights
        return logistic(self.slope * sums + self.offset)


def fit(values: Column, did: Column, ids: NDArray[np.int64], latest: NDArray[np.bool_]) -> Fitted:
    """Fit and calibrate; `latest` marks the rows of the latest window, which the calibration is made by.

    Unknown values must be filled. Raises TidingsError when the regression does not converge.
    """
    from threadpoolctl import threadpool_limits

    # On one thread sums are added up in one order, so the same rows make the same numbers on every machine, and nothing spins.
    with threadpool_limits(limits=1):
        return _fit(values, did, ids, latest)


def _fit(values: Column, did: Column, ids: NDArray[np.int64], latest: NDArray[np.bool_]) -> Fitted:
    import numpy as np

    part = parts_of(ids)
    rarer = min(did.sum(), len(did) - did.sum())
    strengths = _STRENGTHS if rarer >= _FEW else (_USUAL,)
    # A part without both answers says nothing; these rows get the share of all.
    held = sums_held_out(values, did, part, strengths, alone=_log_odds(did))
    chosen = _simplest(held, did)
    slope, offset = calibrate(held[chosen][latest], did[latest])
    pipeline = _regression(values, did, chosen)
    scaler, regression = pipeline[0], pipeline[1]
    return Fitted(
        means=np.asarray(scaler.mean_, dtype=np.float64),
        scales=np.asarray(scaler.scale_, dtype=np.float64),
        weights=np.asarray(regression.coef_[0], dtype=np.float64),
        intercept=float(regression.intercept_[0]),
        slope=slope,
        offset=offset,
        strength=chosen,
        pipeline=pipeline,
    )


def parts_of(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the part (0 … 4) of each customer: mixed by a product, so that people imported together are spread."""
    import numpy as np

    mixed = (ids.astype(np.uint64) * np.uint64(2654435761)) % np.uint64(2**32)
    return (mixed // np.uint64(65537) % np.uint64(_PARTS)).astype(np.int64)


def _regression(values: Column, did: Column, strength: float) -> Any:
    """Return a fitted pipeline of scaling and regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Newton steps end within a dozen for a penalised sum; what does not is not to be used.
    pipeline = make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200, tol=1e-8)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return pipeline.fit(values, did.astype(int))
        except ConvergenceWarning as error:
            raise TidingsError(
                "the regression does not settle on these events",
                what_to_do="leave out an event that nearly everybody, or nearly nobody, does",
            ) from error


def _simplest(held: dict[float, Column], did: Column) -> float:
    """Return the strongest penalty that is no worse than the best one by more than the error of that comparison.

    Weights of features that say the same are then alike, and explanations do not contradict themselves.
    """
    import numpy as np

    losses = {one: np.logaddexp(0.0, sums) - did * sums for one, sums in held.items()}
    best = min(losses, key=lambda one: float(losses[one].mean()))
    for strength in sorted(losses):
        worse = losses[strength] - losses[best]
        if worse.mean() <= np.std(worse) / np.sqrt(len(did)):
            return strength
    return best


def _log_odds(did: Column) -> float:
    from math import log

    share = min(max(float(did.mean()), 1e-6), 1 - 1e-6)
    return log(share / (1 - share))


def calibrate(sums: Column, did: Column) -> tuple[float, float]:
    """Return slope and intercept of the sigmoid; (1, 0), which changes nothing, where they cannot be told."""
    found = line_of(sums, did)
    return (1.0, 0.0) if found is None or found[0] <= 0 else (found[0], found[1])


def line_of(sums: Column, did: Column) -> tuple[float, float, float, float] | None:
    """Return slope, intercept and their standard errors of a logistic regression of answers on log odds, without penalty.

    None where both answers are not there, the sums are all equal, or a line parts the answers without fault.
    """
    import numpy as np

    if len(np.unique(did)) < 2 or np.ptp(sums) < 1e-9:
        return None
    rows = np.column_stack([sums, np.ones(len(sums))])
    at = np.array([1.0, 0.0])
    for _ in range(60):
        chance = logistic(rows @ at)
        weight = chance * (1 - chance)
        information = rows.T @ (rows * weight[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, rows.T @ (did - chance))
        # A long step jumps over the summit; half of it does not.
        at = at + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            errors = np.sqrt(np.diag(np.linalg.inv(information)))
            return float(at[0]), float(at[1]), float(errors[0]), float(errors[1])
    return None
