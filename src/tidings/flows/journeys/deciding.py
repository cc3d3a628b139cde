"""What becomes of the journeys that are due at a step: one statement asks a chunk of them into a temporary table.

In this order: is the step due after all (the day moved, the customer was not quiet), does the customer leave, was the day
over already, does `when` hold. Whoever may be written to is asked in the same statement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.campaigns.legs import CHOICE, Leg, legs_of
from tidings.campaigns.steps import as_campaign
from tidings.campaigns.windows import Window, window_of
from tidings.clock import to_micros
from tidings.customers.house import house_of
from tidings.customers.permission import refusal
from tidings.customers.zones import area_column
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.flow import DayOffset, Flow, Step
from tidings.definitions.kinds.rules import REDEEMED, Purpose
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys import verdicts as said
from tidings.flows.journeys.conditions import Asked, start
from tidings.flows.journeys.due import (
    DAY,
    Instants,
    after_expression,
    after_instant,
    day_number,
    instant_wall,
    wall_instant,
)
from tidings.flows.journeys.first_step import step_due
from tidings.flows.journeys.named_values import start_event, typed_value
from tidings.flows.journeys.starting_redemptions import latest_redemption
from tidings.segments.comparing import complement
from tidings.segments.doing import about_subject, event_tests, named
from tidings.segments.having import customers
from tidings.segments.scope import Journey, Scope
from tidings.store.tables import people, sending
from tidings.store.tables.base import Key
from tidings.store.tables.journeys import journey_steps, journeys

# Who is asked later than this after the step was due reached it when asked: after a standstill the next delay counts from
# when things really happened.
LATE = 3_600_000_000
# How far around now clocks are looked up: days to wait for lie within it.
_YEARS = 6 * 366 * DAY
KINDS = ("email", "sms", "fax")

_metadata = sa.MetaData()
# TEMP: filling it takes no write lock. `at` is the instant of what became of the journey, `base` that of the step
# reached last before, `later` when it is asked again.
stage = sa.Table(
    "flow_walk",
    _metadata,
    sa.Column("enrolment_id", Key, primary_key=True, autoincrement=False),
    sa.Column("customer_id", Key, nullable=False),
    sa.Column("event_id", Key),
    sa.Column("subject", sa.Text, nullable=False),
    # Where the journey was found: it is moved only from there.
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("variant", sa.Text),
    sa.Column("verdict", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("base", sa.BigInteger, nullable=False),
    sa.Column("later", sa.BigInteger),
    # Of a wait: whether it had begun before.
    sa.Column("begun", sa.Boolean),
    sa.Column("happened", sa.BigInteger),
    sa.Column("bucket", sa.Integer),
    *(sa.Column(f"{kind}_code", sa.Text) for kind in KINDS),
    sa.Column("choice", sa.Text),
    sa.Column("area", sa.Text),
    sa.Column("party", sa.Text),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Sending:
    """What a step that sends needs: the step as a campaign, its legs, and the hours in which its messages leave.

    `windows` are by kind of channel; none where the step refuses what may not leave at once, or nothing restricts the hours.
    """

    campaign: Campaign
    purpose: Purpose
    legs: tuple[Leg, ...]
    windows: tuple[tuple[str, Window], ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """One look at a flow: its run, the version walked by, the definitions of that version, and now."""

    flow: Flow
    definitions: Definitions
    run_id: int
    version: int
    now: datetime

    @property
    def at(self) -> int:
        """Now, in microseconds."""
        return to_micros(self.now)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the workspace."""
        return ZoneInfo(self.definitions.workspace.zone)

    @property
    def scope(self) -> Scope:
        """What conditions are compiled against."""
        return Scope.of(self.definitions, self.now)


def sending_of(walk: Walk, step: Step) -> Sending | None:
    """Return what a step that sends needs; None for the others, and where nothing of `via` or of its purpose is known."""
    if step.verb != "send":
        return None
    campaign = as_campaign(walk.flow, step, walk.definitions)
    policies = walk.definitions.policies
    purpose, legs = policies.purpose(campaign.purpose), legs_of(campaign, walk.definitions)
    if purpose is None or not legs:
        return None
    windows = {
        leg.kind: window_of(
            policies,
            purpose,
            leg.kind,
            between=campaign.send_between,
            weekdays=campaign.weekdays,
            clock=campaign.clock,
        )
        for leg in legs
    }
    # A window that needs no zone but knows hours still restricts; where messages do not wait, the gate alone decides.
    used = [(kind, one) for kind, one in windows.items() if one.restricts and step.if_refused == "hold"]
    return Sending(campaign, purpose, legs, tuple(used))


def ask(walk: Walk, step: Step, size: int, among: sa.ColumnElement[bool] | None = None) -> sa.Insert:
    """Return the statement that asks at most `size` journeys at a step into the empty temporary table.

    They are those that are due, the earliest first; with `among` (a condition on enrolments) those whatever the hour.
    """
    due = _due(walk, step, size, among)
    if step.wait_until is not None:
        due = _dated(walk, step.wait_until, due, size)
    asked = Asked.of(walk.flow, walk.scope, due)
    now = sa.literal(walk.at, sa.BigInteger)
    moment = sa.case((due.c.due_at >= walk.at - LATE, due.c.due_at), else_=now)
    columns: dict[str, sa.ColumnElement[Any]] = {
        "enrolment_id": due.c.enrolment_id,
        "customer_id": due.c.customer_id,
        "event_id": due.c.event_id,
        "subject": due.c.subject,
        "due_at": due.c.due_at,
        "arm": sending.enrolments.c.arm,
        "variant": sending.enrolments.c.variant,
        "base": due.c.reached_at,
        "at": moment,
    }
    whens: list[tuple[sa.ColumnElement[bool], int]] = []
    if walk.version > 1:
        whens.append((_been(step, due), said.BEEN))
    if step.wait_for is not None:
        begun = _begun(step, due)
        ends = after_expression(moment, step.wait_for.up_to, walk.zone, walk.at - LATE, walk.at)
        whens.append((begun, said.WAITING))
        columns["begun"] = begun
        columns["at"] = sa.case((begun, due.c.reached_at), else_=moment)
        columns["later"] = sa.case((begun, due.c.due_at), else_=ends)
    day: sa.ColumnElement[int] | None = None
    put_off: tuple[sa.ColumnElement[bool], Instants] | None = None
    if step.after is not None and step.quiet:
        asked.needs_start = True
        lowest = after_instant(walk.at, step.after, walk.zone, -1) - 3 * DAY
        ends = after_expression(start.c.occurred_at, step.after, walk.zone, lowest, walk.at)
        put_off = (sa.and_(start.c.occurred_at >= lowest, ends > now), ends)
    if step.wait_until is not None:
        day = due.c.day
        put_off = (day > now, day)
    if put_off is not None:
        whens.append((put_off[0], said.LATER))
        if step.wait_for is None:
            columns["later"] = put_off[1]
        else:
            # A wait that has begun is not put off any more.
            columns["later"] = sa.case((columns["begun"], due.c.due_at), put_off, else_=columns["later"])
    whens.append((customers.c.tombstoned_at.is_not(None), said.ERASED))
    whens.append((customers.c.merged_into.is_not(None), said.MERGED))
    leaves = asked.before_every_step(walk.flow.leave_when)
    whens += [(one, said.LEFT + number) for number, one in enumerate(leaves)]
    if day is not None:
        whens += [(day.is_(None), said.NO_DAY), (day < due.c.reached_at, said.PAST_DAY)]
    whens += [(complement(one), said.PASSED + number) for number, one in enumerate(asked.once(step.when))]
    columns["verdict"] = sa.case(*whens, else_=said.REACHED if step.wait_for is None else said.WAITING)
    columns |= _reach(asked, walk, step)
    return stage.insert().from_select(
        list(columns),
        sa.select(*(value.label(name) for name, value in columns.items())).select_from(asked.rows),
    )


def _due(walk: Walk, step: Step, size: int, among: sa.ColumnElement[bool] | None) -> sa.Subquery:
    event_id: sa.ColumnElement[int | None] = journeys.c.event_id
    if step.quiet and walk.flow.starts.kind == "event":
        event_id = sa.func.coalesce(latest_start(walk), journeys.c.event_id)
    chosen = sa.select(
        journeys.c.enrolment_id,
        journeys.c.customer_id,
        event_id.label("event_id"),
        journeys.c.subject,
        journeys.c.due_at,
        journeys.c.reached_at,
    ).where(journeys.c.run_id == walk.run_id, journeys.c.state == "walking")
    if among is not None:
        # The function keeps SQLite from looking through all that wait at the step.
        here = sa.func.coalesce(journeys.c.step, "") == step.name
        # Who has only to come to the wait yet is not asked before it is due.
        asked = sa.or_(journeys.c.due_at <= walk.at, _begun(step, journeys))
        return chosen.where(here, among, asked).limit(size).subquery("due")
    ordered = chosen.where(journeys.c.step == step.name, journeys.c.due_at <= walk.at).order_by(
        journeys.c.due_at, journeys.c.enrolment_id
    )
    return ordered.limit(size).subquery("due")


def _dated(walk: Walk, offset: DayOffset, due: sa.Subquery, size: int) -> sa.Subquery:
    """Return the rows with the instant of a `wait_until` as the column `day`, NULL where the date is not known.

    Each stage is a query of its own with a limit: joined into one, the date would be looked up for every place in which
    the instant is mentioned.
    """
    names = list(due.c.keys())
    event = start_event(walk.definitions, walk.flow.starts.event)
    value, kind = typed_value(offset.date, walk.definitions, event, due.c.customer_id, due.c.event_id)
    written = sa.select(*due.c, value.label("written")).limit(size).subquery("written")
    if kind == "date":
        number = day_number(written.c.written)
    else:
        local = instant_wall(written.c.written, walk.zone, walk.at - _YEARS, walk.at + _YEARS)
        number = sa.case((local >= 0, local // DAY), else_=(local - DAY + 1) // DAY)
    numbered = (
        sa.select(*(written.c[name] for name in names), number.label("number"))
        .limit(size)
        .subquery("numbered")
    )
    hour = (offset.at.hour * 3600 + offset.at.minute * 60 + offset.at.second) * 1_000_000
    wall = (numbered.c.number + sa.literal(offset.days, sa.BigInteger)) * sa.literal(DAY, sa.BigInteger)
    day = wall_instant(wall + sa.literal(hour, sa.BigInteger), walk.zone, walk.at - _YEARS, walk.at + _YEARS)
    return sa.select(*(numbered.c[name] for name in names), day.label("day")).limit(size).subquery("due")


def latest_start(walk: Walk) -> sa.ScalarSelect[int]:
    """Return the id of the customer's latest event that would start the flow, for a row of journeys."""
    events, start_of = people.events, walk.flow.starts
    again = walk.flow.again
    journey = Journey(
        each=again.each, subject=journeys.c.subject if again.how == "each" else None, tables=(journeys,)
    )
    scope = Scope(
        attributes=walk.definitions.attributes,
        events=walk.definitions.events,
        now=walk.now,
        zone=walk.zone,
        currency=walk.definitions.workspace.currency,
        journey=journey,
    )
    if start_of.event == REDEEMED.name:
        return latest_redemption(walk.flow, scope, journeys.c.customer_id, until=walk.at, rows=journeys)
    event = walk.definitions.events.get(start_of.event)
    return (
        sa.select(events.c.id)
        .where(
            events.c.customer_id == journeys.c.customer_id,
            named(start_of.event),
            events.c.occurred_at <= walk.at,
            *event_tests(event, start_of.with_, scope),
            *about_subject(event, scope),
        )
        .order_by(events.c.occurred_at.desc(), events.c.id.desc())
        .limit(1)
        .correlate(journeys)
        .scalar_subquery()
    )


def _begun(step: Step, due: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.exists(
        sa.select(sa.literal_column("1"))
        .where(journey_steps.c.enrolment_id == due.c.enrolment_id, journey_steps.c.step == step.name)
        .correlate(due)
    )


def _been(step: Step, due: sa.Subquery) -> sa.ColumnElement[bool]:
    """Return the condition that somebody came to the step before: an edit may put one behind where they are."""
    here = (journey_steps.c.enrolment_id == due.c.enrolment_id, journey_steps.c.step == step.name)
    # A wait that goes on stands there as well.
    over = () if step.wait_for is None else (journey_steps.c.what != "reached",)
    return sa.exists(sa.select(sa.literal_column("1")).where(*here, *over).correlate(due))


def _reach(asked: Asked, walk: Walk, step: Step) -> dict[str, sa.ColumnElement[Any]]:
    """Return what decides by which channel a message goes out, if it goes to the customer."""
    if step.to:
        return {"party": asked.attribute(step.to)}
    needed = sending_of(walk, step)
    if needed is None:
        return {}
    # Nobody else is written to; looking it up is half of what a row costs.
    treated = sending.enrolments.c.arm == "treated"
    columns: dict[str, sa.ColumnElement[Any]] = {}
    for kind in dict.fromkeys(leg.kind for leg in needed.legs):
        house = house_of(walk.definitions, needed.purpose, kind, [leg.channel for leg in needed.legs])
        code = refusal(kind, needed.purpose, needed.campaign.topic, now=walk.at, house=house)
        columns[f"{kind}_code"] = sa.case((treated, code))
    if any(not leg.for_everybody for leg in needed.legs):
        columns["choice"] = asked.attribute(CHOICE)
    if needed.windows:
        columns["area"] = area_column()
    return columns


def next_due(walk: Walk, lowest: int) -> Callable[[Step, Instants], Instants]:
    """Return how `moving.move` tells when a step is asked, of instants from `lowest` on."""

    def due(target: Step, reached: Instants) -> Instants:
        if target.quiet or target.wait_until is not None:
            # Asked at once, and then put off until the customer was quiet, or until the day.
            return reached
        return step_due(
            target,
            walk.flow,
            walk.definitions,
            reached,
            stage.c.customer_id,
            stage.c.event_id,
            lowest,
            walk.at,
        )

    return due


def earliest() -> sa.ColumnElement[int | None]:
    """Return the earliest instant that a delay of the staged journeys counts from; NULL when there are none."""
    return sa.func.min(sa.case((stage.c.at < stage.c.base, stage.c.at), else_=stage.c.base))
