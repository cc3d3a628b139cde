"""In which encoding a file was saved: UTF-8, UTF-16, or one of the older ones of Russia, China and Taiwan."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What a person calls each, and how sure we must be.
NAMES = {
    "utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp1251": "CP1251", "gb18030": "GB18030", "big5": "Big5",
}  # fmt: skip
_SURE = 0.6
_AHEAD = 0.1
_RUSSIAN = re.compile(r"[А-ЯЁ]?[а-яё]+|[А-ЯЁ]+")
_BESIDE = "«»„“”‘’…–—№•©®™\u00a0°§€"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the encoding that it was in, and whether a byte-order mark stood before it."""

    text: str
    encoding: str
    marked: bool = False


def decode(content: bytes, encoding: str | None = None) -> Decoded | None:
    """Return the text of a file whatever it was saved in, or None when that is not plain.

    `encoding` (a codec's name) is believed where the bytes are not UTF-8 already: what is UTF-8 reads as many other
    encodings too, as nonsense. It fails the same way where the bytes do not fit.
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            text = _read(content[len(mark) :], name)
            return None if text is None else Decoded(text, name, marked=True)
    wide = utf_16(content)
    if wide:
        return wide
    text = _read(content, "utf-8")
    if text is not None:
        return Decoded(text, "utf-8")
    if encoding is not None:
        text = _read(content, encoding)
        return None if text is None else Decoded(text, encoding)
    return _older(content)


def _read(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def utf_16(content: bytes) -> Decoded | None:
    """Return the text of UTF-16 without a mark, or None: definitions hold so much ASCII that every other byte is often zero."""
    if len(content) < 4 or len(content) % 2:
        return None
    for name, zeros in (("utf-16-le", content[1::2]), ("utf-16-be", content[::2])):
        if zeros.count(0) > len(zeros) // 4:
            text = _read(content, name)
            if text is not None and "\x00" not in text:
                return Decoded(text, name)
    return None


def _older(content: bytes) -> Decoded | None:
    """Return the reading that is most like a language, when it is clearly ahead of the others."""
    readings = [
        (score(content, text), name, text)
        for name, score in (("cp1251", _cyrillic), ("gb18030", _simplified), ("big5", _traditional))
        if (text := _read(content, name)) is not None
    ]
    if not readings:
        return None
    readings.sort(key=lambda one: -one[0])
    best = readings[0]
    behind = readings[1][0] if len(readings) > 1 else 0.0
    return Decoded(best[2], best[1]) if best[0] >= _SURE and best[0] - behind >= _AHEAD else None


def _cyrillic(content: bytes, text: str) -> float:
    """Return how much of what is not ASCII stands in words written as Russian writes them."""
    foreign = [sign for sign in text if ord(sign) > 127 and sign not in _BESIDE]
    words = _RUSSIAN.findall(text)
    # Words of one letter, or capitals alone, are what other encodings look like when they are read as this one.
    regular = sum(len(word) for word in words if len(word) > 2 and not word.isupper())
    return min(regular / len(foreign), 1.0) if foreign else 0.0


def _pairs(content: bytes) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < len(content) - 1:
        if content[at] < 0x81:
            at += 1
            continue
        found.append((content[at], content[at + 1]))
        at += 2
    return found


def _simplified(content: bytes, text: str) -> float:
    """Return how much stands on the first level of GB 2312, which holds the common characters, or is a full-width sign."""
    pairs = _pairs(content)
    common = sum(
        1 for lead, trail in pairs if trail >= 0xA1 and (0xB0 <= lead <= 0xD7 or lead in (0xA1, 0xA3))
    )
    return common / len(pairs) if pairs else 0.0


def _traditional(content: bytes, text: str) -> float:
    """Return how much stands on the first level of Big5, which holds the common characters, or is a full-width sign."""
    pairs = _pairs(content)
    common = sum(
        1
        for lead, trail in pairs
        if (0xA4 <= lead <= 0xC6 or lead in (0xA1, 0xA2)) and (0x40 <= trail <= 0x7E or trail >= 0xA1)
    )
    # Bytes from 40 to 7E follow a lead byte in four of ten characters of Big5, and hardly ever in GB 2312.
    low = sum(1 for _, trail in pairs if trail <= 0x7E)
    return common / len(pairs) * (1.0 if low else 0.7) if pairs else 0.0
