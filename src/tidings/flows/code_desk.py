"""Codes for tills: what the tracker asks and tells the store, which may be away."""

from __future__ import annotations

from tidings.clock import Clock
from tidings.definitions.workspace import Definitions
from tidings.flows.lazy_store import LazyStore
from tidings.responses.redemptions_told import Redemption, Verdict


class CodeDesk:
    """Answers one till after the other; threads may share it. Its methods raise StoreError while the store is away."""

    def __init__(self, store: LazyStore, definitions: Definitions, clock: Clock) -> None:
        self._store, self._definitions, self._clock = store, definitions, clock

    def check(self, code: str, customer: str | None) -> Verdict:
        """Say what a code would be worth now."""
        from tidings.measurement.redeeming import check

        now = self._clock.now()
        return self._store.use(
            lambda store: check(store, self._definitions, code, customer=customer, now=now)
        )

    def redeem(self, told: Redemption) -> Verdict:
        """Redeem a code; raises KeyTaken for an id that stands for another code."""
        from tidings.measurement.redeeming import redeem

        now = self._clock.now()
        return self._store.use(lambda store: redeem(store, self._definitions, told, now=now))

    def undo(self, source: str, key: str) -> Verdict | None:
        """Take back what was redeemed under an id; None where nothing was."""
        from tidings.measurement.redeeming import undo

        now = self._clock.now()
        return self._store.use(
            lambda store: undo(store, self._definitions, source, key, actor=source, now=now)
        )
