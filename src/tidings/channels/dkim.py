"""DKIM signatures (RFC 6376, RFC 8301, RFC 8463): relaxed/relaxed, with RSA or Ed25519.

Written out here because signing in pure Python costs more than everything else about a message. The tests let an
independent implementation verify every signature.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from hashlib import sha256

from tidings.channels.protocol import ChannelUnavailable

# In this order in the signature; a header that a message does not have is left out.
SIGNED = (
    *("from", "to", "subject", "date", "message-id", "reply-to"),
    *("list-unsubscribe", "list-unsubscribe-post", "mime-version", "content-type"),
)
# Named once more than it occurs: nobody can add another below without breaking the signature.
OVERSIGNED = ("from",)
_SMALLEST_RSA = 1024
_LINE = 72

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)(?:\r\n|\Z)")
_SPACES = re.compile(rb"[ \t]+")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LABELS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")


class Signer:
    """Signs the messages of one domain with one key; safe to share between threads.

    Raises ChannelUnavailable where domain, selector or key cannot be used.
    """

    def __init__(self, domain: str, selector: str, key_pem: str | bytes) -> None:
        self.domain = _labels(domain, "dkim_domain")
        self.selector = _labels(selector, "dkim_selector")
        self.algorithm, self._sign, self._public = _key(key_pem)

    @property
    def record(self) -> tuple[str, str]:
        """Return the name and the text of the DNS record (TXT) that makes the signatures valid."""
        kind = self.algorithm.partition("-")[0]
        text = f"v=DKIM1; k={kind}; p={base64.b64encode(self._public).decode()}"
        return f"{self.selector}._domainkey.{self.domain}", text

    def sign(self, payload: bytes) -> bytes:
        """Return a message with its signature in front; line ends become CRLF and the last line gets one, as on the wire."""
        ends = payload.count(b"\n")
        if ends != payload.count(b"\r") or ends != payload.count(b"\r\n"):
            payload = _BARE.sub(b"\r\n", payload)
        if not payload.endswith(b"\r\n"):
            payload += b"\r\n"
        head, body = _halves(payload)
        names, lines = _chosen(head)
        digest = base64.b64encode(sha256(relaxed_body(body)).digest()).decode()
        opening = (
            f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n"
            f"\ts={self.selector};\r\n\th={_folded_names(names)};\r\n\tbh={digest};\r\n\tb="
        ).encode()
        # The signature signs itself, with an empty b= and without the line end.
        lines.append(b"dkim-signature:" + _value(opening))
        signature = base64.b64encode(self._sign(b"\r\n".join(lines))).decode()
        pieces = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
        return b"DKIM-Signature: " + opening + "\r\n\t".join(pieces).encode() + b"\r\n" + payload


def relaxed_body(body: bytes) -> bytes:
    """Return a body in the relaxed form (RFC 6376 section 3.4.4); `body` is empty or ends in CRLF, and has no other line ends."""
    if b"\t" in body or b"  " in body or b" \r\n" in body:
        body = _SPACES.sub(b" ", body).replace(b" \r\n", b"\r\n")
    end = len(body)
    while end >= 2 and body[end - 2 : end] == b"\r\n":
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def _halves(payload: bytes) -> tuple[bytes, bytes]:
    if payload.startswith(b"\r\n"):
        return b"", payload[2:]
    head, found, body = payload.partition(b"\r\n\r\n")
    return head + (b"\r\n" if found else b""), body


def _chosen(head: bytes) -> tuple[list[str], list[bytes]]:
    """Return the names for h= and the relaxed header lines, in one order (RFC 6376 sections 3.4.2 and 5.4.2)."""
    fields: dict[str, list[bytes]] = {}
    for name, value in _FIELD.findall(head):
        fields.setdefault(name.decode("ascii").lower(), []).append(value)
    names: list[str] = []
    lines: list[bytes] = []
    for name in SIGNED:
        # Of several with one name, the last one in the message is the first one in the signature.
        for value in reversed(fields.get(name, [])):
            names.append(name)
            lines.append(name.encode() + b":" + _value(value))
        if name in OVERSIGNED:
            names.append(name)
    return names, lines


def _value(value: bytes) -> bytes:
    return _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _folded_names(names: list[str]) -> str:
    lines, room = [""], _LINE - 4
    for number, name in enumerate(names):
        piece = name if number == len(names) - 1 else name + ":"
        if len(lines[-1]) + len(piece) > room:
            lines.append("")
        lines[-1] += piece
    return "\r\n\t ".join(lines)


def _labels(written: str, option: str) -> str:
    ascii_form = written.strip().rstrip(".")
    try:
        ascii_form = ascii_form if ascii_form.isascii() else ascii_form.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_form = ""
    if _LABELS.fullmatch(ascii_form) is None or ".." in ascii_form or len(ascii_form) > 200:
        raise ChannelUnavailable(
            f"{option} is not a name that can stand in DNS: {written!r}",
            what_to_do=f"write {option} in the channel's options",
        )
    return ascii_form.lower()


def _key(pem: str | bytes) -> tuple[str, Callable[[bytes], bytes], bytes]:
    """Return the algorithm's name, what signs, and the public key as the DNS record holds it."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

    written = pem.encode() if isinstance(pem, str) else pem
    try:
        # An environment variable often holds a PEM on one line, its line ends written out.
        key = serialization.load_pem_private_key(written.replace(b"\\n", b"\n"), None)
    except Exception as error:
        # What the library says may repeat a part of the key.
        raise ChannelUnavailable(
            "dkim_key is not a private key in PEM form without a password",
            what_to_do="make one: openssl genrsa -out dkim.pem 2048",
        ) from error
    public = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        # RFC 8463 signs the hash, not the text; the record holds the bare 32 bytes.
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return "ed25519-sha256", lambda text: key.sign(sha256(text).digest()), raw
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SMALLEST_RSA:
        how, hashed = padding.PKCS1v15(), hashes.SHA256()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return "rsa-sha256", lambda text: key.sign(text, how, hashed), der
    raise ChannelUnavailable(
        f"dkim_key is neither RSA of at least {_SMALLEST_RSA} bits nor Ed25519",
        what_to_do="make one: openssl genrsa -out dkim.pem 2048",
    )
