"""The report of a run, from a seeded store on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from support.measured import (
    AFTERWARDS,
    ANCHOR,
    CAMPAIGN,
    Enrolled,
    Happened,
    definitions_with,
    draw,
    enrol,
    happen,
    plan,
    respond,
    run_seeded,
    send,
)
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Campaign, Goal, Holdout
from tidings.definitions.values import Duration, Share, Unit
from tidings.errors import TidingsError, UsageError
from tidings.measurement.report import Report, make_report
from tidings.store.database import Store

KEYS = {"campaign", "arms", "sample_ratio", "effects", "funnel", "refusals"}
EFFECT_KEYS = {
    "metric",
    "arm",
    "against",
    "estimate",
    "interval",
    "p",
    "relative",
    "relative_interval",
    "adjusted",
}


def reported(
    store: Store, enrolled: list[Enrolled], campaign: Campaign = CAMPAIGN, share: int = 1000
) -> Report:
    definitions = definitions_with(campaign)
    enrol(store, enrolled, plan_id=plan(store, share), definition=definition_hash(definitions, "spring"))
    return make_report(store, definitions, "spring", as_of=AFTERWARDS)


def test_a_report_has_the_promised_keys_and_agrees_with_itself(store: Store) -> None:
    _, definitions = run_seeded(store, n=800)
    plain = make_report(store, definitions, "spring", as_of=AFTERWARDS).as_json()
    assert set(plain) >= KEYS
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [one["arm"] for one in plain["arms"]] == ["holdout", "warm", "direct"]
    assert sum(one["customers"] for one in plain["arms"]) == 800
    assert plain["sample_ratio"]["p"] > 0.001
    assert plain["sample_ratio"]["expected"] == {"holdout": 80, "warm": 360, "direct": 360}
    assert not plain["sample_ratio"]["assumed_equal"]
    assert {one["metric"] for one in plain["effects"]} == {"order_placed", "revenue"}
    for effect in plain["effects"]:
        assert set(effect) >= EFFECT_KEYS
        assert effect["estimate"] == pytest.approx(effect["mean"] - effect["base"])
        assert effect["interval"][0] < effect["estimate"] < effect["interval"][1]
        assert effect["relative"] == pytest.approx(effect["estimate"] / effect["base"])
        assert (effect["relative_interval"][0] > 0) == (effect["interval"][0] > 0)
        assert effect["adjusted"]["covariates"] == [f"{effect['metric']} before"]
        assert not effect["doubtful"]
        assert not effect["early"]
    assert plain["notes"] == []
    assert len(plain["words"]) == len(plain["effects"])


def test_lost_people_put_a_warning_first_and_doubt_on_every_effect(store: Store) -> None:
    enrolled = [one for one in draw(3, 3000) if one.variant != "warm" or one.customer % 4]
    report = reported(store, enrolled)
    assert report.ratio.alarm
    assert report.warnings[0].startswith("The arms do not have the sizes that were drawn.")
    assert all(effect["doubtful"] for effect in report.as_json()["effects"])


def test_an_arm_that_nobody_is_in_is_seen_by_the_sample_ratio(store: Store) -> None:
    report = reported(store, [one for one in draw(3, 500) if one.variant != "warm"])
    assert [(arm.name, arm.customers) for arm in report.arms][1] == ("warm", 0)
    assert report.ratio.alarm


def test_without_a_holdout_the_report_says_what_cannot_be_known(store: Store) -> None:
    campaign = replace(CAMPAIGN, holdout=Holdout(Share(0)))
    report = reported(store, draw(3, 300, holdout=0), campaign, share=0)
    assert {(one.arm, one.against) for one in report.effects} == {("warm", "direct")}
    assert any("what the campaign caused cannot be known" in note for note in report.notes)
    assert not report.ratio.alarm


def test_one_arm_alone_has_no_effects_and_no_ratio(store: Store) -> None:
    campaign = replace(CAMPAIGN, holdout=Holdout(Share(0)), variants=())
    report = reported(store, draw(3, 50, holdout=0, variants=()), campaign, share=0)
    assert report.effects == ()
    assert report.as_json()["sample_ratio"]["p"] is None
    assert any("`holdout: 10%` would tell" in note for note in report.notes)


def test_before_the_window_closes_the_report_is_early(store: Store) -> None:
    enrolled = draw(3, 400)
    for one in enrolled[:100]:
        one.anchor = ANCHOR - timedelta(days=10)
    definitions = definitions_with()
    enrol(store, enrolled, plan_id=plan(store, 1000), definition=definition_hash(definitions, "spring"))
    happen(store, [Happened(1, "order_placed", ANCHOR - timedelta(days=9), 100)])
    report = make_report(store, definitions, "spring", as_of=ANCHOR + timedelta(days=5))
    assert report.maturity.closed == pytest.approx(0.25)
    assert report.as_json()["maturity"] == {
        "closed": 0.25,
        "early": True,
        "silent": False,
        "last_close": "2027-04-03T08:00:00Z",
        "known_until": "2027-03-11T09:00:00Z",
    }
    words = " ".join(report.maturity.sentences(report.zone))
    assert "over for 25% of the customers, for the last on 2027-04-03 10:00" in words
    assert "The last event known is of 2027-03-11 10:00" in words
    assert all(effect["early"] for effect in report.as_json()["effects"])
    before = make_report(store, definitions, "spring", as_of=ANCHOR - timedelta(days=30))
    assert before.maturity.closed == 0
    after = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    assert after.maturity.closed == 1


def test_refusals_of_the_planning_and_of_the_sending_are_told_apart(store: Store) -> None:
    definitions = definitions_with()
    run_id = enrol(
        store,
        draw(3, 40),
        plan_id=plan(store, 1000, {"no_consent": 3, "no_address": 1}),
        definition=definition_hash(definitions, "spring"),
    )
    send(store, run_id, lambda place: "refused" if place < 5 else "accepted")
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    assert report.as_json()["refusals"] == [
        {"code": "no_consent", "customers": 3, "when": "planning"},
        {"code": "no_address", "customers": 1, "when": "planning"},
        {"code": "unsubscribed_all", "customers": 5, "when": "sending"},
    ]


def test_the_funnel_counts_people_and_programs_apart(store: Store) -> None:
    definitions = definitions_with()
    enrolled = [Enrolled(number, "treated", "warm" if number % 2 else "direct") for number in range(1, 21)]
    enrolled += [Enrolled(number, "holdout", None) for number in range(21, 24)]
    run_id = enrol(store, enrolled, plan_id=plan(store, 1000), definition="")
    states = ["accepted"] * 12 + [
        "in_doubt",
        "rejected",
        "bounced",
        "planned",
        "refused",
        "cancelled",
        "accepted",
        "accepted",
    ]
    send(store, run_id, states.__getitem__)
    # Message 1, 3, 5 … are warm. 1: read and clicked; 3: clicked without a picture; 5: opened by a program; 7: both.
    respond(
        store,
        [
            (1, "opened", "human"),
            (1, "clicked", "human"),
            (1, "clicked", "human"),
            (3, "clicked", "human"),
            (5, "opened", "machine"),
            (7, "opened", "machine"),
            (7, "opened", "human"),
            (9, "unsubscribed", "human"),
            (2, "opened", "unknown"),
        ],
    )
    happen(store, [Happened(1, "order_placed", ANCHOR + timedelta(days=1), 100)])
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    rows = {row["arm"]: row for row in report.as_json()["funnel"]}
    assert rows["holdout"]["messages"] == 0
    warm = rows["warm"]
    assert warm == {
        "arm": "warm",
        "enrolled": 10,
        "messages": 10,
        "waiting": 0,
        "accepted": 8,
        "delivered": None,
        "in_doubt": 1,
        "rejected": 0,
        "bounced": 1,
        "complained": 0,
        "refused": 1,
        "cancelled": 0,
        "opened": 3,
        "clicked": 2,
        "machine": 1,
        "unsubscribed": 1,
        "converted": 1,
    }
    assert rows["direct"]["waiting"] == 1
    assert rows["direct"]["opened"] == 0
    early = make_report(store, definitions, "spring", as_of=ANCHOR)
    assert all(row.opened == 0 for row in early.funnel)


def test_a_click_goal_compares_variants_and_says_that_it_is_no_lift(store: Store) -> None:
    campaign = replace(CAMPAIGN, goal=Goal("clicked", Duration(7, Unit.DAY)))
    definitions = definitions_with(campaign)
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    made = send(store, run_id, lambda _: "accepted")
    warm = [message for message, arm, _ in made if arm == "warm"]
    respond(store, [(message, "clicked", "human") for message in warm[:9]])
    respond(store, [(message, "clicked", "human") for message in warm[9:12]], after=timedelta(days=8))
    respond(store, [(message, "clicked", "machine") for message in warm[12:]])
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    assert [(one.arm, one.against) for one in report.effects] == [("warm", "direct")]
    assert report.effects[0].mean == pytest.approx(9 / len(warm))
    assert any("says nothing about lift" in note for note in report.notes)


def test_a_goal_read_from_the_ledger_counts_states(store: Store) -> None:
    campaign = replace(CAMPAIGN, goal=Goal("bounced", Duration(7, Unit.DAY)))
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    made = send(store, run_id, lambda place: "bounced" if place % 5 == 0 else "accepted")
    report = make_report(store, definitions_with(campaign), "spring", as_of=AFTERWARDS)
    bounced = sum(state == "bounced" for _, _, state in made)
    assert sum(row.bounced for row in report.funnel) == bounced
    assert sum(report.effects[0].metric.some.values()) == bounced


@pytest.mark.parametrize(
    ("goal", "words"), [(None, "has no goal"), (Goal("converted", Duration(1, Unit.DAY)), "say which event")]
)
def test_without_a_goal_there_is_a_funnel_and_a_sentence(store: Store, goal: Goal | None, words: str) -> None:
    report = reported(store, draw(3, 30), replace(CAMPAIGN, goal=goal))
    assert report.effects == ()
    assert any(words in note for note in report.notes)


def test_a_definition_changed_since_is_named(store: Store) -> None:
    enrol(store, draw(3, 30), plan_id=plan(store, 1000), definition="another")
    report = make_report(store, definitions_with(), "spring", as_of=AFTERWARDS)
    assert any("definition was changed after this run" in note for note in report.notes)


def test_a_campaign_whose_file_is_gone_still_shows_its_funnel(store: Store) -> None:
    enrol(store, draw(3, 30), plan_id=plan(store, 1000))
    report = make_report(store, definitions_with(None), "spring", as_of=AFTERWARDS)
    assert sum(row.enrolled for row in report.funnel) == 30
    assert any("no file for spring" in note for note in report.notes)


def test_the_latest_run_is_reported_and_an_earlier_one_when_asked(store: Store) -> None:
    definitions = definitions_with()
    first = enrol(store, draw(3, 30))
    second = enrol(store, draw(4, 40), occurrence="again")
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    assert report.run.id == second
    assert any("run 2 of 2" in note for note in report.notes)
    assert make_report(store, definitions, "spring", as_of=AFTERWARDS, run_id=first).run.id == first
    with pytest.raises(UsageError, match="not a run of"):
        make_report(store, definitions, "spring", as_of=AFTERWARDS, run_id=second + 100)


def test_an_unknown_name_gets_the_nearest_one(store: Store) -> None:
    with pytest.raises(UsageError, match='there is no campaign "sprin"') as raised:
        make_report(store, definitions_with(), "sprin", as_of=AFTERWARDS)
    assert raised.value.what_to_do == 'did you mean "spring"?'
    assert raised.value.exit_code == 2


def test_a_campaign_that_has_not_run_says_so(store: Store) -> None:
    with pytest.raises(TidingsError, match="has not run yet") as raised:
        make_report(store, definitions_with(), "spring", as_of=AFTERWARDS)
    assert "tidings plan spring" in raised.value.what_to_do


def test_a_run_without_enrolments_says_that_nobody_is_there(store: Store) -> None:
    enrol(store, [], plan_id=plan(store, 1000))
    report = make_report(store, definitions_with(), "spring", as_of=AFTERWARDS)
    assert report.effects == ()
    assert "Nobody is enrolled yet." in report.notes
    json.dumps(report.as_json(), allow_nan=False)
