"""The walker against a naive interpreter of one person at a time: random flows, people, happenings and ticks, on both databases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.flow_stage import ZONE, FlowStage, flow_of
from support.naive_flow import Happened, Life, Walker
from support.stores import Stores, open_store
from tidings.campaigns.assignment import bucket, salt_for
from tidings.clock import from_micros
from tidings.definitions.conditions import (
    AttributeCondition,
    DidCondition,
    NoneOfThese,
    SegmentCondition,
    StartPropertyCondition,
    Times,
    WithinLast,
)
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, Step, WaitFor
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Compared, Duration, Is, Known, Not, Order, Share, Unit
from tidings.store.database import Store
from tidings.store.tables import people, sending

EXAMPLES = int(os.environ.get("TIDINGS_EXAMPLES", "25"))
# Three days before the clocks are set forward in Stockholm.
BEGIN = datetime(2027, 3, 25, 22, 30, tzinfo=UTC)
VIP = AttributeCondition("vip", Is(True))
CONDITIONS = st.sampled_from(
    [
        VIP,
        NoneOfThese((VIP,)),
        AttributeCondition("orders", Compared(Order.AT_LEAST, Decimal(2))),
        AttributeCondition("account_type", Not(Is("business"))),
        DidCondition("order"),
        DidCondition("order", negated=True),
        DidCondition("view", Times(2)),
        DidCondition("view", window=WithinLast(Duration(2, Unit.DAY))),
        SegmentCondition("fans"),
        StartPropertyCondition("basket", "size", Compared(Order.AT_LEAST, Decimal(3))),
        StartPropertyCondition("basket", "contract", Known()),
    ]
)
LENGTHS = st.sampled_from(
    [Duration(30, Unit.MINUTE), Duration(5, Unit.HOUR), Duration(1, Unit.DAY), Duration(3, Unit.DAY)]
)
GAPS = st.sampled_from([timedelta(minutes=20), timedelta(hours=2), timedelta(hours=7), timedelta(days=1), timedelta(days=2, hours=1)])  # fmt: skip


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """Flows as the checks let them pass: they lead onwards, and an alternative stands for a step that may be passed over."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 6)))]
    alternatives: dict[str, str] = {}
    steps: list[Step] = []
    passable: list[str] = []
    for place, name in enumerate(names):
        free = [one for one in passable if one not in alternatives.values()]
        if free and draw(st.integers(0, 3)) == 0:
            alternatives[name] = draw(st.sampled_from(free))
        kind = draw(st.sampled_from(["when", "when", "until", "plain", "plain"]))
        if kind != "plain":
            passable.append(name)
        more: dict[str, object] = {"instead_of": alternatives.get(name, "")}
        if kind == "when":
            more["when"] = tuple(draw(st.lists(CONDITIONS, min_size=1, max_size=2)))
        if kind == "until":
            dated = draw(st.sampled_from(["birthday", "until"]))
            more["wait_until"] = DayOffset(
                draw(st.integers(-2, 2)), dated, time(draw(st.sampled_from([2, 9])), 30)
            )
        elif draw(st.booleans()):
            more["after"], more["quiet"] = draw(LENGTHS), draw(st.integers(0, 3)) == 0
        steps.append(Step(name, "?", **more))  # type: ignore[arg-type]
    made = []
    for place, step in enumerate(steps):
        later = [one.name for one in steps[place + 1 :] if not one.instead_of]
        targets = [*later, "end"]
        verb = draw(
            st.sampled_from(
                ["send", "send", "send", "wait_for", "wait", "set", "add_to", "remove_from", "end", "split"]
            )
        )
        more = {"then": draw(st.sampled_from(["", "", *targets]))}
        if verb == "split":
            if len(targets) < 2:
                verb = "wait"
            else:
                one, other = draw(st.permutations(targets))[:2]
                share = draw(st.integers(1, 9_999))
                more = {"split": ((one, Share(share)), (other, Share(10_000 - share)))}
        if verb == "end":
            more = {}
        if verb == "send":
            more |= {"send": "m", "via": ("email",)}
        if verb == "set":
            more["values"] = (("vip", draw(st.sampled_from([True, False, None]))),)
        if verb in ("add_to", "remove_from"):
            more["segment"] = "fans"
        if verb == "wait_for":
            sends = [one.name for one in made if one.verb == "send"]
            event = draw(st.sampled_from(["order", "view", *(["clicked"] if sends else [])]))
            of = draw(st.sampled_from(["", *sends])) if event == "clicked" else ""
            more["wait_for"] = WaitFor(
                event, draw(LENGTHS), of=of, if_not=draw(st.sampled_from(["", *targets]))
            )
        made.append(Step(**{**{name: getattr(step, name) for name in ("name", "after", "quiet", "wait_until", "when", "instead_of")}, "verb": verb, **more}))  # fmt: skip
    with_ = draw(st.sampled_from([(), (("size", Compared(Order.AT_LEAST, Decimal(1))),)]))
    leave = tuple(draw(st.lists(CONDITIONS, max_size=1)))
    again = draw(st.sampled_from([Again("always"), Again("each", each="contract")]))
    return flow_of(*made, starts=Start("event", "basket", with_), leave_when=leave, again=again)


@dataclass
class Person:
    """Somebody in the flow, in the store and in the naive world."""

    enrolment: int
    customer: int
    walker: Walker


CONTRACTS = st.sampled_from(["c1", "c2"])
BASKET = st.fixed_dictionaries({"size": st.integers(0, 4), "contract": CONTRACTS}, optional={"until": st.sampled_from(["2027-03-27", "2027-03-28", "2027-04-01"])})  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, stores: Callable[[str], Stores]) -> Iterator[Store]:
    """One store for all examples: each is a flow of its own."""
    source = stores(request.param)
    store = open_store(source.url(request.param))
    yield store
    store.close()
    source.drop(store.url)


@given(data=st.data(), flow=flows())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_walker_does_what_a_naive_reading_of_the_flow_does(
    shared: Store, data: st.DataObject, flow: Flow
) -> None:
    stage = FlowStage(shared, flow)
    people_in = [_enter(stage, flow, data) for _ in range(data.draw(st.integers(1, 3), label="people"))]
    now = BEGIN
    for _ in range(data.draw(st.integers(1, 7), label="ticks")):
        before, now = now, now + data.draw(GAPS, label="gap")
        for person in people_in:
            _live(stage, person, before, now, data)
        stage.walk(now)
        for person in people_in:
            person.walker.tick(now)
            _same(stage, person)
    assert _counts(stage) == sum(len(person.walker.messages) for person in people_in)


def _enter(stage: FlowStage, flow: Flow, data: st.DataObject) -> Person:
    attributes = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "vip": st.booleans(),
                "orders": st.integers(0, 3),
                "account_type": st.sampled_from(["person", "business"]),
                "birthday": st.sampled_from([date(2027, 3, 26), date(2027, 3, 28), date(2027, 3, 30)]),
            },
        ),
        label="attributes",
    )
    reachable = data.draw(st.integers(0, 4), label="reachable") > 0
    customer = stage.person(email=reachable, **attributes)
    properties = {**data.draw(BASKET, label="basket"), "size": data.draw(st.integers(1, 4), label="size")}
    at = BEGIN - data.draw(GAPS, label="started")
    number = stage.event(customer, "basket", at, **properties)
    subject = properties["contract"] if flow.again.how == "each" else ""
    arm = data.draw(st.sampled_from(["treated", "treated", "holdout"]), label="arm")
    enrolment = stage.enter(customer, at, arm=arm, event=number, subject=subject)
    with stage.store.read() as connection:
        u = connection.execute(
            sa.select(people.customers.c.u).where(people.customers.c.id == customer)
        ).scalar_one()
    happened = Happened("basket", at, properties, number)
    life = Life(dict(attributes), [happened], reachable=reachable)
    walker = Walker(
        flow, life, ZoneInfo(ZONE), at, arm, happened, subject,
        draw=lambda step: bucket(u, salt_for("salt", f"{flow.id}/{step}", "split")),
    )  # fmt: skip
    return Person(enrolment, customer, walker)


def _live(stage: FlowStage, person: Person, before: datetime, now: datetime, data: st.DataObject) -> None:
    """Let something happen to a person between two ticks."""
    life = person.walker.life
    minutes = int((now - before) / timedelta(minutes=1))
    for name in data.draw(st.lists(st.sampled_from(["order", "view", "basket"]), max_size=2), label="events"):
        at = before + timedelta(minutes=data.draw(st.integers(0, minutes), label="minute"))
        properties = data.draw(BASKET, label="basket") if name == "basket" else {"contract": data.draw(CONTRACTS)} if name == "order" else {}  # fmt: skip
        number = stage.event(person.customer, name, at, **properties)
        life.events.append(Happened(name, at, properties, number))
    planned = [step for step, state in person.walker.messages if state == "planned"]
    if planned and data.draw(st.booleans(), label="clicks"):
        step, judged = (
            data.draw(st.sampled_from(planned)),
            data.draw(st.sampled_from(["human", "machine", "unknown"])),
        )
        at = before + timedelta(minutes=data.draw(st.integers(0, minutes), label="minute"))
        stage.respond(person.enrolment, step, at, judged=judged)
        if judged == "human":
            life.responses.append((step, "clicked", at))
    if data.draw(st.integers(0, 4), label="changes") == 0:
        value = data.draw(st.booleans())
        stage.change(person.customer, vip=value)
        life.attributes["vip"] = value


def _same(stage: FlowStage, person: Person) -> None:
    walker, journey = person.walker, stage.journey(person.enrolment)
    assert stage.history(person.enrolment) == walker.history
    assert [(row.step, row.state) for row in stage.messages(person.enrolment)] == walker.messages
    ended = (journey.outcome, from_micros(journey.ended_at)) if journey.state == "ended" else None
    assert ended == walker.ended
    if ended is None:
        assert (journey.step, from_micros(journey.due_at)) == (walker.step, walker.due)


def _counts(stage: FlowStage) -> int:
    table = sending.messages
    with stage.store.read() as connection:
        return int(
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.run_id == stage.run_id)
            ).scalar_one()
        )
