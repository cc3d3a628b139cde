"""Cancelling: what a run has not handed over is dropped for good, with an entry in the audit trail.

First the run is closed, so that no claim begins; then its messages are settled in short transactions. What a sender
holds comes back to `planned` at its next mark, for the gate asks for the run, and is dropped as well.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.definitions.kinds.rules import Purpose
from tidings.delivery import offers
from tidings.delivery.caps import release
from tidings.delivery.claiming import PENDING
from tidings.delivery.doubt import runs_of
from tidings.delivery.ownership import own_name
from tidings.delivery.recovery import recover
from tidings.delivery.standing import finish
from tidings.delivery.work import Job
from tidings.errors import UsageError
from tidings.store.audit import append
from tidings.store.boot import boot_id
from tidings.store.database import Store
from tidings.store.tables import journeys, sending

_CHUNK = 500
_journeys = journeys.journeys
_FREE = ("planned", "deferred")
# How long is waited for what senders hold, and how often is looked.
_SECONDS, _LOOK_SECONDS = 10.0, 0.2


@dataclass(frozen=True, slots=True)
class Cancellable:
    """What could be dropped: the open runs and how many of their messages (by `channel`, all when it is None).

    `walking` are the journeys that would end, where a flow is cancelled as a whole.
    """

    of: str
    runs: tuple[int, ...]
    channel: str | None
    messages: int
    walking: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was dropped; `left` messages were still in the hands of a sender."""

    runs: tuple[int, ...]
    channel: str | None
    cancelled: int
    left: int

    def as_json(self) -> dict[str, Any]:
        """Return it with the stable keys of `tidings cancel --json`."""
        return {
            "runs": list(self.runs),
            "channel": self.channel,
            "cancelled": self.cancelled,
            "in_hand": self.left,
        }


def cancellable(store: Store, of: str, channel: str | None = None) -> Cancellable:
    """Find what can be dropped of a campaign (its id) or run (its number).

    Raises UsageError when there is no such run, or it is not completely enrolled yet.
    """
    runs = sending.runs
    with store.read() as connection:
        ids = runs_of(connection, of)
        rows = connection.execute(sa.select(runs.c.id, runs.c.state).where(runs.c.id.in_(ids))).all()
    if any(row.state == "enrolling" for row in rows):
        raise UsageError(
            f"{of} is not completely enrolled yet", what_to_do="`tidings run` takes it up; cancel it then"
        )
    # Of a cancelled run something may be left that a sender held then.
    left = tuple(row.id for row in rows if row.state in ("sending", "paused", "cancelled"))
    walking = 0 if channel is not None else _walking(store, left)
    return Cancellable(of, left, channel, _count(store, left, channel, PENDING), walking)


def cancel(store: Store, found: Cancellable, *, actor: str, now: datetime) -> Cancelled:
    """Drop what was found, and what senders give back meanwhile; waits for them up to ten seconds.

    Without a channel the runs are cancelled, and nobody gets another leg either; with one they go on without it. Of a
    flow the journeys end, and tasks that nobody has answered are withdrawn.
    """
    at = to_micros(now)
    if not found.messages and found.channel is not None:
        return Cancelled((), found.channel, 0, 0)
    _close(store, found, actor=actor, at=at)
    cancelled, until = 0, time.monotonic() + _SECONDS
    while True:
        for run_id in found.runs:
            _recover(store, run_id)
        cancelled += _drop(store, found, at)
        left = _count(store, found.runs, found.channel, PENDING)
        if not left or time.monotonic() > until:
            break
        time.sleep(_LOOK_SECONDS)
    if found.channel is None:
        _end_journeys(store, found.runs, at)
    for run_id in found.runs:
        finish(store, run_id, now=at)
    return Cancelled(found.runs, found.channel, cancelled, left)


def _close(store: Store, found: Cancellable, *, actor: str, at: int) -> None:
    runs = sending.runs
    with store.durable("cancel") as connection:
        if found.channel is None:
            connection.execute(
                sa.update(runs)
                .where(runs.c.id.in_(found.runs), runs.c.state.in_(["sending", "paused"]))
                .values(state="cancelled", pause_reason=None, finished_at=at)
            )
        if found.runs:
            detail = {"runs": list(found.runs), "channel": found.channel, "messages": found.messages}
            append(connection, at, actor, "cancelled", found.of, detail)


def _drop(store: Store, found: Cancellable, at: int) -> int:
    messages = sending.messages
    with store.read() as connection:
        ids = list(
            connection.execute(
                sa.select(messages.c.id)
                .where(*_of(found.runs, found.channel), messages.c.state.in_(_FREE))
                .order_by(messages.c.id)
            ).scalars()
        )
    dropped = 0
    for part in store.paced("cancel").chunks(ids, _CHUNK):
        with store.durable("cancel") as connection:
            gone = list(
                connection.execute(
                    sa.update(messages)
                    .where(messages.c.id.in_(part), messages.c.state.in_(_FREE))
                    .values(**sending.in_state("cancelled"), finished_at=at)
                    .returning(messages.c.id)
                ).scalars()
            )
            release(connection, gone, at)
            offers.release(connection, gone)
            dropped += len(gone)
    return dropped


def _walking(store: Store, runs: tuple[int, ...]) -> int:
    walks = (_journeys.c.run_id.in_(runs), _journeys.c.state == "walking")
    with store.read() as connection:
        return int(
            connection.execute(sa.select(sa.func.count()).select_from(_journeys).where(*walks)).scalar_one()
        )


def _end_journeys(store: Store, runs: tuple[int, ...], at: int) -> None:
    walks = (_journeys.c.run_id.in_(runs), _journeys.c.state == "walking")
    with store.read() as connection:
        ids = list(connection.execute(sa.select(_journeys.c.enrolment_id).where(*walks)).scalars())
    for part in store.paced("cancel").chunks(ids, _CHUNK):
        with store.durable("cancel") as connection:
            connection.execute(
                sa.update(_journeys)
                .where(_journeys.c.enrolment_id.in_(part), _journeys.c.state == "walking")
                .values(state="ended", outcome="cancelled", ended_at=at)
            )
    with store.durable("cancel") as connection:
        connection.execute(
            sa.update(journeys.tasks)
            .where(journeys.tasks.c.run_id.in_(runs), journeys.tasks.c.state == "open")
            .values(state="withdrawn", answered_at=at)
        )


def _recover(store: Store, run_id: int) -> None:
    """Take over what a sender that is gone held: not begun is free again, begun is in doubt and stays so."""
    job = Job(run_id, "", "", Purpose("", "", in_doubt="hold"))
    recover(store, job, owner=own_name(), boot_id=boot_id())


def _of(runs: tuple[int, ...], channel: str | None) -> list[sa.ColumnElement[bool]]:
    messages = sending.messages
    by: list[sa.ColumnElement[bool]] = [] if channel is None else [messages.c.channel == channel]
    return [messages.c.run_id.in_(runs), *by]


def _count(store: Store, runs: tuple[int, ...], channel: str | None, states: tuple[str, ...]) -> int:
    messages = sending.messages
    statement = sa.select(sa.func.count()).where(*_of(runs, channel), messages.c.state.in_(states))
    with store.read() as connection:
        return int(connection.execute(statement).scalar_one())
