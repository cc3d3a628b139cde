"""config/attribution.yaml, goals.yaml and scores.yaml: read into types, and every slip said at its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from support.workspaces import problems_of, shown, small_workspace, write
from tidings.campaigns.files import campaign_files
from tidings.definitions.aloud import sentences
from tidings.definitions.conditions import DidCondition, Times, WithinLast
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.measuring import (
    TOUCHES,
    Attribution,
    CompanyGoal,
    Ladder,
    LookBack,
    Measure,
    Rung,
    Score,
)
from tidings.definitions.loader import check, load, load_apart, vocabulary_of
from tidings.definitions.values import Duration, Share, Unit

ATTRIBUTION = """\
attribution: How credit is shared
conversions: [order_placed]
model: shapley
within: 30 days
windows:
  email: 5 days
  sms: {clicked: 5 days, replied: 12 hours}
  search: {visited: 30 days}
  any: {seen: 1 day}
touches: [clicked, replied, seen, visited]
half_life: 3 days
position: {first: 30%, last: 50%}
order: 2
"""
ADS = """\
import: Ads
kind: touches
at: at
medium: {value: search}
customer: id
"""
MONEY_GOAL = """\
goals: What we want
more:
  title: More revenue
  kind: money
  measure: revenue
  target: 50000.50 EUR
  from: 2027-01-01
  by: 2027-12-31
  plan: {2027-09-30: 30000 EUR, 2027-06-30: 20000 EUR}
  owner: us@shop.example
"""
PROJECT = (
    "goals: W\nshop: {title: A page, kind: project, done: 30%, from: 2027-01-01, by: 2027-12-31, owner: us}\n"
)
KEPT = "goals: W\nkept: {title: Kept, kind: customers, measure: retained_share of segment everybody, target: 60%, from: 2027-01-01, by: 2027-12-31, owner: us, weight: 1.5, priority: 1, reviews: weekly}\n"
LADDER = """\
goals: What we want
ladder:
  buyer: [{did: order_placed, within: last 365 days}]
  regular:
    title: Regulars
    where:
      - did: order_placed
        times: at least 3
      - segment: everybody
"""
IDLE = "goals: W\nladder:\n  known: {active: false, where: [{did: order_placed}]}\n  buyer: {active: true, where: [{did: order_placed}]}\n"
SCORES = """\
scores: What we expect
again:
  title: Orders again
  did: order_placed
  within: 90 days
  history: 365 days
  events: [order_placed, order_returned]
  who: everybody
  keep_out: [order_returned, category, lifetime_value]
  retrain: 30 days
"""
A, G, S = "config/attribution.yaml", "config/goals.yaml", "config/scores.yaml"


def days(number: int) -> Duration:
    return Duration(number, Unit.DAY)


def test_how_credit_is_shared_is_read_into_types(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path, {A: ATTRIBUTION, "config/imports/ads.yaml": ADS})).attribution
    assert found == Attribution(
        "How credit is shared",
        ("order_placed",),
        model="shapley",
        within=days(30),
        windows=(
            LookBack("email", "", days(5)),
            LookBack("sms", "clicked", days(5)),
            LookBack("sms", "replied", Duration(12, Unit.HOUR)),
            LookBack("search", "visited", days(30)),
            LookBack("", "seen", days(1)),
        ),
        half_life=days(3),
        position=(Share(3000), Share(5000)),
        order=2,
        touches=("clicked", "replied", "seen", "visited"),
    )


def test_a_workspace_without_these_files_has_none_of_it(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path))
    assert (found.attribution, found.goals, found.scores) == (None, None, {})


def test_what_is_not_said_about_credit_has_its_usual_value(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path, {A: "attribution: A\nconversions: order_placed\n"})).attribution
    assert found == Attribution("A", ("order_placed",))
    assert found is not None and set(TOUCHES) - set(found.touches) == {"sent", "opened"}


def test_goals_are_read_by_their_kind(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path, {G: MONEY_GOAL})).goals
    assert found is not None and found.title == "What we want" and found.ladder is None
    assert found.goals == (
        CompanyGoal(
            "more", "More revenue", "money", Measure("revenue"), Decimal("50000.50"), date(2027, 1, 1), date(2027, 12, 31),
            "us@shop.example", currency="EUR",
            plan=((date(2027, 6, 30), Decimal(20000)), (date(2027, 9, 30), Decimal(30000))),
        ),
    )  # fmt: skip


def test_a_share_and_a_project_are_parts_of_one(tmp_path: Path) -> None:
    kept = load(small_workspace(tmp_path / "a", {G: KEPT})).goals
    assert kept is not None
    (goal,) = kept.goals
    assert goal.measure == Measure("retained_share", "everybody") and goal.target == Decimal("0.6")
    assert (goal.weight, goal.priority, goal.reviews, goal.currency) == (Decimal("1.5"), 1, "weekly", "")
    project = load(small_workspace(tmp_path / "b", {G: PROJECT})).goals
    assert project is not None
    assert (project.goals[0].measure, project.goals[0].target, project.goals[0].done) == (
        Measure("done"), Decimal(1), Share(3000),
    )  # fmt: skip


def test_the_ladder_keeps_the_order_of_its_steps(tmp_path: Path) -> None:
    found = load(small_workspace(tmp_path, {G: LADDER})).goals
    assert found is not None and found.goals == () and isinstance(found.ladder, Ladder)
    buyer, regular = found.ladder.rungs
    assert buyer == Rung("buyer", "", (DidCondition("order_placed", window=WithinLast(days(365))),))
    assert (regular.name, regular.title, len(regular.where)) == ("regular", "Regulars", 2)
    assert regular.where[0] == DidCondition("order_placed", times=Times(3, None))


def test_a_step_may_be_one_on_which_nobody_is_a_customer_and_a_goal_may_say_its_last_review(
    tmp_path: Path,
) -> None:
    idle = load(small_workspace(tmp_path / "a", {G: IDLE})).goals
    assert idle is not None and idle.ladder is not None
    assert [one.active for one in idle.ladder.rungs] == [False, True]
    kept = load(
        small_workspace(tmp_path / "b", {G: KEPT.replace("weekly", "weekly, reviewed: 2027-02-01")})
    ).goals
    assert kept is not None and kept.goals[0].reviewed == date(2027, 2, 1)


def test_a_score_is_read_into_types(tmp_path: Path) -> None:
    assert load(small_workspace(tmp_path, {S: SCORES})).scores == {
        "again": Score(
            "again", "Orders again", "order_placed", days(90), days(365), ("order_placed", "order_returned"),
            who="everybody", keep_out=("order_returned", "category", "lifetime_value"), retrain=days(30),
        )
    }  # fmt: skip


def test_a_campaign_and_a_flow_serve_a_goal_without_a_warning(tmp_path: Path) -> None:
    campaign = "campaign: Spring\nto: everybody\nsend: welcome\nvia: email\nserves: more\n"
    flow = "flow: Hello\nserves: more\nstarts: {did: order_placed}\nsteps:\n  letter: {send: welcome, via: email}\n"
    files = {G: MONEY_GOAL, "campaigns/spring.yaml": campaign, "flows/hello.yaml": flow}
    found, problems = check(small_workspace(tmp_path, files))
    assert problems == [] and found is not None
    assert (found.campaigns["spring"].serves, found.flows["hello"].serves) == ("more", "more")
    assert found.campaigns["spring"].acts_later == found.flows["hello"].acts_later == ()
    assert set(vocabulary_of(found).goals) == {"more"}


@pytest.mark.parametrize("by", ["again", "lifetime_value", "last_order_at"])
def test_a_rank_by_a_score_or_an_attribute_acts(by: str, tmp_path: Path) -> None:
    text = f"segment: Best\nwhere: [{{email: known}}]\nrank: {{by: {by}, keep: top 10%}}\n"
    found, problems = check(small_workspace(tmp_path, {S: SCORES, "segments/best.yaml": text}))
    assert problems == [] and found is not None
    assert found.segments["best"].acts_later == ()


def test_names_of_a_file_that_cannot_be_read_are_not_called_unknown(tmp_path: Path) -> None:
    files = {
        G: "goals: W\nmore: {title: More\n",
        S: "scores: W\nagain: {did: order_placed\n",
        "campaigns/spring.yaml": "campaign: S\nto: everybody\nsend: welcome\nvia: email\nserves: less\n",
        "segments/best.yaml": "segment: B\nwhere: [{email: known}]\nrank: {by: once, keep: top 5}\n",
    }
    assert {one.at.path for one in problems_of(tmp_path, files)} == {G, S}


def test_another_definition_of_a_score_is_another_plan(tmp_path: Path) -> None:
    segment = "segment: Best\nwhere: [{email: known}]\nrank: {by: again, keep: top 10%}\n"
    campaign = "campaign: Spring\nto: best\nsend: welcome\nvia: email\n"
    hashes = set()
    for number, scores in enumerate((SCORES, SCORES, SCORES.replace("90 days", "60 days"))):
        files = {S: scores, "segments/best.yaml": segment, "campaigns/spring.yaml": campaign}
        hashes.add(definition_hash(load(small_workspace(tmp_path / str(number), files)), "spring"))
    assert len(hashes) == 2


SLIPS = [
    (A, ATTRIBUTION, "conversions: [order_placed]", "conversions: [order_place]", "REF05", 2, 'did you mean "order_placed"?'),
    (A, ATTRIBUTION, "conversions: [order_placed]", "conversions: [refund_requested]", "REF06", 2, "write under refund_requested: revenue"),
    (A, ATTRIBUTION, "conversions: [order_placed]", "conversions: [clicked]", "REF05", 2, "config/events.yaml"),
    (A, ATTRIBUTION, "conversions: [order_placed]", "conversions: [order_placed, order_placed]", "VAL09", 2, ""),
    (A, ATTRIBUTION, "conversions: [order_placed]\n", "", "KEY02", 2, "conversions: [order_placed]"),
    (A, ATTRIBUTION, "model: shapley", "model: shaply", "VAL02", 3, 'did you mean "shapley"?'),
    (A, ATTRIBUTION, "within: 30 days", "within: last 30 days", "PHR06", 4, "write: 30 days"),
    (A, ATTRIBUTION, "  email: 5 days", "  emial: 5 days", "REF02", 6, 'did you mean "email"?'),
    (A, ATTRIBUTION, "  search: {", "  serach: {", "REF02", 8, 'did you mean "search"?'),
    (A, ATTRIBUTION, "  email: 5 days", "  text: 5 days", "REF02", 6, "write sms"),
    (A, ATTRIBUTION, "{clicked: 5 days,", "{clicks: 5 days,", "VAL02", 7, 'did you mean "clicked"?'),
    (A, ATTRIBUTION, "{clicked: 5 days,", "{opened: 5 days,", "KEY07", 7, "add opened to `touches:`"),
    (A, ATTRIBUTION, "{seen: 1 day}", "{}", "KEY03", 9, ""),
    (A, ATTRIBUTION, "{seen: 1 day}", "1 day", "KEY07", 5, "keep `within`"),
    (A, ATTRIBUTION, "touches: [clicked,", "touches: [clicked, klicked,", "VAL02", 10, 'did you mean "clicked"?'),
    (A, ATTRIBUTION, "last: 50%", "last: 80%", "VAL08", 12, "40% and 40%"),
    (A, ATTRIBUTION, "order: 2", "order: 0", "VAL03", 13, ""),
    (A, ATTRIBUTION, "order: 2", "ordre: 2", "KEY01", 13, 'did you mean "order"?'),
    (A, ATTRIBUTION, "attribution: How credit is shared\n", "", "KEY02", 2, "attribution: How credit is shared"),
    (G, MONEY_GOAL, "goals: What we want\n", "", "KEY05", 1, ""),
    (G, MONEY_GOAL, "kind: money", "kind: mony", "VAL02", 4, 'did you mean "money"?'),
    (G, MONEY_GOAL, "kind: money", "kind: customers", "KEY07", 5, "write: kind: money"),
    (G, MONEY_GOAL, "measure: revenue", "measure: revenu", "VAL02", 5, 'did you mean "revenue"?'),
    (G, MONEY_GOAL, "measure: revenue", "measure: revenue of segment evrybody", "REF01", 5, 'did you mean "everybody"?'),
    (G, MONEY_GOAL, "  measure: revenue\n", "", "KEY02", 5, "measure: revenue"),
    (G, MONEY_GOAL, "  target: 50000.50 EUR\n", "", "KEY02", 6, "target: 50000 EUR"),
    (G, MONEY_GOAL, "target: 50000.50 EUR", "target: 50000", "VAL06", 6, "write: 50000 EUR"),
    (G, MONEY_GOAL, "target: 50000.50 EUR", "target: 50000 SEK", "PHR09", 6, "events are worth EUR"),
    (G, MONEY_GOAL, "by: 2027-12-31", "by: 2026-12-31", "PHR08", 8, "change one of the two"),
    (G, MONEY_GOAL, "by: 2027-12-31", "by: 31.12.2027", "PHR04", 8, "write: 2027-12-31"),
    (G, MONEY_GOAL, "2027-09-30: 30000 EUR", "2028-09-30: 30000 EUR", "PHR08", 9, "the target itself"),
    (G, MONEY_GOAL, "2027-09-30: 30000 EUR", "2027-09-30: 30000", "VAL06", 9, "EUR"),
    (G, MONEY_GOAL, "  owner: us@shop.example\n", "", "KEY02", 9, "owner:"),
    (G, MONEY_GOAL, "owner: us@shop.example", "owner: us\n  done: 5%", "KEY07", 11, "delete it"),
    (G, MONEY_GOAL, "owner: us@shop.example", "owner: us\n  weight: 0", "VAL03", 11, "delete it for 1"),
    (G, MONEY_GOAL, "owner: us@shop.example", "owner: us\n  priority: 4", "VAL03", 11, ""),
    (G, MONEY_GOAL, "owner: us@shop.example", "owner: us\n  reviews: month", "VAL02", 11, 'did you mean "monthly"?'),
    (G, KEPT, "target: 60%", "target: 60", "PHR01", 2, "60%"),
    (G, PROJECT, "kind: project", "kind: project, measure: done of segment everybody", "KEY07", 2, "measure: done"),
    (G, LADDER, "  buyer: ", "  lost: ", "VAL04", 3, "otherwise"),
    (G, LADDER, "did: order_placed, within", "did: order_paced, within", "REF05", 3, 'did you mean "order_placed"?'),
    (G, "goals: W\nladder:\n  buyer: [{did: order_placed}]\n", "W", "What", "KEY03", 3, "lowest first"),
    (G, IDLE, "active: true", "active: false", "VAL03", 3, "leave out"),
    (S, SCORES, "did: order_placed", "did: clicked", "REF05", 4, "config/events.yaml"),
    (S, SCORES, "events: [order_placed,", "events: [order_placd,", "REF05", 7, 'did you mean "order_placed"?'),
    (S, SCORES, "who: everybody", "who: evrybody", "REF01", 8, 'did you mean "everybody"?'),
    (S, SCORES, "category, life", "categry, life", "REF06", 9, 'did you mean "category"?'),
    (S, SCORES, "events: [order_placed, order_returned]", "events: [order_returned]", "KEY07", 2, "take one of them out"),
    (S, SCORES, "  history: 365 days\n", "", "KEY02", 6, "history: 365 days"),
    (S, SCORES, "\nagain:", "\norders:", "REF12", 2, "otherwise"),
    (S, SCORES, "\nagain:", "\nno good:", "VAL04", 2, "write: no_good"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "right", "wrong", "code", "line", "hint"), SLIPS, ids=[f"{one[0]}: {one[3][:40]!r}" for one in SLIPS])  # fmt: skip
def test_a_slip_is_said_in_its_line(
    path: str, text: str, right: str, wrong: str, code: str, line: int, hint: str, tmp_path: Path
) -> None:
    assert right in text
    files = {path: text.replace(right, wrong, 1), "config/imports/ads.yaml": ADS}
    problems = problems_of(tmp_path, files)
    assert [(one.code, one.at.path, one.at.line) for one in problems] == [(code, path, line)]
    assert hint in problems[0].hint


def test_a_medium_that_files_bring_in_a_column_may_have_any_name(tmp_path: Path) -> None:
    ads = ADS.replace("medium: {value: search}", "medium: what")
    wanted = ATTRIBUTION.replace("  search:", "  radio:")
    assert problems_of(tmp_path, {A: wanted, "config/imports/ads.yaml": ads}) == []


def test_the_caret_stands_under_the_segment_of_a_measure(tmp_path: Path) -> None:
    text = MONEY_GOAL.replace("measure: revenue", 'measure: "revenue of segment evrybody"')
    written = shown(tmp_path, G, text)
    assert written.startswith('config/goals.yaml:5:32: no segment "evrybody"  [REF01]')
    assert f'    | {" " * 31}^^^^^^^^ did you mean "everybody"?' in written


def test_what_a_run_keeps_is_read_without_the_goals_of_the_company(tmp_path: Path) -> None:
    segment = "segment: Best\nwhere: [{email: known}]\nrank: {by: again, keep: top 10%}\n"
    campaign = "campaign: Spring\nto: best\nsend: welcome\nvia: email\nserves: more\n"
    files = {
        A: "attribution: A\nconversions: order_placed\nwindows: {search: 3 days}\n",
        G: MONEY_GOAL.replace("measure: revenue", "measure: revenue of segment lapsed_big_spenders"),
        S: SCORES,
        "config/imports/ads.yaml": ADS,
        "segments/best.yaml": segment,
        "campaigns/spring.yaml": campaign,
    }
    definitions = load(small_workspace(tmp_path / "whole", files))
    kept = campaign_files(definitions, "spring")
    # The score is of everybody, so that segment is part of the run although the campaign does not name it.
    assert {"segments/best.yaml", "segments/everybody.yaml", S} < set(kept)
    assert not {A, G, "segments/lapsed_big_spenders.yaml"} & set(kept)
    apart = write(tmp_path / "apart", kept)
    found = load_apart(apart)
    assert found.campaigns["spring"] == definitions.campaigns["spring"]
    assert (found.goals, found.attribution, found.scores) == (None, None, definitions.scores)
    assert definition_hash(replace(found, templates=definitions.templates), "spring") == definition_hash(
        definitions, "spring"
    )
    assert check(apart)[0] is None


def test_what_an_older_run_kept_without_its_scores_is_still_read(tmp_path: Path) -> None:
    segment = "segment: Best\nwhere: [{email: known}]\nrank: {by: again, keep: top 10%}\n"
    root = small_workspace(tmp_path, {"segments/best.yaml": segment})
    assert load_apart(root).segments["best"].rank is not None
    assert {one.code for one in check(root)[1]} == {"REF14"}


@pytest.mark.parametrize(
    ("locale", "aim", "by"),
    [
        ("en", "it serves the goal “More revenue”", "the 10% with the highest “Orders again” stay"),
        ("zh-TW", "為「More revenue」這個目標服務", "只留「Orders again」最高的 10%"),
        ("zh-CN", "为“More revenue”这个目标服务", "只留“Orders again”最高的 10%"),
        ("ru", "это ради цели «More revenue»", "с наибольшим значением «Orders again»"),
    ],
)
def test_goals_and_scores_are_read_back_by_their_titles(
    locale: str, aim: str, by: str, tmp_path: Path
) -> None:
    files = {
        G: MONEY_GOAL,
        S: SCORES,
        "segments/best.yaml": "segment: Best\nwhere: [{email: known}]\nrank: {by: again, keep: top 10%}\n",
        "campaigns/spring.yaml": "campaign: S\nto: best\nsend: welcome\nvia: email\nserves: more\n",
        "flows/hello.yaml": "flow: H\nserves: more\nstarts: {did: order_placed}\nsteps:\n  letter: {send: welcome, via: email}\n",
    }
    said = sentences(load(small_workspace(tmp_path, files)), locale)
    assert aim in said["campaigns/spring.yaml"] and aim in said["flows/hello.yaml"]
    assert by in said["segments/best.yaml"]
