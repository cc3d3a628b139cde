"""The audience of a plan, computed once into a temporary table: who, through which channel, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from tidings.campaigns.legs import by_account, choice_column, legs_of, refused_by_all
from tidings.clock import to_micros
from tidings.customers.house import house_of
from tidings.customers.permission import refusals
from tidings.customers.zones import area_column
from tidings.definitions.conditions import DidCondition, WithinLast
from tidings.definitions.kinds.campaign import Campaign, Goal
from tidings.definitions.kinds.rules import BUILT_IN_RESPONSES, Purpose
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.segments.compile import compile_conditions
from tidings.segments.doing import event_tests, named
from tidings.segments.scope import Scope
from tidings.store.tables import journeys, people
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

# TEMP: filling it takes no write lock on the store. `reaches` has the bit of each place in `via` that reaches the
# customer. No channel and no code: enrolled, and somebody else of the account gets the message.
stage = sa.Table(
    "plan_stage",
    _metadata,
    sa.Column("customer_id", Key, primary_key=True, autoincrement=False),
    sa.Column("u", sa.BigInteger, nullable=False),
    # What arms and variants are drawn from: `u` of the customer, or of the account.
    sa.Column("unit_u", sa.BigInteger, nullable=False),
    sa.Column("account", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("leg", sa.Integer),
    sa.Column("reaches", sa.Integer, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("copied", sa.Boolean, nullable=False),
    # The zones they may be in, as in `zone_areas`; NULL where the plan does not ask.
    sa.Column("zones", sa.Text),
    prefixes=["TEMPORARY"],
)


def fill_stage(
    connection: sa.Connection,
    audience: sa.Select[tuple[int]],
    campaign: Campaign,
    definitions: Definitions,
    purpose: Purpose,
    copies: sa.Select[tuple[int]] | None = None,
    *,
    now: int,
    by_zone: bool = False,
) -> None:
    """Put the audience into the temporary table.

    The channel is the first of `via` that may reach the customer; where none may, the refusal is that of
    the first, because that is the channel the author wanted. `copies` are staff who get the real message and are
    never counted: they are no part of the audience. `now` (microseconds) is when it is asked. With `by_zone` everybody's zones are put beside.
    """
    stage.create(connection)
    if copies is not None:
        _fill(connection, copies, campaign, definitions, purpose, now=now, copied=True, by_zone=by_zone)
    _fill(connection, audience, campaign, definitions, purpose, now=now, copied=False, by_zone=by_zone)
    # Staff who cannot be reached are nobody's refusal.
    connection.execute(sa.delete(stage).where(stage.c.copied, stage.c.code.is_not(None)))
    if connection.dialect.name == "postgresql":
        # Temporary tables are never analysed by the database itself.
        connection.exec_driver_sql("ANALYZE plan_stage")


def count_staged(connection: sa.Connection) -> int:
    """Return how many are in the audience, copies to staff not counted."""
    counted = sa.select(sa.func.count()).select_from(stage).where(~stage.c.copied)
    return int(connection.execute(counted).scalar_one())


def _fill(
    connection: sa.Connection,
    chosen: sa.Select[tuple[int]],
    campaign: Campaign,
    definitions: Definitions,
    purpose: Purpose,
    *,
    now: int,
    copied: bool,
    by_zone: bool,
) -> None:
    customers, legs = people.customers, legs_of(campaign, definitions)
    source: sa.FromClause = customers
    codes: dict[str, sa.ColumnElement[str | None]] = {}
    for kind in dict.fromkeys(leg.kind for leg in legs):
        house = house_of(definitions, purpose, kind, [leg.channel for leg in legs])
        asked = refusals(kind, purpose, campaign.topic, now=now, house=house)
        answers = asked.subquery(f"refused_{kind}")
        source = source.join(answers, answers.c.customer_id == customers.c.id)
        codes[kind] = answers.c.code
    first = next((leg for leg in legs if not leg.chosen), legs[0])
    unit_u: sa.ColumnElement[int] = customers.c.u
    if by_account(campaign):
        unit_u = sa.func.coalesce(customers.c.account_u, customers.c.u)
    channel: sa.ColumnElement[str | None] = sa.literal(first.channel, sa.Text)
    code = codes[first.kind]
    leg: sa.ColumnElement[int] = sa.literal(first.position)
    reaches: sa.ColumnElement[int] = sa.literal(1 << first.position)
    if len(legs) > 1:
        choice: sa.ColumnElement[str] = sa.cast(sa.null(), sa.Text)
        if any(not one.for_everybody for one in legs):
            column = choice_column(definitions)
            source = source.outerjoin(column.table, column.table.c.customer_id == customers.c.id)
            choice = column
        open_ = [
            codes[one.kind].is_(None)
            if one.for_everybody
            else sa.and_(codes[one.kind].is_(None), one.meant(choice))
            for one in legs
        ]
        pairs = list(zip(open_, legs, strict=True))
        channel = sa.case(*[(test, sa.literal(one.channel, sa.Text)) for test, one in pairs])
        leg = sa.case(*[(test, sa.literal(one.position)) for test, one in pairs])
        code = sa.case(*[(test, sa.null()) for test in open_], else_=refused_by_all(codes, first))
        reaches = sa.literal(0)
        for test, one in pairs:
            reaches = reaches + sa.case((test, sa.literal(1 << one.position)), else_=sa.literal(0))
    zones: sa.ColumnElement[str] = sa.cast(sa.null(), sa.Text)
    if by_zone:
        areas = journeys.zone_areas
        source = source.outerjoin(areas, areas.c.area == area_column())
        zones = sa.func.coalesce(areas.c.zones, "")
    others = (
        [] if copied or not campaign.copies_to else [customers.c.id.not_in(sa.select(stage.c.customer_id))]
    )
    connection.execute(
        stage.insert().from_select(
            [column.name for column in stage.c],
            sa.select(
                customers.c.id,
                customers.c.u,
                unit_u,
                customers.c.account,
                channel,
                leg,
                reaches,
                code,
                sa.literal(copied, sa.Boolean),
                zones,
            )
            .select_from(source)
            .where(customers.c.id.in_(chosen), *others),
        )
    )


@dataclass(frozen=True, slots=True)
class History:
    """How the reachable part of the audience behaved before now.

    `reachable` counts what is drawn: customers, or accounts where those are drawn.
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
    chosen = sa.select(stage.c.customer_id).where(stage.c.code.is_(None), ~stage.c.copied)
    # One of each account has a channel, whoever else of it is enrolled.
    counted = sa.select(sa.func.count(), sa.func.count(stage.c.channel)).where(
        stage.c.code.is_(None), ~stage.c.copied
    )
    everybody, reachable = (int(count) for count in connection.execute(counted).one())
    if goal is None or reachable == 0:
        return History(reachable)
    condition = DidCondition(goal.did, window=WithinLast(goal.within), with_=goal.with_)
    did = compile_conditions((condition,), scope=scope)
    reached = connection.execute(
        sa.select(sa.func.count()).select_from(chosen.intersect(did).subquery())
    ).scalar_one()
    rate, basis = reached / everybody, f"in the last {goal.within}"
    count, mean, currency = _last_year(connection, goal, chosen, scope)
    if not reached:
        rate = min(count * (approximate(goal.within) / _YEAR) / everybody, 1.0)
        basis = f"in {goal.within}, on average over the last year"
    return History(reachable, rate, basis, mean, currency)


def _last_year(
    connection: sa.Connection, goal: Goal, chosen: sa.Select[tuple[int]], scope: Scope
) -> tuple[int, float | None, str | None]:
    """Return how many goal events the chosen had in the last year, and their mean revenue if all are in one currency."""
    if goal.did in BUILT_IN_RESPONSES:
        # Messages of other campaigns were answered, or not: this one's are others.
        return 0, None, None
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
