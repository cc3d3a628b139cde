"""When the next round is worth its cost: asked every second with a few look-ups in indexes.

A round comes at once when events came in or somebody in a flow is due, again a second after one that did something, and
otherwise every few seconds, for what cannot be seen from here: a transaction that commits late, a click, a new hour.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tidings.clock import Clock, to_micros
from tidings.flows.round import RoundResult
from tidings.store.database import Store
from tidings.store.tables import journeys, people, sending

# Events start flows within five seconds of their arrival, whatever their transactions did.
FULL_SECONDS = 4.0
# After a long round the clock rests at least so many times as long as it took.
REST_SHARE = 1.0

_walkers = journeys.journeys
_RUN: sa.BindParameter[int] = sa.bindparam("run", type_=sa.BigInteger)


class Pace:
    """Says each second whether a round is due; for one thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._full_at = self._rest_until = clock.monotonic()
        self._newest = -1
        self._next_due: int | None = None

    def due(self) -> bool:
        """Tell whether a round should come now. Raises StoreError while the store is away."""
        now = self._clock.monotonic()
        if now < self._rest_until:
            return False
        newest = self._newest_event()
        came = newest != self._newest
        self._newest = newest
        if came or now >= self._full_at:
            return True
        return self._next_due is not None and self._next_due <= to_micros(self._clock.now())

    def did(self, result: RoundResult, seconds: float) -> None:
        """Take note of a round that took so many seconds."""
        now = self._clock.monotonic()
        self._rest_until = now + seconds * REST_SHARE
        self._full_at = now if result.busy else now + FULL_SECONDS
        self._next_due = self._earliest()
        if result.troubles and not result.busy:
            # Whoever is due and in trouble must not make a round of every second.
            self._next_due = None

    def _newest_event(self) -> int:
        with self._store.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(people.events.c.id))).scalar() or 0)

    def _earliest(self) -> int | None:
        """Return when the next one in a live flow is due, or None."""
        runs = sending.runs
        with self._store.read() as connection:
            live = connection.execute(
                sa.select(runs.c.id).where(runs.c.kind == "flow", runs.c.state == "sending")
            ).scalars()
            found: list[Any] = [connection.execute(_EARLIEST, {"run": run}).scalar() for run in live.all()]
        return min((one for one in found if one is not None), default=None)


def _earliest_of_run() -> sa.Select[tuple[int | None]]:
    """Select when the next one of a run is due, by one look-up a step: the index is not read through."""
    walking = (_walkers.c.run_id == _RUN, _walkers.c.state == "walking")
    first = sa.select(sa.func.min(_walkers.c.step).label("step")).where(*walking)
    steps = first.cte("steps", recursive=True)
    above = (
        sa.select(sa.func.min(_walkers.c.step))
        .where(*walking, _walkers.c.step > steps.c.step)
        .scalar_subquery()
    )
    steps = steps.union_all(sa.select(above).where(steps.c.step.is_not(None)))
    due = (
        sa.select(sa.func.min(_walkers.c.due_at))
        .where(*walking, _walkers.c.step == steps.c.step)
        .scalar_subquery()
    )
    return sa.select(sa.func.min(due)).select_from(steps).where(steps.c.step.is_not(None))


_EARLIEST = _earliest_of_run()
