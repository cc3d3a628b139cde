"""Sums made by the database equal those of plain Python over the same people and events, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from support.measured import (
    AFTERWARDS,
    ANCHOR,
    CAMPAIGN,
    GOAL,
    Enrolled,
    Happened,
    behave,
    definitions_with,
    draw,
    enrol,
    happen,
)
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.values import Duration, Is, OneOf, Unit
from tidings.measurement.arms import find_arms, find_run
from tidings.measurement.goals import goal_metrics
from tidings.measurement.metrics import Measured, arm_name
from tidings.measurement.promotions.reading import read_goal
from tidings.measurement.windows import moved
from tidings.store.database import Store

ZONE = ZoneInfo("Europe/Stockholm")


def measure(
    store: Store, run_id: int, goal: Goal, as_of: datetime = AFTERWARDS, also: tuple[Goal, ...] = ()
) -> Measured:
    campaign = replace(CAMPAIGN, goal=goal, also=also)
    with store.read() as connection:
        run = find_run(connection, "spring")
        assert run is not None
        assert run.id == run_id
        arms, anchors = find_arms(connection, run, campaign)
        definitions = definitions_with(campaign)
        read = read_goal(connection, definitions, campaign, run=run, arms=arms, anchors=anchors, as_of=as_of)
        summed, shared = (
            goal_metrics(
                connection,
                definitions,
                campaign,
                run=run,
                arms=arms,
                anchors=anchors,
                as_of=as_of,
                read=one,
            )
            for one in (None, read)
        )
    assert_same(summed, shared)
    return summed


def assert_same(summed: Measured, shared: Measured) -> None:
    """What orders read once give is what the database sums."""
    assert shared.notes == summed.notes
    assert [replace(one, arms={}) for one in shared.metrics] == [
        replace(one, arms={}) for one in summed.metrics
    ]
    for one, other in zip(shared.metrics, summed.metrics, strict=True):
        for arm, moments in other.arms.items():
            assert one.arms[arm].n == moments.n
            np.testing.assert_allclose(one.arms[arm].totals, moments.totals, rtol=1e-12)
            np.testing.assert_allclose(one.arms[arm].products, moments.products, rtol=1e-12)


def naive(
    enrolled: list[Enrolled], happened: list[Happened], goal: Goal, as_of: datetime = AFTERWARDS
) -> dict[str, np.ndarray]:
    """Return rows of (converted, converted before, revenue, revenue before) by arm, one customer at a time."""
    rows: dict[str, list[list[float]]] = {}
    wanted = dict(goal.with_)

    def fits(event: Happened) -> bool:
        return all(
            event.properties.get(name) in (test.values if isinstance(test, OneOf) else (test.value,))
            for name, test in wanted.items()
        )

    for one in enrolled:
        opens, closes = moved(one.anchor, goal.within, ZONE, back=True), moved(one.anchor, goal.within, ZONE)
        mine = [event for event in happened if event.customer == one.customer and event.at < as_of]

        def within(low: datetime, high: datetime, mine: list[Happened] = mine) -> tuple[float, float]:
            orders = [e for e in mine if e.name == goal.did and low <= e.at < high and fits(e)]
            gone = [e for e in mine if e.name == "order_returned" and low <= e.at < high]
            worth = [
                e.properties["margin"] if goal.worth == "margin" else e.amount
                for e in orders
                if e.properties or goal.worth != "margin"
            ]
            money = sum(worth) - (0 if wanted else sum(abs(e.amount or 0) for e in gone))
            count = len(orders) if goal.counts == "every" else min(len(orders), 1)
            return float(count), money / 100

        after, before = within(one.anchor, closes), within(opens, one.anchor)
        rows.setdefault(arm_name(one.arm, one.variant), []).append([after[0], before[0], after[1], before[1]])
    return {name: np.array(values) for name, values in rows.items()}


@pytest.mark.parametrize(
    "goal",
    [
        pytest.param(GOAL, id="first"),
        pytest.param(replace(GOAL, counts="every"), id="every"),
        pytest.param(replace(GOAL, with_=(("category", Is("garden")),)), id="one category"),
        pytest.param(replace(GOAL, with_=(("category", OneOf(("garden", "tools"))),)), id="two categories"),
        pytest.param(replace(GOAL, within=Duration(36, Unit.HOUR)), id="hours"),
        pytest.param(replace(GOAL, within=Duration(1, Unit.MONTH)), id="a month"),
    ],
)
def test_the_sums_are_those_of_plain_python(store: Store, goal: Goal) -> None:
    enrolled = draw(11, 400)
    for place, one in enumerate(enrolled):
        one.anchor = ANCHOR + timedelta(hours=place % 3 * 200)  # before and after the clocks go forward
    happened = behave(12, enrolled)
    run_id = enrol(store, enrolled)
    happen(store, happened)
    for as_of in (AFTERWARDS, ANCHOR + timedelta(days=10)):
        measured = measure(store, run_id, goal, as_of)
        expected = naive(enrolled, happened, goal, as_of)
        conversions, revenue = measured.metrics
        assert (conversions.name, revenue.name, revenue.currency) == ("order_placed", "revenue", "EUR")
        assert conversions.unit == ("count" if goal.counts == "every" else "share")
        for name, values in expected.items():
            for metric, columns in ((conversions, values[:, :2]), (revenue, values[:, 2:])):
                moments = metric.arms[name]
                assert moments.n == len(columns)
                assert moments.totals == pytest.approx(columns.sum(axis=0), rel=1e-12)
                assert moments.products == pytest.approx(columns.T @ columns, rel=1e-12)
                assert metric.some[name] == np.count_nonzero(columns[:, 0])


def test_a_worth_that_is_not_the_revenue_is_read_from_the_properties(store: Store) -> None:
    enrolled = draw(21, 200)
    happened = [event for event in behave(22, enrolled, lift=0) if event.name == "order_placed"]
    run_id = enrol(store, enrolled)
    happen(store, happened)
    goal = replace(GOAL, worth="margin")
    metric = measure(store, run_id, goal).metrics[1]
    assert metric.name == "margin"
    for name, values in naive(enrolled, happened, goal).items():
        assert metric.arms[name].totals == pytest.approx(values[:, 2:].sum(axis=0))


def test_different_currencies_are_not_added_up(store: Store) -> None:
    run_id = enrol(store, draw(1, 10))
    happen(
        store,
        [
            Happened(1, "order_placed", ANCHOR + timedelta(days=1), 1_000, "EUR"),
            Happened(2, "order_placed", ANCHOR + timedelta(days=1), 1_000, "SEK"),
        ],
    )
    measured = measure(store, run_id, GOAL)
    assert [metric.name for metric in measured.metrics] == ["order_placed"]
    assert any("EUR and SEK" in note and "not added up" in note for note in measured.notes)


def test_a_currency_outside_the_windows_does_not_matter(store: Store) -> None:
    run_id = enrol(store, draw(1, 10))
    happen(
        store,
        [
            Happened(1, "order_placed", ANCHOR + timedelta(days=1), 1_000, "JPY"),
            Happened(2, "order_placed", ANCHOR + timedelta(days=100), 1_000, "SEK"),
        ],
    )
    metric = measure(store, run_id, GOAL).metrics[1]
    assert metric.currency == "JPY"
    assert sum(moments.totals[0] for moments in metric.arms.values()) == 1_000


def test_events_without_an_amount_are_named(store: Store) -> None:
    run_id = enrol(store, draw(1, 10))
    happen(store, [Happened(1, "order_placed", ANCHOR + timedelta(days=1), None, None)])
    measured = measure(store, run_id, GOAL)
    assert any("1 of the order_placed events have no amount" in note for note in measured.notes)
    assert (
        sum(
            metric.some["warm"] + metric.some["direct"] + metric.some["holdout"]
            for metric in measured.metrics
        )
        == 1
    )


def test_an_event_that_never_came_counts_as_zero_and_says_so(store: Store) -> None:
    run_id = enrol(store, draw(1, 50))
    measured = measure(store, run_id, GOAL)
    assert any("No event order_placed is in the store" in note for note in measured.notes)
    assert all(not moments.totals.any() for metric in measured.metrics for moments in metric.arms.values())


def test_two_goals_on_one_event_keep_their_names_apart(store: Store) -> None:
    run_id = enrol(store, draw(1, 50))
    measured = measure(store, run_id, GOAL, also=(replace(GOAL, within=Duration(60, Unit.DAY)),))
    assert [metric.name for metric in measured.metrics] == [
        "order_placed",
        "revenue",
        "order_placed within 60 days",
        "revenue within 60 days",
    ]


def test_fourteen_days_are_fourteen_days_on_the_wall_and_hours_are_exact() -> None:
    at = datetime(2027, 3, 20, 9, 0, tzinfo=UTC)
    assert moved(at, Duration(14, Unit.DAY), ZONE) == datetime(2027, 4, 3, 8, 0, tzinfo=UTC)
    assert moved(at, Duration(336, Unit.HOUR), ZONE) == datetime(2027, 4, 3, 9, 0, tzinfo=UTC)
    assert moved(at, Duration(2, Unit.WEEK), ZONE, back=True) == datetime(2027, 3, 6, 9, 0, tzinfo=UTC)


def test_a_month_from_the_31st_ends_on_the_last_day() -> None:
    at = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
    assert moved(at, Duration(1, Unit.MONTH), ZONE) == datetime(2027, 2, 28, 12, 0, tzinfo=UTC)


def test_returns_in_another_currency_are_not_taken_off_and_the_reader_is_told(store: Store) -> None:
    run_id = enrol(store, draw(1, 10))
    happen(
        store,
        [
            Happened(1, "order_placed", ANCHOR + timedelta(days=1), 10_000, "EUR"),
            Happened(1, "order_returned", ANCHOR + timedelta(days=2), 9_000, "SEK"),
        ],
    )
    measured = measure(store, run_id, GOAL)
    assert [one.name for one in measured.metrics] == ["order_placed"]
    (note,) = measured.notes
    assert note.startswith("Amounts of order_placed and order_returned are in EUR and SEK;")


def test_amounts_without_a_currency_are_named(store: Store) -> None:
    run_id = enrol(store, draw(1, 10))
    happen(
        store,
        [
            Happened(1, "order_placed", ANCHOR + timedelta(days=1), 10_000, "EUR"),
            Happened(2, "order_placed", ANCHOR + timedelta(days=1), 500, None),
            Happened(2, "order_returned", ANCHOR - timedelta(days=1), 100, None),
            Happened(3, "order_placed", ANCHOR + timedelta(days=1), None, None),
        ],
    )
    measured = measure(store, run_id, GOAL)
    revenue = measured.metrics[1]
    assert revenue.currency == "EUR"
    assert sum(moments.totals[0] for moments in revenue.arms.values()) == 105
    assert measured.notes == (
        "2 amounts say no currency and are taken for EUR.",
        "1 of the order_placed events have no amount and count as 0.",
    )
