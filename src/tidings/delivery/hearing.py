"""How far we have listened: patience with a channel ends only where everything said until then is in the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime


class Heard:
    """Up to which instant everything that came by a channel was taken in; threads may share it.

    What providers tell by a hook is heard as far as the spool is drained (`spool` says how far, None while it is not);
    what is asked for, as far as the last round of questions that reached the end; what comes on open connections, as far
    as they were emptied. After an outage nothing counts as heard until that was done once.
    """

    def __init__(self, spool: Callable[[], datetime | None] | None = None) -> None:
        self._spool = spool
        self._guard = threading.Lock()
        self._noted: dict[str, datetime] = {}

    def note(self, channel: str, at: datetime) -> None:
        """Note that everything a channel had to say at an instant is stored; an earlier instant takes nothing back."""
        with self._guard:
            self._noted[channel] = max(at, self._noted.get(channel, at))

    def up_to(self, channel: str, receipts: str) -> datetime | None:
        """Return how far a channel was heard whose receipts come this way (webhook, poll or in_band), None: not at all."""
        if receipts == "webhook":
            return None if self._spool is None else self._spool()
        with self._guard:
            return self._noted.get(channel)
