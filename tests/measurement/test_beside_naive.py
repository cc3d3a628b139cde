"""The same effect and the same limits as a loop over customers finds, where runs overlap and people change arms."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from scipy.stats import t as student

from support.beside_world import ANCHOR, CLOSES, DAY, OPENS, Planted, World, campaign, shop, with_variants
from tidings.store.database import Store

WINDOW = timedelta(days=14)


def planted(seed: int) -> list[Planted]:
    """Return three runs of a campaign whose customers overlap: some are held out of one and treated in another."""
    dice = random.Random(seed)
    return [
        Planted(
            treated=40,
            held=10,
            base=0.0,
            lift=0.0,
            first=1 + 15 * number,
            anchor=ANCHOR + dice.randrange(0, 20) * DAY,
            variants=("letter", "text"),
            channels={"letter": "email", "text": "sms"},
        )
        for number in range(3)
    ]


def drawn(one: Planted) -> dict[int, str]:
    """Return the arm of each customer of a run, by the name of its variant."""
    return {
        who: "held" if place >= one.treated else one.variants[place % 2]
        for place, who in enumerate(one.customers)
    }


def naive(
    runs: list[Planted], orders: list[tuple[int, object, int, str]], wanted: set[str]
) -> tuple[float, tuple[float, float]]:
    """Return the effect on the value of orders over those of the wanted variants, and its limits, customer by customer."""
    values: dict[tuple[int, int], float] = defaultdict(float)
    for who, when, amount, _ in orders:
        if not OPENS <= when < CLOSES:  # type: ignore[operator]
            continue
        mine = [
            (one.anchor, number)
            for number, one in enumerate(runs)
            if who in drawn(one) and one.anchor <= when < one.anchor + WINDOW  # type: ignore[operator]
        ]
        if mine:
            values[max(mine)[1], who] += amount
    estimate, spread, witness = 0.0, [], defaultdict(float)  # type: ignore[var-annotated]
    for number, one in enumerate(runs):
        arms = drawn(one)
        treated = [who for who, arm in arms.items() if arm in wanted]
        held = [who for who, arm in arms.items() if arm == "held"]
        means = [sum(values[number, who] for who in arm) / len(arm) for arm in (treated, held)]
        estimate += len(treated) * (means[0] - means[1])
        for arm, mean, weight in ((treated, means[0], 1.0), (held, means[1], -len(treated) / len(held))):
            scale = weight * (len(arm) / (len(arm) - 1)) ** 0.5
            parts = {who: scale * (values[number, who] - mean) for who in arm}
            spread.append((sum(part * part for part in parts.values()), len(arm)))
            for who, part in parts.items():
                witness[who] += part
    error = sum(part * part for part in witness.values()) ** 0.5
    degrees = sum(part for part, _ in spread) ** 2 / sum(part * part / (size - 1) for part, size in spread)
    reach = float(student.ppf(0.975, degrees)) * error
    return estimate, (estimate - reach, estimate + reach)


@pytest.mark.parametrize("seed", range(4))
def test_effect_and_limits_are_those_of_a_loop_over_customers(store: Store, seed: int) -> None:
    dice = random.Random(seed)
    world = World(store, shop(with_variants("spring", "letter", "text"), campaign("other")))
    runs = planted(seed)
    world.add_all(runs)
    orders = [
        (
            dice.randrange(1, 81),
            OPENS + timedelta(hours=6 * dice.randrange(-10, 140)),
            dice.randrange(100, 900),
            "EUR",
        )
        for _ in range(150)
    ]
    world.orders(orders)
    rows = {by: {row.name: row for row in world.beside(by).rows} for by in ("campaign", "channel")}
    for row, wanted in (
        (rows["campaign"]["spring"], {"letter", "text"}),
        (rows["channel"]["email"], {"letter"}),
        (rows["channel"]["sms"], {"text"}),
    ):
        assert row.increment is not None
        assert row.increment.value is not None
        estimate, limits = naive(runs, orders, wanted)
        assert row.increment.value.estimate == pytest.approx(estimate)
        assert row.increment.value.interval == pytest.approx(limits)
        assert row.measured == 3
