"""How far the start of a flow has been looked through: one row of `trigger_marks` for each live flow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.rules import REDEEMED
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.late_commits import Reach
from tidings.flows.journeys.starting_segments import latest_refresh
from tidings.store.database import Store
from tidings.store.tables import journeys, money, people

NAME = "start"
# Clocks of several machines differ, and an event is stored a moment after it was received.
_MARGIN = 10 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """`since`: when the start went live. `reach` for what comes by id, `looked` when it was looked last.

    `known`: the highest id then. `inside`: whether those who were in the segment then are still to be looked at. `refresh`:
    the segment's last refresh looked at. `next`: when to look again where nothing tells. Instants in microseconds.
    """

    kind: str
    since: int
    reach: Reach = Reach(0)
    known: int = 0
    inside: bool = False
    refresh: int = 0
    next: int = 0
    looked: int = 0
    segment: str = ""
    listed: bool = False
    stored: bool = field(default=True, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        names = ("kind", "since", "known", "inside", "refresh", "next", "looked", "segment", "listed")
        return {**self.reach.as_json(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Mark:
        """Return what `as_json` gave."""
        rest = {name: value for name, value in stored.items() if name not in ("top", "gaps")}
        return cls(reach=Reach.from_json(stored), **rest)


def kind_of(flow: Flow) -> str:
    """Return what is looked through for the starts of a flow: the kind of its start; redemptions have a table of their own."""
    return REDEEMED.name if flow.starts.event == REDEEMED.name else flow.starts.kind


def first_mark(connection: sa.Connection, flow: Flow, definitions: Definitions, since: int) -> Mark:
    """Return the mark of a start that goes live at `since`; its segment has been refreshed."""
    kind, segment = kind_of(flow), flow.starts.segment
    mark = Mark(kind, since, segment=segment)
    if kind == REDEEMED.name:
        # What is known by then was told before.
        known = connection.execute(sa.select(sa.func.max(money.redemptions.c.id))).scalar() or 0
        return replace(mark, reach=Reach(known))
    if kind == "event":
        events = people.events
        return replace(mark, reach=Reach(_below(connection, events, events.c.received_at, since - _MARGIN)))
    if kind == "date":
        return mark
    declared = definitions.segments.get(segment)
    mark = replace(mark, listed=declared is not None and declared.members == "listed")
    if kind == "leaves":
        return replace(mark, refresh=latest_refresh(connection, segment))
    members = people.segment_members
    known = connection.execute(sa.select(sa.func.max(members.c.id))).scalar() or 0
    top = _below(connection, members, members.c.valid_from, since)
    return replace(mark, reach=Reach(top), known=known, inside=flow.starts.catch_up != "nobody")


def write_mark(connection: sa.Connection, run_id: int, mark: Mark) -> None:
    """Store the mark of a run, in place of the one before."""
    marks = journeys.trigger_marks
    which = (marks.c.run_id == run_id, marks.c.name == NAME)
    values = {"low": mark.reach.low, "detail": mark.as_json()}
    if connection.execute(sa.update(marks).where(*which).values(**values)).rowcount == 0:
        connection.execute(marks.insert().values(run_id=run_id, name=NAME, **values))


def save_mark(store: Store, run_id: int, mark: Mark) -> None:
    """Store the mark of a run in a transaction of its own."""
    with store.durable("start") as connection:
        write_mark(connection, run_id, mark)


def _below(connection: sa.Connection, table: sa.Table, at: sa.ColumnElement[int], instant: int) -> int:
    """Return the newest id of a table whose `at` is before an instant, 0 without one."""
    found = connection.execute(sa.select(table.c.id).where(at < instant).order_by(table.c.id.desc()).limit(1))
    return int(found.scalar() or 0)
