"""From the file of a text message to a CompiledSms: every check that needs no recipient happens here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tidings.definitions.kinds.rules import Attribute, Attributes
from tidings.errors import Position, Problem
from tidings.templates import group, markup, products, sandbox
from tidings.templates.compiler import Compiler, SayText
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.products import reader
from tidings.templates.salutations import greeting_locale
from tidings.templates.sms import leaving, lint
from tidings.templates.sms.message import CompiledSms
from tidings.templates.sources import TemplateErrors, Text, decode, locales, nearest_locale, spoken
from tidings.templates.values import RenderError

MOST_SEGMENTS = 3
# As long as tokens get, so that what is counted here is never less than what is sent.
_TOKEN = "x" * 22

_AS_WRITTEN = re.compile(r"\{#-?\s*typography:\s*as written\s*-?#\}")
# Long, yet plausible: what the warning about segments is counted with.
_LONG: dict[str, Any] = {
    "text": "Maximiliane Featherstone",
    "number": 1234567,
    "money": 123456789,
    "date": date(2027, 9, 22),
    "instant": datetime(2027, 9, 22, 9, tzinfo=UTC),
    "flag": True,
    "list": ["vegetables", "garden tools", "ornamental trees"],
}


def compile_sms(
    sources: Mapping[str, bytes],
    *,
    folder: str,
    locale: str,
    fallback_locale: str,
    texts: Mapping[str, SayText],
    texts_path: str = "",
    attributes: Attributes,
    sender: str = "",
    sender_name: str = "",
    opt_out: Mapping[str, str] | None = None,
    signature: str = "",
    postal_address: str = "",
    message_class: str = "marketing",
    zone: str = "UTC",
    grouped: bool = False,
    public_url: str = "https://example.com",
    tracked: bool = True,
    most_segments: int = MOST_SEGMENTS,
) -> CompiledSms:
    """Return a checked text message for one locale and one set of `say` texts; TemplateErrors with all problems.

    `sources`: bytes by file name, of one folder under templates/ (`folder` is its path, for problems). `texts`: a text for
    everybody or one per locale, written in the file `texts_path`. `sender`: the number, short code or name it comes
    from. A marketing or survey text that does not say how to leave gets `opt_out` of its locale (a text by locale, before the usual
    ones) on a line of its own at the end. `signature` stands in 【】 before a text for China. A `grouped` text stands for all
    customers of an account and may name `group`. Without `tracked` links stay
    as written. `{# typography: as written #}` in the file keeps curly quotes and the like.
    """
    text, found = _chosen(sources, folder=folder, locale=locale, fallback=fallback_locale)
    compiler = Compiler(texts_path or folder, attributes, spoken(locale, found), grouped=grouped)
    # There is no address of a mailbox in a text message.
    compiler.types.pop("email", None)
    answers = leaving.takes_answers(sender)
    usual = leaving.words(found, answers=answers, own=opt_out)
    if usual is not None:
        compiler.texts[leaving.NAME] = usual
    strange = compiler.say(texts, locale, fallback_locale, found)
    problems: list[Problem] = [*strange, *lint.html_in(text)]
    source, ending = _around(text, compiler.texts, found, signature, message_class, answers=answers)
    problems += ending
    book = markup.LinkBook()
    slotted, wrong = markup.text_slots(Text(text.path, source, text.first_line), book, tracked=tracked)
    problems += wrong
    try:
        part = compiler.part("text", slotted)
    except sandbox.Refused as refused:
        raise TemplateErrors([*_errors(problems), sandbox.as_problem(text, refused)]) from refused
    problems += compiler.alone(text, part, found)
    if _errors(problems):
        raise TemplateErrors(_errors(problems))
    area = ZoneInfo(zone)
    compiled = CompiledSms(
        part,
        locale=found,
        greeting=greeting_locale(locale, found),
        readers={one.name: reader(one, area) for one in attributes.attributes},
        fixed={"postal_address": postal_address, "sender_name": sender_name or sender},
        links=tuple(book.urls),
        slots=tuple((slot.position, slot.url, slot.dynamic) for slot in book.slots),
        typography=_AS_WRITTEN.search(text.source) is None,
    )
    urls = sample_urls(public_url)
    compiled.required = _rehearse(compiled, attributes, text, urls)
    if tracked:
        problems += [lint.kept_long(text, slot.url) for slot in book.slots if slot.dynamic]
    problems += _counted(compiled, attributes, text, urls, most_segments)
    compiled.warnings = tuple(dict.fromkeys(problems))
    return compiled


def sample_urls(public_url: str) -> MessageUrls:
    """Return URLs as long as real ones get, for counting."""
    base = public_url.rstrip("/")
    return MessageUrls(
        click=lambda _, __, ___: f"{base}/s/{_TOKEN}",
        pixel=lambda _: "",
        unsubscribe=lambda _: f"{base}/s/{_TOKEN}",
    )


def _chosen(sources: Mapping[str, bytes], *, folder: str, locale: str, fallback: str) -> tuple[Text, str]:
    """Return the text for a locale and the locale that it is written in; TemplateErrors when there is none."""
    files = [name for name in sorted(sources) if name.endswith(".txt")]
    best = nearest_locale(locale, locales(files, "sms"), fallback)
    if best is None:
        listed = ", ".join(sorted(sources)) or "no files"
        sentence = f"there is no sms text for locale {locale} or {fallback} (the folder has {listed})"
        hint = f"write {folder}/sms.{fallback or locale}.txt with the words of the text message"
        raise TemplateErrors([Problem("TPL01", sentence, Position(folder), hint)])
    name = next(name for name in files if locales([name], "sms") == (best,))
    text = decode(f"{folder}/{name}", sources[name])
    begun = text.source.lstrip("\n")
    return Text(text.path, begun, 1 + len(text.source) - len(begun)), best or fallback


def _around(
    text: Text, words: Mapping[str, str], locale: str, signature: str, message_class: str, *, answers: bool
) -> tuple[str, list[Problem]]:
    """Return the source with signature and words of leaving where they are due, and what is wrong with either."""
    source, problems = text.source.rstrip(), []
    if lint.wants_signature(locale) and not lint.is_signed(source):
        if signature:
            source = f"【{signature.strip('【】')}】{source}"
        else:
            problems.append(lint.unsigned(text))
    said = [source, *(one for name, one in words.items() if name != leaving.NAME and name in source)]
    if lint.wants_opt_out(message_class) and not leaving.says_how_to_leave(said, answers=answers):
        if leaving.NAME in words:
            source += f"\n{{{{ {leaving.NAME} }}}}"
        else:
            problems.append(lint.without_opt_out(text, message_class, locale, answers=answers))
    return source, problems


def _rehearse(compiled: CompiledSms, attributes: Attributes, text: Text, urls: MessageUrls) -> frozenset[str]:
    """Render for made-up customers, so that a template that always fails is a problem now.

    Returns the names whose absence refuses a message: tried by leaving out one at a time.
    """
    required = set()
    for flag in (True, False):
        samples = {one.name: flag if one.type == "flag" else _long(one) for one in attributes.attributes}
        samples |= _group(compiled, samples)
        for absent in ("", *sorted(compiled.variables)):
            values = {name: value for name, value in samples.items() if name != absent}
            try:
                compiled.fill(_somebody(compiled, values), urls)
            except RenderError as error:
                if absent and error.field == absent:
                    required.add(absent)
                elif not absent:
                    sentence = f"cannot be rendered for anybody: {error.field} {error.reason}"
                    raise TemplateErrors([text.problem("TPL14", sentence, 0)]) from error
    return frozenset(required)


def _counted(
    compiled: CompiledSms, attributes: Attributes, text: Text, urls: MessageUrls, most: int
) -> list[Problem]:
    values = {one.name: _long(one) for one in attributes.attributes}
    values |= _group(compiled, values)
    return lint.dear(text, compiled.fill(_somebody(compiled, values), urls), most)


def _group(compiled: CompiledSms, values: Mapping[str, Any]) -> dict[str, Any]:
    names = compiled.group_variables
    return {} if names is None else {group.NAME: group.samples(names, values)}


def _somebody(compiled: CompiledSms, values: Mapping[str, Any]) -> Recipient:
    return Recipient(1, "sample", "+15005550000", compiled.locale, values)


def _long(attribute: Attribute) -> Any:
    if attribute.type == products.TYPE:
        return products.SAMPLES
    if attribute.values:
        longest = sorted(attribute.values, key=len, reverse=True)
        return longest[:3] if attribute.type == "list" else longest[0]
    return _LONG.get(attribute.type, _LONG["text"])


def _errors(problems: list[Problem]) -> list[Problem]:
    return [one for one in problems if one.severity == "error"]
