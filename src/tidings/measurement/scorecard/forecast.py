"""Where a goal will end if it goes on as it did: the value on its last day, with an interval and how sure it is.

What adds up over time (revenue, orders, customers who ordered) goes on at its own pace. Where a whole year before is known, the rest
of the time brings what it brought then in proportion: forecast = actual / s, with s the part that last year had by the same
day. Else every day brings the same: s = days past / all days.

The interval (80 %) is that of a count that varies more than chance, as weekly sums do: the variance of a week is φ times its
mean, with φ by Pearson's statistic over the whole weeks past (McCullagh and Nelder, Generalized Linear Models, 1989, section 4.5.2). Of
R still to come the variance is φ R (1 + R / actual): φ R for what those weeks do, the rest because the pace itself is estimated.
A last year that is as uncertain adds F² (1 − s) / s · φ / L, with F the forecast and L the last year's sum; φ is then what is seen of the
weeks divided by 1 + actual / (last year's sum by the same day), for they stray from last year's weeks, which stray as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["season", "pace", "known"]
LEAST_WEEKS = 4
# The 90 % point of the normal distribution: 10 % on either side are outside.
_Z = 1.2815515655446004
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """The value expected on the last day, its interval, and the chance (0 … 1) that the target is reached.

    `method` is `season` by last year's shares, `pace` by the days, `known` where nothing is left to come. Interval and chance are
    None where too few weeks are past to say.
    """

    value: float
    method: Method
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """What came in each part of the time past: whole weeks from the first day on, then the days left over.

    `lengths` are in days. `season` holds what last year brought in the same parts, None where no whole year before is known, and
    `season_rest` what it brought in the time that is still to come. `before` is what there was when it began.
    """

    values: Floats
    lengths: Floats
    left: float
    season: Floats | None = None
    season_rest: float = 0.0
    before: float = 0.0

    @property
    def whole(self) -> int:
        """How many whole weeks are past."""
        return int((self.lengths == 7).sum())


def forecast(past: Past, target: float) -> Forecast:
    """Return where it ends, from what came so far."""
    came = float(past.values.sum())
    if past.left <= 0:
        value = past.before + came
        return Forecast(value, "known", value, value, float(value >= target))
    season = past.season
    year = float(season.sum()) + past.season_rest if season is not None else 0.0
    seasonal = season is not None and float(season.sum()) > 0 and past.season_rest >= 0
    weights = season if seasonal and season is not None else past.lengths
    rest_weight = past.season_rest if seasonal else past.left
    rest = came * rest_weight / float(weights.sum())
    method: Method = "season" if seasonal else "pace"
    value = past.before + came + rest
    if past.whole < LEAST_WEEKS or came <= 0:
        weeks = f"{past.whole} whole week{'' if past.whole == 1 else 's'}"
        why = f"only {weeks} past" if past.whole < LEAST_WEEKS else "nothing came so far"
        return Forecast(value, method, reason=f"{why}: too little to say how sure that is")
    spread = dispersion(past, weights)
    if seasonal:
        # What is seen of the weeks is this year's chance and, in proportion, last year's.
        spread /= 1 + came / float(weights.sum())
    variance = spread * max(rest, 0.0) * (1 + max(rest, 0.0) / came)
    if seasonal:
        part = float(weights.sum()) / year
        variance += (came + rest) ** 2 * (1 - part) / part * spread / year
    error = sqrt(variance)
    if error <= 0:
        return Forecast(value, method, value, value, float(value >= target))
    return Forecast(
        value, method, value - _Z * error, value + _Z * error, 0.5 * erfc((target - value) / error / sqrt(2))
    )


def dispersion(past: Past, weights: Floats) -> float:
    """Return φ: by how much weekly sums vary more than their mean, over the whole weeks in which something was expected."""
    weeks = (past.lengths == 7) & (weights > 0)
    if int(weeks.sum()) < 2:
        return float(past.values.sum()) / max(past.values.size, 1)
    seen = past.values[weeks]
    expected = seen.sum() * weights[weeks] / weights[weeks].sum()
    if expected.sum() <= 0:
        return 0.0
    return float(((seen - expected) ** 2 / np.where(expected > 0, expected, 1.0)).sum() / (weeks.sum() - 1))
