"""What blurs a comparison: held out and reached all the same, and other messages by arm, on both databases."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from rich.console import Console

from support.beside_world import ANCHOR, DAY, NOW, Planted, World, campaign, shop, with_variants
from tidings.cli.report import show
from tidings.clock import to_micros
from tidings.measurement.contamination import Contamination
from tidings.measurement.report import Report, make_report
from tidings.statistics.means import welch
from tidings.statistics.sums import Sums
from tidings.store.database import Store
from tidings.store.tables import money


@pytest.fixture
def world(store: Store) -> World:
    world = World(store, shop(campaign(), campaign("other", held=0)))
    world.add(Planted(treated=80, held=20, base=0.0, lift=0.0))
    return world


def report(world: World, name: str = "spring", as_of: datetime = NOW, run: int | None = None) -> Report:
    return make_report(world.store, world.definitions, name, as_of=as_of, run_id=run)


def found(world: World, **more: object) -> Contamination:
    made = report(world, **more).contamination  # type: ignore[arg-type]
    assert made is not None
    return made


def redeem(world: World, customer: int, when: datetime, judged: str = "good", offer: str = "spring") -> None:
    with world.store.durable("seed") as connection:
        connection.execute(
            money.redemptions.insert().values(
                code="SPRING", offer=offer, customer_id=customer, at=to_micros(when), judged=judged,
                dedupe_key=f"{customer}-{when}-{judged}-{offer}",
            )
        )  # fmt: skip


def test_nobody_reached_anyhow_is_said(world: World) -> None:
    blurred = found(world)
    assert (blurred.held, blurred.anyhow) == (20, 0)
    assert blurred.sentences() == [
        "Nobody of the 20 held out is known to have been reached by it in another way."
    ]


def test_a_forwarded_code_redeemed_by_the_held_out_is_counted(world: World) -> None:
    redeem(world, 81, ANCHOR + DAY)
    redeem(world, 81, ANCHOR + 2 * DAY, "again")
    redeem(world, 82, ANCHOR + DAY, "other_customer")
    redeem(world, 83, ANCHOR + DAY, offer="spring.step")
    for nobody in (
        (1, ANCHOR + DAY),  # treated
        (84, ANCHOR - timedelta(microseconds=1)),
        (85, ANCHOR + 14 * DAY),
    ):
        redeem(world, *nobody)
    redeem(world, 86, ANCHOR + DAY, "unknown")
    redeem(world, 87, ANCHOR + DAY, offer="springtime")
    blurred = found(world)
    assert (blurred.code, blurred.ad, blurred.run, blurred.anyhow) == (3, 0, 0, 3)
    assert blurred.sentences()[0] == (
        "3 of the 20 held out were reached by it all the same (3 redeemed its code): the true effect is rather larger than "
        "the one above."
    )


def test_ads_of_the_same_campaign_and_another_run_of_it_count_once_for_each_of_the_held_out(
    world: World,
) -> None:
    world.touches(
        [
            (81, "search", "spring", "visited", ANCHOR + DAY),
            (81, "fair", "spring", "met", ANCHOR + DAY),
            (82, "search", "brand", "visited", ANCHOR + DAY),
            (3, "search", "spring", "visited", ANCHOR + DAY),
        ]
    )
    # The second run writes to 41 … 120, so to all who were held out of the first.
    first = report(world).run.id
    world.add(Planted(treated=60, held=20, base=0.0, lift=0.0, first=41, anchor=ANCHOR + 3 * DAY))
    blurred = found(world, run=first)
    assert (blurred.ad, blurred.run, blurred.anyhow) == (1, 20, 20)
    assert found(world, run=first, as_of=ANCHOR + 2 * DAY).run == 0


def test_other_messages_a_head_are_counted_in_the_window_by_arm(world: World) -> None:
    # 61 … 100: twenty of those treated and all who were held out.
    world.add(Planted("other", treated=40, held=0, base=0.0, lift=0.0, first=61, anchor=ANCHOR + DAY))
    world.add(Planted("other", treated=40, held=0, base=0.0, lift=0.0, first=61, anchor=ANCHOR + 20 * DAY))
    blurred = found(world)
    assert [(one.arm, one.customers, one.messages) for one in blurred.others] == [
        ("holdout", 20, 20),
        ("treated", 80, 20),
    ]
    assert blurred.difference is not None
    assert blurred.difference.estimate == pytest.approx(0.25 - 1.0)
    (words,) = [one for one in blurred.sentences() if "other messages" in one]
    assert words.startswith(
        "Those treated got 0.75 fewer other messages a head than those held out (0.65 to 0.85"
    )
    assert words.endswith("the effect above is net of what these changed.")


def test_arms_that_got_alike_are_no_word_but_a_number(world: World) -> None:
    # 1 … 100, every other one: half of each arm.
    for number in range(1, 101, 2):
        world.add(
            Planted(
                "other",
                treated=1,
                held=0,
                base=0.0,
                lift=0.0,
                first=number,
                anchor=ANCHOR + number * timedelta(hours=1),
            )
        )
    blurred = found(world)
    assert [one.mean for one in blurred.others] == [0.5, 0.5]
    assert blurred.difference is not None
    values = [Sums.of([1.0] * (size // 2) + [0.0] * (size // 2)).mean() for size in (80, 20)]
    assert blurred.difference.interval == pytest.approx(welch(*values).interval)
    assert len(blurred.sentences()) == 1


def test_each_variant_is_an_arm_and_without_a_holdout_variants_remain(store: Store) -> None:
    world = World(store, shop(with_variants("spring", "direct", "warm", held=0), campaign("other", held=0)))
    world.add(Planted(treated=40, held=0, base=0.0, lift=0.0, variants=("direct", "warm")))
    world.add(Planted("other", treated=20, held=0, base=0.0, lift=0.0, anchor=ANCHOR + DAY))
    blurred = found(world)
    assert [(one.arm, one.messages) for one in blurred.others] == [("direct", 10), ("warm", 10)]
    assert (blurred.difference, blurred.sentences()) == (None, [])


def test_it_stands_in_the_report_for_people_and_programs(world: World) -> None:
    world.add(Planted("other", treated=40, held=0, base=0.0, lift=0.0, first=61, anchor=ANCHOR + DAY))
    redeem(world, 81, ANCHOR + DAY)
    made = report(world)
    plain = made.as_json()["contamination"]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["reached_anyhow"] == plain["by_code"] == 1
    assert plain["other_messages"][0] == {"arm": "holdout", "customers": 20, "messages": 20, "per_head": 1.0}
    assert plain["words"] == made.contamination.sentences() if made.contamination else False
    console = Console(width=100, record=True, highlight=False, markup=False)
    show(made, console)
    page = " ".join(console.export_text().split())
    assert "1 of the 20 held out was reached by it all the same (1 redeemed its code)" in page
    assert "Other messages a head while the windows ran: holdout 1.00, treated 0.25." in page


def test_a_run_that_has_not_begun_has_nothing_to_say(world: World) -> None:
    assert report(world, as_of=ANCHOR - DAY).contamination is None
