"""What a report must not let a reader believe: silence, double counting, figures of now told as of then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
import sqlalchemy as sa
from rich.console import Console

from support.measured import (
    AFTERWARDS,
    ANCHOR,
    CAMPAIGN,
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
from tidings.cli.report import show
from tidings.clock import FixedClock, to_micros
from tidings.definitions.hashing import definition_hash
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.values import Duration, Unit
from tidings.measurement.report import make_report
from tidings.store.database import Store
from tidings.store.tables import sending


@pytest.mark.parametrize("known", [True, False])
def test_when_nothing_is_known_since_it_was_sent_every_effect_is_in_doubt_and_no_word_is_said_of_it(
    store: Store, known: bool
) -> None:
    definitions = definitions_with()
    enrol(store, draw(3, 400), plan_id=plan(store, 1000), definition=definition_hash(definitions, "spring"))
    if known:
        happen(store, [Happened(1, "order_placed", ANCHOR - timedelta(seconds=1), 100)])
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    plain = report.as_json()
    (warning,) = plain["warnings"]
    last = "the last event known is of 2027-03-20 09:59" if known else "no event of the goal is in the store"
    assert warning.startswith(f"Nothing is known since it was sent: {last};")
    assert plain["maturity"]["silent"]
    assert plain["words"] == []
    assert report.findings() == ()
    assert plain["effects"]
    for effect in plain["effects"]:
        assert effect["doubtful"]
        assert effect["doubtful_reason"] == warning
        assert effect["estimate"] == 0
    happen(store, [Happened(2, "order_placed", ANCHOR, 100)] if not known else [])
    if not known:
        assert not make_report(store, definitions, "spring", as_of=AFTERWARDS).maturity.silent


def test_answers_to_the_message_are_found_even_when_no_event_is_known_since(store: Store) -> None:
    campaign = replace(CAMPAIGN, also=(Goal("clicked", Duration(7, Unit.DAY)),))
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    made = send(store, run_id, lambda _: "accepted")
    respond(store, [(message, "clicked", "human") for message, arm, _ in made if arm == "warm"])
    report = make_report(store, definitions_with(campaign), "spring", as_of=AFTERWARDS)
    assert {one.metric.name for one in report.findings()} == {"clicked"}
    doubtful = {one["metric"]: one["doubtful"] for one in report.as_json()["effects"]}
    assert doubtful == {"order_placed": True, "revenue": True, "clicked": False}


def test_customers_reached_by_two_messages_are_reached_once(store: Store) -> None:
    definitions = definitions_with()
    run_id = enrol(store, draw(3, 200), plan_id=plan(store, 1000), definition="")
    made = send(store, run_id, lambda place: "bounced" if place % 4 == 0 else "accepted")
    with store.durable("seed") as connection:
        connection.execute(
            sending.messages.insert().from_select(
                [
                    "id",
                    "run_id",
                    "enrolment_id",
                    "customer_id",
                    "step",
                    "channel",
                    "variant",
                    "state",
                    "is_open",
                    "due_at",
                ],
                sa.select(
                    sending.messages.c.id + 1000,
                    sending.messages.c.run_id,
                    sending.messages.c.enrolment_id,
                    sending.messages.c.customer_id,
                    sa.literal("second"),
                    sending.messages.c.channel,
                    sending.messages.c.variant,
                    sending.messages.c.state,
                    sending.messages.c.is_open,
                    sending.messages.c.due_at,
                ),
            )
        )
    happen(store, [Happened(1, "order_placed", ANCHOR + timedelta(days=1), 100)])
    report = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    arrived = sum(state == "accepted" for _, _, state in made)
    (whole,) = [one for one in report.effects if one.arm == "treated" and one.metric.name == "order_placed"]
    assert whole.reached is not None
    assert whole.reached[0] == pytest.approx(arrived / len(made))


def test_who_converted_is_of_the_goal_and_of_no_further_goal(store: Store) -> None:
    clicked = Goal("clicked", Duration(7, Unit.DAY))
    campaign = replace(CAMPAIGN, goal=Goal("converted", Duration(1, Unit.DAY)), also=(clicked,))
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    made = send(store, run_id, lambda _: "accepted")
    respond(store, [(message, "clicked", "human") for message, _, _ in made])
    report = make_report(store, definitions_with(campaign), "spring", as_of=AFTERWARDS)
    assert {row.converted for row in report.funnel} == {None}
    assert report.effects[0].metric.name == "clicked"


def test_who_complained_had_it_delivered_in_the_goal_as_in_the_funnel(store: Store) -> None:
    campaign = replace(CAMPAIGN, goal=Goal("delivered", Duration(7, Unit.DAY)))
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    send(store, run_id, lambda place: "complained" if place % 5 == 0 else "delivered")
    report = make_report(store, definitions_with(campaign), "spring", as_of=AFTERWARDS)
    some = report.effects[0].metric.some
    assert {row.arm: row.delivered for row in report.funnel if row.messages} == {
        arm: count for arm, count in some.items() if count
    }


def test_a_goal_of_what_was_sent_counts_what_was_sent_by_then(store: Store) -> None:
    campaign = replace(CAMPAIGN, goal=Goal("sent", Duration(7, Unit.DAY)))
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    made = send(store, run_id, lambda _: "accepted")
    later = ANCHOR + timedelta(days=2)
    with store.durable("seed") as connection:
        connection.execute(
            sa.update(sending.messages)
            .where(sending.messages.c.id <= 10)
            .values(accepted_at=to_micros(later))
        )
    definitions = definitions_with(campaign)
    early = make_report(store, definitions, "spring", as_of=ANCHOR + timedelta(days=1))
    assert sum(early.effects[0].metric.some.values()) == len(made) - 10
    late = make_report(store, definitions, "spring", as_of=AFTERWARDS)
    assert sum(late.effects[0].metric.some.values()) == len(made)


def test_a_report_of_the_past_says_which_figures_are_of_now(store: Store, clock: FixedClock) -> None:
    definitions = definitions_with()
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    clock.sleep((AFTERWARDS - clock.now()).total_seconds())
    past = ANCHOR + timedelta(days=2)

    def told(at: datetime) -> list[str]:
        notes = make_report(store, definitions, "spring", as_of=at).notes
        return [note for note in notes if "as it stands now" in note]

    assert told(past) == []
    send(store, run_id, lambda _: "accepted")
    (note,) = told(past)
    assert "share they reached" in note
    assert note.endswith("those before 2027-03-22 10:00.")
    assert told(clock.now()) == []


def test_a_run_started_after_its_anchor_had_not_begun_before_it_was_started(store: Store) -> None:
    run_id = enrol(store, draw(3, 60), plan_id=plan(store, 1000), definition="")
    with store.durable("seed") as connection:
        connection.execute(
            sa.update(sending.runs)
            .where(sending.runs.c.id == run_id)
            .values(created_at=to_micros(ANCHOR + timedelta(hours=3)))
        )
    hours = {
        after: make_report(store, definitions_with(), "spring", as_of=ANCHOR + timedelta(hours=after)).begun
        for after in (-1, 1, 3)
    }
    assert hours == {-1: False, 1: False, 3: True}


def test_while_windows_are_open_limits_for_every_look_stand_beside_those_for_the_end(store: Store) -> None:
    _, definitions = run_seeded(store, n=800)
    midway = make_report(store, definitions, "spring", as_of=ANCHOR + timedelta(days=5))
    plain = midway.as_json()
    assert plain["maturity"]["early"] and len(plain["effects"]) > 4
    for effect in plain["effects"]:
        (low, high), (wide_low, wide_high) = effect["interval"], effect["any_time_interval"]
        assert wide_low < low < high < wide_high
        assert (wide_low + wide_high) / 2 == pytest.approx(effect["estimate"])
        # Tuned for the end of the window: tightest there, at one and a half times the usual ones.
        assert 1.5 * (high - low) < wide_high - wide_low < 4 * (high - low)
    page = Console(width=100, record=True, file=StringIO())
    show(midway, page)
    told = " ".join(page.export_text().split())
    assert "at any look" in told
    assert "hold for all your looks together while the window is open" in told
    assert "figures and intervals will still move and are valid only then" in told
    over = make_report(store, definitions, "spring", as_of=AFTERWARDS).as_json()
    assert {effect["any_time_interval"] for effect in over["effects"]} == {None}


def test_without_anything_before_money_has_no_limits_for_every_look(store: Store) -> None:
    definitions = definitions_with()
    enrol(store, draw(3, 400), plan_id=plan(store, 1000), definition=definition_hash(definitions, "spring"))
    happen(store, [Happened(n, "order_placed", ANCHOR + timedelta(days=1), 500 + n) for n in range(1, 200)])
    plain = make_report(store, definitions, "spring", as_of=ANCHOR + timedelta(days=5)).as_json()
    has = {effect["metric"]: effect["any_time_interval"] is not None for effect in plain["effects"]}
    assert has == {"order_placed": True, "revenue": False}
