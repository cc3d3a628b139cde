"""An e-mail compiled once per variant and locale, filled per recipient: the only way a message is written.

`tidings.templates.compile` checks what can be known before the first recipient; `CompiledEmail.fill` then either
returns the bytes of a whole message or raises RenderError for that one recipient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape, unescape
from typing import Any

from jinja2.environment import Template

from tidings.clock import Clock
from tidings.errors import Problem
from tidings.templates import mime
from tidings.templates.values import MARK, MARK_URL, Missing, RenderError, clean, forbidden_in_header

MAX_PART = 256 * 1024


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who a message is for; `variables` holds the stored values of the attributes that the message names."""

    message_id: int
    key: str
    address: str
    locale: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageUrls:
    """Where links, pixel and unsubscribe of one message lead.

    `click(message_id, position, url)` may return the plain url for somebody who may not be tracked, and `pixel`
    the empty text; then there is no pixel.
    """

    click: Callable[[int, int, str], str]
    pixel: Callable[[int], str]
    unsubscribe: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a person proof-reads it; `fell_back` names the unknown values it did without."""

    subject: str
    preheader: str
    text: str
    html: str | None
    fell_back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Headers:
    """The header values that are the same for every recipient."""

    sender: bytes
    domain: str
    salt: str
    reply_to: bytes = b""
    list_id: bytes = b""
    one_click: bool = False
    unsubscribe_mailto: bytes = b""
    feedback_id: bytes = b""


class Part:
    """One compiled part; rendering stops at the output cap."""

    __slots__ = ("_context", "_root", "name", "used")

    def __init__(self, name: str, template: Template, used: frozenset[str]) -> None:
        self.name = name
        self.used = used
        self._root = template.root_render_func
        self._context = template.new_context

    def render(self, values: dict[str, Any]) -> str:
        """Return the part for one recipient's values; RenderError when it grows over 256 KB."""
        pieces: list[str] = []
        size = 0
        for piece in self._root(self._context(values, shared=True)):
            size += len(piece)
            if size > MAX_PART:
                raise RenderError(self.name, f"grows over {MAX_PART // 1024} KB")
            pieces.append(piece)
        return "".join(pieces)


_TEXT_HEAD = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
_HTML_HEAD = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"


class CompiledEmail:
    """A checked message of one variant and locale.

    `variables`: names of customer attributes it reads. `required`: those of them without another text, so that a
    customer without the value is refused. `links`: the URLs by position. `locale`: of the files used.
    `warnings`: what a person should look at.
    """

    def __init__(
        self,
        *,
        locale: str,
        subject: Part,
        preheader: Part | None,
        text: Part,
        html: Part | None,
        readers: Mapping[str, Callable[[Any], Any]],
        fixed: Mapping[str, str],
        headers: Headers,
        links: tuple[str, ...],
        slots: tuple[tuple[int, str], ...],
        clock: Clock,
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        self.locale = locale
        self.links = links
        self.warnings = warnings
        self.required: frozenset[str] = frozenset()
        self._parts = [part for part in (subject, preheader, text, html) if part is not None]
        self._subject, self._preheader, self._text, self._html = subject, preheader, text, html
        used = frozenset[str]().union(*(part.used for part in self._parts))
        self.variables = used & frozenset(readers)
        self._readers = [(name, readers[name], Missing(name)) for name in sorted(self.variables)]
        self._fixed = dict(fixed)
        self._unsubscribes = "unsubscribe_url" in used
        self._headers = headers
        self._static = {str(number): slot for number, slot in enumerate(slots)}
        self._clock = clock
        self._date = (0, b"")
        digest = sha256(repr((headers, links, locale, sorted(used))).encode()).hexdigest()[:24]
        self._boundary = f"=_t{digest}".encode()
        self._lead = b"From: " + headers.sender + b"\r\nTo: "
        self._tail = self._closing_headers()
        self._fixed_subject = None if subject.used else mime.subject_value(subject.render(self._fixed))

    def _closing_headers(self) -> bytes:
        lines = []
        if self._headers.reply_to:
            lines.append(b"Reply-To: " + self._headers.reply_to)
        if self._headers.list_id:
            lines.append(b"List-Id: <" + self._headers.list_id + b">")
        if self._headers.one_click:
            lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        if self._headers.feedback_id:
            lines.append(b"Feedback-ID: " + self._headers.feedback_id)
        lines.append(b"MIME-Version: 1.0")
        if self._html is not None:
            kind = b'Content-Type: multipart/alternative; boundary="' + self._boundary + b'"'
            lines += [kind, b"", b"--" + self._boundary, b""]
        return b"\r\n" + b"\r\n".join(lines) + (b"" if self._html is not None else b"\r\n")

    def fill(self, recipient: Recipient, urls: MessageUrls) -> bytes:
        """Return the whole message of one recipient: ASCII, CRLF, no line over 998 octets.

        Raises RenderError, and nothing else, when this recipient's message cannot be written.
        """
        try:
            return self._fill(recipient, urls)
        except RenderError:
            raise
        except Exception as error:
            # A poisoned row must cost its own message only, whatever it provokes in a library.
            raise RenderError("message", f"cannot be rendered: {error}"[:300]) from error

    def show(self, recipient: Recipient, urls: MessageUrls) -> Shown:
        """Return subject, text and HTML of one recipient for proof-reading; raises RenderError as `fill` does."""
        try:
            values, unsubscribe = self._values(recipient, urls)
            del unsubscribe
            subject = self._subject_text(recipient, values)
            mime.subject_value(subject)
            preheader = "" if self._preheader is None else self._preheader.render(values)
            text, html = self._bodies(recipient.message_id, values, urls)
        except RenderError:
            raise
        except Exception as error:
            raise RenderError("message", f"cannot be rendered: {error}"[:300]) from error
        fell_back = tuple(name for name, _, _ in self._readers if isinstance(values[name], Missing))
        return Shown(subject.strip(), preheader, text, html, fell_back)

    def _fill(self, recipient: Recipient, urls: MessageUrls) -> bytes:
        values, unsubscribe = self._values(recipient, urls)
        address = mime.ascii_address(recipient.address).encode()
        subject = self._fixed_subject or mime.subject_value(self._subject_text(recipient, values))
        text, html = self._bodies(recipient.message_id, values, urls)
        headers = self._headers
        reference = f"<m{recipient.message_id}.{headers.salt}@{headers.domain}>".encode()
        pieces = [self._lead, address, b"\r\nSubject: ", subject, b"\r\nDate: ", self._date_now()]
        pieces += [b"\r\nMessage-ID: ", reference]
        if headers.one_click:
            where = b"<" + mime.header_url(unsubscribe, "unsubscribe_url") + b">"
            if headers.unsubscribe_mailto:
                where += b",\r\n <mailto:" + headers.unsubscribe_mailto + b">"
            pieces += [b"\r\nList-Unsubscribe: ", where]
        pieces += [self._tail, _TEXT_HEAD, _body(text, "text")]
        if html is not None:
            between = b"\r\n--" + self._boundary
            pieces += [between, b"\r\n", _HTML_HEAD, _body(html, "html"), between, b"--\r\n"]
        return b"".join(pieces)

    def _values(self, recipient: Recipient, urls: MessageUrls) -> tuple[dict[str, Any], str]:
        values: dict[str, Any] = dict(self._fixed)
        given = recipient.variables
        for name, read, missing in self._readers:
            raw = given.get(name)
            values[name] = missing if raw is None or raw == "" else read(raw)
        values["key"], values["email"] = clean(recipient.key), clean(recipient.address)
        values["locale"] = clean(recipient.locale)
        unsubscribe = ""
        if self._unsubscribes or self._headers.one_click:
            unsubscribe = values["unsubscribe_url"] = urls.unsubscribe(recipient.message_id)
        return values, unsubscribe

    def _subject_text(self, recipient: Recipient, values: dict[str, Any]) -> str:
        for name in self._subject.used & self.variables:
            # Bodies drop such signs; in a header they are an attack or dirt, and somebody should see it.
            raw = recipient.variables.get(name)
            for text in [raw] if isinstance(raw, str) else raw if isinstance(raw, list | tuple) else []:
                sign = forbidden_in_header(text) if isinstance(text, str) else None
                if sign:
                    raise RenderError(name, f"holds the sign {sign}, which may not stand in a subject")
        return self._subject.render(values)

    def _bodies(self, message_id: int, values: dict[str, Any], urls: MessageUrls) -> tuple[str, str | None]:
        minted: dict[tuple[int, str], str] = {}
        html = None
        if self._html is not None:
            html = self._place(self._html.render(values), message_id, urls, minted, html=True)
        return self._place(self._text.render(values), message_id, urls, minted, html=False), html

    def _place(
        self,
        rendered: str,
        message_id: int,
        urls: MessageUrls,
        minted: dict[tuple[int, str], str],
        *,
        html: bool,
    ) -> str:
        """Put the recipient's URLs into the slots of a rendered part."""
        chunks = rendered.split(MARK)
        for index in range(1, len(chunks), 2):
            mark = chunks[index]
            if mark == "p":
                pixel = urls.pixel(message_id)
                chunks[index] = escape(pixel)
                if not pixel:
                    # The image is the last thing we put in: cut it out whole.
                    chunks[index - 1] = chunks[index - 1].removesuffix('<img src="')
                    chunks[index + 1] = chunks[index + 1].partition(">")[2]
                continue
            number, dynamic, written = mark.partition(MARK_URL)
            slot = self._static[number]
            if dynamic:
                slot = (slot[0], unescape(written) if html else written)
            url = minted.get(slot)
            if url is None:
                url = minted[slot] = urls.click(message_id, *slot)
            chunks[index] = escape(url) if html else url
        return "".join(chunks)

    def _date_now(self) -> bytes:
        now = self._clock.now()
        second = int(now.timestamp())
        kept = self._date
        if kept[0] != second:
            kept = self._date = (second, mime.date_value(now))
        return kept[1]


def _body(text: str, name: str) -> bytes:
    encoded = mime.base64_body(text)
    if len(encoded) > MAX_PART * 2:
        raise RenderError(name, f"grows over {MAX_PART // 1024} KB")
    return encoded
