"""`tidings calendar`: a month in 80 columns with what goes out, days off, what collides and which offers end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from support.command_line import Said, Shop
from support.explained_shop import LETTER, ExplainedShop, open_shop
from tidings.cli.calendar import _tell
from tidings.cli.wrapping import cells
from tidings.clock import FixedClock, to_micros
from tidings.flows.explaining.collisions import month_of
from tidings.flows.explaining.month import Month
from tidings.store.database import Store
from tidings.store.tables import journeys

Run = Callable[..., Said]
MARCH = date(2027, 3, 1)


def campaign(title: str, more: str, *, purpose: str = "marketing") -> str:
    text = LETTER.format(title=title, via="email", holdout="none").replace(
        "purpose: marketing", f"purpose: {purpose}"
    )
    return f"{text}{more}\n"


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> ExplainedShop:
    """A letter on the 9th and one on the 10th to the same people, one every Monday, and an offer."""
    return open_shop(
        store,
        tmp_path / "shop",
        campaigns__ninth=campaign("On the ninth", "at: 2027-03-09 10:00"),
        campaigns__same_day=campaign(
            "Later that day", "at: 2027-03-09 10:30\noffer: {gives: 10% off, code: SPRING, ends: 2027-03-16}"
        ),
        campaigns__mondays=campaign(
            "Mondays", "every: week on Mon at 09:00\non_holidays: skip\nagain: always"
        ),
    )


def march(shop: ExplainedShop) -> Month:
    return month_of(shop.store, shop.definitions, MARCH, now=shop.store.clock.now())


def on(month: Month, day: int) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in month.entries if one.day == date(2027, 3, day)]


def test_planned_campaigns_occurrences_days_off_and_offers_stand_on_their_days(shop: ExplainedShop) -> None:
    month = march(shop)
    # The clock stands at 2 March: what would have come on the 1st is over.
    assert on(month, 1) == [("holiday", "")]
    assert on(month, 8) == [("holiday", ""), ("skipped", "mondays")]
    assert on(month, 9) == [("planned", "ninth"), ("planned", "same_day")]
    assert on(month, 15) == [("coming", "mondays")]
    assert on(month, 16) == [("offer ends", "same_day")]
    assert on(month, 29) == [("holiday", ""), ("skipped", "mondays")]
    assert [one.detail for one in month.entries if one.kind == "coming"] == ["not approved", "not approved"]
    assert "letter" in month.unscheduled
    assert json.dumps(month.as_json())


def test_a_shifted_workday_stands_on_its_day(shop: ExplainedShop) -> None:
    month = month_of(shop.store, shop.definitions, date(2027, 2, 1), now=shop.store.clock.now())
    assert ("workday", "") in [(one.kind, one.name) for one in month.entries if one.day == date(2027, 2, 20)]


def test_two_sends_to_the_same_people_beyond_their_cap_collide(shop: ExplainedShop) -> None:
    shop.people("anna", "boris", "carl")
    shop.plan("ninth")
    unknown = [one.words for one in march(shop).collisions if one.kind == "cap"]
    assert unknown == ["ninth and same_day may reach the same people; `tidings plan same_day` makes it known (cap 1 per day, class marketing)"]  # fmt: skip
    shop.plan("same_day")
    (cap,) = [one for one in march(shop).collisions if one.kind == "cap"]
    assert (cap.day, cap.names) == (date(2027, 3, 9), ("ninth", "same_day"))
    assert cap.words == "ninth and same_day reach 3 of the same people (cap 1 per day, class marketing)"


def test_sends_to_different_people_or_of_another_class_do_not_collide(store: Store, tmp_path: Path) -> None:
    silver = campaign("Silver", "at: 2027-03-09 14:00").replace("to: gold_people", "to:\n  where:\n    - member_level: silver")  # fmt: skip
    shop = open_shop(
        store,
        tmp_path / "shop",
        campaigns__ninth=campaign("On the ninth", "at: 2027-03-09 10:00"),
        campaigns__silver=silver,
        campaigns__papers=campaign("Papers", "at: 2027-03-09 18:00", purpose="service"),
    )
    shop.people("anna", "boris")
    shop.people("sven", level="silver")
    for name in ("ninth", "silver", "papers"):
        shop.plan(name)
    assert march(shop).collisions == ()


def test_several_sends_by_one_channel_in_an_hour_are_told_with_how_long_they_take(
    shop: ExplainedShop,
) -> None:
    shop.people("anna", "boris")
    shop.plan("ninth")
    shop.plan("same_day")
    (hour,) = [one for one in march(shop).collisions if one.kind == "hour"]
    assert hour.words.startswith("ninth and same_day go out from 10:00 by email: 4 messages")


def test_what_went_out_and_what_was_held_stands_with_its_state(
    shop: ExplainedShop, clock: FixedClock
) -> None:
    shop.people("anna")
    shop.run("letter")
    with shop.store.durable("test") as connection:
        connection.execute(
            journeys.occurrences.insert().values(
                campaign="mondays", occurrence="2027-03-01", due_at=to_micros(clock.now() - timedelta(days=1)),
                state="held", reason="it would write to 900 people, and 10 were approved", decided_at=to_micros(clock.now()),
            )
        )  # fmt: skip
    month = march(shop)
    (ran,) = [one for one in month.entries if one.kind == "run"]
    assert (ran.name, ran.people, ran.detail) == ("letter", 1, "finished")
    (held,) = [one for one in month.entries if one.kind == "held"]
    assert held.detail.startswith("it would write to 900")


@pytest.mark.parametrize("columns", [80, 100])
def test_a_marketer_reads_it_in_a_terminal(
    shop: ExplainedShop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shop.people("anna")
    shop.plan("ninth")
    _tell(march(shop))
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(cells(line) for line in lines) <= columns
    assert lines[0] == "March 2027   on the clock of Europe/Stockholm"
    weeks = lines[2:9]
    assert weeks[0].split() == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert "> 2" in weeks[1], "today is marked"
    assert "9 !◆◆" in weeks[2]
    assert "Mon  8  ☼        Международный женский день" in out
    assert (
        "Tue  9  ◆ 10:00  On the ninth (ninth): planned, 1 message by the last plan" in out or columns == 80
    )
    assert "the offer ends: 10% off" in out


def test_a_campaign_by_the_recipients_clock_says_so(store: Store, tmp_path: Path) -> None:
    shop = open_shop(
        store,
        tmp_path / "shop",
        campaigns__ninth=campaign("On the ninth", "at: 2027-03-09 10:00\nclock: recipient"),  # fmt: skip
    )
    (one,) = [entry for entry in march(shop).entries if entry.name == "ninth"]
    assert one.clock == "recipient"
    assert one.at == datetime(2027, 3, 9, 9, tzinfo=UTC)
    assert one.as_json()["hour"] == "10:00"


def test_the_hour_of_the_recipients_clock_is_the_one_written_not_that_of_the_earliest_zone(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shop = open_shop(
        store,
        tmp_path / "shop",
        campaigns__mondays=campaign(
            "Mondays", "every: week on Mon at 10:00\nclock: recipient\nagain: always"
        ),
    )
    with shop.store.durable("test") as connection:
        connection.execute(journeys.zone_areas.insert().values(area="x", zones="Asia/Vladivostok", data=""))
    month = march(shop)
    one = next(entry for entry in month.entries if entry.name == "mondays")
    assert one.at is not None and one.at.hour == 0, "ten o'clock begins in the east"
    _tell(month)
    assert (
        "Mon 15  ○ 10:00  Mondays (mondays), 10:00 for each recipient: not approved"
        in capsys.readouterr().out
    )


def test_the_command_shows_this_month_or_the_one_that_is_asked_for(sent_shop: Shop, run: Run) -> None:
    said = run(sent_shop, "calendar")
    assert said.code == 0, said
    assert "● went out" in said.out
    assert "Spring win-back (spring_winback): finished" in " ".join(said.out.split())
    data = run(sent_shop, "calendar", "--month", "2027-02", "--json").data
    assert sorted(data) == ["clock", "collisions", "entries", "flows", "month", "unscheduled"]
    assert data["month"] == "2027-02"
    assert {"kind": "workday", "day": "2027-02-20"}.items() <= next(one for one in data["entries"] if one["kind"] == "workday").items()  # fmt: skip
    assert run(sent_shop, "calendar", "--month", "March").err == 'error: "March" is not a month\n  write it as 2027-03\n'  # fmt: skip


def test_an_empty_month_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    _tell(Month(date(2030, 7, 1), "UTC", date(2027, 3, 2), ()))
    assert "Nothing stands on any day of this month." in capsys.readouterr().out
