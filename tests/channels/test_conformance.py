"""The conformance kit over every adapter, and the kit itself over an adapter that breaks the rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from support.components import missing
from support.stages import BEHAVIOURS, STAGES
from tidings.channels.conformance import CHECKS, Behaviour, NotConforming, checks
from tidings.channels.protocol import (
    Adapter,
    Capabilities,
    ChannelEvent,
    ChannelUnavailable,
    HookRequest,
    Kind,
    Outcome,
    Outgoing,
)
from tidings.channels.t30.library import library

CASES = [(adapter, name) for adapter in STAGES for name in checks(BEHAVIOURS[adapter])]


@pytest.mark.parametrize(("adapter", "name"), CASES, ids=[f"{adapter}-{name}" for adapter, name in CASES])
def test_the_adapter_conforms(adapter: str, name: str, tmp_path: Path) -> None:
    if adapter == "t30":
        try:
            library()
        except ChannelUnavailable as error:
            missing(error.message)
    with STAGES[adapter](tmp_path) as stage:
        CHECKS[name][1](stage)


def test_the_kit_covers_every_behaviour_of_the_other_side() -> None:
    assert {behaviour for behaviour, _ in CHECKS.values()} == set(Behaviour)


class _Yes:
    """Says accepted to everything and sends nothing: the worst adapter there can be."""

    name = "yes"
    options = ()
    capabilities = Capabilities("email", window=3)

    def __init__(self, *_: object) -> None: ...

    def connect(self) -> _Yes:
        return self

    def submit(self, outgoing: Outgoing) -> Outcome:
        return Outcome(Kind.ACCEPTED, provider_ref="yes")

    def submit_many(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        return [self.submit(one) for one in batch]

    def parse_webhook(self, request: HookRequest, now: datetime) -> list[ChannelEvent]:
        return []

    def close(self) -> None: ...


class _YesStage:
    behaviours = frozenset(Behaviour)

    def adapter(self, behaviour: Behaviour) -> Adapter:
        return _Yes()

    def received(self) -> list[bytes]:
        return []

    def told(self, behaviour: Behaviour) -> list[ChannelEvent]:
        return []

    def forgeries(self) -> list[HookRequest]:
        return [HookRequest("https://t.example/h/email", {}, b"[]")]


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"closes_twice"}))
def test_the_kit_finds_an_adapter_that_only_says_yes(name: str) -> None:
    with pytest.raises(NotConforming):
        CHECKS[name][1](_YesStage())
