"""When somebody who enters comes to the first step."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow, Step
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.due import DAY, Instants, after_expression, wall_instant
from tidings.flows.journeys.named_values import local_day_of, start_event

# How far ahead of the latest instant clocks are looked up: days to wait for lie within it.
_AHEAD = 6 * 366 * DAY


def first_due(
    flow: Flow, definitions: Definitions, rows: sa.FromClause, lowest: int, highest: int
) -> Instants:
    """Return when the first step is asked of rows with `customer_id`, `event_id` and `anchor_at`; see `step_due`."""
    return step_due(
        flow.steps[0],
        flow,
        definitions,
        rows.c.anchor_at,
        rows.c.customer_id,
        rows.c.event_id,
        lowest,
        highest,
    )


def step_due(
    step: Step,
    flow: Flow,
    definitions: Definitions,
    reached: Instants,
    customer_id: sa.ColumnElement[int],
    event_id: sa.ColumnElement[int],
    lowest: int,
    highest: int,
) -> Instants:
    """Return when a step is asked of those who reached the one before (or entered) at `reached`, in SQL.

    All of `reached` lies from `lowest` through `highest`. `after`: so much later, calendar days at the same hour (with
    `quiet` for the first time then). `wait_until`: on the day; at once when that is past or not known, for then the step is
    passed over. Neither: at once.
    """
    zone = ZoneInfo(definitions.workspace.zone)
    if step.after is not None:
        return after_expression(reached, step.after, zone, lowest, highest)
    if step.wait_until is not None:
        day = until(step, flow, definitions, customer_id, event_id, lowest, highest)
        return sa.case((day > reached, day), else_=reached)
    return reached


def until(
    step: Step,
    flow: Flow,
    definitions: Definitions,
    customer_id: sa.ColumnElement[int],
    event_id: sa.ColumnElement[int],
    lowest: int,
    highest: int,
) -> Instants:
    """Return the instant of a step's `wait_until`, on the workspace's clock, in SQL; NULL when the date is not known."""
    day = step.wait_until
    assert day is not None
    zone = ZoneInfo(definitions.workspace.zone)
    event = start_event(definitions, flow.starts.event)
    number = local_day_of(
        day.date, definitions, event, customer_id, event_id, lowest - _AHEAD, highest + _AHEAD
    )
    hour = (day.at.hour * 3600 + day.at.minute * 60 + day.at.second) * 1_000_000
    wall = (number + sa.literal(day.days, sa.BigInteger)) * sa.literal(DAY, sa.BigInteger) + sa.literal(
        hour, sa.BigInteger
    )
    return wall_instant(wall, zone, lowest, highest + _AHEAD)
