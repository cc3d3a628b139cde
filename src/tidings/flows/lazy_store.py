"""A store for a process that works without one: opened when it is first asked, and left alone for a while after trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from tidings.clock import Clock
from tidings.config.settings import Settings
from tidings.errors import StoreError, TidingsError
from tidings.store.database import Store

_REST_SECONDS = 2.0
_T = TypeVar("_T")


class LazyStore:
    """Answers questions one after the other; threads may share it."""

    def __init__(self, settings: Settings, clock: Clock, *, busy_seconds: float = 1.0) -> None:
        self._busy_seconds = busy_seconds
        self._settings = settings
        self._clock = clock
        self._store: Store | None = None
        self._guard = threading.Lock()
        self._rest_until = clock.monotonic()

    def ask(self, question: Callable[[sa.Connection], _T]) -> _T:
        """Return the answer of one transaction that reads; raises StoreError while the store is away."""

        def asked(store: Store) -> _T:
            with store.read() as connection:
                return question(connection)

        return self.use(asked)

    def use(self, work: Callable[[Store], _T]) -> _T:
        """Return what work with the store comes to; raises StoreError while it is away."""
        with self._guard:
            if self._clock.monotonic() < self._rest_until:
                raise _away()
            try:
                return work(self._opened())
            except (TidingsError, OSError) as error:
                self._rest_until = self._clock.monotonic() + _REST_SECONDS
                raise _away() from error

    def close(self) -> None:
        """Close the store, if it was opened."""
        with self._guard:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _opened(self) -> Store:
        if self._store is None:
            workspace = self._settings.definitions.workspace
            self._store = Store.open(
                self._settings.store_url,
                clock=self._clock,
                workspace=workspace.id,
                environment=self._settings.environment.name,
                salt=workspace.salt,
                busy_seconds=self._busy_seconds,
            )
        return self._store


def _away() -> StoreError:
    return StoreError("the store cannot be read now", what_to_do="it is asked again in two seconds")
