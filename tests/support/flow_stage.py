"""A flow on a store without the rest of the product: definitions made here, people put in by hand, ticks at will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from support.stores import ATTRIBUTES
from tidings.clock import from_micros, to_micros
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.kinds.rules import Event, EventProperty, Events, Policies, Purpose, Workspace
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.kinds.timing import Again
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.due import after_instant
from tidings.flows.journeys.walking import Walked, walk_due
from tidings.store.database import Store
from tidings.store.tables import answers, people, sending
from tidings.store.tables.journeys import journey_steps, journeys
from tidings.store.vocabulary import attributes_table

ZONE = "Europe/Stockholm"
EVENTS = Events(
    (
        Event("basket", properties=(EventProperty("size", "number"), EventProperty("contract", "text"), EventProperty("until", "date"))),
        Event("order", properties=(EventProperty("contract", "text"),)),
        Event("view"),
    )
)  # fmt: skip
PURPOSES = (Purpose("marketing", "marketing", "not needed"), Purpose("news", "marketing", "required"))
CHANNELS = {
    "email": Channel("email", "E-mail", "channels/email.yaml", "smtp"),
    "sms": Channel("sms", "SMS", "channels/sms.yaml", "twilio", kind="sms"),
}
_numbers = count(1)


def hours(number: int) -> Duration:
    return Duration(number, Unit.HOUR)


def days(number: int) -> Duration:
    return Duration(number, Unit.DAY)


def send(name: str, **more: Any) -> Step:
    return Step(name, "send", send=f"m/{name}", **{"via": ("email",), **more})


def flow_of(*steps: Step, starts: Start | None = None, **more: Any) -> Flow:
    name = f"f{next(_numbers)}"
    return Flow(name, "A flow", f"flows/{name}.yaml", starts or Start("event", "basket"), steps, **more)


def definitions_of(flow: Flow, *, policies: Policies | None = None) -> Definitions:
    return Definitions(
        root="",
        workspace=Workspace("test", "Test", ZONE, "salt", "EUR"),
        policies=policies or Policies(PURPOSES),
        attributes=ATTRIBUTES,
        events=EVENTS,
        segments={"fans": Segment("fans", "Fans", "segments/fans.yaml", members="listed")},
        channels=CHANNELS,
        flows={flow.id: flow},
    )


@dataclass
class FlowStage:
    """One live flow on a store."""

    store: Store
    flow: Flow
    definitions: Definitions = field(init=False)
    run_id: int = field(init=False)
    version: int = 1

    def __post_init__(self) -> None:
        self.definitions = definitions_of(self.flow)
        with self.store.durable("test") as connection:
            self.run_id = connection.execute(
                sending.runs.insert()
                .values(
                    campaign=self.flow.id, occurrence="flow", kind="flow", definition_hash="d", policy_hash="p",
                    salt=f"{self.flow.id}/flow", state="sending", anchor_at=0, created_at=0, bounds={},
                )
                .returning(sending.runs.c.id)
            ).scalar_one()  # fmt: skip

    def person(self, *, email: bool = True, **values: Any) -> int:
        """Add a customer; values are fixed columns or attributes."""
        number = next(_numbers)
        fixed = {name: value for name, value in values.items() if name in people.customers.c}
        own = {name: value for name, value in values.items() if name not in people.customers.c}
        if email:
            fixed |= {"email": f"p{number}@example.com", "email_hash": f"h{number}"}
        with self.store.durable("test") as connection:
            customer = connection.execute(
                people.customers.insert()
                .values(**{"key": f"k{number}", "u": number * 7919, "created_at": 0, **fixed})
                .returning(people.customers.c.id)
            ).scalar_one()
            if own:
                connection.execute(attributes_table(ATTRIBUTES).insert().values(customer_id=customer, **own))
        return int(customer)

    def change(self, customer: int, **values: Any) -> None:
        table = attributes_table(ATTRIBUTES)
        with self.store.durable("test") as connection:
            if not connection.execute(
                sa.update(table).where(table.c.customer_id == customer).values(**values)
            ).rowcount:
                connection.execute(table.insert().values(customer_id=customer, **values))

    def event(self, customer: int, name: str, at: datetime, **properties: Any) -> int:
        """Store an event; returns its id."""
        names, events = people.event_names, people.events
        with self.store.durable("test") as connection:
            known = connection.execute(sa.select(names.c.id).where(names.c.name == name)).scalar()
            if known is None:
                known = connection.execute(
                    names.insert().values(name=name).returning(names.c.id)
                ).scalar_one()
            return int(
                connection.execute(
                    events.insert()
                    .values(
                        name_id=known, customer_id=customer, occurred_at=to_micros(at), received_at=to_micros(at),
                        source="test", dedupe_key=str(next(_numbers)), properties=properties or None,
                    )
                    .returning(events.c.id)
                ).scalar_one()
            )  # fmt: skip

    def enter(
        self,
        customer: int,
        at: datetime,
        *,
        arm: str = "treated",
        event: int | None = None,
        subject: str = "",
    ) -> int:
        """Let a customer in at an instant, before the first step; returns the enrolment."""
        first, anchor = self.flow.steps[0], to_micros(at)
        due = after_instant(anchor, first.after, ZoneInfo(ZONE)) if first.after else anchor
        with self.store.durable("test") as connection:
            entry = connection.execute(
                sa.select(sa.func.count())
                .select_from(sending.enrolments)
                .where(
                    sending.enrolments.c.run_id == self.run_id, sending.enrolments.c.customer_id == customer
                )
            ).scalar_one()
            enrolment = connection.execute(
                sending.enrolments.insert()
                .values(
                    run_id=self.run_id,
                    customer_id=customer,
                    entry=entry,
                    arm=arm,
                    anchor_at=anchor,
                    planned_at=anchor,
                )
                .returning(sending.enrolments.c.id)
            ).scalar_one()
            connection.execute(
                journeys.insert().values(
                    enrolment_id=enrolment, run_id=self.run_id, customer_id=customer, start_ref=f"t{enrolment}",
                    subject=subject, event_id=event, state="walking", step=first.name, due_at=due, reached_at=anchor,
                )
            )  # fmt: skip
        return int(enrolment)

    def start(self, at: datetime, *, arm: str = "treated", email: bool = True, subject: str = "", properties: dict[str, Any] | None = None, **values: Any) -> int:  # fmt: skip
        """Add a person who starts the flow by an event; returns the enrolment."""
        customer = self.person(email=email, **values)
        event = self.event(customer, "basket", at, **(properties or {}))
        return self.enter(customer, at, arm=arm, event=event, subject=subject)

    def walk(self, now: datetime) -> Walked:
        return walk_due(self.store, self.definitions, self.flow, self.run_id, self.version, now=now)

    def respond(
        self, enrolment: int, step: str, at: datetime, kind: str = "clicked", judged: str = "human"
    ) -> None:
        """Store a response to the message of a step."""
        messages = sending.messages
        with self.store.durable("test") as connection:
            row = connection.execute(
                sa.select(messages.c.id, messages.c.customer_id).where(
                    messages.c.enrolment_id == enrolment, messages.c.step == step
                )
            ).one()
            connection.execute(
                answers.responses.insert().values(
                    kind=kind,
                    judged=judged,
                    rule_version=1,
                    customer_id=row[1],
                    message_id=row[0],
                    at=to_micros(at),
                )
            )

    def history(self, enrolment: int) -> dict[str, tuple[str, datetime]]:
        """Return what became of each step, and when."""
        rows = self._rows(sa.select(journey_steps).where(journey_steps.c.enrolment_id == enrolment))
        return {row.step: (row.what, from_micros(row.at)) for row in rows}

    def whats(self, enrolment: int) -> dict[str, str]:
        return {step: what for step, (what, _) in self.history(enrolment).items()}

    def detail(self, enrolment: int, step: str) -> str | None:
        (row,) = self._rows(
            sa.select(journey_steps.c.detail).where(
                journey_steps.c.enrolment_id == enrolment, journey_steps.c.step == step
            )
        )
        return row.detail

    def messages(self, enrolment: int | None = None) -> list[Any]:
        table = sending.messages
        which = [table.c.run_id == self.run_id]
        if enrolment is not None:
            which.append(table.c.enrolment_id == enrolment)
        return self._rows(sa.select(table).where(*which).order_by(table.c.id))

    def sent(self, enrolment: int) -> list[str]:
        return [row.step for row in self.messages(enrolment) if row.state == "planned"]

    def journey(self, enrolment: int) -> Any:
        (row,) = self._rows(sa.select(journeys).where(journeys.c.enrolment_id == enrolment))
        return row

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that walking writes of this flow, in an order of its own."""
        ours = sa.select(sending.enrolments.c.id).where(sending.enrolments.c.run_id == self.run_id)
        m = sending.messages.c
        return {
            "messages": [tuple(row) for row in self._rows(sa.select(m.enrolment_id, m.step, m.leg, m.channel, m.state, m.due_at, m.refusal_code).where(m.run_id == self.run_id).order_by(m.enrolment_id, m.step))],
            "steps": [tuple(row) for row in self._rows(sa.select(journey_steps).where(journey_steps.c.enrolment_id.in_(ours)).order_by(journey_steps.c.enrolment_id, journey_steps.c.step))],
            "journeys": [tuple(row) for row in self._rows(sa.select(journeys).where(journeys.c.run_id == self.run_id).order_by(journeys.c.enrolment_id))],
        }  # fmt: skip

    def _rows(self, select: Any) -> Sequence[Any]:
        with self.store.read() as connection:
            return connection.execute(select).all()


def at(day: int, hour: int = 9, minute: int = 0, month: int = 3) -> datetime:
    """An instant of 2027."""
    return datetime(2027, month, day, hour, minute, tzinfo=UTC)


__all__ = [
    "Again",
    "FlowStage",
    "Iterable",
    "Start",
    "Step",
    "at",
    "days",
    "definitions_of",
    "flow_of",
    "hours",
    "send",
]
