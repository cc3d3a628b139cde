"""The audience of a plan, computed once into a temporary table: who, through which channel, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.permission import refusals
from tidings.definitions.conditions import DidCondition, WithinLast
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.rules import Purpose
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.segments.compile import compile_conditions
from tidings.segments.doing import event_tests, named
from tidings.segments.scope import Scope
from tidings.store.tables import people
from tidings.store.tables.base import Key

_YEAR = timedelta(days=365)
_LENGTHS = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
    Unit.MONTH: timedelta(days=30),
    Unit.YEAR: _YEAR,
}
_metadata = sa.MetaData()

# TEMP: filling it takes no write lock on the store.
stage = sa.Table(
    "plan_stage",
    _metadata,
    sa.Column("customer_id", Key, primary_key=True, autoincrement=False),
    sa.Column("u", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("code", sa.Text),
    prefixes=["TEMPORARY"],
)


def fill_stage(
    connection: sa.Connection,
    audience: sa.Select[tuple[int]],
    campaign: Campaign,
    definitions: Definitions,
    purpose: Purpose,
) -> int:
    """Put the audience into the temporary table and return how many there are.

    The channel is the first of `via` that may reach the customer; where none may, the refusal is that of
    the first, because that is the channel the author wanted.
    """
    stage.create(connection)
    customers = people.customers
    source: sa.FromClause = customers
    channels: list[tuple[str, sa.ColumnElement[str | None]]] = []
    for name in campaign.via:
        answers = refusals(definitions.channels[name].kind, purpose).subquery()
        source = source.join(answers, answers.c.customer_id == customers.c.id)
        channels.append((name, answers.c.code))
    first, first_code = channels[0]
    channel: sa.ColumnElement[str | None] = sa.literal(first, sa.Text)
    code = first_code
    if len(channels) > 1:
        channel = sa.case(*[(code.is_(None), sa.literal(name, sa.Text)) for name, code in channels])
        code = sa.case(*[(code.is_(None), sa.null()) for _, code in channels], else_=first_code)
    connection.execute(
        stage.insert().from_select(
            ["customer_id", "u", "channel", "code"],
            sa.select(customers.c.id, customers.c.u, channel, code)
            .select_from(source)
            .where(customers.c.id.in_(audience)),
        )
    )
    if connection.dialect.name == "postgresql":
        # Temporary tables are never analysed by the database itself.
        connection.exec_driver_sql("ANALYZE plan_stage")
    return int(connection.execute(sa.select(sa.func.count()).select_from(stage)).scalar_one())


@dataclass(frozen=True, slots=True)
class History:
    """How the reachable part of the audience behaved before now.

    `base_rate` is the share that reached the goal in a stretch as long as its window, `basis` says which stretch:
    the last one, or the average over a year for people (such as lapsed ones) of whom nobody did lately.
    """

    reachable: int
    base_rate: float | None = None
    basis: str = ""
    mean_worth: float | None = None
    currency: str | None = None


def look_back(connection: sa.Connection, goal: Goal | None, scope: Scope) -> History:
    """Return the history of the staged customers without refusal; the worth is that of the event's revenue."""
    chosen = sa.select(stage.c.customer_id).where(stage.c.code.is_(None))
    reachable = int(
        connection.execute(sa.select(sa.func.count()).select_from(chosen.subquery())).scalar_one()
    )
    if goal is None or reachable == 0:
        return History(reachable)
    condition = DidCondition(goal.did, window=WithinLast(goal.within), with_=goal.with_)
    did = compile_conditions((condition,), scope=scope)
    reached = connection.execute(
        sa.select(sa.func.count()).select_from(chosen.intersect(did).subquery())
    ).scalar_one()
    rate, basis = reached / reachable, f"in the last {goal.within}"
    count, mean, currency = _last_year(connection, goal, chosen, scope)
    if not reached:
        rate = min(count * (approximate(goal.within) / _YEAR) / reachable, 1.0)
        basis = f"in {goal.within}, on average over the last year"
    return History(reachable, rate, basis, mean, currency)


def _last_year(
    connection: sa.Connection, goal: Goal, chosen: sa.Select[tuple[int]], scope: Scope
) -> tuple[int, float | None, str | None]:
    """Return how many goal events the chosen had in the last year, and their mean revenue if all are in one currency."""
    events = people.events
    event = scope.events.get(goal.did)
    rows = connection.execute(
        sa.select(events.c.currency, sa.func.count(), sa.cast(sa.func.sum(events.c.amount), sa.BigInteger))
        .where(
            named(goal.did),
            *event_tests(event, goal.with_, scope),
            events.c.customer_id.in_(chosen),
            events.c.occurred_at <= to_micros(scope.now),
            events.c.occurred_at > to_micros(scope.now - _YEAR),
        )
        .group_by(events.c.currency)
    ).all()
    count = sum(row[1] for row in rows)
    is_revenue = event is not None and goal.worth in ("revenue", event.revenue)
    if is_revenue and len(rows) == 1 and rows[0][0] is not None and count:
        return count, float(rows[0][2]) / count, rows[0][0]
    return count, None, None


def approximate(duration: Duration) -> timedelta:
    """Return about how long a length of time is; months have 30 days, years 365."""
    return duration.amount * _LENGTHS[duration.unit]
