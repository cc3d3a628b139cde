"""Events that do not come by a hook: asked for, or taken from open connections, and put where the others go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidings.channels.protocol import InBand, Outstanding, Polled
from tidings.channels.registry import load_adapter
from tidings.clock import Clock, from_micros, to_micros
from tidings.config.settings import Settings
from tidings.delivery.hearing import Heard
from tidings.delivery.reference import Referrer
from tidings.errors import TidingsError
from tidings.flows.supervisor import Say
from tidings.responses.incoming import Came, Incoming
from tidings.store.database import Store
from tidings.store.tables import sending

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter, ChannelEvent

_POLL_SECONDS = 10.0
# A provider is asked about so many messages at once; the next question is about the ones before.
_AT_ONCE = 500
# An open connection is heard after this: the other side sends what it kept for us when it is opened.
_LISTEN_SECONDS = 60.0
_NEWEST = 2**63 - 1
_DAY = 86_400_000_000
# After this a message without a final word stays as it is.
_DAYS = 5


def load_adapters(settings: Settings, say: Say, *, only: Collection[str] | None = None) -> dict[str, Adapter]:
    """Return the adapters of all channels (or of `only` those) that can be loaded here, by channel; say which cannot, and why."""
    adapters: dict[str, Adapter] = {}
    for channel in settings.definitions.channels.values():
        if only is not None and channel.id not in only:
            continue
        try:
            adapters[channel.id] = load_adapter(
                channel, environment=settings.environment, data_dir=settings.data_dir
            )
        except TidingsError as error:
            say(f"nothing is taken in by the channel {channel.id}: {error.message}")
    return adapters


class Collector:
    """Collects from channels that are polled or speak in-band; for one thread."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[str, Adapter],
        incoming: Incoming,
        clock: Clock,
        *,
        salt: str,
        say: Say,
        heard: Heard | None = None,
    ) -> None:
        self._heard = heard or Heard()
        self._round_began: dict[str, datetime] = {}
        self._listens_since: dict[str, float] = {}
        self._store = store
        self._adapters = adapters
        self._incoming = incoming
        self._clock = clock
        self._referrer = Referrer(store.workspace, store.environment, salt)
        self._say = say
        self._held: dict[str, list[ChannelEvent]] = {}
        self._before: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def collect(self) -> Came:
        """Take in what has come since the last call; a provider that is away is said once and asked again later.

        Raises StoreError when the store cannot take it now; nothing of it is lost then.
        """
        came = Came()
        trouble: TidingsError | None = None
        for channel, adapter in self._adapters.items():
            try:
                if isinstance(adapter, InBand):
                    came += self._in_band(channel, adapter)
                if (
                    isinstance(adapter, Polled)
                    and self._not_before.get(channel, 0.0) <= self._clock.monotonic()
                ):
                    came += self._poll(channel, adapter)
            except TidingsError as error:
                # One channel that is away must not keep the others from being heard.
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return came

    def _in_band(self, channel: str, adapter: InBand) -> Came:
        """Store what came on open connections; only then may the other side forget it."""
        held = self._held.setdefault(channel, [])
        now, at = self._clock.monotonic(), self._clock.now()
        try:
            held += adapter.take_events()
        except TidingsError:
            self._listens_since.pop(channel, None)
            raise
        since = self._listens_since.setdefault(channel, now)
        came = Came()
        taken = len(held)
        if held:
            came = self._take(channel, held)
            adapter.events_stored(taken)
            held.clear()
        # A connection that was just opened has not brought yet what waited for it.
        if now - since >= _LISTEN_SECONDS and taken < _AT_ONCE:
            self._heard.note(channel, at)
        return came

    def _poll(self, channel: str, adapter: Polled) -> Came:
        self._not_before[channel] = self._clock.monotonic() + _POLL_SECONDS
        if self._before.get(channel, _NEWEST) == _NEWEST:
            self._round_began[channel] = self._clock.now()
        outstanding = self._outstanding(channel)
        try:
            events = adapter.poll(outstanding)
        except TidingsError as error:
            if self._said.get(channel) != error.message:
                self._say(f"the channel {channel} cannot be asked for receipts: {error.message}")
            self._said[channel] = error.message
            return Came()
        self._said.pop(channel, None)
        came = self._take(channel, events) if events else Came()
        # Only now: a store that is away must not make us skip these.
        full = len(outstanding) == _AT_ONCE
        self._before[channel] = outstanding[-1].message_id if full else _NEWEST
        if not full:
            self._heard.note(channel, self._round_began[channel])
        return came

    def _take(self, channel: str, events: list[ChannelEvent]) -> Came:
        adapter = self._adapters[channel]
        came, refused = self._incoming.take_each(
            channel, adapter.name, events, now=self._clock.now(), kind=adapter.capabilities.kind
        )
        for event, error in refused:
            self._say(f"an event of the channel {channel} is left out ({event.event_id[:100]}): {error}")
        return came

    def _outstanding(self, channel: str) -> list[Outstanding]:
        """Return messages whose fate is not known, the youngest first, each call those before the last ones."""
        messages, runs = sending.messages, sending.runs
        since = to_micros(self._clock.now()) - _DAYS * _DAY
        statement = (
            sa.select(messages.c.id, messages.c.provider_ref, messages.c.started_at)
            .where(
                # A run goes out for days at most; its own number finds its messages without reading all there are.
                messages.c.run_id.in_(sa.select(runs.c.id).where(runs.c.anchor_at >= since - 2 * _DAY)),
                messages.c.channel == channel,
                messages.c.state.in_(["in_doubt", "accepted"]),
                messages.c.started_at >= since,
                messages.c.id < self._before.get(channel, _NEWEST),
            )
            .order_by(messages.c.id.desc())
            .limit(_AT_ONCE)
        )
        with self._store.read() as connection:
            rows = connection.execute(statement).all()
        return [
            Outstanding(
                row.id, self._referrer.of(row.id), row.provider_ref or "", from_micros(row.started_at)
            )
            for row in rows
        ]
