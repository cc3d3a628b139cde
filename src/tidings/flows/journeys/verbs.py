"""What a step does for the customers who reached it, in the transaction that moves their journeys. Holdouts walk silently."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tidings.campaigns.assignment import salt_for, with_buckets
from tidings.clock import to_micros
from tidings.customers.attributes import tracked
from tidings.definitions.kinds.flow import Step
from tidings.definitions.money import exponent
from tidings.definitions.values import Scalar
from tidings.flows.journeys import verdicts as said
from tidings.flows.journeys.deciding import Walk, stage
from tidings.flows.journeys.tasks import set_tasks
from tidings.store.batches import insert_ignoring, insert_rows
from tidings.store.tables import people
from tidings.store.tables.journeys import journey_steps
from tidings.store.vocabulary import attributes_table

TREATED = (stage.c.arm == "treated", stage.c.verdict == said.REACHED)


def draw(connection: sa.Connection, walk: Walk, step: Step) -> None:
    """Draw the staged customers for the ways of a split: the same customer goes the same way each time."""
    customers = people.customers
    chosen = (
        sa.select(stage.c.enrolment_id, customers.c.u)
        .join(customers, customers.c.id == stage.c.customer_id)
        .subquery("chosen")
    )
    salt = salt_for(walk.definitions.workspace.salt, f"{walk.flow.id}/{step.name}", "split")
    drawn = with_buckets(chosen, {"bucket": salt})
    connection.execute(
        sa.update(stage).where(stage.c.enrolment_id == drawn.c.enrolment_id).values(bucket=drawn.c.bucket)
    )


def recording(dialect: str, walk: Walk, step: Step) -> sa.Insert:
    """Return the statement that writes what became of the step into the history of each staged journey."""
    reached: sa.ColumnElement[Any] = sa.null()
    if step.split:
        edge, whens = 0, []
        for name, share in step.split:
            edge += share.basis_points
            whens.append((stage.c.bucket < edge, sa.literal(name, sa.Text)))
        reached = sa.case(*whens)
    elif step.verb == "offer" and step.offer is not None:
        reached = sa.literal(step.offer.gives, sa.Text)
    rows = sa.select(
        stage.c.enrolment_id,
        sa.literal(step.name, sa.Text),
        said.what(stage.c.verdict),
        stage.c.at,
        said.detail(stage.c.verdict, walk.flow, step, reached),
    ).where(stage.c.verdict.not_in([said.LATER, said.BEEN]))
    names = ["enrolment_id", "step", "what", "at", "detail"]
    if step.wait_for is None:
        return journey_steps.insert().from_select(names, rows)
    made = postgresql.insert if dialect == "postgresql" else sqlite.insert
    insert = made(journey_steps).from_select(names, rows)
    # A wait that ends stands there already, from when it began.
    return insert.on_conflict_do_update(
        index_elements=["enrolment_id", "step"],
        set_={name: insert.excluded[name] for name in ("what", "at", "detail")},
    )


def act(connection: sa.Connection, walk: Walk, step: Step) -> int:
    """Do what a step does beside sending: set attributes, put on a list or take off one, set tasks; return how many tasks."""
    if step.verb == "set":
        for name, value in step.values:
            _set(connection, walk, step, name, value)
    elif step.verb == "add_to":
        _add(connection, walk, step.segment)
    elif step.verb == "remove_from":
        _remove(connection, walk, step.segment)
    elif step.verb == "notify":
        reached = sa.select(stage.c.enrolment_id, stage.c.customer_id).where(*TREATED).subquery("reached")
        return set_tasks(
            connection,
            reached,
            flow=walk.flow,
            step=step,
            definitions=walk.definitions,
            run_id=walk.run_id,
            at=walk.at,
        )
    return 0


def _set(connection: sa.Connection, walk: Walk, step: Step, name: str, value: Scalar | None) -> None:
    declared = walk.definitions.attributes.get(name)
    if declared is None or declared.type == "list":
        return
    attributes, customers = attributes_table(walk.definitions.attributes), people.customers
    stored = _stored(value, declared.type, declared.currency or walk.definitions.workspace.currency, walk)
    column = attributes.c[name]
    chosen = sa.select(stage.c.customer_id).where(*TREATED).distinct().subquery("chosen")
    if name in tracked(walk.definitions):
        rows = connection.execute(
            sa.select(customers.c.id, customers.c.created_at, column)
            .select_from(
                chosen.join(customers, customers.c.id == chosen.c.customer_id).outerjoin(
                    attributes, attributes.c.customer_id == customers.c.id
                )
            )
            .where(column.is_distinct_from(sa.literal(stored, column.type)))
            .order_by(customers.c.id)
        ).all()
        _keep_history(connection, rows, name, stored, f"flow {walk.flow.id}.{step.name}", walk.at)
    there = sa.select(attributes.c.customer_id).where(attributes.c.customer_id == chosen.c.customer_id)
    connection.execute(
        insert_ignoring(connection, attributes).from_select(
            ["customer_id"],
            sa.select(chosen.c.customer_id).where(~sa.exists(there.correlate(chosen))),
        )
    )
    connection.execute(
        sa.update(attributes)
        .where(attributes.c.customer_id.in_(sa.select(chosen.c.customer_id)))
        .values({name: sa.literal(stored, column.type)})
    )


def _keep_history(connection: sa.Connection, rows: Any, name: str, stored: Any, source: str, at: int) -> None:
    """Append a change; before the first one stands what was there since the customer is known."""
    changes = people.attribute_changes
    known = set(
        connection.execute(
            sa.select(changes.c.customer_id)
            .where(changes.c.attribute == name, changes.c.customer_id.in_([row[0] for row in rows]))
            .distinct()
        ).scalars()
    )
    found: list[tuple[Any, ...]] = []
    for customer_id, created_at, before in rows:
        if customer_id not in known:
            found.append((customer_id, name, _text(before), created_at, source))
        found.append((customer_id, name, _text(stored), at, source))
    insert_rows(connection, changes, found, ("customer_id", "attribute", "value", "changed_at", "source"))


def _stored(value: Scalar | None, kind: str, currency: str, walk: Walk) -> Any:
    """Return a written value as its column keeps it."""
    if value is None:
        return None
    if kind == "money":
        return int(Decimal(str(value)).scaleb(exponent(currency)).to_integral_value())
    if kind == "number":
        return float(Decimal(str(value)))
    if kind == "instant" and isinstance(value, datetime):
        return to_micros(value if value.tzinfo else value.replace(tzinfo=walk.zone))
    if kind == "date" and isinstance(value, datetime):
        return value.date()
    return value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _add(connection: sa.Connection, walk: Walk, segment: str) -> None:
    members = people.segment_members
    there = sa.exists(
        sa.select(sa.literal_column("1"))
        .where(
            members.c.segment == segment,
            members.c.customer_id == stage.c.customer_id,
            members.c.valid_to.is_(None),
        )
        .correlate(stage)
    )
    new = (
        sa.select(sa.literal(segment, sa.Text), stage.c.customer_id, sa.literal(walk.at, sa.BigInteger))
        .where(*TREATED, ~there)
        .distinct()
    )
    connection.execute(
        insert_ignoring(connection, members).from_select(["segment", "customer_id", "valid_from"], new)
    )


def _remove(connection: sa.Connection, walk: Walk, segment: str) -> None:
    members = people.segment_members
    chosen = sa.select(stage.c.customer_id).where(*TREATED)
    connection.execute(
        sa.update(members)
        .where(
            members.c.segment == segment,
            members.c.valid_to.is_(None),
            members.c.customer_id.in_(chosen),
        )
        # A clock set back must not end an interval before it began.
        .values(valid_to=sa.case((members.c.valid_from > walk.at, members.c.valid_from), else_=walk.at))
    )
