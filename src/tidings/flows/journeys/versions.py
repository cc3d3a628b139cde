"""A flow goes live, and its next versions after it: the files of each are kept, and those on the way go on by the latest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.campaigns.files import campaign_files
from tidings.campaigns.offer_checks import check_flow_offers
from tidings.campaigns.runs import check_whole
from tidings.campaigns.steps import whole_flow
from tidings.clock import to_micros
from tidings.definitions.hashing import definition_hash, policy_hash
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.readers.step_order import END
from tidings.definitions.references import flow_segments
from tidings.definitions.workspace import Definitions
from tidings.errors import RefusedByPolicy
from tidings.flows.journeys.bounds import PRIORITIES, bounds_of
from tidings.flows.journeys.limits import set_limit
from tidings.flows.journeys.live import OCCURRENCE, LiveFlow, find_flow, find_live, live_in
from tidings.flows.journeys.marks import Mark, first_mark, write_mark
from tidings.flows.journeys.relocating import STRAGGLERS, Moves, settle, write_moves
from tidings.flows.journeys.starting_segments import computed_segments
from tidings.measurement.redemptions import catch_up
from tidings.segments.membership import refresh
from tidings.store.artifacts import put
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import journeys, sending
from tidings.store.vocabulary import check_vocabulary


def start_flow(
    store: Store,
    definitions: Definitions,
    flow_id: str,
    *,
    approved_by: str,
    now: datetime,
    most: int | None = None,
) -> int:
    """Let a flow go live, or its edited version; return the id of its run.

    `most` may enter in any 28 days, or it pauses and asks (`limits`); None leaves the limit as it is, at first without one.
    An edit keeps everybody who is on the way: those at a step that was taken out go where `moved` says, those before a step
    whose delay changed wait by the new one. The version that is live already is left as it is, and what an interrupted
    edit left undone is done. Raises RefusedByPolicy for a flow that was cancelled, that has keys nothing acts on, or that
    lacks `moved` for a step where people wait.
    """
    flow = find_flow(definitions, flow_id)
    check_whole(replace(whole_flow(flow), acts_later=flow.acts_later))
    check_vocabulary(store, definitions.attributes)
    check_flow_offers(store, definitions, flow)
    live = find_live(store, flow_id)
    wanted = definition_hash(definitions, flow_id)
    if live is not None:
        _may_change(live)
        if live.definition_hash == wanted:
            settle(store, flow, definitions, live.run_id, now=now)
            return live.run_id
        check_moved(store, flow, live)
    # Whoever is in the segment by now was so before, and does not come into it later.
    catch_up(store, definitions, now=now)
    refresh(store, definitions, computed_segments(definitions, flow_segments(flow)), now=now)
    files = campaign_files(definitions, flow_id)
    with store.read() as connection:
        # Before the transaction, for it may look through many rows; what comes between is above it, and looked at.
        mark = first_mark(connection, flow, definitions, to_micros(now))
    with store.durable("flow") as connection:
        store.note_time(connection, now)
        before = _locked(connection, flow_id)
        if before is None:
            run_id = _create(connection, flow, definitions, wanted, approved_by, now, mark)
            version = 1
        else:
            _may_change(before)
            run_id, version = before.run_id, before.version
            if before.definition_hash != wanted:
                version += 1
                _change(connection, flow, definitions, before, wanted, now, mark)
        if before is None or version != before.version:
            if most is not None:
                set_limit(connection, run_id, most)
            _keep(connection, run_id, version, files, flow, definitions, wanted, approved_by, now)
    settle(store, flow, definitions, run_id, now=now)
    return run_id


def check_moved(store: Store, flow: Flow, live: LiveFlow) -> None:
    """Refuse a version that takes out a step where people wait and does not say where they go, or says so wrongly."""
    with store.read() as connection:
        missing = unfilled(connection, flow, live)
    if missing:
        told = ", ".join(f'{count:,} wait at "{step}"' for step, count in missing)
        first = missing[0][0]
        raise RefusedByPolicy(
            f"{flow.id} cannot go live so: {told}, and the flow has no such step any more",
            what_to_do=f"write where they go, such as moved: {{{first}: {flow.steps[-1].name}}}, or moved: {{{first}: {END}}}",
        )


def unfilled(connection: sa.Connection, flow: Flow, live: LiveFlow) -> list[tuple[str, int]]:
    """Return the removed steps where people wait and for which `moved` names no step of the flow and not the end."""
    known = {step.name for step in flow.steps}
    filled = {step for step, target in flow.moved if target == END or target in known}
    walking = journeys.journeys
    rows = connection.execute(
        sa.select(walking.c.step, sa.func.count())
        .where(
            walking.c.run_id == live.run_id,
            walking.c.state == "walking",
            walking.c.step.not_in([*known, *filled]),
        )
        .group_by(walking.c.step)
        .order_by(walking.c.step)
    ).all()
    return [(step, count) for step, count in rows]


def _may_change(live: LiveFlow) -> None:
    if live.state == "cancelled":
        raise RefusedByPolicy(
            f"{live.flow} was cancelled, and a cancelled flow stays so",
            what_to_do="copy it to a file of another name to start anew",
        )


def _locked(connection: sa.Connection, flow_id: str) -> LiveFlow | None:
    """Return the run of a flow, its row held by this transaction; SQLite has one writer anyway."""
    runs = sending.runs
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.select(runs.c.id)
            .where(runs.c.campaign == flow_id, runs.c.occurrence == OCCURRENCE)
            .with_for_update()
        ).all()
    return live_in(connection, flow_id)


def _create(
    connection: sa.Connection,
    flow: Flow,
    definitions: Definitions,
    wanted: str,
    approved_by: str,
    now: datetime,
    mark: Mark,
) -> int:
    runs, at = sending.runs, to_micros(now)
    run_id = connection.execute(
        insert_ignoring(connection, runs)
        .values(
            campaign=flow.id,
            occurrence=OCCURRENCE,
            kind="flow",
            definition_hash=wanted,
            policy_hash=policy_hash(definitions),
            salt=f"{flow.id}/{OCCURRENCE}",
            state="sending",
            approved_by=approved_by,
            approved_at=at,
            anchor_at=at,
            created_at=at,
            bounds=bounds_of(flow, definitions),
            version=1,
            priority=PRIORITIES[flow.priority],
        )
        .returning(runs.c.id)
    ).scalar()
    if run_id is None:
        raise RefusedByPolicy(
            f"somebody else let {flow.id} go live at this moment",
            what_to_do=f"`tidings plan {flow.id}` shows it",
        )
    write_mark(connection, run_id, mark)
    return int(run_id)


def _change(
    connection: sa.Connection,
    flow: Flow,
    definitions: Definitions,
    before: LiveFlow,
    wanted: str,
    now: datetime,
    mark: Mark,
) -> None:
    """Make the next version that of the run, and write down what is left to do for those on the way."""
    runs, at = sending.runs, to_micros(now)
    bounds = bounds_of(flow, definitions)
    connection.execute(
        sa.update(runs)
        .where(runs.c.id == before.run_id)
        .values(
            version=before.version + 1,
            definition_hash=wanted,
            policy_hash=policy_hash(definitions),
            priority=PRIORITIES[flow.priority],
            bounds={**before.bounds, **bounds},
        )
    )
    if before.bounds.get("starts") != bounds["starts"]:
        # Another start begins now: what would have started the flow by the new one before does not.
        write_mark(connection, before.run_id, mark)
    write_moves(
        connection,
        before.run_id,
        Moves(
            moved=dict(flow.moved),
            order=tuple(name for name, *_ in before.bounds.get("steps", ())),
            retimed=_retimed(flow, before.bounds, bounds),
            until=at + STRAGGLERS,
        ),
    )


def _retimed(flow: Flow, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return the steps whose delay an edit changed; not waits, which have their own limit once begun, nor quiet ones, asked again anyway."""
    old = {name: (verb, delay) for name, verb, delay, _ in before.get("steps", ())}
    found = []
    for name, verb, delay, _ in after["steps"]:
        step = flow.step(name)
        if step is None or step.quiet or name not in old or "wait_for" in (verb, old[name][0]):
            continue
        if old[name][1] != delay:
            found.append(name)
    return tuple(found)


def _keep(
    connection: sa.Connection,
    run_id: int,
    version: int,
    files: dict[str, bytes],
    flow: Flow,
    definitions: Definitions,
    wanted: str,
    approved_by: str,
    now: datetime,
) -> None:
    """Keep the files of a version, its row and who approved it."""
    at = to_micros(now)
    before = "" if version == 1 else f"{version}/"
    for path, content in files.items():
        digest = put(connection, "file", content, at)
        connection.execute(
            sending.run_artifacts.insert().values(run_id=run_id, role=f"{before}file:{path}", sha256=digest)
        )
    connection.execute(
        journeys.flow_versions.insert().values(
            run_id=run_id,
            version=version,
            definition_hash=wanted,
            policy_hash=policy_hash(definitions),
            approved_by=approved_by,
            approved_at=at,
            moved=dict(flow.moved) or None,
        )
    )
    append(
        connection,
        at,
        approved_by,
        "flow approved",
        f"{flow.id}/{version}",
        {"definitions": wanted, "moved": dict(flow.moved)},
    )
