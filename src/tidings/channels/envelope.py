"""What may travel in an SMTP dialogue: addresses without tricks, bodies with canonical line ends and stuffed dots."""

from __future__ import annotations

import re

# RFC 5321 path without source routes; quotes and comments are left out on purpose, nobody's mailbox needs them.
_ADDRESS = re.compile(
    r"[!#-'*+\-/-9=?A-Z^-~]+(?:\.[!#-'*+\-/-9=?A-Z^-~]+)*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
)
# A CR that is not the end of a line before another one that begins without a dot.
_ODD = re.compile(rb"\r(?!\n[^.])")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def envelope_address(address: str) -> str | None:
    """Return an address as it stands between `<` and `>`, its domain in ASCII, or None where it cannot stand there."""
    local, at, domain = address.rpartition("@")
    if not at or len(local) > 64 or len(address) > 254:
        return None
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    written = f"{local}@{domain}"
    return written if _ADDRESS.fullmatch(written) and ".." not in domain else None


def stuffed(payload: bytes) -> bytes:
    """Return a message ready for DATA: CRLF line ends, leading dots doubled, a line end last; without the final dot.

    A bare CR or LF becomes CRLF, so that no server down the road can see an end of message where we see a line
    (SMTP smuggling, CVE-2023-51764).
    """
    odd = _ODD.search(payload)
    # The end of a canonical message is the first CR that no ordinary line follows; then every CR has its LF.
    canonical = odd is not None and odd.start() == len(payload) - 2 and payload[-1:] == b"\n"
    # As many of the one as of the other: to leave them out takes a fraction of the time of counting them.
    if (
        canonical
        and payload[:1] != b"."
        and len(payload.replace(b"\r", b"")) == len(payload.replace(b"\n", b""))
    ):
        return payload
    ends = payload.count(b"\n")
    if ends != payload.count(b"\r") or ends != payload.count(b"\r\n"):
        payload = _BARE.sub(b"\r\n", payload)
    if not payload.endswith(b"\r\n"):
        payload += b"\r\n"
    if payload.startswith(b"."):
        payload = b"." + payload
    return payload.replace(b"\r\n.", b"\r\n..") if b"\r\n." in payload else payload
