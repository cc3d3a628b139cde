"""How many messages a sender has in hand: what its channel takes in a quarter of a second.

A claim is one durable write, whatever its size, and a power cut takes the marks since the last one. So a slow channel
claims little, of which little can be in doubt, and a fast one does not pay for a claim each few milliseconds.
"""

from __future__ import annotations

# What is in hand goes out in so many seconds.
_SECONDS = 0.25
# Below this a claim costs more than it saves in doubts.
_FEWEST = 100
# What is claimed before anybody knows how fast the channel is.
_FIRST = 250
# The pace is measured over so many seconds at least.
_SPAN = 0.02


class Portion:
    """The size of what is in hand, fitted to the pace at each claim.

    `most` bounds it, but for `least`, which keeps all connections busy; `rate` is what is known of the pace before, messages
    a second.
    """

    def __init__(self, *, least: int, most: int, rate: float | None = None) -> None:
        self._most = max(most, least)
        self._least = min(max(least, _FEWEST), self._most)
        first = _FIRST if rate is None else int(rate * _SECONDS)
        self.size = min(max(first, self._least), self._most)
        self._settled = 0
        self._at: float | None = None

    @property
    def few(self) -> int:
        """How many may be left in the queue when more is claimed."""
        return self.size // 5

    def fit(self, settled: int, now: float) -> None:
        """Fit the size before a claim: `settled` messages have an outcome so far, at the monotonic second `now`."""
        if self._at is not None:
            if now - self._at < _SPAN or settled <= self._settled:
                return
            fitting = int((settled - self._settled) / (now - self._at) * _SECONDS)
            # By half or double at most: one late answer says little of the pace.
            fitting = min(max(fitting, self.size // 2), self.size * 2)
            self.size = min(max(fitting, self._least), self._most)
        self._settled, self._at = settled, now
