"""Codes at a till: ask whether one is good, redeem it, take that back.

    GET    /v1/codes/SPRING-K7QM2XW4           is this code good?
    POST   /v1/redemptions                     {"code": "SPRING-K7QM2XW4", "id": "till-4-1077", "customer": "C-1001"}
    DELETE /v1/redemptions/till-4-1077         the sale was taken back

`id` makes sending again harmless. Beside it: `customer`, `order` (its number), `at`, `discount` (what the code took off) with
`currency`, `sales_channel`, and `anyway: true` for a discount that was given although the code does not count. Other than the events of
POST /v1/events these are answered from the store, at once: while it is away a till is told to ask again.
"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import parse_qs

from tidings.clock import Clock, to_micros
from tidings.errors import StoreError
from tidings.responses.answering import Answer, json_answer, not_allowed
from tidings.responses.callers import Allowance, caller_of, later, no_caller
from tidings.responses.redemptions_told import KeyTaken, Redemption, Verdict
from tidings.responses.request import Receive, Scope, read_body
from tidings.responses.told_values import (
    Refused,
    Wrong,
    no_number,
    read_currency,
    read_instant,
    read_money,
    read_text,
    short,
)
from tidings.tokens.api_keys import ApiKeys

CODES, REDEMPTIONS = "/v1/codes/", "/v1/redemptions"
MOST_BYTES = 16 * 1024
_SECONDS = 10.0
# Each caller may ask so often: a hundred times at once, then ten times a second.
_RATE, _BURST = 10.0, 100
_KEYS = ("anyway", "at", "code", "currency", "customer", "discount", "id", "order", "sales_channel")
_STATUS = {"good": 200, "unknown": 404, "ended": 410, "withdrawn": 410}
_AWAY = "The store cannot be asked now. Ask again in a few seconds."


class Desk(Protocol):
    """Who knows the codes; its methods are called in a thread and raise StoreError while the store is away."""

    def check(self, code: str, customer: str | None) -> Verdict:
        """Say what a code would be worth now."""
        ...

    def redeem(self, told: Redemption) -> Verdict:
        """Redeem a code; raises KeyTaken for an id that stands for another code."""
        ...

    def undo(self, source: str, key: str) -> Verdict | None:
        """Take back what was redeemed under an id; None where nothing was."""
        ...


class RedemptionApi:
    """Answers the requests of tills."""

    def __init__(self, desk: Desk, keys: ApiKeys, currency: str, clock: Clock) -> None:
        self._desk, self._keys, self._currency, self._clock = desk, keys, currency, clock
        self._allowance = Allowance(clock, rate=_RATE, burst=_BURST)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to one request of /v1/codes/ or /v1/redemptions."""
        path, method = scope["path"], scope["method"]
        source = caller_of(scope, self._keys)
        if source is None:
            return no_caller()
        if not self._allowance.takes(source):
            return later(f"Ask at most {_RATE:.0f} times a second.", seconds=1, status=429)
        name = path.removeprefix(REDEMPTIONS).removeprefix("/")
        try:
            if path.startswith(CODES):
                return await self._check(scope) if method in ("GET", "HEAD") else not_allowed("GET, HEAD")
            if not name:
                return await self._redeem(scope, receive, source) if method == "POST" else not_allowed("POST")
            return await self._undo(source, name) if method == "DELETE" else not_allowed("DELETE")
        except Refused as refused:
            return json_answer(refused.status, {"error": refused.sentence})
        except (StoreError, TimeoutError, OSError):
            return later(_AWAY, seconds=5)

    async def _check(self, scope: Scope) -> Answer:
        code = scope["path"].removeprefix(CODES)
        asked = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        customer = asked.get("customer", [None])[0]
        if not _is_text(code) or (customer is not None and not _is_text(customer)):
            raise Refused(400, "Ask with a code of 1 to 200 signs, such as /v1/codes/SPRING-K7QM2XW4.")
        async with asyncio.timeout(_SECONDS):
            verdict = await asyncio.to_thread(self._desk.check, code, customer)
        return json_answer(404 if verdict.answer == "unknown" else 200, verdict.as_json())

    async def _redeem(self, scope: Scope, receive: Receive, source: str) -> Answer:
        async with asyncio.timeout(_SECONDS):
            body = await read_body(scope, receive, MOST_BYTES)
        told = self._read(body, source)
        try:
            async with asyncio.timeout(_SECONDS):
                verdict = await asyncio.to_thread(self._desk.redeem, told)
        except KeyTaken:
            sentence = (
                "Under this `id` another code was redeemed, or another event was sent. Nothing was redeemed."
            )
            return json_answer(409, {"error": sentence})
        status = _STATUS.get(verdict.answer, 409)
        if verdict.kept and not verdict.already:
            status = 201
        facts = verdict.as_json() | {"id": told.key, "redeemed": verdict.kept, "already": verdict.already}
        return json_answer(status, facts)

    async def _undo(self, source: str, key: str) -> Answer:
        if not _is_text(key):
            raise Refused(400, "An `id` has 1 to 200 signs.")
        async with asyncio.timeout(_SECONDS):
            verdict = await asyncio.to_thread(self._desk.undo, f"api:{source}", key)
        if verdict is None:
            return json_answer(404, {"error": "Nothing was redeemed under this `id` with this key."})
        return json_answer(200, {"code": verdict.code, "id": key, "undone": True, "already": verdict.already})

    def _read(self, body: bytes, source: str) -> Redemption:
        try:
            found = json.loads(body, parse_float=Decimal, parse_constant=no_number)
        except (ValueError, RecursionError):
            raise Refused(400, "The body is not JSON: send one redemption as an object.") from None
        if not isinstance(found, dict):
            raise Refused(400, "Send one redemption as an object with at least `code` and `id`.")
        unknown = sorted(set(found) - set(_KEYS))
        try:
            if unknown:
                raise Wrong(
                    f'"{short(unknown[0])}" is not a key of a redemption; the keys are {", ".join(_KEYS)}.'
                )
            now = to_micros(self._clock.now())
            more: dict[str, Any] = {
                name: read_text(found, name)
                for name in ("customer", "order", "sales_channel")
                if found.get(name) is not None
            }
            if found.get("discount") is not None:
                currency = read_currency(found, self._currency)
                more |= {
                    "discount": read_money(found["discount"], currency, "discount"),
                    "currency": currency,
                }
            elif "currency" in found:
                raise Wrong("`currency` without a `discount` says nothing.")
            anyway = found.get("anyway", False)
            if not isinstance(anyway, bool):
                raise Wrong("`anyway` must be true or false.")
            code, key, at = (
                read_text(found, "code"),
                read_text(found, "id"),
                read_instant(found.get("at"), now),
            )
            return Redemption(code, f"api:{source}", key, at, anyway=anyway, **more)
        except Wrong as wrong:
            raise Refused(400, f"{wrong} Nothing was redeemed.") from None


def _is_text(text: str) -> bool:
    return 0 < len(text.strip()) <= 200 and "\x00" not in text and text.isprintable()
