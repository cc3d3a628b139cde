"""A fax compiled once per variant and locale, filled per recipient: HTML in, a TIFF of all pages out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape, unescape
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tidings.clock import Clock
from tidings.definitions.kinds.recommending import RECOMMENDED
from tidings.errors import Problem
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.fax.drawing import Drawn, Ink, draw, strip
from tidings.templates.fax.geometry import WIDTH, Page
from tidings.templates.fax.glyphs import without_glyph
from tidings.templates.fax.notice import instant_words, is_simplified, page_words
from tidings.templates.fax.paginating import pages_of
from tidings.templates.fax.tiff import line_seconds, tiff_of
from tidings.templates.group import group_reader
from tidings.templates.part import Part
from tidings.templates.products import taken
from tidings.templates.salutations import salutation_for, salutation_names
from tidings.templates.values import MARK, MARK_URL, Missing, RenderError, clean

# Drawn pages kept for messages with the same words: a fax without values is drawn once.
_KEPT = 4


@dataclass(frozen=True, slots=True)
class FaxPages:
    """The pages of one fax. `tiff`: all of them, CCITT G4. `heights`: lines of each; `seconds`: expected time on the line."""

    tiff: bytes
    pages: int
    width: int
    heights: tuple[int, ...]
    resolution: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """What the rehearsal has to know of drawn pages beside themselves."""

    drawn: Drawn
    pages: int
    notice_page: int | None


class CompiledFax:
    """A checked fax of one variant and locale.

    `variables`: names of customer attributes it reads. `required`: those of them without another text. `links`: the
    URLs by position. `locale`: of the file used. `page`: resolution and paper. `warnings`: what a person should look at.
    `named`, `greeted_by`, `greeting`, `others`: as of an e-mail.
    """

    def __init__(
        self,
        *,
        locale: str,
        html: Part,
        readers: Mapping[str, Callable[[Any], Any]],
        fixed: Mapping[str, str],
        links: tuple[str, ...],
        slots: tuple[tuple[int, str], ...],
        head: str,
        page: Page,
        max_pages: int,
        notice_first: bool,
        zone: str,
        clock: Clock,
        greeting: str = "",
    ) -> None:
        self.locale, self.links, self.page = locale, links, page
        self.greeting = greeting or locale
        self.warnings: tuple[Problem, ...] = ()
        self.required: frozenset[str] = frozenset()
        self._html, self._simplified = html, is_simplified(locale)
        self._products, readers = taken(html.used, readers)
        # A shop that keeps salutations of its own goes on using them.
        self._greets = "salutation" in html.used and "salutation" not in readers
        self.greeted_by = salutation_names(readers) if self._greets else ()
        self.named, self.others = html.used & frozenset(readers), html.others
        self.variables = self.named | frozenset(self.greeted_by)
        self._group = group_reader(html.used, html.members, readers)
        self._readers = [(name, readers[name], Missing(name)) for name in sorted(self.variables)]
        self._fixed, self._slots = dict(fixed), {str(n): slot for n, slot in enumerate(slots)}
        self._head, self._most, self.notice_first = head, max_pages, notice_first
        self._zone, self._clock = ZoneInfo(zone), clock
        self._kept: OrderedDict[bytes, tuple[list[Ink], int | None]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def product_fields(self) -> frozenset[str] | None:
        """Return what it reads of each product recommended; None for a message that recommends nothing."""
        return None if self._products is None else self._products.fields

    @property
    def group_variables(self) -> frozenset[str] | None:
        """Return the names of the values that it reads of every member of the account; None for a message without `group`."""
        return None if self._group is None else self._group.names

    def fill(self, recipient: Recipient, urls: MessageUrls) -> FaxPages:
        """Return the pages of one recipient; raises RenderError, and nothing else, when they cannot be made."""
        try:
            bodies, notice = self._bodies(self.html(recipient, urls))
            if self.notice_first and notice != 1:
                raise RenderError("opt_out_notice", "must stand on the first page, where the law wants it")
            sheets = self._sheets(bodies)
            tiff = tiff_of(sheets, self.page)
            heights = tuple(len(sheet) for sheet in sheets)
            return FaxPages(tiff, len(sheets), WIDTH, heights, self.page.resolution, line_seconds(tiff))
        except RenderError:
            raise
        except Exception as error:
            # A poisoned row must cost its own message only, whatever it provokes in a library.
            raise RenderError("message", f"cannot be rendered: {error}"[:300]) from error

    def html(self, recipient: Recipient, urls: MessageUrls) -> str:
        """Return the HTML of one recipient with values and printed links in place; raises RenderError."""
        values: dict[str, Any] = dict(self._fixed)
        for name, read, missing in self._readers:
            raw = recipient.variables.get(name)
            values[name] = missing if raw is None or raw == "" else read(raw)
        values["key"], values["fax"] = clean(recipient.key), clean(recipient.address)
        values["locale"] = clean(recipient.locale)
        for name in self.variables:
            self._glyphs(name, values[name])
        if self._group is not None:
            values["group"] = self._group(recipient.variables.get("group"))
            for member in values["group"]:
                for name, value in member.items():
                    self._glyphs(f"group.{name}", value)
        if self._products is not None:
            values[RECOMMENDED] = self._products(recipient.variables.get(RECOMMENDED))
            for product in values[RECOMMENDED]:
                for name, value in product.items():
                    self._glyphs(f"{RECOMMENDED}.{name}", value)
        if self._greets:
            values["salutation"] = salutation_for(self.greeting, values)
        if "unsubscribe_url" in self._html.used:
            values["unsubscribe_url"] = urls.unsubscribe(recipient.message_id)
        chunks = self._html.render(values).split(MARK)
        for index in range(1, len(chunks), 2):
            number, dynamic, written = chunks[index].partition(MARK_URL)
            position, url = self._slots[number]
            target = unescape(written) if dynamic else url
            chunks[index] = escape(urls.click(recipient.message_id, position, target))
        return "".join(chunks)

    def look(self, recipient: Recipient, urls: MessageUrls) -> Look:
        """Return what the pages look like to a check: overflow, grey, and where the notice stands."""
        drawn = draw(self.html(recipient, urls), self.page, simplified=self._simplified)
        bodies, notice = pages_of(drawn, self.page, self._most)
        return Look(drawn, len(bodies), notice)

    def _glyphs(self, name: str, value: Any) -> None:
        for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
            sign = without_glyph(text)
            if sign:
                raise RenderError(name, f"holds the sign U+{ord(sign):04X}, which no face of a fax page has")

    def _bodies(self, html: str) -> tuple[list[Ink], int | None]:
        key = sha256(html.encode("utf-8", "replace")).digest()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        made = pages_of(draw(html, self.page, simplified=self._simplified), self.page, self._most)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    def _sheets(self, bodies: list[Ink]) -> list[Ink]:
        """Return whole pages: the strip with sender, time and page above each content."""
        when = instant_words(self._clock.now().astimezone(self._zone))
        sheets = []
        for number, body in enumerate(bodies, 1):
            sheet = np.zeros((self.page.height, WIDTH), np.bool_)
            words = page_words(self.locale, number, len(bodies))
            sheet[: self.page.top] = strip(self._head, when, words, self.page, simplified=self._simplified)
            sheet[self.page.top : self.page.top + len(body)] = body
            sheets.append(sheet)
        return sheets
