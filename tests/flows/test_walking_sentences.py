"""Each sentence about how journeys go on, as a test by its name."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import pytest
import sqlalchemy as sa

from support.flow_stage import FlowStage, at, days, flow_of, hours, send
from tidings.definitions.conditions import AttributeCondition, DidCondition, StartPropertyCondition
from tidings.definitions.kinds.flow import DayOffset, Step, WaitFor
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Is, Share
from tidings.flows.journeys import walking
from tidings.store.tables import people, sending
from tidings.store.tables.journeys import trigger_marks

VIP = AttributeCondition("vip", Is(True))
CLICK = WaitFor("clicked", days(3), of="letter", if_not="text")


def test_after_counts_from_the_previous_step_this_person_reached(store) -> None:
    stage = FlowStage(
        store, flow_of(send("a"), send("b", after=days(1), when=(VIP,)), send("c", after=days(3)))
    )
    one, vip = stage.start(at(2)), stage.start(at(2), vip=True)
    for day in range(2, 8):
        stage.walk(at(day, 9, 1))
    assert stage.history(one)["c"] == ("reached", at(5))
    assert stage.history(vip)["c"] == ("reached", at(6))


def test_a_passed_over_step_is_not_reached(store) -> None:
    stage = FlowStage(store, flow_of(send("a", when=(VIP,)), send("b")))
    one = stage.start(at(2))
    stage.walk(at(2))
    assert stage.whats(one) == {"a": "passed", "b": "reached"}
    assert stage.sent(one) == ["b"]
    assert stage.detail(one, "a") == "not vip: true"


def test_when_is_asked_once_when_the_delay_ends(store) -> None:
    stage = FlowStage(store, flow_of(send("a", after=days(2), when=(VIP,))))
    one = stage.start(at(2))
    stage.walk(at(3))
    assert stage.whats(one) == {}
    stage.change(stage.journey(one).customer_id, vip=True)
    stage.walk(at(4, 9, 1))
    stage.change(stage.journey(one).customer_id, vip=False)
    assert stage.walk(at(5)).moved == 0
    assert stage.sent(one) == ["a"]


def test_instead_of_at_the_moment_the_other_step_was_passed_over(store) -> None:
    flow = flow_of(
        send("a", after=days(2), when=(VIP,)), send("b", instead_of="a"), send("c", after=hours(1))
    )
    stage = FlowStage(store, flow)
    one, vip = stage.start(at(2)), stage.start(at(2), vip=True)
    stage.walk(at(4, 9, 1))
    stage.walk(at(4, 10, 1))
    assert stage.history(one) == {
        "a": ("passed", at(4)),
        "b": ("reached", at(4)),
        "c": ("reached", at(4, 10)),
    }
    assert stage.sent(vip) == ["a", "c"]


def test_leave_when_is_asked_before_every_step(store) -> None:
    stage = FlowStage(
        store, flow_of(send("a"), send("b", after=days(1)), leave_when=(DidCondition("order"),))
    )
    one, other = stage.start(at(2)), stage.start(at(2))
    stage.walk(at(2))
    stage.event(stage.journey(one).customer_id, "order", at(2, 12))
    stage.walk(at(3))
    assert stage.whats(one) == {"a": "reached", "b": "left"}
    assert (stage.journey(one).state, stage.journey(one).outcome) == ("ended", "left")
    assert stage.detail(one, "b") == "did: order"
    assert stage.sent(other) == ["a", "b"]


def test_what_the_customer_did_before_the_entry_makes_nobody_leave(store) -> None:
    stage = FlowStage(store, flow_of(send("a"), leave_when=(DidCondition("order"),)))
    customer = stage.person()
    stage.event(customer, "order", at(1))
    one = stage.enter(customer, at(2))
    stage.walk(at(2))
    assert stage.sent(one) == ["a"]


def test_somebody_who_was_erased_leaves(store) -> None:
    stage = FlowStage(store, flow_of(send("a")))
    one = stage.enter(stage.person(tombstoned_at=1), at(2))
    stage.walk(at(2))
    assert (stage.whats(one), stage.messages(one)) == ({"a": "left"}, [])


def test_a_wait_is_answered_by_the_first_event_since_it_began(store) -> None:
    stage = FlowStage(store, flow_of(Step("w", "wait_for", wait_for=WaitFor("order", days(3))), send("b")))
    one = stage.start(at(2))
    customer = stage.journey(one).customer_id
    stage.event(customer, "order", at(1))
    stage.walk(at(2))
    assert stage.whats(one) == {"w": "reached"}
    stage.event(customer, "order", at(3, 12))
    stage.event(customer, "order", at(3, 11))
    stage.walk(at(3, 12, 1))
    assert stage.history(one) == {"w": ("answered", at(3, 11)), "b": ("reached", at(3, 12, 1))}


def test_a_wait_ends_at_up_to_and_then_goes_where_if_not_says(store) -> None:
    flow = flow_of(
        send("letter"), Step("w", "wait_for", wait_for=CLICK), send("thanks", then="end"), send("text")
    )
    stage = FlowStage(store, flow)
    one = stage.start(at(2))
    stage.walk(at(2))
    stage.walk(at(5, 8, 59))
    assert stage.whats(one)["w"] == "reached"
    stage.walk(at(5, 9, 1))
    assert stage.history(one)["w"] == ("unanswered", at(5))
    assert stage.sent(one) == ["letter", "text"]


@pytest.mark.parametrize(
    ("judged", "sent"), [("human", ["letter", "thanks"]), ("machine", ["letter"]), ("unknown", ["letter"])]
)
def test_only_a_click_that_was_judged_human_answers_a_wait(store, judged, sent) -> None:
    flow = flow_of(
        send("letter"), Step("w", "wait_for", wait_for=CLICK), send("thanks", then="end"), send("text")
    )
    stage = FlowStage(store, flow)
    one = stage.start(at(2))
    stage.walk(at(2))
    stage.respond(one, "letter", at(2, 12), judged=judged)
    stage.walk(at(2, 12, 1))
    assert stage.sent(one) == sent


def test_holdouts_walk_silently_on_the_no_response_branch(store) -> None:
    flow = flow_of(
        send("letter"), Step("w", "wait_for", wait_for=CLICK), send("thanks", then="end"),
        Step("text", "set", values=(("vip", True),)), Step("list", "add_to", segment="fans"),
    )  # fmt: skip
    stage = FlowStage(store, flow)
    one = stage.start(at(2), arm="holdout")
    stage.walk(at(2))
    stage.walk(at(5, 9, 1))
    assert stage.whats(one) == {"letter": "reached", "w": "unanswered", "text": "reached", "list": "reached"}
    assert stage.messages(one) == []
    assert (_vip(stage, one), _listed(stage, one)) == (None, False)


def test_quiet_counts_from_the_last_start_event_not_the_first(store) -> None:
    flow = flow_of(
        send("reminder", after=hours(2), quiet=True, when=(StartPropertyCondition("basket", "size", Is(5)),))
    )
    stage = FlowStage(store, flow)
    one = stage.start(at(2, 9), properties={"size": 1})
    stage.event(stage.journey(one).customer_id, "basket", at(2, 10, 30), size=5)
    stage.walk(at(2, 11))
    assert stage.whats(one) == {}
    stage.walk(at(2, 12, 31))
    assert stage.history(one) == {"reminder": ("reached", at(2, 12, 30))}


def test_wait_until_is_the_day_at_its_hour_and_who_is_past_it_or_has_no_day_goes_on(store) -> None:
    from datetime import date

    stage = FlowStage(
        store, flow_of(send("a", wait_until=DayOffset(-1, "birthday")), send("b", after=hours(1)))
    )
    due, past, none = (
        stage.start(at(2), **more)
        for more in ({"birthday": date(2027, 3, 5)}, {"birthday": date(2027, 3, 2)}, {})
    )
    stage.walk(at(2, 9, 30))
    assert (stage.whats(past), stage.whats(none), stage.whats(due)) == ({"a": "passed"}, {"a": "passed"}, {})
    assert stage.detail(none, "a") == "birthday is not known"
    stage.walk(at(4, 8, 1))
    assert stage.history(due)["a"] == ("reached", at(4, 8))


def test_a_day_that_is_moved_meanwhile_counts(store) -> None:
    from datetime import date

    stage = FlowStage(store, flow_of(send("a", wait_until=DayOffset(0, "birthday"))))
    one = stage.start(at(2), birthday=date(2027, 3, 5))
    stage.walk(at(2))
    stage.change(stage.journey(one).customer_id, birthday=date(2027, 3, 9))
    stage.walk(at(5))
    assert stage.whats(one) == {}
    stage.walk(at(9))
    assert stage.whats(one) == {"a": "reached"}


def test_days_keep_the_local_hour_when_the_clocks_change(store) -> None:
    stage = FlowStage(store, flow_of(send("a"), send("b", after=days(3))))
    one = stage.start(at(26))
    stage.walk(at(26))
    stage.walk(at(29, 7, 59))
    assert stage.sent(one) == ["a"]
    stage.walk(at(29, 8))
    assert stage.sent(one) == ["a", "b"]


def test_after_a_standstill_the_next_delay_counts_from_when_things_really_happened(store) -> None:
    stage = FlowStage(store, flow_of(send("a"), send("b", after=days(1))))
    late, prompt = stage.start(at(2, 9)), stage.start(at(3, 11))
    stage.walk(at(3, 11, 30))
    assert stage.history(late)["a"] == ("reached", at(3, 11, 30))
    assert stage.history(prompt)["a"] == ("reached", at(3, 11))


def test_several_steps_without_delay_are_taken_in_one_round(store) -> None:
    stage = FlowStage(
        store, flow_of(send("a"), Step("s", "set", values=(("vip", True),)), send("b", when=(VIP,)))
    )
    one = stage.start(at(2))
    stage.walk(at(2))
    assert (stage.sent(one), stage.journey(one).outcome) == (["a", "b"], "finished")


def test_a_split_sends_the_same_customer_the_same_way_each_time(store) -> None:
    flow = flow_of(
        Step("s", "split", split=(("a", Share(5_000)), ("b", Share(5_000)))), send("a", then="end"), send("b")
    )
    stage = FlowStage(store, flow)
    customers = [stage.person() for _ in range(30)]
    ways = []
    for day in (2, 3):
        entered = [stage.enter(one, at(day)) for one in customers]
        stage.walk(at(day))
        ways.append([stage.sent(one)[0] for one in entered])
    assert ways[0] == ways[1]
    assert set(ways[0]) == {"a", "b"}


def test_set_writes_the_column_and_remove_from_ends_the_membership(store) -> None:
    flow = flow_of(
        Step("s", "set", values=(("vip", True), ("orders", None))), Step("l", "add_to", segment="fans"),
        Step("w", "wait", after=days(1)), Step("r", "remove_from", segment="fans"),
    )  # fmt: skip
    stage = FlowStage(store, flow)
    one = stage.start(at(2), orders=3)
    stage.walk(at(2))
    assert (_vip(stage, one), _listed(stage, one)) == (True, True)
    stage.walk(at(3))
    assert not _listed(stage, one)


def test_for_each_contract_events_of_another_contract_count_nothing(store) -> None:
    flow = flow_of(
        send("a", after=days(1)), leave_when=(DidCondition("order"),), again=Again("each", each="contract")
    )
    stage = FlowStage(store, flow)
    customer = stage.person()
    journeys = {}
    for contract in ("c1", "c2"):
        event = stage.event(customer, "basket", at(2), contract=contract)
        journeys[contract] = stage.enter(customer, at(2), event=event, subject=contract)
    stage.event(customer, "order", at(2, 12), contract="c1")
    stage.walk(at(3))
    assert stage.whats(journeys["c1"]) == {"a": "left"}
    assert stage.whats(journeys["c2"]) == {"a": "reached"}


def test_the_first_channel_of_via_that_reaches_is_taken_else_the_refusal_is_that_of_the_first(store) -> None:
    stage = FlowStage(store, flow_of(send("a", via=("sms", "email"))))
    one, nobody = stage.start(at(2)), stage.start(at(2), email=False)
    stage.walk(at(2))
    (message,) = stage.messages(one)
    assert (message.channel, message.leg, message.state) == ("email", 1, "planned")
    (refused,) = stage.messages(nobody)
    assert (refused.channel, refused.state, refused.refusal_code) == ("sms", "refused", "unreachable")
    assert refused.refusal_rule == "via"
    assert stage.whats(nobody) == {"a": "reached"}


def test_a_paused_run_and_one_of_another_version_are_left_alone(store) -> None:
    stage = FlowStage(store, flow_of(send("a")))
    one = stage.start(at(2))
    runs = sending.runs
    for values in ({"state": "paused"}, {"state": "sending", "version": 2}):
        with store.durable("test") as connection:
            connection.execute(sa.update(runs).where(runs.c.id == stage.run_id).values(**values))
        assert stage.walk(at(2)).moved == 0
    stage.version = 2
    stage.walk(at(2))
    assert [(row.step, row.version) for row in stage.messages(one)] == [("a", 2)]


def test_waits_are_looked_at_only_when_something_came_in(store) -> None:
    stage = FlowStage(store, flow_of(Step("w", "wait_for", wait_for=WaitFor("order", days(3)))))
    one = stage.start(at(2))
    stage.walk(at(2))
    mark = sa.select(trigger_marks.c.low).where(
        trigger_marks.c.run_id == stage.run_id, trigger_marks.c.name == "wait"
    )
    event = stage.event(stage.journey(one).customer_id, "view", at(2, 10))
    stage.walk(at(2, 10, 1))
    with store.read() as connection:
        assert connection.execute(mark).scalar_one() == event
    assert stage.walk(at(2, 10, 2)).moved == 0


class Stopped(Exception):
    """The process ended here."""


def test_killed_after_any_statement_and_begun_again_everything_is_there_once(store, monkeypatch) -> None:
    flow = flow_of(
        send("a", when=(VIP,)), Step("s", "set", instead_of="a", values=(("vip", True),)), send("b"),
        Step("w", "wait_for", wait_for=WaitFor("order", days(1))), send("c"),
    )  # fmt: skip
    calm = FlowStage(store, flow)
    people_in = [{"vip": True}, {}, {"vip": False}]
    expected = [calm.start(at(2), **more) for more in people_in]
    calm.walk(at(2))
    calm.walk(at(3, 9, 1))
    left, seen = [0], [0]

    def count(*_: object) -> None:
        seen[0] += 1
        if left[0] and seen[0] == left[0]:
            raise Stopped

    stage = FlowStage(store, replace(flow, id=f"{flow.id}b"))
    enrolled = [stage.start(at(2), **more) for more in people_in]
    sa.event.listen(sa.Engine, "after_cursor_execute", count)
    try:
        for now in (at(2), at(3, 9, 1)):
            for kill in range(1, 400):
                left[0], seen[0] = kill, 0
                try:
                    stage.walk(now)
                except Stopped:
                    continue
                break
            else:
                pytest.fail("the walk never came to its end")
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", count)
    assert kill > 10
    for one, other in zip(enrolled, expected, strict=True):
        assert (stage.history(one), stage.sent(one)) == (calm.history(other), calm.sent(other))


def test_four_workers_on_one_flow_do_nothing_twice(store, monkeypatch) -> None:
    monkeypatch.setattr(walking, "CHUNK", 7)
    stage = FlowStage(
        store, flow_of(send("a"), send("b"), Step("w", "wait_for", wait_for=WaitFor("order", days(1))))
    )
    entered = [stage.start(at(2)) for _ in range(60)]
    done = []
    workers = [Thread(target=lambda: done.append(stage.walk(at(2)))) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    stage.walk(at(2))
    assert len(done) == 4
    assert len(stage.messages()) == 120
    assert sum(one.sent for one in done) <= 120
    assert all(stage.whats(one) == {"a": "reached", "b": "reached", "w": "reached"} for one in entered)


def _vip(stage: FlowStage, enrolment: int) -> bool | None:
    from support.stores import ATTRIBUTES
    from tidings.store.vocabulary import attributes_table

    table = attributes_table(ATTRIBUTES)
    with stage.store.read() as connection:
        return connection.execute(
            sa.select(table.c.vip).where(table.c.customer_id == stage.journey(enrolment).customer_id)
        ).scalar()


def _listed(stage: FlowStage, enrolment: int) -> bool:
    members = people.segment_members
    with stage.store.read() as connection:
        return (
            connection.execute(
                sa.select(members.c.id).where(
                    members.c.customer_id == stage.journey(enrolment).customer_id,
                    members.c.valid_to.is_(None),
                )
            ).first()
            is not None
        )
