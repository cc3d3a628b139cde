"""Starts by a redemption: a code of an offer was redeemed and counts, whether an order or a till told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.rules import REDEEMED
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.starting_events import candidates_of, earliest, subject_column
from tidings.segments.comparing import Clause
from tidings.segments.doing import about_subject, event_tests
from tidings.segments.redeemed import COUNTS, redemptions
from tidings.segments.scope import Scope
from tidings.store.tables import people


def redemption_starts(flow: Flow, definitions: Definitions, *, since: int, now: datetime) -> sa.Select[Any]:
    """Return the redemptions that start a flow, told since an instant, as candidates (customer, start, subject, event, anchor).

    The event is the one that told of it: the order, or what the till sent.
    """
    events = people.events
    first = earliest(flow, definitions, now)
    late = [] if first is None else [redemptions.c.at >= first]
    subject, known = subject_column(flow, definitions, redemptions.c.customer_id, redemptions.c.event_id)
    told: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        events.c.id == redemptions.c.event_id, events.c.received_at >= since
    )
    return candidates_of("c", redemptions, redemptions.c.at, subject, redemptions.c.event_id, now).where(
        *redemption_tests(flow, definitions, now),
        redemptions.c.customer_id.is_not(None),
        sa.exists(told.correlate(redemptions)),
        *late,
        *known,
    )


def redemption_tests(flow: Flow, definitions: Definitions, now: datetime) -> list[Clause]:
    """Return the conditions that a row of `redemptions` is one that starts the flow: it counts, and `with`."""
    scope = Scope.of(definitions, now)
    return [COUNTS, *event_tests(REDEEMED, flow.starts.with_, scope, at=flow.starts.at)]


def latest_redemption(
    flow: Flow, scope: Scope, customer_id: sa.ColumnElement[int], *, until: int, rows: sa.FromClause
) -> sa.ScalarSelect[int]:
    """Return the event of the customer's latest redemption that would start the flow; `rows` is the table of `customer_id`."""
    return (
        sa.select(redemptions.c.event_id)
        .where(
            redemptions.c.customer_id == customer_id,
            redemptions.c.at <= until,
            COUNTS,
            *event_tests(REDEEMED, flow.starts.with_, scope),
            *about_subject(REDEEMED, scope),
        )
        .order_by(redemptions.c.at.desc(), redemptions.c.id.desc())
        .limit(1)
        .correlate(rows)
        .scalar_subquery()
    )
