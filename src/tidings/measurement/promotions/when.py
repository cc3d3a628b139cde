"""Which events stand where in the windows of their customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidings.measurement.promotions.orders import Flags, Orders
from tidings.measurement.promotions.spans import Spans


@dataclass(frozen=True, slots=True)
class When:
    """Which events stand where in the windows of their customers."""

    orders: Orders
    spans: Spans

    def _of(self, lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the end of a length for each event: that of its customer's anchor."""
        anchor = self.orders.anchor
        found: np.ndarray[Any, Any] = (anchor + lengths[self.spans.place(anchor)])[self.orders.who]
        return found

    def after(self) -> Flags:
        """Return the events from the anchor until the end of the last horizon."""
        anchor = self.orders.anchor[self.orders.who]
        found: Flags = (self.orders.at >= anchor) & (self.orders.at < self._of(self.spans.horizons[-1]))
        return found

    def within(self) -> Flags:
        """Return the events of the window."""
        found: Flags = (self.orders.at >= self.orders.anchor[self.orders.who]) & (
            self.orders.at < self._of(self.spans.within)
        )
        return found

    def before(self) -> Flags:
        """Return the events of the window before the anchor."""
        anchor = self.orders.anchor[self.orders.who]
        found: Flags = (self.orders.at < anchor) & (self.orders.at >= self._of(-self.spans.before))
        return found

    def later(self, place: int) -> Flags:
        """Return the events of a horizon after the window."""
        found: Flags = (self.orders.at >= self._of(self.spans.within)) & (
            self.orders.at < self._of(self.spans.horizons[place])
        )
        return found

    def over(self, place: int, now: int) -> Flags:
        """Return the events of customers for whom a horizon is over."""
        found: Flags = self._of(self.spans.horizons[place]) <= now
        return found
