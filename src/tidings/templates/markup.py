"""Where links, values and the pixel stand in a source: finds the slots that are filled per recipient.

A template is read as HTML with its Jinja regions masked, so that every offset is one of the file. A link in `<a href>`
or in the text part becomes a slot; a value inside a link is quoted by itself; a value where autoescaping
cannot protect (a tag name, an unquoted attribute, a style, a script) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import escape, unescape
from html.parser import HTMLParser

from tidings.errors import Problem
from tidings.templates.sources import Text, offset_lookup
from tidings.templates.values import MARK, MARK_URL

VALUE, STATEMENT = "\ue000", "\ue001"
# Possessive, as Jinja's own reader is: a quote that opens a text is not given back, and a page full of quotes costs nothing.
REGION = re.compile(
    r"\{\{(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?!\}\}).)*+\}\}"
    r"|\{%(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?!%\}).)*+%\}"
    r"|\{#(?:(?!#\}).)*+#\}",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]*))?""")
_TEXT_LINK = re.compile(f"https?://[!-;=?-~{VALUE}]+")
_TRAILING = ".,;:!?)]}'\"*_"
# Scheme and host stand in the template; only what follows may come from a value.
FIXED_HOST = re.compile(
    r"^https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?::\d{1,5})?(?=[/?#]|$)",
    re.IGNORECASE,
)
PICTURES = "images/"
_OTHER_SCHEMES = ("mailto:", "tel:", "sms:", "#")
# The end of the address of a link that nobody can see: whoever follows it is no person.
TRAP_END = "#tidings-trap"
_REFUSED_TAGS = {"script", "iframe", "object", "embed", "form", "base", "applet", "input", "button"}
_RAW = ("style", "script", "mj-style")
# Attributes that hold the address of something that is loaded.
_LOADED = ("src", "href", "background", "background-url", "icon-src", "action", "data", "poster")
Picture = Callable[[str], str]
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
    for found in REGION.finditer(source):
        yield found.start(), found.end(), "value" if found.group().startswith("{{") else "statement"


def mask(source: str) -> str:
    """Return the source with each Jinja region replaced by one sign a character, line breaks kept."""

    def cover(found: re.Match[str]) -> str:
        sign = VALUE if found.group().startswith("{{") else STATEMENT
        return re.sub(r"[^\n]", sign, found.group())

    return REGION.sub(cover, source)


class Tags(HTMLParser):
    """Collects start tags and end tags with their offsets, and the spans of style sheets and scripts."""

    def __init__(self, masked: str) -> None:
        super().__init__(convert_charrefs=False)
        self._offset = offset_lookup(masked)
        self.tags: list[tuple[str, int, str]] = []
        self.ends: list[tuple[str, int]] = []
        self.alone: set[int] = set()
        self.raw_spans: list[tuple[int, int]] = []
        self.body_end: int | None = None
        self._raw_from: int | None = None
        self.feed(masked)
        self.close()

    def _here(self) -> int:
        line, column = self.getpos()
        return self._offset(line, column)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a start tag."""
        text = self.get_starttag_text() or ""
        self.tags.append((tag, self._here(), text))
        if tag in _RAW:
            self._raw_from = self._here() + len(text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that is closed in itself."""
        self.tags.append((tag, self._here(), self.get_starttag_text() or ""))
        self.alone.add(self._here())

    def handle_endtag(self, tag: str) -> None:
        """Note an end tag."""
        self.ends.append((tag, self._here()))
        if tag in _RAW and self._raw_from is not None:
            self.raw_spans.append((self._raw_from, self._here()))
            self._raw_from = None
        if tag == "body":
            self.body_end = self._here()


@dataclass(slots=True)
class Edit:
    """What stands between two offsets of a source is replaced by another text."""

    start: int
    end: int
    text: str


def no_picture(written: str) -> str:
    """Stand for a message that has no pictures of its own; raises PictureError."""
    raise PictureError("TPL27", f"there is no {written} beside this file")


class PictureError(Exception):
    """A picture of the message's folder that cannot be used: code and sentence."""

    def __init__(self, code: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.hint = code, sentence, hint


class Reading:
    """One source being read: its masked twin, the edits that make the slots, the problems found.

    `picture` gives the whole address of `images/x.png`, or raises PictureError.
    """

    # Tags whose href is a link to click.
    links: tuple[str, ...] = ("a", "area")

    def __init__(self, text: Text, book: LinkBook, *, tracked: bool, picture: Picture = no_picture) -> None:
        self.text = text
        self.masked = mask(text.source)
        self.book = book
        self.tracked = tracked
        self.picture = picture
        self.edits: list[Edit] = []
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
        for found in ATTRIBUTE.finditer(raw, len(tag) + 1):
            name, value = found[1].lower(), found[2]
            if value and value[0] in "\"'":
                self._attribute(tag, name, start + found.start(2) + 1, start + found.end(2) - 1)

    def _attribute(self, tag: str, name: str, low: int, high: int) -> None:
        hidden = self.masked[low:high]
        if name.startswith("on") or name in ("srcdoc", "formaction"):
            self.complain("TPL20", f'mail programs remove "{name}"', low, high, "take it out")
        elif name == "style" and VALUE in hidden:
            at = low + hidden.index(VALUE)
            self.complain("TPL21", "a value may not stand in a style", at, at)
        self.quoted.append((low, high))
        if name == "href" and tag in self.links:
            self.link(low, high, html=True)
        elif name in _LOADED:
            if hidden.startswith(PICTURES):
                self._picture(low, high)
                return
            if not FIXED_HOST.match(hidden) and not hidden.startswith(("cid:", "data:image/")):
                message = f'{name}="…" needs a whole address starting with https://'
                hint = 'or put the file in the folder images/ beside this one and write "images/…"'
                self.complain("TPL23", message, low, high, hint)
            self.edits.extend(quote_values(self.text.source, low, high))

    def _picture(self, low: int, high: int) -> None:
        """Put in the whole address of a picture of the message's own folder."""
        try:
            self.edits.append(Edit(low, high, escape(self.picture(self.text.source[low:high]))))
        except PictureError as error:
            self.complain(error.code, error.sentence, low, high, error.hint)

    def link(self, low: int, high: int, *, html: bool) -> None:
        """Make a slot of the link between two offsets."""
        written, hidden = self.text.source[low:high], self.masked[low:high]
        if _UNSUBSCRIBE.fullmatch(written.strip()):
            return
        inside = quote_values(self.text.source, low, high)
        if hidden.startswith(_OTHER_SCHEMES):
            self.edits.extend(inside)
            return
        if not FIXED_HOST.match(hidden) or re.search(r"\s", hidden):
            hint = "write https://host/ in the template; only what follows may come from a value"
            message = "a link starts with https:// and a host, without spaces"
            self.complain("TPL24", message, low, high, hint)
            return
        dynamic = VALUE in hidden or STATEMENT in hidden
        number = self.book.add(unescape(written) if html else written, dynamic=dynamic, share=not html)
        if not self.tracked:
            self.edits.extend(inside)
        elif dynamic:
            opening = Edit(low, low, f"{MARK}{number}{MARK_URL}")
            self.edits += [opening, *inside, Edit(high, high, MARK)]
        else:
            self.edits.append(Edit(low, high, f"{MARK}{number}{MARK}"))

    def misplaced(self, page: Tags, start: int, end: int) -> None:
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


def read_page(reading: Reading) -> Tags:
    """Read all tags of a page: links, pictures and values become edits and problems of `reading`."""
    page = Tags(reading.masked)
    for tag, start, raw in page.tags:
        reading.tag(tag, start, raw)
    for start, end, kind in regions(reading.text.source):
        if kind == "value":
            reading.misplaced(page, start, end)
    return page


def pixel() -> str:
    """Return the image that says that a message was opened, with its slot."""
    return f'<img src="{MARK}p{MARK}" width="1" height="1" alt="" style="display:block">'


def quote_values(source: str, low: int, high: int) -> list[Edit]:
    """Wrap each `{{ … }}` between two offsets so that its value is quoted for a URL."""
    found = []
    for start, end, kind in regions(source[low:high]):
        inner = source[low + start + 2 : low + end - 2].strip("-")
        if kind == "value":
            found.append(Edit(low + start, low + end, "{{ (" + inner + ") | urlquote }}"))
    return found


def text_slots(text: Text, book: LinkBook, *, tracked: bool) -> tuple[str, list[Problem]]:
    """Return the text source with its links as slots."""
    reading = Reading(text, book, tracked=tracked)
    for found in _TEXT_LINK.finditer(reading.masked):
        reading.link(found.start(), found.start() + len(found.group().rstrip(_TRAILING)), html=False)
    return apply(text.source, reading.edits), reading.problems


def keep_line_ends(source: str) -> str:
    """Return the source so that a statement takes its line end with it only where it stands alone on the line."""
    edits = []
    spans = [(start, end) for start, end, kind in regions(source) if kind == "statement"]
    for start, end in spans:
        if source[end : end + 1] != "\n" or source[end - 3] in "+-":
            continue
        first = source.rfind("\n", 0, start) + 1
        rest = REGION.sub(lambda found: "" if found.group()[1] != "{" else "x", source[first:end])
        if rest.strip():
            # Jinja's own sign for "leave the line end".
            edits.append(Edit(end - 2, end - 2, "+"))
    return apply(source, edits)


def escaped_source(source: str) -> str:
    """Return one line of template source for use inside HTML: its plain words escaped, its regions untouched."""
    parts, last = [], 0
    for start, end, _ in regions(source):
        parts += [escape(source[last:start]), source[start:end]]
        last = end
    return "".join([*parts, escape(source[last:])])


def apply(source: str, edits: Iterable[Edit]) -> str:
    """Return the source with all edits made; they do not overlap."""
    parts, last = [], 0
    # A zero-width edit at the start of another stands before it; order of adding breaks ties.
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        parts += [source[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, source[last:]])
