"""All flows at a glance: which are live since when, and how many people walk each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros, iso
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.live import find_live
from tidings.store.database import Store
from tidings.store.tables.journeys import journeys


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One flow: its state (`not live` where it never went live), since when, and how many journeys there are and go on."""

    flow: str
    title: str
    state: str
    version: int
    live_since: datetime | None
    walking: int
    entered: int

    def as_json(self) -> dict[str, Any]:
        """Return it with stable keys."""
        return {
            "flow": self.flow,
            "title": self.title,
            "state": self.state,
            "version": self.version,
            "live_since": iso(self.live_since) if self.live_since else None,
            "walking": self.walking,
            "entered": self.entered,
        }


def all_flows(store: Store, definitions: Definitions) -> list[FlowRow]:
    """Return the flows of the workspace in the order of their ids."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(journeys.c.run_id, journeys.c.state, sa.func.count().label("many")).group_by(
                journeys.c.run_id, journeys.c.state
            )
        ).all()
    counts = {(row.run_id, row.state): int(row.many) for row in rows}
    found = []
    for flow in sorted(definitions.flows.values(), key=lambda one: one.id):
        live = find_live(store, flow.id)
        if live is None:
            found.append(FlowRow(flow.id, flow.title, "not live", 0, None, 0, 0))
            continue
        mine = {state: many for (run, state), many in counts.items() if run == live.run_id}
        state = {"sending": "live"}.get(live.state, live.state)
        found.append(FlowRow(flow.id, flow.title, state, live.version, from_micros(live.created_at), mine.get("walking", 0), sum(mine.values())))  # fmt: skip
    return found
