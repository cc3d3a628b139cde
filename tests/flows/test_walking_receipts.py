"""Journeys go on by what providers said of their messages: waits, conditions and ways out read the stored receipts."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy as sa

from support.flow_stage import FlowStage, at, days, flow_of, send
from tidings.clock import to_micros
from tidings.definitions.conditions import DidCondition
from tidings.definitions.kinds.flow import Step, WaitFor
from tidings.store.tables import sending


@pytest.mark.parametrize(
    ("waited", "kind"), [("delivered", "delivered"), ("bounced", "bounced"), ("spam_reported", "complained")]
)
def test_a_wait_for_what_becomes_of_a_message_is_answered_by_its_receipts(
    store, waited: str, kind: str
) -> None:
    flow = flow_of(
        send("letter"), Step("heard", "wait_for", wait_for=WaitFor(waited, days(3), of="letter", if_not="text")),
        send("thanks", then="end"), send("text"),
    )  # fmt: skip
    stage = FlowStage(store, flow)
    one, other = stage.start(at(2)), stage.start(at(2))
    stage.walk(at(2))
    receive(stage, one, "letter", "deferred", at(2, 10))
    stage.walk(at(2, 11))
    assert stage.sent(one) == ["letter"]
    receive(stage, one, "letter", kind, at(2, 12))
    stage.walk(at(2, 12, 1))
    assert stage.history(one)["heard"] == ("answered", at(2, 12))
    stage.walk(at(5, 9, 1))
    assert (stage.sent(one), stage.sent(other)) == (["letter", "thanks"], ["letter", "text"])


def test_a_step_can_ask_whether_a_message_came_back_since_the_journey_began(store) -> None:
    came_back = DidCondition("bounced")
    flow = flow_of(
        send("letter"),
        send("text", after=days(1), when=(came_back,)),
        leave_when=(DidCondition("spam_reported"),),
    )
    stage = FlowStage(store, flow)
    good, gone, angry = (stage.start(at(2)) for _ in range(3))
    stage.walk(at(2))
    receive(stage, good, "letter", "delivered", at(2, 10))
    receive(stage, gone, "letter", "bounced", at(2, 10))
    receive(stage, angry, "letter", "bounced", at(2, 10))
    receive(stage, angry, "letter", "complained", at(2, 11))
    stage.walk(at(3, 9, 1))
    assert [stage.sent(one) for one in (good, gone, angry)] == [["letter"], ["letter", "text"], ["letter"]]
    assert stage.whats(angry)["text"] == "left"


def receive(stage: FlowStage, enrolment: int, step: str, kind: str, when: datetime) -> None:
    """Store what a provider says of the message of a step."""
    messages = sending.messages
    with stage.store.durable("test") as connection:
        message = connection.execute(
            sa.select(messages.c.id).where(messages.c.enrolment_id == enrolment, messages.c.step == step)
        ).scalar_one()
        connection.execute(
            sending.receipts.insert().values(
                provider="p", event_id=f"{message} {kind} {when}", kind=kind, message_id=message,
                at=to_micros(when), received_at=to_micros(when), channel="email",
            )
        )  # fmt: skip
