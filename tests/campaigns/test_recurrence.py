"""Rhythms: which days a recurring campaign is due on, and that a change of the clocks neither doubles nor loses one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.campaigns.holidays import Holidays
from tidings.campaigns.recurring import occurrences, shortened
from tidings.definitions.kinds.timing import Recurrence, Rhythm

STOCKHOLM, NEW_YORK = ZoneInfo("Europe/Stockholm"), ZoneInfo("America/New_York")
TEN = time(10)
ZONES = ("Asia/Taipei", "Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")


def keys(recurrence: Recurrence, first: date, last: date, zone: ZoneInfo = STOCKHOLM, **more: Holidays):
    found = occurrences(
        recurrence,
        zone,
        datetime(first.year, first.month, first.day, tzinfo=zone) - timedelta(seconds=1),
        datetime(last.year, last.month, last.day, 23, 59, 59, tzinfo=zone),
        **more,
    )
    return [one.key for one in found if not one.left_out]


@pytest.mark.parametrize(
    ("rhythm", "expected"),
    [
        (Rhythm("day", TEN), ["2027-02-27", "2027-02-28", "2027-03-01", "2027-03-02"]),
        (Rhythm("week", TEN, weekdays=(1, 5)), ["2027-02-27", "2027-03-02"]),
        (Rhythm("month", TEN, day=31), ["2027-02-28"]),
        (Rhythm("month", TEN, day=-1), ["2027-02-28"]),
        (Rhythm("month", TEN, day=1), ["2027-03-01"]),
        (Rhythm("month", TEN, weekdays=(1,), nth=1), ["2027-03-02"]),
        (Rhythm("month", TEN, weekdays=(6,), nth=-1), ["2027-02-28"]),
    ],
)
def test_days_weeks_and_months(rhythm: Rhythm, expected: list[str]) -> None:
    assert keys(Recurrence(rhythm), date(2027, 2, 27), date(2027, 3, 2)) == expected


def test_the_31st_is_the_last_day_of_a_shorter_month_and_that_is_said() -> None:
    monthly = Recurrence(Rhythm("month", TEN, day=31))
    assert keys(monthly, date(2027, 1, 1), date(2027, 6, 30)) == [
        "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30",
    ]  # fmt: skip
    assert keys(monthly, date(2028, 2, 1), date(2028, 2, 29)) == ["2028-02-29"]
    assert shortened(monthly) == "a month without a 31st has it on its last day"
    assert shortened(Recurrence(Rhythm("month", TEN, day=28))) == ""


def test_from_counts_from_its_first_minute_and_until_through_its_day() -> None:
    daily = Rhythm("day", TEN)
    bounded = Recurrence(daily, date(2027, 3, 1), date(2027, 3, 3))
    assert keys(bounded, date(2027, 2, 1), date(2027, 4, 1)) == ["2027-03-01", "2027-03-02", "2027-03-03"]
    with_hours = Recurrence(daily, datetime(2027, 3, 1, 11), datetime(2027, 3, 3, 9))
    assert keys(with_hours, date(2027, 2, 1), date(2027, 4, 1)) == ["2027-03-02"]


SPRING = Holidays.of(
    [date(2027, 2, day) for day in range(4, 11)], workdays=[date(2027, 2, 20), date(2027, 2, 7)]
)


def test_a_holiday_is_sent_skipped_or_moved_and_a_moved_one_keeps_its_key() -> None:
    weekly = Rhythm("week", TEN, weekdays=(1,))
    assert keys(Recurrence(weekly), date(2027, 2, 1), date(2027, 2, 20), holidays=SPRING) == [
        "2027-02-02", "2027-02-09", "2027-02-16",
    ]  # fmt: skip
    skipped = Recurrence(weekly, on_holidays="skip")
    assert keys(skipped, date(2027, 2, 1), date(2027, 2, 20), holidays=SPRING) == ["2027-02-02", "2027-02-16"]
    moved = occurrences(
        Recurrence(weekly, on_holidays="next workday"),
        STOCKHOLM,
        datetime(2027, 2, 3, tzinfo=UTC),
        datetime(2027, 2, 12, tzinfo=UTC),
        SPRING,
    )
    # The 10th is off too.
    assert [(one.key, one.day, one.moved) for one in moved] == [("2027-02-09", date(2027, 2, 11), True)]
    assert moved[0].at == datetime(2027, 2, 11, 9, tzinfo=UTC)


def test_a_shifted_workday_is_a_workday_though_it_is_a_weekend() -> None:
    assert SPRING.is_workday(date(2027, 2, 20)) and date(2027, 2, 20).weekday() == 5
    assert not SPRING.is_workday(date(2027, 2, 27))
    # Thursday the 4th is off; the next workday is Sunday the 7th, worked on instead of another day.
    weekly = Recurrence(Rhythm("week", TEN, weekdays=(3,)), on_holidays="next workday")
    found = occurrences(
        weekly, STOCKHOLM, datetime(2027, 2, 4, tzinfo=UTC), datetime(2027, 2, 8, tzinfo=UTC), SPRING
    )
    assert [(one.key, one.day) for one in found] == [("2027-02-04", date(2027, 2, 7))]


def test_days_that_would_all_move_to_the_same_workday_give_one_message_not_many() -> None:
    daily = Recurrence(Rhythm("day", TEN), on_holidays="next workday")
    found = occurrences(
        daily, STOCKHOLM, datetime(2027, 2, 3, tzinfo=UTC), datetime(2027, 2, 12, tzinfo=UTC), SPRING
    )
    days = [one.day for one in found if not one.left_out]
    assert len(days) == len(set(days))
    assert [one.key for one in found if one.left_out] == [
        f"2027-02-{day:02}" for day in (4, 5, 6, 8, 9, 10)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hour", "day", "instant"),
    [
        (time(2, 30), date(2027, 3, 14), datetime(2027, 3, 14, 7, 0, tzinfo=UTC)),
        (time(1, 30), date(2027, 11, 7), datetime(2027, 11, 7, 5, 30, tzinfo=UTC)),
    ],
)
def test_a_gap_and_an_overlap_give_one_occurrence_each(hour: time, day: date, instant: datetime) -> None:
    found = occurrences(
        Recurrence(Rhythm("day", hour)), NEW_YORK, instant - timedelta(hours=12), instant + timedelta(hours=12)
    )  # fmt: skip
    assert [(one.key, one.at) for one in found] == [(day.isoformat(), instant)]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.builds(time, st.integers(0, 23), st.sampled_from([0, 30, 45])),
    st.lists(st.integers(-3000, 6000), min_size=1, max_size=30),
)
def test_looked_for_in_any_pieces_each_day_comes_once(zone: str, hour: time, minutes: list[int]) -> None:
    """A clock that looks for what is due since the last look, at odd moments, sees each local date exactly once."""
    place = ZoneInfo(zone)
    begin = datetime(2027, 2, 20, tzinfo=UTC)
    looks = sorted({begin + timedelta(hours=6 * part) for part in range(0, 400, 7)}
                   | {begin + timedelta(minutes=abs(one)) for one in minutes})  # fmt: skip
    seen: list[str] = []
    for earlier, later in zip(looks, looks[1:], strict=False):
        seen += [one.key for one in occurrences(Recurrence(Rhythm("day", hour)), place, earlier, later)]
    assert len(seen) == len(set(seen))
    days = (looks[-1].astimezone(place).date() - looks[0].astimezone(place).date()).days
    assert days - 1 <= len(seen) <= days + 1
