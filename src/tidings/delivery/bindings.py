"""The channels of a run: who writes as it recorded it, how it is reached as channels/ says now, and the adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from tidings.campaigns.legs import legs_of
from tidings.channels.registry import load_adapter
from tidings.config.settings import Settings
from tidings.definitions.kinds.channel import Channel
from tidings.delivery.fallback import patience_of
from tidings.delivery.hearing import Heard
from tidings.delivery.recorded import Recorded
from tidings.delivery.wordings import check_form
from tidings.errors import UsageError

if TYPE_CHECKING:
    from tidings.channels.protocol import Adapter


class Bound:
    """The channels of a run with their adapters, each made once and only when it is needed.

    `given` replaces the adapters of channels by their id, `for_all` all of them.
    """

    def __init__(
        self, settings: Settings, run: Recorded, given: Mapping[str, Adapter], for_all: Adapter | None
    ) -> None:
        self._settings = settings
        self._run = run
        self._adapters = dict(given)
        self._for_all = for_all
        self._channels: dict[str, Channel] = {}

    def channel(self, channel_id: str) -> Channel:
        """Return the binding of a channel; UsageError when there is none."""
        if channel_id not in self._channels:
            self._channels[channel_id] = bound_channel(self._settings, self._run, channel_id)
        return self._channels[channel_id]

    def adapter(self, channel_id: str) -> Adapter:
        """Return the adapter of a channel; raises TidingsError when it cannot be made or cannot carry the kind."""
        channel = self.channel(channel_id)
        if channel_id not in self._adapters:
            self._adapters[channel_id] = self._for_all or load_adapter(
                channel, environment=self._settings.environment, data_dir=self._settings.data_dir
            )
        adapter = self._adapters[channel_id]
        check_form(channel, adapter.name, adapter.capabilities.kind, adapter.capabilities.form)
        return adapter

    def with_receipts(self) -> dict[str, str]:
        """Return the channels with a patience whose adapter reports what became of a message, each with the way it does.

        Raises UsageError for a patience that could never end: nothing would be heard of such messages.
        """
        definitions, campaign = self._run.definitions, self._run.campaign_of()
        found: dict[str, str] = {}
        deaf = []
        for name in dict.fromkeys(leg.channel for leg in legs_of(campaign, definitions)):
            if patience_of(campaign, definitions, name) is None:
                continue
            can = self.adapter(name).capabilities
            if can.receipts != "none":
                found[name] = can.receipts
            elif can.delivers:
                deaf.append(name)
        own = [name for name in deaf if definitions.channels[name].patience is not None]
        if own or (deaf and not found):
            name = (own or deaf)[0]
            raise UsageError(
                f'"{name}" is given `patience`, and its adapter never says what became of a message',
                what_to_do="take `patience` out, or use an adapter with receipts",
            )
        return found


def heard_up_to(receipts: Mapping[str, str], heard: Heard | None) -> dict[str, datetime]:
    """Return up to which instant each of these channels was listened to; those that were not are left out."""
    instants = {} if heard is None else {name: heard.up_to(name, way) for name, way in receipts.items()}
    return {name: at for name, at in instants.items() if at is not None}


def bound_channel(settings: Settings, run: Recorded, channel_id: str) -> Channel:
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
    return channel
