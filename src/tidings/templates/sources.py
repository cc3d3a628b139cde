"""The files of one message: which locale's files are used, header lines of the text part, places for problems."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from tidings.errors import DefinitionErrors, Position, Problem

MAX_FILE = 200_000

_NAME = re.compile(
    r"^(?P<kind>[a-z]+)(?:\.(?P<locale>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*))?\.(?P<part>html|mjml|txt)$"
)
_TITLE = re.compile(r"<(?:mj-)?title\b[^>]*>(.*?)</(?:mj-)?title\s*>", re.IGNORECASE | re.DOTALL)
_PAGES = ("html", "mjml")
_IMAGES = "images"
_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HEADER = re.compile(r"^([A-Za-z-]+):[ \t]*(.*)$")
# Regions that write the same Chinese as a starter locale; asking for zh alone means simplified.
_CHINESE = {
    "zh-hk": "zh-tw",
    "zh-mo": "zh-tw",
    "zh-hant": "zh-tw",
    "zh-hant-tw": "zh-tw",
    "zh-hant-hk": "zh-tw",
    "zh-sg": "zh-cn",
    "zh-hans": "zh-cn",
    "zh-hans-cn": "zh-cn",
    "zh": "zh-cn",
}


class TemplateErrors(DefinitionErrors):
    """Problems in the files of a message, each with file, line and column."""


@dataclass(frozen=True, slots=True)
class Text:
    """One source text with its path, able to say where an offset stands.

    `before` is what stands in front of it on its first line, such as `Subject: `.
    """

    path: str
    source: str
    first_line: int = 1
    before: str = ""

    def position(self, offset: int, length: int = 1) -> Position:
        """Return the place of a character offset."""
        line = self.source.count("\n", 0, offset)
        start = self.source.rfind("\n", 0, offset) + 1
        ahead = 0 if line else len(self.before)
        return Position(self.path, self.first_line + line, ahead + offset - start + 1, length)

    def problem(self, code: str, message: str, offset: int, length: int = 1, hint: str = "") -> Problem:
        """Return a problem at an offset, with the source line."""
        at = self.position(offset, length)
        return Problem(code, message, at, hint, source=((at.line, self.line(at.line)),))

    def line(self, number: int) -> str:
        """Return the text of a line by its number in the file, fit to be shown in a terminal."""
        lines = (self.before + self.source).split("\n")
        index = number - self.first_line
        # Control signs and marks of direction could rewrite what the reader sees.
        return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", lines[index]) if 0 <= index < len(lines) else ""

    def word(self, number: int, word: str) -> int:
        """Return the offset of a word in a line, inside `{{ }}` or `{% %}` if it stands there too (else of the line)."""
        starts = [0, *(found.end() for found in re.finditer("\n", self.source))]
        start = starts[min(max(number - self.first_line, 0), len(starts) - 1)]
        end = self.source.find("\n", start)
        line = self.source[start:] if end < 0 else self.source[start:end]
        places = [found.start() for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", line)]
        # The same word may be a class of the HTML or part of the prose before the hole that is meant.
        return start + next((one for one in places if _in_hole(line, one)), places[0] if places else 0)


def _in_hole(line: str, offset: int) -> bool:
    opened = max(line.rfind("{{", 0, offset), line.rfind("{%", 0, offset))
    return opened > max(line.rfind("}}", 0, offset), line.rfind("%}", 0, offset))


@dataclass(frozen=True, slots=True)
class Message:
    """The files chosen for a locale: the header lines, the text part, and the page (HTML or MJML) if there is one.

    `derived`: there is no .txt; the text part is then taken from the page, and the subject is its title.
    """

    locale: str
    subject: Text
    preheader: Text | None
    text: Text
    html: Text | None
    mjml: bool = False
    derived: bool = False

    @property
    def main(self) -> Text:
        """Return the file to name where a problem concerns the message as a whole."""
        return self.html or self.text


def read_sources(root: Path, name: str) -> dict[str, bytes]:
    """Return the message files of `templates/NAME` by file name, and its pictures as `images/…`; empty without them."""
    folder = root / "templates" / name
    if not folder.is_dir():
        return {}
    files = {
        one.name: one.read_bytes()
        for one in sorted(folder.iterdir())
        if one.is_file() and _NAME.match(one.name)
    }
    pictures = folder / _IMAGES
    if pictures.is_dir():
        files |= {
            f"{_IMAGES}/{one.name}": one.read_bytes() for one in sorted(pictures.iterdir()) if one.is_file()
        }
    return files


def locales(sources: Iterable[str], kind: str = "email") -> tuple[str, ...]:
    """Return the locales in which a message is written, sorted; `""` stands for the file without a locale."""
    found = (_NAME.match(name) for name in sources)
    return tuple(sorted({one["locale"] or "" for one in found if one and one["kind"] == kind}))


def nearest_locale(wanted: str, available: Iterable[str], fallback: str) -> str | None:
    """Return the best of the available locales, or None when there is none.

    Order: see `locale_chain`.
    """
    known = {one.replace("_", "-").casefold(): one for one in available}
    return next((known[one] for one in locale_chain(wanted, fallback) if one in known), None)


def locale_chain(wanted: str, fallback: str) -> tuple[str, ...]:
    """Return the locales that stand in for one another, in order, in small letters: `zh-hk`, `zh-tw`, `zh`, ``, `en`.

    The very one, the same script of Chinese, the language without region, no locale (`""`), then the same steps for
    the workspace's `fallback`.
    """

    def steps(locale: str) -> list[str]:
        exact = locale.replace("_", "-").casefold()
        return [exact, _CHINESE.get(exact, exact), exact.split("-")[0]] if exact else []

    return tuple(dict.fromkeys([*steps(wanted), "", *steps(fallback)]))


def spoken(wanted: str, files: str) -> str:
    """Return the locale by which numbers and dates are written: the customer's, where the files are in that language."""

    def language(locale: str) -> str:
        return _CHINESE.get(
            locale.replace("_", "-").casefold(), locale.replace("_", "-").split("-")[0].casefold()
        )

    return wanted if wanted and language(wanted) == language(files) else files


def choose(
    sources: Mapping[str, bytes], *, folder: str, locale: str, fallback: str, kind: str = "email"
) -> Message:
    """Return the files for a locale, decoded and with the header lines read; TemplateErrors otherwise."""
    have = locales(sources, kind)
    chosen = nearest_locale(locale, have, fallback)
    if chosen is None:
        listed = ", ".join(sorted(sources)) or "no files"
        raise TemplateErrors(
            [
                Problem(
                    "TPL01",
                    f"there is no {kind} text for locale {locale} or {fallback} (the folder has {listed})",
                    Position(folder),
                    f"write {folder}/{kind}.{fallback or locale}.txt, starting with a line `Subject: …`",
                )
            ]
        )
    stem = f"{kind}.{chosen}" if chosen else kind
    # The name on disk may be spelled with another case or an underscore.
    names = {name: found for name in sources if (found := _NAME.match(name)) and found["kind"] == kind}
    own = {found["part"]: name for name, found in names.items() if (found["locale"] or "") == chosen}
    pages = [own[part] for part in _PAGES if part in own]
    if len(pages) > 1:
        sentence = f"there is {pages[0]} beside it, and a message has one page in a language"
        problem = Problem("TPL09", sentence, Position(f"{folder}/{pages[1]}"), "delete one of the two")
        raise TemplateErrors([problem])
    elsewhere = sorted({found["part"] for found in names.values()} & set(_PAGES))
    if not pages and elsewhere:
        problem = Problem(
            "TPL02",
            f"{stem}.txt has no {stem}.{elsewhere[0]} beside it, although other locales have one",
            Position(f"{folder}/{own['txt']}"),
            "add it, so that everybody gets the same message",
        )
        raise TemplateErrors([problem])
    page = decode(f"{folder}/{pages[0]}", sources[pages[0]]) if pages else None
    mjml = bool(pages) and pages[0].casefold().endswith(".mjml")
    if "txt" not in own:
        assert page is not None
        return _from_page(chosen or fallback, page, mjml=mjml)
    text = decode(f"{folder}/{own['txt']}", sources[own["txt"]])
    return _with_headers(chosen or fallback, text, page, mjml=mjml)


def _from_page(locale: str, page: Text, *, mjml: bool) -> Message:
    """Read the subject from the title of a page that has no text file beside it."""
    found = _TITLE.search(page.source)
    if found is None or not found[1].strip():
        word = "<mj-title>" if mjml else "<title>"
        hint = f"write {word}…</{word[1:]}, or a .txt beside it that starts with `Subject: …`"
        raise TemplateErrors([page.problem("TPL07", "a message needs a subject", 0, hint=hint)])
    start = found.start(1) + len(found[1]) - len(found[1].lstrip())
    line = page.source.count("\n", 0, start)
    before = page.source[page.source.rfind("\n", 0, start) + 1 : start]
    title = " ".join(unescape(found[1]).split())
    return Message(
        locale, Text(page.path, title, line + 1, before), None, Text(page.path, ""), page, mjml, derived=True
    )


def decode(path: str, content: bytes) -> Text:
    """Return the text of a file; TemplateErrors where it is too large, no UTF-8, or holds signs that nobody sees."""
    if len(content) > MAX_FILE:
        problem = Problem(
            "TPL03", f"has {len(content):,} bytes; a message part takes {MAX_FILE:,}", Position(path)
        )
        raise TemplateErrors([problem])
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem("TPL04", "is not UTF-8 text", Position(path, line), "save the file as UTF-8")
        raise TemplateErrors([problem]) from error
    text = Text(path, source.replace("\r\n", "\n").replace("\r", "\n"))
    strange = re.search(
        "[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ue000\ue001\ufdd0-\ufdef\ufffe\uffff]", text.source
    )
    if strange:
        message = f"holds the sign U+{ord(strange.group()):04X}, which no mail program shows"
        raise TemplateErrors([text.problem("TPL05", message, strange.start(), hint="delete it")])
    return text


def _with_headers(locale: str, file: Text, html: Text | None, *, mjml: bool) -> Message:
    """Read `Subject:` and `Preheader:` up to the blank line; what follows is the text part."""
    headers: dict[str, Text] = {}
    problems: list[Problem] = []
    lines = file.source.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    number = 0
    while number < len(lines) and lines[number].strip():
        found = _HEADER.match(lines[number])
        name = found[1].lower() if found else ""
        if found is None or name not in ("subject", "preheader"):
            problems.append(
                file.problem(
                    "TPL06",
                    "the lines before the first blank line are `Subject: …` and, if you like, `Preheader: …`",
                    starts[number],
                    max(len(lines[number]), 1),
                )
            )
        else:
            before = lines[number][: found.start(2)]
            headers[name] = Text(file.path, found[2].strip(), number + 1, before)
        number += 1
    if not problems and not (headers.get("subject") and headers["subject"].source):
        problems.append(
            file.problem("TPL07", "a message needs a subject", 0, hint="start the file with `Subject: …`")
        )
    if problems:
        raise TemplateErrors(problems)
    body = Text(file.path, "\n".join(lines[number + 1 :]), number + 2)
    return Message(locale, headers["subject"], headers.get("preheader"), body, html, mjml)


def offset_lookup(source: str) -> Callable[[int, int], int]:
    """Return a function from line (from 1) and column (from 0) to the character offset."""
    starts = [0, *(found.end() for found in re.finditer("\n", source))]

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + column

    return offset


def line_of(source: str, offset: int) -> int:
    """Return the line (from 1) on which an offset stands."""
    return bisect_right([0, *(found.end() for found in re.finditer("\n", source))], offset)
