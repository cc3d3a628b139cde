"""Where little or nothing can be known of an effect: a sentence, and never a number that is not one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from support.beside_world import ANCHOR, DAY, NOW, OPENS, RULE, Planted, World, campaign, shop
from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Holdout
from tidings.measurement.attribution.answer import Period
from tidings.measurement.beside.table import Beside
from tidings.store.database import Store
from tidings.store.tables import sending

UNKNOWN_HOLDOUT = campaign(holdout=Holdout())


def plain(table: Beside) -> dict:
    """Return the table as JSON, which has no number that is not one."""
    found = table.as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_nobody_held_out(store: Store) -> None:
    world = World(store, shop(campaign(held=0)))
    world.add(Planted(treated=100, held=0))
    table = world.beside()
    (row,) = table.rows
    assert (row.increment, row.reason) == (None, "nobody was held out")
    assert row.credited > 0
    assert plain(table)["rows"][0]["incremental"] is None
    assert plain(table)["rows"][0]["over_claiming"]["reason"] == "nobody was held out"
    assert "No effect of spring: nobody was held out." in table.words


def test_credit_of_a_campaign_that_was_never_run_here(store: Store) -> None:
    world = World(store, shop())
    world.people([1])
    world.touches([(1, "search", "brand", "visited", OPENS + DAY)])
    world.orders([(1, OPENS + 2 * DAY, 500, "EUR")])
    table = world.beside()
    assert table.rows[0].credited == 1
    assert (
        "No effect of brand: no run of it here has a window in this time, so nobody was held out."
        in table.words
    )
    plain(table)


def test_an_arm_of_nobody_or_of_one(store: Store) -> None:
    world = World(store, shop(UNKNOWN_HOLDOUT))
    world.add(Planted(treated=0, held=20))
    assert world.row().reason == "nobody was written to"
    world.add(Planted(treated=20, held=1, anchor=ANCHOR + DAY))
    row = world.row()
    assert row.increment is None
    assert row.reason == "an arm has fewer than two; nobody was written to"
    plain(world.beside())


def test_arms_that_are_not_as_drawn_are_not_compared(store: Store) -> None:
    world = World(store, shop(campaign(held=2000)))
    world.add(Planted(treated=500, held=400))
    row = world.row()
    assert (row.increment, row.reason) == (None, "the arms do not have the sizes that were drawn")


def test_no_conversion_in_either_arm(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(base=0.0, lift=0.0))
    table = world.beside()
    (row,) = table.rows
    assert row.increment is not None
    assert row.increment.conversions.interval is None
    assert row.increment.conversions.estimate == 0
    assert row.over_claiming.reason == "nobody in either arm has a conversion in this time"
    assert any("cannot be told, for nobody in either arm has a conversion" in one for one in table.words)
    plain(table)


def test_everybody_bought_for_the_same_amount(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=40, held=10, base=1.0, lift=0.0, amounts=(500, 501)))
    table = world.beside()
    assert table.rows[0].increment is not None
    assert table.rows[0].increment.conversions.reason.startswith("everybody in both arms has the same value")
    plain(table)


def test_a_few_conversions_are_said_to_be_rough(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=80, held=20, base=0.0, lift=0.1))
    assert world.row().rough
    assert any("Few stand behind this" in one for one in world.beside().words)


def test_amounts_in_two_currencies_leave_conversions_alone(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(channels={"": "sms"}))
    world.orders([(1, ANCHOR + DAY, 700, "SEK")])
    table = world.beside()
    (row,) = table.rows
    assert row.increment is not None
    assert row.increment.conversions.interval is not None
    assert (row.increment.value, row.value, row.roas) == (None, None, None)
    assert row.iroas.reason == "amounts are not in one currency"
    assert row.cost_per_increment.value is not None
    assert plain(table)["rows"][0]["incremental"]["value"] is None


def test_amounts_in_two_currencies_with_a_rate_are_counted(store: Store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config").mkdir()
    (tmp_path / "config/rates.csv").write_text("day,from,to,rate\n2027-01-01,SEK,EUR,0.1\n")
    world = World(store, shop(campaign(), root=str(tmp_path)))
    world.add(Planted(treated=40, held=10, base=0.0, lift=0.0))
    world.orders([(1, ANCHOR + DAY, 7_000, "SEK"), (2, ANCHOR + DAY, 300, "EUR")])
    row = world.row()
    assert row.increment is not None
    assert row.increment.value is not None
    assert row.increment.value.estimate == pytest.approx(1_000)


def test_a_time_in_which_nothing_happened(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=40, held=10))
    empty = Period(to_micros(OPENS - 300 * DAY), to_micros(OPENS - 200 * DAY))
    for by in ("campaign", "channel"):
        table = world.beside(by, period=empty)
        assert table.rows == ()
        assert table.words == (
            "Nothing was credited, nothing was spent and nobody was written to in this time.",
        )
        assert plain(table)["rows"] == []


def test_runs_that_cannot_be_measured_are_said_and_nothing_is_divided_by_a_part(store: Store) -> None:
    world = World(store, shop(UNKNOWN_HOLDOUT))
    world.add(Planted(channels={"": "sms"}))
    world.add(Planted(treated=50, held=0, first=1000, anchor=ANCHOR + DAY, channels={"": "sms"}))
    row = world.row()
    assert row.increment is not None
    assert (row.runs, row.measured) == (2, 1)
    assert row.part == "1 of 2 runs cannot be measured (nobody was held out)"
    assert (row.over_claiming.value, row.iroas.value, row.cost_per_increment.value) == (None, None, None)
    assert row.over_claiming.reason == row.part


def test_a_campaign_that_drives_customers_away_has_no_factor(store: Store) -> None:
    world = World(store, shop(campaign()))
    world.add(Planted(treated=800, held=200, base=0.5, lift=-0.3, channels={"": "sms"}))
    table = world.beside()
    assert table.rows[0].over_claiming.reason == "the effect is below nothing"
    assert any("fewer came because of it" in one and "EUR less revenue." in one for one in table.words)


def test_without_a_rule_of_credit_events_with_revenue_are_conversions(store: Store) -> None:
    world = World(store, shop(campaign(), rule=None))
    world.add(Planted())
    assert world.row(definitions=replace(world.definitions, attribution=None)).increment is not None


def test_copies_for_staff_are_in_no_arm(store: Store) -> None:
    world = World(store, shop(campaign(), rule=replace(RULE, model="first")))
    one = world.add(Planted())
    world.people([9_000])
    with store.durable("seed") as connection:
        connection.execute(
            sending.enrolments.insert().values(
                run_id=one.run, customer_id=9_000, arm="copy", anchor_at=to_micros(ANCHOR), planned_at=0
            )
        )
    world.orders([(9_000, ANCHOR + DAY, 500, "EUR")])
    row = world.row(now=NOW)
    assert row.increment is not None
    assert row.increment.conversions.estimate == pytest.approx(
        len(one.bought["treated"]) - 4 * len(one.bought["holdout"])
    )
