"""The HTML of a fax as a source: links that are printed, pictures of the template, what a page cannot have.

Nothing is fetched: a picture is a file of the template's images/ folder or stands in the HTML itself.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from io import BytesIO

from tidings.errors import Problem
from tidings.templates.fax.glyphs import without_glyph
from tidings.templates.markup import LinkBook, mask, regions
from tidings.templates.sources import Text, offset_lookup
from tidings.templates.values import MARK, MARK_URL

# Signs that `mask` puts in place of values and statements.
_VALUE, _STATEMENT = "\ue000", "\ue001"
_REFUSED = {
    "script", "iframe", "object", "embed", "form", "base", "applet", "input", "button", "link", "video", "audio",
    "source", "track", "frame", "meta",
}  # fmt: skip
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]*))?""")
_LINK = re.compile(f"https?://[!-;=?-~{_VALUE}]+")
_TRAILING = ".,;:!?)]}'\"*_"
_FIXED_HOST = re.compile(r"^https?://(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::\d{1,5})?(?=[/?#]|$)", re.IGNORECASE)
_FETCH = re.compile(r"(?:url\s*\(|@import|image-set\s*\(|\bsrc\s*\()\s*(?P<what>[^)\s;]*)", re.IGNORECASE)
_PICTURE = re.compile(r"images/[A-Za-z0-9][A-Za-z0-9._-]{0,80}\.(?:png|gif|jpe?g)")
_IN_PLACE = re.compile(r"data:image/(?:png|gif|jpeg);base64,[A-Za-z0-9+/=\s]+")
_SIZE = re.compile(
    r"font(?:-size)?\s*:[^;{}\"']*?(?P<size>\d+(?:\.\d+)?)(?P<unit>pt|px|em|rem|%)", re.IGNORECASE
)
_IN_POINTS = {"pt": 1.0, "px": 0.75, "em": 12.0, "rem": 12.0, "%": 0.12}
MAX_IMAGE, MAX_SIDE = 1_000_000, 4000
SMALLEST = 11


@dataclass(slots=True)
class Read:
    """A source that was read: itself with slots and pictures in place, and what is wrong with it."""

    source: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    # A block of class opt-out, and whether a number stands in it.
    notice: bool = False


class _Page(HTMLParser):
    """Start tags, spans of visible text and of style sheets, each with offsets into the masked source."""

    def __init__(self, masked: str) -> None:
        super().__init__(convert_charrefs=False)
        self._offset = offset_lookup(masked)
        self.tags: list[tuple[str, int, str]] = []
        self.texts: list[tuple[int, int]] = []
        self.styles: list[tuple[int, int]] = []
        self._raw = ""
        self.feed(masked)
        self.close()

    def _here(self) -> int:
        line, column = self.getpos()
        return self._offset(line, column)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, self._here(), self.get_starttag_text() or ""))
        self._raw = tag if tag in ("style", "script") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        (self.styles if self._raw else self.texts).append((self._here(), self._here() + len(data)))


class _Reader:
    def __init__(self, text: Text, book: LinkBook, images: Mapping[str, bytes], *, tracked: bool) -> None:
        self.text, self.book, self.images, self.tracked = text, book, images, tracked
        self.masked = mask(text.source)
        self.page = _Page(self.masked)
        self.read = Read("")
        self.edits: list[tuple[int, int, str]] = []
        self.quoted: list[tuple[int, int]] = []

    def complain(self, code: str, message: str, low: int, high: int, hint: str = "") -> None:
        self.read.problems.append(self.text.problem(code, message, low, max(high - low, 1), hint))

    def warn(self, code: str, message: str, low: int, high: int, hint: str = "") -> None:
        found = self.text.problem(code, message, low, max(high - low, 1), hint)
        self.read.warnings.append(
            Problem(found.code, found.message, found.at, found.hint, "warning", found.source)
        )

    def run(self) -> Read:
        for tag, start, raw in self.page.tags:
            self.tag(tag, start, raw)
        for low, high in self.page.styles:
            self.style(low, high)
        for low, high in self.page.texts:
            self.visible(low, high)
        for start, end, kind in regions(self.text.source):
            if kind == "value":
                self.value(start, end)
        self.read.source = _applied(self.text.source, self.edits)
        return self.read

    def tag(self, tag: str, start: int, raw: str) -> None:
        if tag in _REFUSED:
            self.complain("TPL80", f"a fax page has no <{tag}>", start, start + len(tag) + 1, "take it out")
        for found in _ATTRIBUTE.finditer(raw, len(tag) + 1):
            name, value = found[1].lower(), found[2]
            if not value:
                continue
            inner = 1 if value[0] in "\"'" else 0
            low, high = start + found.start(2) + inner, start + found.end(2) - inner
            if inner:
                self.quoted.append((low, high))
            self.attribute(tag, name, low, high)

    def attribute(self, tag: str, name: str, low: int, high: int) -> None:
        written, hidden = self.text.source[low:high], self.masked[low:high]
        if name.startswith("on") or name in ("srcdoc", "srcset", "formaction"):
            self.complain("TPL80", f'a fax page has no "{name}"', low, high, "take it out")
        elif name == "style":
            self.style(low, high)
        elif name == "class" and "opt-out" in written.split():
            self.read.notice = True
        elif name == "href" and tag == "a":
            self.href(low, high)
        elif name in ("src", "href", "xlink:href", "background", "data", "poster"):
            self.picture(written, hidden, low, high)

    def href(self, low: int, high: int) -> None:
        """A link that is only blue has no use on paper."""
        hidden = self.masked[low:high]
        if hidden.startswith(("#", "mailto:", "tel:")):
            return
        shown = self.masked[high : self.masked.find("</a", high)]
        if "http" not in shown and _VALUE not in shown:
            sentence = "on paper nobody can follow this link"
            self.warn("TPL88", sentence, low, high, "write the address itself between <a> and </a>")

    def picture(self, written: str, hidden: str, low: int, high: int) -> None:
        if hidden.startswith("#") or (_IN_PLACE.fullmatch(hidden) and len(hidden) < MAX_IMAGE):
            return
        if not _PICTURE.fullmatch(hidden):
            sentence = "a fax page takes pictures of the folder images/ of its template, and fetches nothing"
            hint = 'put the file there and write src="images/logo.png"'
            self.complain("TPL81", sentence, low, high, hint)
            return
        content = self.images.get(written)
        if content is None:
            self.complain("TPL82", f"there is no {written} in the folder of the template", low, high)
            return
        wrong, kind = _picture_kind(content)
        if wrong:
            self.complain("TPL82", f"{written} {wrong}", low, high)
            return
        self.edits.append((low, high, f"data:image/{kind};base64,{b64encode(content).decode()}"))

    def style(self, low: int, high: int) -> None:
        hidden = self.masked[low:high]
        if _VALUE in hidden:
            at = low + hidden.index(_VALUE)
            self.complain("TPL21", "a value may not stand in a style", at, at)
        # CSS lets letters be written as escapes and cut by comments.
        plain = re.sub(r"/\*.*?\*/", lambda one: " " * len(one.group()), hidden, flags=re.DOTALL)
        if "\\" in plain:
            at = low + plain.index("\\")
            self.complain("TPL81", "a style may not hold a backslash", at, at, "write the letters themselves")
        for found in _FETCH.finditer(plain):
            if not found["what"].strip("\"'").startswith(("data:image/", "#")):
                at = low + found.start()
                self.complain("TPL81", "a style may fetch nothing", at, low + found.end(), "use <img>")
        for found in _SIZE.finditer(plain):
            points = float(found["size"]) * _IN_POINTS[found["unit"].lower()]
            if points < SMALLEST - 0.01:
                sentence = f"text of {points:g} pt is hard to read on a fax; {SMALLEST} pt is the least"
                self.warn("TPL84", sentence, low + found.start(), low + found.end())

    def visible(self, low: int, high: int) -> None:
        for found in _LINK.finditer(self.masked[low:high]):
            self.link(low + found.start(), low + found.start() + len(found.group().rstrip(_TRAILING)))
        plain = re.sub(f"[{_VALUE}{_STATEMENT}]", "", self.masked[low:high])
        sign = without_glyph(unescape(plain))
        if sign:
            at = low + max(self.masked[low:high].find(sign), 0)
            sentence = f"no face of a fax page has the sign {sign} (U+{ord(sign):04X})"
            self.complain("TPL87", sentence, at, at + 1, "write it in words")

    def link(self, low: int, high: int) -> None:
        written, hidden = self.text.source[low:high], self.masked[low:high]
        inside = [
            (low + start, low + end, "{{ (" + written[start + 2 : end - 2].strip("-") + ") | urlquote }}")
            for start, end, kind in regions(written)
            if kind == "value"
        ]
        if not _FIXED_HOST.match(hidden):
            sentence = "a link starts with https:// and a host, without spaces"
            hint = "write https://host/ in the template; only what follows may come from a value"
            self.complain("TPL24", sentence, low, high, hint)
            return
        dynamic = _VALUE in hidden or _STATEMENT in hidden
        number = self.book.add(unescape(written), dynamic=dynamic, share=True)
        if not self.tracked:
            self.edits += inside
        elif dynamic:
            self.edits += [(low, low, f"{MARK}{number}{MARK_URL}"), *inside, (high, high, MARK)]
        else:
            self.edits.append((low, high, f"{MARK}{number}{MARK}"))

    def value(self, start: int, end: int) -> None:
        for _, at, raw in self.page.tags:
            inside = at <= start < at + len(raw)
            if inside and not any(low <= start and end <= high for low, high in self.quoted):
                hint = 'put it between the quotes of an attribute: alt="{{ … }}"'
                self.complain("TPL22", "a value may not stand inside a tag", start, end, hint)
                return
        if re.search(r"<[!/?]?[^<>\s]*$", self.masked[max(0, start - 60) : start]):
            self.complain("TPL22", "a value may not name a tag", start, end)


def _picture_kind(content: bytes) -> tuple[str, str]:
    """Return what is wrong with a picture, or the empty text and its kind."""
    from PIL import Image, UnidentifiedImageError

    if len(content) > MAX_IMAGE:
        return f"has {len(content):,} bytes; a picture takes {MAX_IMAGE:,}", ""
    try:
        with Image.open(BytesIO(content), formats=("PNG", "GIF", "JPEG")) as opened:
            kind, size = str(opened.format).lower(), opened.size
            if max(size) <= MAX_SIDE:
                opened.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "is no picture that can be read (PNG, GIF or JPEG)", ""
    if max(size) > MAX_SIDE:
        return f"is {size[0]} by {size[1]}; {MAX_SIDE} on a side is the most", ""
    return "", kind


def _applied(source: str, edits: list[tuple[int, int, str]]) -> str:
    parts, last = [], 0
    # Where one begins and another ends at one place, the order of adding holds.
    for low, high, text in sorted(edits, key=lambda one: (one[0], one[1])):
        parts += [source[last:low], text]
        last = high
    return "".join([*parts, source[last:]])


def read_html(text: Text, book: LinkBook, images: Mapping[str, bytes], *, tracked: bool) -> Read:
    """Return the source of a fax with its links as slots and its pictures in place; problems are collected."""
    return _Reader(text, book, images, tracked=tracked).run()
