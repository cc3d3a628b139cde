"""The run of a live flow: there is one, from the day the flow goes live until it is cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow
from tidings.definitions.workspace import Definitions
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import journeys, sending

# The one occurrence of a flow.
OCCURRENCE = "flow"


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """The run of a flow as it stands: `state` is sending, paused or cancelled; `created_at` when it went live (microseconds)."""

    run_id: int
    flow: str
    state: str
    version: int
    definition_hash: str
    created_at: int
    pause_reason: str | None
    bounds: dict[str, Any]


def find_flow(definitions: Definitions, name: str) -> Flow:
    """Return a flow by its id; for an unknown one the UsageError names the nearest."""
    if name in definitions.flows:
        return definitions.flows[name]
    near = get_close_matches(name, definitions.flows, n=1)
    known = ", ".join(sorted(definitions.flows)) or "none yet"
    raise UsageError(
        f'there is no flow "{name}"',
        what_to_do=f'did you mean "{near[0]}"?' if near else f"flows/ has {known}",
    )


def find_live(store: Store, flow_id: str) -> LiveFlow | None:
    """Return the run of a flow, or None when it never went live."""
    with store.read() as connection:
        return live_in(connection, flow_id)


def live_in(connection: sa.Connection, flow_id: str) -> LiveFlow | None:
    """Return the run of a flow as a transaction sees it, or None."""
    runs = sending.runs
    row = connection.execute(_live().where(runs.c.campaign == flow_id)).first()
    return None if row is None else _of(row)


def live_flows(store: Store) -> list[LiveFlow]:
    """Return the flows that start and move people now, in the order in which they went live."""
    runs = sending.runs
    with store.read() as connection:
        rows = connection.execute(_live().where(runs.c.state == "sending").order_by(runs.c.id)).all()
    return [_of(row) for row in rows]


def heads(connection: sa.Connection, run_id: int) -> dict[str, int]:
    """Return how many people wait before each step, by step."""
    walking = journeys.journeys
    rows = connection.execute(
        sa.select(walking.c.step, sa.func.count())
        .where(walking.c.run_id == run_id, walking.c.state == "walking")
        .group_by(walking.c.step)
    )
    return {row.step: row[1] for row in rows}


def _live() -> sa.Select[Any]:
    runs = sending.runs
    return sa.select(runs).where(runs.c.kind == "flow", runs.c.occurrence == OCCURRENCE)


def _of(row: Any) -> LiveFlow:
    return LiveFlow(
        row.id,
        row.campaign,
        row.state,
        row.version,
        row.definition_hash,
        row.created_at,
        row.pause_reason,
        row.bounds,
    )
