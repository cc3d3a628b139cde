"""MJML to HTML, once per compile: Jinja and links travel through the converter as plain words and come back as they were.

Where Jinja may stand in an MJML file:

* in the words of mj-text, mj-button, mj-table, mj-raw and their like: values and statements;
* in `href`, `src`, `alt` and `title`: values and statements; in other attributes only a statement that is closed there;
* between elements of mj-body, mj-wrapper, mj-section, mj-group, mj-column and mj-hero: statements around whole
  elements, opened and closed in the same element. The converter counts all columns of a section when it shares out the
  width; a column that is left out leaves its room empty.

Elsewhere (inside a tag, in mj-head, in mj-social and the like) a statement is refused, for the converter would lose it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches

from tidings.errors import Problem
from tidings.templates.markup import (
    ATTRIBUTE,
    STATEMENT,
    VALUE,
    LinkBook,
    Picture,
    Reading,
    Tags,
    apply,
    mask,
    read_page,
    regions,
)
from tidings.templates.sources import Text
from tidings.templates.values import MARK

# Elements whose inside is words and HTML.
_WORDS = {
    *("mj-text", "mj-button", "mj-table", "mj-raw", "mj-navbar-link", "mj-social-element"),
    *("mj-accordion-title", "mj-accordion-text", "mj-preview", "mj-title"),
}
# Elements that may hold mj-raw, which is how a statement between elements travels.
_HOLDS_RAW = {"mj-body", "mj-wrapper", "mj-section", "mj-group", "mj-column", "mj-hero"}
_OTHERS = {
    *(
        "mjml",
        "mj-head",
        "mj-attributes",
        "mj-all",
        "mj-class",
        "mj-breakpoint",
        "mj-font",
        "mj-html-attributes",
    ),
    *("mj-selector", "mj-html-attribute", "mj-style", "mj-accordion", "mj-accordion-element", "mj-carousel"),
    *("mj-carousel-image", "mj-divider", "mj-image", "mj-navbar", "mj-social", "mj-spacer"),
}
_ELEMENTS = _WORDS | _HOLDS_RAW | _OTHERS
_EMPTY = {"br", "hr", "img", "input", "meta", "link", "area", "col", "wbr", "source"}
_OPEN_ATTRIBUTES = {"href", "src", "alt", "title", "name"}
_OPENS = {"if", "for"}
_PLACE = re.compile(r"position (\d+):(\d+)")


@dataclass(slots=True)
class Converted:
    """The HTML (empty when there are problems), the source as Jinja reads it, and the author's style sheets."""

    html: str
    checked: str
    sheets: list[str]
    has_preview: bool
    problems: list[Problem]


class _MjmlReading(Reading):
    """Reads MJML: its links stand in other elements, and the structure around each statement matters."""

    links = ("a", "area", "mj-button", "mj-image", "mj-navbar-link", "mj-social-element", "mj-carousel-image")

    def tag(self, tag: str, start: int, raw: str) -> None:
        """Read one start tag; unknown elements and values where only settings may stand are refused."""
        if tag == "mj-include":
            self.complain(
                "TPL20", "a message stands alone: there is no mj-include", start, start + len(tag) + 1
            )
        elif tag.startswith("mj-") and tag not in _ELEMENTS:
            near = get_close_matches(tag, _ELEMENTS, n=1)
            hint = f"did you mean <{near[0]}>?" if near else ""
            self.complain("TPL25", f"MJML has no <{tag}>", start, start + len(tag) + 1, hint)
        super().tag(tag, start, raw)
        if not tag.startswith("mj"):
            return
        for found in ATTRIBUTE.finditer(raw, len(tag) + 1):
            at = found.start(2) + found[2].index(VALUE) if found[2] and VALUE in found[2] else -1
            if at >= 0 and found[1].lower() not in _OPEN_ATTRIBUTES:
                message = f'a value may not stand in {found[1]}="…"'
                self.complain(
                    "TPL21", message, start + at, start + at, "choose with {% if %} between fixed ones"
                )

    def structure(self, page: Tags) -> dict[int, str]:
        """Check nesting and statements; return the innermost element at each statement between tags, by offset."""
        where: dict[int, str] = {}
        stack: list[tuple[str, int]] = []
        opened: list[tuple[int, int]] = []
        inside = [(at, at + len(raw)) for _, at, raw in page.tags]
        steps: list[tuple[int, Callable[[], None]]] = []

        def start(tag: str, at: int) -> None:
            if tag not in _EMPTY and at not in page.alone:
                stack.append((tag, at))

        def end(tag: str, at: int) -> None:
            names = [name for name, _ in stack]
            if tag in _EMPTY:
                return
            if tag not in names:
                self.complain("TPL25", f"</{tag}> closes nothing", at, at + len(tag) + 3)
                return
            while stack:
                name, began = stack.pop()
                if name == tag:
                    return
                if name.startswith("mj"):
                    self.complain(
                        "TPL25", f"<{name}> is not closed before </{tag}>", began, began + len(name) + 1
                    )

        def region(low: int, high: int, kind: str) -> None:
            holder, began = next(
                ((name, at) for name, at in reversed(stack) if name.startswith("mj")), ("", -1)
            )
            if kind == "statement":
                self._statement(low, high, holder, began, opened)
            if holder in _WORDS or self.text.source.startswith("{#", low):
                return
            if kind == "value" and holder != "mj-style":
                hint = "words stand in mj-text"
                self.complain(
                    "TPL26", f"a value may not stand between elements of {_called(holder)}", low, high, hint
                )
            elif kind == "statement" and holder in _HOLDS_RAW:
                where[low] = holder
            elif kind == "statement":
                message = (
                    f"a statement may not stand in {_called(holder)}: the converter to HTML would lose it"
                )
                self.complain("TPL26", message, low, high, f"put it around the whole {_called(holder)}")

        for tag, at, _ in page.tags:
            steps.append((at, lambda tag=tag, at=at: start(tag, at)))  # type: ignore[misc]
        for tag, at in page.ends:
            steps.append((at, lambda tag=tag, at=at: end(tag, at)))  # type: ignore[misc]
        for low, high, kind in regions(self.text.source):
            around = next(((a, b) for a, b in inside if a <= low < b), None)
            if around is None:
                steps.append((low, lambda low=low, high=high, kind=kind: region(low, high, kind)))  # type: ignore[misc]
            elif kind == "statement" and not any(a <= low and high <= b for a, b in self.quoted):
                message = "a statement may not stand inside a tag: the converter to HTML would lose it"
                self.complain("TPL26", message, low, high, "put it around the whole element")
        for _, step in sorted(steps, key=lambda one: one[0]):
            step()
        for name, at in stack:
            if name.startswith("mj"):
                self.complain("TPL25", f"<{name}> is not closed", at, at + len(name) + 1)
        return where

    def _statement(self, low: int, high: int, holder: str, began: int, opened: list[tuple[int, int]]) -> None:
        """Check that a statement ends in the element in which it began; else half an element would be left over."""
        found = re.match(r"\{%[-+]?\s*(\w+)", self.text.source[low:high])
        word = found[1] if found else ""
        if word in _OPENS:
            opened.append((began, low))
        elif opened and word in ("elif", "else", "endif", "endfor"):
            if opened[-1][0] != began:
                line = self.text.position(opened[-1][1]).line
                message = f"{{% {word} %}} stands in another element than its beginning in line {line}"
                self.complain("TPL26", message, low, high, "open and close it in the same element")
            if word.startswith("end"):
                opened.pop()


def _called(holder: str) -> str:
    return f"<{holder}>" if holder else "the file"


def converted(text: Text, book: LinkBook, *, tracked: bool, picture: Picture) -> Converted:
    """Return the HTML of an MJML source, with slots for its links; problems are collected with their places."""
    reading = _MjmlReading(text, book, tracked=tracked, picture=picture)
    page = read_page(reading)
    where = reading.structure(page)
    checked = apply(text.source, reading.edits)
    sheets = [text.source[slice(*span)] for span in page.raw_spans]
    has_preview = any(tag == "mj-preview" for tag, _, _ in page.tags)
    result = Converted("", checked, sheets, has_preview, reading.problems)
    if any(one.severity == "error" for one in reading.problems):
        return result
    ordinals = {low: number for number, (low, _, _) in enumerate(regions(text.source))}
    travelling = _Travelling(checked, {ordinals[low] for low in where})
    result.html = _convert(text, travelling, result.problems)
    return result


@dataclass(slots=True)
class _Travelling:
    """A source in which everything that the converter may not see is a plain word."""

    checked: str
    between: set[int]
    """The ordinals of the regions that stand between elements."""
    words: dict[str, str] = field(default_factory=dict)
    source: str = ""
    _map: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        stem = "tdgs"
        while stem in self.checked:
            stem += "x"
        masked = mask(self.checked)
        pieces: list[str] = []
        last = length = 0
        for low, high, kept, raw in self._spans(masked):
            before = self.checked[last:low]
            word = f"{stem}{len(self.words):04d}z" if kept else ""
            if kept:
                self.words[word] = kept
            shown = f"<mj-raw>{word}</mj-raw>" if raw else word
            self._map.append((length, last))
            pieces += [before, shown]
            length += len(before) + len(shown)
            last = high
        self._map.append((length, last))
        self.source = "".join([*pieces, self.checked[last:]])

    def _spans(self, masked: str) -> list[tuple[int, int, str, bool]]:
        """Return what is taken out: from, to, what comes back, and whether it stands between elements."""
        spans: list[tuple[int, int, str, bool]] = []
        covered: list[tuple[int, int]] = []
        for tag, start, raw in Tags(masked).tags:
            covered.append((start, start + len(raw)))
            for found in ATTRIBUTE.finditer(raw, len(tag) + 1):
                value = found[2] or ""
                if value[:1] in ("'", '"') and re.search(f"[{VALUE}{STATEMENT}{MARK}]", value):
                    low, high = start + found.start(2) + 1, start + found.end(2) - 1
                    written = self.checked[low:high]
                    spans.append(
                        (low, high, _in_double_quotes(written) if value[0] == "'" else written, False)
                    )
        for number, (low, high, _) in enumerate(regions(self.checked)):
            if not any(a <= low < b for a, b in covered):
                kept = "" if self.checked.startswith("{#", low) else self.checked[low:high]
                spans.append((low, high, kept, bool(kept) and number in self.between))
        return sorted(spans)

    def line_of(self, offset: int) -> int:
        """Return the line (from 1) of the file for an offset of `source`."""
        shown, original = next((one for one in reversed(self._map) if one[0] <= offset), (0, 0))
        return self.checked.count("\n", 0, min(original + offset - shown, len(self.checked))) + 1


def _in_double_quotes(written: str) -> str:
    """Return an attribute's value as it may stand in double quotes, its Jinja untouched."""
    parts, last = [], 0
    for low, high, _ in regions(written):
        parts += [written[last:low].replace('"', "&quot;"), written[low:high]]
        last = high
    return "".join([*parts, written[last:].replace('"', "&quot;")])


def _convert(text: Text, travelling: _Travelling, problems: list[Problem]) -> str:
    import mrml

    try:
        # No include is loaded, and no font: a message fetches nothing that its author did not write.
        options = mrml.ParserOptions(include_loader=mrml.noop_loader())
        html = mrml.to_html(travelling.source, options, mrml.RenderOptions(fonts={})).content
    except OSError as error:
        found = _PLACE.search(str(error))
        line = travelling.line_of(_offset(travelling.source, int(found[1]))) if found else 1
        sentence = re.sub(r"\s+in root template.*$", "", str(error))
        at = text.word(text.first_line + line - 1, "\x00")
        problems.append(text.problem("TPL25", f"MJML cannot be read: {sentence}", at))
        return ""
    for word, kept in travelling.words.items():
        if word not in html:
            at = max(text.source.find(kept.strip(MARK)[:40]), 0)
            message = "what stands here has no effect in HTML: the converter drops it"
            problems.append(text.problem("TPL26", message, at, 1, "take it out, or move it into mj-text"))
    if any(one.severity == "error" for one in problems):
        return ""
    stem = re.escape(next(iter(travelling.words), "\x00")[:-5])
    return re.sub(rf"{stem}\d{{4}}z", lambda found: travelling.words[found.group()], html)


def _offset(source: str, octets: int) -> int:
    """Return the character offset of an offset in UTF-8."""
    return len(source.encode()[:octets].decode("utf-8", "ignore"))
