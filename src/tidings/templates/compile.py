"""From the files of a message to a CompiledEmail: every check that needs no recipient happens here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tidings.clock import Clock
from tidings.definitions.kinds.rules import Attributes
from tidings.errors import Position, Problem
from tidings.templates import group, markup, mime
from tidings.templates.compiler import Compiler, SayText, sample
from tidings.templates.email import CompiledEmail, Headers, MessageUrls, Recipient
from tidings.templates.images import Pictures
from tidings.templates.lint import ONE_CLICK_CLASSES, lint
from tidings.templates.plaintext import text_source
from tidings.templates.products import reader
from tidings.templates.salutations import greeting_locale
from tidings.templates.sources import Message, TemplateErrors, Text, choose, spoken
from tidings.templates.values import RenderError

_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def compile_email(
    sources: Mapping[str, bytes],
    *,
    folder: str,
    locale: str,
    fallback_locale: str,
    texts: Mapping[str, SayText],
    texts_path: str = "",
    attributes: Attributes,
    sender: str,
    sender_path: str = "channels",
    salt: str,
    clock: Clock,
    reply_to: str = "",
    postal_address: str = "",
    message_class: str = "marketing",
    zone: str = "UTC",
    grouped: bool = False,
    tracked: bool = True,
    list_id: str = "",
    unsubscribe_mailto: str = "",
    feedback_id: str = "",
    public_url: str = "http://127.0.0.1:8200",
) -> CompiledEmail:
    """Return a checked message for one locale and one set of `say` texts; TemplateErrors with all problems.

    `sources`: bytes by file name, of one folder under templates/ (`folder` is its path, for problems). `texts`: a
    text for everybody or one per locale, written in the file `texts_path`. `sender`, `reply_to`: `Name <address>`, written in `sender_path`. `salt` is the run's part of
    the Message-ID (letters, digits, `._-`). `message_class` decides which rules of bulk mail hold. A
    `grouped` message stands for all customers of an account, and may name `group`. Without `tracked` links stay as written and there is no pixel. `public_url` is where the pictures in images/ are served.
    """
    message = choose(sources, folder=folder, locale=locale, fallback=fallback_locale)
    compiler = Compiler(texts_path or folder, attributes, spoken(locale, message.locale), grouped=grouped)
    strange = compiler.say(texts, locale, fallback_locale, message.locale)
    book = markup.LinkBook()
    pictures = Pictures(sources, folder, public_url)
    if message.derived:
        assert message.html is not None
        message = replace(message, text=Text(message.html.path, text_source(message.html.source)))
    parts = compiler.parts(message, book, tracked=tracked, pictures=pictures)
    used = {part.name: set(part.used) for part in parts.values()}
    problems = lint(
        message,
        used,
        message_class=message_class,
        postal_address=postal_address,
        ours=(urlsplit(public_url).hostname or "", mime.name_and_address(sender)[1].rpartition("@")[2]),
        personal={one.name for one in attributes.attributes if one.personal != "keep"} | {"email"},
        pictures=pictures,
        subject=compiler.written(message.subject.source),
        greets=compiler.greets,
    )
    headers, sender_name = _headers(
        sender=sender,
        sender_path=sender_path,
        reply_to=reply_to,
        salt=salt,
        list_id=list_id,
        unsubscribe_mailto=unsubscribe_mailto,
        feedback_id=feedback_id,
        one_click=message_class in ONE_CLICK_CLASSES
        or any("unsubscribe_url" in names for names in used.values()),
    )
    errors = [one for one in problems if one.severity == "error"]
    if errors:
        raise TemplateErrors(errors)
    area = ZoneInfo(zone)
    try:
        compiled = CompiledEmail(
            locale=message.locale,
            greeting=greeting_locale(locale, message.locale),
            subject=parts["subject"],
            preheader=parts.get("preheader"),
            text=parts["text"],
            html=parts.get("html"),
            readers={one.name: reader(one, area) for one in attributes.attributes},
            fixed={"postal_address": postal_address, "sender_name": sender_name},
            headers=headers,
            links=tuple(book.urls),
            slots=tuple((slot.position, slot.url) for slot in book.slots),
            clock=clock,
            warnings=(*strange, *(one for one in problems if one.severity == "warning")),
        )
    except RenderError as error:
        raise TemplateErrors([message.subject.problem("TPL08", f"the subject {error.reason}", 0)]) from error
    compiled.required = _rehearse(compiled, attributes, message)
    return compiled


def _headers(
    *,
    sender: str,
    sender_path: str,
    reply_to: str,
    salt: str,
    list_id: str,
    unsubscribe_mailto: str,
    feedback_id: str,
    one_click: bool,
) -> tuple[Headers, str]:
    """Return the headers that are the same for everybody, and the sender's name."""
    try:
        name, address, from_value = mime.mailbox(sender, "From")
        answer = mime.mailbox(reply_to, "Reply-To")[2] if reply_to else b""
        mailto = mime.ascii_address(unsubscribe_mailto, "unsubscribe_mailto") if unsubscribe_mailto else ""
    except RenderError as error:
        at = Position(sender_path)
        raise TemplateErrors([Problem("TPL40", f"{error.field} {error.reason}", at)]) from error
    for field, value in (("salt", salt), ("list_id", list_id), ("feedback_id", feedback_id)):
        allowed = _TOKEN.fullmatch(value) or (
            field == "feedback_id" and re.fullmatch(r"[\w.:-]{1,127}", value, re.ASCII)
        )
        if (
            value
            and not allowed
            and not (field == "list_id" and re.fullmatch(r"[A-Za-z0-9._-]{1,250}", value))
        ):
            raise ValueError(f"{field} {value!r} may not stand in a header")
    if not salt:
        raise ValueError("a Message-ID needs a salt")
    made = Headers(
        sender=from_value,
        domain=address.rpartition("@")[2],
        salt=salt,
        reply_to=answer,
        list_id=list_id.encode(),
        one_click=one_click,
        unsubscribe_mailto=mailto.encode(),
        feedback_id=feedback_id.encode(),
        sender_shown=f"{name} <{address}>" if name else address,
        reply_shown=reply_to.strip(),
    )
    return made, name or address


def _rehearse(compiled: CompiledEmail, attributes: Attributes, message: Message) -> frozenset[str]:
    """Render for made-up customers, so that a template that always fails is a problem now.

    Returns the names whose absence refuses a message: tried by leaving out one at a time.
    """
    urls = MessageUrls(
        click=lambda _, __, url: url,
        pixel=lambda _: "https://example.com/o.gif",
        unsubscribe=lambda _: "https://example.com/u",
    )
    samples = {one.name: sample(one.type, one.values) for one in attributes.attributes}
    if compiled.group_variables is not None:
        samples[group.NAME] = group.samples(compiled.group_variables, samples)
    flags = {one.name: False for one in attributes.attributes if one.type == "flag"}
    required = set()
    for given in (samples, samples | flags):
        for absent in ("", *sorted(compiled.variables)):
            values = {name: value for name, value in given.items() if name != absent}
            try:
                compiled.fill(Recipient(1, "sample", "sample@example.com", compiled.locale, values), urls)
            except RenderError as error:
                if absent and error.field == absent:
                    required.add(absent)
                    continue
                if absent:
                    continue
                text = message.html or message.text
                sentence = f"cannot be rendered for anybody: {error.field} {error.reason}"
                raise TemplateErrors([text.problem("TPL14", sentence, 0)]) from error
    return frozenset(required)
