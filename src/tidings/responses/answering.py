"""How the tracker answers: status, headers and body of each kind of answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tidings.responses import pages

# A transparent GIF of one pixel.
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
Headers = list[tuple[bytes, bytes]]
COMMON: Headers = [
    (b"cache-control", b"no-store, max-age=0"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
]
HTML: Headers = [
    *COMMON,
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", pages.POLICY.encode()),
    (b"x-frame-options", b"DENY"),
]
GIF: Headers = [*COMMON, (b"content-type", b"image/gif")]
TEXT: Headers = [*COMMON, (b"content-type", b"text/plain; charset=utf-8")]
# Its address names its content, so a picture may be kept for ever; it must not become a page of ours.
IMAGE: Headers = [
    (b"cache-control", b"public, max-age=31536000, immutable"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
JSON: Headers = [*COMMON, (b"content-type", b"application/json")]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole: status, headers without the length, body."""

    status: int
    headers: Headers
    body: bytes = b""


def location(target: str) -> bytes:
    """Return a target as a header carries it: ASCII, with a host in another script as IDNA (RFC 3490)."""
    if target.isascii():
        return target.encode("ascii")
    scheme, _, rest = target.partition("://")
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    try:
        host = rest[:end].encode("idna").decode("ascii")
    except UnicodeError:
        host = quote(rest[:end])
    # Every ASCII sign stays as it is, the percent sign too: what is encoded already is not encoded twice.
    kept = quote(rest[end:], safe="".join(map(chr, range(0x21, 0x7F))))
    return f"{scheme}://{host}{kept}".encode("ascii")


def not_allowed(methods: str) -> Answer:
    """Return the answer to a method that a path does not have; `methods` are those that it has."""
    answer = json_answer(405, {"error": f"Only {methods} is possible here."})
    return Answer(405, [*answer.headers, (b"allow", methods.encode("ascii"))], answer.body)


def json_answer(status: int, body: dict[str, Any]) -> Answer:
    """Return an answer of data."""
    return Answer(status, JSON, json.dumps(body, ensure_ascii=False).encode() + b"\n")
