"""Effect beside credit in worlds whose truth is known: the same orders, the same time, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from support.beside_world import (
    ANCHOR,
    CLOSES,
    DAY,
    NOW,
    OPENS,
    PERIOD,
    Planted,
    World,
    campaign,
    shop,
    with_variants,
)
from tidings.clock import to_micros
from tidings.measurement.attribution.answer import Period
from tidings.measurement.beside.table import make_beside
from tidings.measurement.report import make_report
from tidings.statistics.means import welch
from tidings.statistics.summed import times
from tidings.statistics.sums import Sums
from tidings.store.database import Store
from tidings.store.tables import people, sending


def padded(values: list[int], size: int) -> Sums:
    return Sums.of(np.array([*values, *[0] * (size - len(values))], dtype=float))


def test_the_effect_is_that_of_the_drawing_over_the_conversions_of_the_time(store: Store) -> None:
    world = World(store, shop(campaign()))
    one = world.add(Planted())
    row = world.row()
    assert row.increment is not None
    treated, held = (padded(one.bought[arm], size) for arm, size in (("treated", 400), ("holdout", 100)))
    wanted = times(welch(treated.mean(), held.mean()), 400)
    assert row.increment.value is not None
    assert row.increment.value.estimate == pytest.approx(wanted.estimate)
    assert row.increment.value.interval == pytest.approx(wanted.interval)
    bought = {arm: len(amounts) for arm, amounts in one.bought.items()}
    assert row.increment.conversions.estimate == pytest.approx(bought["treated"] - 4 * bought["holdout"])
    assert (row.increment.treated, row.increment.held) == (400, 100)
    assert row.credited == bought["treated"]
    assert (row.runs, row.measured, row.part, row.open) == (1, 1, "", False)


def test_it_is_the_effect_of_the_report_where_the_goal_is_the_conversion(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted())
    row, report = world.row(), make_report(store, world.definitions, "spring", as_of=NOW)
    (revenue,) = [one for one in report.effects if one.metric.name == "revenue"]
    assert row.increment is not None
    assert row.increment.value is not None
    assert revenue.total is not None
    assert row.increment.value.estimate / 100 == pytest.approx(revenue.total[0])
    assert revenue.total[1] is not None
    assert [end / 100 for end in row.increment.value.interval or ()] == pytest.approx(revenue.total[1])


def test_a_campaign_that_reaches_those_who_buy_anyway_claims_much_too_much(store: Store) -> None:
    world = World(store, shop(campaign()), seed=5)
    world.add(Planted(treated=8_000, held=2_000, base=0.30, lift=0.04))
    row = world.row()
    # 34 % of 8,000 bought and clicked, and 4 % of them because of it: each was claimed eight and a half times.
    true = row.credited / (8_000 * 0.04)
    assert true > 8
    found = row.over_claiming
    assert found.interval is not None
    assert found.interval[0] < true < found.interval[1]
    assert found.interval[0] > 2


def test_where_the_effect_may_be_nothing_the_factor_is_not_known(store: Store) -> None:
    world = World(store, shop(campaign()), seed=3)
    world.add(Planted(lift=0.0))
    row = world.row()
    assert row.credited > 50
    assert (row.over_claiming.value, row.over_claiming.interval) == (None, None)
    assert row.over_claiming.reason == "the effect could be nothing"
    assert row.as_json()["over_claiming"] == {
        "estimate": None,
        "interval": None,
        "reason": "the effect could be nothing",
    }


def test_only_conversions_of_the_time_and_of_the_window_count(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=12, held=3, base=0.0, lift=0.0))
    end = ANCHOR + 14 * DAY
    inside = [ANCHOR, end - timedelta(microseconds=1)]
    outside = [ANCHOR - timedelta(microseconds=1), end, OPENS - DAY, CLOSES]
    world.orders([(1, when, 500, "EUR") for when in (*inside, *outside)])
    row = world.row()
    assert row.increment is not None
    assert row.increment.conversions.estimate == 2


def test_a_window_that_began_before_the_time_counts_for_what_lies_in_it(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=12, held=3, base=0.0, lift=0.0, anchor=OPENS - 5 * DAY))
    world.orders([(1, OPENS - DAY, 500, "EUR"), (2, OPENS + DAY, 500, "EUR")])
    row = world.row()
    assert row.increment is not None
    assert row.increment.conversions.estimate == 1
    later = Period(to_micros(OPENS + 10 * DAY), to_micros(CLOSES))
    assert world.beside(period=later).rows == ()


def test_windows_that_are_not_over_are_said_and_nothing_is_extrapolated(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=12, held=3, base=0.0, lift=0.0))
    world.orders([(1, ANCHOR + DAY, 500, "EUR"), (2, ANCHOR + 9 * DAY, 500, "EUR")])
    row = world.row(now=ANCHOR + 5 * DAY)
    assert row.increment is not None
    assert row.increment.conversions.estimate == 1
    assert row.open
    assert any("windows are not over" in one for one in world.beside(now=ANCHOR + 5 * DAY).words)
    assert not world.row(now=NOW).open
    # Asked of a time that is over, the window that goes beyond it is cut, and said.
    week = Period(PERIOD.opens, to_micros(ANCHOR + 5 * DAY))
    assert world.row(period=week).increment == row.increment
    assert any("reach beyond this time" in one for one in world.beside(period=week).words)


def test_an_order_in_the_windows_of_two_runs_counts_once_for_the_later(store: Store) -> None:
    world = World(store, shop(campaign()))
    for number in range(2):
        world.add(Planted(treated=12, held=3, base=0.0, lift=0.0, anchor=ANCHOR + 7 * number * DAY))
    world.orders([(1, ANCHOR + 10 * DAY, 500, "EUR"), (2, ANCHOR + 2 * DAY, 700, "EUR")])
    row = world.row()
    assert row.increment is not None
    assert row.increment.conversions.estimate == 2
    assert row.increment.treated == 24


def test_several_runs_are_summed_and_the_same_people_are_one_witness(store: Store) -> None:
    world = World(store, shop(campaign()), seed=8)
    one = world.add(Planted())
    other = world.add(Planted(anchor=ANCHOR + 14 * DAY, first=1))
    row = world.row()
    assert row.increment is not None
    alone = [len(run.bought["treated"]) - 4 * len(run.bought["holdout"]) for run in (one, other)]
    assert row.measured == 2
    # The last days of the second window lie after the time, for both arms alike.
    late = world.row(period=Period(PERIOD.opens, PERIOD.closes + 10 * 86_400_000_000))
    assert late.increment is not None
    assert late.increment.conversions.estimate == pytest.approx(sum(alone))


def test_variants_are_one_campaign(store: Store) -> None:
    world = World(store, shop(with_variants("spring", "warm", "direct")))
    one = world.add(Planted(variants=("warm", "direct")))
    row = world.row()
    assert row.increment is not None
    assert row.increment.conversions.estimate == pytest.approx(
        len(one.bought["treated"]) - 4 * len(one.bought["holdout"])
    )


def test_accounts_that_were_drawn_widen_the_interval(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted())
    plain = world.row()
    with store.durable("seed") as connection:
        plan = connection.execute(
            sending.plans.insert().values(
                hash="p", campaign="spring", occurrence="o", definition_hash="", planned_at=0, anchor_at=0, salt="",
                state="used", summary={"unit": "account", "holdout": {"share": 2000}},
            )
        ).inserted_primary_key[0]  # fmt: skip
        connection.execute(sa.update(sending.runs).values(plan_id=plan))
    same = world.row()
    assert same.increment is not None
    assert plain.increment is not None
    # Everybody is an account of one: the same interval, by the other way of counting.
    assert same.increment.conversions.interval == pytest.approx(plain.increment.conversions.interval)
    with store.durable("seed") as connection:
        number = people.customers.c.id
        account = sa.cast((number - 1) // 4, sa.Text)
        connection.execute(sa.update(people.customers).values(account=account))
    grouped = world.row()
    assert grouped.increment is not None
    assert grouped.increment.conversions.estimate == pytest.approx(plain.increment.conversions.estimate)
    assert grouped.increment.conversions.interval != plain.increment.conversions.interval


def test_a_flow_is_measured_from_those_who_entered(store: Store) -> None:
    world = World(store, shop())
    world.add(Planted(campaign="welcome", kind="flow", treated=12, held=3, base=0.0, lift=0.0))
    world.orders([(1, ANCHOR + 20 * DAY, 500, "EUR")])
    row = world.row("welcome")
    assert row.increment is not None
    # No file says a goal: thirty days.
    assert row.increment.conversions.estimate == 1


def test_a_sales_channel_has_no_effect_beside_it(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=10, held=10))
    asked = world.ask()
    with pytest.raises(ValueError, match="sales channel"):
        make_beside(store, asked, replace(world.answer("channel", asked), by="sales channel"), now=NOW)
