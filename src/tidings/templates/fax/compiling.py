"""From the HTML of a fax to a CompiledFax: every check that needs no recipient happens here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from tidings.clock import Clock
from tidings.definitions.kinds.rules import Attributes
from tidings.errors import Position, Problem
from tidings.templates import group, markup, sandbox
from tidings.templates.compiler import Compiler, SayText, sample
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.fax.compiled import CompiledFax
from tidings.templates.fax.geometry import MAX_PAGES, MOST_PAGES, Page
from tidings.templates.fax.glyphs import without_glyph
from tidings.templates.fax.notice import opt_out_block, opt_out_notice, sender_parts, spaced
from tidings.templates.fax.reading import read_html
from tidings.templates.lint import ONE_CLICK_CLASSES
from tidings.templates.products import reader
from tidings.templates.salutations import greeting_locale
from tidings.templates.sources import TemplateErrors, Text, choose, locales, nearest_locale, spoken
from tidings.templates.values import RenderError

# What the engine provides beside attributes and the texts of `say`.
PROVIDED = (
    "sender_name",
    "sender_number",
    "opt_out_notice",
    "opt_out_phone",
    "opt_out_fax",
    "postal_address",
    "unsubscribe_url",
    "key",
    "fax",
    "locale",
)
_HOLE = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def compile_fax(
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
    clock: Clock,
    opt_out_phone: str = "",
    opt_out_fax: str = "",
    postal_address: str = "",
    message_class: str = "marketing",
    zone: str = "UTC",
    grouped: bool = False,
    tracked: bool = True,
    resolution: str = "fine",
    paper: str = "a4",
    max_pages: int = MAX_PAGES,
) -> CompiledFax:
    """Return a checked fax for one locale and one set of `say` texts; TemplateErrors with all problems.

    `sources`: bytes by file name of one folder under templates/ (`folder` is its path), pictures as `images/NAME`.
    `sender`: `Name <+number>`, written in `sender_path`. `opt_out_phone`, `opt_out_fax`: E.164, the sender's number
    where empty. `message_class` decides whether the opt-out notice must be there; a `grouped` fax stands for
    all customers of an account and may name `group`. Without `tracked` links stay as
    written.
    """
    text = _chosen(sources, folder, locale, fallback_locale)
    used_locale = text[0]
    compiler = Compiler(texts_path or folder, attributes, spoken(locale, used_locale), grouped=grouped)
    compiler.types |= dict.fromkeys(PROVIDED, "text")
    if "email" not in {one.name for one in attributes.attributes}:
        # There is no address of a mailbox on a fax.
        compiler.types.pop("email", None)
    strange = compiler.say(texts, locale, fallback_locale, used_locale)
    book = markup.LinkBook()
    read = read_html(text[1], book, sources, tracked=tracked)
    problems = list(read.problems)
    name, number = sender_parts(sender)
    if not number:
        sentence = "a fax channel needs the sender's number, which stands at the head of every page"
        problems.append(
            Problem("TPL86", sentence, Position(sender_path), "write `sender: Name <+4681234567>`")
        )
    for words in compiler.texts.values():
        sign = without_glyph(_HOLE.sub("", words))
        if sign:
            sentence = f"no face of a fax page has the sign {sign} (U+{ord(sign):04X})"
            problems.append(Problem("TPL87", sentence, Position(texts_path or folder), "write it in words"))
    if message_class in ONE_CLICK_CLASSES and not read.notice:
        end = len(text[1].source.rstrip())
        sentence = f"a {message_class} fax needs the opt-out notice on its first page"
        problems.append(text[1].problem("TPL85", sentence, end, hint=f"add {opt_out_block(used_locale)}"))
    try:
        part = compiler.part("html", read.source)
        problems += compiler.alone(text[1], part, used_locale)
    except sandbox.Refused as refused:
        problems.append(sandbox.as_problem(text[1], refused))
    if problems:
        raise TemplateErrors(problems)
    phone, back = opt_out_phone or number, opt_out_fax or number
    shown = {"sender": name or spaced(number), "phone": spaced(phone), "fax": spaced(back)}
    area = ZoneInfo(zone)
    compiled = CompiledFax(
        locale=used_locale,
        greeting=greeting_locale(locale, used_locale),
        html=part,
        readers={one.name: reader(one, area) for one in attributes.attributes if one.name not in PROVIDED},
        fixed={
            "sender_name": name,
            "sender_number": spaced(number),
            "opt_out_notice": opt_out_notice(used_locale, **shown),
            "opt_out_phone": spaced(phone),
            "opt_out_fax": spaced(back),
            "postal_address": postal_address,
        },
        links=tuple(book.urls),
        slots=tuple((slot.position, slot.url) for slot in book.slots),
        head=" ".join(one for one in (name, spaced(number)) if one),
        page=Page(resolution, paper),
        max_pages=min(max(int(max_pages), 1), MOST_PAGES),
        notice_first=message_class in ONE_CLICK_CLASSES,
        zone=zone,
        clock=clock,
    )
    warnings = [*strange, *read.warnings]
    _rehearse(compiled, attributes, text[1], warnings)
    compiled.warnings = tuple(warnings)
    return compiled


def _chosen(sources: Mapping[str, bytes], folder: str, locale: str, fallback: str) -> tuple[str, Text]:
    """Return the locale and the text of the nearest file."""
    names = {name: content for name, content in sources.items() if name.endswith(".html")}
    if nearest_locale(locale, locales(names, "fax"), fallback) is None:
        listed = ", ".join(sorted(sources)) or "no files"
        sentence = f"there is no fax for locale {locale} or {fallback} (the folder has {listed})"
        hint = f"write {folder}/fax.{fallback or locale}.html"
        raise TemplateErrors([Problem("TPL01", sentence, Position(folder), hint)])
    # The checks of a file (size, encoding, invisible signs) are those of an e-mail's, which has a subject; a fax has none.
    heads = {
        name.removesuffix(".html") + ".txt": b"Subject: fax\n\n" for name in names if name.startswith("fax.")
    }
    message = choose(names | heads, folder=folder, locale=locale, fallback=fallback, kind="fax")
    assert message.html is not None
    return message.locale, message.html


def _rehearse(compiled: CompiledFax, attributes: Attributes, text: Text, warnings: list[Problem]) -> None:
    """Draw the pages for a made-up customer, and write the HTML for customers who lack one value each.

    Sets `required`; raises TemplateErrors for a fax that nobody could get.
    """
    urls = MessageUrls(
        click=lambda _, __, url: url,
        pixel=lambda _: "",
        unsubscribe=lambda _: "https://shop.example/s/AbCdEfGhIjKl",
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
                compiled.html(Recipient(1, "sample", "+4681234567", compiled.locale, values), urls)
            except RenderError as error:
                if absent and error.field == absent:
                    required.add(absent)
                elif not absent:
                    raise _for_nobody(text, error) from error
    compiled.required = frozenset(required)
    try:
        look = compiled.look(Recipient(1, "sample", "+4681234567", compiled.locale, samples), urls)
    except RenderError as error:
        raise _for_nobody(text, error) from error
    if look.drawn.overflow:
        sentence = "something is wider than the page and would be cut off at the right"
        raise TemplateErrors([text.problem("TPL83", sentence, 0, hint="723 px is the width of the content")])
    if compiled.notice_first and look.notice_page != 1:
        at = max(text.source.find("opt-out"), 0)
        where = f"on page {look.notice_page}" if look.notice_page else "on no page: it is hidden"
        sentence = f"the opt-out notice stands {where}; the law wants it on the first page"
        raise TemplateErrors([text.problem("TPL85", sentence, at, 7, "move it up")])
    if look.drawn.has_grey():
        found = text.problem("TPL89", "a grey or coloured area becomes solid black or vanishes on a fax", 0)
        hint = "use black, white, and lines; a photograph does not survive"
        warnings.append(Problem(found.code, found.message, found.at, hint, "warning", found.source))


def _for_nobody(text: Text, error: RenderError) -> TemplateErrors:
    sentence = f"cannot be rendered for anybody: {error.field} {error.reason}"
    return TemplateErrors([text.problem("TPL14", sentence, 0)])
