"""How runs of campaigns and flows stand, for `tidings runs`: counted from the ledger, never from the table of work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import from_micros
from tidings.delivery.claiming import PENDING
from tidings.store.tables import journeys, sending

_OPEN = ("enrolling", "sending", "paused")


@dataclass(frozen=True, slots=True)
class RunStands:
    """One run: its state, its messages by state, and of a flow how many entered and how many still walk.

    `settled` of `messages` need no more work; a flow has no last message, so its messages are those written so far.
    """

    id: int
    campaign: str
    occurrence: str
    kind: str
    state: str
    reason: str
    began: datetime
    finished: datetime | None
    counts: dict[str, int] = field(default_factory=dict)
    entered: int = 0
    walking: int = 0

    @property
    def messages(self) -> int:
        """Return how many messages there are."""
        return sum(self.counts.values())

    @property
    def settled(self) -> int:
        """Return how many of them need no more work."""
        return self.messages - sum(self.counts.get(state, 0) for state in PENDING)


def runs_standing(connection: sa.Connection, *, limit: int) -> list[RunStands]:
    """Return all runs that are open and the latest of the others, up to `limit` of these, the newest first."""
    runs = sending.runs
    query = sa.select(runs).order_by(runs.c.id.desc())
    open_ = connection.execute(query.where(runs.c.state.in_(_OPEN))).all()
    over = connection.execute(query.where(runs.c.state.not_in(_OPEN)).limit(limit)).all()
    rows = sorted([*open_, *over], key=lambda row: -row.id)
    ids = [row.id for row in rows]
    counts = _messages(connection, ids)
    entered, walking = _journeys(connection, [row.id for row in rows if row.kind == "flow"])
    return [_stands(row, counts.get(row.id, {}), entered, walking) for row in rows]


def _messages(connection: sa.Connection, ids: list[int]) -> dict[int, dict[str, int]]:
    messages = sending.messages
    found: dict[int, dict[str, int]] = {}
    query = (
        sa.select(messages.c.run_id, messages.c.state, sa.func.count())
        .where(messages.c.run_id.in_(ids))
        .group_by(messages.c.run_id, messages.c.state)
        .order_by(messages.c.run_id, messages.c.state)
    )
    for run_id, state, count in connection.execute(query):
        found.setdefault(run_id, {})[state] = count
    return found


def _journeys(connection: sa.Connection, ids: list[int]) -> tuple[dict[int, int], dict[int, int]]:
    walkers = journeys.journeys
    query = (
        sa.select(walkers.c.run_id, walkers.c.state, sa.func.count())
        .where(walkers.c.run_id.in_(ids))
        .group_by(walkers.c.run_id, walkers.c.state)
    )
    entered: dict[int, int] = {}
    walking: dict[int, int] = {}
    for run_id, state, count in connection.execute(query):
        entered[run_id] = entered.get(run_id, 0) + count
        if state == "walking":
            walking[run_id] = count
    return entered, walking


def _stands(row: Any, counts: dict[str, int], entered: dict[int, int], walking: dict[int, int]) -> RunStands:
    return RunStands(
        row.id, row.campaign, row.occurrence, row.kind, row.state, row.pause_reason or "",
        from_micros(row.created_at), None if row.finished_at is None else from_micros(row.finished_at),
        counts, entered.get(row.id, 0), walking.get(row.id, 0),
    )  # fmt: skip
