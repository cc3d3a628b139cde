"""Tells when to stop: when nothing but trouble comes back, or too many messages cannot be made or are refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.channels.protocol import Outcome

# Of the last 500 messages more than 5 % and at least 25 unusable: something is wrong with the message, not with people.
_WINDOW, _FEWEST, _SHARE = 500, 25, 0.05
# A doubt costs a message for good, a temporary failure only time: as many doubts as connections are enough to stop.
_DOUBT_WEIGHT = 3


class Watch:
    """Counts what comes back of one channel; each answer is one sentence why to stop, empty while all is well."""

    def __init__(self, channel: str, connections: int) -> None:
        self._channel = channel
        self._most = _DOUBT_WEIGHT * max(connections, 3)
        self._failing = 0
        self._unusable: deque[bool] = deque(maxlen=_WINDOW)
        self._bad = 0

    def raised(self, detail: str) -> str:
        """Take note of a hand-over that ended in an exception."""
        return self._trouble(_DOUBT_WEIGHT, detail)

    def accepted(self) -> None:
        """Take note of one message handed over alone that was accepted, as most are; says nothing against the channel."""
        if len(self._unusable) == _WINDOW:
            self._bad -= self._unusable[0]
        self._unusable.append(False)
        self._failing = 0

    def answered(self, outcomes: Sequence[Outcome]) -> str:
        """Take note of the outcomes of one hand-over.

        A call with several messages counts once: as trouble when nothing in it worked, as doubt when most is doubtful.
        """
        weights = [trouble(one) for one in outcomes]
        doubts = weights.count(_DOUBT_WEIGHT)
        detail = next((one.detail for one, weight in zip(outcomes, weights, strict=True) if weight), "")
        if doubts * 2 > len(weights):
            return self._trouble(_DOUBT_WEIGHT, detail)
        if None in weights:
            self._failing = 0
            return ""
        return self._trouble(max(weight or 0 for weight in weights), detail)

    def judged(self, *, unusable: bool, detail: str) -> str:
        """Take note of a message that could or could not be made, or whose content was taken or refused."""
        if len(self._unusable) == _WINDOW:
            self._bad -= self._unusable[0]
        self._unusable.append(unusable)
        self._bad += unusable
        size = len(self._unusable)
        if unusable and self._bad >= _FEWEST and self._bad > _SHARE * size:
            return (
                f"{self._bad} of the last {size} messages could not be made or were refused for their content: "
                f"{detail}"
            )
        return ""

    def _trouble(self, weight: int, detail: str) -> str:
        self._failing += weight
        return f"the channel {self._channel} does not work: {detail}" if self._failing >= self._most else ""


def trouble(outcome: Outcome) -> int | None:
    """Return how much an outcome says against the channel; None: it worked."""
    if outcome.kind == "in_doubt":
        return _DOUBT_WEIGHT
    if outcome.kind == "transient":
        return 0 if outcome.scope == "recipient" else 1
    return None


def reusable(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether the connection can be used again after these."""
    return all(trouble(one) is None or one.scope == "recipient" for one in outcomes)
