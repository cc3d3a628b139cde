"""The text part taken from a page that has no .txt beside it: once per compile, as template source, no Jinja lost."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tidings.templates.markup import REGION

_OPEN, _CLOSE = "\ue000", "\ue001"
_TOKEN = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
# One blank line before and after; other blocks take a line of their own.
_PARAGRAPHS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "pre", "table"),
    *("mj-text", "mj-button", "mj-table", "mj-image", "mj-section", "mj-social", "mj-navbar", "mj-hero"),
    *("mj-accordion-title", "mj-accordion-text"),
}
_BLOCKS = {
    *("div", "tr", "li", "section", "article", "header", "footer", "main", "center", "dt", "dd", "body"),
    *("mj-column", "mj-wrapper", "mj-raw", "mj-social-element", "mj-navbar-link"),
}
_CELLS = {"td", "th"}
_LINKS = {"a", "area", "mj-button", "mj-navbar-link", "mj-social-element", "mj-image"}
_SKIPPED = {"head", "style", "script", "title", "mj-head", "template", "noscript"}
_VOID = {"br", "hr", "img", "meta", "link", "input", "area", "col", "wbr", "source"}
_STATEMENT_LINE = re.compile(r"\{%.*?%\}")
_SIDE_BY_SIDE = re.compile(r"^[^\S\n]*\{%[^\n]*?%\}(?:[^\S\n]*\{%[^\n]*?%\})+[^\S\n]*$", re.MULTILINE)


def text_source(page: str) -> str:
    """Return the source of a text part with the words, links and statements of a page (HTML or MJML)."""
    kept: list[str] = []

    def hide(found: re.Match[str]) -> str:
        kept.append("" if found.group().startswith("{#") else found.group())
        return f"{_OPEN}{len(kept) - 1}{_CLOSE}"

    reading = _Words(kept)
    reading.feed(REGION.sub(hide, page))
    reading.close()
    return _tidy(reading.written())


class _Words(HTMLParser):
    """Collects lines: paragraphs apart by an empty one, links with their addresses behind them."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._kept = kept
        self._lines: list[str] = [""]
        self._skipping: list[str] = []
        self._open: list[tuple[str, str, int, int]] = []

    def written(self) -> str:
        """Return all lines."""
        return "\n".join(self._lines)

    def _back(self, text: str) -> str:
        # Signs that the text shows literally must not become Jinja.
        text = re.sub(r"\{(?=[{%#])", '{{ "{" }}', text)
        return _TOKEN.sub(lambda found: self._kept[int(found[1])], text)

    def _line(self) -> None:
        if self._lines[-1].strip():
            self._lines.append("")

    def _paragraph(self) -> None:
        self._line()
        if len(self._lines) > 1 and self._lines[-2].strip():
            self._lines.append("")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._skipping or tag in _SKIPPED or _hidden(given.get("style", "")):
            if tag not in _VOID:
                self._skipping.append(tag)
            return
        if tag in _PARAGRAPHS:
            self._paragraph()
        elif tag in _BLOCKS:
            self._line()
        elif tag in _CELLS and self._lines[-1].strip():
            self._lines[-1] = self._lines[-1].rstrip() + " "
        if tag == "li":
            self._lines[-1] += "- "
        elif tag == "br":
            self._lines.append("")
        elif tag in ("hr", "mj-divider"):
            self._paragraph()
            self._lines += ["--------", "", ""]
        if tag in _LINKS and given.get("href"):
            self._open.append((tag, given["href"], len(self._lines) - 1, len(self._lines[-1])))
        if tag in ("img", "mj-image") and given.get("alt"):
            self._lines[-1] += self._back(" ".join(given["alt"].split()))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            if tag in self._skipping:
                while self._skipping.pop() != tag:
                    pass
            return
        if self._open and self._open[-1][0] == tag:
            self._address(*self._open.pop()[1:])
        if tag in _PARAGRAPHS:
            self._paragraph()
        elif tag in _BLOCKS:
            self._line()

    def _address(self, href: str, line: int, column: int) -> None:
        """Put the address behind the words of a link."""
        if href.startswith("#"):
            return
        bare = href.removeprefix("mailto:").removeprefix("tel:").partition("?")[0] if ":" in href else href
        address = self._back(href if href.startswith(("http", _OPEN)) else bare)
        words = " ".join([self._lines[line][column:], *self._lines[line + 1 :]]).strip()
        if address in words:
            return
        between = " " if self._lines[-1].strip() and not self._lines[-1].endswith(" ") else ""
        self._lines[-1] += between + (f"<{address}>" if words else address)

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        text = re.sub(r"[ \t\r\n\f\xa0]+", " ", data)
        if not self._lines[-1].strip() or self._lines[-1].endswith(" "):
            text = text.lstrip()
        self._lines[-1] += self._back(text)


def _hidden(style: str) -> bool:
    return "display:none" in style.replace(" ", "").lower()


def _tidy(text: str) -> str:
    """Return lines with at most one empty one between them; a statement takes the empty line in with its words."""
    lines: list[str] = []
    # Statements side by side, with no word beside them, take a line each.
    apart = _SIDE_BY_SIDE.sub(lambda found: re.sub(r"(?<=[%#]\})[^\S\n]*(?=\{)", "\n", found.group()), text)
    for line in apart.split("\n"):
        line = line.strip()
        alone = bool(line) and _STATEMENT_LINE.fullmatch(line) is not None
        if alone:
            looped = re.match(r"\{%[-+]?\s*for\b", line) is not None
            empty = bool(lines) and not lines[-1]
            while lines and not lines[-1] and not looped:
                lines.pop()
            opening = re.match(r"\{%[-+]?\s*(?:if|elif|else)\b", line) is not None
            lines.append(line)
            # The space before the words belongs to them: without them it is not there either.
            if opening and empty:
                lines.append("")
            continue
        if not line and (not lines or not lines[-1] or lines[-1].startswith("{% for")):
            continue
        lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"
