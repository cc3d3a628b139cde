"""The HTML part of a message as template source: from .html or .mjml, styles inlined, links as slots, pixel put in."""

from __future__ import annotations

from dataclasses import dataclass

from tidings.errors import Problem
from tidings.templates import markup, mjml, styles
from tidings.templates.markup import LinkBook, Picture
from tidings.templates.sources import Message

_HIDDEN = (
    '<div style="display:none;overflow:hidden;line-height:1px;max-height:0;max-width:0;opacity:0">{}'
    # Keeps mail programs from showing the body's first words after a short preheader.
    "&#847;&zwnj;&nbsp;&#8199;&shy;</div>"
)


@dataclass(frozen=True, slots=True)
class Page:
    """`source` becomes the HTML part; `checked` has the lines of the file, so that a mistake is found in its place."""

    source: str
    checked: str
    problems: list[Problem]


def page(message: Message, book: LinkBook, *, tracked: bool, picture: Picture) -> Page:
    """Return the page of a message that has one. Problems are collected, not raised."""
    assert message.html is not None
    preheader = message.preheader.source if message.preheader else ""
    hidden = _HIDDEN.format(markup.escaped_source(preheader)) if preheader else ""
    if message.mjml:
        converted = mjml.converted(message.html, book, tracked=tracked, picture=picture)
        source = converted.html
        if source:
            # Only the author's own sheets: the converter's hold nothing that is not in the tags already.
            edits = styles.inlined(source, converted.sheets)
            tags = markup.Tags(markup.mask(source))
            edits += _added(source, tags, "" if converted.has_preview else hidden, tracked=tracked)
            source = markup.apply(source, edits)
        return Page(source, converted.checked, converted.problems)
    reading = markup.Reading(message.html, book, tracked=tracked, picture=picture)
    tags = markup.read_page(reading)
    reading.edits += styles.inlined(message.html.source, styles.sheets(message.html.source, tags))
    reading.edits += _added(message.html.source, tags, hidden, tracked=tracked)
    source = markup.apply(message.html.source, reading.edits)
    return Page(source, source, reading.problems)


def _added(source: str, tags: markup.Tags, hidden: str, *, tracked: bool) -> list[markup.Edit]:
    """Return the edits that put in the hidden preheader and the pixel."""
    edits = []
    body = next((start + len(raw) for tag, start, raw in tags.tags if tag == "body"), 0)
    if hidden:
        edits.append(markup.Edit(body, body, hidden))
    if tracked:
        end = tags.body_end if tags.body_end is not None else len(source)
        edits.append(markup.Edit(end, end, markup.pixel()))
    return edits
