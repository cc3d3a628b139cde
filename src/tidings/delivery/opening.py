"""When a connection may be opened: at once while that works, with growing pauses and one at a time while it does not."""

from __future__ import annotations

import time

# Seconds between attempts to open a connection: the first, and the longest while none and while others are open.
_FIRST_PAUSE, _PAUSE_ALONE, _PAUSE_BESIDE = 0.5, 1.0, 30.0


class Opening:
    """Decides for all connections of a channel.

    When none is open, the channel is in trouble after `connect_seconds`, or `reconnect_seconds` when it has worked
    before.
    """

    def __init__(self, connect_seconds: float, reconnect_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._reconnect_seconds = reconnect_seconds
        self._connected = 0
        self._worked = False
        self._alone_since: float | None = None
        self._pause = _FIRST_PAUSE
        # The monotonic second from which on the next may be tried.
        self.open_at = time.monotonic()

    def may_try(self) -> bool:
        """Tell whether a connection may be opened now, and count it as tried."""
        now = time.monotonic()
        if now < self.open_at:
            return False
        if self.struggling:
            # One at a time tries, not all of them.
            self.open_at = now + self._pause
        return True

    @property
    def struggling(self) -> bool:
        """Tell whether the last attempts failed."""
        return self._pause > _FIRST_PAUSE

    def opened(self) -> None:
        """Take note of an open connection: the others may try at once."""
        self._connected += 1
        self._worked = True
        self._alone_since = None
        self._pause, self.open_at = _FIRST_PAUSE, time.monotonic()

    def dropped(self) -> None:
        """Take note of a connection that is gone."""
        self._connected -= 1

    def failed(self, *, again: bool) -> bool:
        """Put the next attempt off; return whether no connection has been open for too long.

        `again`: it was one of those that try one at a time.
        """
        now = time.monotonic()
        alone = self._connected == 0
        self._alone_since = (self._alone_since or now) if alone else None
        allowed = self._reconnect_seconds if self._worked else self._connect_seconds
        left = allowed - (now - (self._alone_since or now))
        # Several that failed together at the beginning are one failure.
        if again or now >= self.open_at:
            pause = min(self._pause, _PAUSE_ALONE if alone else _PAUSE_BESIDE)
            self.open_at = now + (min(pause, max(left, 0.0)) if alone else pause)
            self._pause *= 2
        return alone and left <= 0
