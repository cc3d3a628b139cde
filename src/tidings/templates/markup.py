"""Where links, values and the pixel stand in a source: finds the slots that are filled per recipient.

A template is read as HTML with its Jinja regions masked, so that every offset is one of the file. A link in `<a href>`
or in the text part becomes a slot; a value inside a link is quoted by itself; a value where autoescaping
cannot protect (a tag name, an unquoted attribute, a style, a script) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape, unescape
from html.parser import HTMLParser

from tidings.errors import Problem
from tidings.templates.sources import Text, offset_lookup
from tidings.templates.values import MARK, MARK_URL

_VALUE, _STATEMENT = "\ue000", "\ue001"
_REGION = re.compile(
    r"\{\{(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?!\}\}).)*\}\}"
    r"|\{%(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?!%\}).)*%\}"
    r"|\{#(?:(?!#\}).)*#\}",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]*))?""")
_TEXT_LINK = re.compile(f"https?://[!-;=?-~{_VALUE}]+")
_TRAILING = ".,;:!?)]}'\"*_"
# Scheme and host stand in the template; only what follows may come from a value.
_FIXED_HOST = re.compile(
    r"^https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?::\d{1,5})?(?=[/?#]|$)",
    re.IGNORECASE,
)
_OTHER_SCHEMES = ("mailto:", "tel:", "sms:", "#")
_REFUSED_TAGS = {"script", "iframe", "object", "embed", "form", "base", "applet", "input", "button"}
_UNSUBSCRIBE = re.compile(r"\{\{-?\s*unsubscribe_url\s*-?\}\}")


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a link: its position among the links of the message, and the URL when no value is in it."""

    position: int
    url: str
    dynamic: bool


@dataclass(slots=True)
class LinkBook:
    """The links of a message in order; the text part shares the position of the same link in the HTML."""

    urls: list[str] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)

    def add(self, url: str, *, dynamic: bool, share: bool) -> int:
        """Note a link and return the number of its slot."""
        if share and url in self.urls:
            position = self.urls.index(url)
        else:
            position = len(self.urls)
            self.urls.append(url)
        self.slots.append(Slot(position, url, dynamic))
        return len(self.slots) - 1


def regions(source: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind (`value` or `statement`) of each Jinja region; a comment is a statement."""
    for found in _REGION.finditer(source):
        yield found.start(), found.end(), "value" if found.group().startswith("{{") else "statement"


def mask(source: str) -> str:
    """Return the source with each Jinja region replaced by one sign a character, line breaks kept."""

    def cover(found: re.Match[str]) -> str:
        sign = _VALUE if found.group().startswith("{{") else _STATEMENT
        return re.sub(r"[^\n]", sign, found.group())

    return _REGION.sub(cover, source)


class _Tags(HTMLParser):
    """Collects start tags with their offsets, and the spans of style sheets and of dangerous tags."""

    def __init__(self, masked: str) -> None:
        super().__init__(convert_charrefs=False)
        self._offset = offset_lookup(masked)
        self.tags: list[tuple[str, int, str]] = []
        self.raw_spans: list[tuple[int, int]] = []
        self.body_end: int | None = None
        self._raw_from: int | None = None
        self.feed(masked)
        self.close()

    def _here(self) -> int:
        line, column = self.getpos()
        return self._offset(line, column)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        self.tags.append((tag, self._here(), text))
        if tag in ("style", "script"):
            self._raw_from = self._here() + len(text)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script") and self._raw_from is not None:
            self.raw_spans.append((self._raw_from, self._here()))
            self._raw_from = None
        if tag == "body":
            self.body_end = self._here()


@dataclass(slots=True)
class _Edit:
    start: int
    end: int
    text: str


class _Reading:
    """One source being read: its masked twin, the edits that make the slots, the problems found."""

    def __init__(self, text: Text, book: LinkBook, *, tracked: bool) -> None:
        self.text = text
        self.masked = mask(text.source)
        self.book = book
        self.tracked = tracked
        self.edits: list[_Edit] = []
        self.problems: list[Problem] = []
        self.quoted: list[tuple[int, int]] = []

    def complain(self, code: str, message: str, low: int, high: int, hint: str = "") -> None:
        """Note a problem between two offsets."""
        self.problems.append(self.text.problem(code, message, low, max(high - low, 1), hint))

    def tag(self, tag: str, start: int, raw: str) -> None:
        """Read the attributes of one start tag."""
        if tag in _REFUSED_TAGS:
            message = f"mail programs remove or refuse <{tag}>"
            self.complain("TPL20", message, start, start + len(tag) + 1, "take it out")
        for found in _ATTRIBUTE.finditer(raw, len(tag) + 1):
            name, value = found[1].lower(), found[2]
            if value and value[0] in "\"'":
                self._attribute(tag, name, start + found.start(2) + 1, start + found.end(2) - 1)

    def _attribute(self, tag: str, name: str, low: int, high: int) -> None:
        hidden = self.masked[low:high]
        if name.startswith("on") or name in ("srcdoc", "formaction"):
            self.complain("TPL20", f'mail programs remove "{name}"', low, high, "take it out")
        elif name == "style" and _VALUE in hidden:
            at = low + hidden.index(_VALUE)
            self.complain("TPL21", "a value may not stand in a style", at, at)
        self.quoted.append((low, high))
        if name == "href" and tag in ("a", "area"):
            self.link(low, high, html=True)
        elif name in ("src", "href", "background", "action", "data", "poster"):
            if not _FIXED_HOST.match(hidden) and not hidden.startswith(("cid:", "data:image/")):
                message = f'{name}="…" needs a whole address starting with https://'
                self.complain("TPL23", message, low, high)
            self.edits.extend(_quote_values(self.text.source, low, high))

    def link(self, low: int, high: int, *, html: bool) -> None:
        """Make a slot of the link between two offsets."""
        written, hidden = self.text.source[low:high], self.masked[low:high]
        if _UNSUBSCRIBE.fullmatch(written.strip()):
            return
        inside = _quote_values(self.text.source, low, high)
        if hidden.startswith(_OTHER_SCHEMES):
            self.edits.extend(inside)
            return
        if not _FIXED_HOST.match(hidden) or re.search(r"\s", hidden):
            hint = "write https://host/ in the template; only what follows may come from a value"
            message = "a link starts with https:// and a host, without spaces"
            self.complain("TPL24", message, low, high, hint)
            return
        dynamic = _VALUE in hidden or _STATEMENT in hidden
        number = self.book.add(unescape(written) if html else written, dynamic=dynamic, share=not html)
        if not self.tracked:
            self.edits.extend(inside)
        elif dynamic:
            opening = _Edit(low, low, f"{MARK}{number}{MARK_URL}")
            self.edits += [opening, *inside, _Edit(high, high, MARK)]
        else:
            self.edits.append(_Edit(low, high, f"{MARK}{number}{MARK}"))

    def misplaced(self, page: _Tags, start: int, end: int) -> None:
        """Refuse a value where escaping does not protect: in styles and scripts, in tags outside quotes."""
        if any(low <= start < high for low, high in page.raw_spans):
            self.complain("TPL21", "a value may not stand in a style sheet or script", start, end)
            return
        for _, at, raw in page.tags:
            inside = at <= start < at + len(raw)
            if inside and not any(low <= start and end <= high for low, high in self.quoted):
                hint = 'put it between the quotes of an attribute: alt="{{ … }}"'
                self.complain("TPL22", "a value may not stand inside a tag", start, end, hint)
                return
        if re.search(r"<[!/?]?[^<>\s]*$", self.masked[max(0, start - 60) : start]):
            self.complain("TPL22", "a value may not name a tag", start, end)


def html_slots(text: Text, book: LinkBook, *, tracked: bool, preheader: str) -> tuple[str, list[Problem]]:
    """Return the HTML source with its links as slots, the hidden preheader and the pixel put in.

    `preheader` is template source already fit for HTML. Problems are collected, not raised.
    """
    reading = _Reading(text, book, tracked=tracked)
    page = _Tags(reading.masked)
    for tag, start, raw in page.tags:
        reading.tag(tag, start, raw)
    for start, end, kind in regions(text.source):
        if kind == "value":
            reading.misplaced(page, start, end)
    body = next((start + len(raw) for tag, start, raw in page.tags if tag == "body"), 0)
    if preheader:
        reading.edits.append(_Edit(body, body, preheader))
    if tracked:
        end = page.body_end if page.body_end is not None else len(text.source)
        pixel = f'<img src="{MARK}p{MARK}" width="1" height="1" alt="" style="display:block">'
        reading.edits.append(_Edit(end, end, pixel))
    return _apply(text.source, reading.edits), reading.problems


def _quote_values(source: str, low: int, high: int) -> list[_Edit]:
    """Wrap each `{{ … }}` between two offsets so that its value is quoted for a URL."""
    found = []
    for start, end, kind in regions(source[low:high]):
        inner = source[low + start + 2 : low + end - 2].strip("-")
        if kind == "value":
            found.append(_Edit(low + start, low + end, "{{ (" + inner + ") | urlquote }}"))
    return found


def text_slots(text: Text, book: LinkBook, *, tracked: bool) -> tuple[str, list[Problem]]:
    """Return the text source with its links as slots."""
    reading = _Reading(text, book, tracked=tracked)
    for found in _TEXT_LINK.finditer(reading.masked):
        reading.link(found.start(), found.start() + len(found.group().rstrip(_TRAILING)), html=False)
    return _apply(text.source, reading.edits), reading.problems


def keep_line_ends(source: str) -> str:
    """Return the source so that a statement takes its line end with it only where it stands alone on the line."""
    edits = []
    spans = [(start, end) for start, end, kind in regions(source) if kind == "statement"]
    for start, end in spans:
        if source[end : end + 1] != "\n" or source[end - 3] in "+-":
            continue
        first = source.rfind("\n", 0, start) + 1
        rest = _REGION.sub(lambda found: "" if found.group()[1] != "{" else "x", source[first:end])
        if rest.strip():
            # Jinja's own sign for "leave the line end".
            edits.append(_Edit(end - 2, end - 2, "+"))
    return _apply(source, edits)


def escaped_source(source: str) -> str:
    """Return one line of template source for use inside HTML: its plain words escaped, its regions untouched."""
    parts, last = [], 0
    for start, end, _ in regions(source):
        parts += [escape(source[last:start]), source[start:end]]
        last = end
    return "".join([*parts, escape(source[last:])])


def _apply(source: str, edits: list[_Edit]) -> str:
    parts, last = [], 0
    # A zero-width edit at the start of another stands before it; order of adding breaks ties.
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        parts += [source[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, source[last:]])
