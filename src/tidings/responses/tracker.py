"""The tracker: pixel, click, unsubscribe page and event API as one raw ASGI application.

It never opens the store: what comes in goes to the spool, and where a link leads stands in its token. So links work
while the store is down, and a click works even when the disk is full (then its hit is lost and counted).
GET and HEAD never change what a customer wants; only POST does, and it is answered after the disk has it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tidings.clock import Clock, to_micros
from tidings.definitions.kinds.rules import Events
from tidings.responses import pages
from tidings.responses.event_api import MOST_BYTES, EventReader, Refused
from tidings.responses.group import GroupCommit
from tidings.responses.request import (
    BodyTooLarge,
    ClientGone,
    Receive,
    Scope,
    Send,
    describe,
    header,
    read_body,
)
from tidings.responses.spool import PROBE, encode
from tidings.tokens.api_keys import ApiKeys
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import InvalidToken, Purpose, Token, Verifier, is_web_address

App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A transparent GIF of one pixel.
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
_LONGEST_FORM = 16 * 1024
_LONGEST_PATH = 8 * 1024
_BODY_SECONDS = 10.0
_LEAST_DISK = 32 * 1024 * 1024

_Headers = list[tuple[bytes, bytes]]
_COMMON: _Headers = [
    (b"cache-control", b"no-store, max-age=0"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
]
_HTML: _Headers = [
    *_COMMON,
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", pages.POLICY.encode()),
    (b"x-frame-options", b"DENY"),
]
_GIF: _Headers = [*_COMMON, (b"content-type", b"image/gif")]
_TEXT: _Headers = [*_COMMON, (b"content-type", b"text/plain; charset=utf-8")]
_JSON: _Headers = [*_COMMON, (b"content-type", b"application/json")]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: _Headers
    body: bytes = b""


_PIXEL_ANSWER = _Answer(200, _GIF, PIXEL)


def make_app(
    ring: KeyRing,
    spool: GroupCommit,
    *,
    clock: Clock,
    title: str,
    events: Events | None = None,
    currency: str = "EUR",
    api_keys: ApiKeys | None = None,
) -> App:
    """Return the ASGI application.

    `title` names the workspace on its pages, `events` are those that POST /v1/events takes, `currency` that of amounts
    which name none, `api_keys` who may send events (nobody by default).
    """
    reader = EventReader(events or Events(), currency)
    return _Tracker(
        Verifier(ring), spool, clock=clock, title=title, reader=reader, api_keys=api_keys or ApiKeys()
    )


class _Tracker:
    def __init__(
        self,
        verifier: Verifier,
        spool: GroupCommit,
        *,
        clock: Clock,
        title: str,
        reader: EventReader,
        api_keys: ApiKeys,
    ) -> None:
        self._verifier = verifier
        self._spool = spool
        self._clock = clock
        self._title = title
        self._reader = reader
        self._api_keys = api_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        except (BodyTooLarge, TimeoutError) as error:
            too_large = isinstance(error, BodyTooLarge)
            sentence = "The body is too large." if too_large else "The body did not arrive within 10 seconds."
            answer = _json(413 if too_large else 408, {"error": sentence})
        length = (b"content-length", b"%d" % len(answer.body))
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]}
        )
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        path, method = scope["path"], scope["method"]
        kind, token = path[:3], path[3:]
        if len(path) > _LONGEST_PATH:
            return self._wrong(scope)
        if kind == "/c/":
            return await self._click(scope, token) if method in ("GET", "HEAD") else _not_allowed("GET, HEAD")
        if kind == "/o/":
            return await self._open(scope, token) if method in ("GET", "HEAD") else _not_allowed("GET, HEAD")
        if kind == "/u/":
            return await self._unsubscribe(scope, receive, token)
        if path == "/v1/events":
            return await self._events(scope, receive) if method == "POST" else _not_allowed("POST")
        if path in ("/livez", "/readyz"):
            if method not in ("GET", "HEAD"):
                return _not_allowed("GET, HEAD")
            return _json(200, {"live": True}) if path == "/livez" else await self._ready()
        return self._wrong(scope)

    async def _open(self, scope: Scope, name: str) -> _Answer:
        token = self._token("open", name.removesuffix(".gif")) if name.endswith(".gif") else None
        if token is None:
            return self._wrong(scope)
        await self._hit(scope, "open", token)
        return _PIXEL_ANSWER

    async def _click(self, scope: Scope, name: str) -> _Answer:
        token = self._token("click", name)
        if token is None or not is_web_address(token.target):
            return self._wrong(scope)
        await self._hit(scope, "click", token)
        return _Answer(302, [*_COMMON, (b"location", _location(token.target))])

    async def _hit(self, scope: Scope, kind: str, token: Token) -> None:
        if not token.message_id:
            return  # a preview: nobody was written to
        facts = describe(scope)
        record: dict[str, Any] = {"k": kind, "at": to_micros(self._clock.now())}
        if facts.pop("dnt", False):
            # Counted, but tied to nobody: no message, no network, no program, and a target without its query.
            record |= {"m": None, "method": facts["method"]}
            if token.target:
                record["url"] = token.target.partition("?")[0].partition("#")[0]
        else:
            record |= {"m": token.message_id, **facts}
            if token.target:
                record["url"] = token.target
        await self._spool.note(encode(record))

    async def _unsubscribe(self, scope: Scope, receive: Receive, name: str) -> _Answer:
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            return _not_allowed("GET, HEAD, POST")
        token = self._token("unsubscribe", name)
        if token is None:
            return self._wrong(scope)
        language = pages.choose_language(header(scope, b"accept-language"))
        if method != "POST":
            return _Answer(200, _HTML, pages.ask_page(self._title, language))
        async with asyncio.timeout(_BODY_SECONDS):
            body = await read_body(scope, receive, _LONGEST_FORM)
        # RFC 8058 section 3.1: the pair comes as a form of either encoding.
        one_click = b"List-Unsubscribe" in body and b"One-Click" in body
        if not one_click and b"confirm=yes" not in body:
            return _Answer(400, _TEXT, b"The body must be List-Unsubscribe=One-Click\n")
        if token.message_id:
            facts = describe(scope)
            kept = await self._spool.keep(
                [
                    encode(
                        {
                            "k": "unsubscribe",
                            "at": to_micros(self._clock.now()),
                            "m": token.message_id,
                            "by": "one-click" if one_click else "page",
                            **{name: facts[name] for name in ("method", "ip", "ua") if name in facts},
                        }
                    )
                ]
            )
            if not kept:
                retry = (b"retry-after", b"60")
                if one_click:
                    return _Answer(503, [*_TEXT, retry], b"not saved yet, please send it again\n")
                return _Answer(503, [*_HTML, retry], pages.later_page(self._title, language))
        if one_click:
            return _Answer(200, _TEXT, b"unsubscribed\n")
        return _Answer(200, _HTML, pages.done_page(self._title, language))

    async def _events(self, scope: Scope, receive: Receive) -> _Answer:
        scheme, _, key = header(scope, b"authorization").decode("latin-1").partition(" ")
        source = self._api_keys.name_of(key.strip()) if scheme.lower() == "bearer" else None
        if source is None:
            answer = _json(401, {"error": "Send a key of this server as `Authorization: Bearer …`."})
            return _Answer(401, [*answer.headers, (b"www-authenticate", b"Bearer")], answer.body)
        async with asyncio.timeout(_BODY_SECONDS):
            body = await read_body(scope, receive, MOST_BYTES)
        try:
            records = self._reader.read(body, source=f"api:{source}", now=to_micros(self._clock.now()))
        except Refused as refused:
            return _json(refused.status, {"error": refused.sentence})
        if not await self._spool.keep([encode(record) for record in records]):
            answer = _json(503, {"error": "The events could not be saved. Send them again in a minute."})
            return _Answer(503, [*answer.headers, (b"retry-after", b"60")], answer.body)
        return _json(202, {"accepted": len(records)})

    async def _ready(self) -> _Answer:
        reason = ""
        try:
            if self._spool.free_bytes() < _LEAST_DISK:
                reason = "less than 32 MB are free for the spool"
            elif not self._spool.healthy and not await self._spool.keep([PROBE]):
                reason = f"the spool cannot be written: {self._spool.reason}"
        except OSError as error:
            reason = f"the spool cannot be written: {error.strerror or error}"
        report: dict[str, Any] = {"ready": not reason, "hits_lost": self._spool.lost}
        return _json(503, {**report, "reason": reason}) if reason else _json(200, report)

    def _token(self, purpose: Purpose, text: str) -> Token | None:
        try:
            return self._verifier.verify(purpose, text)
        except InvalidToken:
            return None

    def _wrong(self, scope: Scope) -> _Answer:
        language = pages.choose_language(header(scope, b"accept-language"))
        return _Answer(404, _HTML, pages.wrong_page(self._title, language))

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._spool.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _location(target: str) -> bytes:
    """Return a target as a header carries it: ASCII, with a host in another script as IDNA (RFC 3490)."""
    if target.isascii():
        return target.encode("ascii")
    scheme, _, rest = target.partition("://")
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    try:
        host = rest[:end].encode("idna").decode("ascii")
    except UnicodeError:
        host = quote(rest[:end])
    # Every ASCII sign stays as it is, the percent sign too: what is encoded already is not encoded twice.
    kept = quote(rest[end:], safe="".join(map(chr, range(0x21, 0x7F))))
    return f"{scheme}://{host}{kept}".encode("ascii")


def _not_allowed(methods: str) -> _Answer:
    answer = _json(405, {"error": f"Only {methods} is possible here."})
    return _Answer(405, [*answer.headers, (b"allow", methods.encode("ascii"))], answer.body)


def _json(status: int, body: dict[str, Any]) -> _Answer:
    return _Answer(status, _JSON, json.dumps(body, ensure_ascii=False).encode() + b"\n")
