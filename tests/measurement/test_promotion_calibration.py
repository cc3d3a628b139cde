"""Promised error rates of what a promotion earned, by simulation: the exact binomial test has p of at least 0.001.

Seeds were fixed before the first run. 200 simulations in the suite, 5,000 nightly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from tidings.measurement.metrics import Arm
from tidings.measurement.promotions.anyway import anyway
from tidings.measurement.promotions.break_even import break_even
from tidings.measurement.promotions.earned import less_cost
from tidings.measurement.promotions.orders import Orders
from tidings.measurement.promotions.sums import Crowd, against_holdout, by_customer, metric

RUNS = [pytest.param(200, id="suite"), pytest.param(5_000, id="nightly", marks=pytest.mark.nightly)]
TREATED, HELD_OUT = 9_000, 3_000
ANYWAY, BECAUSE, LATER, MOVED = 0.08, 0.03, 0.05, 0.01
CROWD = Crowd((Arm("holdout", HELD_OUT), Arm("treated", TREATED)))
# Margin of an order: 40.00 ± 20.00 at the full price, 15.00 less with the code.
MARGIN, SAVED = 40.0, 15.0


def world(random: np.random.Generator, with_code: float = 1.0) -> tuple[Orders, np.ndarray, np.ndarray]:
    """Return the orders of one promotion, which of them are of the window, and which came with the code."""
    arms, windows, codes = [], [], []
    for place, n in ((0, HELD_OUT), (1, TREATED)):
        fate = random.random(n)
        bought = fate < ANYWAY + BECAUSE * place
        coded = (bought & ((fate >= ANYWAY) | (random.random(n) < with_code))) & (place == 1)
        later = ~bought & (random.random(n) < LATER)
        moved = later & (random.random(n) < MOVED / LATER) & (place == 1)
        one = bought | later
        arms.append(np.full(int(one.sum()), place))
        windows.append((bought | moved)[one])
        codes.append((coded | moved)[one])
    arm, within, code = (np.concatenate(each) for each in (arms, windows, codes))
    n = len(arm)
    margin = random.gamma(4.0, MARGIN * 100 / 4, n) - np.where(code, SAVED * 100, 0.0)
    who = np.arange(n)
    orders = Orders(
        who, who, np.where(within, 1, 2), np.ones(n, dtype=bool), margin, margin, np.where(code, SAVED * 100, 0.0),
        arm, np.zeros(n, dtype=np.int64), None, None, ("EUR",),
    )  # fmt: skip
    return orders, within, code


def calibrated(runs: int, nominal: float, holds: Callable[[np.random.Generator], bool], seed: int) -> None:
    random = np.random.default_rng(seed)
    hits = sum(holds(random) for _ in range(runs))
    assert binomtest(hits, runs, nominal).pvalue >= 0.001, f"{hits} of {runs}, promised {nominal}"


def inside(interval: tuple[float, float] | None, truth: float) -> bool:
    assert interval is not None
    return interval[0] <= truth <= interval[1]


# What a treated customer is expected to bring beyond one of the holdout. Who buys later does not buy in the window as well.
SENT = (ANYWAY + BECAUSE + (1 - ANYWAY - BECAUSE) * MOVED) * (MARGIN - SAVED)
GAIN = SENT - ANYWAY * MARGIN


@pytest.mark.parametrize("runs", RUNS)
def test_the_interval_of_profit_covers_19_times_in_20(runs: int) -> None:
    cost = 2_500.0

    def holds(random: np.random.Generator) -> bool:
        orders, within, _ = world(random)
        gain = metric(
            orders,
            CROWD,
            "margin",
            [by_customer(orders, orders.margin, within)],
            unit="money",
            currency="EUR",
        )
        (effect,) = against_holdout(gain, CROWD)
        return inside(less_cost(effect.difference, effect.customers, cost).interval, GAIN * TREATED - cost)

    calibrated(runs, 0.95, holds, seed=701)


@pytest.mark.parametrize("runs", RUNS)
def test_at_break_even_it_is_called_below_once_in_forty(runs: int) -> None:
    cost = GAIN * TREATED

    def holds(random: np.random.Generator) -> bool:
        orders, within, _ = world(random)
        ones = by_customer(orders, np.ones(len(orders.who)), within)
        bought = metric(orders, CROWD, "orders", [ones], unit="count")
        gain = metric(
            orders,
            CROWD,
            "margin",
            [by_customer(orders, orders.margin, within)],
            unit="money",
            currency="EUR",
        )
        (count,), (effect,) = against_holdout(bought, CROWD), against_holdout(gain, CROWD)
        profit = less_cost(effect.difference, effect.customers, cost)
        found = break_even(count, count, effect, profit, cost=cost)
        assert found.p_below is not None
        return found.p_below < 0.025

    calibrated(runs, 0.025, holds, seed=702)


@pytest.mark.parametrize("runs", RUNS)
def test_the_interval_of_orders_missing_later_covers_19_times_in_20(runs: int) -> None:
    truth = (1 - ANYWAY - BECAUSE) * (LATER - MOVED) - (1 - ANYWAY) * LATER

    def holds(random: np.random.Generator) -> bool:
        orders, within, _ = world(random)
        later = by_customer(orders, np.ones(len(orders.who)), ~within)
        (effect,) = against_holdout(metric(orders, CROWD, "orders", [later], unit="count"), CROWD)
        return inside(effect.difference.interval, truth)

    calibrated(runs, 0.95, holds, seed=703)


REDEEMED = ANYWAY + BECAUSE + (1 - ANYWAY - BECAUSE) * MOVED


@pytest.mark.parametrize("runs", RUNS)
def test_the_share_that_would_have_bought_anyway_is_covered_19_times_in_20(runs: int) -> None:
    def holds(random: np.random.Generator) -> bool:
        orders, within, code = world(random)
        found = anyway(orders, CROWD, within=within, with_code=code, factor=0.01)
        assert found.of_redeemers is not None
        assert found.of_buyers is not None
        assert found.of_redeemers.low == pytest.approx(found.of_buyers.low)
        return inside(found.of_redeemers.interval, ANYWAY / REDEEMED)

    calibrated(runs, 0.95, holds, seed=704)


@pytest.mark.parametrize("runs", RUNS)
def test_where_some_buy_without_the_code_both_bounds_and_the_truth_lie_inside_at_least_as_often(
    runs: int,
) -> None:
    redeem = 0.6
    redeemed = REDEEMED - ANYWAY * (1 - redeem)
    bounds = (ANYWAY - ANYWAY * (1 - redeem)) / redeemed, ANYWAY / redeemed

    def holds(random: np.random.Generator) -> bool:
        orders, within, code = world(random, redeem)
        found = anyway(orders, CROWD, within=within, with_code=code, factor=0.01)
        assert found.of_redeemers is not None
        return all(inside(found.of_redeemers.interval, one) for one in bounds)

    random = np.random.default_rng(705)
    hits = sum(holds(random) for _ in range(runs))
    assert binomtest(hits, runs, 0.95, alternative="less").pvalue >= 0.001, f"{hits} of {runs}"
