"""In which encoding a file of text is written: said, recognised by its mark, or guessed and shown."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tidings.errors import TidingsError, UsageError

# What exports of shops and of Excel in our users' countries are written in. cp1250 is not guessed: a few
# letters do not tell it from cp1252, and a wrong guess spoils names without a word.
CANDIDATES = ("gb18030", "big5", "cp1251", "koi8_r", "cp866", "cp1252")
NAMES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "gb18030": "GB18030 (simplified Chinese)",
    "big5": "Big5 (traditional Chinese)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8_r": "KOI8-R (Cyrillic)",
    "cp866": "DOS 866 (Cyrillic)",
    "cp1252": "Windows-1252 (western European)",
}
_BLOCK = 1 << 16
# Archives and databases: what they are is said when they are opened.
_NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b", b"SQLi")
# Signs of Windows-1252 that no language of our users writes: þ ÿ × ÷, and what it leaves open.
_STRANGE = re.compile(rb"[\x81\x8d\x8f\x90\x9d\xd7\xde\xf7\xfe\xff]")
# Beyond this share of lines in good UTF-8 the others are damaged, not in another encoding.
_DAMAGED = 0.3
# Signs outside ASCII that are looked at to guess: enough for any language, little enough to be quick.
_SAMPLE = 256 << 10


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding: `codec` is Python's name; `how` is marked, valid (the whole file is UTF-8), guessed or said."""

    codec: str
    how: str

    @property
    def title(self) -> str:
        """Return its name for people."""
        return NAMES.get(self.codec, self.codec)


def encoding_of(path: Path, said: str | None = None) -> Encoding:
    """Return the encoding of a CSV or CSV.gz.

    `said` wins. A file that is UTF-8 from end to end is UTF-8; otherwise the lines with foreign bytes decide.
    Raises UsageError for an unknown name and TidingsError where nothing fits.
    """
    if said is not None:
        return Encoding(_text_codec(said), "said")
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid, first, sample = True, True, bytearray()
    try:
        for block in _blocks(path):
            if first:
                if block.startswith(_NO_TEXT):
                    break
                marked = _marked(block)
                if marked is not None:
                    return marked
                first = False
            if valid:
                try:
                    decoder.decode(block)
                    continue
                except UnicodeDecodeError:
                    valid = False
            sample += b"\n".join(line for line in block.split(b"\n") if not line.isascii())[:_SAMPLE]
            if len(sample) >= _SAMPLE:
                break
    except (EOFError, zlib.error, gzip.BadGzipFile):
        # Reading it row by row says where it is damaged.
        return Encoding("utf-8", "valid")
    if valid or _mostly_utf8(bytes(sample)):
        return Encoding("utf-8", "valid")
    codec = _guessed(bytes(sample), path.name)
    return Encoding(codec, "valid" if codec == "utf-8" else "guessed")


def _marked(start: bytes) -> Encoding | None:
    """Recognise a byte order mark, or UTF-16 without one by the zero bytes of its ASCII signs."""
    if start.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8", "marked")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", "marked")
    head = start[:400]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and odd > len(head) * 0.3 and not even:
        return Encoding("utf-16-le", "guessed")
    if len(head) >= 8 and even > len(head) * 0.3 and not odd:
        return Encoding("utf-16-be", "guessed")
    return None


def _text_codec(said: str) -> str:
    """Return Python's name of an encoding of text; some of its codecs are none (base64, zip)."""
    try:
        found = codecs.lookup(said)
        "a".encode(found.name)
        b"a,b".decode(found.name, "replace")
        # Python's way to read piece by piece, which punycode and its like do not have.
        codecs.getincrementaldecoder(found.name)("strict").decode(b"")
    except (LookupError, ValueError, TypeError) as error:
        raise UsageError(
            f'"{said}" is no encoding of text', what_to_do=f"such as utf-8, utf-16, {', '.join(CANDIDATES)}"
        ) from error
    if found.name in ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"):
        raise UsageError(
            f'"{said}" is no encoding of files', what_to_do=f"such as utf-8, {', '.join(CANDIDATES)}"
        )
    return found.name


def _mostly_utf8(sample: bytes) -> bool:
    """Tell whether many of the lines are good UTF-8: then reading row by row names the first that is not."""
    lines = [line for line in sample.split(b"\n") if line]
    good = 0
    for line in lines:
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError:
            continue
    return good > _DAMAGED * len(lines)


def _guessed(sample: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(CANDIDATES), threshold=0.5).best()
    found = codecs.lookup(best.encoding).name if best is not None else ""
    if found == "cp1252" and _STRANGE.search(sample):
        # Any byte is a sign of this one. ÿ and its like stand in no name: the file is damaged, and its line is told.
        return "utf-8"
    if not found:
        raise TidingsError(
            f"{name} is not UTF-8, and no other encoding fits it",
            what_to_do="Say which it is with --encoding, or export it as UTF-8.",
        )
    return found


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
        read = 0
        while block := stream.read(_BLOCK):
            yield block
            read += len(block)
            if packed and read > 100 * max(raw.tell(), _BLOCK):
                # A bomb: reading it row by row refuses it in words.
                return


class Transcoded(io.RawIOBase):
    """The bytes of a stream in another encoding, as UTF-8; raises TidingsError at the first byte that does not fit."""

    def __init__(self, raw: BinaryIO, encoding: Encoding, name: str) -> None:
        self._raw, self._encoding, self._name = raw, encoding, name
        self._decoder = codecs.getincrementaldecoder(encoding.codec)()
        self._ready = b""
        self._lines = 1

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with UTF-8."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._ready:
            block = self._raw.read(1 << 16)
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeError as error:
                raise TidingsError(
                    f"{self._name}, near line {self._lines}: the text is not {self._encoding.title}",
                    what_to_do="Say its encoding with --encoding, or export it as UTF-8.",
                ) from error
            self._ready = text.encode("utf-8")
            self._lines += self._ready.count(b"\n")
            if not block:
                break
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size
