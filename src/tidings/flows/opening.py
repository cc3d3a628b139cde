"""The workspace and its store for a piece of work that runs by itself, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from tidings.clock import Clock, SystemClock
from tidings.config.settings import Settings, load_settings
from tidings.delivery.kept import Kept
from tidings.flows.clock_lock import check_kind
from tidings.store.database import Store
from tidings.store.vocabulary import check_vocabulary

_standing: ContextVar[Clock | None] = ContextVar("clock of a simulation", default=None)


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded workspace, its open store and the clock; `kept` spares reading a flow anew for each of its batches."""

    settings: Settings
    store: Store
    clock: Clock
    kept: Kept = field(default_factory=Kept)


@contextmanager
def opened(environment: str | None = None, root: str | None = None) -> Iterator[Opened]:
    """Load the workspace (`root`, else TIDINGS_WORKSPACE or the folder we are in) and open its store until the block ends.

    Raises TidingsError when the files or the store are not right, or the store has another kind of clock.
    """
    clock = _standing.get() or SystemClock()
    settings = load_settings(Path(root) if root else None, environment)
    workspace = settings.definitions.workspace
    with Store.open(
        settings.store_url,
        clock=clock,
        workspace=workspace.id,
        environment=settings.environment.name,
        salt=workspace.salt,
    ) as store:
        check_vocabulary(store, settings.definitions.attributes)
        check_kind(store, workspace.clock)
        yield Opened(settings, store, clock)


@contextmanager
def simulated(clock: Clock) -> Iterator[None]:
    """Let `opened` give this clock until the block ends, for a simulation that runs through months."""
    token = _standing.set(clock)
    try:
        yield
    finally:
        _standing.reset(token)
