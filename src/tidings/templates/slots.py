"""Putting the URLs of one recipient into the slots of a part, and the part on the wire.

Most of a part stands in the template and is the same for everybody. What must be known of it before it may travel as it
is (RFC 2045 section 2.7) is found out once, when it is compiled; then only values and URLs are looked at for each recipient.
Where anything is unusual, the part is put together as text and looked at as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from types import CodeType

from tidings.templates.values import MARK, MARK_URL

Slot = tuple[int, str]

_PIXEL = "p"
_IMAGE = '<img src="'


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Standing text cut at its slots.

    `chunks` has an empty place for each slot, which `names` names in their order. `pixel`: one of them is the pixel's.
    `from_line`: a line that begins in it may begin with the word that an mbox takes for the beginning of a message.
    """

    chunks: tuple[str, ...]
    names: tuple[str, ...]
    pixel: bool
    from_line: bool


class Filling:
    """The URLs of one recipient, each asked for once: `click` and `pixel` are those of `email.MessageUrls`."""

    def __init__(
        self, message_id: int, click: Callable[[int, int, str], str], pixel: Callable[[int], str]
    ) -> None:
        self._message_id = message_id
        self._click = click
        self._pixel = pixel
        # By the first name of its slot, or by the slot where the URL is one of the recipient's own.
        self._minted: dict[str | Slot, str] = {}

    def url(self, key: str | Slot, slot: Slot) -> str:
        """Return where a link leads; `key` is the first name of a standing slot, else the slot itself."""
        url = self._minted.get(key)
        if url is None:
            url = self._minted[key] = self._click(self._message_id, *slot)
        return url

    def urls(self, names: Sequence[str], slots: Mapping[str, Slot]) -> list[str]:
        """Return where standing links lead, and for the name of the pixel its address."""
        minted, message_id = self._minted, self._message_id
        urls = []
        for name in names:
            url = minted.get(name)
            if url is None:
                if name == _PIXEL:
                    url = self._pixel(message_id)
                else:
                    position, target = slots[name]
                    url = self._click(message_id, position, target)
                minted[name] = url
            urls.append(url)
        return urls

    def pixel(self) -> str:
        """Return the address of the pixel, empty for somebody who may not be tracked."""
        return self._pixel(self._message_id)


class Slots:
    """The slots of one message, numbered, and the standing text of its parts."""

    def __init__(self, slots: Sequence[Slot], standing: Iterable[str]) -> None:
        self._slots = {str(number): slot for number, slot in enumerate(slots)}
        # A link that stands in both parts has a number in each, and one URL.
        self._first = {slot: name for name, slot in reversed(self._slots.items())}
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
            url = filling.url(self._first.get(slot, slot), slot)
            chunks[index] = _escaped(url) if html else url
        return "".join(chunks)

    def as_ascii(self, pieces: Sequence[str], filling: Filling, *, html: bool) -> bytes | None:
        """Return the pieces of a part with their URLs, or None where they have to be looked at as a whole.

        What is returned is ASCII without NUL whose lines all end in CRLF, none of them an mbox's beginning of a message;
        how long they are is not looked at.
        """
        made: list[str] = []
        # What does not stand in the template.
        loose: list[str] = []
        from_line = False
        prepared, slots = self._prepared, self._slots
        for piece in pieces:
            known = prepared.get(piece)
            if known is None:
                if not piece.isascii():
                    return None
                made.append(piece)
                loose.append(piece)
                continue
            from_line = from_line or known.from_line
            if not known.names:
                made.append(piece)
                continue
            urls = filling.urls(known.names, slots)
            told = "".join(urls)
            loose.append(told)
            if html and _special(told):
                urls = [escape(url) for url in urls]
            place = len(made)
            made += known.chunks
            made[place + 1 :: 2] = urls
            if known.pixel and "" in urls:
                _cut_pixel(made, place, known.names)
        # All of it is looked at at once: hardly ever is there anything unusual.
        said = "".join(loose)
        if "\r" in said or "\n" in said or "\0" in said:
            return None
        whole = "".join(made)
        if not whole.isascii():
            return None
        lines = whole.encode("ascii")
        # From the end: Python finds words with usual letters several times faster so.
        odd = lines.startswith(b"From ") or (from_line and lines.rfind(b"\nFrom ") >= 0)
        return None if odd else lines

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
        chunks[1::2] = [""] * len(names)
        firsts = tuple([name if name == _PIXEL else self._first[self._slots[name]] for name in names])
        return _Prepared(tuple(chunks), firsts, _PIXEL in names, any(map(_may_begin_from, texts)))


def _cut_pixel(made: list[str], place: int, names: Sequence[str]) -> None:
    """Cut the image of a pixel out of the pieces from `place` on where it has no address."""
    for at, name in enumerate(names):
        here = place + 2 * at + 1
        if name == _PIXEL and not made[here]:
            made[here - 1] = made[here - 1].removesuffix(_IMAGE)
            made[here + 1] = made[here + 1].partition(">")[2]


def _may_begin_from(text: str) -> bool:
    """Tell whether a line that begins in a text begins with `From `, or so shortly before its end that it may."""
    _, ended, last = text.rpartition("\n")
    return "\nFrom " in text or (ended == "\n" and "From ".startswith(last))


def standing_text(code: CodeType) -> frozenset[str]:
    """Return the texts that a compiled template writes as they stand."""
    found = {one for one in code.co_consts if isinstance(one, str)}
    return frozenset(found).union(
        *(standing_text(one) for one in code.co_consts if isinstance(one, CodeType))
    )


def _escaped(url: str) -> str:
    # Few have anything to escape, and asking for it is cheaper than five replacements.
    return escape(url) if _special(url) else url


def _special(text: str) -> bool:
    return "&" in text or "<" in text or ">" in text or '"' in text or "'" in text
