"""Windows: in any zone, across changes of the clocks, everything due goes once and inside its hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.campaigns.local_time import both_instants, due_instant, due_instants, instant_of
from tidings.campaigns.windows import Window, allowed, clock_zones, next_allowed

ZONES = (
    "Asia/Taipei", "Asia/Shanghai", "Europe/Moscow", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York",
    "Europe/Kaliningrad", "Asia/Yekaterinburg", "Asia/Vladivostok", "Asia/Kamchatka", "Europe/Stockholm", "Europe/London",
    "Europe/Dublin", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo", "America/Havana", "Asia/Tehran",
    "Asia/Kolkata", "Africa/Cairo", "Africa/Casablanca", "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati",
    "Pacific/Honolulu", "Asia/Beirut", "America/Santiago", "America/Nuuk",
)  # fmt: skip
QUIET = Window(quiet=(time(20), time(9)))
instants = st.datetimes(
    datetime(2026, 12, 1), datetime(2028, 2, 1), timezones=st.just(UTC)
).map(lambda at: at.replace(microsecond=0))  # fmt: skip
hours = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
windows = st.builds(
    Window,
    quiet=st.none() | st.tuples(hours, hours),
    between=st.none() | st.tuples(hours, hours).filter(lambda two: two[0] < two[1]),
    weekdays=st.just(()) | st.lists(st.integers(0, 6), min_size=1, unique=True).map(tuple),
)


def wall(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@settings(max_examples=400, deadline=None)
@given(windows, st.lists(st.sampled_from(ZONES), min_size=1, max_size=3), instants)
def test_the_next_allowed_instant_is_inside_the_window_of_every_zone_and_none_before_it_is(
    window: Window, zones: list[str], at: datetime
) -> None:
    found = next_allowed(window, tuple(zones), at)
    if found is None:
        # Every quarter of an hour of two weeks is closed, then: nothing opens for shorter than a quarter but at :59.
        for step in range(0, 14 * 96, 7):
            assert not allowed(window, tuple(zones), at + timedelta(minutes=15 * step))
        return
    assert found >= at
    assert allowed(window, tuple(zones), found)
    between = found - at
    for part in range(17):
        moment = at + between * part / 17
        if moment < found:
            assert not allowed(window, tuple(zones), moment)


@settings(max_examples=150, deadline=None)
@given(
    instants,
    st.lists(st.tuples(st.sampled_from(ZONES), st.integers(0, 3000)), min_size=1, max_size=10),
    st.lists(st.integers(-26 * 60, 26 * 60), max_size=40),
)
def test_every_due_item_leaves_once_inside_its_window_whatever_the_clock_does(
    start: datetime, items: list[tuple[str, int]], jumps: list[int]
) -> None:
    """A sender puts off what is closed; its clock is set forward and back by up to 26 hours between looks."""
    wanted = {number: start + timedelta(minutes=later) for number, (_, later) in enumerate(items)}
    due, left, now = dict(wanted), dict[int, datetime](), start
    # However far back the clock was set, a week of looks comes after it.
    for jump in [*jumps, *([40] * 300), 26 * 60 * 60]:
        for number, at in [*due.items()]:
            zones = (items[number][0],)
            if at > now:
                continue
            if allowed(QUIET, zones, now):
                assert number not in left
                left[number] = now
                del due[number]
                continue
            later = next_allowed(QUIET, zones, now)
            assert later is not None
            assert later > now
            due[number] = later
        now = max(now + timedelta(minutes=jump), start - timedelta(days=1))
        if jump == 40 and due and min(due.values()) > now + timedelta(days=1):
            now = min(due.values())
    assert sorted(left) == sorted(wanted)
    for number, at in left.items():
        assert at >= wanted[number]
        assert time(9) <= wall(at, items[number][0]).time() < time(20)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 12, 1), datetime(2028, 2, 1)).map(lambda at: at.replace(second=0, microsecond=0)),
)  # fmt: skip
def test_each_wall_time_is_one_instant_and_a_missing_one_is_the_first_minute_that_exists(
    zone: str, local: datetime
) -> None:
    at = instant_of(local, ZoneInfo(zone))
    shown = wall(at, zone)
    if shown == local:
        assert both_instants(local, ZoneInfo(zone))[0] == at
        return
    assert shown > local
    before = wall(at - timedelta(seconds=1), zone)
    assert before < local
    assert shown - before > timedelta(seconds=1)


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("America/New_York", datetime(2027, 3, 14, 2, 30), utc(2027, 3, 14, 7, 0)),
        ("America/New_York", datetime(2027, 11, 7, 1, 30), utc(2027, 11, 7, 5, 30)),
        ("Australia/Lord_Howe", datetime(2027, 10, 3, 2, 15), utc(2027, 10, 2, 15, 30)),
        ("Australia/Lord_Howe", datetime(2027, 4, 4, 1, 45), utc(2027, 4, 3, 14, 45)),
        ("Asia/Kathmandu", datetime(2027, 3, 2, 10), utc(2027, 3, 2, 4, 15)),
        ("Asia/Beirut", datetime(2027, 3, 28, 0, 0), utc(2027, 3, 27, 22, 0)),
    ],
)
def test_gaps_and_overlaps_of_the_clock(zone: str, local: datetime, instant: datetime) -> None:
    assert instant_of(local, ZoneInfo(zone)) == instant


def test_quiet_hours_over_midnight_move_to_the_morning_of_the_recipient() -> None:
    taipei = ("Asia/Taipei",)
    assert next_allowed(QUIET, taipei, utc(2027, 3, 2, 11, 59)) == utc(2027, 3, 2, 11, 59)
    assert next_allowed(QUIET, taipei, utc(2027, 3, 2, 12, 0)) == utc(2027, 3, 3, 1, 0)
    assert next_allowed(QUIET, taipei, utc(2027, 3, 2, 17, 0)) == utc(2027, 3, 3, 1, 0)


def test_a_window_that_opens_in_a_gap_opens_with_the_first_minute_after_it() -> None:
    opens = Window(quiet=(time(20), time(2, 30)))
    assert next_allowed(opens, ("America/New_York",), utc(2027, 3, 14, 5, 0)) == utc(2027, 3, 14, 7, 0)


def test_several_zones_must_all_allow() -> None:
    # 09:00 in Kaliningrad is 19:00 in Kamchatka: one hour a day fits both.
    both = ("Europe/Kaliningrad", "Asia/Kamchatka")
    assert next_allowed(QUIET, both, utc(2027, 3, 2, 8, 0)) == utc(2027, 3, 3, 7, 0)
    assert allowed(QUIET, both, utc(2027, 3, 3, 7, 59))
    assert not allowed(QUIET, both, utc(2027, 3, 3, 8, 0))


def test_zones_that_are_never_open_together_give_none() -> None:
    apart = Window(between=(time(9), time(11)))
    assert next_allowed(apart, ("Europe/Kaliningrad", "Asia/Kamchatka"), utc(2027, 3, 2)) is None


def test_weekdays_and_hours_are_those_of_the_recipient() -> None:
    office = Window(between=(time(9), time(17)), weekdays=(0, 1, 2, 3, 4))
    # Friday 17:00 in Taipei is still Friday morning in Stockholm.
    assert next_allowed(office, ("Asia/Taipei",), utc(2027, 3, 5, 9, 0)) == utc(2027, 3, 8, 1, 0)
    assert next_allowed(office, ("Europe/Stockholm",), utc(2027, 3, 5, 9, 0)) == utc(2027, 3, 5, 9, 0)


def test_days_off_are_passed_over() -> None:
    off = Window(between=(time(9), time(17)), days_off=frozenset({date(2027, 3, 2), date(2027, 3, 3)}))
    assert next_allowed(off, ("Asia/Taipei",), utc(2027, 3, 2, 3, 0)) == utc(2027, 3, 4, 1, 0)


def test_without_a_zone_e_mail_goes_by_the_workspace_and_texts_and_faxes_wait() -> None:
    at = utc(2027, 3, 2, 22, 0)
    assert clock_zones((), "email", "Europe/Stockholm") == ("Europe/Stockholm",)
    for kind in ("sms", "fax"):
        zones = clock_zones((), kind, "Europe/Stockholm")
        assert zones == ()
        assert next_allowed(QUIET, zones, at) is None
        assert next_allowed(Window(recipient=True), zones, at) is None
        assert not allowed(QUIET, zones, at)
        # Where nothing restricts it there is nothing to wait for.
        assert next_allowed(Window(), zones, at) == at
        assert allowed(Window(), zones, at)


def test_with_several_zones_nobody_gets_it_before_the_hour() -> None:
    local = datetime(2027, 3, 2, 10)
    at = due_instant(local, ("Europe/Moscow", "Asia/Vladivostok"))
    assert at == utc(2027, 3, 2, 7, 0)
    assert due_instants(local, {"a": ("Asia/Taipei",), "b": (), "c": ("Asia/Taipei",)}) == {
        "a": utc(2027, 3, 2, 2, 0),
        "b": None,
        "c": utc(2027, 3, 2, 2, 0),
    }
