"""What a return takes off the margin: its own where its event tells one, else the part that margin has of what was sold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.campaign import Goal
from tidings.definitions.kinds.rules import Event
from tidings.measurement.arms import ReportedRun
from tidings.measurement.metrics import COUNTED
from tidings.measurement.promotions.spans import Spans
from tidings.segments.comparing import Clause
from tidings.segments.properties import property_value
from tidings.store.tables import people, sending

_events, _enrolments = people.events, sending.enrolments


def margin_taken(
    connection: sa.Connection,
    goal: Goal,
    event: Event,
    returned: Event,
    *,
    did: Clause,
    run: ReportedRun,
    anchors: Sequence[int],
    zone: ZoneInfo,
    as_of: datetime,
) -> sa.ColumnElement[Any]:
    """Return, in minor units and never negative, what a return takes off the margin of a goal whose worth is the margin.

    `did` is the condition that an event is an order of the goal. The part of a return that says no margin is that of all
    orders from the first window before to the end of the last horizon after it: what a promotion earned is told by the
    same orders (`promotions.orders`), so that one report has one margin.
    """
    spans = Spans.of(anchors, goal.within, zone)
    margin, amount = _read(event, event.margin), _read(event, event.revenue)
    if event.before_discount and event.discount:
        less = sa.func.coalesce(sa.func.abs(_read(event, event.discount)), 0)
        margin, amount = margin - less, amount - less
    earned, sold = connection.execute(
        sa.select(sa.func.sum(margin), sa.func.sum(amount))
        .select_from(_enrolments.join(_events, _events.c.customer_id == _enrolments.c.customer_id + 0))
        .where(
            _enrolments.c.run_id == run.id,
            COUNTED,
            did,
            _events.c.occurred_at >= spans.first_open,
            _events.c.occurred_at < min(spans.last_end(-1), to_micros(as_of)),
        )
    ).one()
    part = float(earned or 0) / float(sold) if sold else 0.0
    usual = sa.cast(sa.func.coalesce(sa.func.abs(_events.c.amount), 0), sa.Double) * sa.literal(
        part, sa.Double
    )
    if not returned.margin:
        return usual
    return sa.func.coalesce(sa.cast(sa.func.abs(_read(returned, returned.margin)), sa.Double), usual)


def _read(event: Event, name: str | None) -> sa.ColumnElement[Any]:
    """Return an amount of an event in minor units by the name that config/events.yaml gives to it."""
    if name is None or name == event.revenue:
        return _events.c.amount
    return property_value(_events.c.properties, name, "money")
