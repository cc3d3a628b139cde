"""Tokens inside the links of a message: who it was sent to and where the link leads, sealed for one purpose.

Layout before base64url without padding:

    version (1) · length of the key's name (1) · the name · purpose (1) · message id (LEB128) · target (UTF-8) · seal (16)

The seal is keyed BLAKE2b of 128 bits (RFC 7693) over everything before it, so a token of one purpose is never good
for another and no bit can change. Nothing in it is secret: it holds no address and no name.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Literal

from tidings.tokens.keyring import KeyRing, SigningKey

Purpose = Literal["click", "open", "unsubscribe", "visit"]

VERSION = 1
LONGEST_TARGET = 2048
_SEAL = 16
_CODES: dict[Purpose, int] = {"click": 1, "open": 2, "unsubscribe": 3, "visit": 4}
_PERSON = b"tidings.link"
_LARGEST_ID = 2**63 - 1
# No control sign, blank or backslash: browsers read those differently from what was checked.
_TARGET = re.compile(r"https?://[^\s\x00-\x20\x7f\\]+")


class UnusableTarget(ValueError):
    """A link of a message leads where no token can be made for; the message must not be mailed with it."""


class InvalidToken(Exception):
    """The token was not made by this workspace for this purpose. Nothing more is said, on purpose."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a valid token says: the message (0 for a preview) and, in a click token, the target."""

    message_id: int
    target: str = ""


class Minter:
    """Makes many tokens with the signing key of a ring; about two microseconds each."""

    __slots__ = ("_starts",)

    def __init__(self, ring: KeyRing) -> None:
        key = ring.signing
        self._starts = {purpose: _start(key, code) for purpose, code in _CODES.items()}

    def mint(self, purpose: Purpose, message_id: int, target: str = "") -> str:
        """Return a token for a link of a message.

        A click token needs a `target` that starts with http:// or https:// and is at most 2,048 bytes; the
        others take none. Raises UnusableTarget for any other target: such a link must never be mailed.
        """
        if (purpose == "click") != bool(target):
            raise ValueError(f"a token for {purpose} takes {'a' if purpose == 'click' else 'no'} target")
        if target and not is_web_address(target):
            raise UnusableTarget(
                f"a link leads to http:// or https:// without blanks, not to {target[:80]!r}"
            )
        prefix, keyed = self._starts[purpose]
        body = _number(message_id) + target.encode()
        seal = keyed.copy()
        seal.update(body)
        return urlsafe_b64encode(prefix + body + seal.digest()).rstrip(b"=").decode("ascii")


def mint(ring: KeyRing, purpose: Purpose, message_id: int, target: str = "") -> str:
    """Return one token; for a batch make a Minter once."""
    return Minter(ring).mint(purpose, message_id, target)


class Verifier:
    """Checks many tokens against all keys of a ring."""

    __slots__ = ("_known",)

    def __init__(self, ring: KeyRing) -> None:
        starts = [_start(key, code) for key in ring.keys for code in _CODES.values()]
        self._known = dict(starts)

    def verify(self, purpose: Purpose, token: str) -> Token:
        """Return what the token says, or raise InvalidToken. Takes equally long for every wrong seal."""
        text = token.encode("ascii", "replace")
        try:
            raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except (NotBase64, ValueError):
            raise InvalidToken from None
        # The decoder skips foreign signs and ignores spare bits; only the one true spelling is a token.
        if urlsafe_b64encode(raw).rstrip(b"=") != text or len(raw) < _SEAL + 5:
            raise InvalidToken
        end = 3 + raw[1]
        keyed = self._known.get(raw[:end])
        if keyed is None or raw[end - 1] != _CODES[purpose]:
            raise InvalidToken
        seal = keyed.copy()
        seal.update(raw[end:-_SEAL])
        if not compare_digest(seal.digest(), raw[-_SEAL:]):
            raise InvalidToken
        message_id, start = _read_number(raw, end)
        return Token(message_id, raw[start:-_SEAL].decode())


def verify(ring: KeyRing, purpose: Purpose, token: str) -> Token:
    """Return what one token says, or raise InvalidToken; for many make a Verifier once."""
    return Verifier(ring).verify(purpose, token)


def is_web_address(target: str) -> bool:
    """Tell whether a text is an http or https address that may stand in a link of ours."""
    return len(target) <= LONGEST_TARGET >= len(target.encode()) and bool(_TARGET.fullmatch(target))


def _start(key: SigningKey, code: int) -> tuple[bytes, blake2b]:
    """Return the bytes before the message id, and a seal that has taken them in."""
    prefix = bytes((VERSION, len(key.kid))) + key.kid.encode("ascii") + bytes((code,))
    keyed = blake2b(prefix, digest_size=_SEAL, key=key.secret, person=_PERSON)
    return prefix, keyed


def _number(value: int) -> bytes:
    """Return a number in little groups of seven bits (LEB128)."""
    if not 0 <= value <= _LARGEST_ID:
        raise ValueError("a message id is between 0 and 2^63 - 1")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_number(raw: bytes, start: int) -> tuple[int, int]:
    """Return the number that begins at `start` and where it ends; only called on sealed bytes."""
    value = shift = 0
    while True:
        byte = raw[start]
        value |= (byte & 0x7F) << shift
        start += 1
        if byte < 0x80:
            return value, start
        shift += 7
