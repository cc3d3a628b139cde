"""Fixtures of the sender's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.ledger_channel import Channel, render
from support.ledger_world import World
from tidings.clock import FixedClock
from tidings.delivery.sender import deliver
from tidings.delivery.work import Delivered
from tidings.store.database import Store


@pytest.fixture
def send(store: Store, clock: FixedClock) -> Callable[..., Delivered]:
    """Send the run of a world through a channel."""

    def go(world: World, channel: Channel, **more: object) -> Delivered:
        options: dict = {"connections": 3, "batch": 20, "render": render, "clock": clock, **more}
        return deliver(store, world.job, adapter=channel, **options)

    return go
