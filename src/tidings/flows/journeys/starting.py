"""Start flows: look at what may have started one since the last look, and let the customers in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.customers.zones import fill_areas
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.rules import REDEEMED
from tidings.definitions.workspace import Definitions
from tidings.flows.journeys.entering import Entrance, enter
from tidings.flows.journeys.late_commits import Running, ahead, running
from tidings.flows.journeys.live import LiveFlow, live_flows
from tidings.flows.journeys.marks import NAME, Mark, first_mark, kind_of, save_mark
from tidings.flows.journeys.relocating import NAME as MOVES
from tidings.flows.journeys.relocating import settle
from tidings.flows.journeys.starting_dates import date_starts, next_look
from tidings.flows.journeys.starting_events import event_starts
from tidings.flows.journeys.starting_redemptions import redemption_starts
from tidings.flows.journeys.starting_segments import enters_starts, latest_refresh, leaves_starts
from tidings.store.database import Store
from tidings.store.tables import journeys, money, people, sending

# Nothing tells when somebody is taken off a list, so that is looked for this often.
_LISTED = 60 * 1_000_000
# A look that found nothing is remembered this often, or after so many rows: looking there again is cheap.
_REMEMBERED = 30 * 1_000_000
_MANY = 1_000

_Starts = sa.Select[Any] | None


def start_due(store: Store, flow: Flow, definitions: Definitions, run_id: int, *, now: datetime) -> int:
    """Let in everybody for whom the flow starts by now, and return how many entered.

    `flow` and `definitions` are those of the run's latest version. A run that is not sending starts nobody; what happens
    meanwhile starts them afterwards, as far as `catch_up` goes. May be stopped anywhere, repeated, and run beside itself:
    each start enters once.
    """
    moment = to_micros(now)
    with store.read() as connection:
        run = _run(connection, run_id)
        if run is None or run.state != "sending":
            return 0
        mark = Mark.from_json(run.detail) if run.detail else None
    if run.unsettled:
        settle(store, flow, definitions, run_id, now=now)
    if mark is None:
        # Only the run of somebody who wrote it without its mark comes here.
        with store.read() as connection:
            mark = first_mark(connection, flow, definitions, run.created_at)
        save_mark(store, run_id, mark)
    elif (mark.kind, mark.segment) != (kind_of(flow), flow.starts.segment):
        # Another version went live since these definitions were read; it is for those who have it.
        return 0
    if flow.starts.kind == "date" and flow.clock == "recipient" and moment >= mark.next:
        fill_areas(store)
    # Asked before the snapshot that is read next: who has ended by then is in it.
    others = running(store) if mark.reach.gaps else Running(None)
    with store.read() as connection:
        starts, then = _LOOKS[kind_of(flow)](connection, flow, definitions, mark, now, others)
        found = starts is not None and connection.execute(starts.limit(1)).first() is not None
    entered = 0
    if starts is not None and found:
        entrance = Entrance(run_id, flow, definitions, run.salt, int(run.bounds.get("holdout", 0)))
        entered = enter(store, entrance, starts, now=now)
        with store.read() as connection:
            state = connection.execute(
                sa.select(sending.runs.c.state).where(sending.runs.c.id == run_id)
            ).scalar()
        if state != "sending":
            # Paused meanwhile, perhaps because of its limit: whoever was not let in is looked for again.
            return entered
    if found or _worth_remembering(mark, then, moment):
        save_mark(store, run_id, replace(then, looked=moment))
    return entered


def flows_to_start(store: Store, *, now: datetime) -> list[LiveFlow]:
    """Return the live flows for which something may have happened since the last look; one cheap look for all of them."""
    live = live_flows(store)
    if not live:
        return []
    marks, runs = journeys.trigger_marks, people.segment_runs
    with store.read() as connection:
        rows = connection.execute(sa.select(marks.c.run_id, marks.c.name, marks.c.detail)).all()
        known = {run_id: Mark.from_json(detail) for run_id, name, detail in rows if name == NAME}
        unsettled = {run_id for run_id, name, _ in rows if name == MOVES}
        events = connection.execute(sa.select(sa.func.max(people.events.c.id))).scalar() or 0
        codes = connection.execute(sa.select(sa.func.max(money.redemptions.c.id))).scalar() or 0
        members = connection.execute(sa.select(sa.func.max(people.segment_members.c.id))).scalar() or 0
        leaving = {mark.segment for mark in known.values() if mark.kind == "leaves"}
        refreshed: dict[str, int] = {}
        if leaving:
            newest = connection.execute(
                sa.select(runs.c.segment, sa.func.max(runs.c.id))
                .where(runs.c.segment.in_(sorted(leaving)))
                .group_by(runs.c.segment)
            ).all()
            refreshed = {row.segment: row[1] for row in newest}
    moment = to_micros(now)

    def quiet(one: LiveFlow) -> bool:
        mark = known.get(one.run_id)
        if mark is None or one.run_id in unsettled or mark.reach.gaps or mark.inside:
            return False
        if mark.kind == "event":
            return mark.reach.top >= events
        if mark.kind == REDEEMED.name:
            return mark.reach.top >= codes
        if mark.kind == "enters":
            return mark.reach.top >= members
        if mark.kind == "leaves":
            return not mark.listed and mark.refresh >= refreshed.get(mark.segment, 0)
        return moment < mark.next

    return [one for one in live if not quiet(one)]


def _run(connection: sa.Connection, run_id: int) -> Any:
    runs, marks = sending.runs, journeys.trigger_marks
    moves = marks.alias("moves")
    unsettled = sa.exists(
        sa.select(sa.literal_column("1")).where(moves.c.run_id == runs.c.id, moves.c.name == MOVES)
    )
    return connection.execute(
        sa.select(
            runs.c.state,
            runs.c.created_at,
            runs.c.salt,
            runs.c.bounds,
            marks.c.detail,
            unsettled.label("unsettled"),
        )
        .select_from(runs.outerjoin(marks, sa.and_(marks.c.run_id == runs.c.id, marks.c.name == NAME)))
        .where(runs.c.id == run_id)
    ).first()


def _worth_remembering(mark: Mark, then: Mark, moment: int) -> bool:
    if then == mark:
        return False
    far = then.reach.top - mark.reach.top > _MANY
    return (
        far
        or then.kind in ("leaves", "date")
        or then.inside != mark.inside
        or moment - mark.looked >= _REMEMBERED
    )


def _by_id(table: sa.Table, starts_of: Callable[..., sa.Select[Any]]) -> Callable[..., tuple[_Starts, Mark]]:
    """Return what looks at the rows of a table that came since: those of them start the flow that `starts_of` selects."""

    def look(
        connection: sa.Connection,
        flow: Flow,
        definitions: Definitions,
        mark: Mark,
        now: datetime,
        others: Running,
    ) -> tuple[_Starts, Mark]:
        found = ahead(connection, table, mark.reach, others)
        starts: _Starts = None
        if found.ranges:
            starts = starts_of(flow, definitions, since=mark.since, now=now).where(found.among(table.c.id))
        return starts, replace(mark, reach=found.then)

    return look


def _by_entering(
    connection: sa.Connection,
    flow: Flow,
    definitions: Definitions,
    mark: Mark,
    now: datetime,
    others: Running,
) -> tuple[_Starts, Mark]:
    found = ahead(connection, people.segment_members, mark.reach, others)
    starts = enters_starts(
        flow, definitions, since=mark.since, known=mark.known, ahead=found, inside=mark.inside
    )
    return starts, replace(mark, reach=found.then, inside=False)


def _by_leaving(
    connection: sa.Connection,
    flow: Flow,
    definitions: Definitions,
    mark: Mark,
    now: datetime,
    others: Running,
) -> tuple[_Starts, Mark]:
    newest, moment = latest_refresh(connection, mark.segment), to_micros(now)
    if newest <= mark.refresh and not (mark.listed and moment >= mark.next):
        return None, mark
    starts = leaves_starts(flow, definitions, since=mark.since)
    return starts, replace(mark, refresh=newest, next=moment + _LISTED)


def _by_date(
    connection: sa.Connection,
    flow: Flow,
    definitions: Definitions,
    mark: Mark,
    now: datetime,
    others: Running,
) -> tuple[_Starts, Mark]:
    if to_micros(now) < mark.next:
        return None, mark
    starts = date_starts(connection, flow, definitions, since=mark.since, now=now)
    return starts, replace(mark, next=next_look(flow, definitions, now))


_LOOKS: dict[str, Callable[..., tuple[_Starts, Mark]]] = {
    "event": _by_id(people.events, event_starts),
    REDEEMED.name: _by_id(money.redemptions, redemption_starts),
    "enters": _by_entering,
    "leaves": _by_leaving,
    "date": _by_date,
}
