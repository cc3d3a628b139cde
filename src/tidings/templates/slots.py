"""Putting the URLs of one recipient into the slots of a part, and the part on the wire.

Most of a part stands in the template and is the same for everybody. What must be known of it before it may travel as it
is (RFC 2045 section 2.7) is found out once, when it is compiled; then only values and URLs are looked at for each recipient.
Where anything is unusual, the part is put together as text and looked at as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape, unescape
from types import CodeType

from tidings.templates.values import MARK, MARK_URL

Slot = tuple[int, str]
# Text, and then each slot with the text behind it; None is the slot of the pixel.
_Prepared = tuple[str, tuple[tuple[Slot | None, str], ...]]

_SPECIAL = re.compile("[&<>\"']").search
_PIXEL = "p"
_IMAGE = '<img src="'


class Filling:
    """The URLs of one recipient, each asked for once: `click` and `pixel` are those of `email.MessageUrls`."""

    def __init__(
        self, message_id: int, click: Callable[[int, int, str], str], pixel: Callable[[int], str]
    ) -> None:
        self._message_id = message_id
        self._click = click
        self._pixel = pixel
        self._minted: dict[Slot, str] = {}

    def url(self, slot: Slot) -> str:
        """Return where a link leads."""
        url = self._minted.get(slot)
        if url is None:
            url = self._minted[slot] = self._click(self._message_id, *slot)
        return url

    def pixel(self) -> str:
        """Return the address of the pixel, empty for somebody who may not be tracked."""
        return self._pixel(self._message_id)


class Slots:
    """The slots of one message, numbered, and the standing text of its parts."""

    def __init__(self, slots: Sequence[Slot], standing: Iterable[str]) -> None:
        self._slots = {str(number): slot for number, slot in enumerate(slots)}
        self._prepared = {
            text: prepared for text in standing if (prepared := self._prepare(text)) is not None
        }

    def as_text(self, rendered: str, filling: Filling, *, html: bool) -> str:
        """Return a rendered part with its URLs."""
        chunks = rendered.split(MARK)
        for index in range(1, len(chunks), 2):
            mark = chunks[index]
            if mark == _PIXEL:
                pixel = filling.pixel()
                chunks[index] = escape(pixel)
                if not pixel:
                    # The image is the last thing we put in: cut it out whole.
                    chunks[index - 1] = chunks[index - 1].removesuffix(_IMAGE)
                    chunks[index + 1] = chunks[index + 1].partition(">")[2]
                continue
            number, dynamic, written = mark.partition(MARK_URL)
            slot = self._slots[number]
            if dynamic:
                slot = (slot[0], unescape(written) if html else written)
            url = filling.url(slot)
            chunks[index] = _escaped(url) if html else url
        return "".join(chunks)

    def as_ascii(self, pieces: Sequence[str], filling: Filling, *, html: bool) -> bytes | None:
        """Return the pieces of a part with their URLs, or None where they have to be looked at as a whole.

        What is returned is ASCII without NUL whose lines all end in CRLF; how long they are is not looked at.
        """
        made: list[str] = []
        at: list[int] = []
        prepared = self._prepared
        for piece in pieces:
            known = prepared.get(piece)
            if known is None:
                # Printable leaves out every line end, NUL, tab and mark.
                if not piece.isprintable():
                    return None
                made.append(piece)
                continue
            first, rest = known
            made.append(first)
            for slot, text in rest:
                if slot is None:
                    url = filling.pixel()
                    if not url:
                        made[-1] = made[-1].removesuffix(_IMAGE)
                        text = text.partition(">")[2]
                else:
                    url = filling.url(slot)
                at.append(len(made))
                made += (url, text)
        # All of them are looked at at once: few have anything unusual.
        urls = "".join([made[place] for place in at])
        if not urls.isprintable():
            return None
        if html and _SPECIAL(urls):
            for place in at:
                made[place] = escape(made[place])
        whole = "".join(made)
        return whole.encode("ascii") if whole.isascii() else None

    def _prepare(self, text: str) -> _Prepared | None:
        """Cut standing text at its slots; None where it is none that can be put together piece by piece."""
        chunks = text.split(MARK)
        texts, names = chunks[::2], chunks[1::2]
        if len(chunks) % 2 == 0 or any(name != _PIXEL and name not in self._slots for name in names):
            return None
        for one in texts:
            # Each piece has its line ends whole, so that neither half can meet another at a seam.
            ends = one.count("\r\n")
            if not one.isascii() or "\0" in one or one.count("\n") != ends or one.count("\r") != ends:
                return None
        for before, name, after in zip(texts, names, texts[1:], strict=False):
            if name == _PIXEL and not (before.endswith(_IMAGE) and ">" in after):
                return None
        slots = [None if name == _PIXEL else self._slots[name] for name in names]
        return texts[0], tuple(zip(slots, texts[1:], strict=True))


def standing_text(code: CodeType) -> frozenset[str]:
    """Return the texts that a compiled template writes as they stand."""
    found = {one for one in code.co_consts if isinstance(one, str)}
    return frozenset(found).union(
        *(standing_text(one) for one in code.co_consts if isinstance(one, CodeType))
    )


def _escaped(url: str) -> str:
    # Few have anything to escape, and asking for it is cheaper than five replacements.
    return escape(url) if _SPECIAL(url) else url
