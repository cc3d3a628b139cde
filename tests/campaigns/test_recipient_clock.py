"""The recipient's clock: each message is due at its own hour, inside its own window, and ends counted from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest
import sqlalchemy as sa

from campaigns.recurring_shop import enrolled, message_rows, people_in, utc, workspace
from tidings.campaigns.hours import Occasion, Schedule
from tidings.campaigns.planning import make_plan
from tidings.campaigns.runs import find_run, start_run
from tidings.clock import to_micros
from tidings.definitions.kinds.rules import QuietHours
from tidings.errors import RefusedByPolicy
from tidings.store.tables import people, sending

AT = "at: 2027-03-04 10:00\nclock: recipient\nexpires: 6 hours\n"
THREE = {
    "taipei": ("Asia/Taipei", "TW", 3),
    "moscow": ("Europe/Moscow", "RU", 2),
    "york": ("America/New_York", "US", 1),
}


def start(store, definitions, clock, name="letter"):
    plan = make_plan(store, definitions, name, now=clock.now())
    return plan, start_run(store, definitions, plan.hash, approved_by="test", now=clock.now())


def test_each_message_is_due_at_its_own_hour_and_ends_counted_from_there(store, clock, tmp_path) -> None:
    people_in(store, **THREE, nowhere=(None, "XX", 1))
    plan, run = start(store, workspace(tmp_path, AT), clock)
    rows = message_rows(store, run.id)
    due = {
        "taipei0": utc(2027, 3, 4, 2),
        "moscow0": utc(2027, 3, 4, 7),
        "york0": utc(2027, 3, 4, 15),
        # Nothing says where: e-mail goes by the clock of the workspace.
        "nowhere0": utc(2027, 3, 4, 9),
    }
    assert {key: rows[key][0] for key in due} == due
    assert all(ends - at == timedelta(hours=6) for at, ends, _ in rows.values())
    assert run.anchor_at == to_micros(utc(2027, 3, 4, 2))
    assert run.bounds["expires_at"] == to_micros(utc(2027, 3, 4, 21))
    assert dict(plan.unknown_zones) == {"email": 1}
    assert [(one.zone, one.messages) for one in plan.curve] == [
        ("Asia/Taipei", 3), ("Europe/Moscow", 2), ("unknown", 1), ("America/New_York", 1),
    ]  # fmt: skip
    assert plan.as_json()["curve"][0] == {"at": "2027-03-04T02:00:00Z", "zone": "Asia/Taipei", "messages": 3}


def test_everybody_of_every_arm_is_anchored_by_the_same_rule(store, clock, tmp_path) -> None:
    people_in(store, taipei=("Asia/Taipei", "TW", 40), york=("America/New_York", "US", 40))
    _, run = start(store, workspace(tmp_path, AT, holdout="50%"), clock)
    enrolments, customers = sending.enrolments, people.customers
    with store.read() as connection:
        found = connection.execute(
            sa.select(customers.c.zone, enrolments.c.arm, enrolments.c.anchor_at)
            .join(customers, customers.c.id == enrolments.c.customer_id)
            .where(enrolments.c.run_id == run.id)
            .distinct()
        ).all()
    hours = {
        "Asia/Taipei": to_micros(utc(2027, 3, 4, 2)),
        "America/New_York": to_micros(utc(2027, 3, 4, 15)),
    }
    assert {tuple(row) for row in found} == {
        (zone, arm, at) for zone, at in hours.items() for arm in ("treated", "holdout")
    }


def test_the_plan_refuses_when_the_earliest_zone_is_past_unless_it_is_told_what_to_do(
    store, clock, tmp_path
) -> None:
    people_in(store, **THREE)
    clock.advance(utc(2027, 3, 4, 3) - clock.now())
    with pytest.raises(RefusedByPolicy, match="past already for 3 people \\(first in Asia/Taipei\\)"):
        make_plan(store, workspace(tmp_path, AT), "letter", now=clock.now())


def test_late_send_sends_at_once_to_those_whose_hour_is_past(store, clock, tmp_path) -> None:
    people_in(store, **THREE)
    clock.advance(utc(2027, 3, 4, 3) - clock.now())
    plan, run = start(store, workspace(tmp_path, AT + "late: send\n"), clock)
    rows = message_rows(store, run.id)
    assert plan.late == 3
    assert rows["taipei0"] == (utc(2027, 3, 4, 3), utc(2027, 3, 4, 9), "planned")
    assert rows["moscow0"][0] == utc(2027, 3, 4, 7)


def test_late_skip_refuses_them_in_every_arm(store, clock, tmp_path) -> None:
    people_in(store, **THREE)
    clock.advance(utc(2027, 3, 4, 3) - clock.now())
    plan, run = start(store, workspace(tmp_path, AT + "late: skip\n"), clock)
    assert dict(plan.refusals) == {"late": 3}
    assert set(enrolled(store, run.id)) == {"moscow0", "moscow1", "york0"}


def test_those_whose_hour_passed_between_planning_and_approval_are_skipped_too(
    store, clock, tmp_path
) -> None:
    people_in(store, **THREE)
    definitions = workspace(tmp_path, AT + "late: skip\n")
    plan = make_plan(store, definitions, "letter", now=clock.now())
    clock.advance(utc(2027, 3, 4, 3, 30) - clock.now())
    run = start_run(store, definitions, plan.hash, approved_by="test", now=clock.now())
    states = {key: state for key, (_, _, state) in message_rows(store, run.id).items()}
    assert [states[f"taipei{n}"] for n in range(3)] == ["refused"] * 3
    assert states["moscow0"] == states["york0"] == "planned"


def test_a_plan_whose_first_hour_passed_before_it_was_approved_is_refused(store, clock, tmp_path) -> None:
    people_in(store, **THREE)
    definitions = workspace(tmp_path, AT)
    plan = make_plan(store, definitions, "letter", now=clock.now())
    clock.advance(utc(2027, 3, 4, 3, 30) - clock.now())
    with pytest.raises(RefusedByPolicy, match="recipients' clock, and that is past"):
        start_run(store, definitions, plan.hash, approved_by="test", now=clock.now())


def test_quiet_hours_and_send_between_move_the_message_into_the_window(store, clock, tmp_path) -> None:
    people_in(store, **THREE)
    hours = "at: 2027-03-04 10:00\nsend_between: 09:00 and 17:00\nweekdays: [Mon, Tue, Wed, Fri]\n"
    plan, run = start(store, workspace(tmp_path, hours), clock)
    rows = message_rows(store, run.id)
    # Thursday 10:00 in Stockholm; nobody's Thursday is allowed.
    assert rows["taipei0"][0] == utc(2027, 3, 5, 1)
    assert rows["moscow0"][0] == utc(2027, 3, 5, 6)
    assert rows["york0"][0] == utc(2027, 3, 5, 14)
    assert plan.moved == 6
    assert all(ends - at == timedelta(hours=24) for at, ends, _ in rows.values())


def test_a_week_without_windows_asks_for_no_zones(store, clock, tmp_path) -> None:
    people_in(store, **THREE)
    plan, run = start(store, workspace(tmp_path, "at: 2027-03-04 10:00\n"), clock)
    assert plan.curve == ()
    assert plan.schedule is None
    assert {row[0] for row in message_rows(store, run.id).values()} == {utc(2027, 3, 4, 9)}


def test_a_start_that_is_taken_up_gives_everybody_the_hours_of_the_approval(store, clock, tmp_path) -> None:
    people_in(store, **THREE)
    clock.advance(utc(2027, 3, 4, 3) - clock.now())
    _, run = start(store, workspace(tmp_path, AT + "late: send\n"), clock)
    before = message_rows(store, run.id)
    messages, enrolments, runs = sending.messages, sending.enrolments, sending.runs
    with store.durable("test") as connection:
        connection.execute(messages.delete())
        connection.execute(enrolments.delete())
        connection.execute(runs.update().values(state="enrolling"))
    clock.advance(timedelta(hours=2))
    from tidings.campaigns.runs import enrol

    enrol(store, run.id)
    assert message_rows(store, run.id) == before
    assert find_run(store, "letter").state == "sending"


def test_a_sample_is_stable_by_the_name_of_the_campaign_and_drawn_last(store, clock, tmp_path) -> None:
    people_in(store, taipei=("Asia/Taipei", "TW", 400))
    definitions = workspace(tmp_path, "sample: 20%\n")
    plan, run = start(store, definitions, clock)
    assert 50 <= plan.audience <= 110
    assert plan.sample == (2000, 400)
    assert plan.as_json()["sample"] == {"share": 2000, "of": 400}
    first = set(enrolled(store, run.id))
    assert len(first) == plan.audience == plan.people
    # More people: those who were in it stay in it.
    people_in(store, more=("Asia/Taipei", "TW", 100))
    again = make_plan(store, definitions, "letter", now=clock.now())
    assert again.leaving == 0
    assert again.sample == (2000, 500)


def sms(store, tmp_path, more: str, **fields):
    return workspace(
        tmp_path,
        more,
        via="sms",
        send="text",
        **{
            "purpose": "service",
            "channels__sms": 'channel: SMS\nadapter: outbox\nkind: sms\nsender: "+886222222222"\n',
            **fields,
        },
    )


def test_quiet_hours_of_the_kind_count_for_marketing_and_not_for_services(store, clock, tmp_path) -> None:
    people_in(store, taipei=("Asia/Taipei", "TW", 1))
    with store.durable("test") as connection:
        connection.execute(
            people.consents.insert().values(
                customer_id=sa.select(people.customers.c.id).scalar_subquery(),
                channel="sms", purpose="marketing", state="granted", basis="test", source="test",
                at=0, received_at=0,
            )
        )  # fmt: skip
    texts = tmp_path / "shop" / "templates" / "text"
    texts.mkdir(parents=True)
    (texts / "sms.en.txt").write_text("Hello. Reply STOP to end\n")
    due = {}
    for purpose in ("marketing", "service"):
        # 16:00 in Stockholm is 23:00 in Taipei.
        definitions = sms(store, tmp_path, "at: 2027-03-04 16:00\n", purpose=purpose)
        policies = replace(definitions.policies, quiet=(QuietHours("sms", time(20), time(9)),))
        definitions = replace(definitions, policies=policies)
        plan = make_plan(store, definitions, "letter", now=clock.now())
        hours = Schedule.from_json(plan.schedule) if plan.schedule else None
        due[purpose] = hours.due("Asia/Taipei", "sms", 0).at if hours else plan.anchor_at
    assert due == {
        "marketing": to_micros(utc(2027, 3, 5, 1)),
        "service": to_micros(utc(2027, 3, 4, 15)),
    }


def test_texts_to_people_of_no_known_zone_wait_and_are_counted(store, clock, tmp_path) -> None:
    people_in(store, nowhere=(None, "XX", 2), taipei=("Asia/Taipei", "TW", 1))
    with store.durable("test") as connection:
        # A number that belongs to no place on earth.
        connection.execute(
            people.customers.update()
            .where(people.customers.c.country == "XX")
            .values(phone="+88213" + people.customers.c.key.concat("0"), phone_hash=people.customers.c.key)
        )
    texts = tmp_path / "shop" / "templates" / "text"
    texts.mkdir(parents=True)
    (texts / "sms.en.txt").write_text("Hello\n")
    definitions = sms(store, tmp_path, "at: 2027-03-04 10:00\nclock: recipient\n")
    plan, run = start(store, definitions, clock)
    assert dict(plan.unknown_zones) == {"sms": 2}
    schedule = Schedule.from_json(run.bounds["schedule"])
    assert schedule.due("", "sms", 0).waits
    assert not schedule.due("Asia/Taipei", "sms", 0).waits
    assert not schedule.due("", "email", 0).waits


def test_planned_again_at_the_first_hour_nobody_is_late(store, clock, tmp_path) -> None:
    """Under a standing approval it is started when the earliest hour comes, a moment after it, without `late:`."""
    people_in(store, **THREE)
    definitions = workspace(tmp_path, AT)
    clock.advance(utc(2027, 3, 4, 2, 1) - clock.now())
    occasion = Occasion.of(definitions.campaigns["letter"], by_itself=True)
    plan = make_plan(store, definitions, "letter", now=clock.now(), occasion=occasion)
    assert (plan.late, plan.people) == (0, 6)
