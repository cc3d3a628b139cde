"""What an SMTP reply means, as a table; and what may stand in an envelope and in a body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.envelope import envelope_address, stuffed
from tidings.channels.replies import outcome_of, reference, say

TABLE = [
    # phase, code, text, kind, scope
    ("rcpt", 550, "5.1.1 <a@b.c>: Recipient address rejected: User unknown", "rejected", "recipient"),
    ("rcpt", 550, "no such user", "rejected", "recipient"),
    ("rcpt", 551, "user not local", "rejected", "recipient"),
    ("rcpt", 553, "5.1.3 bad destination mailbox address syntax", "rejected", "recipient"),
    ("rcpt", 501, "5.1.3 bad recipient address syntax", "rejected", "recipient"),
    ("rcpt", 550, "5.2.1 mailbox disabled", "rejected", "recipient"),
    ("rcpt", 550, "5.4.4 host not found", "rejected", "recipient"),
    ("rcpt", 552, "5.2.2 mailbox full", "transient", "recipient"),
    ("rcpt", 452, "4.2.2 mailbox full", "transient", "recipient"),
    ("rcpt", 450, "4.2.1 mailbox busy", "transient", "recipient"),
    ("rcpt", 451, "4.7.1 Greylisting in action, please come back later", "transient", "recipient"),
    ("rcpt", 450, "4.7.1 greylisted", "transient", "recipient"),
    ("rcpt", 452, "4.5.3 too many recipients", "throttled", None),
    ("rcpt", 451, "4.7.28 unusual rate of mail", "throttled", None),
    ("rcpt", 554, "5.7.1 <a@b.c>: Relay access denied", "rejected", "config"),
    ("rcpt", 550, "5.7.1 policy", "rejected", "config"),
    ("rcpt", 530, "5.7.0 must issue a STARTTLS command first", "rejected", "config"),
    ("rcpt", 503, "5.5.1 bad sequence", "rejected", "config"),
    ("rcpt", 502, "not implemented", "rejected", "config"),
    ("mail", 530, "authentication required", "rejected", "config"),
    ("mail", 535, "5.7.8 bad credentials", "rejected", "config"),
    ("mail", 553, "5.1.8 sender domain does not exist", "rejected", "config"),
    ("mail", 550, "sender not allowed", "rejected", "config"),
    ("mail", 552, "message size exceeds limit", "rejected", "content"),
    ("mail", 552, "5.3.4 too large", "rejected", "content"),
    ("mail", 421, "4.3.2 shutting down", "transient", None),
    ("mail", 421, "4.7.0 too many connections, slow down", "throttled", None),
    ("mail", 452, "4.3.1 insufficient storage", "transient", None),
    ("mail", 454, "4.7.0 temporary authentication failure", "transient", None),
    ("data", 554, "no valid recipients", "rejected", "content"),
    ("data", 503, "bad sequence", "rejected", "config"),
    ("data", 451, "local error", "transient", None),
    ("body", 550, "5.7.26 unauthenticated email is not accepted", "rejected", "config"),
    ("body", 550, "5.7.515 access denied, sending domain does not pass", "rejected", "config"),
    ("body", 550, "5.7.1 unsolicited", "rejected", "config"),
    ("body", 554, "5.7.1 message identified as spam", "rejected", "content"),
    ("body", 554, "transaction failed", "rejected", "content"),
    ("body", 552, "message exceeds storage allocation", "rejected", "content"),
    ("body", 552, "5.2.2 over quota", "transient", "recipient"),
    ("body", 552, "5.2.3 message length exceeds limit", "rejected", "content"),
    ("body", 554, "5.6.0 MIME error", "rejected", "content"),
    ("body", 550, "5.1.1 user unknown", "rejected", "recipient"),
    ("body", 550, "rejected", "rejected", "content"),
    ("body", 451, "4.3.0 queue file write error", "transient", None),
    ("body", 421, "4.3.0 going down", "transient", None),
    ("body", 354, "out of step", "in_doubt", None),
    ("body", 200, "", "in_doubt", None),
    ("data", 250, "out of step", "transient", None),
    ("rcpt", 354, "out of step", "transient", None),
]


@pytest.mark.parametrize(("phase", "code", "text", "kind", "scope"), TABLE)
def test_a_reply_means_one_outcome(phase: str, code: int, text: str, kind: str, scope: str | None) -> None:
    outcome = outcome_of(phase, code, text, "a@b.c")
    assert (outcome.kind, outcome.scope) == (kind, scope)
    assert outcome.detail.startswith(f"{phase.upper()} {code}")
    assert "a@b.c" not in outcome.detail


def test_greylisting_waits_five_minutes_and_a_throttle_one() -> None:
    assert outcome_of("rcpt", 451, "4.7.1 greylisted").retry_after == 300
    assert outcome_of("rcpt", 451, "rate limited").retry_after == 60


def test_a_recipient_rejection_keeps_the_enhanced_code_for_suppression() -> None:
    assert "5.1.1" in outcome_of("rcpt", 550, "5.1.1 no such user").detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.0.0 Ok: queued as 4XyZ1234", "4XyZ1234"),
        ("2.6.0 <m7.x@b> Queued mail for delivery id=abc-123", "abc-123"),
        ("OK id=1sK2Lm-0000", "1sK2Lm-0000"),
        ("2.0.0 OK  1700000000 a1-20020 - gsmtp", "2.0.0 OK 1700000000 a1-20020 - gsmtp"),
    ],
)
def test_the_other_sides_name_for_a_message_is_kept(text: str, expected: str) -> None:
    assert reference(text) == expected


def test_a_detail_is_one_short_line_without_the_address() -> None:
    line = say("rcpt", 550, "no\r\nsuch \x1b[31muser Anna@Example.COM " + "x" * 900, "anna@example.com")
    assert "\n" not in line
    assert "\x1b" not in line
    assert "nna@" not in line
    assert len(line) <= 300


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "@example.com",
        "anna@",
        "an na@example.com",
        "anna@example.com>",
        "anna@exa mple.com",
        "anna@example.com\r\nDATA",
        "anna@example.com\n",
        "<anna@example.com",
        "anna@example..com",
        "anna@-example.com",
        '"anna x"@example.com',
        "anna,bob@example.com",
        "аня@example.com",
        "a" * 65 + "@example.com",
        "anna@" + "a" * 260 + ".com",
        "anna\x00@example.com",
        "@a.example:anna@b.example",
        "anna@xn--\u2028.com",
    ],
)
def test_a_tricky_address_stands_in_no_envelope(address: str) -> None:
    assert envelope_address(address) is None


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("anna.o'neil+news@example.com", "anna.o'neil+news@example.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@почта.рф", "anna@xn--80a1acny.xn--p1ai"),
        ("a!#$%&*/=?^_`{|}~-b@example.com", "a!#$%&*/=?^_`{|}~-b@example.com"),
    ],
)
def test_a_real_address_stands_in_an_envelope(address: str, written: str) -> None:
    assert envelope_address(address) == written


@given(st.text(max_size=80))
def test_what_stands_in_an_envelope_cannot_end_the_line_or_the_path(text: str) -> None:
    for address in (text, f"{text}@example.com", f"anna@{text}"):
        written = envelope_address(address)
        assert written is None or (written.isascii() and not set(written) & set(' <>\r\n\t\0,;()"\\'))


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n", b"\r\n."]), max_size=40).map(b"".join))
def test_a_stuffed_body_has_canonical_lines_and_no_end_in_it(payload: bytes) -> None:
    ready = stuffed(payload)
    assert ready.endswith(b"\r\n")
    assert ready.count(b"\r") == ready.count(b"\n") == ready.count(b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + ready
    # What the other side reads after taking the dots off again is what we meant.
    lines = ready.split(b"\r\n")
    assert all(not line.startswith(b".") or line.startswith(b"..") for line in lines)
    meant = payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    read = [line.removeprefix(b".") for line in lines]
    assert read[: len(meant)] == meant


@pytest.mark.parametrize(
    ("text", "code", "permanent"),
    [
        ("5.1.1 no such user", "5.1.1", True),
        ("5.7.1 Client host [203.5.1.2] blocked", "5.7.1", False),
        ("Service unavailable; Client host [203.5.1.2] blocked", "", False),
        ("message from 5.1.1.10 refused", "", False),
    ],
)
def test_an_ip_address_is_not_read_as_a_status(text: str, code: str, permanent: bool) -> None:
    outcome = outcome_of("rcpt", 550, text)
    assert (outcome.code, outcome.permanent) == (code, permanent)
