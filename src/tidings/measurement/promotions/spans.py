"""The windows of a run as arrays: before, the goal's own, and the weeks after it in which orders may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from tidings.clock import from_micros, to_micros
from tidings.definitions.values import Duration, Unit
from tidings.measurement.windows import by_anchor, moved
from tidings.statistics.credit import Integers

# Days after the window in which orders that were only moved would be missing.
HORIZONS = (14, 28, 56)


@dataclass(frozen=True, slots=True)
class Spans:
    """For each anchor (ascending, microseconds) how long before it, after it, and until the end of each horizon.

    Those in between have the lengths of the next one, as the windows of the goal have.
    """

    anchors: Integers
    before: Integers
    within: Integers
    horizons: tuple[Integers, ...]

    @classmethod
    def of(cls, anchors: Sequence[int], length: Duration, zone: ZoneInfo) -> Spans:
        """Return the windows of the anchors that occur; days are those of the calendar of `zone`."""
        known = sorted(set(anchors))
        before, within = [], []
        later: list[list[int]] = [[] for _ in HORIZONS]
        for micros in known:
            at = from_micros(micros)
            close = moved(at, length, zone)
            before.append(micros - to_micros(moved(at, length, zone, back=True)))
            within.append(to_micros(close) - micros)
            for place, days in enumerate(HORIZONS):
                later[place].append(to_micros(moved(close, Duration(days, Unit.DAY), zone)) - micros)
        arrays = [np.array(one, dtype=np.int64) for one in (known, before, within, *later)]
        return cls(arrays[0], arrays[1], arrays[2], tuple(arrays[3:]))

    def place(self, anchor: Integers) -> Integers:
        """Return which of the known anchors gives the lengths of each anchor."""
        found: Integers = np.minimum(np.searchsorted(self.anchors, anchor), len(self.anchors) - 1)
        return found

    @property
    def first_open(self) -> int:
        """Return the instant at which the first window before begins."""
        return int((self.anchors - self.before).min())

    @property
    def last_close(self) -> int:
        """Return the instant at which the last window is over."""
        return int((self.anchors + self.within).max())

    def last_end(self, place: int) -> int:
        """Return the instant at which a horizon is over for everybody."""
        return int((self.anchors + self.horizons[place]).max())

    def first_end(self, place: int) -> int:
        """Return the instant at which a horizon is over for the first."""
        return int((self.anchors + self.horizons[place]).min())

    def end(self, anchor: sa.ColumnElement[int], place: int) -> sa.ColumnElement[int]:
        """Return the end of a horizon as an expression over the anchor."""
        pairs = list(zip(self.anchors.tolist(), self.horizons[place].tolist(), strict=True))
        return anchor + by_anchor(anchor, pairs)
