"""Sending a run from its own record: definitions, words and rules as approved, the channel as it is bound today."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.channels.registry import load_adapter
from tidings.clock import Clock, to_micros
from tidings.config.settings import Settings
from tidings.definitions.kinds.channel import Channel
from tidings.delivery.claiming import PENDING, why_held
from tidings.delivery.recorded import Recorded, recorded
from tidings.delivery.sender import BeforeClaim, Progress, deliver, finish, run_counts, standing
from tidings.delivery.work import Delivered, Job, Retry
from tidings.delivery.writing import Writer
from tidings.errors import UsageError
from tidings.store.database import Store
from tidings.store.tables import sending
from tidings.tokens.keyring import KeyRing

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter

__all__ = ["deliver_run", "run_counts"]


def deliver_run(
    settings: Settings,
    store: Store,
    run_id: int,
    *,
    clock: Clock,
    ring: KeyRing | None = None,
    adapter: Adapter | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    wait_seconds: float = 0.0,
    retry: Retry | None = None,
    before_claim: BeforeClaim | None = None,
) -> Delivered:
    """Send what is due of a run and return where it stands.

    Words, sender, rules and templates are those the run recorded; host, port and secrets of the channel are those of
    channels/ now, so that a wrong setting can be corrected in the middle of a run. `before_claim` is called before
    each claim (it drains what the tracker took in). `adapter` replaces the
    channel's own (tests, simulations); where the environment says `outbox: true` messages become files.
    Raises TidingsError when the run cannot be sent at all; then nothing was claimed.
    """
    with store.read() as connection:
        if why_held(connection, run_id):
            return _held(store, run_id)
    run = recorded(store, run_id)
    purpose = run.definitions.policies.purpose(run.definitions.campaigns[run.campaign].purpose)
    if purpose is None:
        raise UsageError(f"the purpose of {run.campaign} is not in the policies that its run recorded")
    ring = ring or KeyRing.load(settings.data_dir, environment=settings.environment.name)
    sent = 0
    for channel_id in _channels(store, run_id):
        channel = _bound(settings, run, channel_id)
        writer = Writer(store, run, channel, ring, clock)
        writer.record_links(store)
        done = deliver(
            store,
            Job(run_id, channel_id, channel.kind, purpose, run.policy_hash, retry or Retry(), writer.load),
            adapter=adapter
            or load_adapter(channel, environment=settings.environment, data_dir=settings.data_dir),
            render=writer.render,
            clock=clock,
            connections=channel.connections,
            rate_per_second=None if settings.environment.outbox else channel.rate_per_second,
            wait_seconds=wait_seconds,
            stop=stop,
            progress=progress,
            before_claim=before_claim,
        )
        sent += done.sent_now
        if done.state != "sending" or done.reason:
            return replace(done, sent_now=sent)
    finish(store, run_id, now=to_micros(clock.now()))
    return standing(store, run_id, sent_now=sent)


def _held(store: Store, run_id: int) -> Delivered:
    with store.read() as connection:
        reason = why_held(connection, run_id)
    return standing(store, run_id, reason=reason)


def _channels(store: Store, run_id: int) -> list[str]:
    """Return the channels by which the run still has something to send, in order of their names."""
    messages = sending.messages
    with store.read() as connection:
        return list(
            connection.execute(
                sa.select(messages.c.channel)
                .where(messages.c.run_id == run_id, messages.c.state.in_(PENDING))
                .distinct()
                .order_by(messages.c.channel)
            ).scalars()
        )


def _bound(settings: Settings, run: Recorded, channel_id: str) -> Channel:
    """Return the binding: who writes as the run recorded it, how it is reached as channels/ says now."""
    approved = run.definitions.channels.get(channel_id)
    today = settings.definitions.channels.get(channel_id)
    if approved is None and today is None:
        raise UsageError(
            f'the run of {run.campaign} goes out by "{channel_id}", and there is no such channel',
            what_to_do=f"write channels/{channel_id}.yaml",
        )
    if approved is None or today is None:
        channel = approved or today
    else:
        channel = replace(today, sender=approved.sender, reply_to=approved.reply_to, kind=approved.kind)
    assert channel is not None
    if channel.kind != "email":
        raise UsageError(
            f'the channel "{channel_id}" is of kind {channel.kind}; only e-mail can be written and sent',
            what_to_do="name a channel of kind email in `via`",
        )
    return channel
