"""When steps are due in SQL: the same as on a calendar beside a clock, instant by instant, in awkward zones."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.flow import DayOffset
from tidings.definitions.values import Duration, Unit
from tidings.flows.journeys import due
from tidings.segments.days import shift_day

ZONES = (
    "Europe/Stockholm",
    "America/New_York",
    "Asia/Taipei",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kathmandu",
)
AMOUNTS = {
    Unit.MINUTE: (1, 90),
    Unit.HOUR: (2, 48),
    Unit.DAY: (1, 3, 14, 60, 217),
    Unit.WEEK: (1, 26, 52),
    Unit.MONTH: (1, 5, 12),
    Unit.YEAR: (1,),
}


@pytest.fixture
def engine(dialect, request):
    """A database of either kind; no tables are needed."""
    url = "sqlite://"
    if dialect == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://")
    made = sa.create_engine(url)
    yield made
    made.dispose()


def asked(engine, column_of, values, type_=sa.BigInteger) -> dict:
    """Return what an expression makes of each value."""
    table = sa.Table("given", sa.MetaData(), sa.Column("x", type_), prefixes=["TEMPORARY"])
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"x": value} for value in values])
        found = dict(connection.execute(sa.select(table.c.x, column_of(table.c.x))).all())
        table.drop(connection)
        connection.commit()
    return found


def by_calendar(instant: int, length: Duration, zone: ZoneInfo, direction: int) -> int:
    """The same, said again without the module: the first instant that shows the wall time, or a later one in a gap."""
    if length.unit.exact:
        minutes = length.amount * (60 if length.unit is Unit.HOUR else 1)
        return instant + direction * minutes * 60_000_000
    local = from_micros(instant).astimezone(zone)
    wall = datetime.combine(shift_day(local.date(), length, direction), local.time()).replace(fold=0)
    found = to_micros(wall.replace(tzinfo=zone))
    shown = from_micros(found).astimezone(zone).replace(tzinfo=None)
    if shown == wall:
        return found
    # In a gap: walk back from behind it to the minute at which the clocks leap.
    low = to_micros(wall.replace(tzinfo=zone, fold=1))
    while found - low > 1:
        middle = (low + found) // 2
        if from_micros(middle).astimezone(zone).replace(tzinfo=None) < wall:
            low = middle
        else:
            found = middle
    return found


def test_days_and_longer_keep_the_local_hour_over_every_change_of_the_clocks(engine) -> None:
    draw = random.Random(4)
    for number in range(120):
        zone = ZoneInfo(ZONES[number % len(ZONES)])
        unit = list(Unit)[number % len(Unit)]
        length = Duration(draw.choice(AMOUNTS[unit]), unit)
        direction = draw.choice([1, 1, -1])
        lowest = to_micros(datetime(draw.choice([2011, 2026, 2027]), draw.randint(1, 12), 1, tzinfo=UTC))
        lowest += draw.randint(0, 28 * due.DAY)
        highest = lowest + draw.choice([0, due.DAY, 40 * due.DAY, 400 * due.DAY])
        instants = {lowest, highest, *(draw.randint(lowest, highest) for _ in range(12))}
        if not unit.exact:
            pieces = due.pieces_of(length, zone, lowest, highest, direction)
            instants |= {piece.first + step for piece in pieces for step in (-1, 0, 1)}
        instants = {one for one in instants if lowest <= one <= highest}
        found = asked(
            engine,
            lambda x, at=(length, zone, lowest, highest, direction): due.after_expression(x, *at),
            instants,
        )
        expected = {one: by_calendar(one, length, zone, direction) for one in instants}
        assert found == expected, (zone, length, direction)


def test_a_million_instants_need_few_branches() -> None:
    zone, lowest = ZoneInfo("Europe/Stockholm"), to_micros(datetime(2027, 1, 1, tzinfo=UTC))
    assert len(due.pieces_of(Duration(14, Unit.DAY), zone, lowest, lowest + 30 * due.DAY)) == 1
    assert len(due.pieces_of(Duration(14, Unit.DAY), zone, lowest, lowest + 360 * due.DAY)) <= 9


@pytest.mark.parametrize("name", ZONES)
def test_a_wall_time_is_one_instant_in_sql_as_on_the_wall(engine, name) -> None:
    zone = ZoneInfo(name)
    lowest, highest = (to_micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (2011, 2028))
    walls = set()
    for turn in due.turns(zone, lowest, highest):
        for edge in (turn.at + turn.before, turn.at + turn.after):
            walls |= {edge + step for step in (-1_800_000_000, -1, 0, 1, 1_800_000_000)}
    walls |= {lowest + number * 37 * due.DAY for number in range(150)}
    found = asked(engine, lambda x: due.wall_instant(x, zone, lowest, highest), walls)
    for wall, instant in found.items():
        moment = from_micros(wall).replace(tzinfo=None)
        assert instant == by_calendar(
            to_micros(moment.replace(tzinfo=zone)), Duration(1, Unit.DAY), zone, 1
        ) or (instant == to_micros(due.instant_of(moment, zone)))
    back = asked(engine, lambda x: due.instant_wall(x, zone, lowest, highest), set(found.values()))
    for instant, wall in back.items():
        shown = from_micros(instant).astimezone(zone).replace(tzinfo=UTC)
        assert wall == to_micros(shown)


def test_dates_become_numbers_of_days_and_no_date_breaks_the_statement(engine) -> None:
    days = [date(1900, 3, 1), date(1970, 1, 1), date(2000, 2, 29), date(2027, 12, 31), date(2100, 2, 28)]
    found = asked(
        engine, due.day_number, [one.isoformat() for one in days] + ["2027-02-31", "0000-99-99"], sa.Text
    )
    for one in days:
        assert found[one.isoformat()] == (one - date(1970, 1, 1)).days
        assert due.day_of_number(found[one.isoformat()]) == one
    # There is no such day; it is taken for the one that many days after the 28th, alike on both databases.
    assert due.day_of_number(found["2027-02-31"]) == date(2027, 3, 3)


def test_an_hour_that_does_not_exist_on_the_day_is_the_first_minute_that_does() -> None:
    zone = ZoneInfo("Europe/Stockholm")
    at = due.day_instant(date(2027, 4, 4), DayOffset(-7, "day", time(2, 30)), zone)
    assert from_micros(at).astimezone(zone).replace(tzinfo=None) == datetime(2027, 3, 28, 3, 0)
    twice = due.day_instant(date(2027, 10, 31), DayOffset(0, "day", time(2, 30)), zone)
    assert from_micros(twice) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert timedelta(0) == from_micros(twice) - datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
