"""Calls of providers: verified on the raw body by the channel's adapter, kept on disk, and only then answered.

Nothing of a call that does not verify is looked at, kept or repeated in a log: neither its body nor what its
signature should have been.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote

from tidings.channels.protocol import Forged, Hooked, HookRequest
from tidings.clock import Clock, to_micros
from tidings.responses.group import GroupCommit
from tidings.responses.hook_events import lines_of
from tidings.responses.request import Scope

if TYPE_CHECKING:
    from tidings.channels.protocol import ChannelEvent

MOST_BYTES = 1024 * 1024
MOST_EVENTS = 10_000
_LOG_SECONDS = 60.0

Say = Callable[[str], None]


class Verdict(Enum):
    """How a call ended."""

    UNKNOWN = "unknown"
    FORGED = "forged"
    FAILED = "failed"
    TOO_MANY = "too many"
    NOT_KEPT = "not kept"
    KEPT = "kept"


class Hooks:
    """Takes the calls for a set of channels. `refused` counts by channel the calls that did not verify."""

    def __init__(
        self, adapters: Mapping[str, Hooked], spool: GroupCommit, *, clock: Clock, public_url: str, say: Say
    ) -> None:
        self._adapters = dict(adapters)
        self._spool = spool
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._say = say
        self._said: dict[str, float] = {}
        # One thread: adapters are used by one at a time, and reading a big body holds up no click.
        self._executor = ThreadPoolExecutor(1, "hooks")
        self.refused: Counter[str] = Counter()

    def __contains__(self, channel: str) -> bool:
        return channel in self._adapters

    async def take(self, scope: Scope, channel: str, body: bytes) -> Verdict:
        """Verify a call, read it and keep its events; KEPT comes only after the disk has them."""
        adapter = self._adapters.get(channel)
        if adapter is None:
            return Verdict.UNKNOWN
        now = self._clock.now()
        request = HookRequest(self._url(scope), _headers(scope), body)
        try:
            events = await asyncio.get_running_loop().run_in_executor(
                self._executor, adapter.parse_webhook, request, now
            )
        except Forged:
            self._refuse(channel, "not signed by its provider")
            return Verdict.FORGED
        except Exception as error:
            self._refuse(channel, f"not readable ({type(error).__name__})")
            return Verdict.FAILED
        if len(events) > MOST_EVENTS:
            self._refuse(channel, f"has more than {MOST_EVENTS:,} events")
            return Verdict.TOO_MANY
        if not events or await self._spool.keep(self._lines(channel, adapter, events, to_micros(now))):
            return Verdict.KEPT
        return Verdict.NOT_KEPT

    def close(self) -> None:
        """End the thread that verifies."""
        self._executor.shutdown(wait=False)

    def _lines(self, channel: str, adapter: Hooked, events: list[ChannelEvent], at: int) -> list[bytes]:
        provider = str(getattr(adapter, "name", type(adapter).__name__))
        capabilities = getattr(adapter, "capabilities", None)
        kind = str(getattr(capabilities, "kind", ""))
        return lines_of(events, channel=channel, provider=provider, kind=kind, at=at)

    def _url(self, scope: Scope) -> str:
        """Return the address that the provider called and signed: the public one, whatever a proxy made of it."""
        raw = scope.get("raw_path")
        path = raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"])
        query = scope.get("query_string", b"").decode("latin-1")
        return f"{self._public_url}{path}{f'?{query}' if query else ''}"

    def _refuse(self, channel: str, why: str) -> None:
        """Count a refused call, and say so at most once a minute for a channel."""
        self.refused[channel] += 1
        now = self._clock.monotonic()
        last = self._said.get(channel)
        if last is None or now - last >= _LOG_SECONDS:
            self._said[channel] = now
            count = self.refused[channel]
            self._say(f"a call for the channel {channel} was refused: {why} ({count:,} refused so far)")


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers as text; of one that comes twice, both, as RFC 9110 section 5.3 joins them."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
