"""Starts by a date: the day comes, so many days before or after, at an hour of the flow's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from support.starting_world import DAY, HOUR, World, days, flow
from tidings.clock import to_micros
from tidings.definitions.kinds.flow import DayOffset, Start, Step
from tidings.definitions.kinds.timing import Again
from tidings.flows.journeys.starting import flows_to_start

MINUTE = timedelta(minutes=1)
STOCKHOLM = ZoneInfo("Europe/Stockholm")


def at(*parts: int, zone: ZoneInfo = STOCKHOLM) -> datetime:
    return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type,misc]


def go(one: World, *parts: int) -> None:
    """Move the clock to a local time in Stockholm."""
    one.later(at(*parts) - one.now)


def world(store, offset: DayOffset, *, catch_up="nobody", event: str = "", **more) -> World:
    made = World(store, flow(Start("date", event=event, day=offset, catch_up=catch_up), **more))
    made.people(6)
    return made


def signed(one: World, customer: int, contract: str, ends: date) -> int:
    return one.did(customer, "contract_signed", contract=contract, ends_on=ends.isoformat())


BEFORE = DayOffset(-60, "last_order_at", time(9))


def test_the_day_so_many_days_before_a_date_starts_at_its_hour(store) -> None:
    one = world(store, BEFORE)
    one.attribute(1, last_order_at=date(2027, 5, 31))
    one.attribute(2, last_order_at=date(2027, 6, 1))
    one.live()
    go(one, 2027, 4, 1, 8, 59)
    assert one.tick() == 0
    one.later(MINUTE)
    assert one.tick() == 1
    (journey,) = one.journeys()
    assert (journey.customer_id, journey.anchor_at) == (1, to_micros(at(2027, 4, 1, 9)))
    assert journey.start_ref == "d2027-05-31/1/"
    go(one, 2027, 4, 2, 9, 0)
    assert one.tick() == 1
    assert one.who() == [1, 2]
    assert one.tick() == 0


@pytest.mark.parametrize(("offset", "day"), [(7, 20), (0, 13), (-3, 10)])
def test_days_after_on_and_before(store, offset, day) -> None:
    one = world(store, DayOffset(offset, "last_order_at", time(10, 30)))
    one.attribute(1, last_order_at=date(2027, 3, 13))
    one.live()
    go(one, 2027, 3, day, 10, 29)
    assert one.tick() == 0
    go(one, 2027, 3, day, 10, 30)
    assert one.tick() == 1


def test_the_hour_is_that_of_the_clock_over_its_changes(store) -> None:
    one = world(store, DayOffset(0, "last_order_at", time(2, 30)))
    one.attribute(1, last_order_at=date(2027, 3, 27))
    one.attribute(2, last_order_at=date(2027, 3, 28))
    one.attribute(3, last_order_at=date(2027, 3, 29))
    one.live()
    for number, instant in enumerate(
        [
            datetime(2027, 3, 27, 1, 30, tzinfo=UTC),
            # 02:30 does not exist on that day: the clocks go from 02:00 to 03:00, and that is the moment.
            datetime(2027, 3, 28, 1, 0, tzinfo=UTC),
            datetime(2027, 3, 29, 0, 30, tzinfo=UTC),
        ],
        1,
    ):
        one.later(instant - MINUTE - one.now)
        assert one.tick() == 0
        one.later(MINUTE)
        assert one.tick() == 1
        assert one.who() == list(range(1, number + 1))
        assert one.journeys()[-1].anchor_at == to_micros(instant)


@pytest.mark.parametrize(("catch_up", "expected"), [("nobody", []), (days(14), [2]), ("everybody", [1, 2])])
def test_days_that_passed_before_go_live_start_as_catch_up_says(store, catch_up, expected) -> None:
    one = world(store, BEFORE, catch_up=catch_up)
    for customer, ahead in ((1, 40), (2, 50), (3, 70)):
        one.attribute(customer, last_order_at=one.now.date() + timedelta(days=ahead))
    one.live()
    live = to_micros(one.now)
    one.later(HOUR)
    one.tick()
    assert one.who() == expected
    # Whoever is caught up with starts when the flow does.
    assert all(row.anchor_at == live for row in one.journeys())


def test_a_day_missed_by_less_than_a_day_starts_after_a_standstill_and_no_later_one(store) -> None:
    one = world(store, BEFORE)
    one.attribute(1, last_order_at=date(2027, 5, 31))
    one.attribute(2, last_order_at=date(2027, 6, 2))
    one.live()
    one.tick()
    go(one, 2027, 4, 3, 15, 0)
    assert one.tick() == 1
    assert [(row.customer_id, row.anchor_at) for row in one.journeys()] == [(2, to_micros(at(2027, 4, 3, 9)))]


def test_a_date_that_becomes_known_on_its_day_starts_within_ten_minutes(store) -> None:
    one = world(store, BEFORE)
    one.live()
    go(one, 2027, 4, 1, 9, 0)
    assert one.tick() == 0
    one.attribute(1, last_order_at=date(2027, 5, 31))
    one.later(timedelta(minutes=10))
    assert one.tick() == 1


def test_for_each_contract_a_customer_with_three_contracts_walks_thrice(store) -> None:
    offset = DayOffset(-60, "ends_on")
    one = world(store, offset, event="contract_signed", again=Again("each", each="contract"))
    one.live()
    ids = [signed(one, 1, name, date(2027, 5, 31)) for name in ("A", "B")]
    signed(one, 1, "C", date(2027, 6, 1))
    signed(one, 2, "D", date(2027, 5, 31))
    go(one, 2027, 4, 1, 9, 0)
    assert one.tick() == 3
    go(one, 2027, 4, 2, 9, 0)
    assert one.tick() == 1
    walked = [(row.customer_id, row.subject, row.entry) for row in one.journeys()]
    assert walked == [(1, "A", 0), (1, "B", 1), (1, "C", 2), (2, "D", 0)]
    assert [row.event_id for row in one.journeys()][:2] == ids
    assert one.journeys()[0].start_ref == "d2027-05-31/1/A"


def test_a_contract_that_was_prolonged_counts_with_its_latest_date(store) -> None:
    one = world(
        store, DayOffset(-60, "ends_on"), event="contract_signed", again=Again("each", each="contract")
    )
    one.live()
    signed(one, 1, "A", date(2027, 5, 31))
    one.later(DAY)
    signed(one, 1, "A", date(2028, 5, 31))
    go(one, 2027, 4, 1, 9, 0)
    assert one.tick() == 0
    go(one, 2028, 4, 1, 9, 0)
    assert one.tick() == 1


def test_a_date_that_is_none_in_the_calendar_disturbs_nobody(store) -> None:
    one = world(store, DayOffset(-60, "ends_on"), event="contract_signed")
    one.live()
    one.did(1, "contract_signed", ends_on="soon")
    one.did(2, "contract_signed", ends_on="2027-99-99")
    one.did(3, "contract_signed")
    signed(one, 4, "A", date(2027, 5, 31))
    go(one, 2027, 4, 1, 9, 0)
    assert one.tick() == 1
    assert one.who() == [4]


def test_under_the_clock_of_recipients_the_day_comes_by_their_own_zones(store) -> None:
    one = world(store, DayOffset(0, "last_order_at", time(9)), clock="recipient")
    zones = {1: "Asia/Vladivostok", 2: "Europe/Kaliningrad", 3: "America/New_York", 4: None, 5: None}
    for customer, zone in zones.items():
        one.customer(customer, zone=zone, country="CL" if customer == 5 else None)
        one.attribute(customer, last_order_at=date(2027, 6, 10))
    one.live()
    came: dict[int, datetime] = {}
    go(one, 2027, 6, 9, 20, 0)
    # Each quarter of an hour around the mornings, and a few between.
    quarters = [number for number in range(26 * 4) if number % 4 == 0 or 10 < number < 18]
    start = one.now
    for number in quarters:
        one.later(start + number * timedelta(minutes=15) - one.now)
        if one.tick():
            came |= {n: one.now for n in one.who() if n not in came}
    expected = {n: at(2027, 6, 10, 9, zone=ZoneInfo(zone)) for n, zone in zones.items() if zone}
    expected[4] = at(2027, 6, 10, 9)
    # A country of several zones: the last of their mornings, on Easter Island.
    expected[5] = at(2027, 6, 10, 9, zone=ZoneInfo("Pacific/Easter"))
    assert came == expected
    assert {row.customer_id: one.at(row.anchor_at) for row in one.journeys()} == expected


def test_a_first_step_that_waits_for_a_day_is_due_on_it_or_at_once_when_past_or_unknown(store) -> None:
    step = Step("last", "send", send="x", wait_until=DayOffset(-7, "birthday", time(8)))
    one = world(store, DayOffset(0, "last_order_at", time(9)))
    one.flow = flow(Start("date", day=DayOffset(0, "last_order_at", time(9))), step)
    birthdays = {1: date(2027, 4, 10), 2: date(2027, 3, 8), 3: None}
    for customer, birthday in birthdays.items():
        one.attribute(customer, last_order_at=date(2027, 3, 20), birthday=birthday)
    one.live()
    go(one, 2027, 3, 20, 9, 0)
    assert one.tick() == 3
    now = to_micros(one.now)
    assert [row.due_at for row in one.journeys()] == [to_micros(at(2027, 4, 3, 8)), now, now]


def test_flows_whose_day_has_not_come_are_not_looked_at(store) -> None:
    one = world(store, BEFORE)
    one.live()
    go(one, 2027, 3, 3, 8, 0)
    one.tick()
    one.later(timedelta(minutes=5))
    assert flows_to_start(store, now=one.now) == []
    go(one, 2027, 3, 3, 9, 0)
    assert len(flows_to_start(store, now=one.now)) == 1
