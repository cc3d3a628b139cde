"""From the files of a message to a CompiledEmail: every check that needs no recipient happens here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tidings.clock import Clock
from tidings.definitions.kinds.rules import Attributes
from tidings.errors import Position, Problem
from tidings.templates import markup, mime, sandbox
from tidings.templates.email import CompiledEmail, Headers, MessageUrls, Part, Recipient
from tidings.templates.lint import ONE_CLICK_CLASSES, lint
from tidings.templates.sources import Message, TemplateErrors, Text, choose, nearest_locale
from tidings.templates.values import RenderError, reader

# What the engine provides beside attributes and the texts of `say`.
PROVIDED = ("unsubscribe_url", "postal_address", "sender_name", "key", "email", "locale")

_HIDDEN = (
    '<div style="display:none;overflow:hidden;line-height:1px;max-height:0;max-width:0;opacity:0">{}'
    # Keeps mail programs from showing the body's first words after a short preheader.
    "&#847;&zwnj;&nbsp;&#8199;&shy;</div>"
)
_SAMPLES: dict[str, Any] = {
    "text": "Anna",
    "number": 3,
    "money": 123456,
    "date": date(2027, 3, 2),
    "instant": datetime(2027, 3, 2, 9, tzinfo=UTC),
    "flag": True,
    "list": ["garden", "tools"],
}
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,64}")

SayText = str | Mapping[str, str]


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
    tracked: bool = True,
    list_id: str = "",
    unsubscribe_mailto: str = "",
    feedback_id: str = "",
) -> CompiledEmail:
    """Return a checked message for one locale and one set of `say` texts; TemplateErrors with all problems.

    `sources`: bytes by file name, of one folder under templates/ (`folder` is its path, for problems). `texts`: a
    text for everybody or one per locale, written in the file `texts_path`. `sender`, `reply_to`: `Name <address>`, written in `sender_path`. `salt` is the run's part of
    the Message-ID (letters, digits, `._-`). `message_class` decides which rules of bulk mail hold. Without
    `tracked` links stay as written and there is no pixel.
    """
    message = choose(sources, folder=folder, locale=locale, fallback=fallback_locale)
    language = message.locale.replace("_", "-").split("-")[0].casefold()
    compiler = _Compiler(texts_path or folder, attributes, language)
    strange = compiler.say(texts, locale, fallback_locale, message.locale)
    book = markup.LinkBook()
    parts = compiler.parts(message, book, tracked=tracked)
    used = {part.name: set(part.used) for part in parts.values()}
    problems = lint(message, used, message_class=message_class, postal_address=postal_address)
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


class _Compiler:
    """Compiles the parts of one message in one locale."""

    def __init__(self, words_path: str, attributes: Attributes, language: str) -> None:
        self.words_path = words_path
        self.types = {one.name: one.type for one in attributes.attributes} | dict.fromkeys(PROVIDED, "text")
        self.currencies = {
            one.name: one.currency or "" for one in attributes.attributes if one.type == "money"
        }
        self.html = sandbox.environment(language, html=True)
        self.plain = sandbox.environment(language, html=False)
        self.texts: dict[str, str] = {}

    def say(self, texts: Mapping[str, SayText], locale: str, fallback: str, files: str) -> list[Problem]:
        """Choose the words of the variant for the locale; they may hold values, and are checked as templates.

        Returns warnings for words in another language than the files (of locale `files`).
        """
        problems, warnings = [], []
        for name, text in texts.items():
            chosen: str | None = text if isinstance(text, str) else None
            if not isinstance(text, str):
                best = nearest_locale(locale, text, fallback)
                chosen = None if best is None else text[best]
                if best and nearest_locale(files, [best], "") is None:
                    sentence = (
                        f'"{name}" of `say` has no text for locale {files}, so it stands there in {best}'
                    )
                    warnings.append(Problem("TPL17", sentence, Position(self.words_path), "", "warning"))
            at = Position(self.words_path)
            if chosen is None:
                sentence = f'"{name}" of `say` has no text for locale {locale} or {fallback}'
                problems.append(Problem("TPL15", sentence, at, "add one to the variant"))
            elif name in self.types:
                sentence = (
                    f'"{name}" of `say` is already the name of an attribute or of a value of the engine'
                )
                problems.append(Problem("TPL16", sentence, at, "use another word"))
            else:
                self.texts[name] = chosen
        if problems:
            raise TemplateErrors(problems)
        return warnings

    def parts(self, message: Message, book: markup.LinkBook, *, tracked: bool) -> dict[str, Part]:
        """Return the compiled parts by name; TemplateErrors with the problems of all of them."""
        problems: list[Problem] = []
        sources: dict[str, tuple[Text, str]] = {"subject": (message.subject, message.subject.source)}
        if message.preheader and message.preheader.source:
            sources["preheader"] = (message.preheader, message.preheader.source)
        if message.html:
            preheader = message.preheader.source if message.preheader else ""
            hidden = _HIDDEN.format(markup.escaped_source(preheader)) if preheader else ""
            slotted, found = markup.html_slots(message.html, book, tracked=tracked, preheader=hidden)
            sources["html"] = (message.html, slotted)
            problems += found
        slotted, found = markup.text_slots(message.text, book, tracked=tracked)
        sources["text"] = (message.text, slotted)
        problems += found
        made: dict[str, Part] = {}
        for name, (text, source) in sources.items():
            try:
                made[name] = self._part(name, source)
            except sandbox.Refused as refused:
                problems.append(sandbox.as_problem(text, refused))
        if problems:
            raise TemplateErrors(_once(problems))
        return made

    def _part(self, name: str, source: str) -> Part:
        env = self.html if name == "html" else self.plain
        checker = sandbox.Checker(self.types, self.currencies, {})
        checker.texts = {key: self._words(env, key, text, checker) for key, text in self.texts.items()}
        checker.used.clear()
        tree = sandbox.parse(env, markup.keep_line_ends(source), checker)
        for key, text in self.texts.items():
            # Names inside the words of `say` count where the words are used.
            if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", source):
                checker.used |= self._names(env, text)
        return Part(name, sandbox.compile_tree(env, tree), frozenset(checker.used))

    def _words(
        self, env: ImmutableSandboxedEnvironment, name: str, text: str, outer: sandbox.Checker
    ) -> list[nodes.Expr]:
        checker = sandbox.Checker(self.types, self.currencies, {})
        try:
            tree = sandbox.parse(env, text, checker)
        except sandbox.Refused as refused:
            at = Position(self.words_path)
            raise TemplateErrors(
                [Problem(refused.code, f'"{name}" of `say`: {refused.message}', at, refused.hint)]
            ) from None
        words: list[nodes.Expr] = []
        for part in tree.body:
            if not isinstance(part, nodes.Output):
                at = Position(self.words_path)
                sentence = f'"{name}" of `say` may hold values {{{{ … }}}} but no {{% … %}}'
                raise TemplateErrors(
                    [Problem("TPL11", sentence, at, "write two texts, or an if-else inside {{ }}")]
                )
            # Written words are text, never HTML: as constants they are escaped like any value.
            words += [
                nodes.Const(one.data, lineno=1) if isinstance(one, nodes.TemplateData) else one
                for one in part.nodes
            ]
        outer.used |= checker.used
        return words or [nodes.Const("", lineno=1)]

    def _names(self, env: ImmutableSandboxedEnvironment, text: str) -> set[str]:
        return {node.name for node in env.parse(text).find_all(nodes.Name)} & set(self.types)


def _once(problems: list[Problem]) -> list[Problem]:
    seen: dict[tuple[str, Position], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.code, problem.at), problem)
    return list(seen.values())


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
    samples = {one.name: _sample(one.type, one.values) for one in attributes.attributes}
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


def _sample(kind: str, values: tuple[str, ...]) -> Any:
    if values:
        return list(values[:2]) if kind == "list" else values[0]
    return _SAMPLES.get(kind, "Anna")
