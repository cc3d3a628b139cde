"""A text message compiled once per variant and locale, filled per recipient: the only way an SMS is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tidings.definitions.kinds.recommending import RECOMMENDED
from tidings.errors import Problem
from tidings.templates.email import MessageUrls, Recipient
from tidings.templates.group import group_reader
from tidings.templates.part import Part
from tidings.templates.products import taken
from tidings.templates.salutations import salutation_for, salutation_names
from tidings.templates.sms.segments import Segmented, segment
from tidings.templates.sms.typography import plainly
from tidings.templates.values import MARK, MARK_URL, Missing, RenderError, clean

# What the large providers take in one request; ten segments of GSM.
LONGEST = 1600

_BEFORE_END = re.compile(r"[ \t]+(?=\n)")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class SmsText:
    """A finished text and its segments; `replaced` are typographic signs that were written plainly to save segments."""

    text: str
    segmented: Segmented
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SmsShown:
    """A text as a person proof-reads it; `fell_back` names the unknown values it did without."""

    text: str
    segmented: Segmented
    replaced: tuple[str, ...]
    fell_back: tuple[str, ...]


class CompiledSms:
    """A checked text of one variant and locale.

    `variables`: names of customer attributes it reads. `required`: those of them without another text, so that a customer
    without the value is refused. `links`: the URLs by position, as they stand in the file. `shortened`: the positions whose
    links become short ones; a link with a value in it leads elsewhere for everybody and is written out. `locale`: of the
    file used. `warnings`: what a person should look at. `named`, `greeted_by`, `greeting`, `others`: as of an e-mail.

    `fill` calls `MessageUrls.click(message_id, position, url)` once for each shortened link, and `url` is then always
    `links[position]`: the row of the table `links` with that position is where the short token leads. `pixel` is never called.
    """

    def __init__(
        self,
        part: Part,
        *,
        locale: str,
        readers: Mapping[str, Callable[[Any], Any]],
        fixed: Mapping[str, str],
        links: tuple[str, ...],
        slots: tuple[tuple[int, str, bool], ...],
        typography: bool = True,
        greeting: str = "",
    ) -> None:
        self.locale = locale
        self.greeting = greeting or locale
        self.links = links
        self.shortened = tuple(dict.fromkeys(position for position, _, dynamic in slots if not dynamic))
        self.warnings: tuple[Problem, ...] = ()
        self.required: frozenset[str] = frozenset()
        self._products, readers = taken(part.used, readers)
        # A shop that keeps salutations of its own goes on using them.
        self._greets = "salutation" in part.used and "salutation" not in readers
        self.greeted_by = salutation_names(readers) if self._greets else ()
        self.named, self.others = part.used & frozenset(readers), part.others
        self.variables = self.named | frozenset(self.greeted_by)
        self._part = part
        self._group = group_reader(part.used, part.members, readers)
        self._readers = [(name, readers[name], Missing(name)) for name in sorted(self.variables)]
        self._fixed = dict(fixed)
        self._unsubscribes = "unsubscribe_url" in part.used
        self._slots = {str(number): (position, url) for number, (position, url, _) in enumerate(slots)}
        self._typography = typography

    @property
    def product_fields(self) -> frozenset[str] | None:
        """Return what it reads of each product recommended; None for a message that recommends nothing."""
        return None if self._products is None else self._products.fields

    @property
    def group_variables(self) -> frozenset[str] | None:
        """Return the names of the values that it reads of every member of the account; None for a message without `group`."""
        return None if self._group is None else self._group.names

    def fill(self, recipient: Recipient, urls: MessageUrls) -> SmsText:
        """Return the text of one recipient, line ends as LF.

        Raises RenderError, and nothing else, when this recipient's text cannot be written.
        """
        text, _ = self._written(recipient, urls)
        if not self._typography:
            return SmsText(text, segment(text))
        plain = plainly(text)
        return SmsText(plain.text, segment(plain.text), plain.replaced)

    def show(self, recipient: Recipient, urls: MessageUrls) -> SmsShown:
        """Return the text of one recipient for proof-reading; raises RenderError as `fill` does."""
        _, values = self._written(recipient, urls)
        filled = self.fill(recipient, urls)
        fell_back = tuple(name for name, _, _ in self._readers if isinstance(values[name], Missing))
        return SmsShown(filled.text, filled.segmented, filled.replaced, fell_back)

    def _written(self, recipient: Recipient, urls: MessageUrls) -> tuple[str, dict[str, Any]]:
        try:
            values = self._values(recipient, urls)
            text = self._placed(self._part.render(values), recipient.message_id, urls)
        except RenderError:
            raise
        except Exception as error:
            # A poisoned row must cost its own message only, whatever it provokes in a library.
            raise RenderError("message", f"cannot be rendered: {error}"[:300]) from error
        text = text.replace("\r\n", "\n").strip()
        if " \n" in text or "\n\n\n" in text:
            text = _EMPTY_LINES.sub("\n\n", _BEFORE_END.sub("", text))
        if not text:
            raise RenderError("message", "is empty")
        if len(text) > LONGEST:
            raise RenderError("message", f"has {len(text):,} signs; {LONGEST:,} is the most")
        return text, values

    def _values(self, recipient: Recipient, urls: MessageUrls) -> dict[str, Any]:
        values: dict[str, Any] = dict(self._fixed)
        given = recipient.variables
        for name, read, missing in self._readers:
            raw = given.get(name)
            values[name] = missing if raw is None or raw == "" else read(raw)
        if self._group is not None:
            values["group"] = self._group(given.get("group"))
        if self._products is not None:
            values[RECOMMENDED] = self._products(given.get(RECOMMENDED))
        values["key"], values["locale"] = clean(recipient.key), clean(recipient.locale)
        if self._greets:
            values["salutation"] = salutation_for(self.greeting, values)
        if self._unsubscribes:
            values["unsubscribe_url"] = urls.unsubscribe(recipient.message_id)
        return values

    def _placed(self, rendered: str, message_id: int, urls: MessageUrls) -> str:
        """Put the recipient's URLs into the slots of the rendered text."""
        chunks = rendered.split(MARK)
        minted: dict[int, str] = {}
        for index in range(1, len(chunks), 2):
            number, dynamic, written = chunks[index].partition(MARK_URL)
            if dynamic:
                chunks[index] = written
                continue
            position, url = self._slots[number]
            if position not in minted:
                minted[position] = urls.click(message_id, position, url)
            chunks[index] = minted[position]
        return "".join(chunks)
