"""Every error rate that is promised, as a table: what is drawn at random, and whether the promise held in that draw.

A row holds `exactly` as often as said, or false alarms come `at most` as often. Seeds were fixed before the first run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest

from tidings.scores.judging import area, calibration
from tidings.statistics.clusters import Clusters
from tidings.statistics.corrections import holm
from tidings.statistics.credit import Paths
from tidings.statistics.cuped import adjust
from tidings.statistics.means import Difference, welch
from tidings.statistics.proportions import newcombe
from tidings.statistics.ratio import fieller
from tidings.statistics.sample_ratio import sample_ratio
from tidings.statistics.sequential import any_time
from tidings.statistics.shapley import shapley
from tidings.statistics.sums import Mean, Moments

Random = np.random.Generator
TREATED, HOLDOUT, RATE, LIFT, SPEND = 36_000, 4_000, 0.05, 0.012, 48.0
LOOKS = 14


@dataclass(frozen=True, slots=True)
class Promise:
    """`holds` draws once and tells whether what is counted came about; `nominal` is how often it should."""

    method: str
    nominal: float
    seed: int
    holds: Callable[[Random], bool]
    at_most: bool = False

    def kept(self, runs: int) -> tuple[int, float]:
        """Return how often it came about in so many draws, and the p of the exact binomial test against nominal."""
        random = np.random.default_rng(self.seed)
        hits = sum(self.holds(random) for _ in range(runs))
        side = "greater" if self.at_most else "two-sided"
        return hits, float(binomtest(hits, runs, self.nominal, alternative=side).pvalue)


def _shop(random: Random, lift: float = LIFT) -> tuple[Moments, Moments, Difference]:
    n = TREATED + HOLDOUT
    taste = random.gamma(2.0, 0.5, n)
    base = RATE + lift * (np.arange(n) < TREATED)
    after = (random.random(n) < np.minimum(base * taste, 1)) * random.gamma(4, 12, n)
    before = (random.random(n) < np.minimum(RATE * taste, 1)) * random.gamma(4, 12, n) + 5 * taste
    rows = np.column_stack([after, before])
    treated, control = Moments.of(rows[:TREATED]), Moments.of(rows[TREATED:])
    return treated, control, welch(treated.metric().mean(), control.metric().mean())


def _within(interval: tuple[float, float] | None, truth: float) -> bool:
    return interval is not None and interval[0] <= truth <= interval[1]


def _welch(random: Random) -> bool:
    return _within(_shop(random)[2].interval, LIFT * SPEND)


def _false_alarm(random: Random) -> bool:
    return _shop(random, 0.0)[2].shown


def _share(random: Random) -> bool:
    won, base = int(random.binomial(TREATED, RATE + LIFT)), int(random.binomial(HOLDOUT, RATE))
    left, right = (
        Mean(n, k / n, k / n * (1 - k / n) * n / (n - 1)) for k, n in ((won, TREATED), (base, HOLDOUT))
    )
    return _within(welch(left, right).interval, LIFT)


def _newcombe(random: Random) -> bool:
    won, base = int(random.binomial(TREATED, RATE + LIFT)), int(random.binomial(HOLDOUT, RATE))
    return _within(newcombe(won, TREATED, base, HOLDOUT), LIFT)


def _fieller(random: Random) -> bool:
    treated, control, difference = _shop(random)
    found = fieller(treated.metric().mean(), control.metric().mean(), degrees=difference.degrees)
    return _within(found.interval, LIFT / RATE)


def _cuped(random: Random) -> bool:
    treated, control, _ = _shop(random)
    found = adjust(treated, control)
    assert found is not None
    return _within(welch(found.treated, found.control).interval, LIFT * SPEND)


def _cuped_relative(random: Random) -> bool:
    treated, control, _ = _shop(random)
    found = adjust(treated, control)
    assert found is not None
    difference = welch(found.treated, found.control)
    relative = fieller(found.treated, found.control, degrees=difference.degrees, shared=found.shared)
    return _within(relative.interval, LIFT / RATE)


def _accounts(random: Random) -> bool:
    """Accounts of 1 to 12 customers who share much of their fate; large ones buy more for each customer."""

    def arm(accounts: int, lift: float) -> Mean:
        sizes = random.integers(1, 13, accounts)
        account = np.repeat(np.arange(accounts), sizes)
        # Large accounts like it more; taste is shared by all of one account.
        taste = random.gamma(3.0, 1 / 3, accounts) * (0.5 + sizes / 13)
        values = taste[account] * random.gamma(2.0, 5.0, account.size) + lift
        return Clusters.of(values.reshape(-1, 1), account).moments().metric().mean()

    return _within(welch(arm(2_000, 1.0), arm(600, 0.0)).interval, 1.0)


def _lost(level: float) -> Callable[[Random], bool]:
    def alarm(random: Random) -> bool:
        p = sample_ratio(random.multinomial(10_000, [0.45, 0.45, 0.1]).tolist(), [45, 45, 10]).p
        return p is not None and p < level

    return alarm


def _holm(random: Random) -> bool:
    """Four metrics of one comparison, none with an effect, correlated by pairs: any claim at all."""
    ps = []
    shared = random.normal(size=(2, 4_000))
    for metric in range(4):
        values = shared[metric // 2] + random.normal(size=4_000)
        p = welch(
            Moments.of(values[:3_000, None]).metric().mean(), Moments.of(values[3_000:, None]).metric().mean()
        ).p
        assert p is not None
        ps.append(p)
    return min(holm(ps)) < 0.05


def _looks(random: Random) -> list[tuple[Difference, tuple[float, float] | None]]:
    """Return the difference of orders without an effect after each of 14 days, with the limits for all looks."""
    treated, control = 9_000, 3_000
    n = treated + control
    day = np.where(random.random(n) < RATE, random.integers(0, LOOKS, n), LOOKS)
    size, spread = 1 / (1 / treated + 1 / control), 0.06 * 0.94
    found = []
    for look in range(LOOKS):
        did = day <= look
        arms = [
            Moments.of(one[:, None].astype(float)).metric().mean() for one in (did[:treated], did[treated:])
        ]
        difference = welch(*arms)
        found.append((difference, any_time(difference, size=size, spread=spread, planned=size)))
    return found


def _any_look(random: Random) -> bool:
    return any(limits is not None and not _within(limits, 0.0) for _, limits in _looks(random))


def usual_at_any_look(random: Random) -> bool:
    """Tell whether the usual interval left out zero at some look: what looking every day costs."""
    return any(difference.shown for difference, _ in _looks(random))


def _auc(random: Random) -> bool:
    """Scores of buyers one deviation above those of others: the true area is Φ(1/√2)."""
    did = (random.random(2_000) < 0.2).astype(float)
    found = area(random.normal(size=2_000) + did, did)
    return _within((found.low, found.high), float(ndtr(1 / np.sqrt(2))))


def _calibrated(random: Random) -> bool:
    """Chances that mean what they say: the slope of their calibration is 1."""
    chances = random.beta(2.0, 6.0, 2_000)
    found = calibration(chances, (random.random(2_000) < chances).astype(float))
    return _within((found["slope_low"], found["slope_high"]), 1.0)


def _sampled_shapley(random: Random) -> bool:
    """One of nine channels on random paths, sampled with as many orders as everybody gets, against the exact value."""
    lengths = random.integers(1, 6, 300)
    starts = np.append(0, np.cumsum(lengths))
    steps = random.integers(0, 9, int(lengths.sum()))
    won = random.random(300) < 0.3
    paths = Paths.of(tuple("abcdefghi"), steps, starts, conversions=won, values=won * 100, nulls=~won)
    exact, drawn = shapley(paths, worth="rate"), shapley(paths, worth="rate", exact=8)
    assert drawn.error is not None and exact.error is None
    channel = int(random.integers(9))
    off = abs(float(drawn.conversions[channel] - exact.conversions[channel]))
    return off <= float(ndtri(0.975)) * float(drawn.error[channel])


PROMISES = (
    Promise("difference of means (Welch)", 0.95, 501, _welch),
    Promise("difference of shares (Welch)", 0.95, 502, _share),
    Promise("difference of shares (Newcombe)", 0.95, 511, _newcombe),
    Promise("relative difference (Fieller)", 0.95, 503, _fieller),
    Promise("adjusted difference (CUPED)", 0.95, 504, _cuped),
    Promise("adjusted relative difference", 0.95, 505, _cuped_relative),
    Promise("accounts drawn (delta method)", 0.95, 512, _accounts),
    Promise("effect claimed where there is none", 0.05, 506, _false_alarm),
    Promise("several metrics, any claim (Holm)", 0.05, 513, _holm, at_most=True),
    Promise("14 looks, any claim (any-time)", 0.05, 514, _any_look, at_most=True),
    Promise("sample-ratio alarm at 0.05", 0.05, 507, _lost(0.05)),
    Promise("sample-ratio alarm at 0.001", 0.001, 508, _lost(0.001)),
    Promise("AUC of a score", 0.95, 515, _auc),
    Promise("calibration slope of a score", 0.95, 518, _calibrated),
    Promise("sampled Shapley credit", 0.95, 519, _sampled_shapley),
)
