"""Pictures of a message, `templates/NAME/images/x.png`: checked, and addressed by what is in them.

The tracker serves them under `/i/<first 16 hex digits of the SHA-256>/<file name>`. A picture that is changed gets another address,
so the answer may be kept for ever, and a message sent last year still shows the picture that it was sent with.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from re import compile as pattern
from urllib.parse import quote

from tidings.templates.markup import PICTURES, PictureError

MAX_IMAGE = 1_000_000
ROUTE = "/i/"
_DIGITS = 16
_NAME = pattern(r"images/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that may be sent: media type, width and height in pixels."""

    media_type: str
    width: int
    height: int


def image_url(public_url: str, name: str, content: bytes) -> str:
    """Return the address of a picture; `name` is its file name, with or without `images/`."""
    return public_url.rstrip("/") + image_path(name, content)


def image_path(name: str, content: bytes) -> str:
    """Return the path under which the tracker serves a picture: `/i/0123456789abcdef/x.png`."""
    return f"{ROUTE}{sha256(content).hexdigest()[:_DIGITS]}/{quote(name.removeprefix(PICTURES))}"


def image_files(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the bytes of the pictures of a message by the path under which they are served; unusable ones are left out."""
    found = {}
    for name, content in sources.items():
        if not name.startswith(PICTURES):
            continue
        try:
            picture(name, content)
        except PictureError:
            continue
        found[image_path(name, content)] = content
    return found


def picture(name: str, content: bytes) -> Picture:
    """Return what a picture is; PictureError where mail programs would not show it."""
    if not _NAME.fullmatch(name):
        raise PictureError(
            "TPL28", f"{name[:80]} is no name for a picture", "take letters a-z, digits, . _ and -"
        )
    ending = "." + name.rpartition(".")[2].casefold() if "." in name else ""
    if ending in (".svg", ".svgz"):
        sentence = f"{name} is an SVG drawing, which Gmail and Outlook do not show and which may hold scripts"
        raise PictureError("TPL28", sentence, "save it as PNG, twice as wide as it is shown")
    if ending not in _KINDS:
        raise PictureError(
            "TPL28", f"{name} is no picture that every mail program shows", "save it as PNG, JPEG or GIF"
        )
    if len(content) > MAX_IMAGE:
        sentence = f"{name} has {len(content):,} bytes; {MAX_IMAGE:,} is the most"
        raise PictureError("TPL29", sentence, "make it smaller: 1,200 pixels are wide enough")
    found = _measured(content)
    if found is None or found.media_type != _KINDS[ending]:
        really = found.media_type if found else "no picture"
        raise PictureError(
            "TPL28", f"{name} holds {really}, whatever its name says", "save it again from a picture program"
        )
    return found


def media_type(content: bytes) -> str | None:
    """Return image/png, image/jpeg or image/gif by the bytes, or None for anything else."""
    found = _measured(content)
    return found.media_type if found else None


class Pictures:
    """The pictures of one message: their addresses for the compiler, their sizes for lint."""

    def __init__(self, sources: Mapping[str, bytes], folder: str, public_url: str) -> None:
        self._sources = sources
        self._folder = folder
        self._public_url = public_url

    def url(self, written: str) -> str:
        """Return the whole address of `images/x.png`; raises PictureError where it cannot be used."""
        content = self._sources.get(written)
        if content is None:
            raise missing(written, self._sources, self._folder)
        picture(written, content)
        return image_url(self._public_url, written, content)

    def size(self, written: str) -> tuple[int, int] | None:
        """Return width and height of one of our pictures, or None."""
        content = self._sources.get(written)
        found = _measured(content) if content is not None else None
        return (found.width, found.height) if found else None


def missing(name: str, sources: Mapping[str, bytes], folder: str) -> PictureError:
    """Return the error for a picture that is not there, with the nearest that is."""
    have = [one for one in sources if one.startswith(PICTURES)]
    near = get_close_matches(name, have, n=1)
    hint = f"did you mean {near[0]}?" if near else f"put the file in {folder}/images/"
    return PictureError("TPL27", f"there is no {folder}/{name[:80]}", hint)


def _measured(content: bytes) -> Picture | None:
    """Read type and size from the first bytes (PNG: RFC 2083, GIF: GIF89a, JPEG: ITU T.81 annex B)."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return Picture("image/png", width, height)
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) >= 10:
        width, height = struct.unpack("<HH", content[6:10])
        return Picture("image/gif", width, height)
    if content[:3] == b"\xff\xd8\xff":
        return _jpeg(content)
    return None


def _jpeg(content: bytes) -> Picture | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if kind == 0xFF:
            at += 1
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        # Start of frame, of any coding but the tables C4, C8 and CC.
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return Picture("image/jpeg", width, height)
        if length < 2 or kind == 0xDA:
            return None
        at += 2 + length
    return None
