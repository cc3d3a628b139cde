"""What single steps of a flow do: tasks, other parties, hours, kept histories; and the ids that are written unlooked-up."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest
import sqlalchemy as sa

from support.flow_stage import FlowStage, at, days, flow_of, hours, send
from tidings.clock import from_micros, to_micros
from tidings.definitions.conditions import AttributeCondition, DidCondition
from tidings.definitions.kinds.flow import Person, Staff, Step, WaitFor
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.kinds.timing import SendBetween
from tidings.definitions.values import Duration, Is, Unit
from tidings.flows.journeys import relocating, walking
from tidings.store.tables import people, sending
from tidings.store.tables.journeys import journeys, message_subjects, tasks, trigger_marks

VIP = AttributeCondition("vip", Is(True))


def test_notify_sets_one_task_for_each_treated_customer_and_none_for_holdouts(store) -> None:
    stage = FlowStage(store, flow_of(Step("call", "notify", notify="sales"), send("a")))
    stage.definitions = replace(stage.definitions, staff=Staff((Person("sales", "sales@shop.example"),)))
    one, held = stage.start(at(2)), stage.start(at(2), arm="holdout")
    assert stage.walk(at(2)).tasks == 1
    stage.walk(at(2))
    with store.read() as connection:
        rows = connection.execute(sa.select(tasks)).all()
    assert [(row.enrolment_id, row.step, row.person, row.email, row.state) for row in rows] == [
        (one, "call", "sales", "sales@shop.example", "open")
    ]
    assert stage.whats(one) == stage.whats(held) == {"call": "reached", "a": "reached"}


def test_to_writes_to_the_customer_whose_key_the_attribute_holds_about_all_who_come_together(store) -> None:
    stage = FlowStage(store, flow_of(send("sheet", to="dealer", group="party"), send("a")))
    dealer = stage.person(key="the-dealer")
    mine = [stage.start(at(2), dealer="the-dealer") for _ in range(2)]
    held = stage.start(at(2), dealer="the-dealer", arm="holdout")
    stage.walk(at(2))
    (message,) = [row for row in stage.messages() if row.step == "sheet"]
    with store.read() as connection:
        arm = connection.execute(
            sa.select(sending.enrolments.c.arm).where(sending.enrolments.c.id == message.enrolment_id)
        ).scalar_one()
        about = connection.execute(
            sa.select(message_subjects.c.enrolment_id).where(message_subjects.c.message_id == message.id)
        ).scalars()
        assert sorted(about) == mine
    assert (message.customer_id, arm, message.state) == (dealer, "party", "planned")
    assert stage.whats(held) == {"sheet": "reached", "a": "reached"}
    assert stage.sent(mine[0]) == ["a"]


@pytest.mark.parametrize(("by", "sent"), [("email", ["letter", "thanks"]), ("sms", ["letter"])])
def test_by_counts_responses_on_that_channel_alone(store, by, sent) -> None:
    click = WaitFor("clicked", days(3), of="letter", by=by, if_not="end")
    stage = FlowStage(store, flow_of(send("letter"), Step("w", "wait_for", wait_for=click), send("thanks")))
    one = stage.start(at(2))
    stage.walk(at(2))
    stage.respond(one, "letter", at(2, 12))
    stage.walk(at(2, 12, 1))
    assert stage.sent(one) == sent


def test_outside_send_between_the_message_is_due_when_the_hours_begin(store) -> None:
    between = SendBetween(time(14), time(18))
    flow = flow_of(send("a", send_between=between, expires=Duration(1, Unit.HOUR)), send("b", after=hours(2)))
    stage = FlowStage(store, flow)
    # Stockholm is an hour ahead of UTC.
    early, inside = stage.start(at(2, 9)), stage.start(at(2, 14))
    stage.walk(at(2, 9))
    stage.walk(at(2, 14))
    due = [
        (from_micros(row.due_at), from_micros(row.expires_at)) for row in stage.messages() if row.step == "a"
    ]
    assert due == [(at(2, 13), at(2, 14)), (at(2, 14), at(2, 15))]
    assert stage.history(early)["a"] == ("reached", at(2, 9))
    assert stage.history(inside)["a"] == ("reached", at(2, 14))


def test_set_keeps_the_history_of_an_attribute_that_a_segment_asks_for(store) -> None:
    stage = FlowStage(store, flow_of(Step("s", "set", values=(("vip", True),))))
    key = Segment("key", "Key", "segments/key.yaml", (VIP,))
    stage.definitions = replace(stage.definitions, segments={**stage.definitions.segments, "key": key})
    one, was = stage.start(at(2), vip=False), stage.start(at(2), vip=True)
    stage.walk(at(2))
    changes = people.attribute_changes
    with store.read() as connection:
        rows = connection.execute(sa.select(changes).order_by(changes.c.changed_at)).all()
    assert was != one
    assert [(row.customer_id, row.attribute, row.value, row.changed_at) for row in rows] == [
        (stage.journey(one).customer_id, "vip", "false", 0),
        (stage.journey(one).customer_id, "vip", "true", to_micros(at(2))),
    ]


def test_a_changed_delay_moves_those_before_a_wait_but_not_the_end_of_waits_that_began(store) -> None:
    wait = Step("w", "wait_for", after=days(1), wait_for=WaitFor("order", days(5)))
    stage = FlowStage(store, flow_of(wait))
    begun, before = stage.start(at(1)), stage.start(at(2))
    stage.walk(at(2))
    assert from_micros(stage.journey(begun).due_at) == at(7)
    sooner = replace(stage.flow, steps=(replace(wait, after=hours(1)),))
    moves = relocating.Moves({}, ("w",), ("w",), to_micros(at(3)))
    with store.durable("test") as connection:
        relocating.write_moves(connection, stage.run_id, moves)
    relocating.settle(store, sooner, stage.definitions, stage.run_id, now=at(2))
    assert from_micros(stage.journey(begun).due_at) == at(7)
    assert from_micros(stage.journey(before).due_at) == at(2, 10)


def test_every_id_that_a_walk_writes_without_looking_it_up_exists(store) -> None:
    flow = flow_of(
        send("a", via=("sms", "email")), Step("l", "add_to", segment="fans"), Step("s", "set", values=(("vip", True),)),
        Step("w", "wait_for", wait_for=WaitFor("order", days(1))), send("b", to="dealer"),
        leave_when=(DidCondition("view"),),
    )  # fmt: skip
    stage = FlowStage(store, flow)
    stage.person(key="the-dealer")
    for number in range(4):
        one = stage.start(
            at(2), email=number > 0, dealer="the-dealer", arm="treated" if number < 3 else "holdout"
        )
        if number == 1:
            stage.event(stage.journey(one).customer_id, "view", at(2))
    stage.walk(at(2))
    stage.walk(at(3, 9, 1))
    assert len(stage.messages()) > 2
    with store.read() as connection:
        if store.dialect == "sqlite":
            # PostgreSQL looked up each as it was written.
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert connection.execute(sa.select(sa.func.count()).select_from(journeys)).scalar_one() == 4
        assert connection.execute(sa.select(trigger_marks.c.name)).scalars().all() == ["wait"]


def test_who_is_moved_by_somebody_else_between_the_question_and_the_write_is_left_alone(
    store, monkeypatch
) -> None:
    stage = FlowStage(store, flow_of(send("a"), send("b", after=days(9))))
    mine, theirs = stage.start(at(2)), stage.start(at(2))
    ask = walking._Walking._ask

    def meanwhile(self, *given) -> int:
        found = ask(self, *given)
        with store.durable("test") as other:
            other.execute(
                sa.update(journeys)
                .where(journeys.c.enrolment_id == theirs)
                .values(state="ended", outcome="left", ended_at=1)
            )
        return found

    monkeypatch.setattr(walking._Walking, "_ask", meanwhile)
    assert stage.walk(at(2)).moved == 1
    assert (stage.sent(mine), stage.sent(theirs), stage.whats(theirs)) == (["a"], [], {})
