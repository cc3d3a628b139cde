"""Two hundred campaigns with a known truth in one store: the intervals hold it as often as they say.

On SQLite alone: that both databases count alike is shown by the tests against a loop over the customers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scipy.stats import binomtest

from support.beside_world import Planted, World, campaign, shop
from tidings.measurement.beside.rows import Row
from tidings.store.database import Store

WORLDS, TREATED, HELD, BASE, LIFT = 200, 160, 80, 0.2, 0.3
AMOUNTS = (1_000, 9_000)
PRICE = 6


@pytest.fixture
def rows(make_store: Callable[..., Store]) -> list[Row]:
    store = make_store("sqlite")
    names = [f"c{number:03d}" for number in range(WORLDS)]
    world = World(store, shop(*(campaign(name, held=3333) for name in names)), seed=20270301)
    world.add_all(
        [
            Planted(
                name,
                treated=TREATED,
                held=HELD,
                base=BASE,
                lift=LIFT,
                first=1 + number * (TREATED + HELD),
                amounts=AMOUNTS,
                channels={"": "sms"},
            )
            for number, name in enumerate(names)
        ]
    )
    found = [row for row in world.beside().rows if row.name in names]
    assert len(found) == WORLDS
    return found


def covered(intervals: list[tuple[float, float] | None], truths: list[float]) -> float:
    """Return the p value of the exact binomial test that the intervals hold the truth 95 times in a hundred."""
    pairs = [(one, truth) for one, truth in zip(intervals, truths, strict=True) if one is not None]
    return float(
        binomtest(sum(low <= truth <= high for (low, high), truth in pairs), len(pairs), 0.95).pvalue
    )


def test_effect_return_and_over_claiming_cover_the_truth(rows: list[Row]) -> None:
    more = TREATED * LIFT
    mean = (AMOUNTS[0] + AMOUNTS[1] - 1) / 2
    cost = TREATED * PRICE
    increments = [row.increment for row in rows]
    assert covered([one.conversions.interval for one in increments if one], [more] * WORLDS) >= 0.001
    assert covered([row.iroas.interval for row in rows], [more * mean / cost] * WORLDS) >= 0.001
    # The claim is what was credited; where the effect is not shown there is no factor, which is said.
    factors = [row.over_claiming.interval for row in rows]
    assert sum(one is not None for one in factors) > WORLDS * 0.8
    inverse = [None if one is None else (1 / one[1], 1 / one[0]) for one in factors]
    assert covered(inverse, [more / row.credited for row in rows]) >= 0.001
    assert all(one.reason for one in (row.over_claiming for row in rows) if one.interval is None)
    # Those who would have bought anyway are credited as well: every campaign claims about one and two thirds times too much.
    assert sum(row.credited for row in rows) / (WORLDS * more) == pytest.approx(
        (BASE + LIFT) / LIFT, rel=0.05
    )


def test_a_campaign_that_does_nothing_is_shown_to_do_something_one_time_in_twenty(
    make_store: Callable[..., Store],
) -> None:
    store = make_store("sqlite")
    names = [f"c{number:03d}" for number in range(WORLDS)]
    world = World(store, shop(*(campaign(name, held=3333) for name in names)), seed=20270302)
    world.add_all(
        [
            Planted(name, treated=200, held=100, base=0.3, lift=0.0, first=1 + 300 * place, sent=False)
            for place, name in enumerate(names)
        ]
    )
    rows = [row for row in world.beside().rows if row.name in names]
    shown = sum(row.increment is not None and row.increment.conversions.shown for row in rows)
    assert binomtest(shown, WORLDS, 0.05).pvalue >= 0.001
    assert all(
        row.over_claiming.value is None
        for row in rows
        if row.increment and not row.increment.conversions.shown
    )
