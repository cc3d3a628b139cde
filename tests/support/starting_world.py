"""A small world for what starts flows: definitions without files, customers, what they do, and who walks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from support.stores import ATTRIBUTES
from tidings.clock import from_micros, to_micros
from tidings.customers.identity import customer_u
from tidings.definitions.conditions import AttributeCondition
from tidings.definitions.kinds.flow import Flow, Start, Step
from tidings.definitions.kinds.rules import Event, EventProperty, Events, Policies, Purpose, Workspace
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.values import Duration, Is, Share, Unit
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.live import find_live
from tidings.flows.journeys.starting import start_due
from tidings.flows.journeys.versions import start_flow
from tidings.segments.membership import refresh
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending
from tidings.store.vocabulary import attributes_table

SALT = "salt"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EVENTS = Events(
    (
        Event(
            "basket_updated",
            properties=(EventProperty("total", "number"), EventProperty("basket", "text")),
        ),
        Event("order_placed"),
        Event(
            "contract_signed",
            properties=(EventProperty("contract", "text"), EventProperty("ends_on", "date")),
        ),
    )
)
GOLD = Segment("gold", "Gold", "segments/gold.yaml", (AttributeCondition("member_level", Is("gold")),))
FAIR = Segment("fair", "Fair", "segments/fair.yaml", members="listed")


def days(amount: int) -> Duration:
    return Duration(amount, Unit.DAY)


def wait(name: str, amount: int = 1, **more: Any) -> Step:
    return Step(name, "wait", after=days(amount), **more)


def flow(starts: Start | None = None, *steps: Step, **more: Any) -> Flow:
    """Return a flow named `basket`; by itself it starts by the event basket_updated and waits a day."""
    return Flow(
        "basket",
        "Basket",
        "flows/basket.yaml",
        starts or Start("event", event="basket_updated"),
        steps or (wait("first"),),
        **more,
    )


def definitions_of(one: Flow, *, control: int = 0, zone: str = "Europe/Stockholm") -> Definitions:
    """Return a workspace with that one flow; its file says whatever the flow says, so that edits differ."""
    return Definitions(
        root="",
        workspace=Workspace("test", "Test shop", zone, SALT, "EUR"),
        policies=Policies(
            (Purpose("marketing", "marketing"), Purpose("service", "service", consent="not needed")),
            global_control=Share(control),
        ),
        attributes=ATTRIBUTES,
        events=EVENTS,
        segments={"gold": GOLD, "fair": FAIR},
        flows={one.id: one},
        files={
            one.path: repr(one).encode(),
            GOLD.path: b"segment: Gold",
            FAIR.path: b"segment: Fair",
            "config/workspace.yaml": b"workspace: test",
        },
    )


@dataclass
class World:
    """A store with one flow. Instants are the clock's; `now` moves it."""

    store: Store
    flow: Flow
    control: int = 0
    zone: str = "Europe/Stockholm"
    run_id: int = 0
    names: dict[str, int] = field(default_factory=dict)

    @property
    def definitions(self) -> Definitions:
        return definitions_of(self.flow, control=self.control, zone=self.zone)

    @property
    def now(self) -> datetime:
        return self.store.clock.now()

    def later(self, by: timedelta) -> None:
        self.store.clock.advance(by)  # type: ignore[attr-defined]

    def people(self, count: int, **values: Any) -> None:
        """Add customers 1 to `count`; `values` are columns of customers."""
        at = to_micros(self.now)
        rows = [
            {"id": one, "key": f"c{one}", "u": customer_u(SALT, f"c{one}"), "created_at": at, **values}
            for one in range(1, count + 1)
        ]
        with self.store.durable("test") as connection:
            connection.execute(people.customers.insert(), rows)
            connection.execute(people.event_names.insert(), [{"name": event.name} for event in EVENTS.events])

    def attribute(self, customer: int, **values: Any) -> None:
        table = attributes_table(ATTRIBUTES)
        with self.store.durable("test") as connection:
            connection.execute(table.delete().where(table.c.customer_id == customer))
            connection.execute(table.insert().values(customer_id=customer, **values))

    def customer(self, customer: int, **values: Any) -> None:
        with self.store.durable("test") as connection:
            connection.execute(
                people.customers.update().where(people.customers.c.id == customer).values(**values)
            )

    def did(
        self, customer: int, name: str = "basket_updated", *, ago: timedelta = timedelta(), **more: Any
    ) -> int:
        """Store an event that happened so long ago and is received now; return its id."""
        with self.store.durable("test") as connection:
            return self.did_in(connection, customer, name, ago=ago, **more)

    def did_in(
        self,
        connection: sa.Connection,
        customer: int | None,
        name: str = "basket_updated",
        *,
        ago: timedelta = timedelta(),
        received: timedelta = timedelta(),
        id: int | None = None,
        **properties: Any,
    ) -> int:
        names = people.event_names
        name_id = connection.execute(sa.select(names.c.id).where(names.c.name == name)).scalar_one()
        self.names[name] = self.names.get(name, 0) + 1
        values = {
            "name_id": name_id,
            "customer_id": customer,
            "visitor": None if customer else "somebody",
            "occurred_at": to_micros(self.now - ago),
            "received_at": to_micros(self.now - received),
            "source": "test",
            "dedupe_key": f"{name}/{self.names[name]}/{id}",
            "properties": properties or None,
        }
        if id is not None:
            values["id"] = id
        return int(
            connection.execute(
                people.events.insert().values(**values).returning(people.events.c.id)
            ).scalar_one()
        )

    def live(self) -> int:
        """Let the flow go live."""
        self.run_id = start_flow(self.store, self.definitions, self.flow.id, approved_by="anna", now=self.now)
        return self.run_id

    def edit(self, **changes: Any) -> None:
        """Let an edited version go live."""
        self.flow = replace(self.flow, **changes)
        self.live()

    def tick(self) -> int:
        return start_due(self.store, self.flow, self.definitions, self.run_id, now=self.now)

    def refresh(self) -> None:
        refresh(self.store, self.definitions, ["gold"], now=self.now)

    def journeys(self) -> list[Any]:
        """Return every journey with its enrolment, in the order of entering."""
        walked, enrolments = journeys.journeys, sending.enrolments
        with self.store.read() as connection:
            return list(
                connection.execute(
                    sa.select(
                        walked,
                        enrolments.c.entry,
                        enrolments.c.arm,
                        enrolments.c.anchor_at,
                        enrolments.c.variant,
                    )
                    .join(enrolments, enrolments.c.id == walked.c.enrolment_id)
                    .order_by(enrolments.c.customer_id, enrolments.c.entry)
                ).all()
            )

    def who(self) -> list[int]:
        return [one.customer_id for one in self.journeys()]

    def end(self, *customers: int, outcome: str = "finished") -> None:
        """End the journeys of customers, as walking them to their end does."""
        walked = journeys.journeys
        with self.store.durable("test") as connection:
            connection.execute(
                walked.update()
                .where(walked.c.customer_id.in_(customers), walked.c.state == "walking")
                .values(state="ended", outcome=outcome, ended_at=to_micros(self.now))
            )

    def at(self, micros: int) -> datetime:
        return from_micros(micros)

    @property
    def version(self) -> int:
        found = find_live(self.store, self.flow.id)
        assert found is not None
        return found.version
