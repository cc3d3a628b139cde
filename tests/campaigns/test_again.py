"""`again`: whoever had a recurring campaign is left out of later occurrences, held out or written to alike."""

from __future__ import annotations

import sqlalchemy as sa

from campaigns.recurring_shop import enrolled, people_in, utc, workspace
from tidings.campaigns.hours import Occasion
from tidings.campaigns.occurrences import coming
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import start_run
from tidings.store.tables import people
from tidings.store.vocabulary import attributes_table

WEEKLY = "every: week on Tue at 10:00\n"


def on(store, definitions, clock, day: str):
    """Plan and start the occurrence of a day, at its hour."""
    campaign = definitions.campaigns["letter"]
    year, month, date = (int(part) for part in day.split("-"))
    one = next(
        one
        for one in coming(store, campaign, definitions, utc(year, month, date), utc(year, month, date, 23))
        if one.key == day
    )
    clock.advance(one.starts - clock.now())
    plan = make_plan(
        store, definitions, "letter", now=clock.now(), occasion=Occasion.at(campaign, one.occurrence)
    )
    return plan, start_run(store, definitions, plan.hash, approved_by="test", now=clock.now())


def test_never_leaves_out_everybody_who_was_enrolled_in_any_arm(store, clock, tmp_path) -> None:
    people_in(store, old=("Europe/Stockholm", "SE", 40))
    definitions = workspace(tmp_path, WEEKLY + "again: never\n", holdout="50%")
    _, first = on(store, definitions, clock, "2027-03-09")
    people_in(store, new=("Europe/Stockholm", "SE", 20))
    plan, second = on(store, definitions, clock, "2027-03-16")
    assert set(enrolled(store, first.id).values()) == {"treated", "holdout"}
    assert dict(plan.refusals) == {"again": 40}
    assert set(enrolled(store, second.id)) == {f"new{n}" for n in range(20)}


def test_always_and_nothing_written_leave_out_nobody(store, clock, tmp_path) -> None:
    people_in(store, old=("Europe/Stockholm", "SE", 5))
    definitions = workspace(tmp_path, WEEKLY + "again: always\n")
    on(store, definitions, clock, "2027-03-09")
    plan, _ = on(store, definitions, clock, "2027-03-16")
    assert (plan.people, plan.refusals) == (5, ())


def test_after_a_length_of_time_counts_from_date_to_date_over_a_change_of_the_clocks(
    store, clock, tmp_path
) -> None:
    people_in(store, old=("Europe/Stockholm", "SE", 5))
    definitions = workspace(tmp_path, WEEKLY + "again: after 14 days\n")
    # The clocks go forward on 28 March: the two are 14 days less an hour apart.
    on(store, definitions, clock, "2027-03-16")
    plan, _ = _planned(store, definitions, clock, "2027-03-23")
    assert dict(plan.refusals) == {"again": 5}
    plan, _ = on(store, definitions, clock, "2027-03-30")
    assert (plan.people, plan.refusals) == (5, ())


def _planned(store, definitions, clock, day: str):
    campaign = definitions.campaigns["letter"]
    year, month, date = (int(part) for part in day.split("-"))
    one = coming(store, campaign, definitions, utc(year, month, date), utc(year, month, date, 23))[0]
    clock.advance(one.starts - clock.now())
    occasion = Occasion.at(campaign, one.occurrence)
    return make_plan(store, definitions, "letter", now=clock.now(), occasion=occasion), one


def test_for_each_gives_one_for_every_value_of_the_attribute(store, clock, tmp_path) -> None:
    people_in(store, old=("Europe/Stockholm", "SE", 3))
    definitions = workspace(tmp_path, WEEKLY + "again: for each member_level\n")
    table, customers = attributes_table(definitions.attributes), people.customers
    with store.durable("test") as connection:
        ids = dict(connection.execute(sa.select(customers.c.key, customers.c.id)).all())
        connection.execute(
            table.insert(), [{"customer_id": one, "member_level": "basic"} for one in ids.values()]
        )
    on(store, definitions, clock, "2027-03-09")
    with store.durable("test") as connection:
        connection.execute(
            table.update().where(table.c.customer_id == ids["old1"]).values(member_level="gold")
        )
    plan, run = on(store, definitions, clock, "2027-03-16")
    assert dict(plan.refusals) == {"again": 2}
    assert set(enrolled(store, run.id)) == {"old1"}
    with store.durable("test") as connection:
        connection.execute(
            table.update().where(table.c.customer_id == ids["old1"]).values(member_level="basic")
        )
    plan, _ = _planned(store, definitions, clock, "2027-03-23")
    assert dict(plan.refusals) == {"again": 3}


def test_the_same_people_are_held_out_of_every_occurrence_unless_each_run_draws_anew(
    store, clock, tmp_path
) -> None:
    people_in(store, old=("Europe/Stockholm", "SE", 200))
    arms = {}
    for lasts in ("whole campaign", "each run"):
        definitions = workspace(
            tmp_path / lasts,
            WEEKLY,
            holdout=f"\n  share: 50%\n  lasts: {lasts}",
        )
        # Another year for the second campaign: it is the same store.
        days = ("2027-03-09", "2027-03-16") if lasts == "whole campaign" else ("2028-03-07", "2028-03-14")
        drawn = [enrolled(store, on(store, definitions, clock, day)[1].id) for day in days]
        arms[lasts] = drawn[0] == drawn[1]
        assert set(drawn[1].values()) == {"treated", "holdout"}
    assert arms == {"whole campaign": True, "each run": False}
