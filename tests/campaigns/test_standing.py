"""Standing approvals: what is due is started once, inside what was approved, whoever looks how often and when."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.recurring_shop import (
    changed,
    decided,
    enrolled,
    message_rows,
    people_in,
    settings_of,
    utc,
    workspace,
)
from support.stores import open_store
from tidings.campaigns import planning, runs
from tidings.campaigns.planning import make_plan
from tidings.campaigns.standing import (
    active_approvals,
    approve,
    bounds_of,
    open_approval,
    pause_approval,
    resume_approval,
    revoke,
)
from tidings.flows import recurring
from tidings.flows.recurring import run_due_occurrences
from tidings.store.tables import journeys, people, sending

DAILY = "every: day at 10:00\n"


def approved(store, definitions, clock, **bounds):
    plan = make_plan(store, definitions, "letter", now=clock.now())
    return approve(
        store,
        plan,
        bounds={**bounds_of(plan), **bounds},
        approved_by="anna",
        now=clock.now(),
    )


@pytest.fixture
def shop(store, clock, tmp_path):
    """Five customers, and a way to make the campaign, approve it and look for what is due."""

    class Shop:
        def __init__(self) -> None:
            self.settings = None

        def open(self, more: str = DAILY, **fields):
            self.definitions = workspace(tmp_path, more, **fields)
            self.settings = replace(settings_of(tmp_path), definitions=self.definitions)
            return approved(store, self.definitions, clock)

        def look(self, at=None):
            if at is not None:
                clock.advance(at - clock.now())
            return [
                (one.occurrence, one.state)
                for one in run_due_occurrences(self.settings, store, clock=clock)
            ]  # fmt: skip

    people_in(store, old=("Europe/Stockholm", "SE", 5))
    return Shop()


def test_each_occurrence_is_started_when_it_is_due_and_once(shop, store) -> None:
    shop.open()
    assert shop.look(utc(2027, 3, 3, 8, 59)) == []
    assert shop.look(utc(2027, 3, 3, 9)) == [("2027-03-03", "started")]
    assert shop.look() == []
    assert shop.look(utc(2027, 3, 4, 9, 1)) == [("2027-03-04", "started")]
    # A clock that is set back finds what it did.
    assert shop.look(utc(2027, 3, 3, 9, 1)) == []
    assert shop.look(utc(2027, 3, 4, 9, 2)) == []
    with store.read() as connection:
        rows = connection.execute(
            sa.select(sending.runs.c.occurrence, sending.runs.c.state, sending.runs.c.approved_by).order_by(
                sending.runs.c.occurrence
            )
        ).all()
    assert [tuple(row) for row in rows] == [
        ("2027-03-03", "sending", "anna"),
        ("2027-03-04", "sending", "anna"),
    ]


def test_the_audience_is_that_of_the_day(shop, store, clock) -> None:
    shop.open()
    people_in(store, new=("Europe/Stockholm", "SE", 2))
    shop.look(utc(2027, 3, 3, 9))
    run = runs.find_run(store, "letter", "2027-03-03")
    assert len(enrolled(store, run.id)) == 7
    assert {row[0] for row in message_rows(store, run.id).values()} == {utc(2027, 3, 3, 9)}


def test_fixed_when_planned_goes_to_the_people_approved(shop, store) -> None:
    shop.open(DAILY + "audience: fixed when planned\n")
    people_in(store, new=("Europe/Stockholm", "SE", 2))
    shop.look(utc(2027, 3, 3, 9))
    run = runs.find_run(store, "letter", "2027-03-03")
    assert set(enrolled(store, run.id)) == {f"old{n}" for n in range(5)}


def test_an_occurrence_outside_the_bounds_is_held_until_somebody_approves_again(shop, store, clock) -> None:
    approval = shop.open()
    assert approval.bounds["people"] == 55
    people_in(store, new=("Europe/Stockholm", "SE", 60))
    assert shop.look(utc(2027, 3, 3, 9)) == [("2027-03-03", "held")]
    held = open_approval(store, "letter")
    assert (held.state, held.reason) == ("held", "it would write to 65 people, and 55 were approved")
    assert decided(store) == {"2027-03-03": "held"}
    assert shop.look(utc(2027, 3, 3, 10)) == []
    assert runs.find_run(store, "letter", "2027-03-03") is None
    # What was held lately goes out once it is approved.
    approved(store, shop.definitions, clock)
    assert shop.look() == [("2027-03-03", "started")]
    assert len(enrolled(store, runs.find_run(store, "letter", "2027-03-03").id)) == 65


def test_definitions_that_are_not_those_approved_are_held(shop, store) -> None:
    shop.open()
    shop.settings = replace(shop.settings, definitions=changed(shop.definitions, priority="high"))
    assert shop.look(utc(2027, 3, 3, 9)) == [("2027-03-03", "held")]
    assert open_approval(store, "letter").reason == "its definitions are not those that were approved"


def test_a_budget_bounds_each_occurrence(shop, store, clock) -> None:
    shop.open()
    approved(store, shop.definitions, clock, people=4)
    assert shop.look(utc(2027, 3, 3, 9)) == [("2027-03-03", "held")]


def test_a_day_with_nobody_to_write_to_is_passed_over(shop, store) -> None:
    shop.open()
    with store.durable("test") as connection:
        connection.execute(people.customers.update().values(email=None))
    assert shop.look(utc(2027, 3, 3, 9)) == [("2027-03-03", "skipped")]
    assert open_approval(store, "letter").state == "active"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("misfire: skip\n", {"2027-03-03": "skipped", "2027-03-04": "skipped"}),
        ("misfire: catch_up\n", {"2027-03-03": "skipped", "2027-03-04": "started"}),
        # Put off to Saturday 10:00, when that of Saturday is due itself.
        ("misfire: reschedule\n", {"2027-03-03": "skipped", "2027-03-04": "skipped"}),
    ],
)
def test_what_was_missed_goes_by_the_rule_of_the_campaign(shop, store, rule, expected) -> None:
    shop.open(DAILY + rule)
    shop.look(utc(2027, 3, 4, 23))
    assert decided(store) == expected


def test_one_put_off_goes_out_the_next_time_its_hour_comes(shop, store) -> None:
    shop.open("every: week on Wed at 10:00\nmisfire: reschedule\n")
    assert shop.look(utc(2027, 3, 4, 15)) == []
    assert decided(store) == {"2027-03-03": "starting"}
    assert shop.look(utc(2027, 3, 5, 8, 59)) == []
    assert shop.look(utc(2027, 3, 5, 9)) == [("2027-03-03", "started")]
    run = runs.find_run(store, "letter", "2027-03-03")
    assert {row[0] for row in message_rows(store, run.id).values()} == {utc(2027, 3, 5, 9)}


def test_one_caught_up_goes_out_at_once_and_has_its_whole_time_to_do_so(shop, store) -> None:
    shop.open("every: week on Wed at 10:00\n")
    assert shop.look(utc(2027, 3, 5, 15)) == [("2027-03-03", "started")]
    run = runs.find_run(store, "letter", "2027-03-03")
    assert {row[:2] for row in message_rows(store, run.id).values()} == {
        (utc(2027, 3, 5, 15), utc(2027, 3, 6, 15))
    }
    with store.read() as connection:
        reason = connection.execute(sa.select(journeys.occurrences.c.reason)).scalar_one()
    assert reason == "caught up, 2 days late"


def test_marketing_is_skipped_by_default_and_services_are_caught_up() -> None:
    from tidings.campaigns.misfires import rule_of
    from tidings.definitions.kinds.rules import Purpose

    assert rule_of("", Purpose("m", "marketing")) == "skip"
    assert rule_of("", Purpose("s", "survey")) == "skip"
    assert rule_of("", Purpose("s", "service")) == "catch_up"
    assert rule_of("reschedule", Purpose("m", "marketing")) == "reschedule"


def test_a_moved_occurrence_keeps_its_key(shop, store) -> None:
    holidays = "holidays: Ours\ndays:\n  2027-03-03: Off\n  2027-03-04: Off\n"
    shop.open("every: week on Wed at 10:00\non_holidays: next workday\n", config__holidays=holidays)
    assert shop.look(utc(2027, 3, 3, 9)) == []
    assert shop.look(utc(2027, 3, 5, 9)) == [("2027-03-03", "started")]


def test_holidays_that_leave_one_out_are_put_down_with_the_reason(shop, store) -> None:
    holidays = "holidays: Ours\ndays:\n  2027-03-03: Off\n"
    shop.open(DAILY + "on_holidays: skip\n", config__holidays=holidays)
    assert shop.look(utc(2027, 3, 3, 9)) == [("2027-03-03", "skipped")]
    assert shop.look(utc(2027, 3, 4, 9)) == [("2027-03-04", "started")]


def test_pausing_holds_and_resuming_goes_on(shop, store, clock) -> None:
    shop.open()
    assert pause_approval(store, "letter", reason="wrong price", actor="anna", now=clock.now())
    assert shop.look(utc(2027, 3, 3, 9)) == []
    assert open_approval(store, "letter").reason == "paused by anna: wrong price"
    assert resume_approval(store, "letter", actor="anna", now=clock.now())
    assert shop.look(utc(2027, 3, 3, 11)) == [("2027-03-03", "started")]


def test_what_is_held_for_its_bounds_is_not_let_go_by_resuming(shop, store, clock) -> None:
    shop.open()
    approved(store, shop.definitions, clock, people=1)
    shop.look(utc(2027, 3, 3, 9))
    assert not resume_approval(store, "letter", actor="anna", now=clock.now())


def test_cancelling_ends_it(shop, store, clock) -> None:
    shop.open()
    assert revoke(store, "letter", actor="anna", now=clock.now())
    assert not revoke(store, "letter", actor="anna", now=clock.now())
    assert shop.look(utc(2027, 3, 3, 9)) == []
    assert active_approvals(store) == []


@pytest.mark.parametrize("at", ["make_plan", "start_run", "_settle"])
def test_a_look_that_is_killed_is_taken_up_by_the_next(shop, store, monkeypatch, at) -> None:
    shop.open()
    place = recurring._Approved if at == "_settle" else recurring
    whole = getattr(place, at)

    class KilledError(BaseException):
        pass

    def killed(*arguments, **more):
        if at == "start_run":
            whole(*arguments, **more)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(place, at, killed)
        with pytest.raises(KilledError):
            shop.look(utc(2027, 3, 3, 9))
    assert decided(store) == {"2027-03-03": "starting"}
    assert shop.look() == [("2027-03-03", "started")]
    assert len(message_rows(store, runs.find_run(store, "letter", "2027-03-03").id)) == 5
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(sending.runs)).scalar_one() == 1


def test_four_who_look_at_once_start_it_once(shop, store, clock) -> None:
    shop.open()
    clock.advance(utc(2027, 3, 3, 9) - clock.now())
    barrier, found, errors = threading.Barrier(4), [], []

    def look() -> None:
        with open_store(store.url, clock) as own:
            barrier.wait()
            try:
                found.extend(run_due_occurrences(shop.settings, own, clock=clock))
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {one.state for one in found} == {"started"}
    assert len({one.run_id for one in found}) == 1
    assert decided(store) == {"2027-03-03": "started"}
    assert len(message_rows(store, found[0].run_id)) == 5


def test_by_the_recipients_clock_it_starts_with_the_earliest_zone_and_each_gets_its_own_day(
    shop, store, clock
) -> None:
    people_in(
        store, east=("Pacific/Kiritimati", "KI", 1), taipei=("Asia/Taipei", "TW", 1),
        west=("Pacific/Honolulu", "US", 1),
    )  # fmt: skip
    shop.open("every: day at 09:30\nclock: recipient\n")
    # 09:30 on the 3rd is half past seven in the evening of the 2nd in London.
    assert shop.look(utc(2027, 3, 2, 19, 29)) == []
    assert shop.look(utc(2027, 3, 2, 19, 30)) == [("2027-03-03", "started")]
    rows = message_rows(store, runs.find_run(store, "letter", "2027-03-03").id)
    assert rows["east0"][0] == utc(2027, 3, 2, 19, 30)
    assert rows["taipei0"][0] == utc(2027, 3, 3, 1, 30)
    assert rows["old0"][0] == utc(2027, 3, 3, 8, 30)
    assert rows["west0"][0] == utc(2027, 3, 3, 19, 30)


def test_anniversary_today_means_the_day_of_the_occurrence_though_it_begins_in_the_east(
    shop, store, clock
) -> None:
    from tidings.store.vocabulary import attributes_table

    people_in(store, east=("Pacific/Kiritimati", "KI", 2))
    definitions = workspace_of_birthdays(shop)
    table, customers = attributes_table(definitions.attributes), people.customers
    with store.durable("test") as connection:
        ids = dict(connection.execute(sa.select(customers.c.key, customers.c.id)).all())
        for key, day in (("east0", 3), ("east1", 2), ("old0", 3)):
            connection.execute(
                table.insert().values(
                    customer_id=ids[key], birthday=utc(1990, 3, day).date()
                )
            )  # fmt: skip
    approved(store, definitions, clock)
    shop.look(utc(2027, 3, 2, 19, 30))
    run = runs.find_run(store, "letter", "2027-03-03")
    assert set(enrolled(store, run.id)) == {"east0", "old0"}


def workspace_of_birthdays(shop):
    shop.open("every: day at 09:30\nclock: recipient\n", where="birthday: anniversary today")
    return shop.definitions


def test_a_campaign_that_goes_out_once_is_planned_again_when_its_hour_comes(shop, store) -> None:
    shop.open("at: 2027-03-03 10:00\n")
    assert decided(store) == {"once": "starting"}
    people_in(store, new=("Europe/Stockholm", "SE", 3))
    assert shop.look(utc(2027, 3, 3, 8, 59)) == []
    assert shop.look(utc(2027, 3, 3, 9)) == [("once", "started")]
    assert len(enrolled(store, runs.find_run(store, "letter").id)) == 8
    assert shop.look(utc(2027, 3, 3, 10)) == []


def test_a_campaign_that_goes_out_once_is_held_when_its_people_are_others(shop, store) -> None:
    shop.open("at: 2027-03-03 10:00\n")
    people_in(store, new=("Europe/Stockholm", "SE", 80))
    assert shop.look(utc(2027, 3, 3, 9)) == [("once", "held")]


def test_a_long_absence_is_looked_through_without_a_run_for_each_day(shop, store) -> None:
    shop.open(DAILY + "misfire: skip\n")
    found = shop.look(utc(2027, 3, 3, 9) + timedelta(days=30))
    assert found[-1] == ("2027-04-02", "started")
    assert [state for _, state in found[:-1]] == ["skipped"] * 30


def test_planning_says_which_occurrence_comes_next(store, clock, tmp_path) -> None:
    people_in(store, old=("Europe/Stockholm", "SE", 1))
    plan = planning.make_plan(store, workspace(tmp_path, DAILY), "letter", now=clock.now())
    assert (plan.occurrence, plan.recurring) == ("2027-03-03", True)
