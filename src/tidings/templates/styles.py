"""Style sheets written into the tags, for mail programs that drop them: done once per compile, by css-inline.

The converter would rewrite a page, and a page with Jinja in it is not one page: tables hold statements where HTML
allows none, and both branches of an `if` are there at once. So it gets a copy in which every tag carries a number
and all Jinja is left out, and only the styles that it finds are taken back, tag by tag, as edits of the untouched source.
A class that depends on a value is left to the style sheet, which stays in the page for hover, media and dark mode.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

from tidings.templates.markup import ATTRIBUTE, STATEMENT, VALUE, Edit, Tags, apply, mask

_NUMBER = "data-tidings-n"
# They are not shown, so a rule such as `* { … }` has no business there.
_NEVER = {"html", "head", "meta", "title", "style", "link", "script", "br", "base", "xml"}
_MEDIA = re.compile(r"\bmedia\s*=\s*[\"']?\s*(?!all\b|screen\s*[\"'>])", re.IGNORECASE)
_IGNORED = "data-css-inline"


def sheets(source: str, tags: Tags) -> list[str]:
    """Return the style sheets of a page; not those for other media, nor those marked `data-css-inline="ignore"`."""
    found = []
    spans = iter(tags.raw_spans)
    for tag, _, raw in tags.tags:
        if tag not in ("style", "script"):
            continue
        span = next(spans, None)
        if span is not None and tag == "style" and not _MEDIA.search(raw) and _IGNORED not in raw:
            found.append(source[slice(*span)])
    return found


def inlined(source: str, css: list[str]) -> list[Edit]:
    """Return the edits that write the rules of style sheets into the tags of a source; none without rules."""
    joined = "\n".join(one for one in css if VALUE not in (hidden := mask(one)) and STATEMENT not in hidden)
    if "{" not in joined:
        return []
    import css_inline

    masked = mask(source)
    numbered, places = _numbered(source, masked)
    inliner = css_inline.CSSInliner(
        inline_style_tags=False,
        keep_style_tags=True,
        # Nothing a template mentions is ever fetched.
        load_remote_stylesheets=False,
        extra_css=joined,
    )
    found = _Styles(inliner.inline(numbered)).found
    edits = []
    for number, (after_name, own) in places.items():
        style = found.get(number, "").strip()
        if not style:
            continue
        if own is None:
            edits.append(Edit(after_name, after_name, f' style="{escape(style)}"'))
            continue
        low, high, whole = own
        written = source[low:high]
        if not whole:
            # It holds a statement: what the sheet says stands first, what is written here wins.
            edits.append(Edit(low, low, escape(style.rstrip(";")) + ";"))
        elif style != written.strip():
            edits.append(Edit(low, high, escape(style)))
    return edits


_Own = tuple[int, int, bool] | None


def _numbered(source: str, masked: str) -> tuple[str, dict[int, tuple[int, _Own]]]:
    """Return the copy without Jinja and with numbered tags, and where the style of each number goes."""
    edits, places = [], {}
    covered: list[tuple[int, int]] = []
    for number, (tag, start, raw) in enumerate(Tags(masked).tags):
        after_name = start + 1 + len(tag)
        covered.append((start, start + len(raw)))
        own: _Own = None
        bare = _blank(raw)
        for found in ATTRIBUTE.finditer(raw, len(tag) + 1):
            value = found[2] or ""
            if value[:1] not in ("'", '"'):
                continue
            low, high = start + found.start(2) + 1, start + found.end(2) - 1
            holes = [at for at in range(low, high) if masked[at] in (VALUE, STATEMENT)]
            if found[1].lower() == "style":
                own = (low, high, not holes)
                if holes:
                    edits.append(Edit(low, high, ""))
            elif holes:
                edits.append(Edit(holes[0], holes[-1] + 1, ""))
        if bare is not None:
            low, high = start + bare[0], start + bare[1]
            # Everything between the first and the last statement inside a tag depends on a value.
            edits = [one for one in edits if not low <= one.start < high]
            edits.append(Edit(low, high, ""))
            if own is not None and low <= own[0] < high:
                continue
        if tag not in _NEVER:
            edits.append(Edit(after_name, after_name, f' {_NUMBER}="{number}"'))
            places[number] = (after_name, own)
    for found in re.finditer(f"[{VALUE}{STATEMENT}\n]*[{VALUE}{STATEMENT}]", masked):
        if not any(low <= found.start() < high for low, high in covered):
            edits.append(Edit(found.start(), found.end(), ""))
    return apply(source, edits), places


def _blank(raw: str) -> tuple[int, int] | None:
    """Return from the first to the last Jinja sign of a tag that stands outside the quotes of an attribute."""
    outside = re.sub(r"\"[^\"]*\"|'[^']*'", lambda found: " " * len(found.group()), raw)
    at = [found.start() for found in re.finditer(f"[{VALUE}{STATEMENT}]", outside)]
    return (at[0], at[-1] + 1) if at else None


class _Styles(HTMLParser):
    """Reads the style of every numbered tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[int, str] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if _NUMBER in given:
            self.found.setdefault(int(given[_NUMBER] or 0), given.get("style") or "")
