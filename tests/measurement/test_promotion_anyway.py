"""Who would have bought anyway, what was only moved, what would have paid for itself, and when: against a planted truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy import stats

from support.measured import ANCHOR, Enrolled, Happened, enrol, happen
from support.promoted import AFTER_ALL, MARGIN, PROMOTION, SAVED, Planted, deeds, order, plant, promoted
from tidings.clock import to_micros
from tidings.definitions.values import Money
from tidings.measurement.promotions.result import Economics
from tidings.measurement.promotions.words import sentences
from tidings.measurement.redemptions import refresh
from tidings.measurement.report import make_report
from tidings.store.database import Store

ZONE = ZoneInfo("Europe/Stockholm")
DAY = timedelta(days=1)


def told(store: Store, as_of: datetime = AFTER_ALL, cost: int = 40_000) -> Economics:
    definitions = promoted(replace(PROMOTION, costs=(("artwork", Money(cost, "EUR")),)))
    refresh(store, definitions, now=AFTER_ALL)
    found = make_report(store, definitions, "spring", as_of=as_of).economics
    assert found is not None
    return found


def test_where_every_buyer_redeems_the_share_is_that_of_the_holdout_among_buyers(store: Store) -> None:
    plant(store, 400, 200, Planted(anyway=0.10, because=0.05, later=0.0))
    found = told(store).anyway
    assert found is not None
    assert (found.buyers, found.redeemers) == (60, 60)
    assert found.of_buyers is not None
    assert found.of_redeemers is not None
    assert found.of_buyers.low == found.of_buyers.high == pytest.approx(40 / 60)
    assert (found.of_redeemers.low, found.of_redeemers.high) == pytest.approx((40 / 60, 40 / 60))
    assert found.discount == pytest.approx(60 * SAVED / 100)
    assert found.subsidised == pytest.approx((40 * SAVED / 100,) * 2)
    assert found.of_redeemers.interval is not None
    assert found.of_redeemers.interval[0] < 40 / 60 < found.of_redeemers.interval[1]


def test_bounds_hold_the_truth_where_some_buy_without_the_code(store: Store) -> None:
    # Of 40 who buy anyway 24 redeem, and of 60 buyers all 20 additional ones.
    plant(store, 400, 200, Planted(anyway=0.10, because=0.05, later=0.0, with_code=0.6))
    found = told(store).anyway
    assert found is not None
    assert found.of_redeemers is not None
    assert found.redeemers == 44
    assert found.of_redeemers.low == pytest.approx((44 - 20) / 44)
    assert found.of_redeemers.high == pytest.approx(40 / 44)
    assert found.of_redeemers.interval is not None
    assert found.of_redeemers.interval[0] < found.of_redeemers.low
    assert found.of_redeemers.interval[1] > found.of_redeemers.high


def test_codes_are_counted_by_who_brought_them(store: Store) -> None:
    plant(store, 100, 50, Planted(later=0.0))
    with store.durable("seed") as connection:
        from tidings.store.tables import people

        connection.execute(people.customers.insert().values(id=999, key="c999", u=1, created_at=0))
    stranger, held = Enrolled(999, "", None), Enrolled(120, "holdout", None)
    add(store, [order(stranger, 30, code=True), order(held, 30, code=True)])
    found = told(store)
    assert found.redeemed is not None
    assert dict(found.redeemed.good) == {"treated": 15, "holdout": 1, "others": 1}
    assert found.redeemed.made == 17
    assert found.redeemed.discounts == {"treated": 15 * SAVED, "holdout": SAVED, "others": SAVED}
    assert any("The code reached the holdout" in words for words in sentences(found))


def add(store: Store, happened: list[Happened]) -> None:
    """Store further events."""
    import sqlalchemy as sa

    from tidings.store.tables import people

    with store.durable("seed") as connection:
        name = connection.execute(
            sa.select(people.event_names.c.id).where(people.event_names.c.name == "order_placed")
        ).scalar_one()
        for place, one in enumerate(happened):
            connection.execute(
                people.events.insert().values(
                    name_id=name, customer_id=one.customer, occurred_at=to_micros(one.at), received_at=to_micros(one.at),
                    source="more", dedupe_key=str(place), amount=one.amount, currency=one.currency, properties=one.properties,
                )
            )  # fmt: skip


def test_moved_orders_are_missing_afterwards_and_net_out(store: Store) -> None:
    # A fifth buys in weeks 3 to 6; of the treated every fifth of these bought in the window instead.
    plant(store, 1_000, 1_000, Planted(anyway=0.1, because=0.0, later=0.2, moved=0.04))
    found = told(store)
    assert [one.days for one in found.pulled] == [14, 28, 56]
    four_weeks = found.pulled[1]
    assert four_weeks.orders is not None
    assert four_weeks.net_orders is not None
    assert four_weeks.net is not None
    assert four_weeks.net.total is not None
    assert four_weeks.orders.total is not None
    assert four_weeks.net_orders.total is not None
    assert four_weeks.orders.total[0] == pytest.approx(-40)
    assert four_weeks.net_orders.total[0] == pytest.approx(0, abs=1e-9)
    assert found.earned[0].orders.total is not None
    assert found.earned[0].orders.total[0] == pytest.approx(40)
    # Everybody redeemed, for orders that would have come all the same: the discounts are what is lost.
    assert four_weeks.net.total[0] == pytest.approx(-(100 + 40) * SAVED / 100)
    assert four_weeks.moved
    assert any("orders were moved forward" in words for words in sentences(found))


def test_what_lies_in_the_future_is_said_with_its_day(store: Store) -> None:
    plant(store, 200, 100, Planted(moved=0.05))
    early = told(store, datetime(2027, 4, 20, 12, tzinfo=ZONE))
    assert [one.orders is not None for one in early.pulled] == [True, False, False]
    assert "The 28 days after the window: known on 2027-05-01." in sentences(early)
    assert [one.as_json()["known"] for one in early.pulled] == [True, False, False]
    at = datetime(2027, 4, 17, 10, tzinfo=ZONE)
    assert told(store, at - timedelta(seconds=1)).pulled[0].orders is None
    assert told(store, at).pulled[0].orders is not None


def test_of_customers_who_came_one_by_one_those_count_for_whom_the_time_is_over(store: Store) -> None:
    people = [
        Enrolled(one, "treated" if one % 2 else "holdout", None, ANCHOR + (one // 2 % 40) * DAY)
        for one in range(1, 401)
    ]
    enrol(store, people)
    late = [one for one in people if one.anchor > ANCHOR + 20 * DAY]
    happen(store, [order(one, 20 * 24, code=False) for one in people if one.arm == "holdout" or one in late])
    found = told(store, ANCHOR + (14 + 14 + 20) * DAY + timedelta(hours=2))
    first = found.pulled[0]
    over = [one for one in people if one not in late]
    assert first.customers == sum(one.arm == "treated" for one in over)
    assert first.held_out == sum(one.arm == "holdout" for one in over)
    assert first.orders is not None
    assert (first.orders.mean, first.orders.base) == (0.0, 1.0)
    assert found.pulled[1].customers < first.customers


def test_at_the_break_even_response_the_profit_is_nothing(store: Store) -> None:
    plant(store, 1_000, 500, Planted(anyway=0.10, because=0.06, later=0.0))
    cost = 100_000
    found = told(store, cost=cost).break_even
    assert found is not None
    assert (found.response, found.base) == (pytest.approx(0.16), pytest.approx(0.10))
    # (0.10 · 40 + 1.00) / 25 of them; each of their orders earns 25.
    assert found.needed == pytest.approx(0.20)
    assert found.needed_orders == pytest.approx(100)
    assert found.additional_orders == pytest.approx(60)
    assert found.per_order == pytest.approx((MARGIN - SAVED) / 100)
    assert found.p_below is not None
    assert found.p_above is not None
    assert found.p_below < 0.5 < found.p_above


def test_a_run_at_its_break_even_has_made_nothing_and_lost_nothing(store: Store) -> None:
    plant(store, 1_000, 500, Planted(anyway=0.10, because=0.10, later=0.0))
    found = told(store, cost=100_000)
    assert found.break_even is not None
    assert found.break_even.needed == pytest.approx(found.break_even.response)
    assert found.earned[0].profit is not None
    assert found.earned[0].profit.total == pytest.approx(0, abs=1e-6)
    assert found.break_even.p_below == pytest.approx(0.5)


def test_the_day_of_payback_is_that_of_sums_day_by_day(store: Store) -> None:
    planted = Planted(anyway=0.10, because=0.08, later=0.1, moved=0.02, returns=0.1)
    treated, held = 600, 300
    plant(store, treated, held, planted, seed=9)
    found = told(store, cost=30_000).payback
    assert found is not None
    people = [Enrolled(one, "treated", None) for one in range(1, treated + held + 1)]
    dice = np.random.default_rng(9)
    happened = deeds(people[:treated], planted, dice, sent=True) + deeds(
        people[treated:], planted, dice, sent=False
    )
    bought = [one for one in happened if one.name == "order_placed"]
    rate = sum(int(str(one.properties["profit"])) for one in bought) / sum(one.amount or 0 for one in bought)
    by_customer: dict[int, float] = defaultdict(float)
    events = sorted(happened, key=lambda one: one.at)
    day = date(2027, 3, 20)
    expected = []
    for place in range(len(found.days)):
        while events and events[0].at.astimezone(ZONE).date() <= day + place * DAY:
            one = events.pop(0)
            gained = one.properties["profit"] if one.name == "order_placed" else -(one.amount or 0) * rate
            by_customer[one.customer] += float(str(gained)) / 100
        sent = [by_customer[one] for one in range(1, treated + 1)]
        kept = [by_customer[one] for one in range(treated + 1, treated + held + 1)]
        total = (np.mean(sent) - np.mean(kept)) * treated
        low = float("nan")
        if np.var(sent) + np.var(kept) > 0:
            low = stats.ttest_ind(sent, kept, equal_var=False).confidence_interval().low * treated
        expected.append((day + place * DAY, total, low))
    for (known, amount, low_limit, _), (on, total, low) in zip(found.days, expected, strict=True):
        assert (known, amount) == (on, pytest.approx(total, abs=1e-6))
        assert low_limit is None or low_limit == pytest.approx(low, abs=1e-6)
    assert found.on == next(day for day, total, _ in expected if total >= 300)
    assert found.surely_on == next((day for day, _, low in expected if low >= 300), None)
    assert found.slipped is bool(expected[-1][1] < 300)


def test_before_it_is_paid_back_the_pace_is_told_with_its_limits_or_not_at_all(store: Store) -> None:
    people = [Enrolled(one, "treated" if one <= 500 else "holdout", None) for one in range(1, 1_001)]
    enrol(store, people)
    # Ten orders a day among the treated, none elsewhere: 400.00 of margin a day.
    happened = [
        order(people[10 * day + place], 24 * day + 1, code=False) for day in range(14) for place in range(10)
    ]
    happen(store, happened)
    as_of = ANCHOR + 5 * DAY
    early = told(store, as_of, cost=400_000).payback
    assert early is not None
    assert early.on is None
    assert early.at_this_pace is not None
    on, earliest, latest = early.at_this_pace
    assert abs(on - (ANCHOR.date() + 10 * DAY)) <= DAY
    assert earliest < on
    assert latest is None or latest > on
    over = told(store, ANCHOR + 60 * DAY, cost=4_000_000)
    assert over.payback is not None
    assert over.payback.at_this_pace is None
    assert any("Not paid back by" in words for words in sentences(over))
