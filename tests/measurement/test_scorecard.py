"""Goals measured in a store: each measure against a loop over the same orders, and honest sentences where there is nothing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.measured import AFTERWARDS, run_seeded
from support.movement_world import NOW, ZONE, Bought, put, shop, when
from tidings.clock import to_micros
from tidings.definitions.conditions import DidCondition
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.measuring import CompanyGoal, Measure
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Share
from tidings.errors import UsageError
from tidings.measurement import conversions
from tidings.measurement.report import make_report
from tidings.measurement.scorecard.asking import GoalCard, Scorecard, make_scorecard
from tidings.measurement.scorecard.serving import Credits, _caused
from tidings.store.batches import insert_rows
from tidings.store.database import Store
from tidings.store.tables import answers

FIRST, LAST = date(2026, 7, 1), date(2027, 6, 30)
EARLY = when("2024-01-01")


def goal(what: str, target: str = "100", **more: Any) -> CompanyGoal:
    kind = (
        "money"
        if what in ("revenue", "margin", "credited_revenue")
        else "project"
        if what == "done"
        else "customers"
    )
    values: dict[str, Any] = {
        "id": what, "title": what, "kind": kind, "measure": Measure(what), "target": Decimal(target), "starts": FIRST,
        "by": LAST, "owner": "o@example.com", "currency": "EUR" if kind == "money" else "",
    }  # fmt: skip
    return CompanyGoal(**values | more)


def card_of(
    store: Store, *goals: CompanyGoal, now: datetime = NOW, day: date | None = None, **more: Any
) -> GoalCard:
    found = cards(store, *goals, now=now, day=day, **more).cards
    assert len(found) == 1
    return found[0]


def cards(
    store: Store, *goals: CompanyGoal, now: datetime = NOW, day: date | None = None, **more: Any
) -> Scorecard:
    found = make_scorecard(store, replace(shop(goals=goals), **more), now=now, day=day)
    json.dumps(found.as_json(), allow_nan=False)
    return found


def test_every_measure_is_what_a_loop_over_the_orders_counts(store: Store) -> None:
    draw = random.Random(11)
    rows = []
    for customer in range(1, 41):
        for _ in range(draw.randrange(0, 7)):
            at = when("2025-01-01") + timedelta(days=draw.randrange(0, 745), hours=draw.randrange(0, 11))
            amount = draw.randrange(100, 9_999)
            rows.append(Bought(customer, at, amount, amount // 4))
            if draw.random() < 0.2:
                rows.append(Bought(customer, at + timedelta(days=2), amount // 2, name="order_returned"))
    rows.append(Bought(None, when("2026-08-01"), 5_000, 1_000))
    came = {one: draw.choice([EARLY, when("2026-09-01"), NOW]) for one in range(1, 41)}
    put(store, came, rows)
    names = ("revenue", "orders", "active_customers", "new_customers", "retained_share", "customers")
    found = {one.goal.id: one.actual for one in cards(store, *(goal(name, "99999") for name in names)).cards}

    start, end = datetime(2026, 7, 1, tzinfo=ZONE), NOW
    placed = [one for one in rows if one.name == "order_placed"]
    now = [one for one in rows if start <= one.at <= end]
    net = sum((one.amount or 0) * (1 if one.name == "order_placed" else -1) for one in now)
    active = {one.customer for one in placed if start <= one.at <= end} - {None}
    ever = {one.customer for one in placed if one.at < start}
    # As long before as the goal is long: 365 days.
    before = {one.customer for one in placed if start - timedelta(days=365) <= one.at < start}
    orders = sum(one.name == "order_placed" for one in now)
    known = sum(min([came[one], *(row.at for row in rows if row.customer == one)]) <= end for one in came)
    assert found == {
        "revenue": pytest.approx(net / 100), "orders": orders, "active_customers": len(active),
        "new_customers": len(active - ever), "retained_share": pytest.approx(len(active & before) / len(before)),
        "customers": known,
    }  # fmt: skip
    margin = card_of(store, goal("margin", "99999"))
    assert margin.actual is not None and found["revenue"] is not None
    assert margin.actual == pytest.approx(found["revenue"] / 4, rel=0.01)


def test_a_segment_limits_a_goal_to_those_who_were_in_it_on_the_first_day(store: Store) -> None:
    put(
        store,
        {1: EARLY, 2: EARLY, 3: EARLY},
        [
            Bought(1, when("2025-02-01")), Bought(1, when("2026-08-01")),
            Bought(2, when("2026-06-01")), Bought(2, when("2026-08-01")), Bought(3, when("2026-08-01")),
        ],
    )  # fmt: skip
    lapsed = Segment(
        "lapsed", "Lapsed", "segments/lapsed.yaml",
        where=(DidCondition("order_placed"),), except_=(DidCondition("order_placed", window=_days(90)),),
    )  # fmt: skip
    wanted = goal("active_customers", measure=Measure("active_customers", "lapsed"))
    found = card_of(store, wanted, segments={"lapsed": lapsed})
    # Who bought since is in the segment no more, and is just whom the goal is about.
    assert found.actual == 1
    assert found.words == ("members of lapsed as of 2026-07-01",)


def _days(number: int) -> Any:
    from tidings.definitions.conditions import WithinLast
    from tidings.definitions.values import Duration, Unit

    return WithinLast(Duration(number, Unit.DAY))


def test_last_years_season_carries_the_forecast_where_a_whole_year_is_known(store: Store) -> None:
    def month(year: int, number: int, orders: int) -> list[Bought]:
        return [Bought(1, when(f"{year}-{number:02d}-{1 + one % 27:02d}"), 100) for one in range(orders)]

    # Twice as much from January on as before, last year; half as much this year so far.
    last = [one for at in ((2025, 7), (2025, 10), (2025, 12)) for one in month(*at, 20)]
    rest = [one for at in ((2026, 2), (2026, 4), (2026, 6)) for one in month(*at, 40)]
    this = [one for at in ((2026, 7), (2026, 10), (2026, 12)) for one in month(*at, 10)]
    put(store, {1: EARLY}, [Bought(1, when("2025-01-01"), 100), *last, *rest, *this])
    found = card_of(store, goal("revenue", "80"))
    assert found.forecast is not None
    assert (found.forecast.method, found.actual, round(found.forecast.value)) == ("season", 30, 90)
    assert found.forecast.low is not None and found.forecast.chance is not None
    assert 0.5 < found.forecast.chance < 1
    # A straight line would have asked for more by now, and the season knows better.
    assert (found.status, found.plan > 30) == ("on course", True)


def test_one_score_over_all_weighs_goals_and_passes_over_what_has_not_begun(store: Store) -> None:
    put(store, {1: EARLY}, [Bought(1, when("2026-08-01"), 10_000)])
    ended = {"starts": date(2026, 8, 1), "by": date(2026, 12, 31)}
    found = cards(
        store,
        goal("orders", "2", weight=Decimal(3), **ended),
        goal("revenue", "100", **ended),
        goal("done", "1", done=None, **ended),
        goal("new_customers", "9", starts=date(2028, 1, 1), by=date(2028, 12, 31)),
    )
    assert {one.goal.id: one.status for one in found.cards} == {
        "orders": "missed", "revenue": "reached", "done": "not known", "new_customers": "not yet begun",
    }  # fmt: skip
    assert found.score == pytest.approx((3 * 0.5 + 1) / 4)
    assert [one.goal.id for one in found.alarming] == ["orders"]
    assert "its owner has not said" in next(one.reason for one in found.cards if one.goal.id == "done")


def test_a_past_day_is_answered_as_it_was_and_one_to_come_is_refused(store: Store) -> None:
    put(store, {1: EARLY}, [Bought(1, when("2026-07-02"), 100), Bought(1, when("2026-12-24"), 900)])
    found = card_of(store, goal("revenue", "10"), day=date(2026, 9, 30))
    assert (found.actual, found.status) == (1, "in danger")
    assert card_of(store, goal("revenue", "10")).status == "reached"
    with pytest.raises(UsageError, match="not here yet"):
        cards(store, goal("revenue"), day=date(2027, 2, 1))


def test_what_serves_a_goal_stands_with_its_credit_and_the_rest_serves_none(store: Store) -> None:
    put(
        store,
        {1: EARLY, 2: EARLY},
        [Bought(1, when("2026-08-10"), 6_000), Bought(2, when("2026-08-10"), 4_000)],
    )
    definitions = shop()
    with store.durable("touches") as connection:
        at = to_micros(when("2026-08-08"))
        insert_rows(
            connection, answers.touches, [("search", "brand", 1, "visited", at, "t1")],
            ["channel", "campaign", "customer_id", "kind", "at", "dedupe_key"],
        )  # fmt: skip
    conversions.refresh(store, definitions, now=NOW)
    serving = {
        name: _campaign(name, serves) for name, serves in (("brand", "credited_revenue"), ("other", ""))
    }
    found = cards(store, goal("credited_revenue", "100"), goal("revenue", "100"), campaigns=serving)
    credited = next(one for one in found.cards if one.goal.id == "credited_revenue")
    assert credited.actual == 60
    (one,) = credited.serving
    assert (one.name, one.credited, one.conversions, one.caused) == ("brand", 6_000, 1.0, ())
    assert one.why_not
    assert [one.goal.id for one in found.unserved] == ["revenue"]
    assert [name for _, name, _ in found.aimless] == ["other"]
    nothing = card_of(store, goal("credited_revenue", "100"))
    assert (nothing.status, nothing.reason) == ("not known", "no campaign and no flow serves it")


def _campaign(name: str, serves: str) -> Campaign:
    from support.measured import CAMPAIGN

    return replace(CAMPAIGN, id=name, title=name, serves=serves)


def test_what_a_campaign_with_wordings_caused_is_told_of_all_treated_and_not_of_its_parts(
    store: Store,
) -> None:
    _, definitions = run_seeded(store, n=700)
    caused, why = _caused(Credits(store, definitions, {}), "spring", AFTERWARDS)
    assert [one.metric for one in caused] == ["order_placed", "revenue"]
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    whole = next(one for one in report.effects if one.metric.name == "order_placed")
    assert (whole.arm, whole.against, why) == ("treated", "holdout", "")
    assert whole.total is not None
    assert caused[0].total == whole.total[0]


def test_nothing_in_the_store_is_not_known_and_never_a_number(store: Store) -> None:
    names = ("revenue", "margin", "orders", "active_customers", "new_customers", "retained_share")
    found = cards(store, *(goal(name) for name in names))
    assert {one.status for one in found.cards} == {"not known"}
    assert all(one.actual is None and one.forecast is None for one in found.cards)
    assert found.score is None
    assert "No goal has begun that can be measured, so there is no score over all." in found.words
    assert cards(store).words == ("There are no goals yet: write the first in config/goals.yaml.",)


def test_amounts_in_another_currency_without_a_rate_are_not_known_and_with_one_are_counted(
    store: Store, tmp_path: Path
) -> None:
    put(
        store,
        {1: EARLY},
        [Bought(1, when("2026-08-01"), 1_000), Bought(1, when("2026-08-02"), 1_000, currency="USD")],
    )
    found = card_of(store, goal("revenue"))
    assert (found.status, found.actual) == ("not known", None)
    assert "config/rates.csv has no rate" in found.reason
    assert card_of(store, goal("orders")).actual == 2
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rates.csv").write_text("day,from,to,rate\n2026-01-01,USD,EUR,0.5\n")
    assert card_of(store, goal("revenue"), root=str(tmp_path)).actual == 15


def test_a_store_that_hears_nothing_any_more_says_when_it_did_last(store: Store) -> None:
    put(store, {1: EARLY}, [Bought(1, when("2026-08-01"))])
    assert (
        "The last purchase known is of 2026-08-01: what came since is in no number."
        in cards(store, goal("orders")).words
    )


def test_a_project_is_as_far_as_its_owner_says(store: Store) -> None:
    found = card_of(store, goal("done", "1", done=Share(3_000)))
    assert (found.actual, found.status) == (0.3, "in danger")
    assert found.forecast is not None and found.forecast.low is None


def test_a_goal_of_margin_is_not_known_where_no_purchase_says_one(store: Store) -> None:
    put(store, {1: EARLY}, [Bought(1, when("2026-08-01"), 5000)])
    card = card_of(store, goal("margin"))
    assert (card.actual, card.forecast, card.status) == (None, None, "not known")
    assert "no purchase of its time says its margin" in card.reason
