"""A virtual month with a change of the clocks: whoever wakes the work, the ledger is the same."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from support.virtual_month import START, run_month
from tidings.clock import from_micros

STOCKHOLM = ZoneInfo("Europe/Stockholm")


# The days around the last Sunday of March; the whole month takes minutes and is for `make nightly` and `make shown-04`.
WEEK = (datetime(2027, 3, 25, 9, 0, tzinfo=UTC), 5, timedelta(hours=6), 20)
MONTH = (START, 31, timedelta(hours=2), 40)


@pytest.fixture(
    scope="module",
    params=[pytest.param(WEEK, id="week"), pytest.param(MONTH, id="month", marks=pytest.mark.nightly)],
)
def months(request, stores, tmp_path_factory):
    """The same time under both clocks, on SQLite."""
    start, days, step, customers = request.param
    return {
        how: run_month(
            tmp_path_factory.mktemp(how), stores("sqlite").empty("sqlite"), how,
            start=start, days=days, step=step, customers=customers,
        )
        for how in ("embedded", "prefect")
    }  # fmt: skip


def test_a_month_with_a_change_of_the_clocks_gives_the_same_ledger_under_both_clocks(months) -> None:
    assert months["embedded"].ledger == months["prefect"].ledger
    assert months["embedded"].ticks == months["prefect"].ticks >= 20


def test_every_day_has_its_occurrence_once_also_the_one_whose_hour_does_not_exist(months) -> None:
    month = months["embedded"]
    nights = [row for row in month.occurrences if row[0] == "night"]
    days = [row[1] for row in nights]
    first = date.fromisoformat(days[0])
    assert days == [f"{first + timedelta(days=n)}" for n in range(len(days))]
    assert "2027-03-28" in days
    assert len(days) >= 5
    due = {row[1]: from_micros(row[2]).astimezone(STOCKHOLM) for row in nights}
    assert due["2027-03-27"].hour == 2
    assert due["2027-03-28"] == datetime(2027, 3, 28, 3, 0, tzinfo=STOCKHOLM)
    assert due["2027-03-29"].hour == 2


def test_nobody_got_anything_twice_and_the_outbox_holds_what_the_ledger_says(months) -> None:
    month = months["embedded"]
    keys = Counter(row[:6] for row in month.messages)
    assert max(keys.values()) == 1
    assert month.letters == sum(row[8] == "accepted" for row in month.messages) > 50
    assert {row[0] for row in month.messages} == {"night", "weekly", "care"}
    starts = Counter({(row[0], row[1]) for row in month.journeys})
    assert max(starts.values()) == 1
    assert {row[5] for row in month.journeys} & {"finished", "left"}


def test_delays_of_days_keep_the_local_hour_over_the_change(months) -> None:
    reached = {(row[0], row[1], row[7]): row[9] for row in months["embedded"].journeys if row[8] == "reached"}
    over = 0
    change = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    for (key, ref, step), at in reached.items():
        before = reached.get((key, ref, "thanks"))
        if step != "tips" or before is None:
            continue
        first, second = from_micros(before), from_micros(at)
        if first < change <= second:
            over += 1
            # A tick comes every few hours: it may be late by as much, and is never early.
            local = first.astimezone(STOCKHOLM).replace(tzinfo=None) + timedelta(days=3)
            late = second.astimezone(STOCKHOLM).replace(tzinfo=None) - local
            assert timedelta(0) <= late <= WEEK[2]
    assert over > 0
