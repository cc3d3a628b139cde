"""How good chances are: order (AUC), distance (Brier), whether they mean what they say (calibration), what the best bring (lift).

The area under the curve and the difference of two on the same customers, with intervals: DeLong, E. R., DeLong, D. M. and
Clarke-Pearson, D. L. (1988), Biometrics 44, 837-845, by ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from tidings.scores.fitting import line_of
from tidings.statistics.proportions import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

Z = NormalDist().inv_cdf(0.975)
_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Area:
    """The chance that one who did it ranks above one who did not, with its 95 % interval and what a difference needs."""

    value: float
    low: float
    high: float
    above: Column
    below: Column


def area(scores: Column, did: Column) -> Area:
    """Return the area under the curve. Raises ValueError unless both answers are there."""
    import numpy as np
    from scipy.stats import rankdata

    yes, no = scores[did > 0], scores[did <= 0]
    if not len(yes) or not len(no):
        raise ValueError("an area needs both answers")
    together = rankdata(np.concatenate([yes, no]))
    above = (together[: len(yes)] - rankdata(yes)) / len(no)
    below = 1 - (together[len(yes) :] - rankdata(no)) / len(yes)
    value = float(above.mean())
    error = sqrt(_variance(above) / len(yes) + _variance(below) / len(no))
    low, high = _within_bounds(value, error)
    return Area(value, low, high, above, below)


def _variance(values: Column) -> float:
    import numpy as np

    return float(np.var(values, ddof=1)) if len(values) > 1 else 0.25


def _within_bounds(value: float, error: float) -> tuple[float, float]:
    """Return the interval on the scale of log odds, which keeps it between 0 and 1."""
    if not 0 < value < 1 or error == 0:
        return max(value - Z * error, 0.0), min(value + Z * error, 1.0)
    middle, spread = log(value / (1 - value)), Z * error / (value * (1 - value))
    return tuple(1 / (1 + exp(-max(min(one, 700.0), -700.0))) for one in (middle - spread, middle + spread))  # type: ignore[return-value]


def difference(one: Area, other: Area) -> tuple[float, float, float]:
    """Return how much larger the first area is on the same customers, and the 95 % interval of that."""
    gap = one.value - other.value
    error = sqrt(
        _variance(one.above - other.above) / len(one.above)
        + _variance(one.below - other.below) / len(one.below)
    )
    return gap, gap - Z * error, gap + Z * error


def brier(chances: Column, did: Column) -> float:
    """Return the mean squared distance of chances from what happened; 0 is perfect."""
    import numpy as np

    return float(np.mean((chances - did) ** 2))


def groups(chances: Column, did: Column, ids: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return tenths of the customers, the highest chances first: said and seen share (95 %), lift, part of all who did it."""
    import numpy as np

    order = np.lexsort((ids, -chances))
    everybody, all_yes = float(did.mean()), float(did.sum())
    found, caught = [], 0.0
    for place, rows in enumerate(np.array_split(order, _GROUPS), 1):
        if not len(rows):
            continue
        yes = int(did[rows].sum())
        caught += yes
        low, high = wilson(yes, len(rows))
        found.append(
            {
                "group": place,
                "customers": len(rows),
                "said": float(chances[rows].mean()),
                "did": yes / len(rows),
                "low": low,
                "high": high,
                "lift": yes / len(rows) / everybody if everybody else None,
                "caught": caught / all_yes if all_yes else None,
            }
        )
    return found


def calibration(chances: Column, did: Column) -> dict[str, Any]:
    """Return whether chances mean what they say: slope 1 and the same mean would be perfect; None where it cannot be told.

    A slope below 1: high chances were too high and low ones too low.
    """
    import numpy as np

    kept = np.clip(chances, 1e-12, 1 - 1e-12)
    found = line_of(np.log(kept / (1 - kept)), did)
    said = {"said": float(chances.mean()), "did": float(did.mean())}
    if found is None or not all(isfinite(one) for one in found):
        return {**said, "slope": None, "slope_low": None, "slope_high": None}
    slope, _, error, _ = found
    return {**said, "slope": slope, "slope_low": slope - Z * error, "slope_high": slope + Z * error}
