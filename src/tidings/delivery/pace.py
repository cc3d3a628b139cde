"""How fast messages may go: no faster than a channel's rate, and not at all for as long as it asked for time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.channels.protocol import Outcome

# A channel that asked us to slow down is left alone so long, or at most so long whatever it asked.
_SLOW_SECONDS, _SLOWEST_SECONDS = 1.0, 30.0


class Pace:
    """`batch` messages at most go at once; the next not before `next_at` and `slow_until` (monotonic seconds)."""

    def __init__(self, rate_per_second: float | None, window: int) -> None:
        self._between = 1.0 / rate_per_second if rate_per_second else 0.0
        # No more at once than a second's worth: the rate counts messages, however many a call takes.
        self.batch = min(window, max(int(rate_per_second), 1)) if rate_per_second else window
        self.next_at = time.monotonic()
        self.slow_until = 0.0

    @property
    def limited(self) -> bool:
        """Tell whether the channel has a rate."""
        return self._between > 0

    def taken(self, count: int, now: float) -> None:
        """Take note of messages that are on their way."""
        if self._between:
            self.next_at = max(self.next_at, now) + self._between * count

    def heard(self, outcome: Outcome) -> None:
        """Take note of a channel that asks for time."""
        if outcome.kind == "throttled":
            pause = min(outcome.retry_after or _SLOW_SECONDS, _SLOWEST_SECONDS)
            self.slow_until = max(self.slow_until, time.monotonic() + pause)
