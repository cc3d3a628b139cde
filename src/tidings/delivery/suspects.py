"""Refusals of how a channel is set up: whether they are true of the channel, or only of one recipient.

A gateway may say "not allowed" about one number, in the very words in which it refuses a wrong key. Whoever was refused so
waits: when messages handed over later are accepted, the refusal was this recipient's own; when the next ones are
refused as well, the channel's. So one number never holds a campaign, and a wrong key costs nobody a message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from tidings.delivery.outcomes import Ended, ended_by
from tidings.delivery.work import Claimed, Job

if TYPE_CHECKING:
    from tidings.channels.protocol import Outcome

# So many recipients refused one after the other, with none accepted between them, are the channel's doing.
_MOST = 10
# With nothing left to compare with: so few are theirs where an acceptance lies at most so many answers back.
_FEW, _BACK = 2, 100
# How long to wait for messages that are still to be claimed before that is decided.
_DRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Suspect:
    message: Claimed
    outcome: Outcome
    at: float


class Suspects:
    """Keeps them until it is known; used from the sender's thread alone. `waiting` tells how many there are."""

    def __init__(self, job: Job, now: Callable[[], datetime]) -> None:
        self._job = job
        self._now = now
        self._kept: list[_Suspect] = []
        self._since_accepted = _BACK + 1
        self._dry_since = 0.0
        # Why nothing more can go out by the channel, as soon as that is certain.
        self.why = ""

    @property
    def waiting(self) -> int:
        """How many messages are neither ended nor given back."""
        return len(self._kept)

    def heard(self, message: Claimed, outcome: Outcome, since: float) -> list[Ended]:
        """Take note of an answer to a hand-over that began at `since`; return what ended, not the message if it is kept."""
        if outcome.kind == "accepted":
            return [ended_by(self._job, message, outcome, self._now()), *self.accepted(since)]
        self._since_accepted += 1
        if outcome.kind != "rejected" or outcome.scope != "config":
            return [ended_by(self._job, message, outcome, self._now())]
        self._kept.append(_Suspect(message, outcome, time.monotonic()))
        self._dry_since = 0.0
        if self._recipients() >= _MOST:
            self._stop()
        return []

    def accepted(self, since: float) -> list[Ended]:
        """Take note of an acceptance; return what became of those refused before its hand-over began at `since`."""
        self._since_accepted = 0
        if not self._kept:
            return []
        theirs = [one for one in self._kept if one.at < since]
        self._kept = [one for one in self._kept if one.at >= since]
        return [self._rejected(one) for one in theirs]

    def decide(self, *, dry: bool, closing: bool) -> list[Ended]:
        """Return what became of those kept when nothing is on its way that they could be compared with (`dry`).

        Nothing while more may come. `closing`: nothing will.
        """
        if not self._kept or not dry:
            self._dry_since = 0.0
            return []
        now = time.monotonic()
        self._dry_since = self._dry_since or now
        if not closing and now - self._dry_since < _DRY_SECONDS:
            return []
        if self._recipients() > _FEW or self._since_accepted > _BACK:
            self._stop()
            return []
        theirs, self._kept = self._kept, []
        return [self._rejected(one) for one in theirs]

    def give_back(self) -> list[Ended]:
        """Return all as messages that are planned again."""
        kept, self._kept = self._kept, []
        return [ended_by(self._job, one.message, one.outcome, self._now()) for one in kept]

    def _recipients(self) -> int:
        return len({one.message.address for one in self._kept})

    def _stop(self) -> None:
        self.why = f"the channel {self._job.channel} refuses to send: {self._kept[-1].outcome.detail}"

    def _rejected(self, one: _Suspect) -> Ended:
        # Theirs for this message; the address is not suppressed, for what is not allowed today may be tomorrow.
        outcome = replace(one.outcome, scope="recipient", permanent=False)
        return replace(ended_by(self._job, one.message, outcome, self._now()), permanent=False)
