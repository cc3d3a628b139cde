"""Header lines and bodies as bytes: RFC 5322, RFC 2045 and RFC 2047, with one header section prepared per message.

Written out here because building an `EmailMessage` per recipient costs more than everything else together; the tests
read every message back with the standard library's parser.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct

from tidings.templates.values import RenderError, forbidden_in_header

MAX_SUBJECT = 500
# RFC 5322 section 2.1.1: octets of a line without its end.
_LONGEST_LINE = 998

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_MAILBOX = re.compile(r"([^<>]*)<([^<>]*)>")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
# No whitespace, no angle bracket, ASCII only: what may stand between < and > in List-Unsubscribe.
_HEADER_URL = re.compile(r"[!-;=?-~]{1,900}")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def ascii_address(address: str, field: str = "email") -> str:
    """Return an address fit for every mail server, its domain in punycode (RFC 5890).

    Raises RenderError where the address is not one, or has a local part outside ASCII (which only servers with
    SMTPUTF8 take).
    """
    sign = forbidden_in_header(address)
    if sign:
        raise RenderError(field, f"holds the sign {sign}, which may not stand in a header")
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise RenderError(field, "is not an e-mail address")
    if not local.isascii():
        raise RenderError(field, "has letters before the @ that most mail servers do not take")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise RenderError(field, "has a domain that cannot be written in ASCII") from error
    if len(local) > 64 or not _LOCAL.fullmatch(local) or not _is_host(domain):
        raise RenderError(field, "is not an e-mail address")
    return f"{local}@{domain}"


# Many people have their mailboxes with few providers.
@lru_cache(maxsize=1024)
def _is_host(domain: str) -> bool:
    return len(domain) <= 253 and _HOST.fullmatch(domain) is not None


def name_and_address(written: str) -> tuple[str, str]:
    """Return the parts of `Name <address>`, `"Name" <address>` or `address`; empty texts where it is neither."""
    found = _MAILBOX.fullmatch(written.strip())
    if found is None:
        return "", written.strip() if "@" in written and "<" not in written else ""
    name = found[1].strip()
    # A comma in a name needs no quotes here: there is one mailbox, never a list.
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name, found[2].strip()


def mailbox(written: str, field: str) -> tuple[str, str, bytes]:
    """Return name, address and header value of `Name <address>`; raises RenderError where it is not one mailbox."""
    sign = forbidden_in_header(written)
    if sign:
        raise RenderError(field, f"holds the sign {sign}, which may not stand in a header")
    name, address = name_and_address(written)
    if not address:
        raise RenderError(field, "needs an address: Name <name@example.com>")
    address = ascii_address(address, field)
    if not name:
        return "", address, address.encode()
    shown = name.encode() if _PLAIN_NAME.fullmatch(name) else None
    if shown is None and name.isascii():
        shown = b'"' + re.sub(r'(["\\])', r"\\\1", name).encode() + b'"'
    if shown is None or len(shown) > 60:
        shown = encoded_words(name, len(field) + 2)
    value = shown + b" <" + address.encode() + b">"
    if len(value.rsplit(b"\r\n", 1)[-1]) > 76:
        value = shown + b"\r\n <" + address.encode() + b">"
    return name, address, value


def encoded_words(text: str, column: int) -> bytes:
    """Return text as RFC 2047 words in UTF-8 and base64, folded between characters, no line over 76 octets.

    `column` is how far into the first line the value starts.
    """
    words, chunk, room = [], bytearray(), (76 - column - 12) // 4 * 3
    for sign in text:
        octets = sign.encode("utf-8")
        if len(chunk) + len(octets) > min(room, 45):
            words.append(bytes(chunk))
            chunk, room = bytearray(), 45
        chunk += octets
    words.append(bytes(chunk))
    return b"\r\n ".join(b"=?utf-8?b?" + b2a_base64(word, newline=False) + b"?=" for word in words)


def subject_value(text: str) -> bytes:
    """Return the value of a Subject header; raises RenderError where a sign may not stand there."""
    text = text.strip()
    # Joiners are part of emoji and of some scripts; everything else that does not show is refused.
    sign = forbidden_in_header(text)
    if sign:
        raise RenderError("subject", f"holds the sign {sign}, which may not stand in a header")
    if len(text) > MAX_SUBJECT:
        raise RenderError("subject", f"has {len(text)} signs; {MAX_SUBJECT} is the most")
    if not text:
        raise RenderError("subject", "is empty")
    if len(text) <= 66 and text.isascii() and text.isprintable() and "=?" not in text:
        return text.encode("ascii")
    return encoded_words(text, len("Subject: "))


def header_url(url: str, field: str) -> bytes:
    """Return a URL for use between angle brackets in a header; raises RenderError where it cannot stand there."""
    if _HEADER_URL.fullmatch(url) is None:
        raise RenderError(field, "is not a URL that can stand in a header")
    return url.encode("ascii")


def date_value(instant: datetime) -> bytes:
    """Return an instant as RFC 5322 date in UTC."""
    at = instant.astimezone(UTC)
    text = f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d} {at:%H:%M:%S} +0000"
    return text.encode("ascii")


def body_part(kind: bytes, text: str) -> bytes:
    """Return text as a part of type text/`kind`, headers and body; it may end without a line end.

    ASCII that a mail server passes on as it stands goes as it stands (RFC 2045 section 2.7): it is shorter, and filters
    think ill of base64 around plain words. All other text is base64 of UTF-8, and so is a line that an mbox takes for the
    beginning of a message.
    """
    ends = text.count("\r\n")
    if text.isascii() and "\0" not in text and text.count("\n") == ends and text.count("\r") == ends:
        lines = text.encode("ascii")
        # From the end: Python finds words with usual letters several times faster so.
        mbox = lines.startswith(b"From ") or lines.rfind(b"\nFrom ") >= 0
        plain = None if mbox else plain_part(kind, lines)
        if plain is not None:
            return plain
    return _head(kind) + b"base64\r\n\r\n" + base64_body(text)


def plain_part(kind: bytes, lines: bytes) -> bytes | None:
    """Return ASCII whose lines all end in CRLF as a part that goes as it stands, None with a line over 998 octets."""
    start, size = 0, len(lines)
    while size - start > _LONGEST_LINE:
        # The last line end that keeps the longest allowed line before it: all lines before it are shorter still.
        end = lines.rfind(b"\n", start, start + _LONGEST_LINE + 2)
        if end < 0:
            return None
        start = end + 1
    return _head(kind) + b"7bit\r\n\r\n" + lines


def _head(kind: bytes) -> bytes:
    return b"Content-Type: text/" + kind + b"; charset=utf-8\r\nContent-Transfer-Encoding: "


def base64_body(text: str) -> bytes:
    """Return text as base64 of UTF-8 in lines of 76 with CRLF, ending in CRLF."""
    encoded = b2a_base64(text.encode("utf-8"), newline=False)
    whole, rest = divmod(len(encoded), 76)
    lines = [*_cut(whole).unpack_from(encoded), b""]
    if rest:
        lines.insert(whole, encoded[-rest:])
    return b"\r\n".join(lines)


@lru_cache(maxsize=256)
def _cut(lines: int) -> Struct:
    """Return what cuts so many whole lines of base64; cheaper than a slice for each."""
    return Struct("76s" * lines)
