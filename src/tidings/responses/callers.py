"""Who calls an API of the tracker: the name of the key that comes with a request, and how often each may ask."""

from __future__ import annotations

from tidings.clock import Clock
from tidings.responses.answering import Answer, json_answer
from tidings.responses.request import Scope, header
from tidings.tokens.api_keys import ApiKeys


def caller_of(scope: Scope, keys: ApiKeys) -> str | None:
    """Return the name of the system whose key a request bears, None for one without a key of this server."""
    scheme, _, key = header(scope, b"authorization").decode("latin-1").partition(" ")
    return keys.name_of(key.strip()) if scheme.lower() == "bearer" else None


def no_caller() -> Answer:
    """Return the answer to a request without a key of this server."""
    answer = json_answer(401, {"error": "Send a key of this server as `Authorization: Bearer …`."})
    return Answer(401, [*answer.headers, (b"www-authenticate", b"Bearer")], answer.body)


def later(sentence: str, seconds: int = 60, status: int = 503) -> Answer:
    """Return the answer to a request that may come again after so many seconds."""
    answer = json_answer(status, {"error": sentence})
    return Answer(status, [*answer.headers, (b"retry-after", b"%d" % seconds)], answer.body)


class Allowance:
    """How often each caller may ask: `burst` times at once, and again one for every 1/`rate` seconds that passed."""

    def __init__(self, clock: Clock, *, rate: float, burst: int) -> None:
        self._clock, self._rate, self._burst = clock, rate, float(burst)
        self._left: dict[str, tuple[float, float]] = {}

    def takes(self, caller: str) -> bool:
        """Count one question; tell whether it may be answered."""
        now = self._clock.monotonic()
        left, since = self._left.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        self._left[caller] = (max(left - 1, 0.0) if left >= 1 else left, now)
        return left >= 1
