"""What a flow recorded and its compiled wordings, kept between the turns in which it is sent.

A version of a flow never changes once it is approved, and a flow is sent again every few seconds for years.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from tidings.clock import to_micros
from tidings.delivery.claiming import PENDING
from tidings.delivery.recorded import Recorded, recorded
from tidings.delivery.wordings import Wording
from tidings.store.database import Store
from tidings.store.tables import sending

T = TypeVar("T")
# Versions and wordings that are kept; those not used for longest go first.
_VERSIONS, _WORDINGS = 50, 400
# A message may become visible later than one with a higher id, by no more than this. What was given up and came back
# all the same (a doubt that somebody resolved) is found when the whole run is looked through again.
_LATE_SECONDS, _WHOLE_SECONDS = 60.0, 600.0
# How long an answer is good enough: it only ever grows.
_GOOD_SECONDS = 30.0


@dataclass(slots=True)
class _Mark:
    """The lowest id that matters, when the whole run was looked through, and the highest id at an earlier moment.

    `good_until`: until then nobody looks again.
    """

    low: int
    whole_at: float
    high: int
    high_at: float
    good_until: float = 0.0


class Kept:
    """Keeps what was read and compiled, for one store; threads may share it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._versions: OrderedDict[Hashable, Any] = OrderedDict()
        self._wordings: OrderedDict[Hashable, Any] = OrderedDict()
        self._marks: dict[int, _Mark] = {}

    def first(self, store: Store, run_id: int) -> int:
        """Return an id below which no message of a run is to be sent, or can be followed by the next channel.

        A flow is one run for years: without this every look would go through all that it ever sent.
        """
        messages, now = sending.messages, time.monotonic()
        with self._guard:
            mark = self._marks.get(run_id)
            if mark is not None and now < mark.good_until:
                return mark.low
        if mark is None:
            mark = _Mark(0, now, 0, now)
        elif now - mark.whole_at > _WHOLE_SECONDS:
            mark = _Mark(0, now, mark.high, mark.high_at)
        of_run = (messages.c.run_id == run_id, messages.c.id >= mark.low)
        matters = sa.or_(
            messages.c.state.in_(PENDING),
            messages.c.expires_at.is_(None),
            messages.c.expires_at > to_micros(store.clock.now()),
        )
        with store.read() as connection:
            low = connection.execute(
                sa.select(messages.c.id).where(*of_run, matters).order_by(messages.c.id).limit(1)
            ).scalar()
            high = connection.execute(sa.select(sa.func.max(messages.c.id)).where(*of_run)).scalar() or 0
        with self._guard:
            if now - mark.high_at >= _LATE_SECONDS:
                # What was the highest then is no longer in doubt now.
                mark.low = max(mark.low, mark.high if low is None else min(low, mark.high))
                mark.high, mark.high_at = max(high, mark.high), now
            elif not mark.high:
                mark.high = high
            mark.good_until = now + _GOOD_SECONDS
            self._marks[run_id] = mark
            return mark.low

    def recorded(self, store: Store, run_id: int, version: int) -> Recorded:
        """Return what a version of a flow recorded, as `recorded` does."""
        return self._known(
            self._versions, _VERSIONS, (run_id, version), lambda: recorded(store, run_id, version)
        )

    def wording(self, of: Hashable, make: Callable[[], Wording]) -> Wording:
        """Return the wording of a key, made by `make` the first time."""
        return self._known(self._wordings, _WORDINGS, of, make)

    def _known(self, where: OrderedDict[Hashable, Any], most: int, of: Hashable, make: Callable[[], T]) -> T:
        with self._guard:
            if of in where:
                where.move_to_end(of)
                found: T = where[of]
                return found
        # Two threads may make the same; the later one is kept, and nothing is lost but the time.
        made = make()
        with self._guard:
            where[of] = made
            if len(where) > most:
                where.popitem(last=False)
        return made
