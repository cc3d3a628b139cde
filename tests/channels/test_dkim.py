"""DKIM: an independent implementation verifies what we sign, whatever the message looks like; tampering shows."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import types
from typing import Any

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from support.components import missing
from tidings.channels.dkim import SIGNED, Signer, relaxed_body
from tidings.channels.envelope import stuffed
from tidings.channels.protocol import ChannelUnavailable


def pem_of(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


RSA = Signer("shop.example", "s1", pem_of(rsa.generate_private_key(65537, 2048)))
ED = Signer("shop.example", "s2", pem_of(ed25519.Ed25519PrivateKey.generate()))
SIGNERS = pytest.mark.parametrize("signer", [RSA, ED], ids=["rsa", "ed25519"])

MESSAGE = (
    b"From: Nordic Garden <hello@shop.example>\r\nTo: anna@example.com\r\n"
    b"Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n"
    b"Date: Tue, 02 Mar 2027 09:00:00 +0000\r\nMessage-ID: <m1.salt@shop.example>\r\n"
    b"List-Unsubscribe: <https://t.shop.example/u/abc>,\r\n <mailto:leave@shop.example>\r\n"
    b"Reply-To: help@shop.example\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nDear  Anna,\t \r\n\r\nit is spring. \r\n\r\n\r\n"
)


class _VerifyKey:
    """What dkimpy wants of PyNaCl, on the library that we have: the primitive only, all else stays dkimpy's own."""

    def __init__(self, key: bytes, encoder: Any) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, text: bytes, signature: bytes) -> bytes:
        try:
            self._key.verify(signature, text)
        except InvalidSignature as error:
            raise _BadSignature from error
        return text


class _BadSignature(Exception):
    pass


@pytest.fixture(autouse=True, scope="module")
def ed25519_for_dkimpy() -> Any:
    nacl = types.SimpleNamespace(
        signing=types.SimpleNamespace(VerifyKey=_VerifyKey),
        encoding=types.SimpleNamespace(Base64Encoder=None),
        exceptions=types.SimpleNamespace(BadSignatureError=_BadSignature, ValueError=ValueError),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkim, "nacl", nacl, raising=False)
        yield


def verified(message: bytes, signer: Signer) -> bool:
    name, text = signer.record
    asked: list[str] = []

    def dns(query: bytes, timeout: int = 5) -> bytes:
        asked.append(query.decode().rstrip("."))
        return text.encode()

    try:
        good = dkim.DKIM(message, minkey=1024).verify(dnsfunc=dns)
    except dkim.DKIMException:
        return False
    assert asked == [name]
    return bool(good)


@SIGNERS
def test_an_independent_implementation_verifies_a_signed_message(signer: Signer) -> None:
    signed = signer.sign(MESSAGE)
    assert signed.endswith(MESSAGE)
    assert verified(signed, signer)


@SIGNERS
@pytest.mark.parametrize(
    "change",
    [
        (b"Anna", b"Anne"),
        (b"hello@shop", b"hullo@shop"),
        (b"u/abc", b"u/abd"),
        (b"=One-Click", b"=One-Clack"),
        (b"text/plain", b"text/html"),
        (b"help@shop", b"hilf@shop"),
        (b"09:00:00", b"09:00:01"),
        (b"m1.salt", b"m2.salt"),
        (b"To: anna@", b"To: anne@"),
        (b"MIME-Version: 1.0", b"MIME-Version: 1.1"),
        (b"\r\nTo:", b"\r\nFrom: Bank <bank@bank.example>\r\nTo:"),
    ],
)
def test_every_signed_part_that_changes_breaks_the_signature(
    signer: Signer, change: tuple[bytes, bytes]
) -> None:
    signed = signer.sign(MESSAGE)
    assert change[0] in signed
    assert not verified(signed.replace(*change, 1), signer)


@SIGNERS
def test_what_relays_may_change_does_not_break_it(signer: Signer) -> None:
    signed = signer.sign(MESSAGE)
    relayed = b"Received: by relay\r\n" + signed.replace(b"Dear  Anna,\t \r\n", b"Dear Anna,\r\n")
    relayed = relayed.replace(b",\r\n <mailto:", b", <mailto:").replace(b"Reply-To: ", b"REPLY-TO:   ")
    assert verified(relayed + b"\r\n\r\n", signer)


def test_every_header_asked_for_is_covered_and_from_once_more() -> None:
    signed = RSA.sign(MESSAGE)
    names = re.sub(rb"\s", b"", re.search(rb"h=([^;]*);", signed)[1]).decode().split(":")
    assert sorted(names) == sorted((*SIGNED, "from"))
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(names)


def test_the_header_is_folded_and_pure_ascii() -> None:
    head, _, _ = RSA.sign(MESSAGE).partition(b"\r\nFrom:")
    assert head.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example;\r\n")
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert all(line.startswith(b"\t") for line in head.split(b"\r\n")[1:])


@SIGNERS
@pytest.mark.parametrize(
    "message",
    [
        b"From: a@shop.example\r\n\r\n",
        b"From: a@shop.example\r\n\r\n\r\n\r\n",
        b"From: a@shop.example\r\n\r\n \r\n\t\r\n",
        b"From: a@shop.example\r\n\r\nno line end",
        b"From: a@shop.example\r\n\r\nends in spaces  \t",
        b"From: a@shop.example\r\n\r\n a\r\n\r\n  b  c\r\n",
        b"From:a@shop.example\r\nTo:\r\n\r\nx\r\n",
        b"From: a@shop.example\r\nTo: one@x.example\r\nTo: two@x.example\r\n\r\nx\r\n",
        b"From: a@shop.example\r\nSubject: \xd0\x9f\xd1\x80\r\n\r\n\xd0\x9f\r\n",
        b"From: a@shop.example\nSubject: bare ends\n\nx\ny\r\rz\n",
    ],
    ids=range(10),
)
def test_odd_messages_verify_as_they_arrive(signer: Signer, message: bytes) -> None:
    signed = signer.sign(message)
    assert verified(signed, signer)
    # What goes over the wire: dots are doubled there and undoubled at the other end.
    arrived = stuffed(signed)
    assert verified(arrived[1:] if arrived.startswith(b".") else arrived.replace(b"\r\n..", b"\r\n."), signer)


values = st.text(alphabet="abz \t<>@,;:=?-_.0я", min_size=1, max_size=60)
folds = st.lists(values, min_size=1, max_size=3).map(
    lambda lines: "\r\n ".join(line.strip() or "x" for line in lines)
)
heads = st.dictionaries(
    st.sampled_from(
        ["To", "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe", "X-Other", "Content-Type"]
    ),
    folds,
    max_size=6,
)
texts = st.text(alphabet=st.sampled_from("ab. \t\r\n=я"), max_size=120)


@settings(max_examples=250, deadline=None)
@given(heads, texts, st.sampled_from([RSA, ED]))
def test_any_message_verifies(head: dict[str, str], text: str, signer: Signer) -> None:
    body = re.sub(r"\r\n|\r|\n", "\r\n", text)
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    message = f"From: Shop <a@shop.example>\r\n{lines}\r\n{body}".encode()
    assert verified(signer.sign(message), signer)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_the_relaxed_body_is_that_of_the_other_implementation(text: str) -> None:
    body = re.sub(r"\r\n|\r|\n", "\r\n", text).encode() + b"\r\n"
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


def test_the_record_is_what_dns_must_say() -> None:
    name, text = ED.record
    assert name == "s2._domainkey.shop.example"
    assert re.fullmatch(r"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", text)


def test_a_domain_with_other_letters_is_written_in_ascii() -> None:
    key = pem_of(ed25519.Ed25519PrivateKey.generate())
    assert Signer("Bücher.example", "s", key).domain == "xn--bcher-kva.example"


def test_a_pem_on_one_line_is_read() -> None:
    one_line = pem_of(ed25519.Ed25519PrivateKey.generate()).decode().replace("\n", "\\n")
    assert Signer("shop.example", "s", one_line).algorithm == "ed25519-sha256"


def test_a_key_that_receivers_ignore_is_refused() -> None:
    """RFC 8301: nobody may verify with RSA keys under 1024 bits; the library itself makes none so small."""
    if shutil.which("openssl") is None:
        missing("openssl is not installed here")
    made = subprocess.run(["openssl", "genrsa", "768"], capture_output=True, check=True).stdout
    with pytest.raises(ChannelUnavailable, match="at least 1024 bits"):
        Signer("shop.example", "s", made)


@pytest.mark.parametrize(
    ("domain", "selector", "key"),
    [
        ("", "s", ED),
        ("shop.example", "", ED),
        ("shop.example; d=bank.example", "s", ED),
        ("shop.example\r\nX: y", "s", ED),
        ("a..b", "s", ED),
        ("shop.example", "s", b"no key"),
        ("shop.example", "s", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n"),
        ("shop.example", "s", pem_of(ec.generate_private_key(ec.SECP256R1()))),
    ],
    ids=range(8),
)
def test_what_cannot_sign_is_one_sentence_without_the_key(domain: str, selector: str, key: Any) -> None:
    pem = pem_of(ed25519.Ed25519PrivateKey.generate()) if key is ED else key
    with pytest.raises(ChannelUnavailable) as caught:
        Signer(domain, selector, pem)
    assert "c2VjcmV0" not in caught.value.message
    assert caught.value.what_to_do
