"""Pause and resume: a run, all runs of a campaign, a channel for all runs, or every hand-over of the store.

The mark before each hand-over asks for it, so a pause holds from its commit on, save for messages whose
hand-over has begun. Resuming forgets nothing: what was accepted stays accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.errors import UsageError
from tidings.store.audit import append
from tidings.store.batches import insert_ignoring
from tidings.store.database import Store
from tidings.store.tables import keeping, sending


@dataclass(frozen=True, slots=True)
class Switched:
    """What a pause or resume changed: `everything` for the store's own switch, else run ids; `left` are messages to send.

    `changed` False: it was so already. `still_paused` names campaigns with a pause of their own, `channels` those with
    one, each with its reason.
    """

    everything: bool
    runs: tuple[int, ...]
    changed: bool
    left: int
    still_paused: tuple[str, ...] = ()
    channels: tuple[tuple[str, str], ...] = ()


def pause(store: Store, campaign: str | None, *, reason: str, actor: str, now: datetime) -> Switched:
    """Pause the sending runs of a campaign, or with None every hand-over of the store.

    Raises UsageError when the campaign has no run that could be paused.
    """
    at = to_micros(now)
    with store.durable("pause") as connection:
        if campaign is None:
            changed = _switch_store(connection, paused=True, reason=reason)
            runs: tuple[int, ...] = ()
        else:
            known = _open_runs(connection, campaign, "paused")
            runs = tuple(
                connection.execute(
                    sa.update(sending.runs)
                    .where(sending.runs.c.id.in_(known), sending.runs.c.state == "sending")
                    .values(state="paused", pause_reason=reason)
                    .returning(sending.runs.c.id)
                ).scalars()
            )
            changed = bool(runs)
        if changed:
            append(
                connection,
                at,
                actor,
                "paused",
                campaign or "all sending",
                {"reason": reason, "runs": list(runs)},
            )
    return Switched(campaign is None, runs, changed, _left(store, campaign))


def resume(store: Store, campaign: str | None, *, actor: str, now: datetime) -> Switched:
    """Take back a pause of a campaign's runs, or with None the pause of everything; paused runs stay paused then.

    Raises UsageError when the campaign has no run that could be resumed.
    """
    at = to_micros(now)
    with store.durable("pause") as connection:
        if campaign is None:
            changed = _switch_store(connection, paused=False, reason=None)
            runs: tuple[int, ...] = ()
        else:
            known = _open_runs(connection, campaign, "resumed")
            runs = tuple(
                connection.execute(
                    sa.update(sending.runs)
                    .where(sending.runs.c.id.in_(known), sending.runs.c.state == "paused")
                    .values(state="sending", pause_reason=None)
                    .returning(sending.runs.c.id)
                ).scalars()
            )
            changed = bool(runs)
        if changed:
            append(connection, at, actor, "resumed", campaign or "all sending", {"runs": list(runs)})
        still = sorted(
            connection.execute(
                sa.select(sending.runs.c.campaign).where(sending.runs.c.state == "paused").distinct()
            ).scalars()
        )
        channels = tuple(paused_channels(connection).items())
    return Switched(campaign is None, runs, changed, _left(store, campaign), tuple(still), channels)


def pause_channel(store: Store, channel: str, *, reason: str, actor: str, now: datetime) -> Switched:
    """Pause all hand-overs by a channel, of every run; the other channels of a run go on.

    One that is paused already keeps its reason.
    """
    with store.durable("pause") as connection:
        changed = pause_channel_in(connection, channel, reason=reason, actor=actor, at=to_micros(now))
    return Switched(False, (), changed, _left(store, None, channel))


def pause_channel_in(connection: sa.Connection, channel: str, *, reason: str, actor: str, at: int) -> bool:
    """Pause a channel in a transaction that has begun; return whether it was not paused yet."""
    pauses = sending.channel_pauses
    insert = insert_ignoring(connection, pauses).values(channel=channel, reason=reason[:500], at=at)
    if connection.execute(insert.returning(pauses.c.channel)).first() is None:
        return False
    append(connection, at, actor, "paused", f"channel {channel}", {"reason": reason, "channel": channel})
    return True


def resume_channel(store: Store, channel: str, *, actor: str, now: datetime) -> Switched:
    """Take back the pause of a channel; every run that sends by it goes on, save those paused by themselves."""
    pauses, runs = sending.channel_pauses, sending.runs
    with store.durable("pause") as connection:
        deleted = sa.delete(pauses).where(pauses.c.channel == channel)
        changed = connection.execute(deleted).rowcount > 0
        if changed:
            append(connection, to_micros(now), actor, "resumed", f"channel {channel}", {"channel": channel})
        still = connection.execute(
            sa.select(runs.c.campaign).where(runs.c.state == "paused").distinct().order_by(runs.c.campaign)
        ).scalars()
        names, channels = tuple(still), tuple(paused_channels(connection).items())
    return Switched(False, (), changed, _left(store, None, channel), names, channels)


def paused_channels(connection: sa.Connection) -> dict[str, str]:
    """Return the channels that are paused, each with the reason (which may be empty), in order of their names."""
    pauses = sending.channel_pauses
    rows = connection.execute(sa.select(pauses.c.channel, pauses.c.reason).order_by(pauses.c.channel))
    return {row.channel: row.reason for row in rows}


def pause_run(store: Store, run_id: int, *, reason: str, now: datetime) -> None:
    """Pause one run because sending it cannot go on; the people not yet written to stay planned."""
    with store.durable("pause") as connection:
        campaign = connection.execute(
            sa.update(sending.runs)
            .where(sending.runs.c.id == run_id, sending.runs.c.state == "sending")
            .values(state="paused", pause_reason=reason)
            .returning(sending.runs.c.campaign)
        ).scalar()
        if campaign is not None:
            append(
                connection, to_micros(now), "sender", "paused", campaign, {"reason": reason, "runs": [run_id]}
            )


def _switch_store(connection: sa.Connection, *, paused: bool, reason: str | None) -> bool:
    identity = keeping.identity
    return (
        connection.execute(
            sa.update(identity)
            .where(identity.c.paused.is_(not paused))
            .values(paused=paused, pause_reason=reason)
        ).rowcount
        > 0
    )


def _open_runs(connection: sa.Connection, campaign: str, done: str) -> list[int]:
    """Return the runs of a campaign that are sending or paused; say what there is when there is none."""
    runs = sending.runs
    rows = connection.execute(
        sa.select(runs.c.id, runs.c.state).where(runs.c.campaign == campaign).order_by(runs.c.id)
    ).all()
    still = [row.id for row in rows if row.state in ("sending", "paused")]
    if still:
        return still
    if rows:
        state = "not completely enrolled yet" if rows[-1].state == "enrolling" else rows[-1].state
        raise UsageError(
            f"{campaign} cannot be {done}: its last run is {state}",
            what_to_do=f"`tidings run {campaign}` goes on with an interrupted start"
            if "not" in state
            else "",
        )
    raise UsageError(
        f'no run of "{campaign}" is in the store', what_to_do="`tidings verify` lists the runs there are"
    )


def _left(store: Store, campaign: str | None, channel: str | None = None) -> int:
    """Count the messages still to send; asked after the commit, for a count of a big run takes its time."""
    messages, runs = sending.messages, sending.runs
    statement = (
        sa.select(sa.func.count())
        .select_from(messages.join(runs, runs.c.id == messages.c.run_id))
        .where(
            runs.c.state.in_(["sending", "paused"]),
            messages.c.state.in_(["planned", "claimed", "deferred"]),
        )
    )
    if campaign is not None:
        statement = statement.where(runs.c.campaign == campaign)
    if channel is not None:
        statement = statement.where(messages.c.channel == channel)
    with store.read() as connection:
        return int(connection.execute(statement).scalar_one())
