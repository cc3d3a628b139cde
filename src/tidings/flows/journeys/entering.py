"""Let customers into a flow: candidates of a start become enrolments with their journeys, each start once.

The candidates are computed into a temporary table without the write lock. Then chunks are let in: each in one transaction that asks
the rules again, one worker at a time for a flow, so that stopping anywhere and beginning again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.assignment import GLOBAL_CONTROL, salt_for, with_buckets
from tidings.clock import to_micros
from tidings.customers.alive import alive
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.due import after_expression
from tidings.flows.journeys.first_step import first_due
from tidings.flows.journeys.limits import count_in, too_many
from tidings.store.database import Store
from tidings.store.explain import Conflict
from tidings.store.tables import journeys, people, sending
from tidings.store.tables.base import Key
from tidings.store.workbench import Workbench

# Somebody else may give the same customer an enrolment of the same number at this moment; then the chunk is asked again.
_TRIES = 4
_metadata = sa.MetaData()
candidates = sa.Table(
    "flow_candidates",
    _metadata,
    sa.Column("customer_id", Key, nullable=False),
    sa.Column("start_ref", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("event_id", Key),
    sa.Column("anchor_at", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
entering = sa.Table(
    "flow_entering",
    _metadata,
    sa.Column("position", Key, primary_key=True, autoincrement=False),
    sa.Column("customer_id", Key, nullable=False),
    sa.Column("start_ref", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("event_id", Key),
    sa.Column("anchor_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    # Of several that the same customer enters with at once (one for each contract): which.
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("entry", sa.Integer),
    prefixes=["TEMPORARY"],
)
COLUMNS = [column.name for column in candidates.c]


@dataclass(frozen=True, slots=True)
class Entrance:
    """What letting people in needs to know of a run. `holdout` is a share in buckets, `salt` that of the run."""

    run_id: int
    flow: Flow
    definitions: Definitions
    salt: str
    holdout: int

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the workspace."""
        return ZoneInfo(self.definitions.workspace.zone)

    @property
    def control(self) -> int:
        """The share of the global control in buckets: it stands outside flows of class marketing only."""
        purpose = self.definitions.policies.purpose(self.flow.purpose)
        if purpose is None or purpose.message_class != "marketing":
            return 0
        return self.definitions.policies.global_control.basis_points


@contextmanager
def computed(store: Store, entrance: Entrance, starts: sa.Select[Any]) -> Iterator[Workbench]:
    """Give a workbench in whose `flow_entering` stand those whom `starts` (of COLUMNS) lets in, as the rules say now."""
    with store.workbench("enter") as bench:
        with bench.computing() as connection:
            candidates.create(connection)
            entering.create(connection)
            connection.execute(candidates.insert().from_select(COLUMNS, starts))
            _analyse(connection, "flow_candidates")
            _draw(connection, entrance)
            _analyse(connection, "flow_entering")
        yield bench


def enter(store: Store, entrance: Entrance, starts: sa.Select[Any], *, now: datetime) -> int:
    """Let in those whom `starts` (a select of COLUMNS) names and the rules let in; return how many entered.

    Each start (`start_ref`) enters once for ever. The rules: nobody who was erased or is in the global control, nobody who
    walks already (save for another subject under `again: for each`), and as `again` says. Of several starts of a customer
    at once the earliest counts. Nobody enters while the run is not sending; it is paused, and nobody enters, when they
    are more than the limit approved leaves.
    """
    entered = 0
    with computed(store, entrance, starts) as bench:
        with bench.computing() as connection:
            spans = connection.execute(
                sa.select(sa.func.min(entering.c.position), sa.func.max(entering.c.position)).group_by(
                    entering.c.place
                )
            ).all()
        wanted = sum(count_entering(bench).values())
        if too_many(store, entrance.flow.id, entrance.run_id, wanted, zone=entrance.zone, now=now):
            return 0
        # The same customer is never twice in one chunk: each is numbered after those before.
        for low, high in sorted((low, high) for low, high in spans):
            for first, last in store.paced("enter").spans(low, high):
                entered += _chunk(store, bench, entrance, first, last, now)
    return entered


def count_entering(bench: Workbench) -> dict[str, int]:
    """Return how many would enter, by arm."""
    with bench.computing() as connection:
        rows = connection.execute(sa.select(entering.c.arm, sa.func.count()).group_by(entering.c.arm))
        return {row.arm: row[1] for row in rows}


def _draw(connection: sa.Connection, entrance: Entrance) -> None:
    """Fill `flow_entering` from the candidates: rules asked, arms drawn, the first step's instant computed."""
    low, high = connection.execute(
        sa.select(sa.func.min(candidates.c.anchor_at), sa.func.max(candidates.c.anchor_at))
    ).one()
    if low is None:
        return
    customers = people.customers
    allowed = (
        sa.select(*candidates.c, customers.c.u)
        .join(customers, customers.c.id == candidates.c.customer_id)
        .where(alive(), *_rules(candidates, entrance, low, high))
    ).subquery("allowed")
    salt = entrance.definitions.workspace.salt
    drawn = with_buckets(
        allowed,
        {
            "control_bucket": salt_for(salt, "", GLOBAL_CONTROL),
            "holdout_bucket": salt_for(salt, entrance.salt, "holdout"),
        },
    )
    rank = sa.func.row_number().over(
        partition_by=(drawn.c.customer_id, drawn.c.subject), order_by=(drawn.c.anchor_at, drawn.c.start_ref)
    )
    first = (
        sa.select(*drawn.c, rank.label("rank")).where(drawn.c.control_bucket >= entrance.control).subquery()
    )
    placed = (
        sa.select(
            *first.c,
            (sa.func.row_number().over(partition_by=first.c.customer_id, order_by=first.c.subject) - 1).label(
                "place"
            ),
        )
        .where(first.c.rank == 1)
        .subquery("placed")
    )
    arm = sa.case((placed.c.holdout_bucket < entrance.holdout, "holdout"), else_="treated")
    connection.execute(
        entering.insert().from_select(
            [
                "position",
                "customer_id",
                "start_ref",
                "subject",
                "event_id",
                "anchor_at",
                "due_at",
                "arm",
                "place",
            ],
            sa.select(
                sa.func.row_number().over(order_by=(placed.c.place, placed.c.customer_id)),
                placed.c.customer_id,
                placed.c.start_ref,
                placed.c.subject,
                placed.c.event_id,
                placed.c.anchor_at,
                first_due(entrance.flow, entrance.definitions, placed, low, high),
                arm,
                placed.c.place,
            ),
        )
    )


def _rules(asked: sa.Table, entrance: Entrance, lowest: int, highest: int) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on rows of `asked` under which somebody may enter now."""
    walked, enrolments = journeys.journeys, sending.enrolments
    again = entrance.flow.again

    def earlier(*which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        # By the enrolments, which are found by run and customer.
        return sa.exists(
            sa.select(sa.literal_column("1"))
            .select_from(enrolments.join(walked, walked.c.enrolment_id == enrolments.c.id))
            .where(*mine, *which)
            .correlate(asked)
        )

    mine = (enrolments.c.run_id == entrance.run_id, enrolments.c.customer_id == asked.c.customer_id)
    same_start: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .where(walked.c.run_id == entrance.run_id, walked.c.start_ref == asked.c.start_ref)
        .correlate(asked)
    )
    rules = [~sa.exists(same_start)]
    if again.how == "never":
        return [*rules, ~earlier()]
    if again.how == "each":
        return [*rules, ~earlier(walked.c.subject == asked.c.subject)]
    rules.append(~earlier(walked.c.state == "walking"))
    if again.how == "after" and again.after is not None:
        latest = after_expression(asked.c.anchor_at, again.after, entrance.zone, lowest, highest, -1)
        rules.append(~earlier(enrolments.c.anchor_at > latest))
    return rules


def _chunk(store: Store, bench: Workbench, entrance: Entrance, first: int, last: int, now: datetime) -> int:
    for attempt in range(_TRIES):
        try:
            with bench.durable() as connection:
                return _let_in(store, connection, entrance, first, last, now)
        except Conflict:
            # An enrolment of another party took the number of a customer between our look and our writing.
            if attempt == _TRIES - 1:
                raise
    return 0


def _let_in(
    store: Store, connection: sa.Connection, entrance: Entrance, first: int, last: int, now: datetime
) -> int:
    """Write the enrolments and journeys of a span of positions in the caller's transaction; return how many."""
    runs, enrolments, walked = sending.runs, sending.enrolments, journeys.journeys
    _alone(connection, entrance.run_id)
    state = connection.execute(sa.select(runs.c.state).where(runs.c.id == entrance.run_id)).scalar()
    if state != "sending":
        return 0
    store.note_time(connection, now)
    span = entering.c.position.between(first, last)
    low, high = connection.execute(
        sa.select(sa.func.min(entering.c.anchor_at), sa.func.max(entering.c.anchor_at)).where(span)
    ).one()
    number = (
        sa.select(sa.func.coalesce(sa.func.max(enrolments.c.entry) + 1, 0))
        .where(enrolments.c.run_id == entrance.run_id, enrolments.c.customer_id == entering.c.customer_id)
        .correlate(entering)
        .scalar_subquery()
    )
    # Asked again, for another worker may have been faster; who is not let in has no number.
    connection.execute(
        sa.update(entering).where(span, *_rules(entering, entrance, low, high)).values(entry=number)
    )
    chosen = (span, entering.c.entry.is_not(None))
    count = connection.execute(
        enrolments.insert().from_select(
            ["run_id", "customer_id", "entry", "arm", "anchor_at", "planned_at"],
            sa.select(
                sa.literal(entrance.run_id, Key),
                entering.c.customer_id,
                entering.c.entry,
                entering.c.arm,
                entering.c.anchor_at,
                sa.literal(to_micros(now), sa.BigInteger),
            )
            .where(*chosen)
            .order_by(entering.c.position),
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    connection.execute(
        walked.insert().from_select(
            [
                "enrolment_id",
                "run_id",
                "customer_id",
                "start_ref",
                "subject",
                "event_id",
                "state",
                "step",
                "due_at",
                "reached_at",
            ],
            sa.select(
                enrolments.c.id,
                sa.literal(entrance.run_id, Key),
                entering.c.customer_id,
                entering.c.start_ref,
                entering.c.subject,
                entering.c.event_id,
                sa.literal("walking"),
                sa.literal(entrance.flow.steps[0].name),
                entering.c.due_at,
                entering.c.anchor_at,
            )
            .select_from(
                entering.join(
                    enrolments,
                    sa.and_(
                        enrolments.c.run_id == entrance.run_id,
                        enrolments.c.customer_id == entering.c.customer_id,
                        enrolments.c.entry == entering.c.entry,
                    ),
                )
            )
            .where(*chosen)
            .order_by(entering.c.position),
        )
    )
    count_in(connection, entrance.run_id, count, zone=entrance.zone, now=now)
    return int(count)


def _alone(connection: sa.Connection, run_id: int) -> None:
    """Let no other worker into this transaction's part for the same flow; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        marks = journeys.trigger_marks
        connection.execute(sa.select(marks.c.name).where(marks.c.run_id == run_id).with_for_update()).all()


def _analyse(connection: sa.Connection, table: str) -> None:
    # Nobody else gathers statistics of a temporary table.
    where = "" if connection.dialect.name == "postgresql" else "temp."
    connection.exec_driver_sql(f"ANALYZE {where}{table}")
