"""The tracker: pixel, click, unsubscribe page, calls of providers and event API as one raw ASGI application.

It never writes to the store, but for the redemptions of tills, who wait for an answer: what comes in goes to the spool, and where a link of an e-mail leads stands in its token. So
those work while the store is down, and a click works even when the disk is full (then its hit is lost and counted).
Short links have no room for that: `target_of` looks theirs up, and says None while it cannot.
GET and HEAD never change what a customer wants; only POST does, and it is answered after the disk has it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from tidings.clock import Clock, to_micros
from tidings.definitions.kinds.rules import Events
from tidings.errors import TidingsError
from tidings.responses import pages
from tidings.responses.answering import (
    COMMON,
    GIF,
    HTML,
    IMAGE,
    PIXEL,
    TEXT,
    Answer,
    json_answer,
    location,
    not_allowed,
)
from tidings.responses.callers import caller_of, later, no_caller
from tidings.responses.event_api import MOST_BYTES, EventReader, encoded
from tidings.responses.group import GroupCommit
from tidings.responses.hooks import MOST_BYTES as HOOK_BYTES
from tidings.responses.hooks import Hooks
from tidings.responses.hooks import Verdict as HookVerdict
from tidings.responses.landing import visit_record, with_token
from tidings.responses.redemption_api import CODES, REDEMPTIONS, Desk, RedemptionApi
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
from tidings.responses.told_values import Refused
from tidings.tokens.api_keys import ApiKeys
from tidings.tokens.keyring import KeyRing
from tidings.tokens.links import InvalidToken, Minter, Purpose, Token, Verifier, is_web_address
from tidings.tokens.short import UNSUBSCRIBE, ShortVerifier

# Returns where the link of a row of `links` leads, None when that cannot be looked up now.
TargetOf = Callable[[int], str | None]
# Returns the bytes and the media type of a picture by the digits and the name of its address, None where there is none;
# raises TidingsError when that cannot be looked up now.
PictureOf = Callable[[str, str], tuple[bytes, str] | None]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LONGEST_FORM = 16 * 1024
_LONGEST_PATH = 8 * 1024
_BODY_SECONDS = 10.0
_LOOK_UP_SECONDS = 5.0
_PICTURE = re.compile(r"([0-9a-f]{16})/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_LEAST_DISK = 32 * 1024 * 1024

_HOOK_REFUSALS = {
    HookVerdict.UNKNOWN: (404, "There is no such channel here."),
    HookVerdict.FORGED: (403, "The call is not signed by the provider of this channel."),
    HookVerdict.FAILED: (400, "The call cannot be read."),
    HookVerdict.TOO_MANY: (413, "The call has too many events."),
}
_PIXEL_ANSWER = Answer(200, GIF, PIXEL)


def make_app(
    ring: KeyRing,
    spool: GroupCommit,
    *,
    clock: Clock,
    title: str,
    events: Events | None = None,
    currency: str = "EUR",
    api_keys: ApiKeys | None = None,
    hooks: Hooks | None = None,
    target_of: TargetOf | None = None,
    picture_of: PictureOf | None = None,
    desk: Desk | None = None,
) -> App:
    """Return the ASGI application.

    `title` names the workspace on its pages, `events` are those that POST /v1/events takes, `currency` that of amounts
    which name none, `api_keys` who may send events (nobody by default), `hooks` takes the calls of providers at
    POST /h/CHANNEL, `target_of` returns where a short link leads, `picture_of` the picture of GET /i/DIGITS/NAME; both may
    take their time, for they are called in a thread. `desk` knows the codes that tills ask for and redeem.
    """
    reader = EventReader(events or Events(), currency)
    tracker = _Tracker(
        Verifier(ring), spool, clock=clock, title=title, reader=reader, api_keys=api_keys or ApiKeys()
    )
    tracker.minter = Minter(ring)
    tracker.shorts = ShortVerifier(ring)
    tracker.hooks = hooks
    tracker.target_of = target_of
    tracker.picture_of = picture_of
    if desk is not None:
        tracker.redemptions = RedemptionApi(desk, api_keys or ApiKeys(), currency, clock)
    return tracker


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
        self.minter: Minter | None = None
        self.shorts: ShortVerifier | None = None
        self.hooks: Hooks | None = None
        self.target_of: TargetOf | None = None
        self.picture_of: PictureOf | None = None
        self.redemptions: RedemptionApi | None = None

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
            answer = json_answer(413 if too_large else 408, {"error": sentence})
        length = (b"content-length", b"%d" % len(answer.body))
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]}
        )
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        kind, token = path[:3], path[3:]
        if len(path) > _LONGEST_PATH:
            return self._wrong(scope)
        if kind == "/c/":
            return await self._click(scope, token) if method in ("GET", "HEAD") else not_allowed("GET, HEAD")
        if kind == "/o/":
            return await self._open(scope, token) if method in ("GET", "HEAD") else not_allowed("GET, HEAD")
        if kind == "/u/":
            known = self._token("unsubscribe", token)
            return await self._unsubscribe(scope, receive, None if known is None else known.message_id)
        if kind == "/s/":
            return await self._short(scope, receive, token)
        if kind == "/h/" and self.hooks is not None:
            return await self._hook(scope, receive, token, self.hooks)
        if kind == "/i/":
            return (
                await self._picture(scope, token) if method in ("GET", "HEAD") else not_allowed("GET, HEAD")
            )
        if kind == "/v/":
            return await self._visit(scope, token) if method == "POST" else not_allowed("POST")
        if path == "/v1/events":
            return await self._events(scope, receive) if method == "POST" else not_allowed("POST")
        if self.redemptions is not None and (
            path.startswith((CODES, f"{REDEMPTIONS}/")) or path == REDEMPTIONS
        ):
            return await self.redemptions.answer(scope, receive)
        if path in ("/livez", "/readyz"):
            if method not in ("GET", "HEAD"):
                return not_allowed("GET, HEAD")
            return json_answer(200, {"live": True}) if path == "/livez" else await self._ready()
        return self._wrong(scope)

    async def _open(self, scope: Scope, name: str) -> Answer:
        token = self._token("open", name.removesuffix(".gif")) if name.endswith(".gif") else None
        if token is None:
            return self._wrong(scope)
        await self._hit(scope, "open", token)
        return _PIXEL_ANSWER

    async def _click(self, scope: Scope, name: str) -> Answer:
        token = self._token("click", name)
        if token is None or not is_web_address(token.target):
            return self._wrong(scope)
        return await self._followed(scope, token)

    async def _followed(self, scope: Scope, token: Token) -> Answer:
        """Note a click, and send it where it leads; the page that wants a token gets one, but none of who hides."""
        target, minter = token.target, self.minter
        if await self._hit(scope, "click", token) and minter is not None:
            target = with_token(target, lambda: minter.mint("visit", token.message_id))
        return Answer(302, [*COMMON, (b"location", location(target))])

    async def _visit(self, scope: Scope, name: str) -> Answer:
        """Take from a page or a server that somebody acted where a link led."""
        token = self._token("visit", name)
        if token is None:
            return self._wrong(scope)
        server = caller_of(scope, self._api_keys) is not None
        record = visit_record(scope, token.message_id, to_micros(self._clock.now()), server=server)
        if record is not None:
            await self._spool.note(encode(record))
        return Answer(204, COMMON)

    async def _hit(self, scope: Scope, kind: str, token: Token) -> bool:
        """Note an open or a click; tell whether it is tied to a message."""
        if not token.message_id:
            return False  # a preview: nobody was written to
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
        return record["m"] is not None

    async def _short(self, scope: Scope, receive: Receive, name: str) -> Answer:
        """Answer a short link: the page to unsubscribe, or the way to where it leads."""
        try:
            token = None if self.shorts is None else self.shorts.read(name)
        except InvalidToken:
            token = None
        if token is None:
            return self._wrong(scope)
        if token.link_id == UNSUBSCRIBE:
            return await self._unsubscribe(scope, receive, token.message_id, by_mail=False)
        if scope["method"] not in ("GET", "HEAD"):
            return not_allowed("GET, HEAD")
        target = await self._look_up(token.link_id)
        if target is None or not is_web_address(target):
            language = pages.choose_language(header(scope, b"accept-language"))
            retry = (b"retry-after", b"60")
            return Answer(503, [*HTML, retry], pages.away_page(self._title, language))
        return await self._followed(scope, Token(token.message_id, target))

    async def _picture(self, scope: Scope, name: str) -> Answer:
        asked = _PICTURE.fullmatch(name)
        if asked is None or self.picture_of is None:
            return self._wrong(scope)
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                found = await asyncio.to_thread(self.picture_of, asked[1], asked[2])
        except (TidingsError, TimeoutError, OSError):
            return Answer(503, [*TEXT, (b"retry-after", b"60")], b"not here now, please ask again\n")
        if found is None:
            return self._wrong(scope)
        content, media_type = found
        return Answer(200, [*IMAGE, (b"content-type", media_type.encode("ascii"))], content)

    async def _look_up(self, link_id: int) -> str | None:
        if self.target_of is None:
            return None
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                return await asyncio.to_thread(self.target_of, link_id)
        except TimeoutError:
            return None

    async def _hook(self, scope: Scope, receive: Receive, channel: str, hooks: Hooks) -> Answer:
        """Answer a call of a provider: 204 once the disk has what it told."""
        if channel not in hooks:
            return json_answer(404, {"error": "There is no such channel here."})
        if scope["method"] != "POST":
            return not_allowed("POST")
        async with asyncio.timeout(_BODY_SECONDS):
            body = await read_body(scope, receive, HOOK_BYTES)
        verdict = await hooks.take(scope, channel, body)
        if verdict is HookVerdict.KEPT:
            return Answer(204, COMMON)
        if verdict is HookVerdict.NOT_KEPT:
            return later("The events could not be saved. Send them again in a minute.")
        status, sentence = _HOOK_REFUSALS[verdict]
        return json_answer(status, {"error": sentence})

    async def _unsubscribe(
        self, scope: Scope, receive: Receive, message_id: int | None, *, by_mail: bool = True
    ) -> Answer:
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            return not_allowed("GET, HEAD, POST")
        if message_id is None:
            return self._wrong(scope)
        language = pages.choose_language(header(scope, b"accept-language"))
        if method != "POST":
            return Answer(200, HTML, pages.ask_page(self._title, language, by_mail=by_mail))
        async with asyncio.timeout(_BODY_SECONDS):
            body = await read_body(scope, receive, _LONGEST_FORM)
        # RFC 8058 section 3.1: the pair comes as a form of either encoding.
        one_click = b"List-Unsubscribe" in body and b"One-Click" in body
        if not one_click and b"confirm=yes" not in body:
            return Answer(400, TEXT, b"The body must be List-Unsubscribe=One-Click\n")
        if message_id:
            facts = describe(scope)
            kept = await self._spool.keep(
                [
                    encode(
                        {
                            "k": "unsubscribe",
                            "at": to_micros(self._clock.now()),
                            "m": message_id,
                            "by": "one-click" if one_click else "page",
                            **{name: facts[name] for name in ("method", "ip", "ua") if name in facts},
                        }
                    )
                ]
            )
            if not kept:
                retry = (b"retry-after", b"60")
                if one_click:
                    return Answer(503, [*TEXT, retry], b"not saved yet, please send it again\n")
                return Answer(503, [*HTML, retry], pages.later_page(self._title, language))
        if one_click:
            return Answer(200, TEXT, b"unsubscribed\n")
        return Answer(200, HTML, pages.done_page(self._title, language, by_mail=by_mail))

    async def _events(self, scope: Scope, receive: Receive) -> Answer:
        source = caller_of(scope, self._api_keys)
        if source is None:
            return no_caller()
        async with asyncio.timeout(_BODY_SECONDS):
            body = await read_body(scope, receive, MOST_BYTES)
        try:
            records = self._reader.read(body, source=f"api:{source}", now=to_micros(self._clock.now()))
            lines = encoded(records)
        except Refused as refused:
            return json_answer(refused.status, {"error": refused.sentence})
        if not await self._spool.keep(lines):
            return later("The events could not be saved. Send them again in a minute.")
        return json_answer(202, {"accepted": len(records)})

    async def _ready(self) -> Answer:
        reason = ""
        try:
            if self._spool.free_bytes() < _LEAST_DISK:
                reason = "less than 32 MB are free for the spool"
            elif not self._spool.healthy and not await self._spool.keep([PROBE]):
                reason = f"the spool cannot be written: {self._spool.reason}"
        except OSError as error:
            reason = f"the spool cannot be written: {error.strerror or error}"
        report: dict[str, Any] = {"ready": not reason, "hits_lost": self._spool.lost}
        if self.hooks is not None:
            report["calls_refused"] = self.hooks.refused.total()
        return json_answer(503, {**report, "reason": reason}) if reason else json_answer(200, report)

    def _token(self, purpose: Purpose, text: str) -> Token | None:
        try:
            return self._verifier.verify(purpose, text)
        except InvalidToken:
            return None

    def _wrong(self, scope: Scope) -> Answer:
        language = pages.choose_language(header(scope, b"accept-language"))
        return Answer(404, HTML, pages.wrong_page(self._title, language))

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self.hooks is not None:
                    self.hooks.close()
                await self._spool.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
