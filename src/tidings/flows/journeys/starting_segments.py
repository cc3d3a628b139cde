"""Starts by entering or leaving a segment: an interval of stored membership begins, or ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow
from tidings.definitions.references import flow_segments
from tidings.definitions.values import Duration
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.due import after_instant
from tidings.flows.journeys.late_commits import Ahead
from tidings.flows.journeys.starting_events import subject_column
from tidings.store.database import Store
from tidings.store.tables import people, sending
from tidings.store.tables.base import Key

_NO_EVENT = sa.cast(sa.null(), Key)


def enters_starts(
    flow: Flow, definitions: Definitions, *, since: int, known: int, ahead: Ahead, inside: bool
) -> sa.Select[Any] | None:
    """Return the intervals of the start segment that began since an instant, as candidates; None: none to look at.

    `known` is the latest interval when the flow went live: one that began at that very instant counts only above it. With
    `inside`, those who were in the segment then as well, as far as `catch_up` takes them: they start when the flow does.
    """
    members = people.segment_members
    began = sa.or_(members.c.valid_from > since, sa.and_(members.c.valid_from == since, members.c.id > known))
    which = [sa.and_(began, ahead.among(members.c.id))] if ahead.ranges else []
    catch_up = flow.starts.catch_up
    if inside and catch_up != "nobody":
        were_in = [
            members.c.valid_from <= since,
            members.c.id <= known,
            sa.or_(members.c.valid_to.is_(None), members.c.valid_to > since),
        ]
        if isinstance(catch_up, Duration):
            zone = ZoneInfo(definitions.workspace.zone)
            were_in.append(members.c.valid_from >= after_instant(since, catch_up, zone, -1))
        which.append(sa.and_(*were_in))
    if not which:
        return None
    anchor = sa.case((members.c.valid_from < since, since), else_=members.c.valid_from)
    return _starts(flow, definitions, "m", anchor).where(sa.or_(*which))


def leaves_starts(flow: Flow, definitions: Definitions, *, since: int) -> sa.Select[Any]:
    """Return the intervals of the start segment that ended after an instant, as candidates."""
    members = people.segment_members
    return _starts(flow, definitions, "x", members.c.valid_to).where(members.c.valid_to > since)


def latest_refresh(connection: sa.Connection, segment: str) -> int:
    """Return the id of the latest refresh of a segment, 0 without one. Its moves are all stored by then."""
    runs = people.segment_runs
    return int(
        connection.execute(sa.select(sa.func.max(runs.c.id)).where(runs.c.segment == segment)).scalar() or 0
    )


def segments_to_refresh(definitions: Definitions, store: Store) -> tuple[str, ...]:
    """Return the segments that live flows start by or ask about, by the definitions given, each once."""
    runs = sending.runs
    with store.read() as connection:
        live = connection.execute(
            sa.select(runs.c.campaign)
            .where(runs.c.kind == "flow", runs.c.state == "sending")
            .order_by(runs.c.id)
        ).scalars()
        flows = [definitions.flows[name] for name in live if name in definitions.flows]
    return computed_segments(definitions, (name for flow in flows for name in flow_segments(flow)))


def computed_segments(definitions: Definitions, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the segments whose members are computed, each once."""
    return tuple(
        name
        for name in dict.fromkeys(names)
        if name in definitions.segments and definitions.segments[name].members == "rules"
    )


def _starts(
    flow: Flow, definitions: Definitions, letter: str, anchor: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    members = people.segment_members
    subject, known = subject_column(flow, definitions, members.c.customer_id, _NO_EVENT)
    return sa.select(
        members.c.customer_id.label("customer_id"),
        sa.literal(letter, sa.Text).concat(sa.cast(members.c.id, sa.Text)).label("start_ref"),
        subject.label("subject"),
        _NO_EVENT.label("event_id"),
        anchor.label("anchor_at"),
    ).where(members.c.segment == flow.starts.segment, *known)
