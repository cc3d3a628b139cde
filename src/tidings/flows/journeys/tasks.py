"""Work for people: `notify` of a step sets a task, a person answers it, and an answer is an event of the customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.local_time import instant_of
from tidings.clock import from_micros, iso, to_micros
from tidings.definitions.kinds.flow import Flow, Person, Step
from tidings.definitions.kinds.rules import TASK_EVENTS
from tidings.definitions.kinds.timing import Holidays
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.flows.journeys.due import after_instant
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending
from tidings.store.vocabulary import attributes_table

SOURCE = "tasks"
# What a person can answer, and the state that the task is in then. Whoever accepted a task can still return it, or be done.
ANSWERS = {"accept": "accepted", "return": "returned", "done": "done"}
_BEFORE = {"accepted": ("open",), "returned": ("open", "accepted"), "done": ("open", "accepted")}
_tasks = journeys.tasks


@dataclass(frozen=True, slots=True)
class Task:
    """One task as it stands: `person` of config/staff.yaml, `due_at` None where the step says no `due`."""

    id: int
    flow: str
    step: str
    customer: str
    person: str
    state: str
    created_at: datetime
    due_at: datetime | None
    answer: str
    mail: str
    escalated: bool
    card: str

    def as_json(self) -> dict[str, Any]:
        """Return it with the stable keys of `tidings tasks --json`."""
        return {
            "task": self.id,
            "flow": self.flow,
            "step": self.step,
            "customer": self.customer,
            "person": self.person,
            "state": self.state,
            "created_at": iso(self.created_at),
            "due_at": iso(self.due_at) if self.due_at else None,
            "answer": self.answer,
            "mail": self.mail,
            "escalated": self.escalated,
            "card": self.card,
        }


def set_tasks(
    connection: sa.Connection,
    reached: sa.FromClause,
    *,
    flow: Flow,
    step: Step,
    definitions: Definitions,
    run_id: int,
    at: int,
) -> int:
    """Set the task of a step for those who reached it, in the transaction that moves their journeys; return how many.

    `reached` has the columns `enrolment_id` and `customer_id` of those treated. `at` is now, in microseconds. The card is
    written, and the mail sent, afterwards (`task_mails`). Setting a task twice does nothing.
    """
    person = definitions.staff.get(step.notify)
    if person is None:
        return 0
    zone = ZoneInfo(definitions.workspace.zone)
    source: sa.FromClause = reached
    choice: sa.ColumnElement[str] | None = None
    if person.attribute and definitions.attributes.get(person.attribute) is not None:
        table = attributes_table(definitions.attributes)
        source = source.outerjoin(table, table.c.customer_id == reached.c.customer_id)
        choice = table.c[person.attribute]
    others = (
        [one for one in definitions.staff.people if one.name != person.name] if choice is not None else []
    )

    def of(value: Any, kind: type[sa.types.TypeEngine[Any]], each: dict[str, Any]) -> sa.ColumnElement[Any]:
        """Return a value of the person whose name the attribute holds, else of the one that the step names."""
        own = sa.literal(value, kind)
        if choice is None or not each:
            return own
        return sa.case({name: sa.literal(one, kind) for name, one in each.items()}, value=choice, else_=own)

    due = {one.name: due_at(step, one, at, definitions.holidays, zone) for one in (person, *others)}
    rows = sa.select(
        sa.literal(run_id, sa.BigInteger),
        reached.c.enrolment_id,
        sa.literal(step.name, sa.Text),
        reached.c.customer_id,
        of(person.name, sa.Text, {one.name: one.name for one in others}),
        of(person.email, sa.Text, {one.name: one.email for one in others}),
        sa.literal("", sa.Text),
        sa.literal(at, sa.BigInteger),
        of(due[person.name], sa.BigInteger, {one.name: due[one.name] for one in others}),
        sa.literal("open", sa.Text),
        sa.literal("planned", sa.Text),
    ).select_from(source)
    names = ["run_id", "enrolment_id", "step", "customer_id", "person", "email", "card", "created_at", "due_at", "state", "mail"]  # fmt: skip
    return connection.execute(
        insert_ignoring(connection, _tasks).from_select(names, rows.order_by(reached.c.enrolment_id)),
        execution_options={"preserve_rowcount": True},
    ).rowcount


def due_at(step: Step, person: Person, at: int, holidays: Holidays, zone: ZoneInfo) -> int | None:
    """Return when a task that is set at `at` is due (microseconds): so many of the person's workdays later, at the same hour.

    A day that is a holiday or none of the person's workdays is not counted; a shifted workday is.
    """
    if step.due is not None:
        return after_instant(at, step.due, zone)
    if step.due_workdays is None:
        return None
    local = from_micros(at).astimezone(zone)
    day, left = local.date(), step.due_workdays
    while left:
        day += timedelta(days=1)
        working = day in holidays.workdays or (day.weekday() in person.workdays and day not in holidays.days)
        left -= working
    return to_micros(instant_of(datetime.combine(day, local.time()), zone))


def list_tasks(store: Store, *, person: str = "", everything: bool = False) -> list[Task]:
    """Return the tasks that wait for an answer (or are accepted), of one person or all; with `everything` the others too.

    Those that are due first come first.
    """
    runs, customers = sending.runs, people.customers
    conditions: list[sa.ColumnElement[bool]] = []
    if person:
        conditions.append(_tasks.c.person == person)
    if not everything:
        conditions.append(_tasks.c.state.in_(["open", "accepted"]))
    with store.read() as connection:
        rows = connection.execute(
            sa.select(_tasks, runs.c.campaign, customers.c.key)
            .select_from(
                _tasks.join(runs, runs.c.id == _tasks.c.run_id).join(
                    customers, customers.c.id == _tasks.c.customer_id
                )
            )
            .where(*conditions)
            .order_by(_tasks.c.due_at.is_(None), _tasks.c.due_at, _tasks.c.id)
        ).all()
    return [
        Task(
            row.id,
            row.campaign,
            row.step,
            row.key,
            row.person,
            row.state,
            from_micros(row.created_at),
            None if row.due_at is None else from_micros(row.due_at),
            row.answer or "",
            row.mail,
            row.escalated_at is not None,
            row.card,
        )
        for row in rows
    ]


def answer_task(store: Store, task_id: int, how: str, *, note: str, actor: str, now: datetime) -> str:
    """Answer a task (accept, return or done) and record it as an event of the customer; return the state it is in.

    The same answer again changes nothing. Raises UsageError where there is no such task, or it is answered otherwise.
    """
    state, at = ANSWERS[how], to_micros(now)
    with store.durable("task") as connection:
        store.note_time(connection, now)
        row = connection.execute(
            sa.select(_tasks, sending.runs.c.campaign)
            .select_from(_tasks.join(sending.runs, sending.runs.c.id == _tasks.c.run_id))
            .where(_tasks.c.id == task_id)
            .with_for_update(of=_tasks)
        ).first()
        if row is None:
            raise UsageError(f"there is no task {task_id}", what_to_do="`tidings tasks` lists them")
        if row.state == state:
            return state
        if row.state not in _BEFORE[state]:
            raise UsageError(
                f"task {task_id} is {row.state} already",
                what_to_do="the flow has gone on by that answer; tell the customer's next contact yourself",
            )
        connection.execute(
            sa.update(_tasks)
            .where(_tasks.c.id == task_id)
            .values(state=state, answer=note or row.answer, answered_at=at)
        )
        _record(connection, f"task_{state}", row, at)
        append(
            connection,
            at,
            actor,
            f"task {state}",
            f"{row.campaign}.{row.step}",
            {"task": task_id, "note": note},
        )
    return state


def _record(connection: sa.Connection, name: str, task: Any, at: int) -> None:
    """Write the event of an answer, once for each task and answer."""
    assert name in TASK_EVENTS
    events, names = people.events, people.event_names
    connection.execute(insert_ignoring(connection, names).values(name=name))
    name_id = connection.execute(sa.select(names.c.id).where(names.c.name == name)).scalar_one()
    connection.execute(
        insert_ignoring(connection, events).values(
            name_id=name_id,
            customer_id=task.customer_id,
            occurred_at=at,
            received_at=at,
            source=SOURCE,
            dedupe_key=f"{task.id}/{name}",
            properties={"flow": task.campaign, "step": task.step},
        )
    )
