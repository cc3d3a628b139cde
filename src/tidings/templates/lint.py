"""What a message must have before it may go out: a way to unsubscribe, the postal address; and what it should have."""

from __future__ import annotations

import re
from collections.abc import Collection

from tidings.errors import Position, Problem
from tidings.templates.images import Pictures
from tidings.templates.markup import ATTRIBUTE, REGION, TRAP_END, VALUE, Tags, mask, regions
from tidings.templates.salutations import greets_in
from tidings.templates.sources import Message, Text

# Consent is withdrawn with one click wherever consent was asked for.
ONE_CLICK_CLASSES = ("marketing", "survey")
MAX_WIDTH = 700
LONG_SUBJECT = 70
_PICTURE_TAGS = ("img", "mj-image", "mj-carousel-image", "mj-social-element")
_LINK_TAGS = ("a", "area", "mj-button", "mj-image", "mj-navbar-link", "mj-social-element")
_WIDTH = re.compile(r"(?<![-\w])width\s*:\s*(\d+)(?:\.\d+)?px", re.IGNORECASE)
_SHEET = re.compile(r"<(?:mj-)?style\b[^>]*>(.*?)</(?:mj-)?style>", re.IGNORECASE | re.DOTALL)
# Tags whose `width` is in pixels.
_SIZED = ("table", "td", "th", "img", "mj-body", "mj-image")
_HTTP = re.compile(r"http://([^/:?#\s\"'<>]+)", re.IGNORECASE)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# A picture that is drawn more than this much out of proportion looks it.
_STRETCHED = 0.05


def lint(
    message: Message,
    used: dict[str, set[str]],
    *,
    message_class: str,
    postal_address: str,
    ours: Collection[str],
    personal: Collection[str],
    pictures: Pictures,
    subject: str,
    greets: bool,
) -> list[Problem]:
    """Return errors and warnings of a message; `used` gives the names read by each part (`html`, `text`).

    Marketing and survey messages need `{{ unsubscribe_url }}` and `{{ postal_address }}` in every part (CAN-SPAM,
    RFC 8058, the bulk-sender rules of the large mailbox providers). `ours`: hosts from which pictures may come;
    `personal`: names whose values should not stand in links; `subject`: with the words of the variant put in;
    `greets`: {{ salutation }} is made by the engine.
    """
    problems: list[Problem] = []
    parts = {"text": message.text} | ({"html": message.html} if message.html else {})
    if message_class in ONE_CLICK_CLASSES:
        problems += _bulk(parts, used, message_class, postal_address)
    if greets and not greets_in(message.locale) and any("salutation" in names for names in used.values()):
        problems.append(greeting_problem(message.main, message.locale))
    length = len(REGION.sub("xxxxxxxx", subject).strip())
    if length > LONG_SUBJECT:
        sentence = f"the subject has about {length} signs; phones show 40, most programs {LONG_SUBJECT}"
        problems.append(_warning(message.subject, "TPL38", sentence, 0, len(message.subject.source)))
    if message.html:
        problems += _Look(message.html, ours, personal, pictures, mjml=message.mjml).problems
    if not message.derived:
        problems += _text_links(message.text, personal)
        if (at := message.text.source.find(TRAP_END)) >= 0:
            sentence = f"a link to {TRAP_END} is for programs alone, and everybody sees it in a text"
            problems.append(message.text.problem("TPL42", sentence, at, len(TRAP_END), "take it out"))
    return problems


def greeting_problem(text: Text, locale: str) -> Problem:
    """Return the problem of a {{ salutation }} in a language that has no forms of address here."""
    sentence = f"there are no forms of address for the language of {locale}"
    at = max(text.source.find("salutation"), 0)
    return text.problem("TPL18", sentence, at, 10, 'write {{ full_name or "…" }} instead')


def _bulk(
    parts: dict[str, Text], used: dict[str, set[str]], message_class: str, postal_address: str
) -> list[Problem]:
    problems = []
    for name, text in parts.items():
        end = len(text.source.rstrip())
        for code, wanted, sentence in (
            ("TPL30", "unsubscribe_url", "needs a link to unsubscribe"),
            ("TPL31", "postal_address", "needs the sender's postal address"),
        ):
            if wanted not in used[name]:
                message = f"a {message_class} message {sentence}"
                problems.append(text.problem(code, message, end, hint=f"add {{{{ {wanted} }}}}"))
    if not postal_address.strip():
        place = Position("config/workspace.yaml")
        sentence = f"a {message_class} message needs `postal_address:` in config/workspace.yaml"
        problems.append(Problem("TPL31", sentence, place))
    return problems


class _Look:
    """One look at the tags of a page."""

    def __init__(
        self, text: Text, ours: Collection[str], personal: Collection[str], pictures: Pictures, *, mjml: bool
    ) -> None:
        self.text = text
        self.ours = [host.casefold() for host in ours if host]
        self.personal = personal
        self.pictures = pictures
        self.problems: list[Problem] = []
        tags = Tags(mask(text.source)).tags
        for tag, start, raw in tags:
            given = {
                found[1].lower(): (start + found.start(2) + 1, found[2][1:-1])
                for found in ATTRIBUTE.finditer(raw, len(tag) + 1)
                if found[2] and found[2][0] in "\"'"
            }
            given |= {
                found[1].lower(): (start + found.start(2), found[2] or "")
                for found in ATTRIBUTE.finditer(raw, len(tag) + 1)
                if found[1].lower() not in given
            }
            self._tag(tag, start, given)
        for sheet in _SHEET.finditer(text.source):
            for found in _WIDTH.finditer(sheet[1]):
                self._wide(int(found[1]), sheet.start(1) + found.start(), len(found[0]))
        if not mjml or not any(tag == "mjml" for tag, _, _ in tags):
            root = next(((start, raw) for tag, start, raw in tags if tag == "html"), None)
        else:
            root = next(((start, raw) for tag, start, raw in tags if tag == "mjml"), None)
        if root is None or not re.search(r"\blang\s*=", root[1]):
            word = "mjml" if mjml else "html"
            self._warn(
                "TPL33", f'<{word} lang="…"> tells screen readers the language', root[0] if root else 0
            )

    def _warn(self, code: str, sentence: str, offset: int, length: int = 1, hint: str = "") -> None:
        self.problems.append(_warning(self.text, code, sentence, offset, length, hint))

    def _tag(self, tag: str, start: int, given: dict[str, tuple[int, str]]) -> None:
        if tag in _PICTURE_TAGS:
            self._picture(tag, start, given)
        for name in ("src", "background", "background-url"):
            if name in given and _HTTP.match(given[name][1]):
                self._http(*given[name])
        if tag in _LINK_TAGS and "href" in given:
            if _HTTP.match(given["href"][1]):
                self._http(*given["href"])
            self.problems += _personal(self.text, *given["href"], self.personal)
            self._trap(given)
        width = given.get("width", (0, ""))[1].removesuffix("px")
        wide = int(width) if width.isdigit() and tag in _SIZED else 0
        style = given.get("style", (0, ""))[1]
        self._wide(max([wide, *(int(found) for found in _WIDTH.findall(style))]), start, len(tag) + 1)

    def _trap(self, given: dict[str, tuple[int, str]]) -> None:
        """A link that is there to catch programs must be found by no person, whether they see or listen."""
        at, href = given["href"]
        if not href.endswith(TRAP_END):
            return
        style = given.get("style", (0, ""))[1].replace(" ", "").lower()
        if given.get("aria-hidden", (0, ""))[1] != "true" or "display:none" not in style:
            sentence = f"a link to {TRAP_END} is for programs alone, and readers can find this one"
            hint = 'add aria-hidden="true" tabindex="-1" style="display:none"'
            self.problems.append(self.text.problem("TPL42", sentence, at, len(href), hint))

    def _wide(self, pixels: int, offset: int, length: int) -> None:
        if pixels > MAX_WIDTH:
            sentence = f"{pixels} pixels are wider than the pane of most mail programs"
            self._warn("TPL35", sentence, offset, length, f"{MAX_WIDTH} is the most, 600 is usual")

    def _picture(self, tag: str, start: int, given: dict[str, tuple[int, str]]) -> None:
        at, source = given.get("src", (start, ""))
        length = len(tag) + 1
        if "alt" not in given and tag != "mj-social-element":
            self._warn("TPL32", 'an image needs alt="…" (empty for decoration)', start, length)
        if tag == "img" and "width" not in given:
            size = self.pictures.size(source)
            hint = f'it is {size[0]} pixels wide: write width="{size[0]}"' if size else ""
            self._warn(
                "TPL34",
                'an image needs width="…", or Outlook draws it as large as it is',
                start,
                length,
                hint,
            )
        elif tag == "img":
            self._proportion(source, given, start)
        if source.startswith(("http://", "https://")):
            host = re.sub(r"[:/?#].*", "", source.split("://", 1)[1], flags=re.DOTALL).casefold()
            if not any(host == one or host.endswith(f".{one}") for one in self.ours):
                sentence = f"this picture comes from {host}, which may change it, lose it, or watch who opens the mail"
                self._warn("TPL36", sentence, at, len(source), "put it in images/ beside this file")
        elif tag == "mj-social-element" and not source:
            sentence = "its icon comes from the servers of MJML's makers, who see who opens the mail"
            self._warn("TPL36", sentence, start, length, 'put a picture in images/ and write src="images/…"')

    def _proportion(self, source: str, given: dict[str, tuple[int, str]], start: int) -> None:
        size = self.pictures.size(source)
        width, height = (given.get(name, (0, ""))[1] for name in ("width", "height"))
        if size is None or not (width.isdigit() and height.isdigit() and int(width)):
            return
        right = int(width) * size[1] / max(size[0], 1)
        if abs(int(height) - right) > max(right * _STRETCHED, 1):
            sentence = (
                f"this picture of {size[0]}×{size[1]} pixels is drawn as {width}×{height}, out of proportion"
            )
            self._warn("TPL34", sentence, start, 4, f'write height="{round(right)}", or leave it out')

    def _http(self, at: int, url: str) -> None:
        self.problems += _unsafe(self.text, at, url)


def _unsafe(text: Text, at: int, url: str) -> list[Problem]:
    host = (found[1] if (found := _HTTP.match(url)) else "").casefold()
    if host in _LOOPBACK:
        return []
    sentence = "http:// can be read and changed on the way, and browsers warn of it"
    return [_warning(text, "TPL37", sentence, at, 7, "write https://")]


def _personal(text: Text, at: int, hidden: str, personal: Collection[str]) -> list[Problem]:
    """Return a warning for each value in a link that tells who the customer is."""
    found = []
    written = text.source[at : at + len(hidden)]
    for low, high, kind in regions(written):
        spoken = re.sub(r"\"[^\"]*\"|'[^']*'", "", written[low:high])
        names = set(re.findall(r"[A-Za-z_]\w*", spoken)) & set(personal)
        if kind == "value" and names:
            name = min(names)
            sentence = (
                f'"{name}" tells who the customer is, and a link is kept in logs and histories everywhere'
            )
            found.append(
                _warning(text, "TPL39", sentence, at + low, high - low, "send {{ key }}, or nothing")
            )
    return found


def _text_links(text: Text, personal: Collection[str]) -> list[Problem]:
    problems = []
    masked = mask(text.source)
    for found in re.finditer(rf"https?://[!-;=?-~{VALUE}]+", masked):
        if _HTTP.match(found.group()):
            problems += _unsafe(text, found.start(), found.group())
        problems += _personal(text, found.start(), found.group(), personal)
    return problems


def _warning(text: Text, code: str, sentence: str, offset: int, length: int = 1, hint: str = "") -> Problem:
    found = text.problem(code, sentence, offset, length, hint)
    return Problem(found.code, found.message, found.at, found.hint, "warning", found.source)
