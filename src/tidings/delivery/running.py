"""Sending a run from its own record: definitions, words and rules as approved, the channel as it is bound today."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.campaigns.legs import legs_of
from tidings.clock import Clock, to_micros
from tidings.config.settings import Settings
from tidings.definitions.kinds.channel import Channel
from tidings.delivery.bindings import Bound, heard_up_to
from tidings.delivery.claiming import PENDING, why_held
from tidings.delivery.fallback import fall_back
from tidings.delivery.flow_runs import FlowFollower, FlowSender
from tidings.delivery.hearing import Heard
from tidings.delivery.kept import Kept
from tidings.delivery.pause import pause_run
from tidings.delivery.recorded import recorded
from tidings.delivery.sender import BeforeClaim, Progress, deliver
from tidings.delivery.side_by_side import Beside, Totals, side_by_side
from tidings.delivery.standing import finish, run_counts, standing
from tidings.delivery.terms import terms_of
from tidings.delivery.work import Delivered, Job, Retry
from tidings.delivery.writing import Writer
from tidings.store.database import Store
from tidings.store.tables import sending
from tidings.tokens.keyring import KeyRing

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter

__all__ = ["deliver_run", "follow_up", "run_counts", "waiting_channels"]


def deliver_run(
    settings: Settings,
    store: Store,
    run_id: int,
    *,
    clock: Clock,
    ring: KeyRing | None = None,
    adapter: Adapter | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    wait_seconds: float = 0.0,
    retry: Retry | None = None,
    before_claim: BeforeClaim | None = None,
    heard: Heard | None = None,
    kept: Kept | None = None,
) -> Delivered:
    """Send what is due of a run and return where it stands.

    Words, sender, rules and templates are those the run recorded; host, port and secrets of the channel are those of
    channels/ now, so that a wrong setting can be corrected in the middle of a run. `before_claim` is called before
    each claim (it drains what the tracker took in). `adapters` replaces those of channels by their id, `adapter` all of
    them (tests, simulations); where the environment says `outbox: true` messages become files. The channels send at the
    same time, and one that is paused or in trouble holds up none of the others. When all are through, those whom one did
    not reach get the next leg, until there is nothing new to send; `heard` says how far the channels were listened to, and
    without it no patience ends.

    A flow is sent step by step (`flow_runs`) and stays `sending`; `kept` spares reading and compiling it anew each time.
    Raises TidingsError when the run cannot be sent at all; then nothing was claimed.
    """
    if held := _why_held(store, run_id):
        return standing(store, run_id, reason=held)
    ring = ring or KeyRing.load(settings.data_dir, environment=settings.environment.name)
    retry = retry or Retry()
    if _is_flow(store, run_id):
        flow = FlowSender(
            settings,
            store,
            run_id,
            clock,
            kept or Kept(),
            adapters or {},
            adapter,
            heard,
            ring,
            retry,
            wait_seconds,
        )
        return flow.send(progress=progress, stop=stop, before_claim=before_claim)
    run = recorded(store, run_id)
    purpose = run.purpose_of()
    bound = Bound(settings, run, adapters or {}, adapter)
    receipts, sent = bound.with_receipts(), 0
    troubles: list[str] = []
    aside: dict[str, str] = {}

    def sender_of(channel: Channel, carrier: Adapter, writer: Writer) -> Callable[[Beside], Delivered]:
        terms = terms_of(
            run.definitions,
            run.campaign_of(),
            channel,
            today=settings.definitions,
            rated=not settings.environment.outbox,
        )
        job = Job(
            run_id,
            channel.id,
            channel.kind,
            purpose,
            run.policy_hash,
            retry,
            writer.load,
            writer.ahead,
            terms=terms,
        )

        def send(beside: Beside) -> Delivered:
            with closing(writer):
                return deliver(
                    store,
                    job,
                    adapter=carrier,
                    render=writer.render,
                    render_many=writer.render_many if writer.watched else None,
                    clock=clock,
                    connections=channel.connections,
                    rate_per_second=None if settings.environment.outbox else channel.rate_per_second,
                    wait_seconds=wait_seconds,
                    stop=beside.stop,
                    progress=beside.progress,
                    before_claim=beside.before_claim,
                    pauses_run=False,
                )

        return send

    # The first time every channel that may be tried is made ready: one that cannot work claims nothing.
    legs = legs_of(run.campaign_of(), run.definitions)
    ready = dict.fromkeys([*waiting_channels(store, run_id), *(leg.channel for leg in legs)])
    while True:
        writers = []
        for channel_id in ready:
            channel, carrier = bound.channel(channel_id), bound.adapter(channel_id)
            writer = Writer(store, run, channel, ring, clock, carrier.capabilities.form)
            writers.append((channel, carrier, writer))
        waiting = set(waiting_channels(store, run_id)) - set(aside)
        writers = [one for one in writers if one[0].id in waiting]
        for _, _, writer in writers:
            writer.record_links(store)
        totals = Totals(store, run_id, progress) if progress else None
        work = {channel.id: sender_of(channel, carrier, writer) for channel, carrier, writer in writers}
        done = side_by_side(work, stop=stop, totals=totals, before_claim=before_claim)
        sent += sum(one.sent_now for one in done.values())
        here = standing(store, run_id, sent_now=sent)
        if here.state != "finished":
            # A channel that another one outlived says that the run is over; that is no reason to stop.
            aside |= {channel: one.reason for channel, one in done.items() if one.reason}
            troubles += [one.reason for one in done.values() if one.troubled]
            held = _why_held(store, run_id) or ("it was asked to stop" if stop and stop.is_set() else "")
            if held:
                return replace(here, reason=held)
        if not fall_back(store, run, run_id, now=clock.now(), receipts=heard_up_to(receipts, heard)):
            break
        ready = dict.fromkeys(waiting_channels(store, run_id))
    finish(store, run_id, now=to_micros(clock.now()))
    if troubles:
        # Only now: the other channels of the run are through.
        pause_run(store, run_id, reason="; ".join(troubles), now=clock.now())
    here = standing(store, run_id, sent_now=sent)
    return here if here.state == "finished" else replace(here, reason="; ".join(aside.values()))


def follow_up(
    settings: Settings,
    store: Store,
    run_id: int,
    *,
    clock: Clock,
    adapters: Mapping[str, Adapter] | None = None,
    heard: Heard | None = None,
    kept: Kept | None = None,
) -> int:
    """Write the next legs of a run that is out, for those whom receipts or patience say were not reached; return how many.

    The run is then sending again; `fallback.waiting_runs` names the runs to ask for. Without `heard` no patience ends.
    `kept` as for `deliver_run`.
    """
    if _is_flow(store, run_id):
        flow = FlowFollower(settings, store, run_id, clock, kept or Kept(), adapters or {}, None, heard)
        return flow.follow_up()[0]
    run = recorded(store, run_id)
    bound = Bound(settings, run, adapters or {}, None)
    return fall_back(store, run, run_id, now=clock.now(), receipts=heard_up_to(bound.with_receipts(), heard))


def _why_held(store: Store, run_id: int) -> str:
    with store.read() as connection:
        return why_held(connection, run_id)


def _is_flow(store: Store, run_id: int) -> bool:
    with store.read() as connection:
        kind = connection.execute(sa.select(sending.runs.c.kind).where(sending.runs.c.id == run_id)).scalar()
    return kind == "flow"


def waiting_channels(store: Store, run_id: int) -> list[str]:
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
