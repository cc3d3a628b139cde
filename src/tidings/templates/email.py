"""An e-mail compiled once per variant and locale, filled per recipient: the only way a message is written.

`tidings.templates.compile` checks what can be known before the first recipient; `CompiledEmail.fill` then either
returns the bytes of a whole message or raises RenderError for that one recipient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tidings.clock import Clock
from tidings.definitions.kinds.recommending import RECOMMENDED
from tidings.errors import Problem
from tidings.templates import mime
from tidings.templates.chains import Others
from tidings.templates.group import group_reader
from tidings.templates.part import MAX_PART, Part
from tidings.templates.parts import Parts
from tidings.templates.products import taken
from tidings.templates.salutations import salutation_for, salutation_names
from tidings.templates.slots import Filling, Slots
from tidings.templates.values import Missing, RenderError, clean, forbidden_in_header

MAX_ENCODED = MAX_PART * 2


# Not frozen: one is made for every message, and freezing doubles its price.
@dataclass(slots=True)
class Recipient:
    """Who a message is for; `variables` holds the stored values of the attributes that the message names.

    `reference` is our name for the message, which reports of mail servers return, `seal` what proves that they do;
    both are empty where nothing is sent.
    """

    message_id: int
    key: str
    address: str
    locale: str
    variables: Mapping[str, Any]
    reference: str = ""
    seal: str = ""


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
    sender_shown: str = ""
    reply_shown: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the templates made for one recipient: `text` and `html` still hold the slots of their links."""

    subject: str
    text: str
    html: str | None


class CompiledEmail:
    """A checked message of one variant and locale.

    `variables`: names of customer attributes it reads. `required`: those of them without another text, so that a
    customer without the value is refused. `named`: those that the files name themselves; `greeted_by`: those that
    `{{ salutation }}` is made from, in the locale `greeting`. `others`: the words that stand where values are unknown.
    `links`: the URLs by position. `locale`: of the files used.
    `nested`: it has a loop in a loop (see `tidings.templates.worker`). `steady`: its bodies have no choice in them and its
    subject no value. `warnings`: what a person should look at.
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
        greeting: str = "",
    ) -> None:
        self.locale = locale
        self.greeting = greeting or locale
        self.links = links
        self.warnings = warnings
        self.required: frozenset[str] = frozenset()
        self._parts = [part for part in (subject, preheader, text, html) if part is not None]
        self._subject, self._preheader, self._text, self._html = subject, preheader, text, html
        used = frozenset[str]().union(*(part.used for part in self._parts))
        self._products, readers = taken(used, readers)
        # Two lists of 200 entries make 40,000 rounds: such a message is better written in a process that can be stopped.
        self.nested = any(part.loops > 1 for part in self._parts)
        self.steady = not subject.used and not any(part.chooses for part in self._parts)
        self._greets = "salutation" in used and "salutation" not in readers
        self.greeted_by = salutation_names(readers) if self._greets else ()
        self.variables = (used & frozenset(readers)) | frozenset(self.greeted_by)
        self.named = used & frozenset(readers)
        self.others = frozenset[Others]().union(*(part.others for part in self._parts))
        self._subject_names = subject.used & self.variables
        if "salutation" in subject.used:
            self._subject_names |= frozenset(self.greeted_by)
        self._group = group_reader(
            used, frozenset[str]().union(*(part.members for part in self._parts)), readers
        )
        self._readers = [(name, readers[name], Missing(name)) for name in sorted(self.variables)]
        self._fixed = dict(fixed)
        self._unsubscribes = "unsubscribe_url" in used
        self._headers = headers
        bodies = [part.standing for part in (text, html) if part is not None]
        self._slots = Slots(slots, frozenset[str]().union(*bodies))
        self._clock = clock
        self._date = (0, b"")
        digest = sha256(repr((headers, links, locale, sorted(used))).encode()).hexdigest()[:24]
        self._boundary = f"=_t{digest}".encode()
        self._lead = b"From: " + headers.sender + b"\r\nTo: "
        self._tail = self._closing_headers()
        self._plain_subject = "" if subject.used else subject.render(self._fixed)
        self._fixed_subject = None if subject.used else mime.subject_value(self._plain_subject)

    @property
    def product_fields(self) -> frozenset[str] | None:
        """Return what it reads of each product recommended; None for a message that recommends nothing."""
        return None if self._products is None else self._products.fields

    @property
    def group_variables(self) -> frozenset[str] | None:
        """Return the names of the values that it reads of every member of the account; None for a message without `group`."""
        return None if self._group is None else self._group.names

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
            unsubscribe = self.unsubscribe_of(recipient, urls)
            values = self._values(recipient, unsubscribe)
            subject = "" if self._fixed_subject else self._subject_text(recipient, values)
            filling = Filling(recipient.message_id, urls.click, urls.pixel)
            html = None if self._html is None else self._written(self._html, values, filling, b"html")
            text = self._written(self._text, values, filling, b"plain")
            return self._mime(recipient, subject, text, html, unsubscribe)
        except RenderError:
            raise
        except Exception as error:
            raise _as_refusal(error) from error

    def fill_parts(self, recipient: Recipient, urls: MessageUrls) -> Parts:
        """Return the message as fields, with the same words, links and headers as `fill`; raises RenderError."""
        with _refusing():
            unsubscribe = self.unsubscribe_of(recipient, urls)
            return self._fields(recipient, self._rendered(recipient, unsubscribe), urls, unsubscribe)

    def render(self, recipient: Recipient, unsubscribe: str) -> Rendered:
        """Return what the templates make for one recipient; the one step whose cost depends on the template.

        `unsubscribe` is what `unsubscribe_of` returns. Raises RenderError.
        """
        with _refusing():
            return self._rendered(recipient, unsubscribe)

    def finish(self, recipient: Recipient, rendered: Rendered, urls: MessageUrls) -> bytes:
        """Return the whole message from what `render` made, here or in another process; raises RenderError."""
        with _refusing():
            text, html = self._bodies(recipient.message_id, rendered, urls)
            parts = _part(b"plain", text, "text"), None if html is None else _part(b"html", html, "html")
            return self._mime(recipient, rendered.subject, *parts, self.unsubscribe_of(recipient, urls))

    def finish_parts(self, recipient: Recipient, rendered: Rendered, urls: MessageUrls) -> Parts:
        """Return the fields from what `render` made, here or in another process; raises RenderError."""
        with _refusing():
            return self._fields(recipient, rendered, urls, self.unsubscribe_of(recipient, urls))

    def show(self, recipient: Recipient, urls: MessageUrls) -> Shown:
        """Return subject, text and HTML of one recipient for proof-reading; raises RenderError as `fill` does."""
        with _refusing():
            values = self._values(recipient, self.unsubscribe_of(recipient, urls))
            subject = self._subject_text(recipient, values)
            mime.subject_value(subject)
            preheader = "" if self._preheader is None else self._preheader.render(values)
            html = None if self._html is None else self._html.render(values)
            rendered = Rendered(subject, self._text.render(values), html)
            text, html = self._bodies(recipient.message_id, rendered, urls)
        fell_back = tuple(name for name, _, _ in self._readers if isinstance(values[name], Missing))
        return Shown(subject.strip(), preheader, text, html, fell_back)

    def unsubscribe_of(self, recipient: Recipient, urls: MessageUrls) -> str:
        """Return the address to unsubscribe, or the empty text where this message needs none."""
        needed = self._unsubscribes or self._headers.one_click
        return urls.unsubscribe(recipient.message_id) if needed else ""

    def _rendered(self, recipient: Recipient, unsubscribe: str) -> Rendered:
        values = self._values(recipient, unsubscribe)
        subject = "" if self._fixed_subject else self._subject_text(recipient, values)
        html = None if self._html is None else self._html.render(values)
        return Rendered(subject, self._text.render(values), html)

    def _mime(
        self, recipient: Recipient, subject_text: str, text: bytes, html: bytes | None, unsubscribe: str
    ) -> bytes:
        """Return the whole message from its encoded parts."""
        address = mime.ascii_address(recipient.address).encode()
        subject = self._fixed_subject or mime.subject_value(subject_text)
        headers = self._headers
        seal = recipient.seal
        own = f"{headers.salt}.{seal}" if seal else headers.salt
        reference = f"<m{recipient.message_id}.{own}@{headers.domain}>".encode()
        pieces = [self._lead, address, b"\r\nSubject: ", subject, b"\r\nDate: ", self._date_now()]
        pieces += [b"\r\nMessage-ID: ", reference]
        if recipient.reference:
            named = f"{recipient.reference}-{seal}" if seal else recipient.reference
            pieces += [b"\r\nX-Tidings-Reference: ", named.encode("ascii")]
        if headers.one_click:
            where = b"<" + mime.header_url(unsubscribe, "unsubscribe_url") + b">"
            if headers.unsubscribe_mailto:
                where += b",\r\n <mailto:" + headers.unsubscribe_mailto + b">"
            pieces += [b"\r\nList-Unsubscribe: ", where]
        pieces += [self._tail, text]
        if html is not None:
            between = b"\r\n--" + self._boundary
            pieces += [between, b"\r\n", html, between, b"--\r\n"]
        elif not pieces[-1].endswith(b"\r\n"):
            pieces.append(b"\r\n")
        return b"".join(pieces)

    def _fields(self, recipient: Recipient, rendered: Rendered, urls: MessageUrls, unsubscribe: str) -> Parts:
        mime.ascii_address(recipient.address)
        subject = self._plain_subject if self._fixed_subject else rendered.subject
        mime.subject_value(subject)
        text, html = self._bodies(recipient.message_id, rendered, urls)
        for name, body in (("text", text), ("html", html or "")):
            if len(body.encode()) > MAX_ENCODED // 4 * 3:
                raise RenderError(name, f"grows over {MAX_PART // 1024} KB")
        headers = self._headers
        lines: list[tuple[str, str]] = []
        if headers.one_click:
            where = "<" + mime.header_url(unsubscribe, "unsubscribe_url").decode() + ">"
            if headers.unsubscribe_mailto:
                where += f", <mailto:{headers.unsubscribe_mailto.decode()}>"
            lines += [("List-Unsubscribe", where), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]
        if headers.list_id:
            lines.append(("List-Id", f"<{headers.list_id.decode()}>"))
        if headers.feedback_id:
            lines.append(("Feedback-ID", headers.feedback_id.decode()))
        return Parts(headers.sender_shown, subject.strip(), text, html, headers.reply_shown, tuple(lines))

    def _values(self, recipient: Recipient, unsubscribe: str) -> dict[str, Any]:
        values: dict[str, Any] = dict(self._fixed)
        given = recipient.variables
        for name, read, missing in self._readers:
            raw = given.get(name)
            values[name] = missing if raw is None or (type(raw) is str and not raw) else read(raw)
        if self._group is not None:
            values["group"] = self._group(given.get("group"))
        if self._products is not None:
            values[RECOMMENDED] = self._products(given.get(RECOMMENDED))
        values["key"], values["email"] = clean(recipient.key), clean(recipient.address)
        values["locale"] = clean(recipient.locale)
        values["unsubscribe_url"] = unsubscribe
        if self._greets:
            values["salutation"] = salutation_for(self.greeting, values)
        return values

    def _subject_text(self, recipient: Recipient, values: dict[str, Any]) -> str:
        for name in self._subject_names:
            # Bodies drop such signs; in a header they are an attack or dirt, and somebody should see it.
            raw = recipient.variables.get(name)
            for text in [raw] if isinstance(raw, str) else raw if isinstance(raw, list | tuple) else []:
                sign = forbidden_in_header(text) if isinstance(text, str) else None
                if sign:
                    raise RenderError(name, f"holds the sign {sign}, which may not stand in a subject")
        return self._subject.render(values)

    def _bodies(self, message_id: int, rendered: Rendered, urls: MessageUrls) -> tuple[str, str | None]:
        filling = Filling(message_id, urls.click, urls.pixel)
        html = rendered.html
        if html is not None:
            html = self._slots.as_text(html, filling, html=True)
        return self._slots.as_text(rendered.text, filling, html=False), html

    def _written(self, part: Part, values: dict[str, Any], filling: Filling, kind: bytes) -> bytes:
        """Return a part as it travels, from the values of one recipient."""
        html = kind == b"html"
        pieces = part.pieces(values)
        lines = self._slots.as_ascii(pieces, filling, html=html)
        plain = None if lines is None else mime.plain_part(kind, lines)
        if plain is None:
            return _part(kind, self._slots.as_text("".join(pieces), filling, html=html), part.name)
        return _bounded(plain, part.name)

    def _date_now(self) -> bytes:
        now = self._clock.now()
        second = int(now.timestamp())
        kept = self._date
        if kept[0] != second:
            kept = self._date = (second, mime.date_value(now))
        return kept[1]


def _part(kind: bytes, text: str, name: str) -> bytes:
    return _bounded(mime.body_part(kind, text), name)


def _bounded(encoded: bytes, name: str) -> bytes:
    if len(encoded) > MAX_ENCODED:
        raise RenderError(name, f"grows over {MAX_PART // 1024} KB")
    return encoded


@contextmanager
def _refusing() -> Iterator[None]:
    """Let nothing out but RenderError: a poisoned row costs its own message only, whatever it provokes in a library."""
    try:
        yield
    except RenderError:
        raise
    except Exception as error:
        raise _as_refusal(error) from error


def _as_refusal(error: Exception) -> RenderError:
    return RenderError("message", f"cannot be rendered: {str(error) or type(error).__name__}"[:300])
