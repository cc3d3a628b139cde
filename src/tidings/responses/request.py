"""What a request tells about itself, cut down to what may be kept: a network instead of an address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LONGEST_AGENT = 300
_PREFETCH = frozenset((b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"))
_NOTED = _PREFETCH | {b"user-agent", b"dnt", b"sec-gpc"}


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


class ClientGone(Exception):
    """The client went away before it had sent its body."""


def describe(scope: Scope) -> dict[str, Any]:
    """Return the facts of a request under the short keys of a spool record.

    `method`, `ip` (the network: /24 of IPv4, /48 of IPv6), `ua`, `prefetch` when a header says that nobody asked
    for it yet, and `dnt` when the reader does not want to be followed (DNT or Sec-GPC).
    """
    headers = {name: value for name, value in scope["headers"] if name in _NOTED}
    facts: dict[str, Any] = {"method": scope["method"], "ua": printable(headers.get(b"user-agent", b""))}
    client = scope.get("client")
    if client:
        facts["ip"] = network(client[0])
    if headers.get(b"dnt") == b"1" or headers.get(b"sec-gpc") == b"1":
        facts["dnt"] = True
    for name in _PREFETCH & headers.keys():
        said = headers[name].lower()
        if b"prefetch" in said or b"preview" in said:
            facts["prefetch"] = True
    return facts


def header(scope: Scope, wanted: bytes) -> bytes:
    """Return the first header of that lower-case name, or nothing."""
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return b""


@lru_cache(maxsize=1024)
def printable(raw: bytes) -> str:
    """Return a header as text without control signs, at most 300 signs long."""
    text = raw[: _LONGEST_AGENT * 4].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_LONGEST_AGENT].strip()


@lru_cache(maxsize=4096)
def network(address: str) -> str | None:
    """Return the network an address belongs to, /24 or /48: enough to see bursts, too little to know a person."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if not isinstance(ip, IPv4Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    width = 24 if isinstance(ip, IPv4Address) else 48
    return str(ip_network((ip, width), strict=False))


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body; raises BodyTooLarge before reading more than `limit` bytes."""
    length = header(scope, b"content-length")
    if length.isdigit() and int(length) > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
