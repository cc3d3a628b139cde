"""Sending the run of a flow: each step in the words and by the rules of the version that wrote its messages.

What has the same rules is one job; the jobs of a channel follow each other, so that the channel's rate holds, and the
channels go side by side. The run is never finished by running out of messages.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tidings.campaigns.legs import legs_of
from tidings.clock import Clock, to_micros
from tidings.config.settings import Settings
from tidings.definitions.kinds.channel import Channel
from tidings.delivery.bindings import Bound, bound_channel, heard_up_to
from tidings.delivery.claiming import why_held
from tidings.delivery.fallback import fall_back
from tidings.delivery.hearing import Heard
from tidings.delivery.kept import Kept
from tidings.delivery.pause import pause_run
from tidings.delivery.recorded import Recorded
from tidings.delivery.sender import BeforeClaim, Progress, deliver
from tidings.delivery.side_by_side import Beside, Totals, side_by_side
from tidings.delivery.standing import standing
from tidings.delivery.step_writers import StepWriters
from tidings.delivery.terms import Terms, terms_of
from tidings.delivery.work import Delivered, Job, Retry
from tidings.delivery.writing import Writer
from tidings.errors import DefinitionErrors, StoreError, TidingsError, UsageError
from tidings.store.database import Store
from tidings.store.tables import sending
from tidings.tokens.keyring import KeyRing

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter

_messages = sending.messages


def has_due(store: Store, run_id: int, now: int, kept: Kept) -> bool:
    """Tell whether a flow has a message to send at `now` (microseconds), or one that a sender may have left."""
    first = kept.first(store, run_id)
    with store.read() as connection:
        found = connection.execute(
            sa.select(_messages.c.id)
            .where(_messages.c.run_id == run_id, _messages.c.id >= first, _due(now))
            .limit(1)
        )
        return found.first() is not None


def _due(now: int) -> sa.ColumnElement[bool]:
    return sa.or_(
        sa.and_(_messages.c.state.in_(["planned", "deferred"]), _messages.c.due_at <= now),
        _messages.c.state.in_(["claimed", "started"]),
    )


@dataclass(frozen=True, slots=True)
class FlowFollower:
    """Writes the next legs of a flow. `kept` is given again the next time for the same flow."""

    settings: Settings
    store: Store
    run_id: int
    clock: Clock
    kept: Kept
    adapters: Mapping[str, Adapter]
    for_all: Adapter | None
    heard: Heard | None

    def follow_up(self) -> tuple[int, list[str]]:
        """Write the next legs of all steps; return how many, and why some steps could not be looked at."""
        first, written = self.kept.first(self.store, self.run_id), 0
        why_not: list[str] = []
        for version, step in self._followed(first):
            try:
                run = self._recorded(version).of_step(step)
                if len(legs_of(run.campaign_of(), run.definitions)) < 2:
                    continue
                receipts = self._receipts(run, why_not)
            except StoreError:
                raise
            except TidingsError as error:
                why_not.append(f"{step}: {_words(error)}")
                continue
            written += fall_back(
                self.store, run, self.run_id, now=self.clock.now(), receipts=receipts, first=first
            )
        return written, why_not

    def _receipts(self, run: Recorded, why_not: list[str]) -> Mapping[str, datetime]:
        """Return how far the channels of a step were heard; a patience that could never end is said, and holds up nothing."""
        try:
            ways = Bound(self.settings, run, self.adapters, self.for_all).with_receipts()
        except UsageError as error:
            why_not.append(f"{run.step}: {error.message}")
            return {}
        return heard_up_to(ways, self.heard)

    def _recorded(self, version: int) -> Recorded:
        return self.kept.recorded(self.store, self.run_id, version)

    def _followed(self, first: int) -> list[tuple[int, str]]:
        """Return the versions and steps of messages that may be followed by the next channel."""
        settled = _messages.c.state.in_(["accepted", "rejected", "bounced", "refused", "unconfirmed"])
        lives = sa.or_(_messages.c.expires_at.is_(None), _messages.c.expires_at > to_micros(self.clock.now()))
        rows = self._rows((_messages.c.version, _messages.c.step), first, settled, lives)
        return [(row.version, row.step) for row in rows]

    def _rows(
        self, columns: Sequence[sa.Column[Any]], first: int, *which: sa.ColumnElement[bool]
    ) -> Sequence[sa.Row[Any]]:
        """Return the different values of columns among the messages of the run that matter."""
        with self.store.read() as connection:
            return connection.execute(
                sa.select(*columns)
                .where(_messages.c.run_id == self.run_id, _messages.c.id >= first, *which)
                .distinct()
                .order_by(*columns)
            ).all()


@dataclass(frozen=True, slots=True)
class FlowSender(FlowFollower):
    """Sends what is due of a flow, and follows it up."""

    ring: KeyRing
    retry: Retry
    wait_seconds: float

    def send(
        self,
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        before_claim: BeforeClaim | None = None,
    ) -> Delivered:
        """Send what is due, by every channel, and the next legs of those whom one did not reach.

        A step whose message cannot be written, or whose channel cannot be used, waits and is named in `reason`; the
        others go out.
        """
        sent, troubles, aside = 0, [], dict[tuple[str, int, str], str]()
        while True:
            first = self.kept.first(self.store, self.run_id)
            work = self._work(first, aside)
            if work:
                totals = Totals(self.store, self.run_id, progress) if progress else None
                done = side_by_side(work, stop=stop, totals=totals, before_claim=before_claim)
                sent += sum(one.sent_now for one in done.values())
                troubles += [one.reason for one in done.values() if one.troubled]
                aside |= {(channel, 0, ""): one.reason for channel, one in done.items() if one.reason}
            with self.store.read() as connection:
                held = why_held(connection, self.run_id)
            held = held or ("it was asked to stop" if stop and stop.is_set() else "")
            if held:
                return self._standing(first, sent, held)
            written, why_not = self.follow_up()
            aside |= {("", number, ""): why for number, why in enumerate(why_not)}
            if not written:
                break
        if troubles:
            # Only now: the other channels are through.
            pause_run(self.store, self.run_id, reason="; ".join(troubles), now=self.clock.now())
        return self._standing(first, sent, "; ".join(dict.fromkeys(aside.values())))

    def _standing(self, first: int, sent: int, reason: str) -> Delivered:
        return standing(self.store, self.run_id, sent_now=sent, reason=reason, first=first)

    def _work(
        self, first: int, aside: dict[tuple[str, int, str], str]
    ) -> dict[str, Callable[[Beside], Delivered]]:
        """Return the work of each channel that has something due; what cannot be sent is put aside with the reason."""
        waiting: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for channel_id, version, step in self._waiting(first):
            if (channel_id, 0, "") not in aside and (channel_id, version, step) not in aside:
                waiting[channel_id].append((version, step))
        doubts = {
            (version, step): self._recorded(version).purpose_of(step).in_doubt
            for version, step in {one for parts in waiting.values() for one in parts}
        }
        work: dict[str, Callable[[Beside], Delivered]] = {}
        for channel_id, parts in waiting.items():
            latest = self._recorded(max(version for version, _ in parts))
            try:
                bound = Bound(self.settings, latest, self.adapters, self.for_all)
                channel, carrier = bound.channel(channel_id), bound.adapter(channel_id)
            except StoreError:
                raise
            except TidingsError as error:
                aside[channel_id, 0, ""] = error.message
                continue
            jobs = self._jobs(channel, carrier, parts, aside)
            if jobs:
                ready = [(replace(job, first=first, doubts=doubts), writers) for job, writers in jobs]
                work[channel_id] = partial(self._deliver, channel, carrier, ready)
        return work

    def _jobs(
        self,
        channel: Channel,
        carrier: Adapter,
        parts: Sequence[tuple[int, str]],
        aside: dict[tuple[str, int, str], str],
    ) -> list[tuple[Job, StepWriters]]:
        """Return the jobs of a channel: the steps of a version with the same purpose and the same terms are one."""
        alike: dict[tuple[int, str, Terms], dict[str, Writer]] = defaultdict(dict)
        for version, step in parts:
            run = self._recorded(version)
            try:
                writer = self._writer(run.of_step(step), channel.id, carrier)
                writer.record_links(self.store)
            except StoreError:
                raise
            except TidingsError as error:
                aside[channel.id, version, step] = f"{step}: {_words(error)}"
                continue
            alike[version, run.purpose_of(step).name, self._terms(run, step, channel)][step] = writer
        jobs = []
        for (version, _, terms), writers in alike.items():
            run, together = self._recorded(version), StepWriters(writers)
            job = Job(
                self.run_id,
                channel.id,
                channel.kind,
                run.purpose_of(next(iter(writers))),
                run.policy_hash,
                self.retry,
                together.load,
                together.ahead,
                steps=tuple(writers),
                version=version,
                terms=terms,
            )
            jobs.append((job, together))
        return jobs

    def _terms(self, run: Recorded, step: str, channel: Channel) -> Terms:
        found = run.definitions.flows[run.campaign].step(step)
        return terms_of(
            run.definitions,
            run.campaign_of(step),
            channel,
            today=self.settings.definitions,
            skips=found is not None and found.if_refused == "skip",
            rated=not self.settings.environment.outbox,
            step=step,
        )

    def _writer(self, run: Recorded, channel_id: str, carrier: Adapter) -> Writer:
        # Who writes is as the version says it, how it is reached as channels/ says now.
        channel = bound_channel(self.settings, run, channel_id)
        form = carrier.capabilities.form
        return Writer(
            self.store,
            run,
            channel,
            self.ring,
            self.clock,
            form,
            compiled=lambda variant, locale, make: self.kept.wording(
                (run.run_id, run.version, run.step, channel, form, variant, locale), make
            ),
        )

    def _deliver(
        self,
        channel: Channel,
        carrier: Adapter,
        jobs: Sequence[tuple[Job, StepWriters]],
        beside: Beside,
    ) -> Delivered:
        """Send the jobs of one channel one after the other; trouble with the channel ends them all."""
        sent, reasons = 0, []
        for job, writers in jobs:
            with closing(writers):
                done = deliver(
                    self.store,
                    job,
                    adapter=carrier,
                    render=writers.render,
                    render_many=writers.render_many if writers.watched else None,
                    clock=self.clock,
                    connections=channel.connections,
                    rate_per_second=None if self.settings.environment.outbox else channel.rate_per_second,
                    wait_seconds=self.wait_seconds,
                    stop=beside.stop,
                    progress=beside.progress,
                    before_claim=beside.before_claim,
                    pauses_run=False,
                )
            sent += done.sent_now
            if done.reason:
                reasons.append(done.reason)
            if done.troubled or beside.stop.is_set():
                break
        return replace(done, sent_now=sent, reason="; ".join(dict.fromkeys(reasons)))

    def _waiting(self, first: int) -> list[tuple[str, int, str]]:
        """Return the channels, versions and steps that have something to send now, or in the hands of a sender."""
        wanted = (_messages.c.channel, _messages.c.version, _messages.c.step)
        return [
            (row.channel, row.version, row.step)
            for row in self._rows(wanted, first, _due(to_micros(self.clock.now())))
        ]


def _words(error: TidingsError) -> str:
    """Return what an error says in one line: of problems in files the first, with its place."""
    if not isinstance(error, DefinitionErrors):
        return error.message
    first = error.problems[0]
    return f"{first.at.path}:{first.at.line}: {first.message}"
