"""The GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1): which signs an SMS carries cheaply, and their octets."""

from __future__ import annotations

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The sign of each septet from 0 to 127; 27 is the escape to the extension table."""

ESCAPE = 0x1B
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
"""The signs that take two septets, with the second one."""

_OCTETS = {sign: bytes([code]) for code, sign in enumerate(BASIC) if code != ESCAPE} | {
    sign: bytes([ESCAPE, code]) for sign, code in EXTENSION.items()
}
_EXTENDED = {code: sign for sign, code in EXTENSION.items()}


def fits(text: str) -> bool:
    """Tell whether every sign of a text is in the alphabet."""
    return all(sign in _OCTETS for sign in text)


def encode(text: str) -> bytes:
    """Return a text with one septet in each octet, as SMPP carries it; raises KeyError for a sign outside the alphabet."""
    return b"".join([_OCTETS[sign] for sign in text])


def decode(octets: bytes) -> str:
    """Return the text of unpacked septets; an unknown escape reads as a space, an octet over 127 as a question mark."""
    signs, escaped = [], False
    for octet in octets:
        if escaped:
            signs.append(_EXTENDED.get(octet, " "))
            escaped = False
        elif octet == ESCAPE:
            escaped = True
        else:
            signs.append(BASIC[octet] if octet < len(BASIC) else "?")
    return "".join(signs)
