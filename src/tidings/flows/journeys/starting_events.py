"""Starts by an event: the customer did it, its properties pass, and it did not come in too late."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.values import Duration, Unit
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.flows.journeys.due import after_instant
from tidings.flows.journeys.named_values import subject_of
from tidings.segments.comparing import Clause
from tidings.segments.doing import event_tests, named
from tidings.segments.scope import Scope
from tidings.store.tables import people
from tidings.store.tables.base import Key

# An event may come in so long after it happened where the flow does not say.
LATE = Duration(1, Unit.DAY)


def event_starts(flow: Flow, definitions: Definitions, *, since: int, now: datetime) -> sa.Select[Any]:
    """Return the events that start a flow, received since an instant, as candidates (customer, start, subject, event, anchor).

    The start is when it happened; one that is dated after now counts from now.
    """
    events = people.events
    first = earliest(flow, definitions, now)
    late = [] if first is None else [events.c.occurred_at >= first]
    subject, known = subject_column(flow, definitions, events.c.customer_id, events.c.id)
    return candidates_of("e", events, events.c.occurred_at, subject, events.c.id, now).where(
        *start_tests(flow, definitions, now),
        events.c.customer_id.is_not(None),
        events.c.received_at >= since,
        *late,
        *known,
    )


def candidates_of(
    letter: str,
    rows: sa.Table,
    at: sa.ColumnElement[int],
    subject: sa.ColumnElement[str],
    event_id: sa.ColumnElement[int],
    now: datetime,
) -> sa.Select[Any]:
    """Return rows of a table as candidates (customer, start, subject, event, anchor), each start named by a letter and its id."""
    moment = to_micros(now)
    return sa.select(
        rows.c.customer_id.label("customer_id"),
        (sa.literal(letter, sa.Text).concat(sa.cast(rows.c.id, sa.Text))).label("start_ref"),
        subject.label("subject"),
        sa.cast(event_id, Key).label("event_id"),
        sa.case((at > moment, moment), else_=at).label("anchor_at"),
    )


def start_tests(flow: Flow, definitions: Definitions, now: datetime) -> list[Clause]:
    """Return the conditions that a row of `events` is one that starts the flow: its name, and `with`."""
    event = definitions.events.get(flow.starts.event)
    if event is None:
        raise UsageError(
            f'"{flow.starts.event}", which starts {flow.id}, is not an event of config/events.yaml'
        )
    scope = Scope.of(definitions, now)
    return [named(event.name), *event_tests(event, flow.starts.with_, scope, at=flow.starts.at)]


def subject_column(
    flow: Flow,
    definitions: Definitions,
    customer_id: sa.ColumnElement[int],
    event_id: sa.ColumnElement[int],
) -> tuple[sa.ColumnElement[str], list[Clause]]:
    """Return which one of `again: for each` a start is about, and the condition that it is known; empty for other flows."""
    if flow.again.how != "each":
        return sa.literal("", sa.Text), []
    event = definitions.events.get(flow.starts.event) if flow.starts.event else None
    subject = subject_of(flow.again.each, definitions, event, customer_id, event_id)
    return subject, [subject.is_not(None)]


def earliest(flow: Flow, definitions: Definitions, now: datetime) -> int | None:
    """Return before which instant an event happened too long ago to start anything; None: none did."""
    catch_up = flow.starts.catch_up
    if catch_up == "everybody":
        return None
    late = catch_up if isinstance(catch_up, Duration) else LATE
    return after_instant(to_micros(now), late, ZoneInfo(definitions.workspace.zone), -1)
